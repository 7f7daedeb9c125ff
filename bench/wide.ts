/** Child: makes the table of 8 columns that scans read, from rows, and prints how it went. Arguments: rows lake */
import { openLake, schema, t } from 'floe'
import { peakRssMiB } from './measure.js'

const [rowsText, location] = process.argv.slice(2) as [string, string]
const total = Number(rowsText)
const eight = schema({
  c0: t.long(),
  c1: t.long(),
  c2: t.int(),
  d0: t.double(),
  d1: t.double(),
  s0: t.string(),
  s1: t.string(),
  at: t.timestamptz(),
})

function* rows() {
  for (let i = 0; i < total; i++) {
    yield {
      c0: (i * 7919) % total,
      c1: i,
      c2: i % 1000,
      d0: i / 3,
      d1: ((i * 31) % 10_007) / 7,
      s0: `value-${i % 1000}`,
      s1: `key ${(i * 7919) % 100_003}`,
      at: 1_767_225_600_000_000n + BigInt(i) * 1000n,
    }
  }
}

const lake = await openLake(location)
const table = await lake.createTable('bench.wide', eight)
const started = performance.now()
await table.append(rows())
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
