/** The updates of snapshots, references and the snapshot log (items 5, 9, 11, 13, 74, 81, 126, 127, 131). */
import { FloeError } from '../../../core/errors.ts'
import type { TableMetadata } from '../metadata.ts'
import { MAIN_BRANCH, type Operation, type Snapshot, type SnapshotRef } from '../snapshot.ts'
import { type Draft, keepWhere } from './draft.ts'

const MAX_LONG = 2n ** 63n - 1n
const OPERATIONS: ReadonlySet<string> = new Set<Operation>([
  'append',
  'replace',
  'overwrite',
  'delete',
])

/** @throws BAD_METADATA naming what is wrong with the snapshot. */
export function addSnapshot(draft: Draft, snapshot: Snapshot): void {
  const { m } = draft
  const { snapshotId, sequenceNumber } = snapshot
  if (snapshotId <= 0n || snapshotId > MAX_LONG) throw bad(snapshot, 'its id is not positive')
  if (m.snapshots.some((s) => s.snapshotId === snapshotId)) throw bad(snapshot, 'it is there')
  if (m.formatVersion > 1) {
    if (snapshot.manifestList === undefined) throw bad(snapshot, 'it has no manifest list')
    if (!OPERATIONS.has(snapshot.summary['operation'] ?? '')) {
      throw bad(snapshot, `its summary names no operation: ${[...OPERATIONS].join(', ')}`)
    }
    // A snapshot without a parent replaces all data, so deletes of others do not meet its files.
    if (snapshot.parentSnapshotId !== undefined && sequenceNumber <= m.lastSequenceNumber) {
      throw bad(
        snapshot,
        `its sequence number ${sequenceNumber} is not above the last, ${m.lastSequenceNumber}`,
      )
    }
  }
  if (m.formatVersion >= 3) m.nextRowId = nextRowIdAfter(m, snapshot)
  m.lastSequenceNumber = Math.max(m.lastSequenceNumber, sequenceNumber)
  m.snapshots = [...m.snapshots, snapshot]
  draft.addedSnapshotIds.add(snapshotId)
  draft.nowMs = Math.max(draft.nowMs, snapshot.timestampMs)
}

/** Row ids are given out once: from the snapshot's first row id on, which may skip some (items 74, 81). */
function nextRowIdAfter(m: TableMetadata, snapshot: Snapshot): bigint {
  const { firstRowId, addedRows } = snapshot
  if (firstRowId === undefined || addedRows === undefined || addedRows < 0n) {
    throw bad(snapshot, 'format version 3 wants its first-row-id and added-rows')
  }
  if (firstRowId < m.nextRowId) {
    throw bad(
      snapshot,
      `its first-row-id ${firstRowId} is below the table's next-row-id ${m.nextRowId}`,
    )
  }
  const next = firstRowId + addedRows
  if (next > MAX_LONG) throw bad(snapshot, 'its row ids leave the range of a long')
  return next
}

/** Creates or moves a branch or tag. @throws NO_SUCH_SNAPSHOT, BAD_ARGUMENT */
export function setRef(draft: Draft, name: string, ref: SnapshotRef): void {
  const { m } = draft
  checkRef(m, name, ref)
  const existing = m.refs.get(name)
  if (existing === undefined || !sameRef(existing, ref)) m.refs = new Map(m.refs).set(name, ref)
  if (name !== MAIN_BRANCH || m.currentSnapshotId === ref.snapshotId) return
  m.currentSnapshotId = ref.snapshotId
  if (draft.addedSnapshotIds.has(ref.snapshotId)) draft.mainSnapshotIds.add(ref.snapshotId)
  // A log entry is never older than the one before it, also where the clock went back (item 5).
  draft.nowMs = Math.max(draft.nowMs, m.snapshotLog.at(-1)?.timestampMs ?? 0)
  m.snapshotLog = [...m.snapshotLog, { timestampMs: draft.nowMs, snapshotId: ref.snapshotId }]
}

