/** Values of columns as 32-bit words, equal for equal values: what hashes take in. */
import type { Data } from 'apache-arrow'
import { assert } from '../core/errors.ts'
import { ARROW_TYPE } from '../iceberg/columns/arrow-type-id.ts'
import { getBit } from '../iceberg/columns/bitmap.ts'
import type { Mask } from '../iceberg/columns/validity.ts'
import type { ColumnHasher } from './column-hasher.ts'

/**
 * Takes the first rows of a leaf column into a hasher. Ints and longs of one value are the same, so are floats and
 * doubles, since the one may become the other; both zeros are the same, and so are all NaNs (MG-20).
 */
export function absorbColumn(
  hasher: ColumnHasher,
  data: Data,
  rows: number,
  valid: Mask | undefined,
): void {
  const values = data.values as unknown
  switch (data.type.typeId as number) {
    case ARROW_TYPE.Bool:
      hasher.absorbWords(boolWords(data, rows), 1, valid)
      return
    case ARROW_TYPE.Int:
    case ARROW_TYPE.Date:
    case ARROW_TYPE.Time:
    case ARROW_TYPE.Timestamp:
      if (values instanceof Int32Array) hasher.absorbWords(int32Words(values, rows), 2, valid)
      else hasher.absorbWords(wordsOf(data), 2, valid)
      return
    case ARROW_TYPE.Float:
      hasher.absorbWords(floatWords(values as Float32Array | Float64Array, rows), 2, valid)
      return
    case ARROW_TYPE.Decimal:
      hasher.absorbWords(wordsOf(data), 4, valid)
      return
    case ARROW_TYPE.Utf8:
    case ARROW_TYPE.Binary:
      hasher.absorbBytes(values as Uint8Array, data.valueOffsets as Int32Array, valid)
      return
    case ARROW_TYPE.FixedSizeBinary:
      if (data.stride % 4 === 0 && data.stride > 0) {
        hasher.absorbWords(wordsOf(data), data.stride / 4, valid)
      } else hasher.absorbBytes(values as Uint8Array, evenOffsets(rows, data.stride), valid)
      return
    default:
      assert(false, 'a hashed column has a primitive type', { typeId: data.type.typeId as number })
  }
}

/** The values of fixed width as they lie in memory; copied only where they are not aligned. */
export function wordsOf(data: Data): Int32Array {
  const values = data.values as ArrayBufferView
  if (values.byteOffset % 4 === 0) {
    return new Int32Array(values.buffer, values.byteOffset, values.byteLength >> 2)
  }
  const copy = new Uint8Array(values.byteLength)
  copy.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  return new Int32Array(copy.buffer)
}

/** 32-bit integers widened to two words. */
export function int32Words(values: Int32Array, rows: number): Int32Array {
  const words = new Int32Array(rows * 2)
  for (let i = 0; i < rows; i++) {
    const value = values[i] as number
    words[2 * i] = value
    words[2 * i + 1] = value >> 31
  }
  return words
}

function boolWords(data: Data, rows: number): Int32Array {
  const bits = data.values as Uint8Array
  const words = new Int32Array(rows)
  for (let i = 0; i < rows; i++) words[i] = getBit(bits, data.offset + i) ? 1 : 0
  return words
}

/** Floats as doubles, with one zero and one NaN. */
function floatWords(values: Float32Array | Float64Array, rows: number): Int32Array {
  const doubles = new Float64Array(rows)
  const words = new Int32Array(doubles.buffer)
  for (let i = 0; i < rows; i++) {
    const value = values[i] as number
    // Adding zero turns −0 into +0. Which NaN an assignment stores is up to the engine.
    if (Number.isNaN(value)) words[2 * i + 1] = 0x7ff80000
    else doubles[i] = value + 0
  }
  return words
}

function evenOffsets(rows: number, width: number): Int32Array {
  const offsets = new Int32Array(rows + 1)
  for (let i = 1; i <= rows; i++) offsets[i] = i * width
  return offsets
}
