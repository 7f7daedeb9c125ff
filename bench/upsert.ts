/**
 * Child: upserts into a table of 8 columns and prints the time of each, in milliseconds. Arguments: rows files batch
 * times location [version]. `batch` random keys an upsert; with batch = rows every row is changed each time.
 */
import { openLake, schema, t } from 'floe'
import { peakRssMiB } from './measure.js'

const [rowsText, filesText, batchText, timesText, location, version] = process.argv.slice(
  2,
) as string[]
const total = Number(rowsText)
const files = Number(filesText)
const size = Number(batchText)
const times = Number(timesText)
const eight = schema(
  {
    id: t.long(),
    c1: t.long(),
    c2: t.int(),
    d0: t.double(),
    d1: t.double(),
    s0: t.string(),
    s1: t.string(),
    at: t.timestamptz(),
  },
  { key: ['id'] },
)

function row(id: number, round: number) {
  return {
    id,
    c1: id + round,
    c2: (id * 17) % 1000,
    d0: id / 3 + round,
    d1: ((id * 31) % 10_007) / 7,
    s0: `value-${id % 1000}`,
    s1: `key ${(id * 7919) % 100_003}`,
    at: 1_767_225_600_000_000n + BigInt(id) * 1000n,
  }
}
function* rows(from: number, count: number) {
  for (let i = from; i < from + count; i++) yield row(i, 0)
}
/** A small generator, so that each run changes the same keys. */
let state = 12_345
function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}

const lake = await openLake(location as string)
const table = await lake.createTable('bench.upserts', eight, {
  formatVersion: version === '2' ? 2 : 3,
})
const each = total / files
for (let f = 0; f < files; f++) await table.append(rows(f * each, each))
const warm = performance.now()
await table.upsert([row(0, -1)])
const indexMs = performance.now() - warm
const upserts: number[] = []
for (let round = 1; round <= times; round++) {
  const keys = new Set<number>()
  if (size === total) for (let i = 0; i < total; i++) keys.add(i)
  else while (keys.size < size) keys.add(random(total))
  const batch = [...keys].map((id) => row(id, round))
  const started = performance.now()
  const result = await table.upsert(batch)
  upserts.push(performance.now() - started)
  if (result.rows.updated !== size) throw new Error(`${result.rows.updated} rows were updated`)
}
const count = await table.scan().count()
if (count !== total) throw new Error(`the table has ${count} rows`)
console.log(JSON.stringify({ upserts, indexMs, peakRssMiB: peakRssMiB() }))
await lake.close()
