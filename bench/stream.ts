/**
 * Child: the pipeline's job, Bronze and Gold in one commit. Arguments: events batchRows location source; the source is
 * `memory`, so that what a source costs is left out, or one that another process has filled: `log`, the embedded one, or
 * `kafka`; then the folder or the broker and the bytes of all values follow. Prints raw MiB of values for each CPU second of the process,
 * workers included, the time of each batch and the CPU seconds up to its end, the peak of memory, and how many events Gold has taken.
 */
import { openLake } from 'floe'
import { kafkaSource } from 'floe/kafka'
import {
  logSource,
  Position,
  type RecordChunk,
  RecordChunkBuilder,
  type StreamSource,
} from 'floe/stream'
import { EventGenerator, GENERATOR_DEFAULTS } from '../examples/pipeline/generator.js'
import { startJob } from '../examples/pipeline/job.js'
import { peakRssMiB } from './measure.js'

const [eventsText, batchText, location, kind, where, topicBytes] = process.argv.slice(2) as string[]
const events = Number(eventsText)
const batchRows = Number(batchText)
const PARTITIONS = 6
const TOPIC = 'content_events'

function memorySource(rounds: RecordChunk[][]): StreamSource {
  const ends = new Map<number, number>()
  for (const { partition, end, values } of rounds.flat()) {
    ends.set(partition, end)
    valueSizes.push(values.bytes.length)
  }
  const last = Position.of(
    [...ends].map(([partition, offset]) => ({ topic: TOPIC, partition, offset })),
  )
  return {
    name: 'memory',
    open: () =>
      Promise.resolve({
        topicIds: new Map(),
        read: () => Promise.resolve(rounds.shift() ?? []),
        // Each partition has records, and tells by them.
        nextOffsets: () => Position.EMPTY,
        endOffsets: () => Promise.resolve(last),
        committed: () => Promise.resolve(),
        close: () => Promise.resolve(),
      }),
  }
}

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

function filled(source: StreamSource): StreamSource {
  valueSizes.push(Number(topicBytes))
  return source
}

const SOURCES: Readonly<Record<string, () => StreamSource>> = {
  memory: () => memorySource(generate()),
  log: () => filled(logSource({ folder: where as string, topics: TOPIC })),
  kafka: () =>
    filled(kafkaSource({ brokers: [where as string], topics: TOPIC, groupId: 'floe-bench' })),
}

/** So far, of the stream. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage(cpuBefore)
  return (user + system) / 1e6
}

const valueSizes: number[] = []
const makeSource = SOURCES[kind as string]
if (makeSource === undefined) throw new Error(`There is no source "${kind}"`)
const source = makeSource()
const valueBytes = valueSizes.reduce((sum, size) => sum + size, 0)
const lake = await openLake(location as string)
const transform: number[] = []
const commit: number[] = []
const batches: { rows: number; bytes: number; cpuSeconds: number }[] = []
const cpuBefore = process.cpuUsage()
const started = performance.now()
const { run, folded } = await startJob({
  lake,
  source,
  trigger: { availableNow: true },
  maxBatchRows: batchRows,
  onProgress: ({ durationMs, rows, bytes }) => {
    transform.push(durationMs.transform)
    commit.push(durationMs.commit)
    batches.push({ rows, bytes, cpuSeconds: cpuSeconds() })
  },
})
const result = await run.done
const seconds = (performance.now() - started) / 1000
const cpu = cpuSeconds()
if (result.rows !== events) throw new Error(`${result.rows} of ${events} events were committed`)
const mib = valueBytes / 2 ** 20
console.log(
  JSON.stringify({
    transform,
    commit,
    batches,
    mibPerCpuSecond: mib / cpu,
    rowsPerSecond: events / seconds,
    bytesPerEvent: valueBytes / events,
    peakRssMiB: peakRssMiB(),
    folded: folded.folded,
  }),
)
await lake.close()
