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
import type { PrimitiveValue } from './value.ts'

/** A literal that the type cannot hold but that still has an order against its values. */
export interface OutOfRange {
  readonly outOfRange: 'above' | 'below'
}

/**
 * The value of a literal for a column of the type.
 * Integers beyond an int or long column, and numbers with a fraction, come back as their side of the range or
 * between two values, so that `x < 3000000000` on an int column stays meaningful.
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
      if (typeof input === 'bigint' && BigInt(Number(input)) === input) return Number(input)
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
      if (typeof input === 'bigint') return input
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
      if (typeof input === 'string') return input
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
  else if (input === Number.POSITIVE_INFINITY) return { outOfRange: 'above' }
  else if (input === Number.NEGATIVE_INFINITY) return { outOfRange: 'below' }
  else throw mismatch(type, input, column)
  if (BigInt.asIntN(bits, value) === value) return convert(value)
  return { outOfRange: value > 0n ? 'above' : 'below' }
}

function decimal(
  input: LiteralInput,
  type: PrimitiveType & { kind: 'decimal' },
  column: string,
): PrimitiveValue | OutOfRange {
  const text =
    typeof input === 'string'
      ? input
      : typeof input === 'bigint' || (typeof input === 'number' && Number.isFinite(input))
        ? String(input)
        : undefined
  if (text !== undefined) {
    const parsed = parseDecimal(text, type.precision, type.scale)
    if ('unscaled' in parsed && fitsPrecision(parsed.unscaled, type.precision)) {
      return parsed.unscaled
    }
    if ('problem' in parsed && parsed.problem === 'precision') {
      return { outOfRange: text.trim().startsWith('-') ? 'below' : 'above' }
    }
  }
  throw mismatch(type, input, column)
}

function timestamp(
  input: LiteralInput,
  type: PrimitiveType,
  perSecond: bigint,
  column: string,
): PrimitiveValue {
  if (typeof input === 'bigint' && BigInt.asIntN(64, input) === input) return input
  if (input instanceof Date && !Number.isNaN(input.getTime())) {
    return BigInt(input.getTime()) * (perSecond / 1000n)
  }
  if (typeof input === 'string') {
    const utc = type.kind === 'timestamptz' || type.kind === 'timestamptz_ns'
    const text = /^[+-]?\d{4,7}-\d{2}-\d{2}$/.test(input)
      ? `${input}T00:00${utc ? 'Z' : ''}`
      : input
    const ticks = parseTimestamp(text, utc, perSecond)
    if (ticks !== undefined) return ticks
  }
  throw mismatch(type, input, column)
}

function mismatch(type: PrimitiveType, input: LiteralInput, column: string): FloeError {
  const shown =
    typeof input === 'string'
      ? JSON.stringify(input.slice(0, 60))
      : input instanceof Uint8Array
        ? `${input.length} bytes`
        : input instanceof Date
          ? `Date ${String(input.getTime())} ms`
          : `${typeof input} ${String(input)}`
  return new FloeError(
    'TYPE_MISMATCH',
    `Cannot compare column "${column}" of type ${typeText(type)} with ${shown}: give ${ACCEPTED[type.kind]}`,
    { context: { column, type: typeText(type) } },
  )
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
  string: 'a string',
  uuid: 'a uuid string',
  fixed: 'a Uint8Array',
  binary: 'a Uint8Array',
  geometry: 'nothing: geometries have no order',
  geography: 'nothing: geographies have no order',
  unknown: 'nothing: the column has only nulls',
}
