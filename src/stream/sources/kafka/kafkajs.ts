/** The parts of kafkajs that are used. It is optional, and loaded when a source is opened. */
import type { Kafka, KafkaConfig } from 'kafkajs'
import { FloeError } from '../../../core/errors.ts'
import { decodeFetchAnswer, type FetchAnswer } from './fetch-answer.ts'
import { socketFactory } from './socket-factory.ts'

/** Brokers as kafkajs has them: a connection for fetches and one for the rest. */
export interface KafkaJsBroker {
  readonly connectionPool: ConnectionPool
  fetch(request: FetchRequest): Promise<unknown>
  offsetCommit(request: {
    groupId: string
    groupGenerationId: number
    memberId: string
    topics: TopicOffsets[]
  }): Promise<unknown>
  offsetFetch(request: {
    groupId: string
    topics: { topic: string; partitions: { partition: number }[] }[]
  }): Promise<{ responses: TopicOffsets[] }>
}

export interface TopicOffsets {
  topic: string
  partitions: { partition: number; offset: string }[]
}

export interface FetchRequest {
  maxWaitTime: number
  minBytes: number
  maxBytes: number
  isolationLevel: number
  topics: {
    topic: string
    partitions: { partition: number; fetchOffset: string; maxBytes: number }[]
  }[]
}

interface ProtocolRequest {
  readonly request: { readonly apiVersion: number }
  readonly response: unknown
  readonly requestTimeout?: number
}

interface ConnectionPool {
  send(request: ProtocolRequest): Promise<unknown>
  destroy(): Promise<void>
}

export interface KafkaJsCluster {
  connect(): Promise<void>
  disconnect(): Promise<void>
  refreshMetadata(): Promise<void>
  addMultipleTargetTopics(topics: string[]): Promise<void>
  findBroker(node: { nodeId: string }): Promise<KafkaJsBroker>
  findGroupCoordinator(group: { groupId: string }): Promise<KafkaJsBroker>
  findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[]
  fetchTopicsOffset(
    topics: { topic: string; partitions: { partition: number }[]; fromBeginning: boolean }[],
  ): Promise<TopicOffsets[]>
}

/** @throws BAD_ARGUMENT if kafkajs is not installed or refuses the options. */
export async function createKafka(config: KafkaConfig): Promise<Kafka> {
  let module: typeof import('kafkajs')
  try {
    module = await import('kafkajs')
  } catch (cause) {
    throw new FloeError(
      'BAD_ARGUMENT',
      'Cannot read from Kafka: the package kafkajs is not installed. Add it to the program: npm install kafkajs@2.2.4',
      { cause },
    )
  }
  return new module.Kafka({ ...config, socketFactory: socketFactory(config.socketFactory) })
}

/**
 * The cluster behind a consumer, which kafkajs hands to those who assign partitions. The consumer itself is never run.
 */
export function clusterOf(kafka: Kafka, groupId: string): KafkaJsCluster {
  let cluster: KafkaJsCluster | undefined
  kafka.consumer({
    groupId,
    allowAutoTopicCreation: false,
    partitionAssigners: [
      (config) => {
        cluster = config.cluster as unknown as KafkaJsCluster
        return {
          name: 'floe',
          version: 0,
          assign: () => Promise.resolve([]),
          protocol: () => ({ name: 'floe', metadata: Buffer.alloc(0) }),
        }
      },
    ],
  })
  if (cluster === undefined || typeof cluster.findTopicPartitionMetadata !== 'function') {
    throw new FloeError(
      'BAD_ARGUMENT',
      'Cannot read from Kafka: this version of kafkajs is built otherwise than 2.2.4. Install that: npm install kafkajs@2.2.4',
    )
  }
  return cluster
}

/** How long a broker may take beyond the time that it waits for records. kafkajs gives it 100 ms. */
const ANSWER_MS = 30_000

/** Sends a fetch and gives what came, where kafkajs would decode each record to an object. */
export async function fetchRaw(broker: KafkaJsBroker, request: FetchRequest): Promise<FetchAnswer> {
  const pool = broker.connectionPool
  const view = Object.create(broker, {
    connectionPool: {
      value: {
        send: (protocol: ProtocolRequest) =>
          pool.send({
            ...protocol,
            requestTimeout: request.maxWaitTime + ANSWER_MS,
            response: {
              decode: async (payload: Buffer) => {
                const answer = decodeFetchAnswer(payload, protocol.request.apiVersion)
                return { ...answer, clientSideThrottleTime: answer.throttleMs }
              },
              parse: async (answer: FetchAnswer) => answer,
            },
          }),
        destroy: () => pool.destroy(),
      },
    },
  }) as KafkaJsBroker
  return (await view.fetch(request)) as FetchAnswer
}

/** What kafkajs throws: `type` is the name of a code of the protocol, if a broker answered with one. */
export interface KafkaJsError extends Error {
  readonly type?: string
  readonly retriable?: boolean
}

/** What failed for good, in the terms of floe; undefined for what may pass. */
export function lastingError(error: unknown, what: string, topics: string): FloeError | undefined {
  const { name, type } = rootOf(error)
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION' || type === 'INVALID_TOPIC_EXCEPTION') {
    return noSuchTopic(topics, error)
  }
  if (
    name === 'KafkaJSSASLAuthenticationError' ||
    type === 'TOPIC_AUTHORIZATION_FAILED' ||
    type === 'GROUP_AUTHORIZATION_FAILED' ||
    type === 'CLUSTER_AUTHORIZATION_FAILED' ||
    type === 'SASL_AUTHENTICATION_FAILED'
  ) {
    return new FloeError(
      'PERMISSION_DENIED',
      `${what}: Kafka refuses it (${type ?? name}). Check \`sasl\` and the rights of this user on topics and group`,
      { cause: error },
    )
  }
  return undefined
}

export function noSuchTopic(topics: string, cause?: unknown): FloeError {
  return new FloeError(
    'NO_SUCH_TOPIC',
    `Cannot read from Kafka: there is no topic ${topics}. Create it, or correct the name; if it was deleted, decide what to do with the tables before the stream goes on`,
    { context: { topic: topics }, cause },
  )
}

export function unavailable(what: string, forMs: number, cause: unknown): FloeError {
  return new FloeError(
    'SOURCE_UNAVAILABLE',
    `${what}: Kafka has not answered for ${Math.round(forMs / 100) / 10} s (${describe(cause)}). Start the stream again when its brokers are back; \`unavailableAfterMs\` says how long is waited`,
    { cause },
  )
}

export function describe(error: unknown): string {
  const { message, type } = rootOf(error)
  return type === undefined ? message : `${type}: ${message}`
}

function rootOf(error: unknown): KafkaJsError {
  let root = error as KafkaJsError
  while (root.type === undefined && root.cause instanceof Error) root = root.cause as KafkaJsError
  return root
}
