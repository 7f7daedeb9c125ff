/** The order of rows within files. Iceberg spec §Sorting. */
import type { JsonObject } from '../../core/json.ts'
import type { Transform } from './transform.ts'

export interface SortField {
  readonly sourceIds: readonly number[]
  readonly transform: Transform
  readonly direction: 'asc' | 'desc'
  readonly nullOrder: 'nulls-first' | 'nulls-last'
  /** JSON fields that this version does not know, kept on rewrite. */
  readonly unknown?: JsonObject
}

export interface SortOrder {
  /** 0 is reserved for the unsorted order. */
  readonly orderId: number
  readonly fields: readonly SortField[]
  readonly unknown?: JsonObject
}

export const UNSORTED: SortOrder = Object.freeze({ orderId: 0, fields: Object.freeze([]) })
