/** How rows are grouped into files. Iceberg spec §Partitioning. */
import type { JsonObject } from '../../core/json.ts'
import type { Transform } from './transform.ts'

export interface PartitionField {
  /** One source field id; several only for multi-argument transforms (v3). */
  readonly sourceIds: readonly number[]
  /** From 1000 on, unique over all specs of a table for one (sources, transform). */
  readonly fieldId: number
  readonly name: string
  readonly transform: Transform
  /** JSON fields that this version does not know, kept on rewrite. */
  readonly unknown?: JsonObject
}

export interface PartitionSpec {
  readonly specId: number
  readonly fields: readonly PartitionField[]
  readonly unknown?: JsonObject
}

/** The first partition field id that a table assigns. */
export const FIRST_PARTITION_FIELD_ID = 1000

export const UNPARTITIONED: PartitionSpec = Object.freeze({ specId: 0, fields: Object.freeze([]) })
