/** The broker that tests share, and what they need of it. */
import { type Admin, Kafka, logLevel, Partitioners, type Producer } from 'kafkajs'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { Position } from '../../../src/stream/position.ts'
import { bytesAt, type RecordChunk } from '../../../src/stream/record-chunk.ts'
import type { SourceOpenOptions, SourceReader } from '../../../src/stream/source.ts'
import { type KafkaSourceOptions, kafkaSource } from '../../../src/stream/sources/kafka/index.ts'

const shared = JSON.parse(process.env['FLOE_KAFKA'] ?? '{}') as { broker?: string; folder?: string }

export const HAS_KAFKA: boolean = shared.broker !== undefined
export const BROKER: string = shared.broker ?? ''
/** What brokers of a test's own are started from. */
export const KAFKA_FOLDER: string = shared.folder ?? ''
export const WORK: string = process.env['FLOE_SERVICES_WORK'] ?? ''

export class Client {
  readonly kafka: Kafka
  readonly admin: Admin
  readonly producer: Producer

  constructor(broker: string) {
    this.kafka = new Kafka({
      brokers: [broker],
      logLevel: logLevel.NOTHING,
      retry: { retries: 12, initialRetryTime: 200, maxRetryTime: 2000 },
    })
    this.admin = this.kafka.admin()
    this.producer = this.kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  }

  async connect(): Promise<void> {
    await this.admin.connect()
    await this.producer.connect()
  }

  async disconnect(): Promise<void> {
    await this.producer.disconnect()
    await this.admin.disconnect()
  }

  async createTopic(
    topic: string,
    numPartitions: number,
    config: Record<string, string> = {},
  ): Promise<void> {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
    // Deletions go on for a moment after they were answered.
    for (let attempt = 0; ; attempt++) {
      try {
        await this.admin.createTopics({
          topics: [{ topic, numPartitions, configEntries }],
          waitForLeaders: true,
        })
        return
      } catch (error) {
        if (attempt === 20) throw error
        await systemRuntime.sleep(250)
      }
    }
  }
}

export function source(
  broker: string,
  options: Partial<KafkaSourceOptions> & { topics: string | string[] },
) {
  const groupId = `group-${String(options.topics)}`
  return kafkaSource({ brokers: [broker], groupId, assignment: 'group', ...options })
}

export function openOptions(options: Partial<SourceOpenOptions> = {}): SourceOpenOptions {
  return {
    position: Position.EMPTY,
    topicIds: new Map(),
    maxRecordBytes: 1024 * 1024,
    bufferBytes: 8 * 1024 * 1024,
    runtime: systemRuntime,
    signal: new AbortController().signal,
    ...options,
  }
}

export interface Seen {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
}

/** Checks that chunks follow one another, as they are read. */
export class Follower {
  readonly seen: Seen[] = []
  readonly ends = new Map<string, number>()

  take(chunks: readonly RecordChunk[]): void {
    for (const chunk of chunks) {
      const key = `${chunk.topic}/${chunk.partition}`
      const before = this.ends.get(key)
      if (before !== undefined && before !== chunk.start) {
        throw new Error(
          `${key}: a chunk starts at ${chunk.start}, the one before ended at ${before}`,
        )
      }
      this.ends.set(key, chunk.end)
      let last = chunk.start - 1
      for (let row = 0; row < chunk.count; row++) {
        const offset = chunk.offsets[row] as number
        if (offset <= last || offset >= chunk.end) throw new Error(`${key}: offset ${offset}`)
        last = offset
        this.seen.push({
          partition: chunk.partition,
          offset,
          key: text(bytesAt(chunk.keys, row)),
          value: text(bytesAt(chunk.values, row)),
        })
      }
    }
  }

  get position(): Position {
    return Position.of(
      [...this.ends].map(([key, offset]) => {
        const [topic, partition] = key.split('/') as [string, string]
        return { topic, partition: Number(partition), offset }
      }),
    )
  }

  get values(): (string | null)[] {
    return this.seen.map(({ value }) => value)
  }
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('utf8')
}

const generations = new WeakMap<SourceReader, number>()

/** Reads; a reader whose group has shared its partitions out anew goes on where the follower is, as a stream has it. */
export async function readUntil(
  reader: SourceReader,
  follower: Follower,
  enough: () => boolean,
  limitMs = 30_000,
): Promise<void> {
  const from = Date.now()
  while (!enough()) {
    if (Date.now() - from > limitMs) {
      throw new Error(`waited ${limitMs} ms; ${follower.seen.length} records so far`)
    }
    const { sharing } = reader
    if (sharing !== undefined) {
      const { generation } = sharing
      if (generation !== (generations.get(reader) ?? generation)) {
        await sharing.resume(generation, follower.position)
      }
      generations.set(reader, generation)
    }
    follower.take(await reader.read({ waitMs: 200, signal: new AbortController().signal }))
  }
}
