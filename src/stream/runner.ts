/**
 * The micro-batch runner: reads from where the tables are, closes batches by trigger and size, has them written, and
 * commits what was written together with the new position. streaming.md §2 to §4.
 */
import { FloeError, isFloeError } from '../core/errors.ts'
import { Backlog } from './backlog.ts'
import { StreamBatch } from './batch.ts'
import { BatchCommit, type CommittedBatch, type TakenBatch } from './batch-commit.ts'
import { Lag } from './lag.ts'
import { type ResolvedOptions, resolveOptions, type StreamOptions } from './options.ts'
import { type PartitionOffset, Position, partitionKey } from './position.ts'
import type { StreamEvent, StreamProgress } from './progress.ts'
import { mayPass, Retries } from './retries.ts'
import { SharedPartitions } from './shared-partitions.ts'
import type { SourceReader } from './source.ts'
import { Stop } from './stop.ts'
import { StreamMetrics } from './stream-metrics.ts'
import { StreamTables } from './stream-tables.ts'

export interface StreamResult {
  readonly batches: number
  readonly rows: number
  readonly bytes: number
  /**
   * Where the tables are: as it was known last where a stop left no time to learn whether a commit was made, which a
   * `warning` event says, or to load them.
   */
  readonly position: Position
}

export interface StreamRun {
  readonly id: string
  /**
   * Resolves when the stream has ended as it was asked to: by a stop, or because a trigger without interval is done.
   * Rejects when it cannot go on. Who does not wait for it lets the process end with an error, as it should.
   */
  readonly done: Promise<StreamResult>
  /**
   * Asks for a stop: the batch under way is committed, after several tries if need be, or dropped after stopTimeoutMs.
   * @throws what `done` rejects with
   */
  stop(): Promise<StreamResult>
}

/**
 * Starts a stream.
 * @throws BAD_ARGUMENT for options. `done` rejects with NO_SUCH_TABLE, CORRUPT_LEDGER, STREAM_CONFLICT, what the source fails
 *   with, BATCH_FUNCTION_FAILED (its `cause` is what the batch function threw, its context has the ranges), errors of floe
 *   that it passes on, and what commits fail with for longer than retryTimeoutMs.
 */
export function stream(options: StreamOptions): StreamRun {
  const runner = new Runner(resolveOptions(options))
  const done = runner.run()
  return {
    id: options.id,
    done,
    stop: () => {
      runner.stop()
      return done
    },
  }
}

/**
 * A trigger that takes what there is waits for so long for offsets that the source says it has: longer than sources
 * take to give up a server that does not answer.
 */
const DRAINED_MS = 90_000
/** A read that gives so much found a stream that is behind. */
const BEHIND_BYTES = 256 * 1024
/** Longest wait in one read, so that ticks and stops are seen. */
const READ_WAIT_MS = 1000

/** What a run works with. */
interface Open {
  readonly reader: SourceReader
  readonly tables: StreamTables
  readonly partitions: SharedPartitions
}

class Runner {
  readonly #o: ResolvedOptions
  readonly #backlog = new Backlog()
  readonly #metrics: StreamMetrics
  readonly #stop: Stop
  readonly #retries: Retries
  readonly #batchCommit: BatchCommit
  readonly #lag: Lag
  /** Where this runner has read to, by partition. */
  readonly #readTo = new Map<string, number>()
  /** Batches in a row that were dropped in rebalances, and since when. */
  #dropped = { batches: 0, sinceMs: 0 }
  #batches = 0
  #rows = 0
  #bytes = 0
  #readError: unknown
  #lastCommitMs: number

  constructor(options: ResolvedOptions) {
    this.#o = options
    this.#metrics = new StreamMetrics(options.recorder, options.id)
    this.#stop = new Stop(options.runtime, options.stopTimeoutMs)
    this.#retries = new Retries(options, this.#metrics, this.#stop)
    this.#batchCommit = new BatchCommit(options, this.#stop, this.#retries)
    this.#lag = new Lag(options, this.#stop)
    this.#lastCommitMs = options.runtime.monotonicMs()
  }

  stop(): void {
    this.#stop.ask()
  }

