/**
 * The whole pipeline with real services: generator → Kafka → floe → S3 → Trino through a REST catalog of floe, with a
 * restart of the broker and three kill −9 of the runner on the way. In the end Trino's own SQL says whether each offset is
 * in Bronze once and Gold is what Bronze comes to. FLOE_PIPELINE_SECONDS=N runs longer. streaming.md §5.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CompressionTypes, Kafka, logLevel, Partitioners } from 'kafkajs'
import { expect, it } from 'vitest'
import { checkPipeline } from '../../examples/pipeline/check.ts'
import { EventGenerator, GENERATOR_DEFAULTS } from '../../examples/pipeline/generator.ts'
import { openLake } from '../../src/index.ts'
import { serveCatalog } from '../../src/serve/index.ts'
import { ENGINES, trino, WORK } from './client.ts'
import { startKafka } from './kafka/start.js'
import { HAS_S3, newBucket, s3Url } from './s3/servers.ts'
import { S3_KEYS } from './s3/start.js'

const WORKER = fileURLToPath(new URL('../fixtures/pipeline-worker.js', import.meta.url))
const TOPIC = 'content_events'
const PARTITIONS = 4
const SECONDS = Number(process.env['FLOE_PIPELINE_SECONDS'] ?? 30)
const RATE = 1000

const kafkaFolder = (JSON.parse(process.env['FLOE_KAFKA'] ?? '{}') as { folder?: string }).folder
const hasAll = kafkaFolder !== undefined && HAS_S3 && ENGINES.includes('trino')

/** A runner in a process of its own. */
class Runner {
  batches = 0
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>

  constructor(settings: object) {
    this.#child = spawn(process.execPath, [WORKER, JSON.stringify(settings)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        ...process.env,
        NODE_NO_WARNINGS: '1',
        AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
        AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
      },
    })
    this.#closed = once(this.#child, 'close')
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (line.startsWith('batch')) this.batches++
    })
  }

  get ended(): number | null {
    return this.#child.exitCode
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }

  /** Asks for a stop and gives the exit code. */
  async stop(): Promise<number | null> {
    this.#child.stdin?.end()
    await this.#closed
    return this.#child.exitCode
  }
}

/** When each offset was sent, by partition. */
class SendTimes {
  readonly #times: { readonly upTo: number; readonly ms: number }[][] = Array.from(
    { length: PARTITIONS },
    () => [],
  )

  add(partition: number, upTo: number, ms: number): void {
    this.#times[partition]?.push({ upTo, ms })
  }

  get ends(): number[] {
    return this.#times.map((list) => list.at(-1)?.upTo ?? 0)
  }

  /** How long the oldest offset from the given one on has been there; 0 if there is none. */
  age(partition: number, next: number, now: number): number {
    const waiting = this.#times[partition]?.find(({ upTo }) => upTo > next)
    return waiting === undefined ? 0 : now - waiting.ms
  }
}

