/** The counters of a snapshot's summary. Iceberg spec §Appendix F (iceberg-writer.md items 109–111). */
import { FloeError } from '../../core/errors.ts'
import type { Operation } from '../spec/snapshot.ts'
import { partitionKey } from '../spec/value-compare.ts'
import type { ContentFile } from './entry.ts'

/** How a commit treated manifests. */
export interface ManifestActivity {
  readonly created: number
  readonly kept: number
  readonly replaced: number
  /** Entries read or rewritten to make the snapshot. */
  readonly entriesProcessed: number
}

/** Collects what a snapshot adds and removes; one for each attempt of a commit. */
export class SnapshotSummaryBuilder {
  readonly #counters = new Map<Counter, number>()
  readonly #partitions = new Set<string>()
  readonly #properties = new Map<string, string>()
  #activity: ManifestActivity | undefined

  /** Counts a file whose entry is ADDED. */
  addedFile(file: ContentFile): void {
    this.#countFile(file, ADDED)
  }

  /** Counts a file whose entry is DELETED. */
  removedFile(file: ContentFile): void {
    this.#countFile(file, REMOVED)
  }

  manifests(activity: ManifestActivity): void {
    this.#activity = activity
  }

  /**
   * Sets a further property, such as `engine-name` or one of the user's.
   * @throws BAD_ARGUMENT for a key that the summary itself computes (known-bugs.md 32).
   */
  set(key: string, value: string): void {
    if (isSummaryKey(key)) {
      throw new FloeError(
        'BAD_ARGUMENT',
        `Cannot set the snapshot property "${key}": the summary computes it. Choose another name`,
        { context: { property: key } },
      )
    }
    this.#properties.set(key, value)
  }

  /**
   * The whole summary. Counters of zero are left out, totals are not; a total that the parent lacks stays out, since
   * it cannot be known.
   * @param parent the parent snapshot's summary; null if the snapshot is the first of its branch.
   */
  build(
    operation: Operation,
    parent: Readonly<Record<string, string>> | null,
  ): Readonly<Record<string, string>> {
    const summary = Object.create(null) as Record<string, string>
    summary['operation'] = operation
    for (const [key, value] of this.#properties) summary[key] = value
    for (const key of COUNTERS) {
      const value = this.#counters.get(key) ?? 0
      if (value > 0) summary[key] = String(value)
    }
    summary['changed-partition-count'] = String(this.#partitions.size)
    for (const [total, added, removed] of TOTALS) {
      const before = previousTotal(parent, total)
      if (before === undefined) continue
      const after = before + this.#counter(added) - this.#counter(removed)
      if (after >= 0n) summary[total] = String(after)
    }
    if (this.#activity !== undefined) {
      summary['manifests-created'] = String(this.#activity.created)
      summary['manifests-kept'] = String(this.#activity.kept)
      summary['manifests-replaced'] = String(this.#activity.replaced)
      summary['entries-processed'] = String(this.#activity.entriesProcessed)
    }
    return summary
  }

  #countFile(file: ContentFile, keys: FileCounters): void {
    this.#partitions.add(`${file.specId}/${partitionKey(file.partition)}`)
    // Many deletion vectors share a file: each counts for its own part of it.
    this.#add(keys.size, file.contentSizeBytes ?? file.fileSizeBytes)
    switch (file.content) {
      case 'data':
        this.#add(keys.dataFiles, 1)
        this.#add(keys.records, file.recordCount)
        break
      case 'position-deletes':
        this.#add(keys.deleteFiles, 1)
        this.#add(file.contentOffset === undefined ? keys.positionDeleteFiles : keys.vectors, 1)
        this.#add(keys.positionDeletes, file.recordCount)
        break
      case 'equality-deletes':
        this.#add(keys.deleteFiles, 1)
        this.#add(keys.equalityDeleteFiles, 1)
        this.#add(keys.equalityDeletes, file.recordCount)
        break
    }
  }

  #add(key: Counter, value: number): void {
    this.#counters.set(key, (this.#counters.get(key) ?? 0) + value)
  }

  #counter(key: Counter): bigint {
    return BigInt(this.#counters.get(key) ?? 0)
  }
}

const COUNTERS = [
  'added-data-files',
  'deleted-data-files',
  'added-delete-files',
  'removed-delete-files',
  'added-position-delete-files',
  'removed-position-delete-files',
  'added-equality-delete-files',
  'removed-equality-delete-files',
  'added-dvs',
  'removed-dvs',
  'added-records',
  'deleted-records',
  'added-files-size',
  'removed-files-size',
  'added-position-deletes',
  'removed-position-deletes',
  'added-equality-deletes',
  'removed-equality-deletes',
] as const

type Counter = (typeof COUNTERS)[number]

interface FileCounters {
  readonly size: Counter
  readonly dataFiles: Counter
  readonly records: Counter
  readonly deleteFiles: Counter
  readonly positionDeleteFiles: Counter
  readonly vectors: Counter
  readonly positionDeletes: Counter
  readonly equalityDeleteFiles: Counter
  readonly equalityDeletes: Counter
}

const ADDED: FileCounters = {
  size: 'added-files-size',
  dataFiles: 'added-data-files',
  records: 'added-records',
  deleteFiles: 'added-delete-files',
  positionDeleteFiles: 'added-position-delete-files',
  vectors: 'added-dvs',
  positionDeletes: 'added-position-deletes',
  equalityDeleteFiles: 'added-equality-delete-files',
  equalityDeletes: 'added-equality-deletes',
}

const REMOVED: FileCounters = {
  size: 'removed-files-size',
  dataFiles: 'deleted-data-files',
  records: 'deleted-records',
  deleteFiles: 'removed-delete-files',
  positionDeleteFiles: 'removed-position-delete-files',
  vectors: 'removed-dvs',
  positionDeletes: 'removed-position-deletes',
  equalityDeleteFiles: 'removed-equality-delete-files',
  equalityDeletes: 'removed-equality-deletes',
}

/** Each total with the counters that raise and lower it (item 111). */
const TOTALS: ReadonlyArray<readonly [total: string, added: Counter, removed: Counter]> = [
  ['total-records', 'added-records', 'deleted-records'],
  ['total-files-size', 'added-files-size', 'removed-files-size'],
  ['total-data-files', 'added-data-files', 'deleted-data-files'],
  ['total-delete-files', 'added-delete-files', 'removed-delete-files'],
  ['total-position-deletes', 'added-position-deletes', 'removed-position-deletes'],
  ['total-equality-deletes', 'added-equality-deletes', 'removed-equality-deletes'],
]

const SUMMARY_KEYS: ReadonlySet<string> = new Set([
  'operation',
  'changed-partition-count',
  'partition-summaries-included',
  'deleted-duplicate-files',
  'manifests-created',
  'manifests-kept',
  'manifests-replaced',
  'entries-processed',
  ...COUNTERS,
  ...TOTALS.map(([total]) => total),
])

/** True for keys that summaries compute, also by other writers. */
function isSummaryKey(key: string): boolean {
  return SUMMARY_KEYS.has(key) || key.startsWith('partitions.')
}

function previousTotal(
  parent: Readonly<Record<string, string>> | null,
  key: string,
): bigint | undefined {
  if (parent === null) return 0n
  const text = parent[key]
  return text !== undefined && /^\d{1,18}$/.test(text) ? BigInt(text) : undefined
}
