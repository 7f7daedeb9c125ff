/** Checks the ledger of a table: no gap and no overlap in what its retained history took in. streaming.md §1. */
import type { TableMetadata } from '../iceberg/spec/metadata.ts'
import { ancestorsOf } from '../iceberg/spec/refs.ts'
import type { Snapshot } from '../iceberg/spec/snapshot.ts'
import { LedgerKey, movedBy, rangesOf, readLedger, seqOf } from './ledger.ts'
import { type OffsetRange, Position, skippedBetween } from './position.ts'
import { NO_TOPIC_IDS } from './topic-ids.ts'

export interface LedgerReport {
  /** True if no problem was found in any stream. */
  readonly ok: boolean
  readonly streams: readonly StreamLedger[]
}

export interface StreamLedger {
  readonly id: string
  /** Commits of the stream that are retained. */
  readonly commits: number
  /** True if its first commit is among them: then every offset from the first on is accounted for. */
  readonly complete: boolean
  readonly position: Position
  /** Which topics the position is of, where their source told their ids: a topic that is made anew has another one. */
  readonly topicIds: ReadonlyMap<string, string>
  /** What the retained commits passed over because somebody had said so; see `moveStream`. */
  readonly skipped: readonly OffsetRange[]
  /** Number of offsets that the retained commits cover. */
  readonly offsets: number
  readonly problems: readonly string[]
}

/** Checks the ledgers of all streams of a table, or of one. Reads metadata alone. */
export function verifyLedger(
  table: { readonly name: string; readonly metadata: TableMetadata },
  streamId?: string,
): LedgerReport {
  const { metadata, name } = table
  const byStream = new Map<string, Snapshot[]>()
  for (const snapshot of ancestorsOf(metadata, metadata.currentSnapshotId)) {
    const id = snapshot.summary[LedgerKey.ID]
    if (id === undefined || (streamId !== undefined && id !== streamId)) continue
    const list = byStream.get(id)
    if (list === undefined) byStream.set(id, [snapshot])
    else list.push(snapshot)
  }
  for (const key of Object.keys(metadata.properties)) {
    const id = /^floe\.stream\.(.+)\.offsets$/.exec(key)?.[1]
    if (id === undefined || (streamId !== undefined && id !== streamId)) continue
    if (!byStream.has(id)) byStream.set(id, [])
  }
  const streams = [...byStream].map(([id, snapshots]) =>
    verifyStream(name, metadata, id, snapshots.reverse()),
  )
  return { ok: streams.every((s) => s.problems.length === 0), streams }
}

/** @param snapshots the oldest first. */
function verifyStream(
  table: string,
  metadata: TableMetadata,
  id: string,
  snapshots: readonly Snapshot[],
): StreamLedger {
  const problems: string[] = []
  let position = Position.EMPTY
  let topicIds = NO_TOPIC_IDS
  let offsets = 0
  const skipped: OffsetRange[] = []
  let seq: number | undefined
  const first = snapshots[0]
  const complete = first !== undefined && seqOf(first) === 1
  for (const snapshot of snapshots) {
    const at = `snapshot ${snapshot.snapshotId}`
    const own = seqOf(snapshot)
    if (seq !== undefined && own !== seq + 1) {
      problems.push(`${at} is commit ${own} of the stream, after commit ${seq}`)
    }
    seq = own
    try {
      const ranges = rangesOf(snapshot)
      for (const { topic, partition, start, end } of ranges) {
        const before = position.get(topic, partition)
        if (before !== undefined && before !== start) {
          const what = before < start ? 'a gap' : 'an overlap'
          problems.push(
            `${at} has ${what} in ${topic}/${partition}: it begins at ${start}, the one before ended at ${before}`,
          )
        }
        offsets += end - start
      }
      const moved = movedBy(snapshot)
      if (moved === undefined) position = position.after(ranges)
      else {
        skipped.push(...skippedBetween(moved.from.position.without(moved.restarted), moved.to))
        position = moved.to
      }
    } catch (error) {
      problems.push(`${at}: ${(error as Error).message}`)
    }
    if (complete && position.digest() !== snapshot.summary[LedgerKey.VECTOR]) {
      problems.push(`${at} names another position than the ranges up to it come to`)
    }
  }
  try {
    const state = readLedger(metadata, id, table)
    for (const { topic, partition, offset } of position.entries()) {
      const known = state.position.get(topic, partition)
      if (known === offset) continue
      problems.push(
        `${topic}/${partition} is at ${known ?? 'nothing'}, its ranges end at ${offset}`,
      )
    }
    if (seq !== undefined && state.seq !== seq) {
      problems.push(
        `the position is that of commit ${state.seq}, the newest snapshot is commit ${seq}`,
      )
    }
    position = state.position
    topicIds = state.topicIds
  } catch (error) {
    problems.push((error as Error).message)
  }
  const commits = snapshots.length
  return { id, commits, complete, position, topicIds, skipped, offsets, problems }
}
