/**
 * Order and equality of values, as Iceberg orders each type: strings by UTF-8 bytes (code points, not UTF-16
 * units), uuids and binaries unsigned, floats with −0.0 below +0.0 and NaN above everything.
 */

import type { PrimitiveType } from './types.ts'
import type { PrimitiveValue, Value } from './value.ts'
import { bytesToHex } from './value-binary.ts'

export type Comparator = (a: PrimitiveValue, b: PrimitiveValue) => number

/** The comparator of a type: negative, zero or positive. */
export function comparatorOf(type: PrimitiveType): Comparator {
  switch (type.kind) {
    case 'float':
    case 'double':
      return compareFloats as Comparator
    case 'string':
      return compareStrings as Comparator
    case 'fixed':
    case 'binary':
    case 'geometry':
    case 'geography':
      return compareBytes as Comparator
    default:
      return comparePlain
  }
}

/** Booleans, numbers and bigints; a uuid's canonical text orders as its bytes do. */
function comparePlain(a: PrimitiveValue, b: PrimitiveValue): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Order of code points, which is the order of UTF-8 bytes. */
export function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    // Surrogates (D800–DFFF) stand for code points above FFFF: they order after every other unit.
    const xs = x >= 0xd800 && x <= 0xdfff
    const ys = y >= 0xd800 && y <= 0xdfff
    return xs === ys ? x - y : xs ? 1 : -1
  }
  return a.length - b.length
}

/** Unsigned lexicographic order. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const d = (a[i] as number) - (b[i] as number)
    if (d !== 0) return d
  }
  return a.length - b.length
}

/** Total order of floats: −∞ … −0.0 < +0.0 … +∞ < NaN; all NaNs are equal. */
export function compareFloats(a: number, b: number): number {
  if (a < b) return -1
  if (a > b) return 1
  if (a === b) {
    if (a !== 0) return 0
    return (Object.is(a, -0) ? 0 : 1) - (Object.is(b, -0) ? 0 : 1)
  }
  return (Number.isNaN(a) ? 1 : 0) - (Number.isNaN(b) ? 1 : 0)
}

/**
 * A text that is equal exactly for equal partition tuples: floats by bits with one canonical NaN, so that −0.0
 * and +0.0 are different partitions (iceberg-writer.md item 61). For use as a map key.
 */
export function partitionKey(values: readonly Value[]): string {
  let key = ''
  for (const value of values) {
    const text = valueKey(value)
    key += `${text.length}:${text},`
  }
  return key
}

function valueKey(value: Value): string {
  if (value === null) return 'n'
  switch (typeof value) {
    case 'boolean':
      return value ? 't' : 'f'
    case 'number':
      return Object.is(value, -0) ? 'd-0' : `d${value}`
    case 'bigint':
      return `i${value}`
    case 'string':
      return `s${value}`
  }
  if (value instanceof Uint8Array) return `b${bytesToHex(value)}`
  throw new TypeError('A partition tuple holds primitive values only')
}
