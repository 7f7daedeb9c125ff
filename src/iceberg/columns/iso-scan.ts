/**
 * A fast reader of the ISO timestamps that programs write: 'YYYY-MM-DDTHH:MM:SS[.f{1,9}][Z|±HH:MM]'. It knows
 * only this form; rarer ones (signed years, no seconds, short zones) are for `spec/temporal`.
 */
import { daysFromCivil } from '../spec/temporal.ts'

/** Result of the last successful {@link scanIsoTimestamp}; one object, reused, so that rows allocate nothing. */
export interface ScannedTimestamp {
  /** Seconds since the epoch, UTC if `zoned`, else of the local clock. */
  seconds: number
  /** 0 to 999_999_999. */
  nanos: number
  zoned: boolean
}

/** Fills `out` and returns true if the text has exactly the common form and names an existing moment. */
export function scanIsoTimestamp(text: string, out: ScannedTimestamp): boolean {
  const length = text.length
  if (length < 19 || length > 35) return false
  if (text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH) return false
  const separator = text.charCodeAt(10)
  if (separator !== LETTER_T && separator !== SPACE) return false
  if (text.charCodeAt(13) !== COLON || text.charCodeAt(16) !== COLON) return false
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2)
  const month = twoDigits(text, 5)
  const day = twoDigits(text, 8)
  const hour = twoDigits(text, 11)
  const minute = twoDigits(text, 14)
  const second = twoDigits(text, 17)
  // NaN, from anything but two digits, fails every one of these comparisons.
  if (!(year >= 0 && hour <= 23 && minute <= 59 && second <= 59)) return false
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return false

  let at = 19
  let nanos = 0
  if (text.charCodeAt(at) === POINT) {
    at++
    let unit = 100_000_000
    let digit = text.charCodeAt(at) - ZERO
    if (!(digit >= 0 && digit <= 9)) return false
    while (digit >= 0 && digit <= 9) {
      if (unit < 1) return false
      nanos += digit * unit
      unit = unit === 1 ? 0 : unit / 10
      digit = text.charCodeAt(++at) - ZERO
    }
  }
  let zoneSeconds = 0
  const zoned = at < length
  if (zoned) {
    const sign = text.charCodeAt(at)
    if (sign === LETTER_Z) {
      if (at + 1 !== length) return false
    } else {
      if ((sign !== PLUS && sign !== DASH) || at + 6 !== length) return false
      const zoneHours = twoDigits(text, at + 1)
      const zoneMinutes = twoDigits(text, at + 4)
      if (text.charCodeAt(at + 3) !== COLON) return false
      if (!(zoneHours <= 18 && zoneMinutes <= 59)) return false
      zoneSeconds = (zoneHours * 60 + zoneMinutes) * (sign === DASH ? -60 : 60)
    }
  }
  const days = daysFromCivil(year, month, day)
  out.seconds = days * 86_400 + hour * 3600 + minute * 60 + second - zoneSeconds
  out.nanos = nanos
  out.zoned = zoned
  return true
}

/** The number of two digits, or NaN. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO
  const ones = text.charCodeAt(at + 1) - ZERO
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

function daysInMonth(year: number, month: number): number {
  if (month !== 2) return 30 + ((month + (month >> 3)) & 1)
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
}

const ZERO = 48
const DASH = 45
const PLUS = 43
const COLON = 58
const POINT = 46
const SPACE = 32
const LETTER_T = 84
const LETTER_Z = 90
