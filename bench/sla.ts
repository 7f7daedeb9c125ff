/**
 * `npm run bench:sla`: freshness of the pipeline with real services. A generator sends events to Kafka at a rate; the job
 * commits them to tables on S3 (versitygw); Trino, through the job's REST catalog, is asked again and again how many
 * events Gold has. Printed: due → committed and due → visible in Trino, as histograms with their worst case, whether the
 * rate was held, and a plot in bench/results/sla.html.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { EventSink } from '../examples/pipeline/event-sink.ts'
import { EventGenerator, GENERATOR_DEFAULTS } from '../examples/pipeline/generator.js'
import { openKafkaTopic } from '../examples/pipeline/kafka-topic.js'
import { installedPart, ROOT } from './installed.js'
import { machine, temporaryFolder } from './measure.js'
import { fedText, heldRate, pacedFeed } from './paced-feed.js'
import type { BatchLine, JobSettings } from './sla-job.js'
import { Latencies } from './sla-latencies.js'
import { slaPage } from './sla-page.js'
import { queryTrino } from './trino.js'

const HELP = `npm run bench:sla -- [--rate N] [--for SECONDS] [--trigger MS] [--help]

  --rate     events a second (default 10000)
  --for      how long, in seconds (default 60)
  --trigger  interval of the batches, in milliseconds (default 1000)
  --help     this text

Needs Kafka, Trino, versitygw and Python as npm run test:services installs them:
  node test/services/install/install-all.js kafka trino versitygw pyiceberg
The latency of an event counts from when it was due at the rate, also if it was sent late.
The exit status is 1 if the rate was not held, or an event took 60 s or longer, or was not seen at all.`
const { values: flags } = parseArgs({
  options: {
    rate: { type: 'string', default: '10000' },
    for: { type: 'string', default: '60' },
    trigger: { type: 'string', default: '1000' },
    help: { type: 'boolean', default: false },
  },
})
if (flags.help) {
  console.log(HELP)
  process.exit(0)
}
const rate = positive('rate', flags.rate)
const seconds = positive('for', flags.for)
const intervalMs = positive('trigger', flags.trigger)

interface Service {
  readonly url: string
  readonly stop: () => Promise<void>
  readonly kill?: () => void
}
type Start = (folder: string, work: string, python?: string) => Promise<Service>

/** An event has to be there sooner; so long late ones are sent, and waited for. */
const LONGEST_MS = 60_000

const folder = temporaryFolder()
const stops: (() => Promise<void>)[] = []
async function main(): Promise<number> {
  const kafka = await service('kafka', 'kafka/start.js', 'startKafka')
  const s3 = await service('versitygw', 's3/start.js', 'startVersityGw')
  const trino = await service('trino', 'engines/start.js', 'startTrino', part('python'))
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'floe', AWS_SECRET_ACCESS_KEY: 'floe-secret' })
  const client = new S3Client({ endpoint: s3.url, region: 'us-east-1', forcePathStyle: true })
  await client.send(new CreateBucketCommand({ Bucket: 'floe-sla' }))
  client.destroy()

  const topic = { topic: 'content_events', partitions: 6 }
  const kafkaUrl = kafka.url
  const sender = await openKafkaTopic({ brokers: [kafkaUrl], group: 'none', sends: true, ...topic })
  stops.push(() => sender.close())
  const job = new Job({
    kafka: kafkaUrl,
    lake: 's3://floe-sla/lake',
    s3Endpoint: s3.url,
    intervalMs,
    ...topic,
  })
  stops.push(() => job.kill())
  const catalog = await job.ready
  await queryTrino(
    trino.url,
    `CREATE CATALOG sla USING iceberg WITH ("iceberg.catalog.type"='rest', "iceberg.rest-catalog.uri"='${catalog}', ` +
      `"fs.native-s3.enabled"='true', "s3.endpoint"='${s3.url}', "s3.region"='us-east-1', "s3.path-style-access"='true', ` +
      `"s3.aws-access-key"='floe', "s3.aws-secret-key"='floe-secret')`,
  )
  const count =
    'SELECT coalesce(sum(views + likes + shares + comments + completions), 0) FROM sla.gold.virality_state'
  // The first query loads classes for seconds.
  for (let i = 0; i < 3; i++) await queryTrino(trino.url, count)

  console.log(`${machine()}: ${rate} events/s for ${seconds} s, a batch each ${intervalMs} ms`)
  const seen: { atMs: number; folded: number }[] = []
  const queryMs: number[] = []
  let polling = true
  const poll = async (): Promise<void> => {
    while (polling) {
      const before = performance.now()
      const [[folded] = []] = (await queryTrino(trino.url, count)).rows
      queryMs.push(performance.now() - before)
      seen.push({ atMs: Date.now(), folded: Number(folded) })
      await sleep(50)
    }
  }
  const polled = poll()
  const generator = new EventGenerator(GENERATOR_DEFAULTS)
  const sink = sender.sink as EventSink
  const fed = await pacedFeed({ generator, sink, rate, seconds, lateMs: LONGEST_MS })
  // What was sent is committed and seen.
  const end = Date.now() + LONGEST_MS
  while (Date.now() < end) {
    if (job.rows >= generator.counts.events && (seen.at(-1)?.folded ?? 0) >= job.folded) break
    await sleep(100)
  }
  polling = false
  await polled
  const ended = await job.end()

  const committed = new Latencies()
  const visible = new Latencies()
  let unseen = 0
  for (const { committedMs, folded, rows, times } of job.batches) {
    committed.add(committedMs, times)
    const at = seen.find((s) => s.folded >= folded)
    if (at === undefined) unseen += rows
    else visible.add(at.atMs, times)
  }
  const lost = generator.counts.events - job.rows
  console.log(fedText(fed))
  committed.print('due → committed')
  visible.print('due → visible in Trino')
  const cpu = ended.bytes / 2 ** 20 / ended.cpuSeconds
  console.log(
    `\n${job.rows.toLocaleString('en')} events in ${job.batches.length} commits; ${cpu.toFixed(1)} MiB of keys and values for each CPU second of the job, ` +
      `peak memory ${ended.peakRssMiB} MiB; Trino's query p50 ${Math.round(queryMs.sort((a, b) => a - b)[queryMs.length >> 1] ?? 0)} ms`,
  )
  const out = join(ROOT, 'bench', 'results', 'sla.html')
  mkdirSync(dirname(out), { recursive: true })
  const title = `${rate} events/s, a batch each ${intervalMs} ms, ${machine()}`
  writeFileSync(out, slaPage(title, { committed, visible }))
  console.log(`Plot: bench/results/sla.html`)
  if (lost > 0) console.log(`FAILED: ${lost} events were not committed`)
  if (unseen > 0) console.log(`FAILED: Trino did not see ${unseen} events`)
  if (committed.events !== job.rows) {
    console.log(
      `FAILED: latencies are of ${committed.events} events, and ${job.rows} were committed`,
    )
  }
  const isWhole = lost === 0 && unseen === 0 && committed.events === job.rows
  const isFresh = committed.max < LONGEST_MS && visible.max < LONGEST_MS
  if (!isFresh) console.log('FAILED: an event took 60 s or longer')
  return heldRate(fed) && isWhole && isFresh ? 0 : 1
}

