/** The cluster as readers need it: which partitions there are, who leads them, and from where to where they reach. */

import { unlessAborted } from '../../../core/bounded-wait.ts'
import { abortedError, FloeError, isFloeError } from '../../../core/errors.ts'
import type { Runtime } from '../../../core/runtime.ts'
import { type PartitionOffset, Position } from '../../position.ts'
import { checkTopicIds, NO_TOPIC_IDS, type TopicIds } from '../../topic-ids.ts'
import {
  describe,
  findTopics,
  type KafkaJsBroker,
  type KafkaJsCluster,
  lastingError,
  noSuchTopic,
  unavailable,
} from './kafkajs.ts'
import type { ResolvedOptions } from './options.ts'
import type { SocketFactory } from './socket-factory.ts'

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** What keeps a broker from telling of a topic. */
const TOPIC_ERRORS: Readonly<Record<number, string>> = {
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  17: 'INVALID_TOPIC_EXCEPTION',
  29: 'TOPIC_AUTHORIZATION_FAILED',
}

const RETRY_MS = 250
/** Brokers that have just started may not know their topics yet. */
const UNKNOWN_TOPIC_MS = 5000

export class KafkaConnection {
  readonly #cluster: KafkaJsCluster
  readonly #options: ResolvedOptions
  readonly #runtime: Runtime
  readonly #signal: AbortSignal
  readonly #sockets: SocketFactory
  #refreshing: Promise<boolean> | undefined
  #topicIds: TopicIds = NO_TOPIC_IDS

  /**
   * @param signal ends all waits.
   * @param sockets of all that talks to the cluster for this reader
   */
  constructor(
    cluster: KafkaJsCluster,
    options: ResolvedOptions,
    runtime: Runtime,
    signal: AbortSignal,
    sockets: SocketFactory,
  ) {
    this.#cluster = cluster
    this.#options = options
    this.#runtime = runtime
    this.#signal = signal
    this.#sockets = sockets
  }

  /** @throws SOURCE_UNAVAILABLE, PERMISSION_DENIED, NO_SUCH_TOPIC */
  async open(): Promise<void> {
    const what = `Cannot connect to Kafka at ${String(this.#options.client.brokers)}`
    // A broker that starts takes longer than kafkajs tries.
    await this.persist(what, '', () => this.#cluster.connect())
    for (const topic of this.#options.topics) {
      const name = JSON.stringify(topic)
      await this.persist(
        `Cannot find the Kafka topic ${name}`,
        name,
        async () => {
          await this.#cluster.addMultipleTargetTopics([topic])
          // kafkajs takes a topic for added also when it could not look for it.
          if (this.partitions(topic).length === 0) await this.#cluster.refreshMetadata()
        },
        0,
      )
      if (this.partitions(topic).length === 0) throw noSuchTopic(name)
    }
    const names = this.#options.topics.map((topic) => JSON.stringify(topic)).join(', ')
    this.#topicIds = await this.persist(
      `Cannot ask for the ids of Kafka topic ${names}`,
      names,
      async () => {
        const { topicIds, error } = await this.#findTopics()
        if (error !== undefined) throw error
        return topicIds
      },
    )
  }

  /** As they were when the connection was opened. */
  get topicIds(): TopicIds {
    return this.#topicIds
  }

