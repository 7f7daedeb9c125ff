/** Invariants that metadata.json alone decides: (h), (i) and (k). */
import type { TableMetadata } from '../../spec/metadata.ts'
import { ancestorsOf } from '../../spec/refs.ts'
import { MAIN_BRANCH } from '../../spec/snapshot.ts'
import type { FsckFindings } from './report.ts'

/** Java tolerates clocks of different writers that differ by so much (iceberg-writer.md item 5). */
const CLOCK_SKEW_MS = 60_000

export function checkMetadata(m: TableMetadata, findings: FsckFindings): void {
  const main = m.refs.get(MAIN_BRANCH)?.snapshotId
  if (main !== m.currentSnapshotId) {
    findings.add(
      'current-snapshot',
      `main is ${String(main)}, the current snapshot ${String(m.currentSnapshotId)}`,
    )
  }
  let child: { sequenceNumber: number; snapshotId: bigint } | undefined
  for (const snapshot of ancestorsOf(m, m.currentSnapshotId)) {
    if (
      m.formatVersion > 1 &&
      child !== undefined &&
      snapshot.sequenceNumber >= child.sequenceNumber
    ) {
      const upgraded = snapshot.sequenceNumber === 0 && child.sequenceNumber === 0
      if (!upgraded) {
        findings.add(
          'current-snapshot',
          `the sequence number ${child.sequenceNumber} does not rise above its parent's, ${snapshot.sequenceNumber}`,
          { snapshotId: child.snapshotId },
        )
      }
    }
    if (snapshot.sequenceNumber > m.lastSequenceNumber) {
      findings.add(
        'current-snapshot',
        `the sequence number ${snapshot.sequenceNumber} is above the table's last, ${m.lastSequenceNumber}`,
        { snapshotId: snapshot.snapshotId },
      )
    }
    child = snapshot
  }
  checkLog(m, findings)
  const specs = new Set(m.partitionSpecs.map((s) => s.specId))
  if (!specs.has(m.defaultSpecId)) {
    findings.add('spec-ids', `the default partition spec ${m.defaultSpecId} is not in the metadata`)
  }
}

function checkLog(m: TableMetadata, findings: FsckFindings): void {
  let last = Number.NEGATIVE_INFINITY
  for (const entry of m.snapshotLog) {
    if (entry.timestampMs + CLOCK_SKEW_MS < last) {
      findings.add('snapshot-log', `an entry of ${entry.timestampMs} follows one of ${last}`, {
        snapshotId: entry.snapshotId,
      })
    }
    last = entry.timestampMs
  }
  if (m.lastUpdatedMs + CLOCK_SKEW_MS < last) {
    findings.add(
      'snapshot-log',
      `last-updated-ms ${m.lastUpdatedMs} is before the newest log entry, ${last}`,
    )
  }
  const newest = m.snapshotLog.at(-1)
  // The log outlives a main that was removed.
  if (
    newest !== undefined &&
    m.currentSnapshotId !== undefined &&
    newest.snapshotId !== m.currentSnapshotId
  ) {
    findings.add(
      'snapshot-log',
      `the newest log entry is ${newest.snapshotId}, the current snapshot ${String(m.currentSnapshotId)}`,
    )
  }
}
