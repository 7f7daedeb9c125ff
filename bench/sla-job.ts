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

export interface JobSettings {
  readonly kafka: string
  readonly topic: string
  readonly lake: string
  readonly s3Endpoint: string
  readonly intervalMs: number
  readonly partitions: number
}

/** A commit: when it was made, and how many records have which time, in tens of milliseconds. */
export interface BatchLine {
  readonly type: 'batch'
  readonly committedMs: number
  /** Events in Gold after it. */
  readonly folded: number
  readonly rows: number
  readonly times: readonly (readonly [tensOfMs: number, count: number])[]
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
let times = new Map<number, number>()
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
          for (const { timestampsMs } of chunks) {
            for (const time of timestampsMs) {
              const tens = Math.floor(time / 10)
              times.set(tens, (times.get(tens) ?? 0) + 1)
            }
          }
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
  onProgress: ({ timestampMs, rows }) => {
    // A batch is all that was read, unless it was full: then the rest counts too early, to the job's disadvantage.
    const own = [...times]
    times = new Map()
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
