/**
 * Builder of decimals, exactly: nothing is rounded.
 *
 * A value is text ('12.30', also '1.23e1'), a whole number (a bigint is one too, never an unscaled value), or a
 * number whose shortest text has at most 15 significant digits: then text and number name each other without doubt.
 */
import type { Data, DataType } from 'apache-arrow'
import { parseDecimal } from '../spec/decimal.ts'
import type { DecimalType } from '../spec/types.ts'
import { ColumnBuilder, usedPart } from './column-builder.ts'
import { columnData } from './column-data.ts'
import { type ColumnPlace, refuseValue } from './refuse-value.ts'

/** Digits of which every decimal is told apart by a double. */
const EXACT_DIGITS = 15
const MAX_TEXT = 200
const ZERO = 48
const NINE = 57
const POINT = 46
const DASH = 45

export class DecimalBuilder extends ColumnBuilder {
  readonly slotBytes = 16
  readonly #type: DataType
  readonly #decimal: DecimalType
  /** Every unscaled value of the type lies strictly between −limit and limit. */
  readonly #limit: number
  #words: Int32Array = new Int32Array(0)
  #halves: BigInt64Array = new BigInt64Array(0)

  constructor(place: ColumnPlace, type: DataType, decimal: DecimalType, absent: unknown) {
    super(place, absent)
    this.#type = type
    this.#decimal = decimal
    this.#limit = 10 ** Math.min(decimal.precision, EXACT_DIGITS)
  }

  override append(value: unknown, row: number): void {
    if (typeof value === 'string') {
      const unscaled = this.scanShort(value)
      if (Number.isNaN(unscaled)) this.appendText(value, value, row)
      else this.storeNumber(unscaled)
    } else if (value === null || value === undefined) this.appendNothing(value, row)
    else if (typeof value === 'number') this.appendNumber(value, row)
    else if (typeof value === 'bigint') this.appendText(value.toString(), value, row)
    else throw refuseValue(this.place, row, value, { advice: "Give a string such as '12.34'" })
  }

  /** The unscaled value of plain text with up to 15 digits at the column's scale; NaN for the exact way. */
  private scanShort(text: string): number {
    const length = text.length
    if (length > EXACT_DIGITS + 2) return Number.NaN
    let at = text.charCodeAt(0) === DASH ? 1 : 0
    const negative = at === 1
    let unscaled = 0
    let digits = 0
    let decimals = -1
    for (; at < length; at++) {
      const c = text.charCodeAt(at)
      if (c >= ZERO && c <= NINE) {
        unscaled = unscaled * 10 + (c - ZERO)
        digits++
        if (decimals >= 0) decimals++
      } else if (c === POINT && decimals < 0) decimals = 0
      else return Number.NaN
    }
    const missing = this.#decimal.scale - Math.max(decimals, 0)
    if (digits === 0 || missing < 0 || digits + missing > EXACT_DIGITS) return Number.NaN
    unscaled *= POWERS_OF_TEN[missing] as number
    if (unscaled >= this.#limit) return Number.NaN
    return negative ? -unscaled : unscaled
  }

  private appendNumber(value: number, row: number): void {
    const text = String(value)
    if (!Number.isFinite(value)) {
      throw refuseValue(this.place, row, value, { advice: 'Give a finite number or null' })
    }
    if (
      Number.isInteger(value)
        ? !Number.isSafeInteger(value)
        : significantDigits(text) > EXACT_DIGITS
    ) {
      throw refuseValue(this.place, row, value, {
        detail: 'a number does not hold so many decimal digits exactly',
        advice: "Give a string such as '12.34'",
      })
    }
    this.appendText(text, value, row)
  }

  private appendText(text: string, value: unknown, row: number): void {
    const { precision, scale } = this.#decimal
    const parsed =
      text.length <= MAX_TEXT
        ? parseDecimal(text, precision, scale)
        : ({ problem: 'syntax' } as const)
    if ('unscaled' in parsed) {
      this.storeBigint(parsed.unscaled)
      return
    }
    switch (parsed.problem) {
      case 'syntax':
        throw refuseValue(this.place, row, value, { advice: "Give a string such as '12.34'" })
      case 'scale':
        throw refuseValue(this.place, row, value, {
          detail: `${parsed.decimals} decimals`,
          advice: 'Round it or widen the column with updateColumn',
        })
      case 'precision':
        throw refuseValue(this.place, row, value, {
          code: 'VALUE_OUT_OF_RANGE',
          detail: `${parsed.digits} digits at scale ${scale}`,
          advice: 'Widen the column with updateColumn',
        })
    }
  }

  private storeNumber(unscaled: number): void {
    if (this.length === this.capacity) this.grow()
    const at = this.length++ * 4
    const sign = unscaled < 0 ? -1 : 0
    this.#words[at] = unscaled
    this.#words[at + 1] = Math.floor(unscaled / 4_294_967_296)
    this.#words[at + 2] = sign
    this.#words[at + 3] = sign
  }

  private storeBigint(unscaled: bigint): void {
    if (this.length === this.capacity) this.grow()
    const at = this.length++ * 2
    this.#halves[at] = BigInt.asIntN(64, unscaled)
    this.#halves[at + 1] = unscaled >> 64n
  }

  protected override skipSlot(): void {}

  protected override resize(capacity: number): void {
    const halves = new BigInt64Array(capacity * 2)
    halves.set(this.#halves)
    this.#halves = halves
    this.#words = new Int32Array(halves.buffer)
  }

  protected override build(
    length: number,
    nullCount: number,
    validity: Uint8Array | undefined,
  ): Data {
    const halves = usedPart(this.#halves, length * 2)
    const values = new Uint32Array(halves.buffer, halves.byteOffset, length * 4)
    this.#halves = new BigInt64Array(0)
    this.#words = new Int32Array(0)
    return columnData(this.#type, { length, nullCount, validity, values })
  }
}

/** Digits of a number's text without leading and trailing zeros, sign, point and exponent. */
function significantDigits(text: string): number {
  const mantissa = (text.split('e')[0] as string).replace('-', '').replace('.', '')
  return mantissa.replace(/^0+/, '').replace(/0+$/, '').length
}

const POWERS_OF_TEN: readonly number[] = Array.from({ length: EXACT_DIGITS + 1 }, (_, n) => 10 ** n)
