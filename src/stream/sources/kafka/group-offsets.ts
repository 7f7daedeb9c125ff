/** The offsets of a consumer group: advisory, for tools that watch lag. Nothing here fails. streaming.md §1, I3. */
import type { PartitionOffset, Position } from '../../position.ts'
import type { KafkaConnection, TopicPartition } from './connection.ts'
import { describe, type TopicOffsets } from './kafkajs.ts'
import type { ResolvedOptions } from './options.ts'

/** The group has members of no reader here: what offsets are set with outside of one. */
const NO_GENERATION = -1

export class GroupOffsets {
  readonly #connection: KafkaConnection
  readonly #options: ResolvedOptions
  readonly #commit: (offsets: readonly PartitionOffset[]) => Promise<void>
  #pending: readonly PartitionOffset[] | undefined
  #working: Promise<void> | undefined
  #failed = false

  /** @param commit how members of the group set offsets; undefined without membership. */
  constructor(
    connection: KafkaConnection,
    options: ResolvedOptions,
    commit: ((offsets: readonly PartitionOffset[]) => Promise<void>) | undefined,
  ) {
    this.#connection = connection
    this.#options = options
    this.#commit = commit ?? ((offsets) => this.#commitAlone(offsets))
  }

  /** Warns of partitions where the group is ahead of the position: another program has set its offsets, or tables were rolled back. */
  async compare(partitions: readonly TopicPartition[], position: Position): Promise<void> {
    const { groupId, warn } = this.#options
    try {
      const coordinator = await this.#connection.coordinator()
      const { responses } = await coordinator.offsetFetch({
        groupId,
        topics: byTopic(
          partitions.map(({ topic, partition }) => ({ topic, partition, offset: 0 })),
        ),
      })
      for (const { topic, partitions: offsets } of responses) {
        for (const { partition, offset } of offsets) {
          const own = position.get(topic, partition) ?? 0
          if (Number(offset) <= own) continue
          warn(
            `The offset of consumer group ${JSON.stringify(groupId)} for Kafka topic ${JSON.stringify(topic)}, partition ${partition} is ${offset}, ahead of the tables, which go on from ${own}. The tables count; was another program in this group, or were they rolled back?`,
          )
        }
      }
    } catch (error) {
      warn(
        `The offsets of consumer group ${JSON.stringify(groupId)} cannot be compared with the tables: ${describe(error)}. The tables count`,
      )
    }
  }

  /** Sets the offsets; if that is under way already, the newest ones follow it. Resolves when there is nothing left to do. */
  set(offsets: readonly PartitionOffset[]): Promise<void> {
    if (offsets.length > 0) this.#pending = offsets
    this.#working ??= this.#work()
    return this.#working
  }

  async #work(): Promise<void> {
    try {
      while (this.#pending !== undefined) {
        const offsets = this.#pending
        this.#pending = undefined
        try {
          await this.#commit(offsets)
          this.#failed = false
        } catch (error) {
          // Said once, not after each commit.
          if (!this.#failed) {
            this.#options.warn(
              `The offsets of consumer group ${JSON.stringify(this.#options.groupId)} cannot be set: ${describe(error)}. The tables are not affected; lag of the group will look larger than it is`,
            )
          }
          this.#failed = true
        }
      }
    } finally {
      this.#working = undefined
    }
  }

  async #commitAlone(offsets: readonly PartitionOffset[]): Promise<void> {
    const coordinator = await this.#connection.coordinator()
    await coordinator.offsetCommit({
      groupId: this.#options.groupId,
      groupGenerationId: NO_GENERATION,
      memberId: '',
      topics: byTopic(offsets),
    })
  }
}

function byTopic(offsets: readonly PartitionOffset[]): TopicOffsets[] {
  const topics = new Map<string, TopicOffsets>()
  for (const { topic, partition, offset } of offsets) {
    let entry = topics.get(topic)
    if (entry === undefined) topics.set(topic, (entry = { topic, partitions: [] }))
    entry.partitions.push({ partition, offset: String(offset) })
  }
  return [...topics.values()]
}
