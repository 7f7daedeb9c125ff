/**
 * Data files, delete files, manifest entries and manifests as data: what manifests and manifest lists hold.
 * Iceberg spec §Manifests, §Manifest Lists. Codec: `manifest.ts`, `manifest-list.ts`.
 */
import type { Value } from '../spec/value.ts'

// Optional fields may be absent or undefined, which means the same: readers set all of them, so that the objects of
// one manifest have one shape.

export type FileContent = 'data' | 'position-deletes' | 'equality-deletes'

/** A data file or a delete file (the spec's `data_file` struct). */
export interface ContentFile {
  readonly content: FileContent
  /** Absolute URI, compared as a string. */
  readonly filePath: string
  /** Upper case: PARQUET, AVRO, ORC, PUFFIN. */
  readonly fileFormat: string
  /** Id of the spec that `partition` is of (that of the manifest). */
  readonly specId: number
  /** One value for each field of the spec, in spec order. */
  readonly partition: readonly Value[]
  readonly recordCount: number
  readonly fileSizeBytes: number
  /** By field id; undefined = not known. Counts and sizes of leaf columns. */
  readonly columnSizes?: ReadonlyMap<number, number> | undefined
  readonly valueCounts?: ReadonlyMap<number, number> | undefined
  readonly nullValueCounts?: ReadonlyMap<number, number> | undefined
  readonly nanValueCounts?: ReadonlyMap<number, number> | undefined
  /** Binary single values (iceberg-writer.md item 96). */
  readonly lowerBounds?: ReadonlyMap<number, Uint8Array> | undefined
  readonly upperBounds?: ReadonlyMap<number, Uint8Array> | undefined
  readonly keyMetadata?: Uint8Array | undefined
  readonly splitOffsets?: readonly number[] | undefined
  readonly equalityIds?: readonly number[] | undefined
  readonly sortOrderId?: number | undefined
  /** v3: undefined = inherit from the manifest. */
  readonly firstRowId?: bigint | undefined
  readonly referencedDataFile?: string | undefined
  /** Deletion vectors: where the blob lies in the Puffin file. */
  readonly contentOffset?: number | undefined
  readonly contentSizeBytes?: number | undefined
}

export type EntryStatus = 'existing' | 'added' | 'deleted'

/** One line of a manifest. Nulls are inherited from the manifest (iceberg-writer.md items 46, 58). */
export interface ManifestEntry {
  readonly status: EntryStatus
  readonly snapshotId: bigint | null
  /** Data sequence number. */
  readonly sequenceNumber: number | null
  readonly fileSequenceNumber: number | null
  readonly file: ContentFile
}

/** Summary of one partition field over a manifest's files. Bounds are binary single values. */
export interface FieldSummary {
  readonly containsNull: boolean
  readonly containsNan?: boolean | undefined
  readonly lowerBound?: Uint8Array | undefined
  readonly upperBound?: Uint8Array | undefined
}

export type ManifestContent = 'data' | 'deletes'

/** One line of a manifest list (iceberg-writer.md item 30). */
export interface ManifestFile {
  readonly manifestPath: string
  readonly manifestLength: number
  readonly partitionSpecId: number
  readonly content: ManifestContent
  /** 0 in v1. */
  readonly sequenceNumber: number
  readonly minSequenceNumber: number
  readonly addedSnapshotId: bigint
  /** Counts are undefined only where a v1 list leaves them out. */
  readonly addedFilesCount?: number | undefined
  readonly existingFilesCount?: number | undefined
  readonly deletedFilesCount?: number | undefined
  readonly addedRowsCount?: number | undefined
  readonly existingRowsCount?: number | undefined
  readonly deletedRowsCount?: number | undefined
  /** One for each field of the spec; undefined = not known, no pruning. */
  readonly partitions?: readonly FieldSummary[] | undefined
  readonly keyMetadata?: Uint8Array | undefined
  /** v3, data manifests. */
  readonly firstRowId?: bigint | undefined
}
