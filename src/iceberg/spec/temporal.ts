/**
 * Dates, times and timestamps as integers and as ISO text, exactly, in the proleptic Gregorian calendar, without
 * `Date` (whose milliseconds lose microseconds). Days since 1970-01-01; µs or ns since 1970-01-01T00:00:00.
 */

const MICROS_PER_DAY = 86_400_000_000n

/** Days since the epoch of a civil date. Month 1–12, day 1–31. */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

/** The civil date of days since the epoch. */
export function civilFromDays(days: number): { year: number; month: number; day: number } {
  const z = days + 719_468
  const era = Math.floor(z / 146_097)
  const dayOfEra = z - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const mp = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * mp + 2) / 5) + 1
  const month = mp < 10 ? mp + 3 : mp - 9
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day }
}

/** 'YYYY-MM-DD'; years outside 0–9999 are written with a sign and as many digits as needed. */
export function formatDate(days: number): string {
  const { year, month, day } = civilFromDays(days)
  return `${yearText(year)}-${two(month)}-${two(day)}`
}

/** 'HH:MM:SS.ffffff' of µs since midnight. */
export function formatTime(micros: bigint): string {
  return clockText(Number(micros / 1_000_000n), Number(micros % 1_000_000n), 6)
}

/** 'YYYY-MM-DDTHH:MM:SS.ffffff', with '+00:00' if `utc`. */
export function formatTimestamp(micros: bigint, utc: boolean): string {
  return timestampText(micros, 6, utc)
}

/** 'YYYY-MM-DDTHH:MM:SS.fffffffff', with '+00:00' if `utc`. */
export function formatTimestampNanos(nanos: bigint, utc: boolean): string {
  return timestampText(nanos, 9, utc)
}

/** Days of 'YYYY-MM-DD' (also signed years), or undefined. */
export function parseDate(text: string): number | undefined {
  const match = DATE.exec(text)
  if (match === null) return undefined
  return civilDays(match[1] as string, match[2] as string, match[3] as string)
}

/** µs since midnight of 'HH:MM[:SS[.f{1,9}]]', or undefined; digits beyond µs must be zero. */
export function parseTime(text: string): bigint | undefined {
  const match = TIME.exec(text)
  if (match === null) return undefined
  const nanos = clockNanos(match[1], match[2], match[3], match[4])
  if (nanos === undefined || nanos % 1000n !== 0n) return undefined
  return nanos / 1000n
}

/**
 * Ticks since the epoch of an ISO timestamp, or undefined if malformed or not exact at that resolution.
 * A zone is required for `utc` and refused otherwise, so that no zone is ever guessed.
 * @param perSecond 1_000_000n for µs, 1_000_000_000n for ns.
 */
export function parseTimestamp(text: string, utc: boolean, perSecond: bigint): bigint | undefined {
  const match = TIMESTAMP.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second, fraction, zone] = match
  if ((zone !== undefined) !== utc) return undefined
  const days = civilDays(year as string, month as string, day as string)
  const nanos = clockNanos(hour, minute, second, fraction)
  if (days === undefined || nanos === undefined) return undefined
  const offset = zone === undefined ? 0 : zoneSeconds(zone)
  if (offset === undefined) return undefined
  const total = (BigInt(days) * 86_400n - BigInt(offset)) * 1_000_000_000n + nanos
  const perTick = 1_000_000_000n / perSecond
  return total % perTick === 0n ? total / perTick : undefined
}

/** Floor division of bigints. */
export function floorDiv(a: bigint, b: bigint): bigint {
  const q = a / b
  return a % b !== 0n && a < 0n !== b < 0n ? q - 1n : q
}

function timestampText(ticks: bigint, digits: 6 | 9, utc: boolean): string {
  const perDay = digits === 6 ? MICROS_PER_DAY : MICROS_PER_DAY * 1000n
  const perSecond = digits === 6 ? 1_000_000n : 1_000_000_000n
  const days = floorDiv(ticks, perDay)
  const rest = ticks - days * perDay
  const clock = clockText(Number(rest / perSecond), Number(rest % perSecond), digits)
  return `${formatDate(Number(days))}T${clock}${utc ? '+00:00' : ''}`
}

function clockText(seconds: number, fraction: number, digits: number): string {
  const hour = Math.floor(seconds / 3600)
  const minute = Math.floor((seconds % 3600) / 60)
  return `${two(hour)}:${two(minute)}:${two(seconds % 60)}.${String(fraction).padStart(digits, '0')}`
}

function clockNanos(
  hour: string | undefined,
  minute: string | undefined,
  second: string | undefined,
  fraction: string | undefined,
): bigint | undefined {
  const h = Number(hour)
  const m = Number(minute)
  const s = Number(second ?? 0)
  if (h > 23 || m > 59 || s > 59) return undefined
  return BigInt(h * 3600 + m * 60 + s) * 1_000_000_000n + BigInt((fraction ?? '').padEnd(9, '0'))
}

function civilDays(yearPart: string, monthPart: string, dayPart: string): number | undefined {
  const year = Number(yearPart)
  const month = Number(monthPart)
  const day = Number(dayPart)
  const days = daysFromCivil(year, month, day)
  // A day that does not exist, such as 30 February, comes back as another one.
  const back = civilFromDays(days)
  if (back.month !== month || back.day !== day) return undefined
  return days >= -(2 ** 31) && days < 2 ** 31 ? days : undefined
}

function zoneSeconds(zone: string): number | undefined {
  if (zone === 'Z' || zone === 'z') return 0
  const sign = zone[0] === '-' ? -1 : 1
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0')
  const hours = Number(digits.slice(0, 2))
  const minutes = Number(digits.slice(2, 4))
  if (hours > 18 || minutes > 59) return undefined
  return sign * (hours * 3600 + minutes * 60)
}

function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return String(year).padStart(4, '0')
  return `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(4, '0')}`
}

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n)
}

const DATE = /^([+-]?\d{4,7})-(\d{2})-(\d{2})$/
const TIME = /^(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?$/
const TIMESTAMP =
  /^([+-]?\d{4,7})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|z|[+-]\d{2}(?::?\d{2})?)?$/