it.runIf(hasAll)(
  'goes on through kills and a broker restart, every event once, fresh in Trino within 60 s',
  async () => {
    const kafka = await startKafka(kafkaFolder as string, WORK)
    const s3 = {
      endpoint: s3Url('versitygw'),
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: S3_KEYS,
    }
    const location = `s3://${await newBucket(s3.endpoint)}/lake`
    const settings = {
      brokers: [kafka.url],
      topic: TOPIC,
      lake: location,
      s3: { endpoint: s3.endpoint, region: s3.region, forcePathStyle: true },
    }
    const broker = new Kafka({
      brokers: [kafka.url],
      logLevel: logLevel.NOTHING,
      retry: { retries: 20 },
    })
    const admin = broker.admin()
    const producer = broker.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { retries: 100, maxRetryTime: 1000 },
    })
    const lake = await openLake(location, { s3 })
    const catalog = await serveCatalog({ lake, s3: { endpoint: s3.endpoint, region: s3.region } })
    let runner: Runner | undefined
    /** kafkajs's admin client fails where the broker is gone; the producer waits. */
    const topicOffsets = async () => {
      for (let tries = 1; ; tries++) {
        try {
          return await admin.fetchTopicOffsets(TOPIC)
        } catch (error) {
          if (tries === 100) throw error
          await sleep(300)
        }
      }
    }
    try {
      await admin.connect()
      await admin.createTopics({
        topics: [{ topic: TOPIC, numPartitions: PARTITIONS }],
        waitForLeaders: true,
      })
      await producer.connect()
      runner = new Runner(settings)

      const generator = new EventGenerator({ ...GENERATOR_DEFAULTS, malformedShare: 0.02 })
      const sent = new SendTimes()
      const stopSending = new AbortController()
      const sending = (async () => {
        while (!stopSending.signal.aborted) {
          const began = Date.now()
          const messages = generator.take(RATE / 10, began).map(({ key, value, timestampMs }) => ({
            key: key as Buffer | null,
            value: value as Buffer | null,
            timestamp: String(timestampMs),
          }))
          const answers = await producer.send({
            topic: TOPIC,
            messages,
            acks: -1,
            compression: CompressionTypes.GZIP,
          })
          const ends = await topicOffsets()
          for (const { partition } of answers) {
            const end = ends.find((e) => e.partition === partition)
            sent.add(partition, Number(end?.high ?? 0), began)
          }
          await sleep(Math.max(0, 100 - (Date.now() - began)))
        }
      })()
      sending.catch(() => undefined)

      const until = async (
        condition: () => boolean | Promise<boolean>,
        what: string,
      ): Promise<void> => {
        for (const from = Date.now(); !(await condition()); await sleep(100)) {
          if (Date.now() - from > 90_000) throw new Error(`it takes too long until ${what}`)
        }
      }
      await until(() => (runner?.batches ?? 0) > 0, 'the first batch')
      await trino(
        `CREATE CATALOG pipeline USING iceberg WITH ("iceberg.catalog.type"='rest', "iceberg.rest-catalog.uri"='${catalog.url}', ` +
          `"fs.native-s3.enabled"='true', "s3.endpoint"='${s3.endpoint}', "s3.region"='us-east-1', "s3.path-style-access"='true', ` +
          `"s3.aws-access-key"='${S3_KEYS.accessKeyId}', "s3.aws-secret-key"='${S3_KEYS.secretAccessKey}')`,
      )
      /** The offset that Trino does not see yet, by partition. */
      const visible = async (): Promise<number[]> => {
        const rows = await trino(
          'SELECT source_partition AS p, max(source_offset) + 1 AS n FROM pipeline.bronze.raw_events GROUP BY 1',
        )
        const ends = new Array<number>(PARTITIONS).fill(0)
        for (const row of rows) ends[Number(row['p'])] = Number(row['n'])
        return ends
      }
      let oldest = 0
      let polling = true
      const polled = (async () => {
        while (polling) {
          const seen = await visible()
          const now = Date.now()
          for (const [p, next] of seen.entries()) oldest = Math.max(oldest, sent.age(p, next, now))
          await sleep(200)
        }
      })()
      polled.catch(() => undefined)

      const restartAt = Math.floor(SECONDS / 2)
      for (let second = 0, kills = 0; second < SECONDS; second++) {
        await sleep(1000)
        expect(runner.ended, 'the runner must not end by itself').toBeNull()
        if (second === restartAt) {
          await kafka.kill9()
          await kafka.start()
        }
        if (kills < 3 && second === Math.floor((SECONDS / 4) * (kills + 1)) - 1) {
          await runner.kill()
          runner = new Runner(settings)
          kills++
        }
      }
      stopSending.abort()
      await sending
      const ends = (await topicOffsets())
        .sort((a, b) => a.partition - b.partition)
        .map(({ high }) => Number(high))
      await until(async () => (await visible()).join() === ends.join(), 'Trino sees all')
      polling = false
      await polled
      expect(await runner.stop()).toBe(0)
      console.log(
        `${ends.reduce((a, b) => a + b)} events; the oldest that Trino did not see was ${(oldest / 1000).toFixed(1)} s old`,
      )
      expect(oldest).toBeLessThan(60_000)

      // Trino's own SQL: every offset once …
      const counts = await trino(
        'SELECT source_partition AS p, count(*) AS n, count(DISTINCT source_offset) AS d, min(source_offset) AS a, max(source_offset) AS z ' +
          'FROM pipeline.bronze.raw_events GROUP BY 1 ORDER BY 1',
      )
      expect(counts.map((c) => ['p', 'n', 'd', 'a', 'z'].map((k) => Number(c[k])))).toEqual(
        ends.map((end, p) => [p, end, end, 0, end - 1]),
      )
      expect(generator.counts.events).toBe(ends.reduce((a, b) => a + b))
      // … and Gold is what Bronze comes to.
      const count = (type: string): string => `count_if(event_type = '${type}')`
      const types = ['view', 'like', 'share', 'comment', 'completion'].map(count).join(', ')
      const fold =
        `SELECT video_id, ${types}, min(event_time), max(event_time) FROM pipeline.bronze.raw_events ` +
        'WHERE video_id IS NOT NULL AND event_time IS NOT NULL AND message_key = to_utf8(video_id) ' +
        `AND event_type IN ('view', 'like', 'share', 'comment', 'completion') GROUP BY 1`
      const gold =
        'SELECT video_id, views, likes, shares, comments, completions, first_event_time, last_event_time FROM pipeline.gold.virality_state'
      for (const difference of [`(${fold}) EXCEPT (${gold})`, `(${gold}) EXCEPT (${fold})`]) {
        expect(await trino(`SELECT * FROM (${difference}) LIMIT 5`)).toEqual([])
      }
      // The scores, which no SQL gives bit by bit, and the ledgers.
      for (const { name, problems } of await checkPipeline(lake)) expect(problems, name).toEqual([])
    } finally {
      await runner?.kill()
      await producer.disconnect().catch(() => undefined)
      await admin.disconnect().catch(() => undefined)
      await catalog.close()
      await lake.close()
      await kafka.stop()
      await trino('DROP CATALOG IF EXISTS pipeline').catch(() => undefined)
    }
  },
  300_000 + SECONDS * 2000,
)
