/** Invariant (b) as far as the manifests of one snapshot decide it: what delete files say and which data files they are about. */
import type { ContentFile, ManifestEntry } from '../../manifest/entry.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import type { Snapshot } from '../../spec/snapshot.ts'
import { partitionKey } from '../../spec/value-compare.ts'
import { isVector, referencedPath } from '../deletes/delete-index.ts'
import type { FsckFindings, FsckPlace } from './report.ts'

export interface SnapshotDeletes {
  readonly metadata: TableMetadata
  readonly snapshot: Snapshot
  /** Live data files by canonical path. */
  readonly data: ReadonlyMap<string, ManifestEntry>
  /** Live delete files. */
  readonly deletes: readonly ManifestEntry[]
  readonly canonicalPath: (path: string) => string
}

export function checkDeletes(of: SnapshotDeletes, findings: FsckFindings): void {
  const vectors = new Set<string>()
  for (const entry of of.deletes) {
    const where = { file: entry.file.filePath, snapshotId: of.snapshot.snapshotId }
    if (entry.file.content === 'equality-deletes') checkEquality(of, entry.file, where, findings)
    else if (isVector(entry.file)) checkVector(of, entry, vectors, where, findings)
    else checkPositions(of, entry, where, findings)
  }
}

function checkVector(
  of: SnapshotDeletes,
  entry: ManifestEntry,
  seen: Set<string>,
  where: FsckPlace,
  findings: FsckFindings,
): void {
  const { file } = entry
  const add = (message: string): void => findings.add('deletion-vectors', message, where)
  if (of.metadata.formatVersion < 3) {
    add(`a table of version ${of.metadata.formatVersion} has no deletion vectors`)
  }
  if (file.fileFormat.toUpperCase() !== 'PUFFIN') {
    add(`a deletion vector is a part of a Puffin file, not of one of format ${file.fileFormat}`)
  }
  if (file.contentOffset === undefined || file.contentSizeBytes === undefined) {
    add('the vector has no offset or no size')
  }
  if (file.recordCount < 1) add(`the vector deletes ${file.recordCount} rows`)
  const target = file.referencedDataFile
  if (target === undefined) {
    add('the vector does not say which data file it belongs to')
    return
  }
  const key = of.canonicalPath(target)
  if (seen.has(key)) add(`two deletion vectors for ${target}`)
  seen.add(key)
  const data = of.data.get(key)
  if (data === undefined) {
    findings.warn('deletion-vectors', `the data file ${target} of a vector is gone`, where)
    return
  }
  if (!sameScope(data.file, file)) add(`the vector of ${target} has another partition`)
  if (file.recordCount > data.file.recordCount) {
    add(`the vector of ${target} deletes more rows than there are`)
  }
  if ((entry.sequenceNumber ?? 0) < (data.sequenceNumber ?? 0)) {
    add(`the vector of ${target} is older than the file`)
  }
}

function checkPositions(
  of: SnapshotDeletes,
  entry: ManifestEntry,
  where: FsckPlace,
  findings: FsckFindings,
): void {
  const { file } = entry
  const { snapshot } = of
  // Those of before an upgrade stay valid (item 84); only snapshots of version 3 have a first row id.
  const isNew = entry.status === 'added' && entry.snapshotId === snapshot.snapshotId
  if (isNew && snapshot.firstRowId !== undefined) {
    findings.add('delete-files', 'a snapshot of version 3 adds a position delete file', where)
  }
  const target = referencedPath(file)
  if (target === undefined) return
  const data = of.data.get(of.canonicalPath(target))
  if (data === undefined) {
    findings.warn('delete-files', `the data file ${target} of position deletes is gone`, where)
  } else if (!sameScope(data.file, file)) {
    findings.add('delete-files', `the deletes of ${target} have another partition`, where)
  } else if ((entry.sequenceNumber ?? 0) < (data.sequenceNumber ?? 0)) {
    findings.warn('delete-files', `the deletes of ${target} are older than the file`, where)
  }
}

function checkEquality(
  of: SnapshotDeletes,
  file: ContentFile,
  where: FsckPlace,
  findings: FsckFindings,
): void {
  const ids = file.equalityIds ?? []
  if (ids.length === 0) findings.add('delete-files', 'the equality deletes name no columns', where)
  for (const id of ids) {
    if (of.metadata.schemas.some((schema) => schema.findById(id) !== undefined)) continue
    findings.add(
      'delete-files',
      `the equality deletes compare by field ${id}, which no schema has`,
      where,
    )
  }
}

/** Deletes apply to data files of their spec and partition alone (item 61). */
export function sameScope(a: ContentFile, b: ContentFile): boolean {
  return a.specId === b.specId && partitionKey(a.partition) === partitionKey(b.partition)
}
