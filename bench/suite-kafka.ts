/** Suite `kafka`: the pipeline's job from a topic of Kafka, what a CPU second of it does, beside Spark from the same topic. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  EventGenerator,
  GENERATOR_DEFAULTS,
  type GeneratorCounts,
} from '../examples/pipeline/generator.js'
import { openKafkaTopic } from '../examples/pipeline/kafka-topic.js'
import { ROOT } from './installed.js'
import { type Figure, inChild, lastLine, temporaryFolder } from './measure.js'
import { run } from './processes.js'
import {
  type BatchEnd,
  laterHalf,
  lateValueBytes,
  MOST_RSS_MIB,
  ratedFigures,
  type StreamResult,
} from './suite-stream.js'

interface KafkaServer {
  readonly url: string
  readonly stop: () => Promise<void>
  readonly kill: () => void
}

interface Parts {
  readonly installKafka: () => Promise<string>
  readonly installSpark: () => Promise<string>
  readonly installSparkKafka: () => Promise<string>
}

interface PeerResult {
  readonly version: string
  readonly cpuSeconds: number
  readonly seconds: number
  readonly batches: readonly BatchEnd[]
  readonly peakRssMiB: number
  readonly folded: number
}

const LEAST_MIB = 30
const TOPIC = 'content_events'
const PARTITIONS = 6
const BATCH_ROWS = 100_000
/** Events of one send to the topic. */
const PORTION = 5000

/** @param script gives the compiled path of a child of this folder */
export async function kafkaSuite(
  script: (name: string) => string,
  quick: boolean,
): Promise<Figure[]> {
  const events = quick ? 200_000 : 2_000_000
  const folder = temporaryFolder()
  try {
    const broker = await startBroker(folder.path)
    if (typeof broker === 'string') {
      return [{ name: 'Kafka → Bronze and Gold', value: `not measured: ${broker}` }]
    }
    process.on('exit', broker.kill)
    try {
      const sent = await fill(broker.url, events)
      const own = await inChild<StreamResult>(script('stream'), [
        String(events),
        String(BATCH_ROWS),
        join(folder.path, 'lake'),
        'kafka',
        broker.url,
        String(sent.bytes),
      ])
      const peer = await spark(broker.url, sent, own.folded, folder.path)
      return await figures(script, sent, own, peer)
    } finally {
      await broker.stop()
      process.off('exit', broker.kill)
    }
  } finally {
    folder.remove()
  }
}

/** A broker, or why there is none. */
async function startBroker(work: string): Promise<KafkaServer | string> {
  const { installKafka } = await parts()
  const { startKafka } = await service<{
    readonly startKafka: (folder: string, work: string) => Promise<KafkaServer>
  }>('kafka', 'start.js')
  try {
    return await startKafka(await installKafka(), work)
  } catch (error) {
    return `Kafka cannot be started: ${reason(error)}`
  }
}

/** Makes the topic. @returns what is in it */
async function fill(broker: string, events: number): Promise<GeneratorCounts> {
  const generator = new EventGenerator(GENERATOR_DEFAULTS)
  const topic = await openKafkaTopic({
    brokers: [broker],
    topic: TOPIC,
    group: 'none',
    partitions: PARTITIONS,
    sends: true,
  })
  try {
    for (let made = 0; made < events; made += PORTION) {
      await topic.sink?.send(generator.take(Math.min(PORTION, events - made), Date.now()))
    }
  } finally {
    await topic.close()
  }
  return generator.counts
}

/** What Spark has measured, or why it has not. */
async function spark(
  broker: string,
  { events, malformed }: GeneratorCounts,
  folded: number,
  folder: string,
): Promise<PeerResult | string> {
  const { installSpark, installSparkKafka } = await parts()
  const { javaHome } = await service<{ readonly javaHome: (major: number) => string }>(
    'install',
    'cache.js',
  )
  const work = join(folder, 'spark')
  mkdirSync(work)
  try {
    const python = join(await installSpark(), 'bin', 'python')
    const jars = await installSparkKafka()
    const peer = join(ROOT, 'bench', 'peers', 'kafka.py')
    const args = [peer, broker, TOPIC, String(events), String(BATCH_ROWS), work, jars]
    const env = { JAVA_HOME: javaHome(17), TZ: 'UTC' }
    const result = lastLine<PeerResult>(await run(python, args, 'Spark', env))
    // Spark takes what it can of a broken event. Of all others, more or fewer in Gold would be other work.
    if (Math.abs(result.folded - folded) > malformed) {
      throw new Error(`Gold has ${result.folded} events by Spark, and ${folded}`)
    }
    return result
  } catch (error) {
    return `Spark not measured: ${reason(error)}`
  }
}

async function figures(
  script: (name: string) => string,
  { events, bytes }: GeneratorCounts,
  own: StreamResult,
  peer: PeerResult | string,
): Promise<Figure[]> {
  // Events get longer while their schema drifts: those of the later half count.
  const lateBytes = lateValueBytes(own, bytes) / rowsOf(laterHalf(own.batches).batches)
  const lateMib = (all: readonly BatchEnd[]): number => {
    const { batches, cpuSeconds } = laterHalf(all)
    return (lateBytes * rowsOf(batches)) / 2 ** 20 / cpuSeconds
  }
  const spark = (mib: number, ownMib: number, note = ''): string =>
    `Spark ${mib.toFixed(1)} MiB${note} (×${(ownMib / mib).toFixed(1)})`
  const isMissing = typeof peer === 'string'
  const perCpu = isMissing ? Number.NaN : bytes / 2 ** 20 / peer.cpuSeconds
  const k = (rowsPerSecond: number): string => `${Math.round(rowsPerSecond / 1000)}k events/s`
  const late = lateMib(own.batches)
  return [
    ...(await ratedFigures(
      script,
      `Kafka → Bronze and Gold, ${events} events of ${Math.round(own.bytesPerEvent)} B, batches of 100,000, the later half (one run of each)`,
      late,
      LEAST_MIB,
      isMissing ? peer : spark(lateMib(peer.batches), late),
    )),
    {
      name: 'the whole run, with what the engines compile at first (one of each)',
      value: `${own.mibPerCpuSecond.toFixed(1)} MiB of values a CPU second (${k(own.rowsPerSecond)})`,
      peer: isMissing
        ? ''
        : `${spark(perCpu, own.mibPerCpuSecond, `, ${k(events / peer.seconds)}`)}, version ${peer.version}`,
    },
    {
      name: 'the same, peak memory',
      value: `${own.peakRssMiB} MiB`,
      bar: `≤ ${MOST_RSS_MIB} MiB`,
      reached: own.peakRssMiB <= MOST_RSS_MIB,
      peer: isMissing ? '' : `JVM ${peer.peakRssMiB} MiB`,
    },
  ]
}

function rowsOf(batches: readonly BatchEnd[]): number {
  return batches.reduce((sum, { rows }) => sum + rows, 0)
}

function parts(): Promise<Parts> {
  return service<Parts>('install', 'parts.js')
}

/** A module that starts or installs services for tests. */
async function service<T>(...path: string[]): Promise<T> {
  return (await import(pathToFileURL(join(ROOT, 'test', 'services', ...path)).href)) as T
}

function reason(error: unknown): string {
  return (error as Error).message.split('\n', 1)[0] as string
}