function checkRef(m: TableMetadata, name: string, ref: SnapshotRef): void {
  const context = { ref: name, snapshotId: ref.snapshotId }
  if (name === '') throw new FloeError('BAD_ARGUMENT', 'A branch or tag needs a name')
  if (!m.snapshots.some((s) => s.snapshotId === ref.snapshotId)) {
    throw new FloeError(
      'NO_SUCH_SNAPSHOT',
      `Cannot set "${name}" to the snapshot ${ref.snapshotId}, which does not exist`,
      { context },
    )
  }
  if (name === MAIN_BRANCH && ref.type !== 'branch') {
    throw new FloeError('BAD_ARGUMENT', 'main is a branch and cannot become a tag', { context })
  }
  const { minSnapshotsToKeep, maxSnapshotAgeMs, maxRefAgeMs } = ref
  if (ref.type === 'tag' && (minSnapshotsToKeep ?? maxSnapshotAgeMs) !== undefined) {
    throw new FloeError(
      'BAD_ARGUMENT',
      `The tag "${name}" keeps one snapshot: minSnapshotsToKeep and maxSnapshotAgeMs are for branches`,
      { context },
    )
  }
  for (const value of [minSnapshotsToKeep, maxSnapshotAgeMs, maxRefAgeMs]) {
    if (value === undefined || value > 0) continue
    throw new FloeError(
      'BAD_ARGUMENT',
      `The retention of "${name}" must be above 0, not ${value}`,
      { context },
    )
  }
}

function sameRef(a: SnapshotRef, b: SnapshotRef): boolean {
  return (
    a.snapshotId === b.snapshotId &&
    a.type === b.type &&
    a.minSnapshotsToKeep === b.minSnapshotsToKeep &&
    a.maxSnapshotAgeMs === b.maxSnapshotAgeMs &&
    a.maxRefAgeMs === b.maxRefAgeMs &&
    a.unknown === b.unknown
  )
}

/** Removes a branch or tag; without main there is no current snapshot. Does nothing if there is none. */
export function removeRef(draft: Draft, name: string): void {
  const { m } = draft
  if (name === MAIN_BRANCH) delete m.currentSnapshotId
  if (!m.refs.has(name)) return
  const refs = new Map(m.refs)
  refs.delete(name)
  m.refs = refs
}

/** Removes snapshots, the refs to them and their statistics. Ids that are not there are passed over. */
export function removeSnapshots(draft: Draft, snapshotIds: readonly bigint[]): void {
  const { m } = draft
  const ids = new Set(snapshotIds)
  m.snapshots = keepWhere(m.snapshots, (s) => !ids.has(s.snapshotId))
  m.statistics = keepWhere(m.statistics, (s) => !ids.has(s.snapshotId))
  m.partitionStatistics = keepWhere(m.partitionStatistics, (s) => !ids.has(s.snapshotId))
  for (const [name, ref] of m.refs) if (ids.has(ref.snapshotId)) removeRef(draft, name)
  draft.removedSnapshots = true
}

/**
 * Corrects the log once all updates are known. Snapshots that were main's head only between two updates of one commit
 * were never current. And the log before a removed snapshot no longer tells the whole history: it would say that the
 * snapshot before was current longer than it was, so it goes too (item 127).
 */
export function finishSnapshotLog(draft: Draft): void {
  const { m } = draft
  const isIntermediate = (id: bigint): boolean =>
    draft.mainSnapshotIds.has(id) && id !== m.currentSnapshotId
  m.snapshotLog = keepWhere(m.snapshotLog, (entry) => !isIntermediate(entry.snapshotId))
  if (!draft.removedSnapshots) return
  const ids = new Set(m.snapshots.map((s) => s.snapshotId))
  const lastGap = m.snapshotLog.findLastIndex((entry) => !ids.has(entry.snapshotId))
  if (lastGap >= 0) m.snapshotLog = m.snapshotLog.slice(lastGap + 1)
}

function bad(snapshot: Snapshot, why: string): FloeError {
  return new FloeError('BAD_METADATA', `Cannot add snapshot ${snapshot.snapshotId}: ${why}`, {
    context: { snapshotId: snapshot.snapshotId },
  })
}