  async run(): Promise<StreamResult> {
    const { signal, stopOn } = this.#o
    const onStop = (): void => this.stop()
    for (const name of stopOn) process.on(name, onStop)
    signal?.addEventListener('abort', onStop, { once: true })
    if (signal?.aborted === true) onStop()
    const deadline = this.#stop.watch()
    // A batch that a stop has ended is as if it had never begun.
    const unlessStopped = (error: unknown): void => {
      if (!this.#stop.asked.aborted || !isFloeError(error, 'ABORTED')) throw error
    }
    let reader: SourceReader | undefined
    let tables: StreamTables | undefined
    try {
      try {
        tables = await this.#stop.unlessOverdue(this.#loadTables())
        reader = await this.#openSource(tables)
        if (reader.sharing === undefined) this.#begin(reader, tables)
        this.#emit({ type: 'started', id: this.#o.id, position: tables.position.toText() })
        this.#warnOfTopicsWithoutId(reader)
        await this.#loop({ reader, tables, partitions: new SharedPartitions(reader) })
      } catch (error) {
        unlessStopped(error)
      }
      this.#emit({ type: 'terminated', id: this.#o.id })
      const position = tables?.position ?? Position.EMPTY
      return { batches: this.#batches, rows: this.#rows, bytes: this.#bytes, position }
    } catch (error) {
      this.#emit({ type: 'terminated', id: this.#o.id, error: error as Error })
      throw error
    } finally {
      for (const name of stopOn) process.off(name, onStop)
      signal?.removeEventListener('abort', onStop)
      if (reader !== undefined) await this.#stop.unlessOver(reader.close()).catch(unlessStopped)
      deadline.abort()
    }
  }

  #loadTables(): Promise<StreamTables> {
    const { lake, id, tables, backfill } = this.#o
    return StreamTables.load(lake, id, tables, backfill)
  }

  async #openSource(tables: StreamTables): Promise<SourceReader> {
    const { source, maxRecordBytes, bufferBytes, runtime } = this.#o
    const opening = source.open({
      position: tables.position,
      topicIds: tables.topicIds,
      maxRecordBytes,
      bufferBytes,
      runtime,
      // Reading ends with a stop as well; what is asked of the source after it does not look at this signal.
      signal: this.#stop.asked,
    })
    try {
      return await this.#stop.unlessOverdue(opening)
    } catch (error) {
      // One that is opened after all is nobody's.
      void opening.then((reader) => reader.close()).catch(() => undefined)
      throw error
    }
  }

  #warnOfTopicsWithoutId({ topicIds }: SourceReader): void {
    const topics = [...topicIds].filter(([, id]) => id === undefined).map(([topic]) => topic)
    if (topics.length === 0) return
    const error = new FloeError(
      'UNSUPPORTED_OPERATION',
      `The source ${this.#o.source.name} tells no id of ${topics.map((topic) => JSON.stringify(topic)).join(', ')}: a topic that is deleted, made anew and filled as far as the position is taken for the old one. Give a new topic another name, or upgrade the source: brokers of Kafka tell ids from 2.8 on`,
      { context: { stream: this.#o.id } },
    )
    this.#emit({ type: 'warning', error })
  }

  async #loop(open: Open): Promise<void> {
    const { trigger, runtime } = this.#o
    const { reader, tables, partitions } = open
    const isDraining = !('intervalMs' in trigger)
    let drain: Position | undefined
    const interval = 'intervalMs' in trigger ? trigger.intervalMs : 0
    let tick = runtime.monotonicMs() + interval
    while (!this.#stop.asked.aborted) {
      if (partitions.isReassigned) {
        await this.#follow(open)
        drain = undefined
      }
      if (isDraining) drain ??= await this.#stop.unlessAsked(reader.endOffsets())
      const isEnd =
        drain === undefined ? await this.#collect(open, tick) : await this.#drain(open, drain)
      const closedMs = runtime.monotonicMs()
      if (this.#stop.asked.aborted) return
      if (partitions.isReassigned) continue
      const taken = this.#take(tables)
      if (taken !== undefined) {
        const isCommitted = await this.#process(open, taken, closedMs)
        if ('once' in trigger && isCommitted) return
      } else if (this.#readError !== undefined) throw this.#readError
      else if (isEnd && drain !== undefined) return
      else this.#emit({ type: 'idle', id: this.#o.id })
      // A batch that took longer than the interval is followed by the next one at once.
      const now = runtime.monotonicMs()
      if (now >= tick) tick = Math.max(tick + interval, now)
    }
  }

  #begin(reader: SourceReader, tables: StreamTables): void {
    tables.begin(reader)
    this.#warnOfBeginnings(tables, reader.nextOffsets().entries())
    this.#lag.begin()
    this.#readTo.clear()
    for (const at of tables.position.entries()) this.#readTo.set(partitionKey(at), at.offset)
  }

  #warnOfBeginnings(tables: StreamTables, starts: Iterable<PartitionOffset>): void {
    const error = tables.unclear(starts)
    if (error !== undefined) this.#emit({ type: 'warning', error })
  }

