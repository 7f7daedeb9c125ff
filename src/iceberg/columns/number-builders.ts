/** Builders of booleans, integers and floats. */
import type { Data, DataType } from 'apache-arrow'
import { bitmapBytes, setBit } from './bitmap.ts'
import { ColumnBuilder, usedPart } from './column-builder.ts'
import { columnData } from './column-data.ts'
import { type ColumnPlace, refuseValue } from './refuse-value.ts'

const UINT32_RANGE = 4_294_967_296

export class BooleanBuilder extends ColumnBuilder {
  readonly slotBytes = 1
  readonly #type: DataType
  #bits: Uint8Array = new Uint8Array(0)

  constructor(place: ColumnPlace, type: DataType, absent: unknown) {
    super(place, absent)
    this.#type = type
  }

  override append(value: unknown, row: number): void {
    if (typeof value !== 'boolean') {
      if (value === null || value === undefined) {
        this.appendNothing(value, row)
        return
      }
      throw refuseValue(this.place, row, value, { advice: 'Give true or false' })
    }
    if (this.length === this.capacity) this.grow()
    if (value) setBit(this.#bits, this.length)
    this.length++
  }

  protected override skipSlot(): void {}

  protected override resize(capacity: number): void {
    this.#bits = larger(this.#bits, new Uint8Array(bitmapBytes(capacity)))
  }

  protected override build(
    length: number,
    nullCount: number,
    validity: Uint8Array | undefined,
  ): Data {
    const values = usedPart(this.#bits, bitmapBytes(length))
    this.#bits = new Uint8Array(0)
    return columnData(this.#type, { length, nullCount, validity, values })
  }
}

/** int, and date as days. */
export class Int32Builder extends ColumnBuilder {
  readonly slotBytes = 4
  readonly #type: DataType
  #values: Int32Array = new Int32Array(0)

  constructor(place: ColumnPlace, type: DataType, absent: unknown) {
    super(place, absent)
    this.#type = type
  }

  override append(value: unknown, row: number): void {
    if (typeof value !== 'number' || (value | 0) !== value) {
      if (value === null || value === undefined) this.appendNothing(value, row)
      else this.store(this.convert(value, row))
      return
    }
    this.store(value)
  }

  /** What is not an int32 number, as one. */
  protected convert(value: unknown, row: number): number {
    if (typeof value === 'bigint' && BigInt.asIntN(32, value) === value) return Number(value)
    if (typeof value === 'bigint' || Number.isInteger(value)) {
      throw refuseValue(this.place, row, value, {
        code: 'VALUE_OUT_OF_RANGE',
        detail: 'an int holds -2147483648 to 2147483647',
        advice: 'Widen the column to long with updateColumn',
      })
    }
    throw refuseValue(this.place, row, value, { advice: 'Give an integer number' })
  }

  protected override skipSlot(): void {}

  protected override resize(capacity: number): void {
    this.#values = larger(this.#values, new Int32Array(capacity))
  }

  protected override build(
    length: number,
    nullCount: number,
    validity: Uint8Array | undefined,
  ): Data {
    const values = usedPart(this.#values, length)
    this.#values = new Int32Array(0)
    return columnData(this.#type, { length, nullCount, validity, values })
  }

  private store(value: number): void {
    if (this.length === this.capacity) this.grow()
    this.#values[this.length++] = value
  }
}

/** All columns of 64-bit integers: long, time, timestamps. Values are written as bigints or as two words. */
export abstract class Int64Builder extends ColumnBuilder {
  readonly slotBytes = 8
  readonly #type: DataType
  #words: Int32Array = new Int32Array(0)
  #values: BigInt64Array = new BigInt64Array(0)

  constructor(place: ColumnPlace, type: DataType, absent: unknown) {
    super(place, absent)
    this.#type = type
  }

  /** Appends a bigint that fits 64 bits. */
  protected storeBigint(value: bigint): void {
    if (this.length === this.capacity) this.grow()
    this.#values[this.length++] = value
  }

  /** Appends a safe integer without making a bigint. */
  protected storeNumber(value: number): void {
    if (this.length === this.capacity) this.grow()
    const at = this.length++ * 2
    // The store takes the value modulo 2^32, which is the low word of its two's complement.
    this.#words[at] = value
    this.#words[at + 1] = Math.floor(value / UINT32_RANGE)
  }

  /**
   * Appends value · factor + addend, exactly; false, appending nothing, if that does not fit 64 bits.
   * @param value a safe integer; @param factor at most 10^9; @param addend from 0 to below factor.
   */
  protected storeScaled(value: number, factor: number, addend: number): boolean {
    const product = value * factor
    if (product < 9e15 && product > -9e15) {
      this.storeNumber(product + addend)
      return true
    }
    // 32 bits · 10^9 < 2^62 is no exact double: multiply 16 bits at a time.
    const high = Math.floor(value / UINT32_RANGE)
    const low = value - high * UINT32_RANGE
    const part0 = (low & 0xffff) * factor + addend
    const part1 = (low >>> 16) * factor + Math.floor(part0 / 0x10000)
    const carry = Math.floor(part1 / 0x10000)
    const top = high * factor + carry
    if (top < -0x80000000 || top > 0x7fffffff) return false
    if (this.length === this.capacity) this.grow()
    const at = this.length++ * 2
    this.#words[at] = (part0 & 0xffff) | ((part1 & 0xffff) << 16)
    this.#words[at + 1] = top
    return true
  }

  protected override skipSlot(): void {}

  protected override resize(capacity: number): void {
    this.#values = larger(this.#values, new BigInt64Array(capacity))
    this.#words = new Int32Array(this.#values.buffer)
  }

  protected override build(
    length: number,
    nullCount: number,
    validity: Uint8Array | undefined,
  ): Data {
    const values = usedPart(this.#values, length)
    this.#values = new BigInt64Array(0)
    this.#words = new Int32Array(0)
    return columnData(this.#type, { length, nullCount, validity, values })
  }
}

export class LongBuilder extends Int64Builder {
  override append(value: unknown, row: number): void {
    if (typeof value === 'number' && Number.isSafeInteger(value)) this.storeNumber(value)
    else if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) {
      this.storeBigint(value)
    } else if (value === null || value === undefined) this.appendNothing(value, row)
    else throw this.refuse(value, row)
  }

  private refuse(value: unknown, row: number): Error {
    if (typeof value === 'bigint') {
      return refuseValue(this.place, row, value, {
        code: 'VALUE_OUT_OF_RANGE',
        detail: 'a long holds -2^63 to 2^63-1',
        advice: 'Use a decimal(38,0) column',
      })
    }
    if (Number.isInteger(value)) {
      return refuseValue(this.place, row, value, {
        code: 'VALUE_OUT_OF_RANGE',
        detail: 'beyond 2^53 a number is not exact',
        advice: 'Give a bigint',
      })
    }
    return refuseValue(this.place, row, value, { advice: 'Give a bigint or an integer number' })
  }
}

/** float and double. NaN, the infinities and −0.0 are values like others. */
export class FloatBuilder extends ColumnBuilder {
  readonly slotBytes: number
  readonly #type: DataType
  readonly #single: boolean
  #values: Float32Array | Float64Array = new Float64Array(0)

  constructor(place: ColumnPlace, type: DataType, absent: unknown) {
    super(place, absent)
    this.#type = type
    this.#single = place.type.kind === 'float'
    this.slotBytes = this.#single ? 4 : 8
  }

  override append(value: unknown, row: number): void {
    if (typeof value === 'number') {
      if (this.#single && Number.isFinite(value) && !Number.isFinite(Math.fround(value))) {
        throw refuseValue(this.place, row, value, {
          code: 'VALUE_OUT_OF_RANGE',
          detail: 'beyond the largest float',
          advice: 'Widen the column to double with updateColumn',
        })
      }
      this.store(value)
    } else if (value === null || value === undefined) this.appendNothing(value, row)
    else throw refuseValue(this.place, row, value, { advice: 'Give a number' })
  }

  protected override skipSlot(): void {}

  protected override resize(capacity: number): void {
    this.#values = this.#single
      ? larger(this.#values as Float32Array, new Float32Array(capacity))
      : larger(this.#values as Float64Array, new Float64Array(capacity))
  }

  protected override build(
    length: number,
    nullCount: number,
    validity: Uint8Array | undefined,
  ): Data {
    const values = usedPart<Float64Array>(this.#values as Float64Array, length)
    this.#values = this.#single ? new Float32Array(0) : new Float64Array(0)
    return columnData(this.#type, { length, nullCount, validity, values })
  }

  private store(value: number): void {
    if (this.length === this.capacity) this.grow()
    this.#values[this.length++] = value
  }
}

/** `target` with the contents of `source` at its beginning. */
function larger<T extends { set(source: T): void }>(source: T, target: T): T {
  target.set(source)
  return target
}
