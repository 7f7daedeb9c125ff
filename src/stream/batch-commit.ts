/**
 * From a batch to a commit: what the batch function writes, and the position that moves with it, again and again while
 * what is in the way may pass. streaming.md §2.
 */
import { abortedError, FloeError, isFloeError } from '../core/errors.ts'
import { uuidV7 } from '../core/runtime.ts'
import type { TableMetadata } from '../iceberg/spec/metadata.ts'
import type { AttemptAdditions } from '../iceberg/table/table-stage.ts'
import type { TransactionResult } from '../iceberg/table/transaction.ts'
import type { StreamBatch } from './batch.ts'
import { expiryUpdates } from './expiry.ts'
import { ledgerAdditions } from './ledger.ts'
import type { ResolvedOptions } from './options.ts'
import { type OffsetRange, type Position, rangesToText } from './position.ts'
import { readLedger } from './read-ledger.ts'
import { mayPass, type Retries } from './retries.ts'
import type { Stop } from './stop.ts'
import { type StreamTables, streamConflict, type WriteGroup } from './stream-tables.ts'
import { StreamTransaction } from './stream-transaction.ts'
import { checkTopicIds, type TopicIds } from './topic-ids.ts'

/** A batch, and the tables that it is for. */
export interface TakenBatch {
  readonly batch: StreamBatch
  readonly group: WriteGroup
}

export interface CommittedBatch {
  /** Undefined where the outcome had to be looked up. */
  readonly result: TransactionResult | undefined
  readonly tries: number
  readonly transformMs: number
  readonly commitMs: number
}

export class BatchCommit {
  readonly #o: ResolvedOptions
  readonly #stop: Stop
  readonly #retries: Retries

  constructor(options: ResolvedOptions, stop: Stop, retries: Retries) {
    this.#o = options
    this.#stop = stop
    this.#retries = retries
  }

