/**
 * Which delete files apply to which data files. Iceberg spec §Scan Planning; iceberg-writer.md item 61.
 *
 * - A deletion vector: to the data file that it names, if that is not newer.
 * - Position deletes: to data files of their partition (or to the one that they name) that are not newer and have
 *   no vector.
 * - Equality deletes: to older data files of their partition, or of the whole table if their spec has no fields.
 */
import { FloeError } from '../../../core/errors.ts'
import type { ContentFile, ManifestEntry } from '../../manifest/entry.ts'
import type { PartitionSpec } from '../../spec/partition-spec.ts'
import { partitionKey } from '../../spec/value-compare.ts'
import { DELETE_FILE_PATH_ID } from './reserved-fields.ts'

/** The delete files that a data file has to be read with. */
export interface FileDeletes {
  readonly vector: ManifestEntry | undefined
  /** Position delete files, without those that a vector replaces. */
  readonly positions: readonly ManifestEntry[]
  readonly equality: readonly ManifestEntry[]
}

export interface DeleteIndexOptions {
  readonly specById: (specId: number) => PartitionSpec
  /** The form in which paths of one file are equal: some writers name one file in two ways. */
  readonly canonicalPath: (path: string) => string
}

export class DeleteIndex {
  readonly #options: DeleteIndexOptions
  readonly #vectors = new Map<string, ManifestEntry>()
  readonly #byPath = new Map<string, ManifestEntry[]>()
  readonly #positionsByPartition = new Map<string, ManifestEntry[]>()
  readonly #equalityByPartition = new Map<string, ManifestEntry[]>()
  readonly #globalEquality: ManifestEntry[] = []
  #size = 0

  constructor(options: DeleteIndexOptions) {
    this.#options = options
  }

  /** Delete files that were added. */
  get size(): number {
    return this.#size
  }

  /** Adds a live entry of a delete manifest. @throws CORRUPT_DELETES for a second vector of one data file */
  add(entry: ManifestEntry): void {
    this.#size++
    const { file } = entry
    if (file.content === 'equality-deletes') {
      const { fields } = this.#options.specById(file.specId)
      if (fields.length === 0) this.#globalEquality.push(entry)
      else push(this.#equalityByPartition, scopeKey(file), entry)
      return
    }
    const target = referencedPath(file)
    if (isVector(file)) {
      if (target === undefined) {
        throw corrupt(file, 'it does not say which data file it belongs to')
      }
      const key = this.#options.canonicalPath(target)
      const other = this.#vectors.get(key)
      if (other !== undefined) {
        throw corrupt(
          file,
          `${target} has two deletion vectors, the other in ${other.file.filePath}`,
        )
      }
      this.#vectors.set(key, entry)
    } else if (target !== undefined) push(this.#byPath, this.#options.canonicalPath(target), entry)
    else push(this.#positionsByPartition, scopeKey(file), entry)
  }

  /**
   * The deletes that apply to a data file; undefined if there are none.
   * @throws CORRUPT_DELETES for a vector of another partition, or older than its data file.
   */
  forFile(file: ContentFile, sequenceNumber: number): FileDeletes | undefined {
    if (this.#size === 0) return undefined
    const path = this.#options.canonicalPath(file.filePath)
    let scopeOfFile: string | undefined
    const scope = (): string => (scopeOfFile ??= scopeKey(file))
    const notOlder = (entry: ManifestEntry): boolean =>
      (entry.sequenceNumber ?? 0) >= sequenceNumber
    const newer = (entry: ManifestEntry): boolean => (entry.sequenceNumber ?? 0) > sequenceNumber
    const vector = this.#vectors.get(path)
    if (vector !== undefined) {
      if (!isInScope(vector.file, file)) {
        throw corrupt(
          vector.file,
          `the vector of ${file.filePath} has another partition than the file`,
        )
      }
      if (!notOlder(vector)) {
        throw corrupt(vector.file, `the vector of ${file.filePath} is older than the file`)
      }
    }
    const positions =
      vector !== undefined
        ? []
        : [
            ...(this.#byPath.get(path) ?? []).filter((e) => isInScope(e.file, file)),
            ...inPartition(this.#positionsByPartition, scope),
          ].filter(notOlder)
    const equality = [
      ...inPartition(this.#equalityByPartition, scope),
      ...this.#globalEquality,
    ].filter(newer)
    return vector === undefined && positions.length === 0 && equality.length === 0
      ? undefined
      : { vector, positions, equality }
  }
}

/** True for deletion vectors, false for position delete files. */
export function isVector(file: ContentFile): boolean {
  return file.contentOffset !== undefined || file.fileFormat.toUpperCase() === 'PUFFIN'
}

/** The one data file that a position delete file is about, if it says so or its bounds show it (item 83). */
export function referencedPath(file: ContentFile): string | undefined {
  if (file.referencedDataFile !== undefined) return file.referencedDataFile
  const lower = file.lowerBounds?.get(DELETE_FILE_PATH_ID)
  const upper = file.upperBounds?.get(DELETE_FILE_PATH_ID)
  if (lower === undefined || upper === undefined || Buffer.compare(lower, upper) !== 0)
    return undefined
  return Buffer.from(lower).toString()
}

/** Partition tuples of different specs are different partitions. */
function scopeKey(file: ContentFile): string {
  return `${file.specId}/${partitionKey(file.partition)}`
}

function isInScope(a: ContentFile, b: ContentFile): boolean {
  if (a.specId !== b.specId) return false
  const isUnpartitioned = a.partition.length === 0 && b.partition.length === 0
  return isUnpartitioned || partitionKey(a.partition) === partitionKey(b.partition)
}

function inPartition(
  map: ReadonlyMap<string, readonly ManifestEntry[]>,
  scope: () => string,
): readonly ManifestEntry[] {
  return map.size === 0 ? [] : (map.get(scope()) ?? [])
}

function push(map: Map<string, ManifestEntry[]>, key: string, entry: ManifestEntry): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [entry])
  else list.push(entry)
}

function corrupt(file: ContentFile, why: string): FloeError {
  return new FloeError(
    'CORRUPT_DELETES',
    `Cannot apply the deletes of ${file.filePath}: ${why}. Read an older snapshot, or repair the table with the engine that wrote it`,
    { context: { file: file.filePath } },
  )
}
