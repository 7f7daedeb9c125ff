/** Manifests of version 1 snapshots that name them directly, without a manifest list. Iceberg spec §Snapshots. */
import { FloeError } from '../../core/errors.ts'
import { checkLimit, type Limits } from '../../core/limits.ts'
import { AvroContainer } from '../avro/container.ts'
import type { ManifestFile } from './entry.ts'

/**
 * The line that a manifest list would have for the manifest: its spec from its own header, no counts, no summaries.
 * @param options.snapshotId that of the snapshot, which entries without one inherit.
 * @throws CORRUPT_AVRO, CORRUPT_MANIFEST, UNSUPPORTED_CODEC, ENCRYPTED_FILE, LIMIT_EXCEEDED
 */
export function inlineManifest(
  bytes: Uint8Array,
  options: { readonly manifestPath: string; readonly snapshotId: bigint; readonly limits: Limits },
): ManifestFile {
  const { manifestPath, snapshotId, limits } = options
  checkLimit(limits, 'manifestBytes', bytes.byteLength, `The manifest ${manifestPath}`)
  // A header without a spec id is that of a table whose only spec is 0.
  const text = new AvroContainer(bytes, manifestPath, limits).text('partition-spec-id') ?? '0'
  const partitionSpecId = Number(text)
  if (!Number.isSafeInteger(partitionSpecId) || partitionSpecId < 0 || text.trim() === '') {
    throw new FloeError(
      'CORRUPT_MANIFEST',
      `Cannot read ${manifestPath}: its header has the partition-spec-id ` +
        `${JSON.stringify(text.slice(0, 40))}. The table is damaged: run fsck`,
      { context: { file: manifestPath } },
    )
  }
  return {
    manifestPath,
    manifestLength: bytes.byteLength,
    partitionSpecId,
    content: 'data',
    sequenceNumber: 0,
    minSequenceNumber: 0,
    addedSnapshotId: snapshotId,
  }
}
