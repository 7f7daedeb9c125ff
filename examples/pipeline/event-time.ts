/** The time of an event: ISO-8601 text with a zone, or milliseconds since the epoch. */

/** Times from 1970 on, before 2200: others are mistakes, such as seconds or microseconds in place of milliseconds. */
const END_MS = Date.UTC(2200, 0, 1)

const DIGIT_PLACES = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Microseconds since the epoch; NaN for what is no time of an event or a message. */
export function microsOfMillis(ms: number): number {
  return ms >= 0 && ms < END_MS ? Math.floor(ms * 1000) : Number.NaN
}

/**
 * Microseconds since the epoch of `YYYY-MM-DDTHH:MM:SS[.f{1,9}](Z|±HH:MM)`; NaN for any other text. Digits beyond
 * microseconds are cut off.
 */
export function microsOfIso(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length < 20 || length > 35) return Number.NaN
  for (let i = 0; i < DIGIT_PLACES.length; i++) {
    if (!isDigit(bytes[start + (DIGIT_PLACES[i] as number)] as number)) return Number.NaN
  }
  if (bytes[start + 4] !== 0x2d || bytes[start + 7] !== 0x2d || bytes[start + 10] !== 0x54) {
    return Number.NaN
  }
  if (bytes[start + 13] !== 0x3a || bytes[start + 16] !== 0x3a) return Number.NaN
  const year = two(bytes, start) * 100 + two(bytes, start + 2)
  const month = two(bytes, start + 5)
  const day = two(bytes, start + 8)
  const hour = two(bytes, start + 11)
  const minute = two(bytes, start + 14)
  const second = two(bytes, start + 17)
  if (hour > 23 || minute > 59 || second > 59) return Number.NaN
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return Number.NaN
  let at = start + 19
  let micros = 0
  if (bytes[at] === 0x2e) {
    const first = ++at
    for (let unit = 100_000; at < end && isDigit(bytes[at] as number); at++) {
      if (unit >= 1) micros += ((bytes[at] as number) - 0x30) * unit
      unit /= 10
    }
    if (at === first || at - first > 9) return Number.NaN
  }
  const zoneSeconds = zoneAt(bytes, at, end)
  const seconds = daysSinceEpoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
  const total = (seconds - zoneSeconds) * 1_000_000 + micros
  return total >= 0 && total < END_MS * 1000 ? total : Number.NaN
}

/** Seconds that the zone is ahead of UTC, where it reaches to the end; else NaN. */
function zoneAt(bytes: Uint8Array, at: number, end: number): number {
  const sign = at < end ? bytes[at] : 0
  if (sign === 0x5a) return at + 1 === end ? 0 : Number.NaN
  if ((sign !== 0x2b && sign !== 0x2d) || at + 6 !== end || bytes[at + 3] !== 0x3a)
    return Number.NaN
  for (const i of [1, 2, 4, 5]) if (!isDigit(bytes[at + i] as number)) return Number.NaN
  const hours = two(bytes, at + 1)
  const minutes = two(bytes, at + 4)
  if (hours > 18 || minutes > 59) return Number.NaN
  return (hours * 3600 + minutes * 60) * (sign === 0x2d ? -1 : 1)
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

function two(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) - 0x30) * 10 + (bytes[at + 1] as number) - 0x30
}

function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
}

function daysInMonth(year: number, month: number): number {
  return month === 2 && isLeap(year) ? 29 : (MONTH_DAYS[month - 1] as number)
}

function daysSinceEpoch(year: number, month: number, day: number): number {
  const past = year - 1
  const leaps = Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400) - 477
  const inYear = (DAYS_BEFORE_MONTH[month - 1] as number) + (month > 2 && isLeap(year) ? 1 : 0)
  return (year - 1970) * 365 + leaps + inYear + day - 1
}
