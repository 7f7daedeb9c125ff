/** Child: appends generated rows and prints rows/s, seconds and peak memory. Arguments: form rows lake */
import { openLake, schema, t } from 'floe'
import { peakRssMiB } from './measure.js'

const [form, rowsText, location] = process.argv.slice(2) as ['rows' | 'batches', string, string]
const total = Number(rowsText)
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

const lake = await openLake(location)
const table = await lake.createTable('bench.append', five)
const batches: unknown[] = []
if (form === 'batches') {
  // The batches are made beforehand, by another table's scan, so that only the append is measured.
  const source = await lake.createTable('bench.source', five)
  await source.append(rows(total))
  for await (const batch of source.scan({ batchRows: CHUNK }).batches()) batches.push(batch)
}
await table.append(rows(20_000))
const started = performance.now()
if (form === 'batches') await table.append(batches as never)
else await table.append(rows(total))
const seconds = (performance.now() - started) / 1000
console.log(
  JSON.stringify({
    rowsPerSecond: total / seconds,
    seconds,
    peakRssMiB: peakRssMiB(),
    metadata: table.metadataLocation,
  }),
)
await lake.close()
