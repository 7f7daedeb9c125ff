/**
 * Reads partitions: fetches from each broker that leads some, decodes what arrives, and holds it until it is read. One
 * fetch is under way for each broker, and one batch is decoded at a time. Each partition has its own next offset, which
 * only what was read moves; nothing is taken from the group.
 */
import { within } from '../../../core/bounded-wait.ts'
import { abortedError, FloeError, isFloeError, throwIfAborted } from '../../../core/errors.ts'
import type { Runtime } from '../../../core/runtime.ts'
import { type PartitionOffset, Position } from '../../position.ts'
import { memoryOf, type RecordChunk, RecordChunkBuilder } from '../../record-chunk.ts'
import type { PartitionSharing, SourceOpenOptions, SourceReader } from '../../source.ts'
import type { TopicIds } from '../../topic-ids.ts'
import { BatchDecoder, RefusedRecords, roomFor } from './batch-decoder.ts'
import { readBatchHeader, readBatchHeaders, saidBatchBytes } from './batch-header.ts'
import { Codecs } from './codecs.ts'
import { type KafkaConnection, keyOf, outOfRange, type TopicPartition } from './connection.ts'
import type { FetchedPartition } from './fetch-answer.ts'
import type { GroupMembership } from './group-membership.ts'
import type { GroupOffsets } from './group-offsets.ts'
import { ANSWER_MS, fetchRaw, lastingError, noSuchTopic, unavailable } from './kafkajs.ts'
import type { ResolvedOptions } from './options.ts'
import { PartitionReading, type RawPiece } from './partition-reading.ts'

const READ_COMMITTED = 1
/** How long a broker waits for records if it has none. */
const FETCH_WAIT_MS = 500
const MOST_FETCH_BYTES = 8 * 1024 * 1024
const LEAST_FETCH_BYTES = 64 * 1024
/** A chunk ends behind so many bytes. While more has arrived none is smaller: each has its price in all that follows. */
const CHUNK_BYTES = 1024 * 1024
const RETRY_MS = 250
const MOST_RETRY_MS = 2000
/** Brokers that have just started may not know their topics yet. */
const UNKNOWN_TOPIC_MS = 5000
/** Leaders that have just taken over may be behind for a moment. */
const OUT_OF_RANGE_TRIES = 4
/** A batch that is not asked for first may come cut off, also where there is room for it. */
const CUT_OFF_TRIES = 4
const COMMIT_WAIT_MS = 1000
const CLOSE_MS = 5000

const CODE = {
  OFFSET_OUT_OF_RANGE: 1,
  CORRUPT_MESSAGE: 2,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  TOPIC_AUTHORIZATION_FAILED: 29,
  UNSUPPORTED_COMPRESSION_TYPE: 76,
  UNKNOWN_TOPIC_ID: 100,
  INCONSISTENT_TOPIC_ID: 103,
}

export interface KafkaReaderParts {
  readonly connection: KafkaConnection
  readonly options: ResolvedOptions
  readonly open: SourceOpenOptions
  /** Aborted by `close`. */
  readonly ending: AbortController
}

interface Held {
  readonly reading: PartitionReading
  readonly chunk: RecordChunk
}

export class KafkaReader implements SourceReader {
  readonly #connection: KafkaConnection
  readonly #options: ResolvedOptions
  readonly #open: SourceOpenOptions
  readonly #runtime: Runtime
  readonly #ending: AbortController
  readonly #codecs: Codecs
  #membership: GroupMembership | undefined
  #groupOffsets: GroupOffsets | undefined

  readonly #readings = new Map<string, PartitionReading>()
  /** Counts assignments, so that one that is overtaken by the next can tell. */
  #assignments = 0
  /** What the group has given to this member last, how often it has, and of which of these `read` gives. */
  #shared: readonly TopicPartition[] = []
  #generation = 0
  #resumed = 0
  #isJoined = true
  #isCompared = false
  #isClosed = false
  /** Where `read` is in each partition: it stays if the partition goes and comes back. */
  readonly #given = new Map<string, number>()
  #committed: Position
  /** Where partitions are begun that nothing was committed of. */
  #from: Position
  readonly #busyNodes = new Set<number>()
  #askedBytes = 0
  #raw: RawPiece[] = []
  #rawBytes = 0
  #held: Held[] = []
  #heldBytes = 0
  #decoding = false
  #retrying = false
  #failure: FloeError | undefined
  #wake: (() => void) | undefined

