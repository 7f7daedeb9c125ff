/**
 * Chosen rows of a batch, for every type. Values move as raw words: nothing is decoded.
 *
 * In apache-arrow's `Data`, `values` and `valueOffsets` of a slice already begin at its first row; only bits
 * (validity, booleans) are addressed through `offset`.
 */
import type { Data, RecordBatch } from 'apache-arrow'
import { copyBytes } from '../../core/copy-bytes.ts'
import { arrow } from './arrow.ts'
import { bitmapBytes, getBit, setBit } from './bitmap.ts'
import { columnData } from './column-data.ts'
import { HEAP, type Memory } from './scratch.ts'

/**
 * The rows of a batch at the given positions, in that order. A run of consecutive rows is not copied.
 * @param memory where copies go.
 */
export function takeRows(
  batch: RecordBatch,
  indices: Uint32Array | Int32Array,
  memory: Memory = HEAP,
): RecordBatch {
  const run = asRun(indices)
  if (run !== undefined) {
    return run === 0 && indices.length === batch.numRows
      ? batch
      : batch.slice(run, run + indices.length)
  }
  return copyRows(batch, indices, memory)
}

/** The same, but that nothing of the batch is kept alive by it. */
export function copyRows(
  batch: RecordBatch,
  indices: Uint32Array | Int32Array,
  memory: Memory = HEAP,
): RecordBatch {
  const { RecordBatch: ArrowRecordBatch } = arrow()
  const data = takeData(batch.data as unknown as Data, indices, memory)
  return new ArrowRecordBatch(batch.schema, data as never)
}

/** The chosen values of a column. */
export function takeData(
  data: Data,
  indices: Uint32Array | Int32Array,
  memory: Memory = HEAP,
): Data {
  const length = indices.length
  const { nullCount, validity } = takeValidity(data, indices, memory)
  const nulls = { length, nullCount, validity }
  const { Type } = arrow()
  switch (data.typeId) {
    case Type.Null:
      return columnData(data.type, { length, nullCount: length, validity: new Uint8Array(0) })
    case Type.Struct:
      return columnData(data.type, {
        ...nulls,
        children: data.children.map((child) => takeData(child, indices, memory)),
      })
    case Type.List:
    case Type.Map: {
      const { offsets, rows } = childRows(data.valueOffsets, indices, memory)
      return columnData(data.type, {
        ...nulls,
        offsets,
        children: [takeData(data.children[0] as Data, rows, memory)],
      })
    }
    case Type.Utf8:
    case Type.Binary:
      return columnData(data.type, { ...nulls, ...takeBytes(data, indices, memory) })
    case Type.Bool: {
      const values = memory.takeZeros(bitmapBytes(length))
      const source = data.values as Uint8Array
      for (let i = 0; i < length; i++) {
        if (getBit(source, data.offset + (indices[i] as number))) setBit(values, i)
      }
      return columnData(data.type, { ...nulls, values })
    }
    default:
      return columnData(data.type, { ...nulls, values: takeFixed(data, indices, memory) })
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
  memory: Memory,
): { nullCount: number; validity: Uint8Array | undefined } {
  if (data.nullCount === 0 || data.nullBitmap.length === 0)
    return { nullCount: 0, validity: undefined }
  const bitmap = data.nullBitmap
  const validity = memory.takeZeros(bitmapBytes(indices.length))
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
function takeFixed(data: Data, indices: Uint32Array | Int32Array, memory: Memory): ArrayBufferView {
  const source = data.values as Uint8Array
  const width = (source.BYTES_PER_ELEMENT * data.stride) | 0
  const { length } = indices
  const to = memory.take(length * width)
  if (width % 4 === 0 && source.byteOffset % 4 === 0) {
    const words = width / 4
    const from = new Int32Array(source.buffer, source.byteOffset, source.byteLength >> 2)
    const out = new Int32Array(to.buffer, to.byteOffset, length * words)
    if (words === 1) for (let i = 0; i < length; i++) out[i] = from[indices[i] as number] as number
    else {
      for (let i = 0, t = 0; i < length; i++) {
        const f = (indices[i] as number) * words
        for (let w = 0; w < words; w++) out[t++] = from[f + w] as number
      }
    }
    return sameView(source, to)
  }
  const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
  for (let i = 0; i < length; i++) {
    const f = (indices[i] as number) * width
    for (let b = 0; b < width; b++) to[i * width + b] = bytes[f + b] as number
  }
  return sameView(source, to)
}

function sameView(like: Uint8Array, bytes: Uint8Array): ArrayBufferView {
  const View = like.constructor as new (
    buffer: ArrayBufferLike,
    byteOffset: number,
    length: number,
  ) => ArrayBufferView
  return new View(bytes.buffer, bytes.byteOffset, bytes.length / like.BYTES_PER_ELEMENT)
}

function takeBytes(
  data: Data,
  indices: Uint32Array | Int32Array,
  memory: Memory,
): { offsets: Int32Array; values: Uint8Array } {
  const from = data.valueOffsets as Int32Array
  const source = data.values as Uint8Array
  const { length } = indices
  const offsets = takeInts(memory, length + 1)
  offsets[0] = 0
  let total = 0
  for (let i = 0; i < length; i++) {
    const row = indices[i] as number
    total += (from[row + 1] as number) - (from[row] as number)
    offsets[i + 1] = total
  }
  const values = memory.take(total)
  for (let i = 0, to = 0; i < length; ) {
    const row = indices[i] as number
    // Values of consecutive rows lie one after the other.
    let run = 1
    while (i + run < length && indices[i + run] === row + run) run++
    const start = from[row] as number
    const end = from[row + run] as number
    copyBytes(source, start, end, values, to)
    to += end - start
    i += run
  }
  return { offsets, values }
}

function takeInts(memory: Memory, length: number): Int32Array {
  const bytes = memory.take(length * 4)
  return new Int32Array(bytes.buffer, bytes.byteOffset, length)
}

function childRows(
  from: Int32Array,
  indices: Uint32Array | Int32Array,
  memory: Memory,
): { offsets: Int32Array; rows: Int32Array } {
  const offsets = takeInts(memory, indices.length + 1)
  offsets[0] = 0
  let total = 0
  for (let i = 0; i < indices.length; i++) {
    const row = indices[i] as number
    total += (from[row + 1] as number) - (from[row] as number)
    offsets[i + 1] = total
  }
  const rows = takeInts(memory, total)
  let at = 0
  for (let i = 0; i < indices.length; i++) {
    const row = indices[i] as number
    for (let child = from[row] as number; child < (from[row + 1] as number); child++) {
      rows[at++] = child
    }
  }
  return { offsets, rows }
}
