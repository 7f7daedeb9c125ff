/**
 * What a caller may write for a value of a type, converted without loss: literals of predicates and defaults.
 * (Rows have their own, column-at-a-time builders with the same rules.)
 */
import { FloeError } from '../../core/errors.ts'
import { fitsPrecision, parseDecimal } from './decimal.ts'
import type { LiteralInput } from './expressions/expression.ts'
import { parseDate, parseTime, parseTimestamp } from './temporal.ts'
import { typeText } from './type-text.ts'
import type { PrimitiveType } from './types.ts'
import { isWellFormed } from './unicode.ts'
import type { PrimitiveValue } from './value.ts'

/** A literal that the type cannot hold but that still has an order against all of its values. */
export interface OutOfRange {
  readonly outOfRange: 'above' | 'below'
}

const ABOVE: OutOfRange = Object.freeze({ outOfRange: 'above' })
const BELOW: OutOfRange = Object.freeze({ outOfRange: 'below' })

/**
 * The value of a literal for a column of the type. Numbers beyond the range of an integer, decimal or timestamp
 * column come back as their side of it, so that `x < 3000000000` on an int column stays meaningful. Nothing is
 * rounded: a fraction for an integer column or a digit beyond a decimal's scale is refused.
 * @throws TYPE_MISMATCH naming column, literal and accepted forms.
 */
export function coerceLiteral(
  type: PrimitiveType,
  input: LiteralInput,
  column: string,
): PrimitiveValue | OutOfRange {
  switch (type.kind) {
    case 'boolean':
      if (typeof input === 'boolean') return input
      break
    case 'int':
      return integer(input, 32, type, column, (v) => Number(v))
    case 'long':
      return integer(input, 64, type, column, (v) => v)
    case 'float':
    case 'double':
      if (typeof input === 'number') return input
      if (typeof input === 'bigint' && isExact(input)) return Number(input)
      break
    case 'decimal':
      return decimal(input, type, column)
    case 'date':
      if (typeof input === 'number' && Number.isInteger(input) && (input | 0) === input)
        return input
      if (typeof input === 'string') {
        const days = parseDate(input)
        if (days !== undefined) return days
      }
      if (input instanceof Date) {
        const ms = input.getTime()
        if (ms % 86_400_000 === 0) return ms / 86_400_000
      }
      break
    case 'time':
      if (typeof input === 'bigint') return int64(input)
      if (typeof input === 'string') {
        const micros = parseTime(input)
        if (micros !== undefined) return micros
      }
      break
    case 'timestamp':
    case 'timestamptz':
      return timestamp(input, type, 1_000_000n, column)
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return timestamp(input, type, 1_000_000_000n, column)
    case 'string':
      // A lone surrogate stands for no character: no stored string holds one.
      if (typeof input === 'string' && isWellFormed(input)) return input
      break
    case 'uuid':
      if (typeof input === 'string' && UUID.test(input)) return input.toLowerCase()
      break
    case 'fixed':
    case 'binary':
      if (input instanceof Uint8Array) return input
      break
    default:
      break
  }
  throw mismatch(type, input, column)
}

function integer<T extends PrimitiveValue>(
  input: LiteralInput,
  bits: 32 | 64,
  type: PrimitiveType,
  column: string,
  convert: (value: bigint) => T,
): T | OutOfRange {
  let value: bigint
  if (typeof input === 'bigint') value = input
  else if (typeof input === 'number' && Number.isSafeInteger(input)) value = BigInt(input)
  // Beyond 2^53 a number may be a rounded one: only its side of the range can be told, if it is outside.
  else if (typeof input === 'number' && isBeyond(input, bits)) return sideOf(input)
  else throw mismatch(type, input, column)
  return BigInt.asIntN(bits, value) === value ? convert(value) : sideOf(value)
}

function isBeyond(value: number, bits: 32 | 64): boolean {
  if (bits === 32 && Number.isInteger(value)) return value >= 2 ** 31 || value < -(2 ** 31)
  return value >= 2 ** 63 || value < -(2 ** 63)
}

function int64(value: bigint): bigint | OutOfRange {
  return BigInt.asIntN(64, value) === value ? value : sideOf(value)
}

function sideOf(value: bigint | number): OutOfRange {
  return value > 0 ? ABOVE : BELOW
}

