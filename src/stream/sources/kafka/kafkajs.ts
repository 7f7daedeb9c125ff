/** The parts of kafkajs that are used. It is optional, and loaded when a source is opened. */
import type { Kafka, KafkaConfig } from 'kafkajs'
import { FloeError } from '../../../core/errors.ts'
import type { TopicIds } from '../../topic-ids.ts'
import { decodeFetchAnswer, type FetchAnswer } from './fetch-answer.ts'
import { encodeFetchById, FETCH_BY_ID_VERSION } from './fetch-request.ts'
import type { SocketFactory } from './socket-factory.ts'
import {
  decodeTopicIdAnswer,
  encodeTopicIdRequest,
  type FoundTopic,
  METADATA_VERSION,
} from './topic-id-exchange.ts'

/** Brokers as kafkajs has them: a connection for fetches and one for the rest. */
export interface KafkaJsBroker {
  readonly connectionPool: ConnectionPool
  /** By the key of the request. */
  apiVersions(): Promise<Record<number, { readonly maxVersion: number } | undefined>>
  metadata(topics: readonly string[]): Promise<unknown>
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
  readonly request: {
    readonly apiVersion: number
    readonly encode: () => Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>
  }
  readonly response: unknown
  readonly requestTimeout?: number
}

interface ConnectionPool {
  send(request: ProtocolRequest): Promise<unknown>
  destroy(): Promise<void>
}

export interface KafkaJsCluster {
  readonly brokerPool: { findConnectedBroker(): Promise<KafkaJsBroker> }
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
export async function createKafka(config: KafkaConfig, sockets: SocketFactory): Promise<Kafka> {
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
  return new module.Kafka({ ...config, socketFactory: sockets.with(config.socketFactory) })
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
export const ANSWER_MS = 30_000

const API_KEY = { FETCH: 1, METADATA: 3 }

/**
 * Sends a fetch and gives what came, where kafkajs would decode each record to an object.
 * @param topicIds where the broker knows fetches by topic id and all ids are known, it gives records of these topics
 *   alone, and errors for others of their names.
 */
export async function fetchRaw(
  broker: KafkaJsBroker,
  request: FetchRequest,
  topicIds: TopicIds,
): Promise<FetchAnswer> {
  const ids = new Map<string, string>()
  const names = new Map<string | undefined, string>()
  for (const { topic } of request.topics) {
    const id = topicIds.get(topic)
    if (id === undefined) continue
    ids.set(topic, id)
    names.set(id, topic)
  }
  const byId =
    request.topics.every(({ topic }) => ids.has(topic)) &&
    (await knows(broker, API_KEY.FETCH, FETCH_BY_ID_VERSION))
  const view = exchanging(broker, (protocol) => {
    const own = byId
      ? withRequest(protocol, FETCH_BY_ID_VERSION, encodeFetchById(request, ids))
      : protocol
    return {
      ...own,
      requestTimeout: request.maxWaitTime + ANSWER_MS,
      response: {
        decode: async (payload: Buffer) => {
          const { apiVersion } = own.request
          const answer = decodeFetchAnswer(payload, apiVersion, (id) => names.get(id))
          return { ...answer, clientSideThrottleTime: answer.throttleMs }
        },
        parse: async (answer: FetchAnswer) => answer,
      },
    }
  })
  return (await view.fetch(request)) as FetchAnswer
}

/** Topics with their ids; undefined if the broker has no request for them. */
export async function findTopics(
  broker: KafkaJsBroker,
  topics: readonly string[],
): Promise<FoundTopic[] | undefined> {
  if (!(await knows(broker, API_KEY.METADATA, METADATA_VERSION))) return undefined
  const view = exchanging(broker, (protocol) => ({
    ...withRequest(protocol, METADATA_VERSION, encodeTopicIdRequest(topics)),
    response: {
      decode: async (payload: Buffer) => ({ found: decodeTopicIdAnswer(payload) }),
      parse: async ({ found }: { found: FoundTopic[] }) => found,
    },
  }))
  return (await view.metadata(topics)) as FoundTopic[]
}

/** The broker with a request and an answer in place of those that kafkajs has. */
function exchanging(
  broker: KafkaJsBroker,
  exchange: (protocol: ProtocolRequest) => ProtocolRequest,
): KafkaJsBroker {
  const pool = broker.connectionPool
  return Object.create(broker, {
    connectionPool: {
      value: {
        send: (protocol: ProtocolRequest) => pool.send(exchange(protocol)),
        destroy: () => pool.destroy(),
      },
    },
  }) as KafkaJsBroker
}

function withRequest(
  protocol: ProtocolRequest,
  apiVersion: number,
  bytes: Buffer,
): ProtocolRequest {
  const encode = () => Promise.resolve({ buf: bytes, buffer: bytes })
  return { ...protocol, request: { ...protocol.request, apiVersion, encode } }
}

/** Asked of each broker itself: kafkajs takes all to be as new as the first one, which they are not in an upgrade. */
const versions = new WeakMap<KafkaJsBroker, ReturnType<KafkaJsBroker['apiVersions']>>()

async function knows(broker: KafkaJsBroker, key: number, version: number): Promise<boolean> {
  let asked = versions.get(broker)
  if (asked === undefined) {
    versions.set(broker, (asked = broker.apiVersions()))
    asked.catch(() => versions.delete(broker))
  }
  return ((await asked)[key]?.maxVersion ?? 0) >= version
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

/** The name of the code that a broker answered with, if it did. */
export function typeOf(error: unknown): string | undefined {
  return rootOf(error).type
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
