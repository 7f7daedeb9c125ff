/** Bounds of columns: truncation that keeps them bounds, and what floats may be. Items 98, 99 of iceberg-writer.md. */
import type { PrimitiveType } from './types.ts'
import { toWellFormed } from './unicode.ts'
import type { PrimitiveValue } from './value.ts'

/** A lower bound of at most `length` code points or bytes: a prefix is never greater than the value. */
export function truncateLower(
  type: PrimitiveType,
  value: PrimitiveValue,
  length: number,
): PrimitiveValue {
  if (type.kind === 'string') return codePointPrefix(toWellFormed(value as string), length)
  if (type.kind === 'binary' && (value as Uint8Array).length > length) {
    return (value as Uint8Array).slice(0, length)
  }
  return value
}

/**
 * An upper bound of at most `length` code points or bytes, or undefined if there is none: the last unit that can
 * be incremented is, and what follows it is dropped. Code points skip the surrogates (D7FF → E000). A lone
 * surrogate counts as the U+FFFD that is stored for it.
 */
export function truncateUpper(
  type: PrimitiveType,
  value: PrimitiveValue,
  length: number,
): PrimitiveValue | undefined {
  if (type.kind === 'string') return stringUpper(toWellFormed(value as string), length)
  if (type.kind === 'binary') return bytesUpper(value as Uint8Array, length)
  return value
}

/** −0.0 for a zero as lower bound and +0.0 as upper bound: readers may treat the two as different. */
export function normalizeFloatBound(value: number, upper: boolean): number {
  return value === 0 ? (upper ? 0 : -0) : value
}

function codePointPrefix(text: string, length: number): string {
  if (text.length <= length) return text
  let end = 0
  for (let n = 0; n < length && end < text.length; n++) {
    end += (text.codePointAt(end) as number) > 0xffff ? 2 : 1
  }
  return text.slice(0, end)
}

function stringUpper(text: string, length: number): string | undefined {
  const prefix = codePointPrefix(text, length)
  if (prefix.length === text.length) return text
  const points = Array.from(prefix, (c) => c.codePointAt(0) as number)
  for (let i = points.length - 1; i >= 0; i--) {
    const point = points[i] as number
    if (point === 0x10ffff) continue
    points[i] = point === 0xd7ff ? 0xe000 : point + 1
    return String.fromCodePoint(...points.slice(0, i + 1))
  }
  return undefined
}

function bytesUpper(bytes: Uint8Array, length: number): Uint8Array | undefined {
  if (bytes.length <= length) return bytes
  for (let i = length - 1; i >= 0; i--) {
    const byte = bytes[i] as number
    if (byte === 0xff) continue
    const upper = bytes.slice(0, i + 1)
    upper[i] = byte + 1
    return upper
  }
  return undefined
}
