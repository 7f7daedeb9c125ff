/**
 * Reads the header of an event from its JSON text, as bytes, in one pass and without objects. It says that a text is
 * JSON exactly where JSON.parse would, and finds the same values, but for texts that are nested deeper than
 * {@link MAX_DEPTH}: those are refused.
 */
import { isUtf8 } from 'node:buffer'

/** Fields of the header. Numbers index the arrays of {@link HeaderScanner}. */
export const Field = {
  EVENT_ID: 0,
  EVENT_TYPE: 1,
  VIDEO_ID: 2,
  USER_ID: 3,
  EVENT_TIME: 4,
  SCHEMA_VERSION: 5,
} as const

/** Names of the fields, in the order of their numbers. */
export const FIELD_NAMES = [
  'event_id',
  'event_type',
  'video_id',
  'user_id',
  'event_time',
  'schema_version',
] as const

/** What a field has. */
export const Kind = {
  /** Nothing, or null. */
  ABSENT: 0,
  /** A string without escapes: the text lies between start and end, without the quotes. */
  STRING: 1,
  /** A string with escapes, without the quotes. */
  ESCAPED: 2,
  NUMBER: 3,
  /** An object, an array, true or false. */
  OTHER: 4,
} as const

/** What a text is. */
export const Verdict = {
  OBJECT: 0,
  NOT_JSON: 1,
  NOT_UTF8: 2,
  TOO_DEEP: 3,
  NOT_AN_OBJECT: 4,
} as const
export type Verdict = (typeof Verdict)[keyof typeof Verdict]

/** Deepest nesting of objects and arrays; the event itself is one. */
export const MAX_DEPTH = 500

const NAMES = FIELD_NAMES.map((name) => Buffer.from(name))
/** For each length of a name the fields that have it. */
const FIELDS_OF_LENGTH: readonly (readonly number[])[] = Array.from({ length: 15 }, (_, length) =>
  NAMES.flatMap((name, field) => (name.length === length ? [field] : [])),
)

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const MINUS = 0x2d
const ZERO = 0x30
const NINE = 0x39

/** Results in place of an index. */
const BAD = -1
const DEEP = -2

/** 1 for bytes that a run of a string's plain characters ends at: quotes, backslashes, controls, and beyond ASCII. */
const STOPS = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === QUOTE || byte === BACKSLASH || byte < 0x20 || byte >= 0x80 ? 1 : 0,
)

export class HeaderScanner {
  /** The {@link Kind} of each field after {@link scan} has found an object. */
  readonly kinds: Uint8Array = new Uint8Array(6)
  /** Where the text of each field lies. */
  readonly starts: Int32Array = new Int32Array(6)
  readonly ends: Int32Array = new Int32Array(6)
  /** For each level of nesting 1 if it is an object. */
  readonly #levels = new Uint8Array(MAX_DEPTH + 1)
  /** The bytes that were read last, and their words. */
  #bytes: Uint8Array = new Uint8Array(0)
  #view: DataView = new DataView(new ArrayBuffer(0))
  /** What the last string had that was not plain. */
  #escaped = false
  /** True once a byte beyond ASCII was seen in the text. */
  #wide = false

