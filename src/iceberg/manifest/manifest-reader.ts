/**
 * Reads manifests of format versions 1 to 3. Iceberg spec §Manifests, §Sequence Number Inheritance, §First Row ID
 * Inheritance (iceberg-writer.md items 49, 58, 77).
 *
 * Planning reads many entries and needs little of each: a plan of closures is compiled once for a file, which
 * decodes what is asked for and passes over the rest without making anything of it. Nothing that is returned keeps
 * the file or a block of it in memory: strings and bounds are copies.
 */
import { FloeError } from '../../core/errors.ts'
import { checkLimit, type Limits } from '../../core/limits.ts'
import { AvroContainer } from '../avro/container.ts'
import type { Value } from '../spec/value.ts'
import type { ManifestEntry, ManifestFile } from './entry.ts'
import { EntryDecoder } from './entry-decoder.ts'
import type { PartitionTupleField } from './partition-fields.ts'

export interface ReadManifestOptions {
  /** The manifest's line in the manifest list: what entries inherit from, and its path for errors. */
  readonly manifest: ManifestFile
  /** The fields of the manifest's spec, from `partitionFields`. */
  readonly partition: readonly PartitionTupleField[]
  readonly limits: Limits
  /** Which column sizes, counts and bounds to read: of all columns, none, or some by field id. Default all. */
  readonly metrics?: 'none' | 'all' | ReadonlySet<number>
  /** Leaves out deleted entries. Default false. */
  readonly liveOnly?: boolean
  /** Leaves out entries whose partition it refuses; cheaper than to drop them afterwards. */
  readonly keepPartition?: (partition: readonly Value[]) => boolean
  /** False: entries as they are written, nulls in place of what is inherited. Default true. */
  readonly inherit?: boolean
}

/**
 * Reads the entries one by one, in the order of the file.
 *
 * With inheritance, snapshot id and sequence numbers of added entries come from the manifest's line, those of
 * version 1 are 0, and live data files without a first row id get theirs from the manifest's. The file sequence
 * number of an existing or deleted entry stays null where an old writer did not record it.
 * @throws CORRUPT_AVRO, CORRUPT_MANIFEST, CHECKSUM_MISMATCH, UNSUPPORTED_CODEC, ENCRYPTED_FILE, LIMIT_EXCEEDED;
 *   an error may follow good entries.
 */
export function* readManifest(
  bytes: Uint8Array,
  options: ReadManifestOptions,
): Generator<ManifestEntry, void, undefined> {
  const { manifest, limits } = options
  const file = manifest.manifestPath
  checkLimit(limits, 'manifestBytes', bytes.byteLength, `The manifest ${file}`)
  const container = new AvroContainer(bytes, file, limits)
  checkContent(container, manifest)
  const decoder = new EntryDecoder(container.schema, options)
  for (const { count, cursor } of container.blocks()) {
    for (let i = 0; i < count; i++) {
      const entry = decoder.read(cursor)
      container.budget.releaseItems()
      if (entry !== undefined) yield entry
    }
    cursor.expectEnd()
  }
}

/** The two halves of the metadata must agree on what kind of manifest it is. */
function checkContent(container: AvroContainer, manifest: ManifestFile): void {
  const content = container.text('content')
  if (content === undefined || content === manifest.content) return
  throw new FloeError(
    'CORRUPT_MANIFEST',
    `Cannot read ${manifest.manifestPath}: its header says that it holds ` +
      `${JSON.stringify(content.slice(0, 40))}, the manifest list that it holds ${manifest.content}. ` +
      'The table is damaged: run fsck',
    { context: { file: manifest.manifestPath, content: manifest.content } },
  )
}
