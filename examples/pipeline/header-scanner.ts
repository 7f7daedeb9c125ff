/**
 * Reads the header of an event from its JSON text, as bytes, in one pass and without objects. It says that a text is
 * JSON exactly where JSON.parse would, and finds the same values, but for texts that are nested deeper than
 * {@link MAX_DEPTH}: those are refused.
 */
import { isUtf8 } from 'node:buffer'
import {
  BACKSLASH,
  BAD,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  colonEnd,
  MINUS,
  NINE,
  OPEN_ARRAY,
  OPEN_OBJECT,
  plainEnd,
  plainScalar,
  QUOTE,
  skipEscape,
  skipSpace,
  ZERO,
} from './json-bytes.ts'
import { JsonShapes, shapeAt, Values } from './json-shapes.ts'

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

/** In place of an index, for what is nested too deep. */
const DEEP = -2

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
  readonly #shapes = new JsonShapes()
  readonly #values = new Values()
  /** True if the last string had escapes. */
  #escaped = false
  /** True once a byte beyond ASCII was seen in the text. */
  #wide = false

  /** Reads the text `bytes[from, to)`. */
  scan(bytes: Uint8Array, from: number, to: number): Verdict {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    const view = this.#view
    this.#wide = false
    this.kinds.fill(Kind.ABSENT)
    if (this.#asBefore(bytes, view, from, to)) return this.#verdict(bytes, from, to)
    this.#wide = false
    this.kinds.fill(Kind.ABSENT)
    this.#values.clear()
    const start = skipSpace(bytes, from, to)
    if (start >= to) return Verdict.NOT_JSON
    const isObject = bytes[start] === OPEN_OBJECT
    const end = isObject
      ? this.#event(bytes, view, start + 1, to)
      : this.#value(bytes, view, start, to, 0)
    if (end === DEEP) return Verdict.TOO_DEEP
    if (end < 0 || skipSpace(bytes, end, to) < to) return Verdict.NOT_JSON
    const verdict = this.#verdict(bytes, from, to)
    if (!isObject) return verdict === Verdict.OBJECT ? Verdict.NOT_AN_OBJECT : verdict
    if (verdict === Verdict.OBJECT) this.#shapes.add(bytes, from, to, this.#values)
    return verdict
  }

  /** Of what is JSON but for bytes beyond ASCII. */
  #verdict(bytes: Uint8Array, from: number, to: number): Verdict {
    return this.#wide && !isUtf8(bytes.subarray(from, to)) ? Verdict.NOT_UTF8 : Verdict.OBJECT
  }

  /** Reads an event that has the shape of one before it: true if it has. */
  #asBefore(bytes: Uint8Array, view: DataView, from: number, to: number): boolean {
    let shapes = this.#shapes.first
    let at = from
    for (;;) {
      const shape = shapeAt(shapes, bytes, view, at, to)
      if (shape === undefined) return false
      if (shape.isEnd) return true
      at += shape.bytes.length
      const first = bytes[at] as number
      if (first === OPEN_OBJECT || first === OPEN_ARRAY) return false
      const end = this.#value(bytes, view, at, to, 1)
      if (end < 0) return false
      if (shape.field >= 0) this.#keep(shape.field, first, at, end)
      at = end
      shapes = shape.next
    }
  }

  /** The members of the event, from behind its brace on. */
  #event(bytes: Uint8Array, view: DataView, from: number, to: number): number {
    let at = skipSpace(bytes, from, to)
    if (at < to && bytes[at] === CLOSE_OBJECT) return at + 1
    for (;;) {
      if (at >= to || bytes[at] !== QUOTE) return BAD
      const nameStart = at + 1
      const nameEnd = this.#string(bytes, view, nameStart, to)
      if (nameEnd < 0) return BAD
      const field = this.#escaped
        ? escapedField(bytes, nameStart, nameEnd)
        : plainField(bytes, nameStart, nameEnd)
      at = colonEnd(bytes, nameEnd + 1, to)
      if (at < 0) return BAD
      const first = bytes[at] as number
      const start = at
      at = this.#value(bytes, view, at, to, 1)
      if (at < 0) return at
      if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) this.#values.add(start, at, field)
      else if (field >= 0) this.#values.beyond = true
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
      const end = this.#string(bytes, view, from + 1, to)
      return end < 0 ? BAD : end + 1
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
          const nameEnd = this.#string(bytes, view, at + 1, to)
          if (nameEnd < 0) return BAD
          at = colonEnd(bytes, nameEnd + 1, to)
          if (at < 0) return BAD
          next = bytes[at] as number
        }
        const start = at
        if (next === QUOTE) {
          const end = this.#string(bytes, view, at + 1, to)
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
        this.#values.add(start, at, -1)
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

  /** The index of the quote that ends a string, from behind the one that begins it on; or -1. */
  #string(bytes: Uint8Array, view: DataView, from: number, to: number): number {
    this.#escaped = false
    for (let at = plainEnd(bytes, view, from, to); at < to; at++) {
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
