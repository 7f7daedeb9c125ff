/**
 * Where a stream is in a table, as its current snapshot has it: told by the property, the summaries and the way in which
 * snapshots follow one another. streaming.md §1.
 */
import type { TableMetadata } from '../iceberg/spec/metadata.ts'
import { ancestorsOf } from '../iceberg/spec/refs.ts'
import type { Snapshot } from '../iceberg/spec/snapshot.ts'
import {
  corruptLedger,
  LedgerKey,
  type LedgerProperty,
  type LedgerState,
  ledgerProperty,
  NEW_LEDGER,
  parseProperty,
  seqOf,
} from './ledger.ts'
import { withPicked } from './picked.ts'
import { setBack } from './set-back.ts'

/**
 * The property holds if its snapshot is the current one or an ancestor of it. If it is not, the table was set back: the
 * ranges of the snapshots that are left out are taken off again, back to where the two histories meet. What others have
 * picked into the table since is put on.
 * @throws CORRUPT_LEDGER, with both positions, where that cannot be told: nothing is guessed.
 */
export function readLedger(metadata: TableMetadata, streamId: string, table: string): LedgerState {
  const chain = [...ancestorsOf(metadata, metadata.currentSnapshotId)]
  const newest = chain.findIndex((s) => s.summary[LedgerKey.ID] === streamId)
  const text = metadata.properties[ledgerProperty(streamId)]
  if (text === undefined) {
    if (newest < 0) return NEW_LEDGER
    throw corruptLedger(
      table,
      streamId,
      `the snapshot ${chain[newest]?.snapshotId} has ranges of the stream, and the property ${ledgerProperty(streamId)} is gone`,
    )
  }
  const property = parseProperty(text, table, streamId)
  const where = { metadata, streamId, table }
  const since = sinceProperty(metadata, chain, property, newest)
  if (since !== undefined) return withPicked(where, property, since)
  const { state, unsettled } = setBack(where, property, chain, newest)
  return withPicked(where, state, unsettled)
}

/** Snapshots after the property's, newest first; undefined if that is not known to be in the current history. */
function sinceProperty(
  metadata: TableMetadata,
  chain: readonly Snapshot[],
  property: LedgerProperty,
  newestAt: number,
): readonly Snapshot[] | undefined {
  const at = chain.findIndex((s) => s.snapshotId === property.snapshotId)
  if (at >= 0) return chain.slice(0, at)
  if (metadata.snapshots.some((s) => s.snapshotId === property.snapshotId)) return undefined
  // Expired since: then every snapshot of the stream that is left came before it.
  const newest = chain[newestAt]
  if (newest === undefined) return isAfter(chain, property) ? chain : undefined
  const isSame =
    seqOf(newest) === property.seq &&
    newest.summary[LedgerKey.VECTOR] === property.position.digest()
  return isSame ? chain.slice(0, newestAt) : undefined
}

/**
 * Whether what is retained of the history can all have come after the property's snapshot. A table that was set back, and
 * then lost what was left out, has a history that goes by it: from a later snapshot to an earlier one, or to its start.
 */
function isAfter(chain: readonly Snapshot[], property: LedgerProperty): boolean {
  const oldest = chain.at(-1)
  if (oldest?.parentSnapshotId === undefined) return false
  if (oldest.parentSnapshotId === property.snapshotId) return true
  // The very next one has it as its parent, or comes from elsewhere.
  return oldest.sequenceNumber > property.sequenceNumber + 1
}
