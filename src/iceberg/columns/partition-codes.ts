/**
 * The results of a partition transform for every row of a column, as codes. Integers, hashes and parts of times are
 * computed from raw words; what is left (decimals, nanoseconds, far values) is transformed once for each distinct
 * value by `applyTransform`, which is the definition that the fast ways are tested against.
 */
import type { Data } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { murmur3Bytes, murmur3Int32, murmur3Int64 } from '../spec/murmur3.ts'
import type { Transform } from '../spec/transform.ts'
import {
  applyTransform,
  bucketOf,
  dayOfMicrosWords,
  hourOfMicrosWords,
  monthOfDays,
  truncateInt,
  yearOfDays,
} from '../spec/transforms.ts'
import type { PrimitiveType } from '../spec/types.ts'
import type { PrimitiveValue, Value } from '../spec/value.ts'
import { bigintFromBytes, uuidFromBytes } from '../spec/value-binary.ts'
import { partitionKey } from '../spec/value-compare.ts'
import { getBit } from './bitmap.ts'
import { type Codes, codesOfInts } from './codes.ts'
import type { Mask } from './validity.ts'

/**
 * The codes of transform(value) for each row; null gives null (item 107).
 * @param data a column of the type, as in batches for writing.
 * @param valid rows that are not null.
 * @throws VALUE_OUT_OF_RANGE where truncation would leave the type.
 */
export function partitionCodes(
  transform: Transform,
  type: PrimitiveType,
  data: Data,
  valid: Mask | undefined,
): Codes<Value> {
  if (transform.kind === 'void') return { codes: new Int32Array(data.length), values: [null] }
  const column = { data, valid, length: data.length }
  const ints = intResults(transform, type, column)
  if (ints !== undefined) return codesOfInts(ints, (row) => !has(column, row))
  if (transform.kind === 'truncate' && type.kind === 'long')
    return truncatedLongs(transform, column)
  const distinct = distinctValues(type, column, cutLength(transform, type))
  return transform.kind === 'identity' ? distinct : transformCodes(distinct, transform, type)
}

const INT_MIN = -(2 ** 31)
const INT_MAX = 2 ** 31 - 1
const TWO_32 = 2 ** 32
/** Below this, a high word and its low word make a double below 2^52. */
const EXACT_HIGH = 2 ** 20

interface Column {
  readonly data: Data
  readonly valid: Mask | undefined
  readonly length: number
}

function has({ valid }: Column, row: number): boolean {
  return valid === undefined || getBit(valid.bits, valid.offset + row)
}

/** Results that are 32-bit integers and have a way from the raw words; undefined for all others. */
function intResults(
  transform: Transform,
  type: PrimitiveType,
  column: Column,
): Int32Array | undefined {
  if (type.kind === 'int' || type.kind === 'date') {
    const values = (column.data.values as unknown as Int32Array).subarray(0, column.length)
    switch (transform.kind) {
      case 'identity':
        return values
      case 'day':
        return values
      case 'month':
      case 'year': {
        const part = remembered(transform.kind === 'month' ? monthOfDays : yearOfDays)
        return values.map((days, row) => (has(column, row) ? part(days) : 0))
      }
      case 'bucket':
        return values.map((value) => bucketOf(murmur3Int32(value), transform.numBuckets))
      case 'truncate':
        return values.map((value, row) => {
          if (!has(column, row)) return 0
          const result = truncateInt(value, transform.width)
          // Below the type there is only the error that applyTransform has for it.
          return result < INT_MIN ? (applyTransform(transform, type, value) as number) : result
        })
      default:
        return undefined
    }
  }
  if (transform.kind === 'bucket') return buckets(transform.numBuckets, type, column)
  if (type.kind === 'timestamp' || type.kind === 'timestamptz') return timeParts(transform, column)
  return undefined
}

function timeParts(transform: Transform, column: Column): Int32Array | undefined {
  const part = timePart(transform)
  if (part === undefined) return undefined
  const words = wordsOf(column.data)
  const out = new Int32Array(column.length)
  for (let i = 0; i < out.length; i++) {
    if (!has(column, i)) continue
    const result = part(words[i * 2] as number, words[i * 2 + 1] as number)
    if (result < INT_MIN || result > INT_MAX) throw beyondInt(transform)
    out[i] = result
  }
  return out
}

/** Hours of times some 245,000 years away: the result's type, int, does not hold them. */
function beyondInt(transform: Transform): FloeError {
  return new FloeError(
    'VALUE_OUT_OF_RANGE',
    `Cannot write under the partition transform ${transform.kind}: a timestamp is so far from 1970 that its ` +
      `${transform.kind} is no 32-bit integer. Correct the value or partition by day`,
    { context: { transform: transform.kind } },
  )
}

