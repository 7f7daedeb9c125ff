/**
 * Applying partition transforms: one value at a time, and the kernels that column code calls for each row.
 * Iceberg spec §Partition Transforms, §Appendix B (iceberg-writer.md items 104–108).
 */
import { FloeError } from '../../core/errors.ts'
import { formatDecimal } from './decimal.ts'
import { murmur3Bytes, murmur3Int32, murmur3Int64 } from './murmur3.ts'
import {
  civilFromDays,
  floorDiv,
  formatDate,
  formatTime,
  formatTimestamp,
  formatTimestampNanos,
} from './temporal.ts'
import type { Transform } from './transform.ts'
import { isPrimitive, type PrimitiveType, type Type } from './types.ts'
import type { PrimitiveValue, Value } from './value.ts'
import { bigintToBytes, bytesToHex, uuidToBytes } from './value-binary.ts'

const encoder = new TextEncoder()
const MICROS_PER_HOUR = 3_600_000_000n
const MICROS_PER_DAY = 86_400_000_000n

/** True if the transform takes values of the type. Unknown transforms are accepted here: they are only described. */
export function canTransform(transform: Transform, source: Type): boolean {
  if (!isPrimitive(source)) return false
  const kind = source.kind
  switch (transform.kind) {
    case 'identity':
      return kind !== 'geometry' && kind !== 'geography' && kind !== 'unknown'
    case 'void':
    case 'unknown':
      return true
    case 'bucket':
      return BUCKET_TYPES.has(kind)
    case 'truncate':
      return TRUNCATE_TYPES.has(kind)
    case 'year':
    case 'month':
    case 'day':
      return kind === 'date' || TIMESTAMP_TYPES.has(kind)
    case 'hour':
      return TIMESTAMP_TYPES.has(kind)
  }
}

/** The type of a transform's results (item 44): day gives a date, the other time transforms an int. */
export function transformResultType(transform: Transform, source: Type): PrimitiveType {
  switch (transform.kind) {
    case 'bucket':
    case 'year':
    case 'month':
    case 'hour':
      return { kind: 'int' }
    case 'day':
      return { kind: 'date' }
    case 'unknown':
      return { kind: 'string' }
    default:
      return isPrimitive(source) ? source : { kind: 'int' }
  }
}

/** True if a ≤ b implies transform(a) ≤ transform(b). */
export function preservesOrder(transform: Transform): boolean {
  return transform.kind !== 'bucket' && transform.kind !== 'void' && transform.kind !== 'unknown'
}

/**
 * Applies a transform; null gives null.
 * @throws UNSUPPORTED_TRANSFORM for an unknown transform, VALUE_OUT_OF_RANGE where truncation would underflow.
 */
export function applyTransform(transform: Transform, type: PrimitiveType, value: Value): Value {
  if (value === null) return null
  const v = value as PrimitiveValue
  switch (transform.kind) {
    case 'identity':
      return v
    case 'void':
      return null
    case 'bucket':
      return bucketOf(hashValue(type, v), transform.numBuckets)
    case 'truncate':
      return truncateValue(type, v, transform.width)
    case 'year':
      return civilFromDays(toDays(type, v)).year - 1970
    case 'month': {
      const { year, month } = civilFromDays(toDays(type, v))
      return (year - 1970) * 12 + month - 1
    }
    case 'day':
      return toDays(type, v)
    case 'hour':
      return Number(floorDiv(toMicros(type, v as bigint), MICROS_PER_HOUR))
    case 'unknown':
      throw new FloeError(
        'UNSUPPORTED_TRANSFORM',
        `Cannot write under the partition transform "${transform.text}", which is not known`,
        { context: { transform: transform.text } },
      )
  }
}

/** The bucket of a hash: always in [0, n). */
export function bucketOf(hash: number, numBuckets: number): number {
  return (hash & 0x7fffffff) % numBuckets
}

/** The 32-bit hash that bucket transforms use for a value. */
export function hashValue(type: PrimitiveType, value: PrimitiveValue): number {
  switch (type.kind) {
    case 'int':
    case 'date':
      return murmur3Int32(value as number)
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return hashBigint(value as bigint)
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return hashBigint(floorDiv(value as bigint, 1000n))
    case 'decimal':
      return murmur3Bytes(bigintToBytes(value as bigint))
    case 'string':
      return murmur3Bytes(encoder.encode(value as string))
    case 'uuid':
      return murmur3Bytes(uuidToBytes(value as string))
    case 'fixed':
    case 'binary':
      return murmur3Bytes(value as Uint8Array)
    default:
      throw new FloeError('BAD_PARTITION_SPEC', `A ${type.kind} cannot be bucketed`)
  }
}

/** Days since the epoch of µs given as the two 32-bit words of an int64, floored; no bigint. */
export function dayOfMicrosWords(low: number, high: number): number {
  return floorDivWords(low, high, 86_400_000_000)
}

/** Hours since the epoch of µs given as the two 32-bit words of an int64, floored; no bigint. */
export function hourOfMicrosWords(low: number, high: number): number {
  return floorDivWords(low, high, 3_600_000_000)
}

