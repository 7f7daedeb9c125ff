/** Kafka topics as a source. The tables' position counts, never the offsets of a consumer group. streaming.md §2, §6. */

import { unlessAborted } from '../../../core/bounded-wait.ts'
import { abortedError, type FloeError, isFloeError, throwIfAborted } from '../../../core/errors.ts'
import type { Position } from '../../position.ts'
import type { SourceOpenOptions, SourceReader, StreamSource } from '../../source.ts'
import { checkTopicIds } from '../../topic-ids.ts'
import { KafkaConnection, outOfRange, type TopicPartition } from './connection.ts'
import { GroupMembership } from './group-membership.ts'
import { GroupOffsets } from './group-offsets.ts'
import { KafkaReader } from './kafka-reader.ts'
import { clusterOf, createKafka, unavailable } from './kafkajs.ts'
import { type KafkaSourceOptions, type ResolvedOptions, resolveOptions } from './options.ts'
import { SocketFactory } from './socket-factory.ts'

/**
 * Kafka topics. Partitions are shared out by a consumer group, or for good by `assignment`; either way each is read from
 * where the tables are. Only committed records are given. Offsets without a record (transaction markers, compaction) are
 * covered by the chunks.
 *
 * A topic that was deleted and made anew is told by its id, which brokers have from Kafka 2.8 on; from 3.1 on each fetch
 * names it, before that it is looked at when the source is opened, each `metadataMaxAgeMs` and after errors.
 * @throws BAD_ARGUMENT
 */
export function kafkaSource(options: KafkaSourceOptions): StreamSource {
  const resolved = resolveOptions(options)
  return {
    name: resolved.name,
    open: (open) => openReader(resolved, open),
  }
}

async function openReader(
  options: ResolvedOptions,
  open: SourceOpenOptions,
): Promise<SourceReader> {
  const what = 'Opening a Kafka source'
  throwIfAborted(open.signal, what)
  const sockets = new SocketFactory()
  const kafka = await createKafka(options.client, sockets)
  const ending = new AbortController()
  const cluster = clusterOf(kafka, options.groupId)
  const connection = new KafkaConnection(cluster, options, open.runtime, ending.signal, sockets)
  const reader = new KafkaReader({ connection, options, open, ending })
  const onAbort = (): void => ending.abort(open.signal.reason)
  open.signal.addEventListener('abort', onAbort, { once: true })
  try {
    await connection.open()
    checkTopicIds(options.name, open.topicIds, connection.topicIds)
    throwIfAborted(open.signal, what)
    if (options.assignment !== undefined) {
      const groupOffsets = new GroupOffsets(connection, options, undefined)
      const own = reader.ownPartitions()
      const checked = Promise.all([
        checkPosition(connection, own, open.position),
        groupOffsets.compare(own, open.position),
      ])
      await unlessAborted(checked, open.signal, what)
      reader.start(groupOffsets, undefined)
      await reader.assign(own)
      return reader
    }
    const joined = new Joined()
    const membership = new GroupMembership(kafka, options, {
      assigned: (partitions) => {
        reader.share(partitions)
        joined.resolve()
      },
      lost: (error) => {
        joined.reject(error)
        reader.fail(error)
      },
    })
    const groupOffsets = new GroupOffsets(connection, options, (list) => membership.commit(list))
    reader.start(groupOffsets, membership)
    await unlessAborted(membership.start(), open.signal, what)
    await joined.within(options, open)
    const { shared, generation } = reader
    await checkPosition(connection, shared, open.position)
    await reader.begin(generation, open.position)
    return reader
  } catch (error) {
    await reader.close()
    if (open.signal.aborted && !isFloeError(error, 'ABORTED')) {
      throw abortedError(open.signal, what)
    }
    throw error
  } finally {
    open.signal.removeEventListener('abort', onAbort)
  }
}

/** The first time that the group was joined. */
class Joined {
  readonly #promise: Promise<void>
  resolve: () => void = () => {}
  reject: (error: FloeError) => void = () => {}

  constructor() {
    this.#promise = new Promise<void>((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    this.#promise.catch(() => {})
  }

  /** @throws SOURCE_UNAVAILABLE, ABORTED */
  async within(options: ResolvedOptions, { runtime, signal }: SourceOpenOptions): Promise<void> {
    const limitMs = options.unavailableAfterMs + options.rebalanceTimeoutMs
    const enough = new AbortController()
    const late = runtime.sleep(limitMs, AbortSignal.any([enough.signal, signal])).then(() => {
      const what = `Cannot join the Kafka consumer group ${JSON.stringify(options.groupId)}`
      throw unavailable(what, limitMs, new Error('it has not let this member in'))
    })
    try {
      await Promise.race([this.#promise, late])
    } finally {
      enough.abort()
      late.catch(() => {})
    }
  }
}

/** @throws OFFSET_OUT_OF_RANGE and what asking throws. */
async function checkPosition(
  connection: KafkaConnection,
  partitions: readonly TopicPartition[],
  position: Position,
): Promise<void> {
  const topics = new Set(partitions.map(({ topic }) => topic))
  for (const { topic, partition, offset } of position.entries()) {
    // Kafka never takes partitions away: the topic is another one.
    if (topics.has(topic) && offset > 0 && !connection.partitions(topic).includes(partition)) {
      throw outOfRange({ topic, partition }, offset, 0, 0)
    }
  }
  const known = partitions.filter(
    ({ topic, partition }) => position.get(topic, partition) !== undefined,
  )
  if (known.length === 0) return
  const [first, end] = await Promise.all([
    connection.offsets(known, 'first'),
    connection.offsets(known, 'end'),
  ])
  for (const at of known) {
    const { topic, partition } = at
    const offset = position.get(topic, partition) as number
    const from = first.get(topic, partition) as number
    const to = end.get(topic, partition) as number
    if (offset < from || offset > to) throw outOfRange(at, offset, from, to)
  }
}
