/** Columns of Arrow batches, written and read through typed arrays. */
import { type Data, type DataType, makeData, type RecordBatch } from 'apache-arrow'

/** Strings or bytes. */
export class BytesWriter {
  readonly #validity: Validity
  readonly #offsets: Int32Array
  #bytes: Uint8Array
  #row = 0
  #length = 0

  constructor(rows: number, bytesARow: number) {
    this.#validity = new Validity(rows)
    this.#offsets = new Int32Array(rows + 1)
    this.#bytes = new Uint8Array(rows * bytesARow)
  }

  /** Adds the value `source[from, to)`. */
  copy(source: Uint8Array, from: number, to: number): void {
    const end = this.#length + (to - from)
    if (end > this.#bytes.length) this.#grow(end)
    const bytes = this.#bytes
    // Most are short: a loop is faster than a view for each.
    if (to - from > 64) bytes.set(source.subarray(from, to), this.#length)
    else for (let i = from, at = this.#length; i < to; i++) bytes[at++] = source[i] as number
    this.#validity.set(this.#row)
    this.#length = end
    this.#offsets[++this.#row] = end
  }

  skip(): void {
    this.#offsets[++this.#row] = this.#length
  }

  finish(type: DataType): Data {
    return makeData({
      type: type as never,
      length: this.#row,
      ...this.#validity.finish(this.#row),
      valueOffsets: this.#offsets,
      data: this.#bytes.subarray(0, this.#length),
    } as never)
  }

  #grow(length: number): void {
    const grown = new Uint8Array(Math.max(length, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

/** Whole numbers of 64 bits from safe integers, or numbers of 32 or 64 bits. Rows that nothing is set for are null. */
export class NumberWriter<T extends Int32Array | Float64Array | BigInt64Array> {
  readonly #validity: Validity
  readonly #rows: number
  readonly #values: T
  /** Halves of whole numbers of 64 bits: a bigint for each would be garbage. */
  readonly #halves: Int32Array | undefined

  constructor(values: T) {
    this.#rows = values.length
    this.#values = values
    this.#validity = new Validity(this.#rows)
    this.#halves =
      values instanceof BigInt64Array ? new Int32Array(values.buffer as ArrayBuffer) : undefined
  }

  set(row: number, value: number): void {
    this.#validity.set(row)
    const halves = this.#halves
    if (halves === undefined) (this.#values as Float64Array)[row] = value
    else {
      const high = Math.floor(value / 4_294_967_296)
      halves[2 * row] = value - high * 4_294_967_296
      halves[2 * row + 1] = high
    }
  }

  finish(type: DataType): Data {
    return makeData({
      type: type as never,
      length: this.#rows,
      ...this.#validity.finish(this.#rows),
      data: this.#values,
    } as never)
  }
}

/** Which rows have a value. */
export class Validity {
  readonly #bits: Uint8Array
  #count = 0

  constructor(rows: number) {
    this.#bits = new Uint8Array((rows + 7) >>> 3)
  }

  /** Once a row. */
  set(row: number): void {
    this.#bits[row >>> 3] = (this.#bits[row >>> 3] as number) | (1 << (row & 7))
    this.#count++
  }

  finish(rows: number): { nullCount: number; nullBitmap: Uint8Array | undefined } {
    const nullCount = rows - this.#count
    return { nullCount, nullBitmap: nullCount === 0 ? undefined : this.#bits }
  }
}

/** Reads a column of strings or bytes. */
export interface BytesReader {
  readonly bytes: Uint8Array
  /** The i-th value is `bytes[offsets[i], offsets[i + 1])`. */
  readonly offsets: Int32Array
  readonly has: (row: number) => boolean
}

export function bytesReader(batch: RecordBatch, column: string): BytesReader {
  const data = dataOf(batch, column)
  // Data takes care of its offset in the offsets alone.
  return {
    bytes: data.values as Uint8Array,
    offsets: data.valueOffsets as Int32Array,
    has: validityOf(data),
  }
}

/** Reads a column of 64-bit whole numbers as numbers, which are exact up to 2^53. */
export interface LongReader {
  readonly halves: Int32Array
  readonly has: (row: number) => boolean
}

export function longReader(batch: RecordBatch, column: string): LongReader {
  const data = dataOf(batch, column)
  const { buffer, byteOffset, length } = data.values as BigInt64Array
  return { halves: new Int32Array(buffer, byteOffset, length * 2), has: validityOf(data) }
}

export function longAt(halves: Int32Array, row: number): number {
  return (halves[2 * row + 1] as number) * 4_294_967_296 + ((halves[2 * row] as number) >>> 0)
}

export function intsOf(batch: RecordBatch, column: string): Int32Array {
  return dataOf(batch, column).values as Int32Array
}

function dataOf(batch: RecordBatch, column: string): Data {
  const index = batch.schema.fields.findIndex((field) => field.name === column)
  const data = batch.data.children[index] as Data | undefined
  if (data === undefined) throw new Error(`The batch has no column ${column}`)
  return data
}

function validityOf({ nullCount, nullBitmap, offset }: Data): (row: number) => boolean {
  if (nullCount === 0 || nullBitmap.length === 0) return () => true
  return (row) => {
    const bit = offset + row
    return ((nullBitmap[bit >>> 3] as number) & (1 << (bit & 7))) !== 0
  }
}
