/** How a value of a caller's row looks in a message: short, escaped, without running the caller's code. */
import { types } from 'node:util'

const SHOWN_CHARS = 60
const SHOWN_BYTES = 16

/** A short, printable text of any value: strings quoted and cut, bytes in hex, objects by their kind. */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
    case 'bigint':
      return `${cut(value.toString())}n`
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'boolean':
    case 'undefined':
      return String(value)
    case 'object':
      return value === null ? 'null' : describeObject(value)
    default:
      return `a ${typeof value}`
  }
}

/** A name or text in quotes, cut, control and direction characters escaped. */
export function quote(text: string): string {
  const shown = text.length > SHOWN_CHARS ? text.slice(0, SHOWN_CHARS) : text
  const escaped = JSON.stringify(shown).replace(
    UNPRINTABLE,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return shown === text ? escaped : `${escaped}… (${text.length} characters)`
}

function describeObject(value: object): string {
  if (types.isDate(value)) {
    const ms = Date.prototype.getTime.call(value)
    return Number.isNaN(ms) ? 'an invalid Date' : `Date ${new Date(ms).toISOString()}`
  }
  if (types.isUint8Array(value)) {
    const hex = Buffer.from(value.buffer, value.byteOffset, Math.min(value.length, SHOWN_BYTES))
    return `${value.length} bytes (${hex.toString('hex')}${value.length > SHOWN_BYTES ? '…' : ''})`
  }
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (types.isMap(value)) return 'a Map'
  if (types.isPromise(value)) return 'a Promise (is an await missing?)'
  if (ArrayBuffer.isView(value)) return 'a typed array'
  return 'an object'
}

function cut(text: string): string {
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text
}

/** What JSON leaves as it is but a terminal may act upon: C1 controls, line separators, direction marks. */
const UNPRINTABLE = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g