  /** Begins with the partitions that the reader has now, where the tables are now: what was read of others is dropped. */
  async #follow({ reader, partitions, tables }: Open): Promise<void> {
    const resumed = partitions.resume(async () => {
      await this.#reload(tables, this.#stop.asked)
      this.#backlog.clear()
      return tables.position
    })
    await this.#stop.unlessAsked(resumed)
    this.#begin(reader, tables)
  }

  /** @param until what ends it */
  async #reload(tables: StreamTables, until: AbortSignal): Promise<ReadonlySet<string>> {
    const { runtime } = this.#o
    const startedMs = runtime.monotonicMs()
    for (let tries = 1; ; tries++) {
      try {
        return await this.#stop.unlessOverdue(tables.reload())
      } catch (error) {
        if (!mayPass(error)) throw error
        await this.#retries.pause('retrying', error, { tries, startedMs, until })
      }
    }
  }

  /** Reads until the tick, or until a batch is full. */
  async #collect({ reader, partitions, tables }: Open, tick: number): Promise<boolean> {
    const { runtime } = this.#o
    for (;;) {
      if (this.#isToClose(partitions)) return false
      const left = tick - runtime.monotonicMs()
      const before = this.#backlog.bytes
      await this.#read(reader, tables, Math.max(0, Math.min(left, READ_WAIT_MS)))
      // At the tick what has arrived is taken along, all of it if the stream is behind.
      if (left <= 0 && this.#backlog.bytes - before < BEHIND_BYTES) return false
    }
  }

  /** Reads until the offsets are reached, or until a batch is full. True if there is nothing more. */
  async #drain({ reader, partitions, tables }: Open, ends: Position): Promise<boolean> {
    let idleSince = this.#o.runtime.monotonicMs()
    for (;;) {
      if (this.#isToClose(partitions)) return false
      const unread = this.#firstUnread(reader, ends)
      if (unread === undefined && reader.sharing?.isJoined !== false) return true
      const chunks = await this.#read(reader, tables, READ_WAIT_MS)
      const now = this.#o.runtime.monotonicMs()
      if (chunks > 0) idleSince = now
      else if (now - idleSince >= DRAINED_MS) {
        if (unread === undefined) return true
        throw this.#undrained(unread, ends)
      }
    }
  }

  /** Where the first partition is that was not read to its end. */
  #firstUnread(reader: SourceReader, ends: Position): PartitionOffset | undefined {
    const next = reader.nextOffsets()
    for (const { topic, partition, offset: end } of ends.entries()) {
      // A partition whose records have all been removed ends where it begins, and gives nothing.
      const read = this.#readTo.get(partitionKey({ topic, partition }))
      const offset = read ?? next.get(topic, partition) ?? 0
      if (offset < end) return { topic, partition, offset }
    }
    return undefined
  }

  #undrained({ topic, partition, offset }: PartitionOffset, ends: Position): FloeError {
    return new FloeError(
      'SOURCE_UNAVAILABLE',
      `The source ${this.#o.source.name} says that ${topic}/${partition} reaches to ${ends.get(topic, partition)}, and has given nothing from ${offset} on for ${DRAINED_MS} ms. What came before is committed; start the stream again`,
      { context: { stream: this.#o.id, topic, partition, offset } },
    )
  }

  /** True if there is no sense in reading more before a batch is taken, or instead of that. */
  #isToClose(partitions: SharedPartitions): boolean {
    const { maxBatchRows, maxBatchBytes } = this.#o
    return (
      this.#backlog.rows >= maxBatchRows ||
      this.#backlog.memory >= maxBatchBytes ||
      this.#readError !== undefined ||
      this.#stop.asked.aborted ||
      partitions.isReassigned
    )
  }

  async #read(reader: SourceReader, tables: StreamTables, waitMs: number): Promise<number> {
    try {
      const reading = reader.read({ waitMs, signal: this.#stop.asked })
      const chunks = await this.#stop.unlessOverdue(reading)
      for (const chunk of chunks) {
        const key = partitionKey(chunk)
        if (!this.#readTo.has(key)) {
          const beginning = { ...chunk, offset: chunk.start }
          tables.checkBeginning(beginning)
          this.#warnOfBeginnings(tables, [beginning])
        }
        this.#readTo.set(key, chunk.end)
        this.#lag.read([chunk])
        this.#backlog.add([chunk])
      }
      return chunks.length
    } catch (error) {
      // What was read before it is committed first.
      if (!this.#stop.asked.aborted) this.#readError = error
      return 0
    }
  }

  #take(tables: StreamTables): TakenBatch | undefined {
    const { maxBatchRows, maxBatchBytes, id } = this.#o
    const limits = { rows: maxBatchRows, bytes: maxBatchBytes }
    const taken = this.#backlog.take(limits, (t, p, o) => tables.reach(t, p, o))
    if (taken === undefined) return undefined
    return { batch: new StreamBatch(id, this.#batches + 1, taken.chunks), group: taken.group }
  }

  /** False if the batch was dropped in a rebalance. */
  async #process(open: Open, taken: TakenBatch, closedMs: number): Promise<boolean> {
    const { runtime } = this.#o
    const { reader, tables, partitions } = open
    const { batch } = taken
    let committed: CommittedBatch
    try {
      committed = await this.#batchCommit.commit(tables, reader.topicIds, taken)
    } catch (error) {
      if (reader.sharing === undefined || !isFloeError(error, 'STREAM_CONFLICT')) throw error
      const explained = partitions.explain(
        await this.#reload(tables, this.#stop.overdue),
        batch.ranges,
      )
      if (!(await this.#stop.unlessOverdue(explained))) throw error
      await this.#drop(open, error)
      return false
    }
    const { result, tries, transformMs, commitMs } = committed
    this.#dropped = { batches: 0, sinceMs: 0 }
    partitions.committed(batch.ranges)
    const now = runtime.monotonicMs()
    this.#batches++
    this.#rows += batch.rows
    this.#bytes += batch.bytes
    await this.#tellSource(reader, tables.position)
    const sinceLast = now - this.#lastCommitMs
    const progress: StreamProgress = {
      id: this.#o.id,
      batch: batch.number,
      timestampMs: runtime.now(),
      rows: batch.rows,
      bytes: batch.bytes,
      ranges: batch.ranges,
      inputRowsPerSecond: perSecond(batch.rows, sinceLast),
      processedRowsPerSecond: perSecond(batch.rows, now - closedMs),
      durationMs: {
        collect: closedMs - this.#lastCommitMs,
        transform: transformMs,
        commit: commitMs,
      },
      lagRecords: await this.#lag.records(reader, tables.position),
      freshnessMs: batch.oldestMs === 0 ? null : Math.max(0, runtime.now() - batch.oldestMs),
      backlogBytes: this.#backlog.bytes,
      tries,
      tables: (result?.tables ?? []).map(
        ({ table, snapshotId, rowsAdded, filesAdded, bytesAdded }) => ({
          table,
          snapshotId,
          rowsAdded,
          filesAdded,
          bytesAdded,
        }),
      ),
    }
    this.#lastCommitMs = now
    this.#metrics.committed(progress, now - closedMs)
    this.#emit({ type: 'progress', progress })
    this.#o.onProgress?.(progress)
    return true
  }

  /** Gives a batch up, for a start where the tables are. @throws the conflict, if there was nothing else for too long */
  async #drop({ partitions }: Open, conflict: unknown): Promise<void> {
    partitions.restart()
    const dropped = this.#dropped
    if (dropped.batches++ === 0) dropped.sinceMs = this.#o.runtime.monotonicMs()
    const { batches: tries, sinceMs: startedMs } = dropped
    const until = this.#stop.asked
    if (until.aborted) return
    await this.#retries.pause('warning', conflict, { tries, startedMs, until })
  }

  async #tellSource(reader: SourceReader, position: Position): Promise<void> {
    try {
      await this.#stop.unlessOverdue(reader.committed(position))
    } catch (error) {
      this.#emit({ type: 'warning', error: error as Error })
    }
  }

  #emit(event: StreamEvent): void {
    this.#o.onEvent?.(event)
  }
}

function perSecond(count: number, ms: number): number {
  return ms <= 0 ? 0 : (count * 1000) / ms
}