/** Months since 1970-01 of days since the epoch. */
export function monthOfDays(days: number): number {
  const { year, month } = civilFromDays(days)
  return (year - 1970) * 12 + month - 1
}

/** Years since 1970 of days since the epoch. */
export function yearOfDays(days: number): number {
  return civilFromDays(days).year - 1970
}

/** Truncation of a 32-bit integer towards minus infinity (item 105). */
export function truncateInt(value: number, width: number): number {
  return value - (((value % width) + width) % width)
}

/**
 * The readable text of a partition value for a path segment: cosmetic, readers never parse it (item 108).
 * Not yet URL-encoded.
 */
export function transformPathText(
  transform: Transform,
  source: PrimitiveType,
  value: Value,
): string {
  if (value === null) return 'null'
  switch (transform.kind) {
    case 'year':
      return paddedYear((value as number) + 1970)
    case 'month': {
      const months = value as number
      const year = Math.floor(months / 12)
      return `${paddedYear(year + 1970)}-${String(months - year * 12 + 1).padStart(2, '0')}`
    }
    case 'day':
      return formatDate(value as number)
    case 'hour': {
      const hours = value as number
      const day = Math.floor(hours / 24)
      return `${formatDate(day)}-${String(hours - day * 24).padStart(2, '0')}`
    }
    default:
      return valueText(transformResultType(transform, source), value as PrimitiveValue)
  }
}

/** A readable text of a value, as in messages and path segments. */
export function valueText(type: PrimitiveType, value: PrimitiveValue): string {
  switch (type.kind) {
    case 'date':
      return formatDate(value as number)
    case 'time':
      return formatTime(value as bigint)
    case 'timestamp':
    case 'timestamptz':
      return formatTimestamp(value as bigint, type.kind === 'timestamptz')
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return formatTimestampNanos(value as bigint, type.kind === 'timestamptz_ns')
    case 'decimal':
      return formatDecimal(value as bigint, type.scale)
    default:
      return value instanceof Uint8Array ? bytesToHex(value) : String(value)
  }
}

function hashBigint(value: bigint): number {
  return murmur3Int64(Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)))
}

function toMicros(type: PrimitiveType, value: bigint): bigint {
  return type.kind === 'timestamp_ns' || type.kind === 'timestamptz_ns'
    ? floorDiv(value, 1000n)
    : value
}

function toDays(type: PrimitiveType, value: PrimitiveValue): number {
  if (type.kind === 'date') return value as number
  return Number(floorDiv(toMicros(type, value as bigint), MICROS_PER_DAY))
}

function truncateValue(type: PrimitiveType, value: PrimitiveValue, width: number): PrimitiveValue {
  switch (type.kind) {
    case 'int':
      checkRange(BigInt(truncateInt(value as number, width)), 32, 'int')
      return truncateInt(value as number, width)
    case 'long': {
      const truncated = truncateBigint(value as bigint, BigInt(width))
      checkRange(truncated, 64, 'long')
      return truncated
    }
    case 'decimal':
      return truncateBigint(value as bigint, BigInt(width))
    case 'string': {
      const text = value as string
      if (text.length <= width) return text
      let end = 0
      for (let n = 0; n < width && end < text.length; n++) {
        end += (text.codePointAt(end) as number) > 0xffff ? 2 : 1
      }
      return text.slice(0, end)
    }
    case 'binary':
      return (value as Uint8Array).slice(0, width)
    default:
      throw new FloeError('BAD_PARTITION_SPEC', `A ${type.kind} cannot be truncated`)
  }
}

function truncateBigint(value: bigint, width: bigint): bigint {
  return value - (((value % width) + width) % width)
}

/** Truncating near the type's minimum would leave the type: refused rather than wrapped around. */
function checkRange(value: bigint, bits: number, type: string): void {
  if (BigInt.asIntN(bits, value) !== value) {
    throw new FloeError(
      'VALUE_OUT_OF_RANGE',
      `A ${type} near its minimum cannot be truncated without underflow`,
    )
  }
}

function floorDivWords(low: number, high: number, divisor: number): number {
  const hi = high | 0
  const lo = low >>> 0
  // |high| < 2^21 keeps every intermediate an exact double; that is ±285 years in µs, the common case.
  if (hi >= -0x200000 && hi < 0x200000) return Math.floor((hi * 4_294_967_296 + lo) / divisor)
  const value = (BigInt(hi) << 32n) | BigInt(lo)
  return Number(floorDiv(value, BigInt(divisor)))
}

function paddedYear(year: number): string {
  return year < 0 ? `-${String(-year).padStart(4, '0')}` : String(year).padStart(4, '0')
}

const TIMESTAMP_TYPES: ReadonlySet<string> = new Set([
  'timestamp',
  'timestamptz',
  'timestamp_ns',
  'timestamptz_ns',
])
const BUCKET_TYPES: ReadonlySet<string> = new Set([
  'int',
  'long',
  'decimal',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'timestamp_ns',
  'timestamptz_ns',
  'string',
  'uuid',
  'fixed',
  'binary',
])
const TRUNCATE_TYPES: ReadonlySet<string> = new Set(['int', 'long', 'decimal', 'string', 'binary'])
