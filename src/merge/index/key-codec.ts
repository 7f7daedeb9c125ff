/**
 * Key columns → keys of a fixed width, two or four 32-bit words for each row, as the key index keeps and compares them.
 *
 * | layout | for | words |
 * |---|---|---|
 * | `K8` | one column of boolean, int, long, date, time, timestamps, decimal of at most 18 digits | the value itself |
 * | `K16` | everything else, several columns, null-safe keys | a 128-bit hash ({@link ColumnHasher}) |
 *
 * Equality is that of merge.md MG-2: by value, ints as the longs they may be promoted to, strings by their UTF-8
 * bytes. Floating-point keys have no such equality and are refused (MG-3).
 */
import type { Data, RecordBatch } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { ARROW_TYPE } from '../../iceberg/columns/arrow-type-id.ts'
import { bitmapBytes, countBits, getBit, setBit } from '../../iceberg/columns/bitmap.ts'
import type { Mask } from '../../iceberg/columns/validity.ts'
import { typeText } from '../../iceberg/spec/type-text.ts'
import type { Type } from '../../iceberg/spec/types.ts'
import { ColumnHasher } from '../column-hasher.ts'
import { absorbColumn, int32Words, wordsOf } from '../column-words.ts'
import { type FoundColumn, findColumn } from '../find-column.ts'

export type KeyLayout = 'K8' | 'K16'

/** Keys of some rows. They may share memory with the batch they come from, which must not change meanwhile. */
export interface EncodedKeys {
  readonly codec: KeyCodec
  readonly rows: number
  /** The words of row i begin at i · {@link KeyCodec.words}. Those of a row with a null key mean nothing. */
  readonly words: Uint32Array
  /** Bit i is one if a key column of row i is null; undefined if none is, and for null-safe keys. */
  readonly nulls: Uint8Array | undefined
}

/** How many of the rows have a key: none of whose columns is null. */
export function keyCount({ nulls, rows }: EncodedKeys): number {
  return nulls === undefined ? rows : rows - countBits(nulls, 0, rows)
}

/** A key column: a leaf of the table's schema, outside lists and maps. */
export interface KeyField {
  readonly name: string
  readonly type: Type
  /** Field ids from the root to the column. */
  readonly idPath: readonly number[]
}

export interface KeyCodecOptions {
  /** A secret of `SEED_BYTES` random bytes. Keys of one index are encoded with one seed. */
  readonly seed: Uint8Array
  /** Null is a key value like any other, equal to itself (MG-2). Without it, rows with a null key match nothing. */
  readonly nullSafe?: boolean
}

/** Encodes keys of one choice of columns. Keys of different codecs must not meet in one index. */
export class KeyCodec {
  readonly layout: KeyLayout
  /** 32-bit words of a key: 2 or 4. */
  readonly words: 2 | 4
  readonly seed: Uint8Array
  readonly #fields: readonly KeyField[]
  readonly #nullSafe: boolean

  /** @throws BAD_ARGUMENT for no columns, and for a column whose type cannot be a key. */
  constructor(fields: readonly KeyField[], options: KeyCodecOptions) {
    if (fields.length === 0) {
      throw new FloeError('BAD_ARGUMENT', 'A key needs at least one column. Name the key columns')
    }
    for (const field of fields) checkKeyType(field)
    this.#fields = fields
    this.#nullSafe = options.nullSafe ?? false
    this.seed = options.seed
    this.layout =
      fields.length === 1 && !this.#nullSafe && fitsWords((fields[0] as KeyField).type)
        ? 'K8'
        : 'K16'
    this.words = this.layout === 'K8' ? 2 : 4
  }

  /** The keys of a batch whose columns carry field ids. Costs nothing for keys of 64 bits: no word is copied. */
  encode(batch: RecordBatch): EncodedKeys {
    const columns = this.#fields.map((field) => findColumn(batch, field.idPath))
    return this.encodeColumns(columns, batch.numRows)
  }

  /** The keys of the first rows of the key columns, given in the codec's order. */
  encodeColumns(columns: readonly FoundColumn[], rows: number): EncodedKeys {
    const words =
      this.layout === 'K8'
        ? exactWords((columns[0] as FoundColumn).data, rows)
        : this.#hash(columns, rows)
    return { codec: this, rows, words, nulls: this.#nullSafe ? undefined : nullRows(columns, rows) }
  }

  #hash(columns: readonly FoundColumn[], rows: number): Uint32Array {
    const hasher = new ColumnHasher(rows, this.seed)
    for (const { data, valid } of columns) {
      absorbColumn(hasher, data, rows, this.#nullSafe ? valid : undefined)
    }
    return new Uint32Array(hasher.finish().buffer)
  }
}

function checkKeyType(field: KeyField): void {
  switch (field.type.kind) {
    case 'boolean':
    case 'int':
    case 'long':
    case 'decimal':
    case 'date':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns':
    case 'string':
    case 'uuid':
    case 'fixed':
    case 'binary':
      return
    default: {
      const type = typeText(field.type)
      throw new FloeError(
        'BAD_ARGUMENT',
        `Column "${field.name}" cannot be part of a key: values of type ${type} have no equality to find rows by. ` +
          'Name columns of other types',
        { context: { column: field.name, type } },
      )
    }
  }
}

function fitsWords(type: Type): boolean {
  switch (type.kind) {
    case 'string':
    case 'uuid':
    case 'fixed':
    case 'binary':
      return false
    case 'decimal':
      return type.precision <= 18
    default:
      return true
  }
}

/** The values themselves, as two words each. */
function exactWords(data: Data, rows: number): Uint32Array {
  const values = data.values as unknown
  if (values instanceof Uint8Array) {
    const words = new Uint32Array(rows * 2)
    for (let i = 0; i < rows; i++) words[2 * i] = getBit(values, data.offset + i) ? 1 : 0
    return words
  }
  if (values instanceof Int32Array) return unsigned(int32Words(values, rows))
  const wide = unsigned(wordsOf(data))
  if ((data.type.typeId as number) !== ARROW_TYPE.Decimal) return wide
  // A decimal of so few digits is its lower half: the upper one repeats the sign.
  const words = new Uint32Array(rows * 2)
  for (let i = 0; i < rows; i++) {
    words[2 * i] = wide[4 * i] as number
    words[2 * i + 1] = wide[4 * i + 1] as number
  }
  return words
}

function unsigned(words: Int32Array): Uint32Array {
  return new Uint32Array(words.buffer, words.byteOffset, words.length)
}

function nullRows(columns: readonly FoundColumn[], rows: number): Uint8Array | undefined {
  let nulls: Uint8Array | undefined
  for (const { valid } of columns) {
    if (valid === undefined) continue
    nulls = markNulls(nulls, valid, rows)
  }
  return nulls
}

function markNulls(
  nulls: Uint8Array | undefined,
  valid: Mask,
  rows: number,
): Uint8Array | undefined {
  let marked = nulls
  for (let i = 0; i < rows; i++) {
    if (getBit(valid.bits, valid.offset + i)) continue
    marked ??= new Uint8Array(bitmapBytes(rows))
    setBit(marked, i)
  }
  return marked
}
