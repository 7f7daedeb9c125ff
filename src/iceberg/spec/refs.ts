/** Finding snapshots: by id, by reference, by time; and their ancestry. Items 131, 132. */
import { FloeError } from '../../core/errors.ts'
import type { TableMetadata } from './metadata.ts'
import type { Snapshot } from './snapshot.ts'
import { formatTimestamp } from './temporal.ts'

/** Which snapshot to read: the current one if nothing is given; at most one may be given. */
export interface SnapshotSelector {
  readonly snapshotId?: bigint
  /** A branch or tag. */
  readonly ref?: string
  /** The table as it was at a time: a Date or milliseconds since the epoch. */
  readonly asOf?: Date | number
}

/**
 * The selected snapshot, or undefined for an empty table read without a selector.
 * @throws NO_SUCH_SNAPSHOT, NO_SUCH_REF, BAD_ARGUMENT if several selectors are given.
 */
export function selectSnapshot(
  metadata: TableMetadata,
  selector: SnapshotSelector,
): Snapshot | undefined {
  const given = [selector.snapshotId, selector.ref, selector.asOf].filter((s) => s !== undefined)
  if (given.length > 1) {
    throw new FloeError('BAD_ARGUMENT', 'Give one of snapshotId, ref and asOf, not several')
  }
  if (selector.snapshotId !== undefined) return requireSnapshot(metadata, selector.snapshotId)
  if (selector.ref !== undefined) {
    const ref = metadata.refs.get(selector.ref)
    if (ref === undefined) {
      throw new FloeError(
        'NO_SUCH_REF',
        `There is no branch or tag "${selector.ref}". Known: ${[...metadata.refs.keys()].join(', ') || 'none'}`,
        { context: { ref: selector.ref } },
      )
    }
    return requireSnapshot(metadata, ref.snapshotId)
  }
  if (selector.asOf !== undefined) return snapshotAsOf(metadata, Number(selector.asOf))
  return metadata.currentSnapshotId === undefined
    ? undefined
    : requireSnapshot(metadata, metadata.currentSnapshotId)
}

/** @throws NO_SUCH_SNAPSHOT */
export function requireSnapshot(metadata: TableMetadata, snapshotId: bigint): Snapshot {
  const snapshot = findSnapshot(metadata, snapshotId)
  if (snapshot === undefined) {
    throw new FloeError(
      'NO_SUCH_SNAPSHOT',
      `There is no snapshot ${snapshotId}. It may have expired; the table has ${metadata.snapshots.length} snapshots`,
      { context: { snapshotId } },
    )
  }
  return snapshot
}

export function findSnapshot(metadata: TableMetadata, snapshotId: bigint): Snapshot | undefined {
  // The wanted one is nearly always among the newest, and those stand at the end.
  return metadata.snapshots.findLast((s) => s.snapshotId === snapshotId)
}

/** A snapshot and its ancestors, newest first, as far as they are retained. */
export function* ancestorsOf(
  metadata: TableMetadata,
  snapshotId: bigint | undefined,
): Generator<Snapshot, void, undefined> {
  const byId = new Map(metadata.snapshots.map((s) => [s.snapshotId, s]))
  let id = snapshotId
  while (id !== undefined) {
    const snapshot = byId.get(id)
    if (snapshot === undefined) return
    // Deleting on the way ends the walk in metadata whose parents form a circle.
    byId.delete(id)
    yield snapshot
    id = snapshot.parentSnapshotId
  }
}

/** True if `ancestorId` is `snapshotId` or one of its retained ancestors. */
export function isAncestorOf(
  metadata: TableMetadata,
  snapshotId: bigint | undefined,
  ancestorId: bigint,
): boolean {
  for (const snapshot of ancestorsOf(metadata, snapshotId)) {
    if (snapshot.snapshotId === ancestorId) return true
  }
  return false
}

function snapshotAsOf(metadata: TableMetadata, timestampMs: number): Snapshot {
  if (!Number.isFinite(timestampMs)) {
    throw new FloeError('BAD_ARGUMENT', 'asOf must be a valid Date or milliseconds since the epoch')
  }
  let found: bigint | undefined
  for (const entry of metadata.snapshotLog) {
    if (entry.timestampMs <= timestampMs) found = entry.snapshotId
  }
  if (found === undefined) {
    const at = formatTimestamp(BigInt(Math.floor(timestampMs)) * 1000n, true)
    throw new FloeError(
      'NO_SUCH_SNAPSHOT',
      `The table has no snapshot at or before ${at} in its log`,
      { context: { timestampMs } },
    )
  }
  return requireSnapshot(metadata, found)
}
