/**
 * Child: deletes from a table of 8 columns and prints the time of each, in milliseconds. Arguments: mode rows times
 * location. Mode `row` deletes one row of one file each time, beside the file; mode `partition` one of `times` partitions.
 */
import { openLake, schema, t } from 'floe'

const [mode, rowsText, timesText, location] = process.argv.slice(2) as [
  'row' | 'partition',
  string,
  string,
  string,
]
const total = Number(rowsText)
const times = Number(timesText)
const eight = schema({
  id: t.long(),
  part: t.int(),
  c2: t.int(),
  d0: t.double(),
  d1: t.double(),
  s0: t.string(),
  s1: t.string(),
  at: t.timestamptz(),
})
const each = total / times

function* rows() {
  for (let id = 0; id < total; id++) {
    yield {
      id,
      part: Math.floor(id / each),
      c2: (id * 17) % 1000,
      d0: id / 3,
      d1: ((id * 31) % 10_007) / 7,
      s0: `value-${id % 1000}`,
      s1: `key ${(id * 7919) % 100_003}`,
      at: 1_767_225_600_000_000n + BigInt(id) * 1000n,
    }
  }
}

const lake = await openLake(location)
const table = await lake.createTable('bench.deletes', eight, {
  formatVersion: 3,
  ...(mode === 'partition' ? { partitionBy: ['part'] } : {}),
})
await table.append(rows())
const deletes: number[] = []
for (let i = 0; i < times; i++) {
  const started = performance.now()
  const result =
    mode === 'row'
      ? await table.deleteWhere({ id: i * each + (i % each) }, { mode: 'merge-on-read' })
      : await table.deleteWhere({ part: i })
  deletes.push(performance.now() - started)
  const isAsMeant =
    mode === 'row'
      ? result.rowsDeleted === 1 && result.filesWithDeletes === 1 && result.filesRewritten === 0
      : result.rowsDeleted === each && result.filesRemoved > 0 && result.filesRead === 0
  if (!isAsMeant) throw new Error(`not what was meant: ${JSON.stringify(result, replacer)}`)
}
const left = await table.scan().count()
const expected = mode === 'row' ? total - times : 0
if (left !== expected) throw new Error(`the table has ${left} rows, not ${expected}`)
console.log(JSON.stringify({ deletes }))
await lake.close()

function replacer(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