/** The part of a time that a transform takes, from the words of its µs. */
function timePart(transform: Transform): ((low: number, high: number) => number) | undefined {
  switch (transform.kind) {
    case 'hour':
      return hourOfMicrosWords
    case 'day':
      return dayOfMicrosWords
    case 'month':
    case 'year': {
      const part = remembered(transform.kind === 'month' ? monthOfDays : yearOfDays)
      return (low, high) => part(dayOfMicrosWords(low, high))
    }
    default:
      return undefined
  }
}

/** A function of days that remembers its last result: rows of one batch are often of one day. */
function remembered(part: (days: number) => number): (days: number) => number {
  let lastDays = 0
  let lastPart = part(lastDays)
  return (days) => {
    if (days !== lastDays) {
      lastPart = part(days)
      lastDays = days
    }
    return lastPart
  }
}

/** truncate[W] of longs (item 105): a double is exact for nearly all of them, the rest goes the exact way. */
function truncatedLongs(transform: Transform & { kind: 'truncate' }, column: Column): Codes<Value> {
  const longs = column.data.values as unknown as BigInt64Array
  const words = wordsOf(column.data)
  const at = (row: number): number | bigint => {
    const high = words[row * 2 + 1] as number
    if (high < EXACT_HIGH && high >= -EXACT_HIGH) {
      return truncateInt(high * TWO_32 + ((words[row * 2] as number) >>> 0), transform.width)
    }
    const exact = applyTransform(transform, { kind: 'long' }, longs[row] as bigint) as bigint
    // One key for one result, whichever way it came.
    const near = Number(exact)
    return Number.isSafeInteger(near) ? near : exact
  }
  return distinct(column, at, (result) => BigInt(result))
}

/** Buckets of values whose hashed bytes are those in the column (item 104). */
function buckets(n: number, type: PrimitiveType, column: Column): Int32Array | undefined {
  const out = new Int32Array(column.length)
  switch (type.kind) {
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz': {
      const words = wordsOf(column.data)
      for (let i = 0; i < out.length; i++) {
        out[i] = bucketOf(murmur3Int64(words[i * 2] as number, words[i * 2 + 1] as number), n)
      }
      return out
    }
    case 'string':
    case 'binary':
    case 'uuid':
    case 'fixed': {
      const { bytes, startOf } = slices(column.data)
      for (let i = 0; i < out.length; i++) {
        if (has(column, i)) out[i] = bucketOf(murmur3Bytes(bytes, startOf(i), startOf(i + 1)), n)
      }
      return out
    }
    default:
      return undefined
  }
}

/** For truncate of strings and binaries: the cut comes first, so that fewer distinct values are left. */
function cutLength(transform: Transform, type: PrimitiveType): number | undefined {
  const isBytes = type.kind === 'string' || type.kind === 'binary'
  return transform.kind === 'truncate' && isBytes ? transform.width : undefined
}

/** The distinct values of a column, of any primitive type. */
function distinctValues(
  type: PrimitiveType,
  column: Column,
  cut: number | undefined,
): Codes<Value> {
  switch (type.kind) {
    case 'boolean': {
      const bits = column.data.values as unknown as Uint8Array
      const { offset } = column.data
      return distinct(column, (row) => getBit(bits, offset + row), identity)
    }
    case 'int':
    case 'date':
    case 'float':
    case 'double': {
      const values = column.data.values as unknown as Float64Array
      // A map key takes both zeros for one, but they are two partitions (item 61).
      return distinct(
        column,
        (row) => values[row] as number,
        identity,
        (v) => (Object.is(v, -0) ? '-0' : v),
      )
    }
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns': {
      const values = column.data.values as unknown as BigInt64Array
      return distinct(column, (row) => values[row] as bigint, identity)
    }
    case 'decimal': {
      const { bytes, startOf } = slices(column.data)
      const read = (row: number): bigint =>
        bigintFromBytes(bytes.slice(startOf(row), startOf(row + 1)).reverse())
      return distinctBytes(column, { bytes, startOf, endOf: (row) => startOf(row + 1) }, read)
    }
    default: {
      const { bytes, startOf } = slices(column.data)
      const endOf = (row: number): number => {
        const end = startOf(row + 1)
        if (cut === undefined) return end
        return type.kind === 'string'
          ? pointsEnd(bytes, startOf(row), end, cut)
          : Math.min(end, startOf(row) + cut)
      }
      const read = (row: number): Value => {
        const value = bytes.slice(startOf(row), endOf(row))
        if (type.kind === 'string') return DECODER.decode(value)
        return type.kind === 'uuid' ? uuidFromBytes(value) : value
      }
      return distinctBytes(column, { bytes, startOf, endOf }, read)
    }
  }
}

