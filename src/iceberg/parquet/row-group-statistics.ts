/**
 * What a file says of the values in a row group, as far as it can be trusted, in the form that predicates are
 * evaluated over. Whatever is doubtful counts as not known: a row group is skipped only for what is certain.
 */
import type { ColumnRange } from '../spec/expressions/metrics-evaluator.ts'
import type { PrimitiveType } from '../spec/types.ts'
import type { PrimitiveValue } from '../spec/value.ts'
import { bigintFromBytes, uuidFromBytes } from '../spec/value-binary.ts'
import { annotationOf, type LeafReading, readLeafAs } from './leaf-types.ts'
import {
  type ColumnChunk,
  type ColumnOrder,
  PhysicalType,
  type SchemaElement,
  type Statistics,
} from './parquet-thrift.ts'

/**
 * The range of a column chunk's values, converted to the table's type.
 * @param order the file's entry in `column_orders` for this column, if it has any.
 */
export function columnRange(
  chunk: ColumnChunk,
  element: SchemaElement,
  order: ColumnOrder | undefined,
  type: PrimitiveType,
): ColumnRange {
  const meta = chunk.meta_data
  const statistics = meta?.statistics
  if (meta === undefined || statistics === undefined) return {}
  const counts = {
    valueCount: meta.num_values,
    ...(isCount(statistics.null_count, meta.num_values)
      ? { nullCount: statistics.null_count }
      : {}),
    ...(isCount(statistics.nan_count, meta.num_values) ? { nanCount: statistics.nan_count } : {}),
  }
  const reading = readLeafAs(element, type)
  if (typeof reading === 'string') return counts
  const bounds = trustedBounds(statistics, element, order)
  if (bounds === undefined) return counts
  const lower = boundValue(bounds.min, element, reading, type, false)
  const upper = boundValue(bounds.max, element, reading, type, true)
  // A NaN says that the writer did not keep NaNs out: the other bound is no better.
  if (Number.isNaN(lower) || Number.isNaN(upper)) return counts
  return {
    ...counts,
    ...(lower === undefined ? {} : { lower }),
    ...(upper === undefined ? {} : { upper }),
  }
}

function isCount(count: number | undefined, values: number): count is number {
  return count !== undefined && count >= 0 && count <= values
}

interface Bounds {
  readonly min: Uint8Array | undefined
  readonly max: Uint8Array | undefined
}

/**
 * The bounds whose order is known: `min_value` and `max_value` where the footer declares the order of the type,
 * else the deprecated pair where its signed order is the order of the type.
 */
function trustedBounds(
  statistics: Statistics,
  element: SchemaElement,
  order: ColumnOrder | undefined,
): Bounds | undefined {
  const isFloat = element.type === PhysicalType.FLOAT || element.type === PhysicalType.DOUBLE
  if (element.type === PhysicalType.INT96) return undefined
  if (order?.TYPE_ORDER !== undefined || (isFloat && order?.IEEE_754_TOTAL_ORDER !== undefined)) {
    if (statistics.min_value !== undefined || statistics.max_value !== undefined) {
      return { min: statistics.min_value, max: statistics.max_value }
    }
  }
  const isInteger = element.type === PhysicalType.INT32 || element.type === PhysicalType.INT64
  const isUnsigned = annotationOf(element).INTEGER?.isSigned === false
  if (!(isInteger || isFloat) || isUnsigned) return undefined
  return { min: statistics.min, max: statistics.max }
}

/** A bound in the table's type; undefined if its bytes are not a value of the file's type. */
function boundValue(
  bytes: Uint8Array | undefined,
  element: SchemaElement,
  reading: LeafReading,
  type: PrimitiveType,
  upper: boolean,
): PrimitiveValue | undefined {
  if (bytes === undefined) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (element.type) {
    case PhysicalType.BOOLEAN:
      return bytes.length === 1 ? bytes[0] !== 0 : undefined
    case PhysicalType.INT32:
      if (bytes.length !== 4) return undefined
      return fromInteger(BigInt(view.getInt32(0, true)), reading, type)
    case PhysicalType.INT64:
      if (bytes.length !== 8) return undefined
      return fromInteger(view.getBigInt64(0, true), reading, type)
    case PhysicalType.FLOAT:
      return bytes.length === 4 ? zeroBound(view.getFloat32(0, true), upper) : undefined
    case PhysicalType.DOUBLE:
      return bytes.length === 8 ? zeroBound(view.getFloat64(0, true), upper) : undefined
    default:
      return fromBytes(bytes, type)
  }
}

function fromInteger(
  value: bigint,
  reading: LeafReading,
  type: PrimitiveType,
): PrimitiveValue | undefined {
  const converted = convertInteger(value, reading)
  switch (type.kind) {
    case 'int':
    case 'date':
      return Number(converted)
    case 'timestamp':
    case 'timestamptz':
      return reading.type.kind === 'date' ? converted * MICROS_PER_DAY : converted
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return reading.type.kind === 'date' ? converted * MICROS_PER_DAY * 1000n : converted
    case 'long':
    case 'time':
    case 'decimal':
      return converted
    default:
      return undefined
  }
}

function convertInteger(value: bigint, reading: LeafReading): bigint {
  switch (reading.convert) {
    case 'timestamp-millis':
    case 'time-millis':
      return value * 1000n
    case 'uint32':
      return BigInt.asUintN(32, value)
    default:
      return value
  }
}

/** The zeros are one value to predicates; a bound has to have both on its side. */
function zeroBound(value: number, upper: boolean): number {
  if (value !== 0) return value
  return upper ? 0 : -0
}

function fromBytes(bytes: Uint8Array, type: PrimitiveType): PrimitiveValue | undefined {
  switch (type.kind) {
    case 'string':
      try {
        return UTF8.decode(bytes)
      } catch {
        // Cut by the writer in the middle of a character.
        return undefined
      }
    case 'uuid':
      return bytes.length === 16 ? uuidFromBytes(bytes) : undefined
    case 'decimal':
      return bytes.length > 0 && bytes.length <= 16 ? bigintFromBytes(bytes) : undefined
    case 'fixed':
    case 'binary':
      return bytes
    default:
      return undefined
  }
}

const MICROS_PER_DAY = 86_400_000_000n
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
