/**
 * JSON that keeps 64-bit integers exact and never changes a prototype.
 *
 * An integer literal becomes a `number` while that is exact and a `bigint` beyond 2^53; the decoders below
 * turn either into the one type that a field has. Objects have no prototype, so that a key such as
 * `__proto__` is plain data. Iceberg metadata holds ids up to 2^63−1 (iceberg-writer.md item 1), which
 * `JSON.parse` would round.
 */
import { FloeError } from './errors.ts'

export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | JsonObject
export interface JsonObject {
  [key: string]: JsonValue
}

/** JSON bytes to be written as they are, for values that are the same in document after document. Never parsed. */
export class RawJson {
  readonly bytes: Uint8Array

  constructor(value: JsonValue) {
    this.bytes = Buffer.from(stringifyJson(value))
  }
}

/** An empty object without a prototype. */
export function jsonObject(): JsonObject {
  return Object.create(null) as JsonObject
}

/**
 * Parses a JSON text (RFC 8259).
 * @param what names the file in errors.
 * @throws BAD_JSON with the offset, also for nesting deeper than `maxDepth`.
 */
export function parseJson(text: string, what: string, maxDepth = 64): JsonValue {
  return new Parser(text, what, maxDepth).parse()
}

/** Decodes UTF-8 strictly and parses. @throws BAD_JSON */
export function parseJsonBytes(bytes: Uint8Array, what: string, maxDepth = 64): JsonValue {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new FloeError('BAD_JSON', `Cannot read ${what}: it is not valid UTF-8`, {
      cause,
      context: { file: what },
    })
  }
  return parseJson(text, what, maxDepth)
}

/**
 * Serializes; bigints are written as integer literals, keys in insertion order, no white space.
 * @throws BAD_JSON for NaN, infinities and integers that are a `number` beyond 2^53 (already rounded).
 */
export function stringifyJson(value: JsonValue): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'bigint':
      return value.toString()
    case 'number':
      return numberText(value)
  }
  if (value === null) return 'null'
  if (value instanceof RawJson) return Buffer.from(value.bytes).toString()
  if (Array.isArray(value)) {
    let out = '['
    for (let i = 0; i < value.length; i++) {
      if (i > 0) out += ','
      out += stringifyJson(value[i] as JsonValue)
    }
    return `${out}]`
  }
  const keys = Object.keys(value)
  // Most objects of metadata hold strings and small numbers alone: those the engine writes much faster.
  if (keys.every((key) => isExact(value[key]))) return JSON.stringify(value)
  let out = '{'
  let first = true
  for (const key of keys) {
    const item = value[key]
    if (item === undefined) continue
    if (!first) out += ','
    first = false
    out += `${JSON.stringify(key)}:${stringifyJson(item)}`
  }
  return `${out}}`
}

/** Serializes as {@link stringifyJson} does, to UTF-8; {@link RawJson} is copied. @throws BAD_JSON */
export function encodeJson(value: JsonValue): Uint8Array {
  const pieces: Uint8Array[] = []
  let text = ''
  const add = (item: JsonValue): void => {
    if (item instanceof RawJson) {
      pieces.push(text === ',' ? COMMA : Buffer.from(text), item.bytes)
      text = ''
    } else if (Array.isArray(item)) {
      text += '['
      for (let i = 0; i < item.length; i++) {
        if (i > 0) text += ','
        add(item[i] as JsonValue)
      }
      text += ']'
    } else if (typeof item === 'object' && item !== null) {
      text += '{'
      let first = true
      for (const [key, field] of Object.entries(item)) {
        if (field === undefined) continue
        text += `${first ? '' : ','}${JSON.stringify(key)}:`
        first = false
        add(field)
      }
      text += '}'
    } else text += stringifyJson(item)
  }
  add(value)
  pieces.push(Buffer.from(text))
  return Buffer.concat(pieces)
}

const COMMA = Buffer.from(',')

/** True for a scalar that JSON.stringify writes as it should be. */
function isExact(value: JsonValue | undefined): boolean {
  switch (typeof value) {
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0)
    case 'object':
      return value === null
    default:
      return typeof value !== 'bigint'
  }
}

