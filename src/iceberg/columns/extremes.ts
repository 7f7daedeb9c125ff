/**
 * The smallest and largest value of a column, in one pass over its buffers. 64-bit integers are compared as two
 * words, strings and decimals where they lie; a bigint or a copy is made of the winners alone.
 */

import { getBit } from './bitmap.ts'
import type { Mask } from './validity.ts'

/**
 * An extreme value: a number for booleans (0, 1), int, date, float, double; a bigint for other integers and for
 * decimals (unscaled); bytes for strings, uuids and binaries, cut one code point or byte behind what the mode keeps.
 */
export type Extreme = number | bigint | Uint8Array

/** Undefined extremes: only NaNs. */
export interface Extremes {
  readonly lower: Extreme | undefined
  readonly upper: Extreme | undefined
  readonly nans?: number
}

/** Index of the first valid slot at or after `from`, or `length`. */
function firstValid(valid: Mask | undefined, length: number): number {
  if (valid === undefined) return 0
  let i = 0
  while (i < length && !getBit(valid.bits, valid.offset + i)) i++
  return i
}

export function bitExtremes(
  values: Mask,
  length: number,
  valid: Mask | undefined,
): Extremes | undefined {
  let zeros = false
  let ones = false
  for (let i = 0; i < length && !(zeros && ones); i++) {
    if (valid !== undefined && !getBit(valid.bits, valid.offset + i)) continue
    if (getBit(values.bits, values.offset + i)) ones = true
    else zeros = true
  }
  if (!zeros && !ones) return undefined
  return { lower: zeros ? 0 : 1, upper: ones ? 1 : 0 }
}

export function int32Extremes(values: Int32Array, valid: Mask | undefined): Extremes | undefined {
  const { length } = values
  const first = firstValid(valid, length)
  if (first === length) return undefined
  let lower = values[first] as number
  let upper = lower
  if (valid === undefined) {
    for (let i = 0; i < length; i++) {
      const v = values[i] as number
      if (v < lower) lower = v
      if (v > upper) upper = v
    }
  } else {
    const { bits, offset } = valid
    for (let i = first; i < length; i++) {
      const bit = offset + i
      if (((bits[bit >>> 3] as number) & (1 << (bit & 7))) === 0) continue
      const v = values[i] as number
      if (v < lower) lower = v
      if (v > upper) upper = v
    }
  }
  return { lower, upper }
}

export function int64Extremes(
  values: BigInt64Array,
  valid: Mask | undefined,
): Extremes | undefined {
  const { length } = values
  const first = firstValid(valid, length)
  if (first === length) return undefined
  const words = new Int32Array(values.buffer, values.byteOffset, length * 2)
  let lowerAt = first
  let upperAt = first
  let lowerHigh = words[first * 2 + 1] as number
  let lowerLow = (words[first * 2] as number) >>> 0
  let upperHigh = lowerHigh
  let upperLow = lowerLow
  for (let i = first + 1; i < length; i++) {
    if (valid !== undefined) {
      const bit = valid.offset + i
      if (((valid.bits[bit >>> 3] as number) & (1 << (bit & 7))) === 0) continue
    }
    const high = words[i * 2 + 1] as number
    const low = (words[i * 2] as number) >>> 0
    if (high < lowerHigh || (high === lowerHigh && low < lowerLow)) {
      lowerHigh = high
      lowerLow = low
      lowerAt = i
    }
    if (high > upperHigh || (high === upperHigh && low > upperLow)) {
      upperHigh = high
      upperLow = low
      upperAt = i
    }
  }
  return { lower: values[lowerAt] as bigint, upper: values[upperAt] as bigint }
}

/** NaNs are counted and have no part in the extremes; −0.0 and 0.0 are alike here. */
export function floatExtremes(
  values: Float32Array | Float64Array,
  valid: Mask | undefined,
): Extremes {
  const { length } = values
  let lower = Number.POSITIVE_INFINITY
  let upper = Number.NEGATIVE_INFINITY
  let nans = 0
  let ordered = 0
  for (let i = 0; i < length; i++) {
    if (valid !== undefined) {
      const bit = valid.offset + i
      if (((valid.bits[bit >>> 3] as number) & (1 << (bit & 7))) === 0) continue
    }
    const v = values[i] as number
    if (Number.isNaN(v)) {
      nans++
      continue
    }
    ordered++
    if (v < lower) lower = v
    if (v > upper) upper = v
  }
  if (ordered === 0) return { lower: undefined, upper: undefined, nans }
  return { lower, upper, nans }
}

/** 128-bit integers as four words each, lowest first. */
export function decimalExtremes(words: Uint32Array, valid: Mask | undefined): Extremes | undefined {
  const length = words.length / 4
  const first = firstValid(valid, length)
  if (first === length) return undefined
  let lowerAt = first
  let upperAt = first
  for (let i = first + 1; i < length; i++) {
    if (valid !== undefined && !getBit(valid.bits, valid.offset + i)) continue
    if (compareDecimals(words, i, lowerAt) < 0) lowerAt = i
    else if (compareDecimals(words, i, upperAt) > 0) upperAt = i
  }
  return { lower: decimalAt(words, lowerAt), upper: decimalAt(words, upperAt) }
}

