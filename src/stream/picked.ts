/**
 * Rows of a stream that others have picked into a table: `cherrypick_snapshot` of Spark makes a snapshot with the rows of
 * one that was set back, and without what that says of the stream. streaming.md §5, 19.
 */
import type { FloeError } from '../core/errors.ts'
import type { TableMetadata } from '../iceberg/spec/metadata.ts'
import type { Snapshot } from '../iceberg/spec/snapshot.ts'
import { corruptLedger, LedgerKey, type LedgerState, rangesOf } from './ledger.ts'
import { type OffsetRange, rangesToText } from './position.ts'

/** Which one it has the rows of, in the summary of a snapshot that was picked. */
const SOURCE = 'source-snapshot-id'
/** Of one that was staged to be published: a stream stages none. */
const PUBLISHED = 'published-wap-id'

/** The state with what others have picked since. @param since newest first. @throws CORRUPT_LEDGER where it does not follow */
export function withPicked(
  where: { readonly metadata: TableMetadata; readonly streamId: string; readonly table: string },
  state: LedgerState,
  since: readonly Snapshot[],
): LedgerState {
  let { position } = state
  const picked: OffsetRange[] = []
  for (const snapshot of [...since].reverse()) {
    const source = sourceOf(where.metadata, snapshot)
    if (source === 'gone') {
      throw unclear(
        where,
        snapshot,
        `has the rows of snapshot ${snapshot.summary[SOURCE]}, which is gone, and which may have been the stream's`,
        '. If the rows were none of the stream, write them again after that',
      )
    }
    if (source?.summary[LedgerKey.ID] !== where.streamId) continue
    const ranges = rangesOf(source)
    if (ranges.some((r) => position.get(r.topic, r.partition) !== r.start)) {
      throw unclear(
        where,
        snapshot,
        `has the rows of snapshot ${source.snapshotId}, whose ranges ${rangesToText(ranges)} do not begin where the table was then, at ${position.toText()}: it lacks some, or has some twice`,
        ', and the stream takes in what is missing',
      )
    }
    position = position.after(ranges)
    picked.push(...ranges)
  }
  return picked.length === 0 ? state : { ...state, position, picked }
}

/**
 * The snapshot whose rows one has that was picked: 'gone' if it is not retained, undefined for one that was not, or that
 * was published from a stage.
 */
export function sourceOf(
  metadata: TableMetadata,
  snapshot: Snapshot,
): Snapshot | 'gone' | undefined {
  let at: Snapshot | undefined = snapshot
  // What was picked may have been picked itself; metadata in which that goes round in a circle has no source.
  for (let steps = 0; steps <= metadata.snapshots.length; steps++) {
    const id: string | undefined = at.summary[SOURCE]
    if (at.summary[LedgerKey.ID] !== undefined || id === undefined) {
      return at === snapshot ? undefined : at
    }
    if (at.summary[PUBLISHED] !== undefined) return undefined
    at = metadata.snapshots.find((s) => String(s.snapshotId) === id)
    if (at === undefined) return 'gone'
  }
  return 'gone'
}

function unclear(
  { streamId, table }: { readonly streamId: string; readonly table: string },
  { snapshotId, parentSnapshotId }: Snapshot,
  why: string,
  more: string,
): FloeError {
  return corruptLedger(table, streamId, `the snapshot ${snapshotId}, which was picked, ${why}`, {
    remedy: `Set the table back to the snapshot before it${parentSnapshotId === undefined ? '' : `, ${parentSnapshotId}`}${more}`,
  })
}