function numberText(value: number): string {
  if (!Number.isFinite(value) || (Number.isInteger(value) && Math.abs(value) > 2 ** 53)) {
    throw new FloeError(
      'BAD_JSON',
      `Cannot write the number ${value} to JSON exactly. Use a bigint for large integers`,
    )
  }
  return Object.is(value, -0) ? '-0.0' : String(value)
}

/** The value as an object. @throws BAD_JSON naming `what` and `path`. */
export function asObject(value: JsonValue | undefined, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrongType(value, 'an object', what)
  }
  return value
}

/** The value as an array. @throws BAD_JSON */
export function asArray(value: JsonValue | undefined, what: string): JsonValue[] {
  if (!Array.isArray(value)) throw wrongType(value, 'an array', what)
  return value
}

/** The value as a string. @throws BAD_JSON */
export function asString(value: JsonValue | undefined, what: string): string {
  if (typeof value !== 'string') throw wrongType(value, 'a string', what)
  return value
}

/** The value as a boolean. @throws BAD_JSON */
export function asBoolean(value: JsonValue | undefined, what: string): boolean {
  if (typeof value !== 'boolean') throw wrongType(value, 'a boolean', what)
  return value
}

/** The value as a 32-bit integer. @throws BAD_JSON */
export function asInt(value: JsonValue | undefined, what: string): number {
  if (typeof value !== 'number' || (value | 0) !== value) {
    throw wrongType(value, 'a 32-bit integer', what)
  }
  return value
}

/** The value of a physically bounded long (a count, a size, milliseconds). @throws BAD_JSON */
export function asSafeLong(value: JsonValue | undefined, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw wrongType(value, 'an integer below 2^53', what)
  }
  return value
}

/** The value of an identity long (a snapshot id, a row id), always a bigint. @throws BAD_JSON */
export function asId(value: JsonValue | undefined, what: string): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  // Some writers use the unsigned range; an id is only compared, so it is taken as it stands.
  if (typeof value === 'bigint' && value >= -(2n ** 63n) && value < 2n ** 64n) return value
  throw wrongType(value, 'a 64-bit integer', what)
}

