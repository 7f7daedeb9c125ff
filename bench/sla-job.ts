/**
 * Child of `sla.ts`: the pipeline's job from Kafka into a lake on S3, with its REST catalog. Argument: JSON of
 * {@link JobSettings}. Prints one JSON object a line: `ready` with the catalog's URL, `batch` for each commit, `end`. Ends
 * when its input ends.
 */
import { openLake } from 'floe'
import { serveCatalog } from 'floe/serve'
import { startJob } from '../examples/pipeline/job.js'
import { openKafkaTopic } from '../examples/pipeline/kafka-topic.js'
import { peakRssMiB } from './measure.js'
import { ReadTimes, type TimeCounts } from './sla-read-times.js'

export interface JobSettings {
  readonly kafka: string
  readonly topic: string
  readonly lake: string
  readonly s3Endpoint: string
  readonly intervalMs: number
  readonly partitions: number
}

/** A commit: when it was made, and how many of its records have which time. */
export interface BatchLine {
  readonly type: 'batch'
  readonly committedMs: number
  /** Events in Gold after it. */
  readonly folded: number
  readonly rows: number
  readonly times: TimeCounts
}

const settings = JSON.parse(process.argv[2] as string) as JobSettings
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const s3 = { endpoint: settings.s3Endpoint, region: 'us-east-1', forcePathStyle: true }
const topic = await openKafkaTopic({
  brokers: [settings.kafka],
  topic: settings.topic,
  group: 'floe-sla',
  partitions: settings.partitions,
  sends: false,
})
const lake = await openLake(settings.lake, { s3 })
const server = await serveCatalog({ lake })
const times = new ReadTimes()
const { source } = topic
const { run, folded } = await startJob({
  lake,
  source: {
    name: source.name,
    open: async (options) => {
      const reader = await source.open(options)
      return {
        topicIds: reader.topicIds,
        read: async (how) => {
          const chunks = await reader.read(how)
          times.add(chunks)
          return chunks
        },
        nextOffsets: () => reader.nextOffsets(),
        endOffsets: () => reader.endOffsets(),
        committed: (position) => reader.committed(position),
        close: () => reader.close(),
      }
    },
  },
  trigger: { intervalMs: settings.intervalMs },
  onProgress: ({ timestampMs, rows, ranges }) => {
    const own = times.take(ranges)
    say({ type: 'batch', committedMs: timestampMs, folded: folded.folded, rows, times: own })
  },
})
say({ type: 'ready', url: server.url })
process.stdin.resume()
process.stdin.on('end', () => void run.stop().catch(() => undefined))
const cpuBefore = process.cpuUsage()
const result = await run.done
const cpu = process.cpuUsage(cpuBefore)
await server.close()
await lake.close()
await topic.close()
say({
  type: 'end',
  rows: result.rows,
  bytes: result.bytes,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  peakRssMiB: peakRssMiB(),
})
