/** Decimals of a caller → decimal(P,S), where no digit is lost. */
import { formatDecimal } from '../spec/decimal.ts'
import type { DecimalType } from '../spec/types.ts'
import { ARROW_TYPE } from './arrow-type-id.ts'
import type { LeafSource } from './leaf-source.ts'

interface ArrowDecimal {
  readonly precision: number
  readonly scale: number
  readonly bitWidth: number
}

/** From decimals of 128 or 256 bits. Values are checked one by one: Arrow's types promise nothing about them. */
export function decimalValues(leaf: LeafSource, decimal: DecimalType): Uint32Array {
  const { type } = leaf.data
  const { precision, scale } = decimal
  if ((type.typeId as number) !== ARROW_TYPE.Decimal) {
    throw leaf.mismatch(`a Decimal128 column of precision ${precision} and scale ${scale}`)
  }
  const source = type as unknown as ArrowDecimal
  const stride = source.bitWidth / 32
  const words = leaf.values<Uint32Array>(stride)
  if (source.scale === scale && stride === 4) {
    checkPrecision(leaf, words, decimal)
    return words
  }
  const out = new BigInt64Array(leaf.length * 2)
  const limit = 10n ** BigInt(precision)
  const multiply = 10n ** BigInt(Math.max(0, scale - source.scale))
  const divide = 10n ** BigInt(Math.max(0, source.scale - scale))
  for (let i = 0; i < leaf.length; i++) {
    if (!leaf.has(i)) continue
    const value = unscaledAt(words, i, stride)
    const scaled = value * multiply
    if (scaled % divide !== 0n) {
      const text = formatDecimal(value, source.scale)
      const advice = 'Round it or widen the column with updateColumn'
      throw leaf.refuse(i, text, `more than ${scale} decimals`, advice)
    }
    const unscaled = scaled / divide
    if (unscaled >= limit || unscaled <= -limit) throw tooLarge(leaf, i, value, source.scale)
    out[i * 2] = BigInt.asIntN(64, unscaled)
    out[i * 2 + 1] = unscaled >> 64n
  }
  return new Uint32Array(out.buffer)
}

/** Every value below 10^precision in size. Nearly all are decided by their words. */
function checkPrecision(leaf: LeafSource, words: Uint32Array, decimal: DecimalType): void {
  const limit = 10n ** BigInt(decimal.precision)
  // A double below 2^52 is exact, and 10^15 is the largest power of ten below that.
  const certain = 10 ** Math.min(decimal.precision, 15)
  for (let i = 0; i < leaf.length; i++) {
    const at = i * 4
    const high = (words[at + 1] as number) | 0
    const sign = high >> 31
    if (((words[at + 2] as number) | 0) === sign && ((words[at + 3] as number) | 0) === sign) {
      if (decimal.precision >= 19) continue
      const value = high * 4_294_967_296 + (words[at] as number)
      if (high < 0x100000 && high >= -0x100000 && value < certain && value > -certain) continue
    }
    if (!leaf.has(i)) continue
    const value = unscaledAt(words, i, 4)
    if (value >= limit || value <= -limit) throw tooLarge(leaf, i, value, decimal.scale)
  }
}

function tooLarge(leaf: LeafSource, slot: number, value: bigint, scale: number): Error {
  const text = formatDecimal(value, scale)
  return leaf.refuse(slot, text, 'too many digits', 'Widen the column with updateColumn')
}

function unscaledAt(words: Uint32Array, index: number, stride: number): bigint {
  let value = 0n
  for (let word = stride - 1; word >= 0; word--) {
    value = (value << 32n) | BigInt(words[index * stride + word] as number)
  }
  return BigInt.asIntN(32 * stride, value)
}