function wrongType(value: JsonValue | undefined, expected: string, what: string): FloeError {
  const found =
    value === undefined
      ? 'nothing'
      : value === null
        ? 'null'
        : Array.isArray(value)
          ? 'an array'
          : typeof value === 'object'
            ? 'an object'
            : `${typeof value} ${JSON.stringify(String(value).slice(0, 40))}`
  return new FloeError('BAD_JSON', `Cannot read ${what}: expected ${expected}, found ${found}`, {
    context: { field: what },
  })
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

class Parser {
  private pos = 0
  private depth = 0
  private readonly text: string
  private readonly what: string
  private readonly maxDepth: number

  constructor(text: string, what: string, maxDepth: number) {
    this.text = text
    this.what = what
    this.maxDepth = maxDepth
  }

  parse(): JsonValue {
    this.skipSpace()
    const value = this.value()
    this.skipSpace()
    if (this.pos < this.text.length) throw this.bad('text after the end of the value')
    return value
  }

  private value(): JsonValue {
    const c = this.text.charCodeAt(this.pos)
    switch (c) {
      case 0x7b:
        return this.object()
      case 0x5b:
        return this.array()
      case QUOTE:
        return this.string()
      case 0x74:
        return this.word('true', true)
      case 0x66:
        return this.word('false', false)
      case 0x6e:
        return this.word('null', null)
      default:
        return this.number()
    }
  }

  private object(): JsonObject {
    this.enter()
    const result = jsonObject()
    this.pos++
    this.skipSpace()
    if (this.text.charCodeAt(this.pos) === 0x7d) {
      this.pos++
      this.depth--
      return result
    }
    for (;;) {
      this.skipSpace()
      if (this.text.charCodeAt(this.pos) !== QUOTE) throw this.bad('expected a key')
      const key = this.string()
      this.skipSpace()
      if (this.text.charCodeAt(this.pos) !== 0x3a) throw this.bad('expected ":"')
      this.pos++
      this.skipSpace()
      result[key] = this.value()
      this.skipSpace()
      const c = this.text.charCodeAt(this.pos)
      this.pos++
      if (c === 0x7d) break
      if (c !== 0x2c) throw this.bad('expected "," or "}"', this.pos - 1)
    }
    this.depth--
    return result
  }

  private array(): JsonValue[] {
    this.enter()
    const result: JsonValue[] = []
    this.pos++
    this.skipSpace()
    if (this.text.charCodeAt(this.pos) === 0x5d) {
      this.pos++
      this.depth--
      return result
    }
    for (;;) {
      this.skipSpace()
      result.push(this.value())
      this.skipSpace()
      const c = this.text.charCodeAt(this.pos)
      this.pos++
      if (c === 0x5d) break
      if (c !== 0x2c) throw this.bad('expected "," or "]"', this.pos - 1)
    }
    this.depth--
    return result
  }

  private string(): string {
    const start = ++this.pos
    // The common case has no escape: one slice.
    for (;;) {
      const c = this.text.charCodeAt(this.pos)
      if (c === QUOTE) return this.text.slice(start, this.pos++)
      if (c === BACKSLASH) break
      if (!(c >= 0x20)) throw this.bad('unterminated string')
      this.pos++
    }
    let result = this.text.slice(start, this.pos)
    for (;;) {
      const c = this.text.charCodeAt(this.pos)
      if (c === QUOTE) {
        this.pos++
        return result
      }
      if (c === BACKSLASH) {
        result += this.escape()
        continue
      }
      if (!(c >= 0x20)) throw this.bad('unterminated string')
      const from = this.pos++
      while (this.pos < this.text.length) {
        const d = this.text.charCodeAt(this.pos)
        if (d === QUOTE || d === BACKSLASH || d < 0x20) break
        this.pos++
      }
      result += this.text.slice(from, this.pos)
    }
  }

  private escape(): string {
    const c = this.text[this.pos + 1]
    if (c === 'u') {
      const hex = this.text.slice(this.pos + 2, this.pos + 6)
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw this.bad('bad \\u escape')
      this.pos += 6
      return String.fromCharCode(Number.parseInt(hex, 16))
    }
    const plain = c === undefined ? undefined : ESCAPES[c]
    if (plain === undefined) throw this.bad('bad escape')
    this.pos += 2
    return plain
  }

  private number(): number | bigint {
    NUMBER.lastIndex = this.pos
    const match = NUMBER.exec(this.text)
    if (match === null) throw this.bad('expected a value')
    this.pos = NUMBER.lastIndex
    const text = match[0]
    const value = Number(text)
    if (match[1] === undefined) {
      if (Number.isSafeInteger(value)) return value === 0 ? 0 : value
      // BigInt() takes quadratic time: nothing in this format has more digits than a decimal(38).
      if (text.length > MAX_INTEGER_DIGITS) throw this.bad('an integer of too many digits')
      return BigInt(text)
    }
    if (!Number.isFinite(value)) throw this.bad('a number out of range')
    return value
  }

  private word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.pos)) throw this.bad('expected a value')
    this.pos += word.length
    return value
  }

  private skipSpace(): void {
    for (;;) {
      const c = this.text.charCodeAt(this.pos)
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return
      this.pos++
    }
  }

  private enter(): void {
    if (++this.depth > this.maxDepth) throw this.bad(`nesting deeper than ${this.maxDepth}`)
  }

  private bad(why: string, at = this.pos): FloeError {
    return new FloeError('BAD_JSON', `Cannot read ${this.what}: ${why} at offset ${at}`, {
      context: { file: this.what, offset: at },
    })
  }
}

const MAX_INTEGER_DIGITS = 80
const NUMBER = /-?(?:0|[1-9]\d*)((?:\.\d+)(?:[eE][+-]?\d+)?|[eE][+-]?\d+)?/y
const ESCAPES: Readonly<Record<string, string>> = Object.assign(Object.create(null) as object, {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
})