  /** Reads the text `bytes[from, to)`. */
  scan(bytes: Uint8Array, from: number, to: number): Verdict {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    this.#wide = false
    this.kinds.fill(Kind.ABSENT)
    const start = skipSpace(bytes, from, to)
    if (start >= to) return Verdict.NOT_JSON
    const isObject = bytes[start] === OPEN_OBJECT
    const end = isObject
      ? this.#event(bytes, this.#view, start + 1, to)
      : this.#value(bytes, this.#view, start, to, 0)
    if (end === DEEP) return Verdict.TOO_DEEP
    if (end < 0 || skipSpace(bytes, end, to) < to) return Verdict.NOT_JSON
    if (this.#wide && !isUtf8(bytes.subarray(from, to))) return Verdict.NOT_UTF8
    return isObject ? Verdict.OBJECT : Verdict.NOT_AN_OBJECT
  }

  /** The members of the event, from behind its brace on. */
  #event(bytes: Uint8Array, view: DataView, from: number, to: number): number {
    let at = skipSpace(bytes, from, to)
    if (at < to && bytes[at] === CLOSE_OBJECT) return at + 1
    for (;;) {
      if (at >= to || bytes[at] !== QUOTE) return BAD
      const nameStart = at + 1
      let nameEnd = plainEnd(bytes, view, nameStart, to)
      let field: number
      if (nameEnd < to && bytes[nameEnd] === QUOTE) field = plainField(bytes, nameStart, nameEnd)
      else {
        nameEnd = this.#string(bytes, nameEnd, to)
        if (nameEnd < 0) return BAD
        field = this.#escaped
          ? escapedField(bytes, nameStart, nameEnd)
          : plainField(bytes, nameStart, nameEnd)
      }
      at = colonEnd(bytes, nameEnd + 1, to)
      if (at < 0) return BAD
      const first = bytes[at] as number
      const start = at
      at = this.#value(bytes, view, at, to, 1)
      if (at < 0) return at
      if (field >= 0) this.#keep(field, first, start, at)
      at = skipSpace(bytes, at, to)
      if (at >= to) return BAD
      const next = bytes[at] as number
      if (next === CLOSE_OBJECT) return at + 1
      if (next !== COMMA) return BAD
      at = skipSpace(bytes, at + 1, to)
    }
  }

  /** The last one of a name wins, as with JSON.parse. */
  #keep(field: number, first: number, start: number, end: number): void {
    if (first === QUOTE) {
      this.kinds[field] = this.#escaped ? Kind.ESCAPED : Kind.STRING
      this.starts[field] = start + 1
      this.ends[field] = end - 1
      return
    }
    const isNumber = first === MINUS || (first >= ZERO && first <= NINE)
    this.kinds[field] = isNumber ? Kind.NUMBER : first === 0x6e ? Kind.ABSENT : Kind.OTHER
    this.starts[field] = start
    this.ends[field] = end
  }

  /** The index behind a value, or a negative number. */
  #value(bytes: Uint8Array, view: DataView, from: number, to: number, depth: number): number {
    const first = bytes[from] as number
    if (first === QUOTE) {
      const end = plainEnd(bytes, view, from + 1, to)
      if (end < to && bytes[end] === QUOTE) {
        this.#escaped = false
        return end + 1
      }
      return this.#string(bytes, end, to) + 1 || BAD
    }
    return first === OPEN_OBJECT || first === OPEN_ARRAY
      ? this.#container(bytes, view, from, to, depth)
      : plainScalar(bytes, first, from, to)
  }

  /** The index behind an object or array at `from`. */
  #container(
    bytes: Uint8Array,
    view: DataView,
    from: number,
    to: number,
    outerDepth: number,
  ): number {
    const levels = this.#levels
    let depth = outerDepth + 1
    if (depth > MAX_DEPTH) return DEEP
    let isObject = bytes[from] === OPEN_OBJECT
    levels[depth] = isObject ? 1 : 0
    let mayEnd = true
    let at = skipSpace(bytes, from + 1, to)
    // Each round reads a member or an element, and what closes behind it.
    for (;;) {
      if (at >= to) return BAD
      let next = bytes[at] as number
      if (!mayEnd || next !== (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) {
        if (isObject) {
          if (next !== QUOTE) return BAD
          let nameEnd = plainEnd(bytes, view, at + 1, to)
          if (nameEnd >= to || bytes[nameEnd] !== QUOTE) nameEnd = this.#string(bytes, nameEnd, to)
          if (nameEnd < 0) return BAD
          at = colonEnd(bytes, nameEnd + 1, to)
          if (at < 0) return BAD
          next = bytes[at] as number
        }
        if (next === QUOTE) {
          let end = plainEnd(bytes, view, at + 1, to)
          if (end >= to || bytes[end] !== QUOTE) end = this.#string(bytes, end, to)
          if (end < 0) return BAD
          at = end + 1
        } else if (next === OPEN_OBJECT || next === OPEN_ARRAY) {
          if (++depth > MAX_DEPTH) return DEEP
          isObject = next === OPEN_OBJECT
          levels[depth] = isObject ? 1 : 0
          mayEnd = true
          at = skipSpace(bytes, at + 1, to)
          continue
        } else {
          at = plainScalar(bytes, next, at, to)
          if (at < 0) return BAD
        }
        at = skipSpace(bytes, at, to)
        if (at >= to) return BAD
        next = bytes[at] as number
      }
      while (next === (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) {
        at++
        if (--depth === outerDepth) return at
        isObject = levels[depth] === 1
        at = skipSpace(bytes, at, to)
        if (at >= to) return BAD
        next = bytes[at] as number
      }
      if (next !== COMMA) return BAD
      at = skipSpace(bytes, at + 1, to)
      mayEnd = false
    }
  }

  /** The index of the quote that ends a string, from where it is not plain on; or -1. */
  #string(bytes: Uint8Array, from: number, to: number): number {
    this.#escaped = false
    for (let at = from; at < to; at++) {
      const byte = bytes[at] as number
      if (byte === QUOTE) return at
      if (byte === BACKSLASH) {
        this.#escaped = true
        at = skipEscape(bytes, at, to)
        if (at < 0) return BAD
      } else if (byte < 0x20) return BAD
      else if (byte >= 0x80) this.#wide = true
    }
    return BAD
  }
}

