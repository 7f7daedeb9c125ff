/** Which slots of a column hold a value: its own nulls, and those of what lies above it. */
import type { Data } from 'apache-arrow'
import { bitmapBytes, clearBit, copyBits, getBit } from './bitmap.ts'

/** A range of bits: bit i of the range is bit `offset + i` of `bits`. */
export interface Mask {
  readonly bits: Uint8Array
  readonly offset: number
}

/** The column's own validity from slot `start` on; undefined if it has no nulls. */
export function ownValidity(data: Data, start = 0): Mask | undefined {
  const bits: Uint8Array | null | undefined = data.nullBitmap
  if (bits == null || bits.length === 0 || data.nullCount === 0) return undefined
  return { bits, offset: data.offset + start }
}

/** The slots that are valid in both; undefined masks are valid everywhere. */
export function bothValid(
  a: Mask | undefined,
  b: Mask | undefined,
  length: number,
): Mask | undefined {
  if (a === undefined) return b
  if (b === undefined) return a
  const bits = copyMask(a, length)
  const other = copyMask(b, length)
  for (let i = 0; i < bits.length; i++) bits[i] = (bits[i] as number) & (other[i] as number)
  return { bits, offset: 0 }
}

/** The bits of a mask, from bit 0 of a new bitmap on; padding bits are zero. */
export function copyMask(mask: Mask, length: number): Uint8Array {
  const bits = new Uint8Array(bitmapBytes(length))
  copyBits(mask.bits, mask.offset, bits, 0, length)
  return bits
}

/**
 * The elements that belong to valid lists, of the elements from `offsets[0]` on; undefined if all do. Arrow lets a
 * null list cover elements, which then are no values.
 * @param offsets one more than there are lists.
 */
export function liveElements(offsets: Int32Array, lists: Mask | undefined): Mask | undefined {
  if (lists === undefined) return undefined
  const length = offsets.length - 1
  const first = offsets[0] as number
  let bits: Uint8Array | undefined
  for (let i = 0; i < length; i++) {
    if (getBit(lists.bits, lists.offset + i)) continue
    const from = (offsets[i] as number) - first
    const to = (offsets[i + 1] as number) - first
    if (from === to) continue
    bits ??= new Uint8Array(bitmapBytes((offsets[length] as number) - first)).fill(255)
    for (let bit = from; bit < to; bit++) clearBit(bits, bit)
  }
  return bits === undefined ? undefined : { bits, offset: 0 }
}