class Job {
  readonly batches: BatchLine[] = []
  readonly ready: Promise<string>
  readonly #child: ChildProcess
  readonly #ended: Promise<{ bytes: number; cpuSeconds: number; peakRssMiB: number }>

  constructor(settings: JobSettings) {
    const script = join(dirname(fileURLToPath(import.meta.url)), 'sla-job.js')
    this.#child = spawn(process.execPath, [script, JSON.stringify(settings)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_NO_WARNINGS: '1' },
    })
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })
    const failed = new Promise<never>((_, reject) => {
      this.#child.on('close', (code) => reject(new Error(`the job has ended with ${code}`)))
    })
    failed.catch(() => undefined)
    const of = <T>(type: string, take: (line: T) => void) =>
      lines.on('line', (text) => {
        const line = JSON.parse(text) as { type: string } & T
        if (line.type === type) take(line)
      })
    of<BatchLine>('batch', (line) => this.batches.push(line))
    const ready = new Promise<string>((resolve) => {
      of<{ url: string }>('ready', ({ url }) => resolve(url))
    })
    this.ready = Promise.race([ready, failed])
    const ended = new Promise<{ bytes: number; cpuSeconds: number; peakRssMiB: number }>(
      (resolve) => {
        of<{ bytes: number; cpuSeconds: number; peakRssMiB: number }>('end', resolve)
      },
    )
    this.#ended = Promise.race([ended, failed])
    this.#ended.catch(() => undefined)
  }

  get rows(): number {
    return this.batches.reduce((sum, { rows }) => sum + rows, 0)
  }

  get folded(): number {
    return this.batches.at(-1)?.folded ?? 0
  }

  end(): Promise<{ bytes: number; cpuSeconds: number; peakRssMiB: number }> {
    this.#child.stdin?.end()
    return this.#ended
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const closed = new Promise((resolve) => this.#child.on('close', resolve))
    this.#child.kill('SIGKILL')
    await closed
  }
}

async function service(
  name: string,
  path: string,
  start: string,
  python?: string,
): Promise<Service> {
  const module = (await import(pathToFileURL(join(ROOT, 'test', 'services', path)).href)) as Record<
    string,
    Start
  >
  const running = await (module[start] as Start)(part(name), folder.path, python)
  stops.push(() => running.stop())
  return running
}

function part(name: string): string {
  const found = installedPart(name)
  if (found !== undefined) return found
  console.error(`${name} is not installed.\n\n${HELP}`)
  process.exit(2)
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  console.error(`--${name} has to be a number above 0, not ${text}.\n\n${HELP}`)
  process.exit(2)
}

try {
  process.exitCode = await main()
} finally {
  for (const stop of stops.reverse()) await stop()
  folder.remove()
}