/**
 * The index of the first byte from `from` on that is not a plain character of a string, or `to`. Four bytes at a time:
 * a word less a constant borrows from the high bit of a byte that is too small, and only of one that was small before.
 */
function plainEnd(bytes: Uint8Array, view: DataView, from: number, to: number): number {
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
    if ((stops & 0x80808080) !== 0) break
  }
  while (at < to && STOPS[bytes[at] as number] === 0) at++
  return at
}

/** The index of what follows a colon that stands at `from` or behind white space; or -1. */
function colonEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = skipSpace(bytes, from, to)
  if (at >= to || bytes[at] !== COLON) return BAD
  at = skipSpace(bytes, at + 1, to)
  return at < to ? at : BAD
}

/** The index behind a value that is no string, object or array; or -1. */
function plainScalar(bytes: Uint8Array, first: number, from: number, to: number): number {
  if (first === MINUS || (first >= ZERO && first <= NINE)) return skipNumber(bytes, from, to)
  if (first === 0x74) return skipWord(bytes, from, to, TRUE)
  if (first === 0x66) return skipWord(bytes, from, to, FALSE)
  if (first === 0x6e) return skipWord(bytes, from, to, NULL)
  return BAD
}

/** The value of a string with escapes. */
export function unescapeJson(bytes: Uint8Array, start: number, end: number): string {
  return JSON.parse(`"${utf8(bytes, start, end)}"`) as string
}

/** The value of a number. */
export function jsonNumber(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 15) return Number(utf8(bytes, start, end))
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - ZERO
    if (digit < 0 || digit > 9) return Number(utf8(bytes, start, end))
    value = value * 10 + digit
  }
  return value
}

function utf8(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8')
}

function skipSpace(bytes: Uint8Array, from: number, to: number): number {
  let at = from
  while (at < to) {
    const byte = bytes[at] as number
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break
    at++
  }
  return at
}

/** The index of the last byte of an escape whose backslash is at `from`; or -1. */
function skipEscape(bytes: Uint8Array, from: number, to: number): number {
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

/** The field of a name, or -1. */
function plainField(bytes: Uint8Array, start: number, end: number): number {
  const candidates = FIELDS_OF_LENGTH[end - start]
  if (candidates === undefined) return -1
  for (let i = 0; i < candidates.length; i++) {
    const field = candidates[i] as number
    const name = NAMES[field] as Uint8Array
    let same = 0
    while (same < name.length && bytes[start + same] === name[same]) same++
    if (same === name.length) return field
  }
  return -1
}

function escapedField(bytes: Uint8Array, start: number, end: number): number {
  // A name that is not UTF-8 is no field; the whole text is refused later.
  const name = unescapeJson(bytes, start, end)
  return (FIELD_NAMES as readonly string[]).indexOf(name)
}
