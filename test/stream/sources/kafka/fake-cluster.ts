/** Brokers in memory, which fill the answer to a fetch as Kafka's do: in the order of the request. KIP-74. */
import type { Runtime } from '../../../../src/core/runtime.ts'
import { systemRuntime } from '../../../../src/core/runtime.ts'
import type { SourceOpenOptions } from '../../../../src/stream/source.ts'
import { KafkaConnection } from '../../../../src/stream/sources/kafka/connection.ts'
import { GroupOffsets } from '../../../../src/stream/sources/kafka/group-offsets.ts'
import { KafkaReader } from '../../../../src/stream/sources/kafka/kafka-reader.ts'
import type {
  FetchRequest,
  KafkaJsBroker,
  KafkaJsCluster,
} from '../../../../src/stream/sources/kafka/kafkajs.ts'
import {
  type KafkaSourceOptions,
  resolveOptions,
} from '../../../../src/stream/sources/kafka/options.ts'
import { SocketFactory } from '../../../../src/stream/sources/kafka/socket-factory.ts'
import { openOptions } from '../../source-conformance.ts'

const TOPIC = 't'
const FETCH_VERSION = 11

/** What a broker has of a partition from an offset on: whole batches. */
export type Stored = (offset: number) => Buffer[]

export interface FakePartition {
  readonly leader: number
  readonly stored: Stored
}

export class FakeCluster implements KafkaJsCluster {
  readonly requests: FetchRequest[] = []
  readonly #partitions: readonly FakePartition[]

  constructor(partitions: readonly FakePartition[]) {
    this.#partitions = partitions
  }

  readonly brokerPool = { findConnectedBroker: () => this.findBroker() }

  async connect(): Promise<void> {}
  async disconnect(): Promise<void> {}
  async refreshMetadata(): Promise<void> {}
  async addMultipleTargetTopics(): Promise<void> {}

  findTopicPartitionMetadata(): { partitionId: number; leader: number }[] {
    return this.#partitions.map(({ leader }, partitionId) => ({ partitionId, leader }))
  }

  async fetchTopicsOffset([topic]: { partitions: { partition: number }[] }[]) {
    const partitions = (topic?.partitions ?? []).map(({ partition }) => ({
      partition,
      offset: '0',
    }))
    return [{ topic: TOPIC, partitions }]
  }

  findGroupCoordinator(): Promise<KafkaJsBroker> {
    return this.findBroker()
  }

  async findBroker(): Promise<KafkaJsBroker> {
    const fetch = (request: FetchRequest): Promise<Buffer> => this.fetch(request)
    const broker = {
      connectionPool: {
        send: async ({ answer, response }: { answer: Promise<Buffer>; response: Decoding }) =>
          response.parse(await response.decode(await answer)),
      },
      apiVersions: async () => ({}),
      metadata: async () => [],
      fetch(request: FetchRequest): Promise<unknown> {
        const exchange = { answer: fetch(request), request: { apiVersion: FETCH_VERSION } }
        return this.connectionPool.send(exchange as never)
      },
      offsetCommit: async () => undefined,
      offsetFetch: async () => ({ responses: [] }),
    }
    return broker as unknown as KafkaJsBroker
  }

  /** Gives the bytes of the answer. */
  protected async fetch(request: FetchRequest): Promise<Buffer> {
    const asked = request.topics.flatMap(({ partitions }) => partitions)
    this.requests.push(request)
    // As a network would: a reader that asks without end keeps nobody else from running.
    await systemRuntime.sleep(0)
    let left = request.maxBytes
    let isFirst = true
    const parts: Buffer[] = []
    for (const { partition, fetchOffset, maxBytes } of asked) {
      const stored = (this.#partitions[partition] as FakePartition).stored(Number(fetchOffset))
      const whole = Buffer.concat(stored)
      const limit = Math.min(left, maxBytes)
      const most = isFirst ? Math.max(limit, stored[0]?.length ?? 0) : limit
      // A first batch that does not fit is left out; the last one comes cut off.
      const records = (stored[0]?.length ?? 0) > most ? Buffer.alloc(0) : whole.subarray(0, most)
      if (records.length > 0) isFirst = false
      left = Math.max(0, left - records.length)
      parts.push(partitionAnswer(partition, records))
    }
    if (parts.every((part) => part.length === EMPTY_ANSWER)) await systemRuntime.sleep(5)
    const head = Buffer.alloc(14)
    head.writeInt32BE(parts.length, 10)
    return Buffer.concat([head, ...parts])
  }
}

interface Decoding {
  decode(payload: Buffer): Promise<unknown>
  parse(answer: unknown): Promise<unknown>
}

const EMPTY_ANSWER = 49

function partitionAnswer(partition: number, records: Buffer): Buffer {
  const head = Buffer.alloc(EMPTY_ANSWER)
  head.writeInt16BE(1, 0)
  head.write(TOPIC, 2)
  head.writeInt32BE(1, 3)
  head.writeInt32BE(partition, 7)
  // Error, high watermark, last stable offset, start, aborted ones, preferred replica.
  head.writeInt32BE(-1, 37)
  head.writeInt32BE(-1, 41)
  head.writeInt32BE(records.length, 45)
  return Buffer.concat([head, records])
}

/** A reader of all partitions of the cluster, which nobody else can end. */
export async function readerOf(
  cluster: KafkaJsCluster,
  open: Partial<SourceOpenOptions> = {},
  options: Partial<KafkaSourceOptions> = {},
  runtime: Runtime = systemRuntime,
): Promise<KafkaReader> {
  const resolved = resolveOptions({
    brokers: ['127.0.0.1:1'],
    topics: TOPIC,
    groupId: 'g',
    ...options,
  })
  const ending = new AbortController()
  const sockets = new SocketFactory()
  const connection = new KafkaConnection(cluster, resolved, runtime, ending.signal, sockets)
  const all = openOptions({ runtime, ...open })
  const reader = new KafkaReader({ connection, options: resolved, open: all, ending })
  reader.start(new GroupOffsets(connection, resolved, undefined), undefined)
  await reader.assign(reader.ownPartitions())
  return reader
}
