/**
 * Data files, delete files, manifest entries and manifests as data: what manifests and manifest lists hold.
 * Iceberg spec §Manifests, §Manifest Lists. Codec: `manifest.ts`, `manifest-list.ts`.
 */
import type { Value } from '../spec/value.ts'

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
  readonly columnSizes?: ReadonlyMap<number, number>
  readonly valueCounts?: ReadonlyMap<number, number>
  readonly nullValueCounts?: ReadonlyMap<number, number>
  readonly nanValueCounts?: ReadonlyMap<number, number>
  /** Binary single values (iceberg-writer.md item 96). */
  readonly lowerBounds?: ReadonlyMap<number, Uint8Array>
  readonly upperBounds?: ReadonlyMap<number, Uint8Array>
  readonly keyMetadata?: Uint8Array
  readonly splitOffsets?: readonly number[]
  readonly equalityIds?: readonly number[]
  readonly sortOrderId?: number
  /** v3: undefined = inherit from the manifest. */
  readonly firstRowId?: bigint
  readonly referencedDataFile?: string
  /** Deletion vectors: where the blob lies in the Puffin file. */
  readonly contentOffset?: number
  readonly contentSizeBytes?: number
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
  readonly containsNan?: boolean
  readonly lowerBound?: Uint8Array
  readonly upperBound?: Uint8Array
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
  readonly addedFilesCount?: number
  readonly existingFilesCount?: number
  readonly deletedFilesCount?: number
  readonly addedRowsCount?: number
  readonly existingRowsCount?: number
  readonly deletedRowsCount?: number
  /** One for each field of the spec; undefined = not known, no pruning. */
  readonly partitions?: readonly FieldSummary[]
  readonly keyMetadata?: Uint8Array
  /** v3, data manifests. */
  readonly firstRowId?: bigint
}
