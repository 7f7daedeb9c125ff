/** Invariants of one snapshot's manifests: (a), (c), (d), (f), (j) and (k); (b) is check-deletes.ts. */
import type { ManifestEntry, ManifestFile } from '../../manifest/entry.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import type { Snapshot } from '../../spec/snapshot.ts'
import type { FsckFindings } from './report.ts'

/** A manifest with its entries, as written (`raw`) and with what they inherit. */
export interface LoadedManifest {
  readonly manifest: ManifestFile
  readonly raw: readonly ManifestEntry[]
  readonly entries: readonly ManifestEntry[]
}

export function checkSnapshot(
  metadata: TableMetadata,
  snapshot: Snapshot,
  manifests: readonly LoadedManifest[],
  findings: FsckFindings,
): void {
  const { snapshotId } = snapshot
  for (const loaded of manifests) {
    checkSequenceNumbers(loaded, findings)
    checkCounts(snapshot, loaded, findings)
  }
  const live = manifests.flatMap(({ entries }) => entries.filter((e) => e.status !== 'deleted'))
  checkUnique(live, snapshotId, findings)
  checkTotals(snapshot, live, findings)
  if (metadata.formatVersion >= 3) checkRowIds(metadata, live, snapshotId, findings)
}

/** (k). Gives the manifests of known specs: without its spec a manifest cannot be read. */
export function checkSpecIds(
  metadata: TableMetadata,
  { snapshotId }: Snapshot,
  lines: readonly ManifestFile[],
  findings: FsckFindings,
): readonly ManifestFile[] {
  const known = new Set(metadata.partitionSpecs.map((spec) => spec.specId))
  return lines.filter(({ manifestPath: file, partitionSpecId }) => {
    if (known.has(partitionSpecId)) return true
    const message = `the partition spec ${partitionSpecId} is not in the metadata`
    findings.add('spec-ids', message, { file, snapshotId })
    return false
  })
}

function checkSequenceNumbers({ manifest, raw }: LoadedManifest, findings: FsckFindings): void {
  const file = manifest.manifestPath
  if (manifest.sequenceNumber === 0) return
  for (const entry of raw) {
    const implicit = entry.sequenceNumber === null || entry.fileSequenceNumber === null
    if (entry.status !== 'added' && implicit) {
      findings.add(
        'explicit-sequence-numbers',
        `the ${entry.status} entry of ${entry.file.filePath} has no explicit sequence numbers`,
        { file },
      )
    }
  }
}

function checkCounts(
  snapshot: Snapshot,
  { manifest, entries }: LoadedManifest,
  findings: FsckFindings,
): void {
  const where = { file: manifest.manifestPath, snapshotId: snapshot.snapshotId }
  const files = { added: 0, existing: 0, deleted: 0 }
  const rows = { added: 0, existing: 0, deleted: 0 }
  let minSequence: number | undefined
  for (const entry of entries) {
    files[entry.status]++
    rows[entry.status] += entry.file.recordCount
    if (entry.status !== 'deleted' && entry.sequenceNumber !== null) {
      minSequence = Math.min(minSequence ?? entry.sequenceNumber, entry.sequenceNumber)
    }
  }
  const expect = (name: string, listed: number | undefined, counted: number): void => {
    if (listed !== undefined && listed !== counted) {
      findings.add(
        'manifest-counts',
        `${name} is ${listed} in the list and ${counted} in the manifest`,
        where,
      )
    }
  }
  expect('added_files_count', manifest.addedFilesCount, files.added)
  expect('existing_files_count', manifest.existingFilesCount, files.existing)
  expect('deleted_files_count', manifest.deletedFilesCount, files.deleted)
  expect('added_rows_count', manifest.addedRowsCount, rows.added)
  expect('existing_rows_count', manifest.existingRowsCount, rows.existing)
  expect('deleted_rows_count', manifest.deletedRowsCount, rows.deleted)
  if (manifest.sequenceNumber > 0) {
    expect(
      'min_sequence_number',
      manifest.minSequenceNumber,
      minSequence ?? manifest.minSequenceNumber,
    )
    if (manifest.minSequenceNumber > manifest.sequenceNumber) {
      findings.add('manifest-counts', 'min_sequence_number is above sequence_number', where)
    }
    if (manifest.sequenceNumber > snapshot.sequenceNumber) {
      findings.add('manifest-counts', 'sequence_number is above the snapshot’s', where)
    }
  }
}

function checkUnique(
  live: readonly ManifestEntry[],
  snapshotId: bigint,
  findings: FsckFindings,
): void {
  const seen = new Set<string>()
  for (const { file } of live) {
    if (file.content !== 'data') continue
    if (seen.has(file.filePath)) {
      findings.add('unique-files', `the data file stands twice in the snapshot`, {
        file: file.filePath,
        snapshotId,
      })
    }
    seen.add(file.filePath)
  }
}

function checkTotals(
  snapshot: Snapshot,
  live: readonly ManifestEntry[],
  findings: FsckFindings,
): void {
  const totals: Record<string, number> = {
    'total-records': 0,
    'total-data-files': 0,
    'total-delete-files': 0,
    'total-position-deletes': 0,
    'total-equality-deletes': 0,
    'total-files-size': 0,
  }
  const add = (key: string, value: number): void => {
    totals[key] = (totals[key] as number) + value
  }
  for (const { file } of live) {
    add('total-files-size', file.contentSizeBytes ?? file.fileSizeBytes)
    if (file.content === 'data') {
      add('total-data-files', 1)
      add('total-records', file.recordCount)
    } else {
      add('total-delete-files', 1)
      add(`total-${file.content}`, file.recordCount)
    }
  }
  for (const [key, counted] of Object.entries(totals)) {
    const listed = snapshot.summary[key]
    if (listed !== undefined && listed !== String(counted)) {
      findings.add(
        'summary-totals',
        `${key} is ${listed} in the summary and ${counted} in the manifests`,
        {
          snapshotId: snapshot.snapshotId,
        },
      )
    }
  }
}

function checkRowIds(
  metadata: TableMetadata,
  live: readonly ManifestEntry[],
  snapshotId: bigint,
  findings: FsckFindings,
): void {
  const ranges = live
    .filter((e) => e.file.content === 'data' && e.file.firstRowId !== undefined)
    .map((e) => {
      const start = e.file.firstRowId as bigint
      return { start, end: start + BigInt(e.file.recordCount), file: e.file.filePath }
    })
    .sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0))
  let previous: (typeof ranges)[number] | undefined
  for (const range of ranges) {
    if (range.end > metadata.nextRowId) {
      findings.add('row-ids', `row ids reach ${range.end}, next-row-id is ${metadata.nextRowId}`, {
        file: range.file,
        snapshotId,
      })
    }
    if (previous !== undefined && range.start < previous.end) {
      findings.add('row-ids', `row ids overlap those of ${previous.file}`, {
        file: range.file,
        snapshotId,
      })
    }
    previous = range
  }
}
