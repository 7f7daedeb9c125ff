/**
 * Expiry that goes along with a commit: snapshots leave the metadata, so that it does not grow with every batch. Files
 * stay; deleting those that no snapshot names is maintenance. The ledger stays in its property. streaming.md §7.
 */
import type { TableMetadata } from '../iceberg/spec/metadata.ts'
import { ancestorsOf } from '../iceberg/spec/refs.ts'
import { MAIN_BRANCH } from '../iceberg/spec/snapshot.ts'
import type { MetadataUpdate } from '../iceberg/spec/updates.ts'

export interface SnapshotExpiry {
  /** Snapshots of the main branch to keep at least. Default 100. */
  readonly keepLast?: number | undefined
  /** Keep all that are younger, in milliseconds. Default 600,000. */
  readonly olderThanMs?: number | undefined
}

export const DEFAULT_EXPIRY = {
  keepLast: 100,
  olderThanMs: 600_000,
} as const

/** So many expire at once, so that most commits need not look for them. */
const SLACK = 20

/** What a commit adds to make old snapshots of the main branch expire. Those of other branches and tags stay. */
export function expiryUpdates(
  metadata: TableMetadata,
  expiry: { readonly keepLast: number; readonly olderThanMs: number },
  nowMs: number,
): readonly MetadataUpdate[] {
  if (metadata.snapshots.length < expiry.keepLast + SLACK) return []
  const kept = new Set<bigint>()
  for (const [name, ref] of metadata.refs) {
    if (name === MAIN_BRANCH) continue
    for (const s of ancestorsOf(metadata, ref.snapshotId)) kept.add(s.snapshotId)
  }
  const before = nowMs - expiry.olderThanMs
  let count = 0
  const expired: bigint[] = []
  for (const snapshot of ancestorsOf(metadata, metadata.currentSnapshotId)) {
    // The commit itself adds one.
    if (++count < expiry.keepLast || snapshot.timestampMs >= before) continue
    if (!kept.has(snapshot.snapshotId)) expired.push(snapshot.snapshotId)
  }
  return expired.length === 0 ? [] : [{ action: 'remove-snapshots', snapshotIds: expired }]
}
