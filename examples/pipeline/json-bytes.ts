/** Tokens of JSON in bytes: each function gives the index behind what it reads, or a negative number. */

export const QUOTE = 0x22
export const COMMA = 0x2c
export const COLON = 0x3a
export const BACKSLASH = 0x5c
export const OPEN_ARRAY = 0x5b
export const CLOSE_ARRAY = 0x5d
export const OPEN_OBJECT = 0x7b
export const CLOSE_OBJECT = 0x7d
export const MINUS = 0x2d
export const ZERO = 0x30
export const NINE = 0x39

/** In place of an index, for what is not JSON. */
export const BAD = -1

/** 1 for bytes that a run of a string's plain characters ends at: quotes, backslashes, controls, and beyond ASCII. */
const STOPS = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === QUOTE || byte === BACKSLASH || byte < 0x20 || byte >= 0x80 ? 1 : 0,
)

/**
 * The index of the first byte from `from` on that is not a plain character of a string, or `to`. Four bytes at a time:
 * a word less a constant has the high bit in the first byte that was too small; what it borrows from those after it does
 * not matter.
 */
export function plainEnd(bytes: Uint8Array, view: DataView, from: number, to: number): number {
  let at = from
  for (const last = to - 4; at <= last; at += 4) {
    const word = view.getInt32(at, true)
    const quotes = word ^ 0x22222222
    const backslashes = word ^ 0x5c5c5c5c
    const stops =
      ((quotes - 0x01010101) & ~quotes) |
      ((backslashes - 0x01010101) & ~backslashes) |
      (word - 0x20202020) |
      word
    const first = stops & 0x80808080
    if (first !== 0) return at + ((31 - Math.clz32(first & -first)) >> 3)
  }
  while (at < to && STOPS[bytes[at] as number] === 0) at++
  return at
}

/** The index of what follows a colon that stands at `from` or behind white space; or -1. */
export function colonEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = skipSpace(bytes, from, to)
  if (at >= to || bytes[at] !== COLON) return BAD
  at = skipSpace(bytes, at + 1, to)
  return at < to ? at : BAD
}

/** The index behind a value that is no string, object or array; or -1. */
export function plainScalar(bytes: Uint8Array, first: number, from: number, to: number): number {
  if (first === MINUS || (first >= ZERO && first <= NINE)) return skipNumber(bytes, from, to)
  if (first === 0x74) return skipWord(bytes, from, to, TRUE)
  if (first === 0x66) return skipWord(bytes, from, to, FALSE)
  if (first === 0x6e) return skipWord(bytes, from, to, NULL)
  return BAD
}

export function skipSpace(bytes: Uint8Array, from: number, to: number): number {
  let at = from
  while (at < to) {
    const byte = bytes[at] as number
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break
    at++
  }
  return at
}

/** The index of the last byte of an escape whose backslash is at `from`; or -1. */
export function skipEscape(bytes: Uint8Array, from: number, to: number): number {
  if (from + 1 >= to) return BAD
  const letter = bytes[from + 1] as number
  if (letter !== 0x75) return SIMPLE_ESCAPES.includes(letter) ? from + 1 : BAD
  if (from + 5 >= to) return BAD
  for (let at = from + 2; at < from + 6; at++) {
    const byte = (bytes[at] as number) | 0x20
    const isDigit = (bytes[at] as number) >= ZERO && (bytes[at] as number) <= NINE
    if (!isDigit && (byte < 0x61 || byte > 0x66)) return BAD
  }
  return from + 5
}

const SIMPLE_ESCAPES = Buffer.from('"\\/bfnrt')
const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const NULL = Buffer.from('null')

function skipWord(bytes: Uint8Array, from: number, to: number, word: Uint8Array): number {
  if (from + word.length > to) return BAD
  for (let i = 1; i < word.length; i++) if (bytes[from + i] !== word[i]) return BAD
  return from + word.length
}

function skipNumber(bytes: Uint8Array, from: number, to: number): number {
  let at = bytes[from] === MINUS ? from + 1 : from
  if (at >= to) return BAD
  if (bytes[at] === ZERO) at++
  else if ((at = skipDigits(bytes, at, to)) < 0) return BAD
  if (at < to && bytes[at] === 0x2e && (at = skipDigits(bytes, at + 1, to)) < 0) return BAD
  if (at < to && ((bytes[at] as number) | 0x20) === 0x65) {
    at++
    if (at < to && (bytes[at] === MINUS || bytes[at] === 0x2b)) at++
    at = skipDigits(bytes, at, to)
  }
  return at
}

/** The index behind one digit or more; or -1. */
function skipDigits(bytes: Uint8Array, from: number, to: number): number {
  let at = from
  while (at < to && (bytes[at] as number) >= ZERO && (bytes[at] as number) <= NINE) at++
  return at === from ? BAD : at
}
