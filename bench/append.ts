/**
 * Child: appends generated rows twice, after a smaller append of the same form, and prints rows/s of both and peak memory:
 * in the first, code is compiled yet. Arguments: form rows lake warmUpRows
 */
import {
  makeData,
  makeVector,
  type RecordBatch,
  Table,
  TimestampMicrosecond,
  Utf8,
  Vector,
  vectorFromArray,
} from 'apache-arrow'
import { openLake, schema, t } from 'floe'
import { peakRssMiB } from './measure.js'

const [form, rowsText, location, warmUpText] = process.argv.slice(2) as [
  'rows' | 'batches',
  string,
  string,
  string,
]
const total = Number(rowsText)
const warmUp = Number(warmUpText)
const CHUNK = 50_000

const five = schema({
  id: t.long(),
  name: t.string(),
  score: t.double(),
  count: t.int(),
  at: t.timestamptz(),
})

function* rows(count: number, from = 0) {
  for (let i = from; i < from + count; i++) {
    yield {
      id: i,
      name: `user-${(i * 7919) % 100_003}`,
      score: ((i * 31) % 10_007) / 7,
      count: (i * 17) % 5003,
      at: 1_767_225_600_000_000n + BigInt(i) * 1000n,
    }
  }
}

/** The same rows. */
function* arrowBatches(count: number): Generator<RecordBatch> {
  for (let from = 0; from < count; from += CHUNK) {
    const part = [...rows(Math.min(CHUNK, count - from), from)]
    const at = makeData({
      type: new TimestampMicrosecond('UTC'),
      data: BigInt64Array.from(part, (row) => row.at),
    })
    const table = new Table({
      id: makeVector(BigInt64Array.from(part, (row) => BigInt(row.id))),
      name: vectorFromArray(
        part.map((row) => row.name),
        new Utf8(),
      ),
      score: makeVector(Float64Array.from(part, (row) => row.score)),
      count: makeVector(Int32Array.from(part, (row) => row.count)),
      at: new Vector([at]),
    })
    yield* table.batches
  }
}

const lake = await openLake(location)
const table = await lake.createTable('bench.append', five)
// Batches are made beforehand and without floe, so that its code is as cold for them as for rows.
const batches = form === 'batches' ? [...arrowBatches(total)] : []
if (form === 'batches') await table.append([...arrowBatches(warmUp)])
else await table.append(rows(warmUp))
const timed = async (): Promise<number> => {
  const started = performance.now()
  if (form === 'batches') await table.append(batches)
  else await table.append(rows(total))
  return (performance.now() - started) / 1000
}
const rowsPerSecond = [total / (await timed()), total / (await timed())]
console.log(JSON.stringify({ rowsPerSecond, peakRssMiB: peakRssMiB() }))
await lake.close()
