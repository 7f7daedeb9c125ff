/**
 * Sets a stream to another position, on purpose: where its source has lost records or they are damaged, nothing else makes
 * it go on. The tables' ledgers say what was passed over. streaming.md §5, 12, 21 and 22.
 */
import { checkOptions } from '../core/check-options.ts'
import { FloeError } from '../core/errors.ts'
import type { Lake } from '../iceberg/table/lake.ts'
import { type LedgerState, moveAdditions } from './ledger.ts'
import {
  type OffsetRange,
  type PartitionOffset,
  type Position,
  skippedBetween,
} from './position.ts'
import { readLedger } from './read-ledger.ts'
import { discover, streamConflict } from './stream-tables.ts'

export interface MoveStreamOptions {
  readonly lake: Lake
  /** Of the stream. It must not run meanwhile: a runner stops with STREAM_CONFLICT. */
  readonly id: string
  /**
   * Where to read on in some partitions. What lies between is passed over; tables that are beyond it stay where they are.
   */
  readonly to?: Iterable<PartitionOffset> | undefined
  /**
   * Lets `to` name partitions of which no table has a place, as of one that was added to a topic and has lost its first
   * records. Without it such a partition is taken for a slip of the pen: a stream cannot go on from one that its source
   * does not have.
   */
  readonly newPartitions?: boolean | undefined
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
 * @throws BAD_ARGUMENT for a move that changes nothing, above all for one back, which would take records in twice; NO_SUCH_TABLE,
 *   CORRUPT_LEDGER; STREAM_CONFLICT if a runner goes on meanwhile; COMMIT_CONFLICT, COMMIT_STATE_UNKNOWN, ABORTED
 */
export async function moveStream(options: MoveStreamOptions): Promise<MovedStream> {
  checkOptions('moveStream', options, {
    lake: true,
    id: true,
    to: true,
    newPartitions: true,
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
  const states: { readonly table: string; readonly from: LedgerState }[] = []
  for (const table of names) {
    const { metadata } = await lake.table(table)
    states.push({ table, from: readLedger(metadata, id, table) })
  }
  checkMove(id, states, to, restart, options.newPartitions === true)
  const transaction = lake.transaction(
    options.signal === undefined ? {} : { signal: options.signal },
  )
  try {
    const moves: Omit<MovedTable, 'snapshotId'>[] = []
    for (const { table, from } of states) {
      const known = from.position.without(restart)
      const target = known.after(rangesTo(known, to))
      const restarted = restart.filter((topic) => from.position.hasTopic(topic))
      // One that is beyond it already has what others lack.
      if (restarted.length === 0 && target.equals(from.position)) continue
      await transaction.atEachAttempt(table, (base, snapshotId) => {
        const now = readLedger(base.metadata, id, table)
        if (!now.position.equals(from.position)) {
          throw streamConflict(id, table, from.position, now.position)
        }
        const sequenceNumber = base.metadata.lastSequenceNumber + 1
        return moveAdditions(id, now, { to: target, restarted }, { snapshotId, sequenceNumber })
      })
      const skipped = skippedBetween(known, target)
      moves.push({ table, from: from.position, to: target, skipped })
    }
    if (moves.length === 0) {
      const where = states.map(({ table, from }) => `${table} is at ${from.position.toText()}`)
      throw bad(
        id,
        `its tables are there already or beyond: ${where.join('; ')}. Records would be taken in twice if it went back. To take them in again, set the tables back to a snapshot from before them, or fill other tables with a stream of another id`,
      )
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

/** The ranges up to places that are not reached yet. */
function rangesTo(position: Position, to: readonly PartitionOffset[]): OffsetRange[] {
  return to.flatMap(({ topic, partition, offset }) => {
    const start = position.get(topic, partition) ?? 0
    return start < offset ? { topic, partition, start, end: offset } : []
  })
}

function checkMove(
  id: string,
  states: readonly { readonly from: LedgerState }[],
  to: readonly PartitionOffset[],
  restart: readonly string[],
  newPartitions: boolean,
): void {
  const isNew = states.every(({ from }) => from.position.size === 0)
  const knows = (topic: string): boolean => states.some(({ from }) => from.position.hasTopic(topic))
  for (const topic of restart) {
    if (knows(topic)) continue
    throw bad(
      id,
      `its tables know no partition of topic ${JSON.stringify(topic)}, which is to be read from its first record: it will be`,
    )
  }
  for (const { topic, partition, offset } of to) {
    const isPlace = [partition, offset].every((n) => Number.isSafeInteger(n) && n >= 0)
    if (!isPlace) {
      throw bad(
        id,
        `${topic}/${partition} cannot go on from ${offset}: partitions and offsets are whole numbers`,
      )
    }
    if (isNew) continue
    if (!knows(topic)) {
      throw bad(id, `its tables know no partition of topic ${JSON.stringify(topic)}`)
    }
    const isKnown = states.some(({ from }) => from.position.get(topic, partition) !== undefined)
    if (isKnown || newPartitions) continue
    throw bad(
      id,
      `its tables have no place of partition ${partition} of topic ${JSON.stringify(topic)}. If the topic has it, say so with newPartitions`,
    )
  }
}

function bad(id: string, why: string): FloeError {
  return new FloeError('BAD_ARGUMENT', `Cannot move the stream "${id}": ${why}`, {
    context: { stream: id },
  })
}
