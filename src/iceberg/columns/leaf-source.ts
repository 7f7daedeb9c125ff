/** A leaf column of a caller, as the converters of values see it. */
import type { Data } from 'apache-arrow'
import { getBit } from './bitmap.ts'
import {
  type ConvertContext,
  damaged,
  refuseType,
  type Slots,
  type Target,
} from './convert-context.ts'
import { type ColumnPlace, refuseValue } from './refuse-value.ts'

interface Sliceable<T> {
  readonly length: number
  subarray(from: number, to: number): T
}

export class LeafSource {
  readonly data: Data
  readonly length: number
  readonly place: ColumnPlace
  readonly context: ConvertContext
  readonly #slots: Slots

  constructor(data: Data, target: Target, slots: Slots, context: ConvertContext) {
    this.data = data
    this.length = slots.length
    this.place = target.place
    this.context = context
    this.#slots = slots
  }

  /** True if the slot has a value. Other slots may hold anything. */
  has(slot: number): boolean {
    const { valid } = this.#slots
    return valid === undefined || getBit(valid.bits, valid.offset + slot)
  }

  rowOf(slot: number): number {
    return this.#slots.rowOf(slot)
  }

  /** The values, so many for a slot, checked to be enough. @throws BAD_ARGUMENT */
  values<T extends Sliceable<T>>(perSlot = 1): T {
    return this.exactly(this.length * perSlot)
  }

  /** The first so many elements of the values. @throws BAD_ARGUMENT if there are fewer. */
  exactly<T extends Sliceable<T>>(count: number): T {
    const values = this.data.values as unknown as T | undefined
    if (values === undefined || values.length < count) {
      throw damaged(this.context.table, `column "${this.place.path}" has fewer values than rows`)
    }
    return values.length === count ? values : values.subarray(0, count)
  }

  /** Values of 64 bits; older versions of apache-arrow keep some of them as pairs of words. */
  values64(): BigInt64Array {
    const isWords = (this.data.values as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT === 4
    if (!isWords) {
      const values = this.values<BigInt64Array>()
      // Unsigned values keep their bits: who accepts them checks the sign.
      return values instanceof BigInt64Array
        ? values
        : new BigInt64Array(
            (values as BigInt64Array).buffer,
            (values as BigInt64Array).byteOffset,
            this.length,
          )
    }
    const values = this.values<Int32Array>(2)
    const aligned = values.byteOffset % 8 === 0 ? values : values.slice()
    return new BigInt64Array(aligned.buffer as ArrayBuffer, aligned.byteOffset, this.length)
  }

  /** The error for one value. */
  refuse(slot: number, value: unknown, detail: string, advice: string): Error {
    return refuseValue(this.place, this.rowOf(slot), value, {
      code: 'VALUE_OUT_OF_RANGE',
      detail,
      advice,
    })
  }

  /** The error for a type that does not fit. */
  mismatch(accepted: string): Error {
    return refuseType(this.place, this.data.type, accepted)
  }
}
