/** How large rows of a batch are, from offsets alone. */
import type { Data } from 'apache-arrow'
import { ARROW_TYPE } from './arrow-type-id.ts'

/** How many of `most` rows from `from` on fit in so many bytes; at least one. Found by halving. */
export function rowsWithin(
  columns: readonly (Data | undefined)[],
  from: number,
  most: number,
  bytes: number,
): number {
  let rows = most
  while (rows > 1) {
    let size = 0
    for (const column of columns)
      if (column !== undefined) size += rangeBytes(column, from, from + rows)
    if (size <= bytes) break
    rows = Math.max(1, Math.floor(rows / Math.max(2, Math.ceil(size / bytes))))
  }
  return rows
}

/** The same for the rows at `indices` from place `from` on. */
export function selectedWithin(
  columns: readonly Data[],
  indices: Int32Array,
  from: number,
  most: number,
  bytes: number,
): number {
  const offsets: Int32Array[] = []
  const others: Data[] = []
  let fixed = 0
  for (const column of columns) {
    const { typeId } = column.type
    if (typeId === ARROW_TYPE.Utf8 || typeId === ARROW_TYPE.Binary) {
      offsets.push(column.valueOffsets)
      fixed += 5
    } else if (column.children.length > 0) others.push(column)
    else fixed += Math.ceil(rangeBytes(column, 0, 1))
  }
  let size = 0
  for (let count = 0; count < most; count++) {
    const row = indices[from + count] as number
    size += fixed
    for (let i = 0; i < offsets.length; i++) {
      const ends = offsets[i] as Int32Array
      size += (ends[row + 1] as number) - (ends[row] as number)
    }
    for (let i = 0; i < others.length; i++) {
      size += Math.ceil(rangeBytes(others[i] as Data, row, row + 1))
    }
    if (size > bytes) return Math.max(1, count)
  }
  return most
}

/** Bytes of the values in [from, to), about: those of views and dictionaries count as their average. */
export function rangeBytes(data: Data, from: number, to: number): number {
  const rows = to - from
  const nulls = (data.nullBitmap?.length ?? 0) > 0 ? rows / 8 : 0
  switch (data.type.typeId as number) {
    case ARROW_TYPE.Null:
      return 0
    case ARROW_TYPE.Bool:
      return nulls + rows / 8
    case ARROW_TYPE.Utf8:
    case ARROW_TYPE.Binary:
    case ARROW_TYPE.LargeUtf8:
    case ARROW_TYPE.LargeBinary:
      return nulls + rows * 4 + offsetAt(data, to) - offsetAt(data, from)
    case ARROW_TYPE.Utf8View:
    case ARROW_TYPE.BinaryView: {
      const stored = data.variadicBuffers.reduce((sum, buffer) => sum + buffer.byteLength, 0)
      return nulls + rows * 16 + (stored * rows) / Math.max(1, data.length)
    }
    case ARROW_TYPE.List:
    case ARROW_TYPE.LargeList:
    case ARROW_TYPE.Map: {
      const child = data.children[0]
      if (child === undefined) return 0
      return nulls + rows * 4 + rangeBytes(child, offsetAt(data, from), offsetAt(data, to))
    }
    case ARROW_TYPE.FixedSizeList: {
      const child = data.children[0]
      return child === undefined ? 0 : rangeBytes(child, from * data.stride, to * data.stride)
    }
    case ARROW_TYPE.Struct:
      return data.children.reduce((sum, child) => sum + rangeBytes(child, from, to), nulls)
    case ARROW_TYPE.Dictionary: {
      const chunks: readonly Data[] = data.dictionary?.data ?? []
      const size = chunks.reduce((sum, chunk) => sum + rangeBytes(chunk, 0, chunk.length), 0)
      const values = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      return nulls + (size / Math.max(1, values)) * rows
    }
    default: {
      const width = (data.values as Uint8Array | undefined)?.BYTES_PER_ELEMENT ?? 0
      return nulls + width * data.stride * rows
    }
  }
}

function offsetAt(data: Data, index: number): number {
  return Number((data.valueOffsets as Int32Array | undefined)?.[index] ?? 0)
}