function compareDecimals(words: Uint32Array, a: number, b: number): number {
  const top = ((words[a * 4 + 3] as number) | 0) - ((words[b * 4 + 3] as number) | 0)
  if (top !== 0) return top
  for (let word = 2; word >= 0; word--) {
    const difference = (words[a * 4 + word] as number) - (words[b * 4 + word] as number)
    if (difference !== 0) return difference
  }
  return 0
}

function decimalAt(words: Uint32Array, index: number): bigint {
  let value = BigInt((words[index * 4 + 3] as number) | 0)
  for (let word = 2; word >= 0; word--) {
    value = (value << 32n) | BigInt(words[index * 4 + word] as number)
  }
  return value
}

/** Byte strings of variable length; `keep` code points (`utf8`) or bytes of the extremes are kept. */
export function bytesExtremes(
  bytes: Uint8Array,
  offsets: Int32Array,
  valid: Mask | undefined,
  options: { keep: number; utf8: boolean },
): Extremes | undefined {
  const length = offsets.length - 1
  const first = firstValid(valid, length)
  if (first >= length) return undefined
  // Values that differ only in what is cut off are alike. A code point has up to four bytes.
  const most = Math.min(options.utf8 ? options.keep * 4 : options.keep, MAX_LENGTH)
  let lowerStart = offsets[first] as number
  let lowerEnd = Math.min(offsets[first + 1] as number, lowerStart + most)
  let upperStart = lowerStart
  let upperEnd = lowerEnd
  // The first bytes as one number decide nearly every comparison.
  let lowerHead = headOf(bytes, lowerStart, lowerEnd)
  let upperHead = lowerHead
  // So many bytes begin both extremes, and so all values: where they are many, a value is compared with them once.
  let shared = lowerEnd - lowerStart
  for (let i = first + 1; i < length; i++) {
    if (valid !== undefined) {
      const bit = valid.offset + i
      if (((valid.bits[bit >>> 3] as number) & (1 << (bit & 7))) === 0) continue
    }
    const start = offsets[i] as number
    const end = Math.min(offsets[i + 1] as number, start + most)
    const head = headOf(bytes, start, end)
    if (head > lowerHead && head < upperHead) continue
    const common = Math.min(shared, end - start)
    let at = 0
    while (at < common && bytes[start + at] === bytes[lowerStart + at]) at++
    let order: number
    if (at < shared) {
      const isAbove =
        at < common && (bytes[start + at] as number) > (bytes[lowerStart + at] as number)
      order = isAbove ? 1 : -1
      shared = at
    } else if (compare(bytes, start + at, end, upperStart + at, upperEnd) > 0) order = 1
    else if (compare(bytes, start + at, end, lowerStart + at, lowerEnd) < 0) order = -1
    else continue
    if (order > 0) {
      upperStart = start
      upperEnd = end
      upperHead = head
    } else {
      lowerStart = start
      lowerEnd = end
      lowerHead = head
    }
  }
  return {
    lower: bytes.slice(lowerStart, cut(bytes, lowerStart, lowerEnd, options)),
    upper: bytes.slice(upperStart, cut(bytes, upperStart, upperEnd, options)),
  }
}

/** Offsets of 32 bits have no longer values. */
const MAX_LENGTH = 2 ** 31 - 1

/** Byte strings of one length. */
export function fixedExtremes(
  bytes: Uint8Array,
  width: number,
  valid: Mask | undefined,
): Extremes | undefined {
  const length = bytes.length / width
  const first = firstValid(valid, length)
  if (first === length) return undefined
  let lower = first * width
  let upper = lower
  for (let i = first + 1; i < length; i++) {
    if (valid !== undefined && !getBit(valid.bits, valid.offset + i)) continue
    const at = i * width
    if (compare(bytes, at, at + width, upper, upper + width) > 0) upper = at
    else if (compare(bytes, at, at + width, lower, lower + width) < 0) lower = at
  }
  return { lower: bytes.slice(lower, lower + width), upper: bytes.slice(upper, upper + width) }
}

/** The first four bytes as a big-endian number; shorter values are filled with zeros. */
function headOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length >= 4) {
    return (
      (((bytes[start] as number) << 24) |
        ((bytes[start + 1] as number) << 16) |
        ((bytes[start + 2] as number) << 8) |
        (bytes[start + 3] as number)) >>>
      0
    )
  }
  let head = 0
  for (let i = 0; i < 4; i++) head = (head << 8) | (i < length ? (bytes[start + i] as number) : 0)
  return head >>> 0
}

function compare(
  bytes: Uint8Array,
  aStart: number,
  aEnd: number,
  bStart: number,
  bEnd: number,
): number {
  const length = Math.min(aEnd - aStart, bEnd - bStart)
  for (let i = 0; i < length; i++) {
    const difference = (bytes[aStart + i] as number) - (bytes[bStart + i] as number)
    if (difference !== 0) return difference
  }
  return aEnd - aStart - (bEnd - bStart)
}

/** Where to cut a value so that `keep` code points or bytes remain. */
function cut(
  bytes: Uint8Array,
  start: number,
  end: number,
  options: { keep: number; utf8: boolean },
): number {
  if (end - start <= options.keep) return end
  if (!options.utf8) return start + options.keep
  let points = 0
  for (let i = start; i < end; i++) {
    const isStart = ((bytes[i] as number) & 0xc0) !== 0x80
    if (isStart && points++ === options.keep) return i
  }
  return end
}