  /**
   * Looks whether the topics are still those that were found first; where that cannot be asked now, they count as such.
   * @throws OFFSET_OUT_OF_RANGE
   */
  async checkTopics(): Promise<void> {
    let found: TopicIds
    try {
      found = (await this.#findTopics()).topicIds
    } catch {
      return
    }
    checkTopicIds(this.#options.name, this.#topicIds, found)
  }

  async #findTopics(): Promise<{ topicIds: TopicIds; error: Error | undefined }> {
    const { topics } = this.#options
    const found = await findTopics(await this.#cluster.brokerPool.findConnectedBroker(), topics)
    const topicIds = new Map<string, string | undefined>()
    let error: Error | undefined
    for (const topic of topics) {
      const one = found?.find((each) => each.topic === topic)
      const type = TOPIC_ERRORS[one?.errorCode ?? 0]
      if (type === undefined) topicIds.set(topic, one?.id)
      else error = Object.assign(new Error(`a broker does not tell of ${topic}`), { type })
    }
    return { topicIds, error }
  }

  /** As of the last look. */
  partitions(topic: string): number[] {
    return this.#cluster
      .findTopicPartitionMetadata(topic)
      .map(({ partitionId }) => partitionId)
      .sort((a, b) => a - b)
  }

  /** The broker that leads the partition, as of the last look. */
  leader({ topic, partition }: TopicPartition): number | undefined {
    const leader = this.#cluster
      .findTopicPartitionMetadata(topic)
      .find(({ partitionId }) => partitionId === partition)?.leader
    return leader === undefined || leader < 0 ? undefined : leader
  }

  broker(node: number): Promise<KafkaJsBroker> {
    return this.#cluster.findBroker({ nodeId: String(node) })
  }

  coordinator(): Promise<KafkaJsBroker> {
    return this.#cluster.findGroupCoordinator({ groupId: this.#options.groupId })
  }

  /** Looks for new partitions and moved leaders. Does not fail: where it gives false, what is known stays as it was. */
  async refresh(): Promise<boolean> {
    // kafkajs leaves a broker that it has lost in place until a look has failed or not.
    this.#refreshing ??= this.#cluster.refreshMetadata().then(
      () => true,
      () => false,
    )
    const isDone = await this.#refreshing
    this.#refreshing = undefined
    return isDone
  }

  /**
   * The first offset that there is of each partition, or the one after the last record.
   * @throws SOURCE_UNAVAILABLE, PERMISSION_DENIED, NO_SUCH_TOPIC
   */
  async offsets(list: readonly TopicPartition[], which: 'first' | 'end'): Promise<Position> {
    const topics = new Map<string, { partition: number }[]>()
    for (const { topic, partition } of list) {
      topics.set(topic, [...(topics.get(topic) ?? []), { partition }])
    }
    const names = [...topics.keys()].map((topic) => JSON.stringify(topic)).join(', ')
    return this.persist(`Cannot ask for the offsets of Kafka topic ${names}`, names, async () => {
      const answer = await this.#cluster.fetchTopicsOffset(
        [...topics].map(([topic, partitions]) => ({
          topic,
          partitions,
          fromBeginning: which === 'first',
        })),
      )
      const offsets = answer.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, offset }): PartitionOffset => {
          return { topic, partition, offset: Number(offset) }
        }),
      )
      const position = Position.of(offsets)
      const missing = list.find(
        ({ topic, partition }) => position.get(topic, partition) === undefined,
      )
      // kafkajs leaves out what it knows no leader of.
      if (missing !== undefined) {
        throw new Error(`no leader is known of partition ${missing.partition} of ${missing.topic}`)
      }
      return position
    })
  }

  /**
   * Tries until it works, it cannot work any more, or `unavailableAfterMs` have passed.
   * @param unknownMs how long a topic may be unknown until it counts as missing.
   */
  async persist<T>(
    what: string,
    topics: string,
    task: () => Promise<T>,
    unknownMs: number = UNKNOWN_TOPIC_MS,
  ): Promise<T> {
    const from = this.#runtime.monotonicMs()
    for (;;) {
      try {
        return await unlessAborted(task(), this.#signal, what)
      } catch (error) {
        if (this.#signal.aborted) throw abortedError(this.#signal, what)
        if (isFloeError(error)) throw error
        const forMs = this.#runtime.monotonicMs() - from
        const lasting = lastingError(error, what, topics)
        if (lasting !== undefined && !(lasting.code === 'NO_SUCH_TOPIC' && forMs < unknownMs)) {
          throw lasting
        }
        if (forMs >= this.#options.unavailableAfterMs) throw unavailable(what, forMs, error)
      }
      await this.#runtime.sleep(RETRY_MS, this.#signal)
      await unlessAborted(this.refresh(), this.#signal, what)
    }
  }

  /** Ends at once: what is under way fails. */
  async close(): Promise<void> {
    this.#sockets.sever()
    try {
      await this.#cluster.disconnect()
    } catch (error) {
      this.#options.warn(`Connections to Kafka did not end in order: ${describe(error)}`)
    }
  }
}

export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

export function outOfRange(
  { topic, partition }: TopicPartition,
  offset: number,
  first: number,
  end: number,
): FloeError {
  const why =
    offset < first
      ? 'retention or a deletion of records has removed what is missing, or the topic was deleted and made anew'
      : 'the topic was deleted and made anew, or a broker has lost records'
  return new FloeError(
    'OFFSET_OUT_OF_RANGE',
    `Cannot go on reading Kafka topic ${JSON.stringify(topic)}, partition ${partition} at offset ${offset}: its broker has offsets ${first} to ${end} (${why}). Nothing is skipped. Once it is decided what to do with the records that are missing, moveStream has the stream go on from a later offset`,
    { context: { topic, partition, offset, firstOffset: first, endOffset: end } },
  )
}
