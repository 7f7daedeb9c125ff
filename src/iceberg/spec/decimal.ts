/** Decimal text and unscaled integers, exactly: nothing is ever rounded. */

/** The text of an unscaled value with exactly `scale` digits after the point: (1420, 2) → "14.20". */
export function formatDecimal(unscaled: bigint, scale: number): string {
  const negative = unscaled < 0n
  const digits = (negative ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  const sign = negative ? '-' : ''
  if (scale === 0) return sign + digits
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** What is wrong with a decimal text, or its unscaled value. */
export type ParsedDecimal =
  | { readonly unscaled: bigint }
  | { readonly problem: 'syntax' }
  | { readonly problem: 'scale'; readonly decimals: number }
  | { readonly problem: 'precision'; readonly digits: number }

/**
 * Parses plain or exponent notation. Trailing zeros beyond the scale are dropped, since that is exact; any other
 * digit beyond the scale is a problem, not rounded.
 */
export function parseDecimal(text: string, precision: number, scale: number): ParsedDecimal {
  // The length first: matching takes quadratic time on a text of nothing but white space.
  const match = text.length > MAX_TEXT ? null : DECIMAL.exec(text)
  if (match === null) return { problem: 'syntax' }
  const whole = match[2] ?? ''
  const fraction = match[3] ?? ''
  if (whole === '' && fraction === '') return { problem: 'syntax' }
  const exponent = Number(match[4] ?? 0)
  if (Math.abs(exponent) > 200) return { problem: 'syntax' }
  let digits = whole + fraction
  // The value is digits · 10^power.
  let power = exponent - fraction.length
  while (power < -scale && digits.endsWith('0')) {
    digits = digits.slice(0, -1)
    power++
  }
  if (/^0*$/.test(digits)) return { unscaled: 0n }
  if (power < -scale) return { problem: 'scale', decimals: -power }
  const magnitude = BigInt(digits) * 10n ** BigInt(power + scale)
  const count = magnitude.toString().length
  if (count > precision) return { problem: 'precision', digits: count }
  return { unscaled: match[1] === '-' ? -magnitude : magnitude }
}

/** True if the unscaled value has at most `precision` digits. */
export function fitsPrecision(unscaled: bigint, precision: number): boolean {
  const limit = 10n ** BigInt(precision)
  return unscaled < limit && unscaled > -limit
}

/** Bytes of a fixed-length two's complement that holds every value of the precision (item 65). */
export function decimalFixedLength(precision: number): number {
  return FIXED_LENGTHS[precision] as number
}

const MAX_TEXT = 200
const DECIMAL = /^\s*([+-])?(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?\s*$/

const FIXED_LENGTHS: readonly number[] = Array.from({ length: 39 }, (_, precision) => {
  const limit = 10n ** BigInt(precision) - 1n
  let length = 1
  while (BigInt.asIntN(8 * length, limit) !== limit) length++
  return length
})