  /**
   * Has the batch written and committed; the tables are further then.
   * @throws BATCH_FUNCTION_FAILED, STREAM_CONFLICT, ABORTED when a stop has taken too long, and what commits fail with for
   *   longer than retryTimeoutMs
   */
  async commit(
    tables: StreamTables,
    topicIds: TopicIds,
    { batch, group }: TakenBatch,
  ): Promise<CommittedBatch> {
    const { runtime, lake } = this.#o
    const commitId = uuidV7(runtime)
    const startedMs = runtime.monotonicMs()
    for (let tries = 1; ; tries++) {
      const signal = this.#stop.overdue
      const transaction = lake.transaction({ commitId, signal })
      const tx = new StreamTransaction({
        lake,
        transaction,
        tables,
        group: group.tables.size === 0 ? undefined : group,
        signal,
      })
      const beganMs = runtime.monotonicMs()
      let committing: readonly string[] = []
      let writtenMs: number | undefined
      let result: TransactionResult | undefined
      try {
        await this.#stop.unlessOverdue(this.#write(batch, tx))
        committing = this.#committing(tx)
        for (const table of committing) {
          const hooked = transaction.atEachAttempt(table, ({ metadata }, snapshotId) =>
            this.#additions(tables, { table, batch, topicIds, tx, metadata, snapshotId }),
          )
          await this.#stop.unlessOverdue(hooked)
        }
        writtenMs = runtime.monotonicMs()
        result = await this.#decided(transaction.commit())
      } catch (error) {
        const abandoned = tx.abandon()
        // A stop does not wait for ever for files that are deleted.
        await this.#stop.unlessOver(transaction.rollback()).catch(() => undefined)
        // Not that of a commit which the batch function has made elsewhere.
        const isUnknown = writtenMs !== undefined && isFloeError(error, 'COMMIT_STATE_UNKNOWN')
        if (!isUnknown && !mayPass(error)) throw error
        if (!isUnknown || !(await this.#hasBatch(tables, committing, batch, error, startedMs))) {
          await this.#stop.unlessOverdue(abandoned)
          await this.#retries.pause('retrying', error, { tries, startedMs })
          continue
        }
      }
      tables.advance(committing, batch.ranges, topicIds)
      tx.committed(result === undefined || result.attempts === 0 ? undefined : snapshotsOf(result))
      const [written, now] = [writtenMs ?? beganMs, runtime.monotonicMs()]
      return { result, tries, transformMs: written - beganMs, commitMs: now - written }
    }
  }

  /** @throws COMMIT_STATE_UNKNOWN as well where a stop does not wait any longer for the answer */
  async #decided(commit: Promise<TransactionResult>): Promise<TransactionResult> {
    try {
      return await this.#stop.unlessOver(commit)
    } catch (error) {
      if (!this.#stop.over.aborted) throw error
      throw isFloeError(error, 'ABORTED') ? unanswered(this.#o.id, error) : error
    }
  }

  /**
   * Whether the tables have a batch whose commit had no answer. Where a stop leaves no time to find out, the run ends, and
   * what it says of the tables is what was known last.
   * @throws STREAM_CONFLICT; `unknown` if it cannot be told for longer than retryTimeoutMs
   */
  async #hasBatch(
    tables: StreamTables,
    committing: readonly string[],
    { ranges }: StreamBatch,
    unknown: FloeError,
    startedMs: number,
  ): Promise<boolean> {
    const { overdue } = this.#stop
    for (let tries = 1; ; tries++) {
      const isLast = overdue.aborted
      try {
        return await this.#stop.unlessOver(tables.hasBatch(committing, ranges))
      } catch (error) {
        const isOver = isFloeError(error, 'ABORTED') && this.#stop.over.aborted
        if (!isOver && !mayPass(error)) throw error
        if (isLast || isOver) {
          this.#o.onEvent?.({ type: 'warning', error: unknown })
          throw abortedError(overdue, 'A batch')
        }
      }
      try {
        await this.#retries.pause('retrying', unknown, { tries, startedMs })
      } catch (error) {
        // There is time for a last look.
        if (!overdue.aborted) throw error
      }
    }
  }

  async #write(batch: StreamBatch, tx: StreamTransaction): Promise<void> {
    try {
      await this.#o.foreachBatch(batch, tx)
    } catch (error) {
      // floe's own say what to do, and whether it may pass.
      throw isFloeError(error) ? error : batchFunctionFailed(this.#o.id, batch, error)
    }
    await tx.settle()
  }

  #committing(tx: StreamTransaction): readonly string[] {
    const names = [...tx.committing]
    if (names.length > 0) return names
    throw new FloeError(
      'BAD_ARGUMENT',
      `The first batch of the stream "${this.#o.id}" wrote no table, so its position has no place. Name the tables of the stream in the option tables`,
      { context: { stream: this.#o.id } },
    )
  }

  /** What the ledger of a table gets in an attempt: the batch has to begin where that very state of the table ends (I1). */
  #additions(
    tables: StreamTables,
    attempt: {
      readonly table: string
      readonly batch: StreamBatch
      readonly topicIds: TopicIds
      readonly tx: StreamTransaction
      readonly metadata: TableMetadata
      readonly snapshotId: bigint
    },
  ): AttemptAdditions {
    const { table, batch, topicIds, tx, metadata, snapshotId } = attempt
    const { id, source, expire, runtime } = this.#o
    const now = readLedger(metadata, id, table)
    checkTopicIds(source.name, now.topicIds, topicIds)
    const expected = tables.expected(table)
    if (
      !hasPlaces(now.position, expected.position) ||
      !beginsAt(batch.ranges, now.position, expected.position)
    ) {
      throw streamConflict(id, table, expected.position, now.position)
    }
    tx.checkAttempt(table, metadata)
    const { summary, updates } = ledgerAdditions(id, now, {
      ranges: batch.ranges,
      topicIds,
      beginnings: tables.beginnings,
      snapshotId,
      sequenceNumber: metadata.lastSequenceNumber + 1,
      maxEventMs: batch.timeMs,
      ingestMs: Math.floor(runtime.now()),
    })
    const expired = expire === false ? [] : expiryUpdates(metadata, expire, runtime.now())
    return { summary, updates: [...updates, ...expired] }
  }
}

function snapshotsOf({ tables }: TransactionResult): ReadonlyMap<string, bigint> {
  const made = tables.filter((t) => t.snapshotId !== null)
  return new Map(made.map((t) => [t.table, t.snapshotId as bigint]))
}

/** The program's own: where it was tells which records to look at. */
function batchFunctionFailed(id: string, batch: StreamBatch, cause: unknown): FloeError {
  const ranges = rangesToText(batch.ranges).slice(0, 500)
  return new FloeError(
    'BATCH_FUNCTION_FAILED',
    `The batch function of the stream "${id}" failed for the records ${ranges}: ${cause instanceof Error ? cause.message : String(cause)}. Nothing of the batch was committed, and a new start comes to the same records: correct the function, or have it put records that it cannot read elsewhere`,
    { context: { stream: id, ranges }, cause },
  )
}

function unanswered(id: string, cause: unknown): FloeError {
  return new FloeError(
    'COMMIT_STATE_UNKNOWN',
    `The stream "${id}" was stopped while a commit of it had no answer: its tables may have the last batch or not. The next start finds out`,
    { context: { stream: id }, cause },
  )
}

/** A place that is gone was taken away by a move, or with the table: where this run began is none for it. */
function hasPlaces(now: Position, expected: Position): boolean {
  return [...expected.entries()].every(
    ({ topic, partition }) => now.get(topic, partition) !== undefined,
  )
}

function beginsAt(ranges: readonly OffsetRange[], now: Position, expected: Position): boolean {
  return ranges.every(({ topic, partition, start }) => {
    const at = now.get(topic, partition)
    const before = expected.get(topic, partition)
    // Another runner may have named where the partition begins, which nobody has read from.
    if (before === undefined) return at === undefined || at === start
    return at === before && at === start
  })
}
