/** Rates of the pure functions that planning and writing call often. `node dist/bench/micro/spec.js` */
import { Bench } from 'tinybench'

const inner = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href
const { parseJson, stringifyJson } = (await import(
  inner('core/json.js')
)) as typeof import('../../src/core/json.js')
const { murmur3Bytes, murmur3Int64 } = (await import(
  inner('iceberg/spec/murmur3.js')
)) as typeof import('../../src/iceberg/spec/murmur3.js')
const { dayOfMicrosWords } = (await import(
  inner('iceberg/spec/transforms.js')
)) as typeof import('../../src/iceberg/spec/transforms.js')
const { parseTimestamp } = (await import(
  inner('iceberg/spec/temporal.js')
)) as typeof import('../../src/iceberg/spec/temporal.js')
const { compareStrings } = (await import(
  inner('iceberg/spec/value-compare.js')
)) as typeof import('../../src/iceberg/spec/value-compare.js')

/** Metadata as a stream leaves it: two thousand snapshots. */
const metadata = stringifyJson({
  snapshots: Array.from({ length: 2000 }, (_, i) => ({
    'snapshot-id': 9_000_000_000_000_000_000n + BigInt(i),
    'timestamp-ms': 1_800_000_000_000 + i,
    summary: { operation: 'append', 'added-records': String(i), 'total-records': String(i * i) },
    'manifest-list': `file:///lake/ns/table/metadata/snap-${i}-1-0123456789abcdef.avro`,
  })),
})
const bytes = new TextEncoder().encode('a video id of middling length')

const bench = new Bench({ time: 300 })
bench
  .add(`parse ${Math.round(metadata.length / 1024)} KiB of metadata`, () =>
    parseJson(metadata, 'bench'),
  )
  .add('murmur3 of 29 bytes', () => murmur3Bytes(bytes))
  .add('murmur3 of an int64', () => murmur3Int64(123_456_789, 42))
  .add('day of microseconds', () => dayOfMicrosWords(-1_234_567_890, 411_774))
  .add('parse a timestamp', () => parseTimestamp('2026-11-24T12:34:56.123456Z', true, 1_000_000n))
  .add('compare strings', () => compareStrings('event-000123', 'event-000124'))
await bench.run()
console.table(bench.table())
