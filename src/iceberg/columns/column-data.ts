/** Arrow `Data` from raw buffers, without the guessing of apache-arrow's own convenience functions. */
import type { Data, DataType } from 'apache-arrow'
import { arrow } from './arrow.ts'

/** The buffers of one column. Lengths are those of the values; nothing is copied. */
export interface ColumnParts {
  readonly length: number
  readonly nullCount: number
  /** Needed where nullCount > 0. */
  readonly validity?: Uint8Array | undefined
  /** Index of the first value's bit in `validity` and, for Bool, in `values`; 0 if left out. */
  readonly offset?: number
  readonly offsets?: Int32Array | undefined
  readonly values?: ArrayBufferView | undefined
  readonly children?: readonly Data[] | undefined
}

/** A column of the type over the given buffers. */
export function columnData<T extends DataType>(type: T, parts: ColumnParts): Data<T> {
  const { Data: ArrowData } = arrow()
  const buffers = [
    parts.offsets,
    parts.values,
    parts.nullCount === 0 ? NO_BITMAP : parts.validity,
  ] as unknown as Partial<Data<T>['buffers']>
  return new ArrowData(type, parts.offset ?? 0, parts.length, parts.nullCount, buffers, [
    ...(parts.children ?? []),
  ])
}

const NO_BITMAP: Uint8Array = new Uint8Array(0)