  constructor({ connection, options, open, ending }: KafkaReaderParts) {
    this.#connection = connection
    this.#options = options
    this.#open = open
    this.#runtime = open.runtime
    this.#ending = ending
    this.#committed = open.position
    this.#from = open.position
    this.#codecs = new Codecs(options.codecs, options.maxBatchBytes)
  }

  get sharing(): PartitionSharing | undefined {
    return this.#membership === undefined ? undefined : this
  }

  get generation(): number {
    return this.#generation
  }

  get isJoined(): boolean {
    return this.#isJoined
  }

  get topicIds(): TopicIds {
    return this.#connection.topicIds
  }

  /** Called once, before the first assignment. */
  start(groupOffsets: GroupOffsets, membership: GroupMembership | undefined): void {
    this.#groupOffsets = groupOffsets
    this.#membership = membership
    void this.#keepMetadata()
  }

  /**
   * Reads these partitions from now on. Of others what has arrived is dropped; new ones start where the reader or the
   * tables are, the farther of both, or at their first record.
   * @throws SOURCE_UNAVAILABLE, PERMISSION_DENIED, NO_SUCH_TOPIC
   */
  async assign(partitions: readonly TopicPartition[]): Promise<void> {
    const assignment = ++this.#assignments
    const keys = new Set(partitions.map(keyOf))
    for (const [key, reading] of this.#readings) if (!keys.has(key)) this.#drop(key, reading)
    const added = partitions.filter((partition) => !this.#readings.has(keyOf(partition)))
    const fresh = added.filter((partition) => this.#start(partition) === undefined)
    const first =
      fresh.length === 0 ? Position.EMPTY : await this.#connection.offsets(fresh, 'first')
    if (assignment !== this.#assignments) return
    for (const partition of added) {
      const { topic, partition: number } = partition
      const start = this.#start(partition) ?? (first.get(topic, number) as number)
      this.#readings.set(keyOf(partition), new PartitionReading(topic, number, start))
    }
    this.#fetchAll()
  }

  /** Takes what the group has given to this member: nothing is read of it before it is said from where. */
  share(partitions: readonly TopicPartition[]): void {
    this.#isJoined = true
    this.#shared = partitions
    this.#generation++
    this.#dropAll()
    this.#wake?.()
  }

  get shared(): readonly TopicPartition[] {
    return this.#shared
  }

  async resume(generation: number, position: Position): Promise<void> {
    if (generation !== this.#generation) return
    // Not when it is opened: others may have moved on while the group let this member in.
    if (!this.#isCompared) void this.#groupOffsets?.compare(this.#shared, position)
    this.#isCompared = true
    await this.begin(generation, position)
  }

  /** Reads what was shared last from a position. */
  async begin(generation: number, position: Position): Promise<void> {
    if (generation !== this.#generation) return
    this.#dropAll()
    this.#given.clear()
    this.#committed = position
    this.#from = position
    this.#resumed = generation
    await this.assign(this.#shared)
  }

  async isCurrent(): Promise<boolean> {
    const generation = this.#generation
    const own = this.#ownOffsets()
    const membership = this.#membership as GroupMembership
    const what = `Cannot ask the Kafka consumer group ${JSON.stringify(this.#options.groupId)} for this member`
    const isMember = await this.#connection.persist(what, '', () => membership.holds(own))
    if (isMember && generation === this.#generation) return true
    // The group tells which ones it has when it has joined again.
    if (generation === this.#generation) {
      this.share([])
      this.#isJoined = false
    }
    return false
  }

  /** Ends reading with an error, after what has arrived. The first one counts. */
  fail(error: FloeError): void {
    this.#failure ??= error
    this.#wake?.()
  }

  async read(options: {
    readonly waitMs: number
    readonly signal: AbortSignal
  }): Promise<readonly RecordChunk[]> {
    const what = 'Reading from Kafka'
    throwIfAborted(options.signal, what)
    throwIfAborted(this.#open.signal, what)
    this.#checkOpen()
    if (!this.#isReady()) await this.#wait(options.waitMs, options.signal)
    throwIfAborted(this.#open.signal, what)
    this.#checkOpen()
    const held = this.#held
    if (held.length === 0 && this.#failure !== undefined && this.#raw.length === 0) {
      throw this.#failure
    }
    this.#held = []
    this.#heldBytes = 0
    for (const { reading, chunk } of held) this.#given.set(keyOf(reading), chunk.end)
    void this.#decodeAll()
    this.#fetchAll()
    return held.map(({ chunk }) => chunk)
  }

  nextOffsets(): Position {
    const next: PartitionOffset[] = []
    for (const [key, { topic, partition, startOffset }] of this.#readings) {
      next.push({ topic, partition, offset: Math.max(startOffset, this.#given.get(key) ?? 0) })
    }
    return Position.of(next)
  }

  partitions(): TopicPartition[] {
    return this.#options.topics.flatMap((topic) =>
      this.#connection.partitions(topic).map((partition) => ({ topic, partition })),
    )
  }

  async endOffsets(): Promise<Position> {
    this.#checkOpen()
    const partitions = [...this.#readings.values()]
    if (partitions.length === 0) return Position.EMPTY
    return this.#connection.offsets(partitions, 'end')
  }

  async committed(position: Position): Promise<void> {
    this.#checkOpen()
    this.#committed = position
    const done = (this.#groupOffsets as GroupOffsets).set(this.#ownOffsets())
    // A coordinator that is away must not hold up the stream.
    await this.#within(COMMIT_WAIT_MS, done)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    // Also where the opening was aborted: a member that is left behind would keep its partitions.
    const leave = async (): Promise<void> => {
      await this.#within(COMMIT_WAIT_MS, this.#groupOffsets?.set([]) ?? Promise.resolve())
      // Also if the coordinator is away: kafkajs goes on for ever with a member that it is not told to stop.
      await this.#membership?.stop()
    }
    for (const reading of this.#readings.values()) reading.live = false
    this.#readings.clear()
    this.#raw = []
    this.#held = []
    await this.#within(CLOSE_MS, leave())
    this.#ending.abort(new Error('the reader was closed'))
    this.#wake?.()
    await this.#within(CLOSE_MS, this.#connection.close())
  }

  #checkOpen(): void {
    if (!this.#ending.signal.aborted) return
    throw new FloeError(
      'HANDLE_CLOSED',
      'Cannot read from Kafka: the reader is closed. Open the source again',
    )
  }

  #isReady(): boolean {
    if (this.#held.length > 0 || this.#resumed !== this.#generation) return true
    return this.#failure !== undefined && this.#raw.length === 0
  }

  #ownOffsets(): PartitionOffset[] {
    return [...this.#committed.entries()].filter((offset) => this.#readings.has(keyOf(offset)))
  }

  async #wait(waitMs: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController()
    const wake = (): void => {
      if (this.#isReady() || this.#ending.signal.aborted || this.#open.signal.aborted) woken.abort()
    }
    this.#wake = wake
    const onAbort = (): void => woken.abort()
    signal.addEventListener('abort', onAbort, { once: true })
    this.#open.signal.addEventListener('abort', onAbort, { once: true })
    try {
      await this.#runtime.sleep(waitMs, woken.signal)
    } catch (error) {
      if (!isFloeError(error, 'ABORTED')) throw error
      if (signal.aborted) throw abortedError(signal, 'Reading from Kafka')
    } finally {
      this.#wake = undefined
      signal.removeEventListener('abort', onAbort)
      this.#open.signal.removeEventListener('abort', onAbort)
    }
  }

  /** Waits for what is under way, but not longer. */
  async #within(ms: number, task: Promise<unknown>): Promise<void> {
    await within(
      this.#runtime,
      ms,
      task.catch(() => undefined),
    )
  }

  #start({ topic, partition }: TopicPartition): number | undefined {
    const given = this.#given.get(keyOf({ topic, partition }))
    const committed = this.#committed.get(topic, partition) ?? this.#from.get(topic, partition)
    return given === undefined ? committed : Math.max(given, committed ?? 0)
  }

  #dropAll(): void {
    this.#assignments++
    for (const [key, reading] of this.#readings) this.#drop(key, reading)
  }

  #drop(key: string, reading: PartitionReading): void {
    this.#readings.delete(key)
    this.#silence(reading)
    this.#held = this.#held.filter((held) => held.reading !== reading)
    this.#heldBytes = this.#held.reduce((sum, { chunk }) => sum + memoryOf(chunk), 0)
  }

  /** What has arrived and is not decoded is dropped, and what is under way will be. */
  #silence(reading: PartitionReading): void {
    reading.live = false
    this.#raw = this.#raw.filter((piece) => piece.reading !== reading)
    this.#rawBytes = this.#raw.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  async #keepMetadata(): Promise<void> {
    const { signal } = this.#ending
    for (;;) {
      try {
        await this.#runtime.sleep(this.#options.metadataMaxAgeMs, signal)
        await this.#look()
        if (signal.aborted) return
        // Members of a group are told of new partitions by the group.
        if (this.#membership === undefined) await this.assign(this.ownPartitions())
        this.#fetchAll()
      } catch (error) {
        if (signal.aborted) return
        this.fail(error as FloeError)
        return
      }
    }
  }

  /** Looks for moved leaders, new partitions, and topics that were made anew. */
  async #look(): Promise<void> {
    // Brokers that have not answered need not be asked once more.
    if (!(await this.#connection.refresh())) return
    await this.#connection.checkTopics().catch((error: FloeError) => this.fail(error))
  }

  /** What falls to this reader without a group. */
  ownPartitions(): TopicPartition[] {
    const { topics, assignment } = this.#options
    const { ordinal, of } = assignment ?? { ordinal: 0, of: 1 }
    return topics.flatMap((topic) =>
      this.#connection
        .partitions(topic)
        .filter((partition) => partition % of === ordinal)
        .map((partition) => ({ topic, partition })),
    )
  }

  /** Starts a fetch from each broker that has none under way, as far as there is room. */
  #fetchAll(): void {
    if (this.#failure !== undefined || this.#ending.signal.aborted) return
    const room = this.#open.bufferBytes - this.#heldBytes - this.#rawBytes - this.#askedBytes
    if (room <= 0) return
    const byLeader = new Map<number, PartitionReading[]>()
    const now = this.#runtime.monotonicMs()
    const leaderless: PartitionReading[] = []
    for (const reading of this.#readings.values()) {
      if (!reading.live || reading.fetching || reading.retryAtMs > now) continue
      const leader = this.#connection.leader(reading)
      if (leader === undefined) {
        leaderless.push(reading)
      } else if (!this.#busyNodes.has(leader)) {
        const readings = byLeader.get(leader)
        if (readings === undefined) byLeader.set(leader, [reading])
        else readings.push(reading)
      }
    }
    for (const reading of leaderless) this.#putOff(reading, new Error('no leader is known'))
    if (leaderless.length > 0) void this.#connection.refresh()
    const bytes = Math.min(
      MOST_FETCH_BYTES,
      Math.max(LEAST_FETCH_BYTES, Math.floor(room / Math.max(1, byLeader.size))),
    )
    for (const [node, readings] of byLeader) void this.#fetch(node, readings, bytes)
  }

  async #fetch(node: number, readings: readonly PartitionReading[], bytes: number): Promise<void> {
    const sentMs = this.#runtime.monotonicMs()
    // Where more of them have records, none takes it all: time goes on in all of them alike.
    const giving = Math.max(1, readings.filter(({ gave }) => gave).length)
    const share = Math.max(Math.min(bytes, this.#chunkBytes), Math.floor(bytes / giving))
    const maxBytes = Math.max(bytes, ...readings.map(({ fetchBytes }) => fetchBytes))
    this.#busyNodes.add(node)
    this.#askedBytes += maxBytes
    for (const reading of readings) reading.fetching = true
    try {
      const broker = await this.#connection.broker(node)
      const request = {
        maxWaitTime: FETCH_WAIT_MS,
        minBytes: 1,
        maxBytes,
        isolationLevel: READ_COMMITTED,
        topics: readings.map((reading) => ({
          topic: reading.topic,
          partitions: [
            {
              partition: reading.partition,
              fetchOffset: String(reading.fetchOffset),
              maxBytes: Math.max(share, reading.fetchBytes),
            },
          ],
        })),
      }
      const answer = await fetchRaw(broker, request, this.topicIds)
      if (answer.errorCode !== 0) throw new Error(`it answered with error ${answer.errorCode}`)
      const asked = new Map(readings.map((reading) => [keyOf(reading), reading]))
      let failed = false
      for (const partition of answer.partitions) {
        const reading = asked.get(keyOf(partition))
        if (reading?.live !== true) continue
        if (partition.errorCode === 0) this.#arrived(reading, partition, bytes)
        else failed = !(await this.#refused(reading, partition.errorCode)) || failed
      }
      if (failed) await this.#look()
    } catch (error) {
      if (!this.#ending.signal.aborted) await this.#fetchFailed(readings, error, sentMs)
    } finally {
      this.#busyNodes.delete(node)
      this.#askedBytes -= maxBytes
      for (const reading of readings) reading.fetching = false
      void this.#decodeAll()
      this.#fetchAll()
    }
  }

  async #fetchFailed(
    readings: readonly PartitionReading[],
    error: unknown,
    sentMs: number,
  ): Promise<void> {
    const names = [...new Set(readings.map(({ topic }) => JSON.stringify(topic)))].join(', ')
    const lasting = isFloeError(error)
      ? error
      : lastingError(error, 'Cannot fetch from Kafka', names)
    // To look for another broker is part of it, and one that has just started may not know the topics yet.
    const passing =
      lasting?.code === 'NO_SUCH_TOPIC' &&
      !readings.every((reading) => this.#isLongUnknown(reading))
    if (lasting !== undefined && !passing) {
      this.fail(lasting)
      return
    }
    // It has not answered since then, but for no longer than a fetch waits if this process stood still.
    const sinceMs = Math.max(sentMs, this.#runtime.monotonicMs() - FETCH_WAIT_MS - ANSWER_MS)
    for (const reading of readings) this.#putOff(reading, error, sinceMs)
    await this.#look()
  }

  /** Tries again later; gives up if that has been so for long. */
  #putOff(reading: PartitionReading, error: unknown, sinceMs?: number): void {
    const now = this.#runtime.monotonicMs()
    reading.failingSinceMs ??= sinceMs ?? now
    const forMs = now - reading.failingSinceMs
    if (forMs >= this.#options.unavailableAfterMs) {
      const { topic, partition } = reading
      const what = `Cannot fetch from Kafka topic ${JSON.stringify(topic)}, partition ${partition} at offset ${reading.fetchOffset}`
      this.fail(unavailable(what, forMs, error))
      return
    }
    reading.retryAtMs = now + Math.min(MOST_RETRY_MS, RETRY_MS + forMs / 4)
    void this.#retry()
  }

  /** One wait for all partitions that were put off, however many a broker leads. */
  async #retry(): Promise<void> {
    if (this.#retrying) return
    this.#retrying = true
    try {
      for (;;) {
        const now = this.#runtime.monotonicMs()
        const later = [...this.#readings.values()].filter(({ retryAtMs }) => retryAtMs > now)
        if (later.length === 0) break
        const next = Math.min(...later.map(({ retryAtMs }) => retryAtMs))
        // One that is put off meanwhile may be due before it.
        await this.#runtime.sleep(Math.min(RETRY_MS, next - now + 1), this.#ending.signal)
        this.#fetchAll()
      }
    } catch (error) {
      if (!this.#ending.signal.aborted) this.fail(error as FloeError)
    } finally {
      this.#retrying = false
    }
  }

  /** A broker has answered with an error for one partition. True if no other leader needs to be looked for. */
  async #refused(reading: PartitionReading, code: number): Promise<boolean> {
    const { topic, partition, fetchOffset } = reading
    const where = `Kafka topic ${JSON.stringify(topic)}, partition ${partition} at offset ${fetchOffset}`
    const context = { topic, partition, offset: fetchOffset }
    switch (code) {
      case CODE.OFFSET_OUT_OF_RANGE:
        if (++reading.outOfRange < OUT_OF_RANGE_TRIES) break
        reading.outOfRange = 0
        try {
          const first = (await this.#connection.offsets([reading], 'first')).get(topic, partition)
          const end = (await this.#connection.offsets([reading], 'end')).get(topic, partition)
          if (!reading.live || first === undefined || end === undefined) break
          if (fetchOffset < first || fetchOffset > end) {
            this.fail(outOfRange(reading, fetchOffset, first, end))
          }
        } catch (error) {
          this.fail(error as FloeError)
        }
        return true
      case CODE.CORRUPT_MESSAGE:
        this.fail(
          new FloeError(
            'CORRUPT_RECORDS',
            `Cannot read from ${where}: its broker says that the records there are damaged. Nothing is skipped; restore the partition from another replica, or have moveStream pass over the damage`,
            { context },
          ),
        )
        return true
      case CODE.UNSUPPORTED_COMPRESSION_TYPE:
        this.fail(
          new FloeError(
            'UNSUPPORTED_CODEC',
            `Cannot read from ${where}: its records are compressed with zstd, which this broker gives to clients of newer protocols only. Upgrade the broker to Kafka 2.3 or later`,
            { context },
          ),
        )
        return true
      case CODE.TOPIC_AUTHORIZATION_FAILED:
        this.fail(
          new FloeError(
            'PERMISSION_DENIED',
            `Cannot read from ${where}: Kafka refuses it to this user. Give it the right to read the topic`,
            { context },
          ),
        )
        return true
      case CODE.UNKNOWN_TOPIC_OR_PARTITION:
      case CODE.UNKNOWN_TOPIC_ID:
      case CODE.INCONSISTENT_TOPIC_ID:
        if (!this.#isLongUnknown(reading)) break
        this.fail(noSuchTopic(JSON.stringify(topic)))
        return true
      default:
    }
    this.#putOff(reading, new Error(`its broker answered with error ${code}`))
    return false
  }

  #isLongUnknown({ failingSinceMs }: PartitionReading): boolean {
    if (failingSinceMs === undefined) return false
    return this.#runtime.monotonicMs() - failingSinceMs >= UNKNOWN_TOPIC_MS
  }

  #arrived(reading: PartitionReading, { records, aborted }: FetchedPartition, bytes: number): void {
    reading.failingSinceMs = undefined
    reading.outOfRange = 0
    reading.gave = records.length > 0
    let end = 0
    for (;;) {
      const batch = readBatchHeader(records, end)
      if (batch === undefined) break
      end = batch.to
      reading.fetchOffset = Math.max(reading.fetchOffset, batch.lastOffset + 1)
      if (batch.magic !== 2) break
    }
    if (end === 0) {
      if (records.length > 0) this.#cutOff(reading, records, bytes)
      return
    }
    reading.fetchBytes = 0
    reading.cutOff = 0
    this.#toEnd(reading)
    const { topic, partition } = reading
    const { maxRecordBytes } = this.#open
    const decoder = new BatchDecoder(
      { topic, partition, maxRecordBytes, codecs: this.#codecs },
      aborted,
    )
    this.#raw.push({ reading, bytes: records, end, decoder, at: 0 })
    this.#rawBytes += records.length
  }

  /**
   * Asks for it last from now on. Brokers fill an answer in the order of the request, and only the first one that has
   * records may give a batch that is larger than what was asked for: one that has always more would keep all behind it
   * waiting for ever.
   */
  #toEnd(reading: PartitionReading): void {
    const key = keyOf(reading)
    this.#readings.delete(key)
    this.#readings.set(key, reading)
  }

  /** Asks for more next time, unless no more would help. */
  #cutOff(reading: PartitionReading, records: Buffer, asked: number): void {
    const needed = saidBatchBytes(records) ?? 2 * Math.max(asked, records.length)
    if (needed <= this.#options.maxBatchBytes && reading.cutOff++ < CUT_OFF_TRIES) {
      reading.fetchBytes = needed
      return
    }
    const { topic, partition, fetchOffset: offset } = reading
    this.fail(
      new FloeError(
        'CORRUPT_RECORDS',
        `Cannot read from Kafka topic ${JSON.stringify(topic)}, partition ${partition}: the batch at offset ${offset} says that it has ${needed} bytes, and its broker gives ${records.length} of them. If it is as large, raise \`maxBatchBytes\`; if not, it is damaged. Nothing is skipped; restore the partition from another replica, or have moveStream pass over the damage`,
        { context: { topic, partition, offset } },
      ),
    )
  }

  /** Decodes what has arrived, as far as there is room for it. */
  async #decodeAll(): Promise<void> {
    if (this.#decoding) return
    this.#decoding = true
    try {
      for (;;) {
        const piece = this.#raw[0]
        if (piece === undefined || (this.#held.length > 0 && this.#isFull())) break
        await this.#decode(piece)
        this.#wake?.()
      }
    } catch (error) {
      this.#raw = []
      this.fail(
        new FloeError('ASSERTION_FAILED', `Cannot decode records of Kafka. Please report it`, {
          cause: error,
        }),
      )
    } finally {
      this.#decoding = false
    }
    this.#fetchAll()
  }

  /** True if there is no room for one more chunk beside those that wait. */
  #isFull(): boolean {
    return this.#heldBytes + this.#rawBytes + this.#chunkBytes >= this.#open.bufferBytes
  }

  /** The least of a chunk, if so much has arrived: the last of its batches may make it larger. */
  get #chunkBytes(): number {
    return Math.min(CHUNK_BYTES, this.#open.bufferBytes / 8)
  }

  /** Makes one chunk. */
  async #decode(piece: RawPiece): Promise<void> {
    const { reading, bytes, end, decoder } = piece
    const { topic, partition, decodeOffset: start } = reading
    // All are opened before any is taken, so that the chunk gets its memory once, and in one size.
    const enough = this.#chunkBytes
    const batches = readBatchHeaders(bytes, piece.at, end, enough)
    const opened = await decoder.open(bytes, batches, 0, start, enough)
    piece.at = opened.batches.at(-1)?.batch.to ?? piece.at
    const builder = new RecordChunkBuilder(topic, partition, start, roomFor(opened))
    let { refused } = opened
    let next = start
    try {
      for (const open of opened.batches) {
        decoder.append(open, next, builder)
        next = Math.max(next, open.batch.lastOffset + 1)
      }
    } catch (error) {
      if (!(error instanceof RefusedRecords)) throw error
      refused = error
    }
    if (refused !== undefined) next = Math.max(next, refused.offset)
    if (!reading.live) return
    if (next > start) {
      const chunk = builder.finish(next)
      this.#held.push({ reading, chunk })
      this.#heldBytes += memoryOf(chunk)
      reading.decodeOffset = next
    }
    if (refused !== undefined) {
      this.#silence(reading)
      this.fail(refused.error)
    } else if (piece.at === end) {
      this.#raw.shift()
      this.#rawBytes -= bytes.length
    }
  }
}
