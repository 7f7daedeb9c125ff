/**
 * The pipeline's own work, one thread: generating events, making Bronze of their bytes, folding them into Gold. Run after
 * `tsc -b`: `node dist/bench/micro/pipeline.js [events]`. Wanted: bronzeBatches at most 3 µs an event of 300 bytes,
 * generator at least 100,000 events/s.
 */
import { Bench } from 'tinybench'
import { bronzeBatches } from '../../examples/pipeline/bronze.ts'
import { EventGenerator } from '../../examples/pipeline/generator.ts'
import { foldEvents, goldBatch, type VideoState } from '../../examples/pipeline/gold.ts'
import { RecordChunkBuilder } from '../../src/stream/record-chunk.ts'

const EVENTS = Number(process.argv[2] ?? 50_000)
const NOW = Date.UTC(2026, 0, 15, 12)

const generator = new EventGenerator({ eventsPerVersion: EVENTS / 5 })
const builders = Array.from({ length: 4 }, (_, p) => new RecordChunkBuilder('content_events', p, 0))
for (const [i, { key, value, timestampMs }] of generator.take(EVENTS, NOW).entries()) {
  const p = key === null ? i % 4 : (key[key.length - 1] as number) % 4
  const builder = builders[p] as RecordChunkBuilder
  builder.append(builder.count, timestampMs, key, value)
}
const chunks = builders.map((builder) => builder.finish(builder.count))
const rows = bronzeBatches({ chunks })
const states = new Map<string, VideoState>()
foldEvents(states, rows)
const texts = chunks.flatMap(({ values: { bytes, offsets } }) =>
  Array.from({ length: offsets.length - 1 }, (_, i) => bytes.subarray(offsets[i], offsets[i + 1])),
)
const source = new EventGenerator()

const bench = new Bench({ time: 2000, warmupTime: 500 })
bench
  .add('generator', () => source.take(EVENTS, NOW))
  .add('bronzeBatches', () => bronzeBatches({ chunks }))
  .add('JSON.parse of the same values alone', () => {
    for (const text of texts) {
      try {
        JSON.parse(Buffer.from(text.buffer, text.byteOffset, text.length).toString())
      } catch {
        // Broken ones are among them.
      }
    }
  })
  .add('foldEvents', () => foldEvents(new Map(states), rows))
  .add('goldBatch', () => goldBatch(states))
await bench.run()

const bytes = generator.counts.bytes
console.log(`${EVENTS} events of ${Math.round(bytes / EVENTS)} bytes`)
for (const { name, result } of bench.tasks) {
  if (!('latency' in result)) throw new Error(`${name} failed`)
  const ms = result.latency.p50
  const each = `${((ms * 1000) / EVENTS).toFixed(3)} µs an event`
  const rate = `${(bytes / 1024 / 1024 / (ms / 1000)).toFixed(0)} MiB/s`
  console.log(`${name.padEnd(38)} ${each.padStart(20)} ${rate.padStart(12)}`)
}
