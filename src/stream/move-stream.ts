/**
 * Sets a stream to another position, on purpose: where its source has lost records or they are damaged, nothing else makes
 * it go on. The tables' ledgers say what was passed over. streaming.md §5, 12, 21 and 22.
 */
import { checkOptions } from '../core/check-options.ts'
import { FloeError } from '../core/errors.ts'
import type { Lake } from '../iceberg/table/lake.ts'
import { type LedgerState, moveAdditions, readLedger } from './ledger.ts'
import { type OffsetRange, type PartitionOffset, Position, skippedBetween } from './position.ts'
import { discover, streamConflict } from './stream-tables.ts'

export interface MoveStreamOptions {
  readonly lake: Lake
  /** Of the stream. It must not run meanwhile: a runner stops with STREAM_CONFLICT. */
  readonly id: string
  /** Where to read on in some partitions: later than the tables are. What lies between is passed over. */
  readonly to?: Iterable<PartitionOffset> | undefined
  /**
   * Topics that were deleted and made anew: what the tables know of their partitions is forgotten, so that the new topic
   * is read from its first record.
   */
  readonly restart?: readonly string[] | undefined
  /** As the stream names them. Default: the tables that have its position. */
  readonly tables?: readonly string[] | undefined
  readonly signal?: AbortSignal | undefined
}

export interface MovedStream {
  readonly tables: readonly MovedTable[]
}

export interface MovedTable {
  readonly table: string
  /** The snapshot that says so. It has the rows of the one before. */
  readonly snapshotId: bigint
  readonly from: Position
  readonly to: Position
  /** Offsets that the table will not have. */
  readonly skipped: readonly OffsetRange[]
}

/**
 * Moves a stream in all of its tables with one commit.
 * @throws BAD_ARGUMENT for a move back, which would take records in twice, and for one that changes nothing; NO_SUCH_TABLE,
 *   CORRUPT_LEDGER; STREAM_CONFLICT if a runner goes on meanwhile; COMMIT_CONFLICT, COMMIT_STATE_UNKNOWN, ABORTED
 */
export async function moveStream(options: MoveStreamOptions): Promise<MovedStream> {
  checkOptions('moveStream', options, {
    lake: true,
    id: true,
    to: true,
    restart: true,
    tables: true,
    signal: true,
  })
  const { lake, id } = options
  const to = [...(options.to ?? [])]
  const restart = options.restart ?? []
  const names = options.tables ?? (await discover(lake, id))
  if (names.length === 0)
    throw bad(id, 'no table of the lake has its position. Name its tables in the option tables')
  if (to.length === 0 && restart.length === 0) {
    throw bad(id, 'say where to: partitions with later offsets in `to`, or topics in `restart`')
  }
  const transaction = lake.transaction(
    options.signal === undefined ? {} : { signal: options.signal },
  )
  try {
    const moves: Omit<MovedTable, 'snapshotId'>[] = []
    for (const table of names) {
      const { metadata } = await lake.table(table)
      const from = readLedger(metadata, id, table)
      const target = targetOf(id, table, from, to, restart)
      await transaction.atEachAttempt(table, (base, snapshotId) => {
        const now = readLedger(base.metadata, id, table)
        if (!now.position.equals(from.position)) {
          throw streamConflict(id, table, from.position, now.position)
        }
        const sequenceNumber = base.metadata.lastSequenceNumber + 1
        return moveAdditions(id, now, target, { snapshotId, sequenceNumber })
      })
      const known = withoutTopics(from.position, restart)
      moves.push({
        table,
        from: from.position,
        to: target,
        skipped: skippedBetween(known, target),
      })
    }
    const { tables } = await transaction.commit()
    const snapshots = new Map(tables.map(({ table, snapshotId }) => [table, snapshotId]))
    return {
      tables: moves.map((move) => ({ ...move, snapshotId: snapshots.get(move.table) as bigint })),
    }
  } finally {
    await transaction.rollback()
  }
}

function targetOf(
  id: string,
  table: string,
  { position }: LedgerState,
  to: readonly PartitionOffset[],
  restart: readonly string[],
): Position {
  for (const topic of restart) {
    if (position.hasTopic(topic)) continue
    throw bad(
      id,
      `${table} knows no partition of topic ${JSON.stringify(topic)}, which is to be read from its first record: it will be`,
    )
  }
  const kept = withoutTopics(position, restart)
  for (const { topic, partition, offset } of to) {
    const isPlace = [partition, offset].every((n) => Number.isSafeInteger(n) && n >= 0)
    if (!isPlace) {
      throw bad(
        id,
        `${topic}/${partition} cannot go on from ${offset}: partitions and offsets are whole numbers`,
      )
    }
    const at = kept.get(topic, partition)
    if (at === undefined || offset > at) continue
    throw bad(
      id,
      `${table} is at ${at} of ${topic}/${partition}, and ${offset} is not behind that: records would be taken in twice. To take them in again, set the table back to a snapshot from before them, or fill another table with a stream of another id`,
    )
  }
  return Position.of([...kept.entries(), ...to])
}

function withoutTopics(position: Position, topics: readonly string[]): Position {
  return Position.of([...position.entries()].filter(({ topic }) => !topics.includes(topic)))
}

function bad(id: string, why: string): FloeError {
  return new FloeError('BAD_ARGUMENT', `Cannot move the stream "${id}": ${why}`, {
    context: { stream: id },
  })
}
