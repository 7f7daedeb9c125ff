/** Columns whose incoming values are added to the stored ones: exact, and refused where a sum does not fit. */
import type { Data } from 'apache-arrow'
import { assert, FloeError } from '../../core/errors.ts'
import { bitmapBytes, getBit, setBit } from '../../iceberg/columns/bitmap.ts'
import { columnData } from '../../iceberg/columns/column-data.ts'
import { ownValidity } from '../../iceberg/columns/validity.ts'
import { typeText } from '../../iceberg/spec/type-text.ts'
import type { NestedField } from '../../iceberg/spec/types.ts'

/** @throws BAD_ARGUMENT for a column whose values cannot be added. */
export function checkAddable(field: NestedField): void {
  switch (field.type.kind) {
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'decimal':
      return
    default:
      throw new FloeError(
        'BAD_ARGUMENT',
        `increment names "${field.name}", whose type ${typeText(field.type)} has no sums. Name columns of numbers`,
        { context: { column: field.name } },
      )
  }
}

/** Values to add up for each row: null counts as nothing, and nothing but nulls gives null. */
export interface Sums {
  readonly field: NestedField
  /** Rows whose values are added, row of the result by row of the result. */
  readonly terms: readonly (readonly number[])[]
  /** Names the row of the input for errors. */
  readonly rowOf: (result: number) => number
  readonly table: string
}

/**
 * The sums as a column.
 * @param data the column that the terms are rows of.
 * @throws VALUE_OUT_OF_RANGE naming column and row.
 */
export function sumColumn(data: Data, sums: Sums): Data {
  switch (sums.field.type.kind) {
    case 'int':
      return integers(data, sums, 32)
    case 'long':
      return integers(data, sums, 64)
    case 'decimal':
      return decimals(data, sums, sums.field.type.precision)
    default:
      return floats(data, sums)
  }
}

function integers(data: Data, sums: Sums, bits: 32 | 64): Data {
  const source = data.values as Int32Array | BigInt64Array
  const limit = 1n << BigInt(bits - 1)
  const out = bits === 32 ? new Int32Array(sums.terms.length) : new BigInt64Array(sums.terms.length)
  return collect(data, sums, out, (row, terms) => {
    let sum = 0n
    for (const term of terms) sum += BigInt(source[term] as number | bigint)
    if (sum >= limit || sum < -limit) throw overflow(sums, row, sum)
    out[row] = bits === 32 ? Number(sum) : sum
  })
}

function decimals(data: Data, sums: Sums, precision: number): Data {
  // Two words of 64 bits, the lower one first.
  const bytes = data.values as Uint32Array
  const source = new BigUint64Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
  )
  const limit = 10n ** BigInt(precision)
  const words = new BigUint64Array(sums.terms.length * 2)
  const out = new Uint32Array(words.buffer)
  return collect(data, sums, out, (row, terms) => {
    let sum = 0n
    for (const term of terms) {
      const low = source[2 * term] as bigint
      const high = BigInt.asIntN(64, source[2 * term + 1] as bigint)
      sum += (high << 64n) | low
    }
    if (sum >= limit || sum <= -limit) throw overflow(sums, row, sum)
    words[2 * row] = BigInt.asUintN(64, sum)
    words[2 * row + 1] = BigInt.asUintN(64, sum >> 64n)
  })
}

function floats(data: Data, sums: Sums): Data {
  const source = data.values as Float32Array | Float64Array
  const out = new (source.constructor as Float64ArrayConstructor)(sums.terms.length)
  return collect(data, sums, out, (row, terms) => {
    let sum = 0
    for (const term of terms) sum += source[term] as number
    out[row] = sum
  })
}

function collect(
  data: Data,
  sums: Sums,
  values: ArrayBufferView,
  add: (row: number, terms: readonly number[]) => void,
): Data {
  const { length } = sums.terms
  const own = ownValidity(data)
  const validity = new Uint8Array(bitmapBytes(length))
  let valid = 0
  for (const [row, all] of sums.terms.entries()) {
    const terms = own === undefined ? all : all.filter((t) => getBit(own.bits, own.offset + t))
    if (terms.length === 0) continue
    add(row, terms)
    setBit(validity, row)
    valid++
  }
  assert(data.offset === 0 || own !== undefined || data.nullCount === 0, 'a column has its nulls')
  return columnData(data.type, { length, nullCount: length - valid, validity, values })
}

function overflow({ field, rowOf, table }: Sums, row: number, sum: bigint): FloeError {
  const at = rowOf(row)
  return new FloeError(
    'VALUE_OUT_OF_RANGE',
    `Cannot upsert into ${table}: the sum for column "${field.name}" with row ${at} is ${sum}, which ${typeText(field.type)} cannot hold. Widen the column`,
    { context: { table, column: field.name, row: at } },
  )
}