/** True if a double has exactly this value. */
function isExact(value: bigint): boolean {
  const double = Number(value)
  return Number.isFinite(double) && BigInt(double) === value
}

function decimal(
  input: LiteralInput,
  type: PrimitiveType & { kind: 'decimal' },
  column: string,
): PrimitiveValue | OutOfRange {
  if (typeof input === 'bigint') {
    // Compared before it is scaled: a bigint may have any number of digits.
    if (!fitsPrecision(input, type.precision - type.scale)) return sideOf(input)
    return input * 10n ** BigInt(type.scale)
  }
  // No decimal has more than 38 digits.
  if (typeof input === 'number' && Math.abs(input) >= 1e38) return sideOf(input)
  if (typeof input === 'string' || typeof input === 'number') {
    const text = String(input)
    const parsed = parseDecimal(text, type.precision, type.scale)
    if ('unscaled' in parsed) return parsed.unscaled
    if (parsed.problem === 'precision') return text.trim().startsWith('-') ? BELOW : ABOVE
  }
  throw mismatch(type, input, column)
}

function timestamp(
  input: LiteralInput,
  type: PrimitiveType,
  perSecond: bigint,
  column: string,
): PrimitiveValue | OutOfRange {
  if (typeof input === 'bigint') return int64(input)
  if (input instanceof Date && !Number.isNaN(input.getTime())) {
    return int64(BigInt(input.getTime()) * (perSecond / 1000n))
  }
  if (typeof input === 'string') {
    const utc = type.kind === 'timestamptz' || type.kind === 'timestamptz_ns'
    const text = /^[+-]?\d{4,7}-\d{2}-\d{2}$/.test(input)
      ? `${input}T00:00${utc ? 'Z' : ''}`
      : input
    // Nanoseconds of 64 bits end in the year 2262: a later moment still has its side of all of them.
    const ticks = parseTimestamp(text, utc, perSecond)
    if (ticks !== undefined) return int64(ticks)
  }
  throw mismatch(type, input, column)
}

function mismatch(type: PrimitiveType, input: unknown, column: string): FloeError {
  const advice =
    input === null || input === undefined
      ? 'rows without a value are found by isNull'
      : `give ${ACCEPTED[type.kind]}`
  return new FloeError(
    'TYPE_MISMATCH',
    `Cannot compare column "${column}" of type ${typeText(type)} with ${shown(input)}: ${advice}`,
    { context: { column, type: typeText(type) } },
  )
}

/** What was given, bounded, and without calling any code of it. */
function shown(input: unknown): string {
  switch (typeof input) {
    case 'string':
      return JSON.stringify(input.length > 60 ? `${input.slice(0, 60)}…` : input)
    case 'bigint':
      return BigInt.asIntN(128, input) === input ? `bigint ${input}` : 'a bigint of over 128 bits'
    case 'number':
    case 'boolean':
      return `${typeof input} ${input}`
    case 'object':
      if (input === null) return 'null'
      if (input instanceof Uint8Array) return `${input.length} bytes`
      if (input instanceof Date) return `Date ${input.getTime()} ms`
      return Array.isArray(input) ? 'an array' : 'an object'
    default:
      return typeof input
  }
}

const UUID = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/
const TIMESTAMP = 'an ISO timestamp, a Date or a bigint'
const ACCEPTED: Readonly<Record<PrimitiveType['kind'], string>> = {
  boolean: 'true or false',
  int: 'an integer',
  long: 'a bigint or an integer number',
  float: 'a number',
  double: 'a number',
  decimal: 'a decimal string with no more decimals than the scale',
  date: "a string 'YYYY-MM-DD', days since 1970 or a Date at midnight UTC",
  time: "a string 'HH:MM:SS.ffffff' or a bigint of microseconds",
  timestamp: `${TIMESTAMP} of microseconds, without a zone`,
  timestamptz: `${TIMESTAMP} of microseconds, with a zone such as Z`,
  timestamp_ns: `${TIMESTAMP} of nanoseconds, without a zone`,
  timestamptz_ns: `${TIMESTAMP} of nanoseconds, with a zone such as Z`,
  string: 'a string without lone surrogates',
  uuid: 'a uuid string',
  fixed: 'a Uint8Array',
  binary: 'a Uint8Array',
  geometry: 'nothing: geometries have no order',
  geography: 'nothing: geographies have no order',
  unknown: 'nothing: the column has only nulls',
}
