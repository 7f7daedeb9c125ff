/**
 * What must hold for each entry of a manifest before it is written (iceberg-writer.md items 45–57, 78, 84, 90).
 * The reader checks its half of the same rules (`manifest-reader.ts`).
 */
import { assert } from '../../core/errors.ts'
import type { ContentFile, ManifestContent, ManifestEntry } from './entry.ts'
import type { WriteFormatVersion } from './manifest-schema.ts'

export interface EntryRules {
  readonly formatVersion: WriteFormatVersion
  readonly content: ManifestContent
  readonly specId: number
  /** The snapshot that writes the manifest. */
  readonly snapshotId: bigint
}

/** @throws ASSERTION_FAILED naming the rule and the file. */
export function checkEntry(entry: ManifestEntry, rules: EntryRules): void {
  const { file } = entry
  // Called a dozen times for each entry: what an error names is gathered for an error alone.
  const check = (condition: boolean, rule: string): void => {
    if (!condition) assert(condition, rule, { file: file.filePath, status: entry.status })
  }
  check(file.filePath !== '', 'a file has a path')
  check(file.specId === rules.specId, 'all files of a manifest have its partition spec (item 45)')
  check(
    (file.content === 'data') === (rules.content === 'data'),
    'data and delete files stand in different manifests (item 38)',
  )
  check(
    isCount(file.recordCount) && isCount(file.fileSizeBytes),
    'counts and sizes are not negative',
  )
  checkIdentity(entry, rules, check)
  checkDeletes(file, rules.formatVersion, check)
  if (entry.status === 'added') checkAdded(file, rules.formatVersion, check)
}

type Check = (condition: boolean, rule: string) => void

/** Snapshot ids, sequence numbers and row ids: what is inherited and what must be explicit. */
function checkIdentity(entry: ManifestEntry, rules: EntryRules, check: Check): void {
  const { file } = entry
  if (entry.status === 'added') {
    check(
      entry.snapshotId === null || entry.snapshotId === rules.snapshotId,
      'an added entry has the id of this snapshot (item 46)',
    )
    check(
      entry.fileSequenceNumber === null,
      'an added entry inherits its file sequence number (46)',
    )
    check(file.firstRowId === undefined, 'an added file inherits its first row id (items 46, 78)')
  } else {
    check(entry.snapshotId !== null, 'an existing or deleted entry has a snapshot id (item 47)')
    // The file sequence number may be unknown: writers before Iceberg 1.1 did not record it.
    check(
      entry.sequenceNumber !== null,
      'an existing or deleted entry has an explicit sequence number (item 47)',
    )
    check(
      entry.status === 'existing' || entry.snapshotId === rules.snapshotId,
      'a deleted entry has the id of the snapshot that deletes (item 47, known-bugs.md 26)',
    )
  }
  check(
    entry.sequenceNumber === null || isCount(entry.sequenceNumber),
    'sequence numbers are not negative',
  )
  check(
    file.firstRowId === undefined || (rules.formatVersion >= 3 && file.content === 'data'),
    'only data files of format version 3 have a first row id (item 78)',
  )
}

/** Fields that only some kinds of delete file have. */
function checkDeletes(file: ContentFile, version: WriteFormatVersion, check: Check): void {
  const isVector = file.fileFormat.toUpperCase() === 'PUFFIN'
  check(
    (file.equalityIds !== undefined) === (file.content === 'equality-deletes'),
    'equality ids are set for equality deletes alone (item 57)',
  )
  check(
    file.referencedDataFile === undefined || file.content === 'position-deletes',
    'only position deletes and deletion vectors reference a data file',
  )
  check(
    (file.contentOffset !== undefined) === isVector &&
      (file.contentSizeBytes !== undefined) === isVector,
    'deletion vectors, and they alone, have an offset and a size in their file (item 90)',
  )
  if (!isVector) return
  check(version >= 3, 'deletion vectors need format version 3 (item 84)')
  check(
    file.content === 'position-deletes' && file.referencedDataFile !== undefined,
    'a deletion vector names the data file that it deletes from (item 90)',
  )
}

/** Rules for what this writer makes; entries carried over may come from writers that saw it differently. */
function checkAdded(file: ContentFile, version: WriteFormatVersion, check: Check): void {
  check(
    version < 3 || file.content !== 'position-deletes' || file.contentOffset !== undefined,
    'position delete files are not added to tables of format version 3 (item 84)',
  )
  check(
    file.sortOrderId === undefined || file.content !== 'position-deletes',
    'position deletes have no sort order (item 54)',
  )
  const offsets = file.splitOffsets ?? []
  check(
    offsets.every((offset, i) => offset > (offsets[i - 1] ?? -1) && offset < file.fileSizeBytes),
    'split offsets ascend and lie in the file (item 55)',
  )
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
