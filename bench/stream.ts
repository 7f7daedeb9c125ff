/**
 * Child: the pipeline's job (Bronze and Gold in one commit) over records that lie in memory, so that all that is measured
 * is floe: what a source costs comes on top. Arguments: events batchRows location. Prints raw MiB of values for each CPU
 * second of the process, workers included, the time of each batch, and the peak of memory.
 */
import { openLake } from 'floe'
import { Position, type RecordChunk, RecordChunkBuilder, type StreamSource } from 'floe/stream'
import { EventGenerator, GENERATOR_DEFAULTS } from '../examples/pipeline/generator.js'
import { startJob } from '../examples/pipeline/job.js'
import { peakRssMiB } from './measure.js'

const [eventsText, batchText, location] = process.argv.slice(2) as string[]
const events = Number(eventsText)
const batchRows = Number(batchText)
const PARTITIONS = 6
const TOPIC = 'content_events'

/** Chunks of as many records as a batch has, over all partitions. */
function generate(): RecordChunk[][] {
  const generator = new EventGenerator(GENERATOR_DEFAULTS)
  const next = new Array<number>(PARTITIONS).fill(0)
  const rounds: RecordChunk[][] = []
  for (let made = 0; made < events; made += batchRows) {
    const builders = next.map((offset, p) => new RecordChunkBuilder(TOPIC, p, offset))
    const now = Date.now()
    for (const { key, value, timestampMs } of generator.take(
      Math.min(batchRows, events - made),
      now,
    )) {
      let hash = 0
      for (const byte of key ?? []) hash = (Math.imul(hash, 31) + byte) >>> 0
      const p = hash % PARTITIONS
      const offset = next[p] as number
      builders[p]?.append(offset, timestampMs, key, value)
      next[p] = offset + 1
    }
    rounds.push(builders.map((builder, p) => builder.finish(next[p] as number)))
  }
  return rounds
}

const rounds = generate()
const valueBytes = rounds.flat().reduce((sum, { values }) => sum + values.bytes.length, 0)
const ends = new Map<number, number>()
for (const { partition, end } of rounds.flat()) ends.set(partition, end)
const source: StreamSource = {
  name: 'memory',
  open: () =>
    Promise.resolve({
      read: () => Promise.resolve(rounds.shift() ?? []),
      endOffsets: () =>
        Promise.resolve(
          Position.of(
            [...ends].map(([partition, offset]) => ({ topic: TOPIC, partition, offset })),
          ),
        ),
      committed: () => Promise.resolve(),
      close: () => Promise.resolve(),
    }),
}
const lake = await openLake(location as string)
const transform: number[] = []
const commit: number[] = []
const cpuBefore = process.cpuUsage()
const started = performance.now()
const { run } = await startJob({
  lake,
  source,
  trigger: { availableNow: true },
  maxBatchRows: batchRows,
  onProgress: ({ durationMs }) => {
    transform.push(durationMs.transform)
    commit.push(durationMs.commit)
  },
})
const result = await run.done
const seconds = (performance.now() - started) / 1000
const cpu = process.cpuUsage(cpuBefore)
if (result.rows !== events) throw new Error(`${result.rows} of ${events} events were committed`)
const mib = valueBytes / 2 ** 20
console.log(
  JSON.stringify({
    transform,
    commit,
    mibPerCpuSecond: mib / ((cpu.user + cpu.system) / 1e6),
    rowsPerSecond: events / seconds,
    bytesPerEvent: valueBytes / events,
    peakRssMiB: peakRssMiB(),
  }),
)
await lake.close()
