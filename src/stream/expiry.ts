/**
 * Expiry that goes along with a commit: snapshots leave the metadata, so that it does not grow with every batch. Files
 * stay; deleting those that no snapshot names is maintenance. The ledger stays in its property. streaming.md §7.
 */
import type { TableMetadata } from '../iceberg/spec/metadata.ts'
import {
  boolean,
  type SnapshotRetention,
  snapshotRetention,
  TableProperty,
} from '../iceberg/spec/properties.ts'
import { ancestorsOf } from '../iceberg/spec/refs.ts'
import { MAIN_BRANCH, type SnapshotRef } from '../iceberg/spec/snapshot.ts'
import type { MetadataUpdate } from '../iceberg/spec/updates.ts'

export interface SnapshotExpiry {
  /** Snapshots of the main branch to keep at least; a table may ask for more. Default 100. */
  readonly keepLast?: number | undefined
  /** Keep all that are younger, in milliseconds; a table may ask for longer. Default 600,000. */
  readonly olderThanMs?: number | undefined
}

export const DEFAULT_EXPIRY = {
  keepLast: 100,
  olderThanMs: 600_000,
} as const

/** So many expire at once, so that most commits need not look for them. */
const SLACK = 20

/**
 * What a commit adds to make old snapshots of the main branch expire. What the table asks to keep is kept beside what the
 * stream does, so that the larger of both counts: by settings of the branch, else by its properties. Branches and tags
 * stay, and with them what each branch keeps by the same rule (iceberg-writer.md items 127, 128).
 */
export function expiryUpdates(
  metadata: TableMetadata,
  expiry: Retention,
  nowMs: number,
): readonly MetadataUpdate[] {
  const { snapshots, refs, currentSnapshotId } = metadata
  if (snapshots.length < expiry.keepLast + SLACK) return []
  const table = tableRetention(metadata)
  if (table === undefined) return []
  const main = retentionOf(refs.get(MAIN_BRANCH), table, expiry)
  if (snapshots.length < main.keepLast + SLACK) return []
  const kept = new Set<bigint>()
  for (const [name, ref] of refs) {
    if (name === MAIN_BRANCH) continue
    kept.add(ref.snapshotId)
    if (ref.type === 'tag') continue
    const own = retentionOf(ref, table, expiry)
    for (const id of keptOf(metadata, ref.snapshotId, own, nowMs)) kept.add(id)
  }
  // The commit itself adds one.
  const before = { ...main, keepLast: main.keepLast - 1 }
  for (const id of keptOf(metadata, currentSnapshotId, before, nowMs)) kept.add(id)
  const expired: bigint[] = []
  for (const { snapshotId } of ancestorsOf(metadata, currentSnapshotId)) {
    if (!kept.has(snapshotId)) expired.push(snapshotId)
  }
  return expired.length === 0 ? [] : [{ action: 'remove-snapshots', snapshotIds: expired }]
}

interface Retention {
  readonly keepLast: number
  readonly olderThanMs: number
}

/** Undefined if nothing may expire: the table says so, or says what cannot be read, which might be that. */
function tableRetention({ properties }: TableMetadata): SnapshotRetention | undefined {
  try {
    return boolean(properties, TableProperty.GC_ENABLED, true)
      ? snapshotRetention(properties)
      : undefined
  } catch {
    return undefined
  }
}

function retentionOf(
  ref: SnapshotRef | undefined,
  table: SnapshotRetention,
  { keepLast, olderThanMs }: Retention,
): Retention {
  const keep = ref?.minSnapshotsToKeep ?? table.minSnapshotsToKeep ?? 0
  const ageMs = ref?.maxSnapshotAgeMs ?? table.maxSnapshotAgeMs ?? 0
  return { keepLast: Math.max(keepLast, keep), olderThanMs: Math.max(olderThanMs, ageMs) }
}

/** Snapshots of a branch that are among its last, or young. */
function* keptOf(
  metadata: TableMetadata,
  head: bigint | undefined,
  { keepLast, olderThanMs }: Retention,
  nowMs: number,
): Generator<bigint, void, undefined> {
  let count = 0
  for (const { snapshotId, timestampMs } of ancestorsOf(metadata, head)) {
    if (++count <= keepLast || timestampMs >= nowMs - olderThanMs) yield snapshotId
  }
}
