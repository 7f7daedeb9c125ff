/**
 * Whether changed rows are deleted beside their data files (merge-on-read) or their files are written anew without
 * them (copy-on-write): what is cheaper over the life of the rows. algorithms.md §3, merge.md MG-31.
 */
import type { ContentFile } from '../../manifest/entry.ts'
import type { RowChangeMode } from '../../spec/properties.ts'
import { partitionKey } from '../../spec/value-compare.ts'
import type { LiveFiles } from '../live-files.ts'

/** Partitions of at most so many bytes are written anew: measured, that takes no longer than writing deletes beside them. */
const SMALL_PARTITION_BYTES = 128 * 1024
/** From this part of a file's rows on, reading them past their deletes would cost more than writing the others anew. */
const LARGE_SHARE = 0.3

/** Rows of a data file that a change takes away. */
export interface TouchedFile {
  readonly file: ContentFile
  readonly changedRows: number
  /** Rows that were not deleted before. */
  readonly liveRows: number
}

/** Paths of the files to write anew. Files that lose all their rows are nobody's choice and not among them. */
export function filesToRewrite(
  touched: readonly TouchedFile[],
  live: LiveFiles,
  mode: RowChangeMode | undefined,
): ReadonlySet<string> {
  const partial = touched.filter((t) => t.changedRows > 0 && t.changedRows < t.liveRows)
  if (mode === 'merge-on-read' || partial.length === 0) return new Set()
  const chosen =
    mode === 'copy-on-write' ? partial : partial.filter(isCheaperAnew(partitionBytes(live)))
  return new Set(chosen.map((t) => t.file.filePath))
}

function isCheaperAnew(bytes: ReadonlyMap<string, number>): (touched: TouchedFile) => boolean {
  return ({ file, changedRows, liveRows }) =>
    (bytes.get(keyOf(file)) ?? 0) <= SMALL_PARTITION_BYTES || changedRows >= liveRows * LARGE_SHARE
}

function partitionBytes(live: LiveFiles): ReadonlyMap<string, number> {
  const bytes = new Map<string, number>()
  for (const { entry } of live.data.values()) {
    const key = keyOf(entry.file)
    bytes.set(key, (bytes.get(key) ?? 0) + entry.file.fileSizeBytes)
  }
  return bytes
}

function keyOf(file: ContentFile): string {
  return `${file.specId}/${partitionKey(file.partition)}`
}
