/**
 * Chosen rows of a batch, for every type. Values move as raw words: nothing is decoded.
 *
 * In apache-arrow's `Data`, `values` and `valueOffsets` of a slice already begin at its first row; only bits
 * (validity, booleans) are addressed through `offset`.
 */
import type { Data, RecordBatch } from 'apache-arrow'
import { arrow } from './arrow.ts'
import { bitmapBytes, getBit, setBit } from './bitmap.ts'
import { columnData } from './column-data.ts'

/** The rows of a batch at the given positions, in that order. A run of consecutive rows is not copied. */
export function takeRows(batch: RecordBatch, indices: Uint32Array | Int32Array): RecordBatch {
  const run = asRun(indices)
  if (run !== undefined) {
    return run === 0 && indices.length === batch.numRows
      ? batch
      : batch.slice(run, run + indices.length)
  }
  const { RecordBatch: ArrowRecordBatch } = arrow()
  const data = takeData(batch.data as unknown as Data, indices)
  return new ArrowRecordBatch(batch.schema, data as never)
}

/** The chosen values of a column. */
export function takeData(data: Data, indices: Uint32Array | Int32Array): Data {
  const length = indices.length
  const { nullCount, validity } = takeValidity(data, indices)
  const nulls = { length, nullCount, validity }
  const { Type } = arrow()
  switch (data.typeId) {
    case Type.Null:
      return columnData(data.type, { length, nullCount: length, validity: new Uint8Array(0) })
    case Type.Struct:
      return columnData(data.type, {
        ...nulls,
        children: data.children.map((child) => takeData(child, indices)),
      })
    case Type.List:
    case Type.Map: {
      const { offsets, rows } = childRows(data.valueOffsets, indices)
      return columnData(data.type, {
        ...nulls,
        offsets,
        children: [takeData(data.children[0] as Data, rows)],
      })
    }
    case Type.Utf8:
    case Type.Binary:
      return columnData(data.type, { ...nulls, ...takeBytes(data, indices) })
    case Type.Bool: {
      const values = new Uint8Array(bitmapBytes(length))
      const source = data.values as Uint8Array
      for (let i = 0; i < length; i++) {
        if (getBit(source, data.offset + (indices[i] as number))) setBit(values, i)
      }
      return columnData(data.type, { ...nulls, values })
    }
    default:
      return columnData(data.type, { ...nulls, values: takeFixed(data, indices) })
  }
}

/** The first row if the positions are consecutive, else undefined. */
function asRun(indices: Uint32Array | Int32Array): number | undefined {
  const { length } = indices
  if (length === 0) return 0
  const first = indices[0] as number
  if ((indices[length - 1] as number) - first !== length - 1) return undefined
  for (let i = 1; i < length; i++) if (indices[i] !== first + i) return undefined
  return first
}

function takeValidity(
  data: Data,
  indices: Uint32Array | Int32Array,
): { nullCount: number; validity: Uint8Array | undefined } {
  if (data.nullCount === 0 || data.nullBitmap.length === 0)
    return { nullCount: 0, validity: undefined }
  const bitmap = data.nullBitmap
  const validity = new Uint8Array(bitmapBytes(indices.length))
  let valid = 0
  for (let i = 0; i < indices.length; i++) {
    if (getBit(bitmap, data.offset + (indices[i] as number))) {
      setBit(validity, i)
      valid++
    }
  }
  return { nullCount: indices.length - valid, validity }
}

/** Fixed-width values. 64-bit ones move as pairs of words, which is faster than a bigint each. */
function takeFixed(data: Data, indices: Uint32Array | Int32Array): ArrayBufferView {
  const source = data.values as Uint8Array
  const width = (source.BYTES_PER_ELEMENT * data.stride) | 0
  const { length } = indices
  if (width % 4 === 0 && source.byteOffset % 4 === 0) {
    const words = width / 4
    const from = new Int32Array(source.buffer, source.byteOffset, source.byteLength >> 2)
    const to = new Int32Array(length * words)
    if (words === 1) for (let i = 0; i < length; i++) to[i] = from[indices[i] as number] as number
    else {
      for (let i = 0, t = 0; i < length; i++) {
        const f = (indices[i] as number) * words
        for (let w = 0; w < words; w++) to[t++] = from[f + w] as number
      }
    }
    return sameView(source, to.buffer)
  }
  const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
  const to = new Uint8Array(length * width)
  for (let i = 0; i < length; i++) {
    const f = (indices[i] as number) * width
    for (let b = 0; b < width; b++) to[i * width + b] = bytes[f + b] as number
  }
  return sameView(source, to.buffer)
}

function sameView(like: ArrayBufferView, buffer: ArrayBuffer): ArrayBufferView {
  const View = like.constructor as new (buffer: ArrayBuffer) => ArrayBufferView
  return new View(buffer)
}

function takeBytes(
  data: Data,
  indices: Uint32Array | Int32Array,
): { offsets: Int32Array; values: Uint8Array } {
  const from = data.valueOffsets as Int32Array
  const source = data.values as Uint8Array
  const { length } = indices
  const offsets = new Int32Array(length + 1)
  let total = 0
  for (let i = 0; i < length; i++) {
    const row = indices[i] as number
    total += (from[row + 1] as number) - (from[row] as number)
    offsets[i + 1] = total
  }
  const values = new Uint8Array(total)
  for (let i = 0; i < length; i++) {
    const row = indices[i] as number
    const start = from[row] as number
    const end = from[row + 1] as number
    let to = offsets[i] as number
    // Setting up a bulk copy costs more than a short loop.
    if (end - start > 32) values.set(source.subarray(start, end), to)
    else for (let b = start; b < end; b++) values[to++] = source[b] as number
  }
  return { offsets, values }
}

function childRows(
  from: Int32Array,
  indices: Uint32Array | Int32Array,
): { offsets: Int32Array; rows: Int32Array } {
  const offsets = new Int32Array(indices.length + 1)
  let total = 0
  for (let i = 0; i < indices.length; i++) {
    const row = indices[i] as number
    total += (from[row + 1] as number) - (from[row] as number)
    offsets[i + 1] = total
  }
  const rows = new Int32Array(total)
  let at = 0
  for (let i = 0; i < indices.length; i++) {
    const row = indices[i] as number
    for (let child = from[row] as number; child < (from[row + 1] as number); child++) {
      rows[at++] = child
    }
  }
  return { offsets, rows }
}
