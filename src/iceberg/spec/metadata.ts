/**
 * Table metadata in memory, one immutable value for format versions 1 to 3. Iceberg spec §Table Metadata.
 * JSON: `metadata-json.ts`. Changes: `metadata-builder.ts`. v1 fields are normalised on read (one schema
 * becomes `schemas`, one spec becomes `partitionSpecs`, main of `current-snapshot-id` becomes a ref).
 */
import type { JsonObject } from '../../core/json.ts'
import type { PartitionSpec } from './partition-spec.ts'
import type { Schema } from './schema.ts'
import type { MetadataLogEntry, Snapshot, SnapshotLogEntry, SnapshotRef } from './snapshot.ts'
import type { SortOrder } from './sort-order.ts'

export type FormatVersion = 1 | 2 | 3

export interface StatisticsBlob {
  readonly type: string
  readonly snapshotId: bigint
  readonly sequenceNumber: number
  readonly fields: readonly number[]
  readonly properties?: Readonly<Record<string, string>>
  readonly unknown?: JsonObject
}

export interface StatisticsFile {
  readonly snapshotId: bigint
  readonly statisticsPath: string
  readonly fileSizeBytes: number
  readonly fileFooterSizeBytes: number
  readonly keyMetadata?: string
  readonly blobMetadata: readonly StatisticsBlob[]
  readonly unknown?: JsonObject
}

export interface PartitionStatisticsFile {
  readonly snapshotId: bigint
  readonly statisticsPath: string
  readonly fileSizeBytes: number
  readonly unknown?: JsonObject
}

export interface EncryptionKey {
  readonly keyId: string
  readonly encryptedKeyMetadata: string
  readonly encryptedById?: string
  readonly properties?: Readonly<Record<string, string>>
  readonly unknown?: JsonObject
}

export interface TableMetadata {
  readonly formatVersion: FormatVersion
  /** Absent only in v1 metadata that has none. */
  readonly tableUuid?: string
  /** Without a trailing slash. */
  readonly location: string
  readonly lastSequenceNumber: number
  readonly lastUpdatedMs: number
  readonly lastColumnId: number
  readonly currentSchemaId: number
  readonly schemas: readonly Schema[]
  readonly defaultSpecId: number
  readonly partitionSpecs: readonly PartitionSpec[]
  readonly lastPartitionId: number
  readonly defaultSortOrderId: number
  readonly sortOrders: readonly SortOrder[]
  readonly properties: Readonly<Record<string, string>>
  readonly currentSnapshotId?: bigint
  /** v3; 0n for older versions. */
  readonly nextRowId: bigint
  readonly encryptionKeys: readonly EncryptionKey[]
  readonly refs: ReadonlyMap<string, SnapshotRef>
  readonly snapshots: readonly Snapshot[]
  readonly statistics: readonly StatisticsFile[]
  readonly partitionStatistics: readonly PartitionStatisticsFile[]
  readonly snapshotLog: readonly SnapshotLogEntry[]
  readonly metadataLog: readonly MetadataLogEntry[]
  /** JSON fields that this version does not know, kept on rewrite (iceberg-writer.md item 26). */
  readonly unknown?: JsonObject
}
