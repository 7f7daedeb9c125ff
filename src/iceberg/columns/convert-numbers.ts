/** Integers and floats of a caller → int, long, float, double. By value where the type alone does not decide. */
import { ARROW_TYPE } from './arrow-type-id.ts'
import type { LeafSource } from './leaf-source.ts'

type SmallInts = Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array
interface IntType {
  readonly bitWidth: number
  readonly isSigned: boolean
}
/** Arrow's numbers for the precision of floats. */
const HALF = 0
const SINGLE = 1

/** int, from integers of any width whose values fit. */
export function intValues(leaf: LeafSource): Int32Array {
  const { bitWidth, isSigned } = intType(leaf, 'an Int32 column')
  if (bitWidth === 64) return narrow(leaf, isSigned)
  const values = leaf.values<
    SmallInts & { subarray(from: number, to: number): never }
  >() as SmallInts
  if (values instanceof Int32Array) return values
  if (bitWidth === 32) {
    for (let i = 0; i < leaf.length; i++) {
      if ((values[i] as number) > 0x7fffffff && leaf.has(i)) throw outOfInt(leaf, i, values[i])
    }
  }
  return Int32Array.from(values)
}

/** long, from integers of any width whose values fit. */
export function longValues(leaf: LeafSource): BigInt64Array {
  const { bitWidth, isSigned } = intType(leaf, 'an Int64 column')
  if (bitWidth === 64) {
    const values = leaf.values64()
    if (!isSigned) {
      const words = wordsOf(values)
      for (let i = 0; i < leaf.length; i++) {
        if ((words[i * 2 + 1] as number) < 0 && leaf.has(i)) {
          const value = BigInt.asUintN(64, values[i] as bigint)
          throw leaf.refuse(i, value, 'a long ends at 2^63-1', 'Use a decimal(20,0) column')
        }
      }
    }
    return values
  }
  const values = leaf.values<Int32Array>() as SmallInts
  const out = new BigInt64Array(leaf.length)
  const words = new Int32Array(out.buffer)
  for (let i = 0; i < leaf.length; i++) {
    const value = values[i] as number
    words[i * 2] = value
    words[i * 2 + 1] = value < 0 ? -1 : 0
  }
  return out
}

/** float and double, from floats no wider and integers that the float holds without exception. */
export function floatValues(leaf: LeafSource, single: boolean): Float32Array | Float64Array {
  const { type } = leaf.data
  const accepted = single ? 'a Float32 column' : 'a Float64 column'
  const typeId = type.typeId as number
  if (typeId === ARROW_TYPE.Int) {
    const { bitWidth } = type as unknown as IntType
    if (bitWidth > (single ? 16 : 32)) throw leaf.mismatch(accepted)
    const values = leaf.values<Int32Array>()
    return single ? Float32Array.from(values) : Float64Array.from(values)
  }
  if (typeId !== ARROW_TYPE.Float) throw leaf.mismatch(accepted)
  const { precision } = type as unknown as { precision: number }
  if (precision === HALF) {
    const halves = leaf.values<Uint16Array>()
    const out = single ? new Float32Array(leaf.length) : new Float64Array(leaf.length)
    for (let i = 0; i < leaf.length; i++) out[i] = halfToNumber(halves[i] as number)
    return out
  }
  if (precision === SINGLE) {
    const values = leaf.values<Float32Array>()
    return single ? values : Float64Array.from(values)
  }
  if (single) throw leaf.mismatch(accepted)
  return leaf.values<Float64Array>()
}

function intType(leaf: LeafSource, accepted: string): IntType {
  if ((leaf.data.type.typeId as number) !== ARROW_TYPE.Int) throw leaf.mismatch(accepted)
  return leaf.data.type as unknown as IntType
}

function narrow(leaf: LeafSource, isSigned: boolean): Int32Array {
  const values = leaf.values64()
  const words = wordsOf(values)
  const out = new Int32Array(leaf.length)
  for (let i = 0; i < leaf.length; i++) {
    const low = words[i * 2] as number
    const fits = isSigned
      ? (words[i * 2 + 1] as number) === low >> 31
      : (words[i * 2 + 1] as number) === 0 && low >= 0
    if (!fits && leaf.has(i)) {
      const value = values[i] as bigint
      throw outOfInt(leaf, i, isSigned ? value : BigInt.asUintN(64, value))
    }
    out[i] = low
  }
  return out
}

function outOfInt(leaf: LeafSource, slot: number, value: unknown): Error {
  const detail = 'an int holds -2147483648 to 2147483647'
  return leaf.refuse(slot, value, detail, 'Widen the column to long with updateColumn')
}

function wordsOf(values: BigInt64Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length * 2)
}

/** The number of an IEEE 754 half: 1 sign bit, 5 of exponent, 10 of fraction. */
function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >>> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
