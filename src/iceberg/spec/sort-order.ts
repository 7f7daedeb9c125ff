/** The order of rows within files. Iceberg spec §Sorting. */
import type { Transform } from './transform.ts'

export interface SortField {
  readonly sourceIds: readonly number[]
  readonly transform: Transform
  readonly direction: 'asc' | 'desc'
  readonly nullOrder: 'nulls-first' | 'nulls-last'
}

export interface SortOrder {
  /** 0 is reserved for the unsorted order. */
  readonly orderId: number
  readonly fields: readonly SortField[]
}

export const UNSORTED: SortOrder = Object.freeze({ orderId: 0, fields: Object.freeze([]) })
