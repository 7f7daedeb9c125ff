/** Snapshots, references and log entries. Iceberg spec §Snapshots, §Snapshot References. */
import type { JsonObject } from '../../core/json.ts'

/** What a snapshot did, as the spec names it. */
export type Operation = 'append' | 'replace' | 'overwrite' | 'delete'

export interface Snapshot {
  readonly snapshotId: bigint
  readonly parentSnapshotId?: bigint
  /** 0 for snapshots of v1 tables. */
  readonly sequenceNumber: number
  readonly timestampMs: number
  /** Absolute URI of the manifest list; undefined only for v1 snapshots with inline `manifests`. */
  readonly manifestList?: string
  /** v1 only: paths of manifests, where there is no manifest list. */
  readonly manifests?: readonly string[]
  /** `operation` and the counters of iceberg-writer.md item 110; absent operation reads as undefined (v1). */
  readonly summary: Readonly<Record<string, string>>
  readonly schemaId?: number
  /** v3: the table's next-row-id when the snapshot was committed. */
  readonly firstRowId?: bigint
  /** v3: number of row ids that the snapshot assigned. */
  readonly addedRows?: bigint
  readonly keyId?: string
  /** JSON fields that this version does not know, kept on rewrite. */
  readonly unknown?: JsonObject
}

export interface SnapshotRef {
  readonly snapshotId: bigint
  readonly type: 'branch' | 'tag'
  readonly minSnapshotsToKeep?: number
  readonly maxSnapshotAgeMs?: number
  readonly maxRefAgeMs?: number
  readonly unknown?: JsonObject
}

export interface SnapshotLogEntry {
  readonly timestampMs: number
  readonly snapshotId: bigint
  readonly unknown?: JsonObject
}

export interface MetadataLogEntry {
  readonly timestampMs: number
  readonly metadataFile: string
  readonly unknown?: JsonObject
}

/** The branch that readers see by default. */
export const MAIN_BRANCH = 'main'
