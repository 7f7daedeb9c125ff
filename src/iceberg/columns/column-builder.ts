/**
 * The base of all column builders: values are appended one at a time into raw Arrow buffers and checked on the
 * way, so that a column never holds what its type does not.
 *
 * A builder that has thrown holds half a row: throw it away.
 */
import type { Data } from 'apache-arrow'
import { bitmapBytes, clearBit } from './bitmap.ts'
import { type ColumnPlace, refuseNull } from './refuse-value.ts'

/** Bytes of variable length in the batch under construction, over all its columns. */
export interface BatchSize {
  bytes: number
}

/** What every builder of a batch shares. */
export interface BuilderContext {
  readonly size: BatchSize
  /** Largest string or binary value, in bytes. */
  readonly maxValueBytes: number
}

export abstract class ColumnBuilder {
  readonly place: ColumnPlace
  /** Bytes that one slot of this column takes for certain: what is fixed about it. */
  abstract readonly slotBytes: number
  protected length = 0
  protected capacity = 0
  protected nullCount = 0
  #validity: Uint8Array | undefined
  #nextCapacity = 64
  /** What a missing field gets, in the form that rows have; undefined if there is no default. */
  readonly #absent: unknown

  constructor(place: ColumnPlace, absent: unknown) {
    this.place = place
    this.#absent = absent
  }

  /**
   * Appends a value; undefined means that the row does not have the field.
   * @param row index in the caller's input, for errors.
   * @throws TYPE_MISMATCH, VALUE_OUT_OF_RANGE, NULL_IN_REQUIRED, UNKNOWN_COLUMN, LIMIT_EXCEEDED
   */
  abstract append(value: unknown, row: number): void

  /** Null and missing values, which are the same for all types (item 69). */
  protected appendNothing(value: null | undefined, row: number): void {
    if (value === undefined && this.#absent !== undefined) {
      this.append(this.#absent, row)
      return
    }
    if (this.place.required) throw refuseNull(this.place, row, value === undefined)
    this.appendHole()
  }

  /** Appends null; a required column gets an empty value, which stands below a null parent and is never read. */
  appendHole(): void {
    if (this.length === this.capacity) this.grow()
    this.skipSlot()
    if (!this.place.required) this.markNull(this.length)
    this.length++
  }

  /** The column so far; the builder starts anew. The buffers belong to the result. */
  finish(): Data {
    const validity = this.nullCount === 0 ? undefined : this.takeValidity()
    const data = this.build(this.length, this.nullCount, validity)
    this.#nextCapacity = Math.max(64, this.capacity)
    this.#validity = undefined
    this.length = 0
    this.capacity = 0
    this.nullCount = 0
    return data
  }

  /** Makes room for one more slot at least. */
  protected grow(): void {
    const capacity = this.capacity === 0 ? this.#nextCapacity : this.capacity * 2
    this.resize(capacity)
    this.capacity = capacity
    if (this.#validity !== undefined) {
      const larger = new Uint8Array(bitmapBytes(capacity)).fill(255)
      larger.set(this.#validity)
      this.#validity = larger
    }
  }

  /** Leaves the slot at `length` empty (buffers are zero where nothing was written). */
  protected abstract skipSlot(): void
  /** Reallocates the buffers for so many slots, keeping what is in them. */
  protected abstract resize(capacity: number): void
  /** The column over the buffers. Called once for a set of buffers, which may be none if `length` is 0. */
  protected abstract build(
    length: number,
    nullCount: number,
    validity: Uint8Array | undefined,
  ): Data

  private markNull(index: number): void {
    this.#validity ??= new Uint8Array(bitmapBytes(this.capacity)).fill(255)
    clearBit(this.#validity, index)
    this.nullCount++
  }

  /** The bitmap of what was appended, padding bits zero. */
  private takeValidity(): Uint8Array | undefined {
    const validity = this.#validity?.subarray(0, bitmapBytes(this.length))
    if (validity !== undefined) {
      for (let bit = this.length; bit < validity.length * 8; bit++) clearBit(validity, bit)
    }
    return validity
  }
}

/**
 * The first `length` elements of a buffer: a view, or a copy where a view would keep more than as much again in memory.
 */
export function usedPart<T extends Sliceable<T>>(buffer: T, length: number): T {
  if (buffer.length === length) return buffer
  return length * 2 >= buffer.length ? buffer.subarray(0, length) : buffer.slice(0, length)
}

interface Sliceable<T> {
  readonly length: number
  subarray(from: number, to: number): T
  slice(from: number, to: number): T
}
