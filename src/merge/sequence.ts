/**
 * The order of rows by sequence columns, as `sequenceBy` names them: the first column decides, where it is equal the
 * next, and so on (merge.md MG-15 to MG-17). Numbers by value with −0 equal to +0 and NaN above all, strings by code
 * points, bytes unsigned, false before true.
 */
import type { Data, RecordBatch } from 'apache-arrow'
import { assert, FloeError } from '../core/errors.ts'
import { ARROW_TYPE } from '../iceberg/columns/arrow-type-id.ts'
import { getBit } from '../iceberg/columns/bitmap.ts'
import { typeText } from '../iceberg/spec/type-text.ts'
import { wordsOf } from './column-words.ts'
import { type FoundColumn, findColumn } from './find-column.ts'
import type { KeyField } from './index/key-codec.ts'

/** Order of a row of one batch against a row of another: negative, zero or positive. */
export type RowOrder = (rowA: number, rowB: number) => number

/** The sequence columns of a table. */
export class Sequence {
  readonly #fields: readonly KeyField[]

  /** @throws BAD_ARGUMENT for no columns, and for a column whose type has no order (MG-17). */
  constructor(fields: readonly KeyField[]) {
    if (fields.length === 0) {
      throw new FloeError(
        'BAD_ARGUMENT',
        'A sequence needs at least one column. Name the columns or leave sequenceBy out',
      )
    }
    for (const field of fields) checkSequenceType(field)
    this.#fields = fields
  }

  /** The sequences of a batch's rows. */
  of(batch: RecordBatch): Sequences {
    return new Sequences(
      this.#fields.map((field) => findColumn(batch, field.idPath)),
      batch.numRows,
    )
  }
}

/** The sequences of some rows. Rows with a null among their sequence columns have no order. */
export class Sequences {
  readonly rows: number
  readonly #columns: readonly FoundColumn[]

  constructor(columns: readonly FoundColumn[], rows: number) {
    this.rows = rows
    this.#columns = columns
  }

  /** The rows with a null in a sequence column, ascending: what `NULL_SEQUENCE` is about (MG-17). */
  nullRows(): Int32Array {
    const masks = this.#columns.flatMap(({ valid }) => (valid === undefined ? [] : [valid]))
    if (masks.length === 0) return new Int32Array(0)
    const found = new Int32Array(this.rows)
    let count = 0
    for (let row = 0; row < this.rows; row++) {
      if (masks.some(({ bits, offset }) => !getBit(bits, offset + row))) found[count++] = row
    }
    return found.slice(0, count)
  }

  /** The order of these rows against others of the same sequence columns. Nulls must have been taken out. */
  against(other: Sequences): RowOrder {
    const orders = this.#columns.map(({ data }, i) => {
      const column = other.#columns[i]
      assert(column !== undefined, 'both sides have the same sequence columns')
      return orderOf(data, column.data)
    })
    const [only] = orders
    if (orders.length === 1 && only !== undefined) return only
    return (rowA, rowB) => {
      for (const order of orders) {
        const result = order(rowA, rowB)
        if (result !== 0) return result
      }
      return 0
    }
  }
}

function checkSequenceType({ name, type }: KeyField): void {
  switch (type.kind) {
    case 'unknown':
    case 'geometry':
    case 'geography':
    case 'variant':
    case 'list':
    case 'map':
    case 'struct': {
      const text = typeText(type)
      throw new FloeError(
        'BAD_ARGUMENT',
        `Rows cannot be put in sequence by column "${name}": values of type ${text} have no order. ` +
          'Name columns of other types in sequenceBy',
        { context: { column: name, type: text } },
      )
    }
    default:
  }
}

function orderOf(a: Data, b: Data): RowOrder {
  const typeId = a.type.typeId as number
  assert(typeId === (b.type.typeId as number), 'both sides have the same sequence columns')
  switch (typeId) {
    case ARROW_TYPE.Bool: {
      const [bitsA, bitsB] = [a.values as Uint8Array, b.values as Uint8Array]
      return (rowA, rowB) =>
        Number(getBit(bitsA, a.offset + rowA)) - Number(getBit(bitsB, b.offset + rowB))
    }
    case ARROW_TYPE.Float: {
      const [valuesA, valuesB] = [a.values as Float64Array, b.values as Float64Array]
      return (rowA, rowB) => compareFloats(valuesA[rowA] as number, valuesB[rowB] as number)
    }
    case ARROW_TYPE.Int:
    case ARROW_TYPE.Date:
    case ARROW_TYPE.Time:
    case ARROW_TYPE.Timestamp:
    case ARROW_TYPE.Decimal:
      return orderOfWords(a, b)
    case ARROW_TYPE.Utf8:
    case ARROW_TYPE.Binary: {
      const [bytesA, bytesB] = [a.values as Uint8Array, b.values as Uint8Array]
      const [offsetsA, offsetsB] = [a.valueOffsets as Int32Array, b.valueOffsets as Int32Array]
      return (rowA, rowB) =>
        Buffer.compare(
          bytesA.subarray(offsetsA[rowA], offsetsA[rowA + 1]),
          bytesB.subarray(offsetsB[rowB], offsetsB[rowB + 1]),
        )
    }
    case ARROW_TYPE.FixedSizeBinary: {
      const [bytesA, bytesB] = [a.values as Uint8Array, b.values as Uint8Array]
      const { stride } = a
      assert(stride === b.stride, 'both sides have the same sequence columns')
      return (rowA, rowB) =>
        Buffer.compare(
          bytesA.subarray(stride * rowA, stride * rowA + stride),
          bytesB.subarray(stride * rowB, stride * rowB + stride),
        )
    }
    default:
      return assert(false, 'a sequence column has a type with an order', { typeId }) as never
  }
}

function compareFloats(a: number, b: number): number {
  if (a < b) return -1
  if (a > b) return 1
  return a === b ? 0 : Number(Number.isNaN(a)) - Number(Number.isNaN(b))
}

/** Two's-complement integers of one, two or four words, lowest word first. */
function orderOfWords(a: Data, b: Data): RowOrder {
  const [wordsA, wordsB] = [wordsOf(a), wordsOf(b)]
  const width = ((a.values as Int32Array).BYTES_PER_ELEMENT * a.stride) / 4
  assert(
    width === ((b.values as Int32Array).BYTES_PER_ELEMENT * b.stride) / 4,
    'both sides have the same sequence columns',
  )
  return (rowA, rowB) => {
    const atA = width * rowA
    const atB = width * rowB
    const highA = wordsA[atA + width - 1] as number
    const highB = wordsB[atB + width - 1] as number
    if (highA !== highB) return highA < highB ? -1 : 1
    for (let w = width - 2; w >= 0; w--) {
      const x = (wordsA[atA + w] as number) >>> 0
      const y = (wordsB[atB + w] as number) >>> 0
      if (x !== y) return x < y ? -1 : 1
    }
    return 0
  }
}
