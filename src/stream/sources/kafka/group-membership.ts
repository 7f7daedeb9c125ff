/**
 * Membership in a consumer group: which partitions fall to this process. A consumer of kafkajs joins, gives signs of
 * life and takes part in rebalances, with all its partitions paused, so that it fetches nothing.
 */
import type { Consumer, Kafka } from 'kafkajs'
import type { FloeError } from '../../../core/errors.ts'
import type { PartitionOffset } from '../../position.ts'
import type { TopicPartition } from './connection.ts'
import { lastingError, typeOf, unavailable } from './kafkajs.ts'
import type { ResolvedOptions } from './options.ts'

export interface GroupListener {
  /** Called each time the group was joined, with all that falls to this member. */
  assigned(partitions: readonly TopicPartition[]): void
  /** Called when kafkajs gives up. */
  lost(error: FloeError): void
}

const HEARTBEAT_MS = 3000
/** As kafkajs has it for consumers. */
const RETRIES = 5
/** What a member is refused with that the group has gone on without, or is about to. */
const NOT_CURRENT = new Set(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS'])

export class GroupMembership {
  readonly #consumer: Consumer
  readonly #options: ResolvedOptions
  readonly #listener: GroupListener
  /** True while the group shares its partitions out anew, and this member knows. */
  #isRejoining = false
  #isStopped = false
  /** Commits that the group has answered. */
  #commits = 0

  constructor(kafka: Kafka, options: ResolvedOptions, listener: GroupListener) {
    const heartbeatInterval = Math.max(1, Math.min(HEARTBEAT_MS, options.sessionTimeoutMs / 3))
    this.#options = options
    this.#listener = listener
    this.#consumer = kafka.consumer({
      groupId: options.groupId,
      sessionTimeout: options.sessionTimeoutMs,
      rebalanceTimeout: options.rebalanceTimeoutMs,
      heartbeatInterval: Math.floor(heartbeatInterval),
      // With all paused, the time between two looks at whether a heartbeat is due.
      maxWaitTimeInMs: Math.max(1, Math.min(500, Math.floor(heartbeatInterval / 2))),
      metadataMaxAge: options.metadataMaxAgeMs,
      allowAutoTopicCreation: false,
      retry: { retries: RETRIES, restartOnFailure: (error) => this.#isToRestart(error) },
    })
  }

  /** Joins; the listener is told of the rest. */
  async start(): Promise<void> {
    const { topics, groupId } = this.#options
    const what = `Cannot join the Kafka consumer group ${JSON.stringify(groupId)}`
    const { GROUP_JOIN, REBALANCING, CRASH, COMMIT_OFFSETS } = this.#consumer.events
    this.#consumer.on(COMMIT_OFFSETS, () => {
      this.#commits++
    })
    this.#consumer.on(REBALANCING, () => {
      this.#isRejoining = true
    })
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      this.#isRejoining = false
      this.#consumer.pause(topics.map((topic) => ({ topic })))
      this.#listener.assigned(
        Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
          partitions.map((partition) => ({ topic, partition })),
        ),
      )
    })
    this.#consumer.on(CRASH, ({ payload }) => {
      const { error, restart } = payload
      // Until it has joined again: kafkajs starts its consumer anew.
      this.#isRejoining = true
      if (restart) return
      const names = topics.map((topic) => JSON.stringify(topic)).join(', ')
      this.#listener.lost(lastingError(error, what, names) ?? unavailable(what, 0, error))
    })
    try {
      await this.#consumer.connect()
      await this.#consumer.subscribe({ topics: [...topics] })
      await this.#consumer.run({ autoCommit: false, eachBatch: async () => {} })
    } catch (error) {
      const names = topics.map((topic) => JSON.stringify(topic)).join(', ')
      throw lastingError(error, what, names) ?? unavailable(what, 0, error)
    }
  }

  async commit(offsets: readonly PartitionOffset[]): Promise<void> {
    await this.#consumer.commitOffsets(
      offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset: String(offset) })),
    )
  }

  /**
   * Whether the partitions of these offsets are this member's as of now: only then the group takes them.
   * @throws what kafkajs throws where that cannot be told
   */
  async holds(offsets: readonly PartitionOffset[]): Promise<boolean> {
    if (this.#isRejoining) return false
    const before = this.#commits
    try {
      await this.commit(offsets)
      // A consumer that is about to crash, or has, lets commits pass without asking anybody.
      const isAsked = offsets.length === 0 || this.#commits > before
      return isAsked && !this.#isRejoining
    } catch (error) {
      if (NOT_CURRENT.has(typeOf(error) ?? '')) return false
      throw error
    }
  }

  /** Leaves the group. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#consumer.disconnect()
  }

  /** A consumer that is stopped while it joins crashes after that, and would be started anew. */
  async #isToRestart(error: Error): Promise<boolean> {
    if (this.#isStopped) return false
    return (await this.#options.client.retry?.restartOnFailure?.(error)) ?? true
  }
}