const identity = <T>(value: T): T => value
const DECODER: TextDecoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Codes of values that a map can tell apart, by `keyOf` where it cannot by themselves. */
function distinct<T extends PrimitiveValue>(
  column: Column,
  at: (row: number) => T,
  toValue: (value: T) => Value,
  keyOf: (value: T) => unknown = identity,
): Codes<Value> {
  const codes = new Int32Array(column.length)
  const values: Value[] = []
  const known = new Map<unknown, number>()
  let lastKey: unknown
  let lastCode = 0
  for (let row = 0; row < codes.length; row++) {
    const value = has(column, row) ? at(row) : null
    const key = value === null ? null : keyOf(value)
    if (key === lastKey) {
      codes[row] = lastCode
      continue
    }
    let code = known.get(key)
    if (code === undefined) {
      code = values.push(value === null ? null : toValue(value)) - 1
      known.set(key, code)
    }
    codes[row] = code
    lastKey = key
    lastCode = code
  }
  return { codes, values }
}

interface Slices {
  readonly bytes: Uint8Array
  readonly startOf: (row: number) => number
  readonly endOf: (row: number) => number
}

/** Codes of byte strings. Rows are often like the one before; for those no key is made. */
function distinctBytes(
  column: Column,
  { bytes, startOf, endOf }: Slices,
  read: (row: number) => Value,
): Codes<Value> {
  const codes = new Int32Array(column.length)
  const values: Value[] = []
  const known = new Map<string | null, number>()
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let last = -1
  for (let row = 0; row < codes.length; row++) {
    if (!has(column, row)) {
      let code = known.get(null)
      if (code === undefined) {
        code = values.push(null) - 1
        known.set(null, code)
      }
      codes[row] = code
      continue
    }
    const start = startOf(row)
    const end = endOf(row)
    if (last >= 0 && sameBytes(bytes, start, end, startOf(last), endOf(last))) {
      codes[row] = codes[last] as number
      continue
    }
    last = row
    // One character for each byte: a key, not a text.
    const key = buffer.toString('latin1', start, end)
    let code = known.get(key)
    if (code === undefined) {
      code = values.push(read(row)) - 1
      known.set(key, code)
    }
    codes[row] = code
  }
  return { codes, values }
}

function sameBytes(
  bytes: Uint8Array,
  aStart: number,
  aEnd: number,
  bStart: number,
  bEnd: number,
): boolean {
  const length = aEnd - aStart
  if (bEnd - bStart !== length) return false
  for (let i = 0; i < length; i++) if (bytes[aStart + i] !== bytes[bStart + i]) return false
  return true
}

/** Codes of the transform's results, from codes of the source values; several of these may share a result. */
function transformCodes(
  source: Codes<Value>,
  transform: Transform,
  type: PrimitiveType,
): Codes<Value> {
  const values: Value[] = []
  const known = new Map<string, number>()
  const resultOf = Int32Array.from(source.values, (value) => {
    const result = applyTransform(transform, type, value)
    const key = partitionKey([result])
    let code = known.get(key)
    if (code === undefined) {
      code = values.push(result) - 1
      known.set(key, code)
    }
    return code
  })
  return { codes: source.codes.map((code) => resultOf[code] as number), values }
}

/** Values as byte ranges of one buffer: by offsets, or of fixed width. */
function slices(data: Data): { bytes: Uint8Array; startOf: (row: number) => number } {
  const values = data.values as unknown as Uint8Array
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const offsets = data.valueOffsets as Int32Array | undefined
  if (offsets !== undefined) return { bytes, startOf: (row) => offsets[row] as number }
  const width = values.BYTES_PER_ELEMENT * data.stride
  return { bytes, startOf: (row) => row * width }
}

/** The end of the first `count` code points of UTF-8 text. */
function pointsEnd(bytes: Uint8Array, start: number, end: number, count: number): number {
  if (end - start <= count) return end
  let points = 0
  for (let i = start; i < end; i++) {
    const isStart = ((bytes[i] as number) & 0xc0) !== 0x80
    if (isStart && points++ === count) return i
  }
  return end
}

function wordsOf(data: Data): Int32Array {
  const values = data.values as unknown as BigInt64Array
  return new Int32Array(values.buffer, values.byteOffset, data.length * 2)
}
