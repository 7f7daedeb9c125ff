/**
 * What a leaf of a Parquet file holds, read with a table column's type in mind: its Iceberg type, the annotation
 * that makes the decoder deliver it, and what is left to convert. Covers what Iceberg, Hive, Impala and Spark
 * writers have left behind: INT96 and millisecond timestamps, strings without annotation, narrow and unsigned
 * integers, decimals in every storage.
 */
import { typeText } from '../spec/type-text.ts'
import type { PrimitiveType } from '../spec/types.ts'
import {
  ConvertedType,
  type LogicalType,
  PhysicalType,
  type SchemaElement,
  type TimeUnit,
} from './parquet-thrift.ts'
import { primitiveElement } from './schema-mapping.ts'

/**
 * What the decoder delivers that is not yet the Iceberg type: milliseconds (64 bits for timestamps, 32 for times),
 * unsigned 32-bit integers.
 */
export type LeafConversion = 'timestamp-millis' | 'time-millis' | 'uint32'

export interface LeafReading {
  /** The type of the values, as the file has them. */
  readonly type: PrimitiveType
  /** Storage and annotation of the leaf for the decoder: no name, repetition or id. */
  readonly element: Omit<SchemaElement, 'name'>
  readonly convert?: LeafConversion
  /** INT96 timestamps decode to microseconds only if the decoder is told so by an Arrow schema. */
  readonly int96?: boolean
}

/**
 * How to read a leaf for a column of type `wanted`. The type of the result may still need a promotion.
 * @returns what speaks against it, in words, if the leaf holds nothing that fits or is not supported.
 */
export function readLeafAs(element: SchemaElement, wanted: PrimitiveType): LeafReading | string {
  const annotation = annotationOf(element)
  switch (element.type) {
    case PhysicalType.BOOLEAN:
      return plain(element, { kind: 'boolean' })
    case PhysicalType.FLOAT:
      return plain(element, { kind: 'float' })
    case PhysicalType.DOUBLE:
      return plain(element, { kind: 'double' })
    case PhysicalType.INT32:
      return readInt32(element, annotation)
    case PhysicalType.INT64:
      return readInt64(element, annotation, wanted)
    case PhysicalType.INT96: {
      const type: PrimitiveType =
        wanted.kind === 'timestamp' ? { kind: 'timestamp' } : { kind: 'timestamptz' }
      return { type, element: { type: element.type }, int96: true }
    }
    case PhysicalType.BYTE_ARRAY:
      return readByteArray(element, annotation, wanted)
    case PhysicalType.FIXED_LEN_BYTE_ARRAY:
      return readFixed(element, annotation, wanted)
    default:
      return `physical type ${element.type} is not known`
  }
}

/** A leaf's type in words, for errors. */
export function leafText(element: SchemaElement): string {
  const physical =
    Object.entries(PhysicalType).find(([, value]) => value === element.type)?.[0] ?? element.type
  const annotation = annotationOf(element)
  const name = Object.keys(annotation)[0]
  return name === undefined ? String(physical) : `${physical} (${name})`
}

/** The annotation of an element, also of one that has only the older converted type; empty if none. */
export function annotationOf(element: SchemaElement): LogicalType {
  if (element.logicalType !== undefined && Object.keys(element.logicalType).length > 0) {
    return element.logicalType
  }
  switch (element.converted_type) {
    case ConvertedType.UTF8:
      return { STRING: {} }
    case ConvertedType.MAP:
    case ConvertedType.MAP_KEY_VALUE:
      return { MAP: {} }
    case ConvertedType.LIST:
      return { LIST: {} }
    case ConvertedType.ENUM:
      return { ENUM: {} }
    case ConvertedType.DECIMAL:
      return { DECIMAL: { scale: element.scale ?? 0, precision: element.precision ?? 0 } }
    case ConvertedType.DATE:
      return { DATE: {} }
    case ConvertedType.TIME_MILLIS:
      return { TIME: { isAdjustedToUTC: true, unit: { MILLIS: {} } } }
    case ConvertedType.TIME_MICROS:
      return { TIME: { isAdjustedToUTC: true, unit: { MICROS: {} } } }
    case ConvertedType.TIMESTAMP_MILLIS:
      return { TIMESTAMP: { isAdjustedToUTC: true, unit: { MILLIS: {} } } }
    case ConvertedType.TIMESTAMP_MICROS:
      return { TIMESTAMP: { isAdjustedToUTC: true, unit: { MICROS: {} } } }
    case ConvertedType.JSON:
      return { JSON: {} }
    case ConvertedType.BSON:
      return { BSON: {} }
    default:
      return integerAnnotation(element.converted_type)
  }
}

function integerAnnotation(converted: number | undefined): LogicalType {
  switch (converted) {
    case ConvertedType.UINT_8:
      return { INTEGER: { bitWidth: 8, isSigned: false } }
    case ConvertedType.UINT_16:
      return { INTEGER: { bitWidth: 16, isSigned: false } }
    case ConvertedType.UINT_32:
      return { INTEGER: { bitWidth: 32, isSigned: false } }
    case ConvertedType.UINT_64:
      return { INTEGER: { bitWidth: 64, isSigned: false } }
    case ConvertedType.INT_8:
      return { INTEGER: { bitWidth: 8, isSigned: true } }
    case ConvertedType.INT_16:
      return { INTEGER: { bitWidth: 16, isSigned: true } }
    case ConvertedType.INT_32:
      return { INTEGER: { bitWidth: 32, isSigned: true } }
    case ConvertedType.INT_64:
      return { INTEGER: { bitWidth: 64, isSigned: true } }
    default:
      return {}
  }
}

function readInt32(element: SchemaElement, annotation: LogicalType): LeafReading | string {
  if (annotation.DATE !== undefined) return plain(element, { kind: 'date' })
  if (annotation.DECIMAL !== undefined) return decimal(element, annotation.DECIMAL)
  if (annotation.TIME !== undefined) {
    return {
      type: { kind: 'time' },
      element: {
        type: PhysicalType.INT32,
        converted_type: ConvertedType.TIME_MILLIS,
        logicalType: { TIME: { isAdjustedToUTC: false, unit: { MILLIS: {} } } },
      },
      convert: 'time-millis',
    }
  }
  const integer = annotation.INTEGER
  if (integer !== undefined && !integer.isSigned && integer.bitWidth === 32) {
    return {
      type: { kind: 'long' },
      element: {
        type: PhysicalType.INT32,
        converted_type: ConvertedType.UINT_32,
        logicalType: { INTEGER: { bitWidth: 32, isSigned: false } },
      },
      convert: 'uint32',
    }
  }
  return plain(element, { kind: 'int' })
}

function readInt64(
  element: SchemaElement,
  annotation: LogicalType,
  wanted: PrimitiveType,
): LeafReading | string {
  if (annotation.DECIMAL !== undefined) return decimal(element, annotation.DECIMAL)
  if (annotation.TIMESTAMP !== undefined) {
    const utc = isInstant(wanted) ? wanted.kind.startsWith('timestamptz') : undefined
    return timestamp(annotation.TIMESTAMP.unit, utc ?? annotation.TIMESTAMP.isAdjustedToUTC)
  }
  if (annotation.TIME !== undefined) {
    if (annotation.TIME.unit.MICROS !== undefined) return plain(element, { kind: 'time' })
    return 'times in nanoseconds are not supported'
  }
  if (annotation.INTEGER !== undefined && !annotation.INTEGER.isSigned) {
    if (annotation.INTEGER.bitWidth === 64) return 'unsigned 64-bit integers are not supported'
  }
  return plain(element, { kind: 'long' })
}

/** Whether instants are meant is what the table says: the values are the same. */
function timestamp(unit: TimeUnit, utc: boolean): LeafReading | string {
  if (unit.NANOS !== undefined) {
    const type: PrimitiveType = { kind: utc ? 'timestamptz_ns' : 'timestamp_ns' }
    return { type, element: primitiveElement(type) }
  }
  const type: PrimitiveType = { kind: utc ? 'timestamptz' : 'timestamp' }
  if (unit.MICROS !== undefined) return { type, element: primitiveElement(type) }
  if (unit.MILLIS === undefined) return 'a timestamp of an unknown unit'
  return {
    type,
    element: {
      type: PhysicalType.INT64,
      converted_type: ConvertedType.TIMESTAMP_MILLIS,
      logicalType: { TIMESTAMP: { isAdjustedToUTC: utc, unit: { MILLIS: {} } } },
    },
    convert: 'timestamp-millis',
  }
}

function readByteArray(
  element: SchemaElement,
  annotation: LogicalType,
  wanted: PrimitiveType,
): LeafReading | string {
  if (annotation.DECIMAL !== undefined) return decimal(element, annotation.DECIMAL)
  switch (wanted.kind) {
    case 'string':
    case 'binary':
    case 'geometry':
    case 'geography':
      // Old writers leave strings without annotation and annotate binaries: the table says what it is.
      return {
        type: wanted,
        element:
          wanted.kind === 'string' ? primitiveElement(wanted) : { type: PhysicalType.BYTE_ARRAY },
      }
    default: {
      const isText = annotation.STRING ?? annotation.ENUM ?? annotation.JSON
      return plain(element, { kind: isText === undefined ? 'binary' : 'string' })
    }
  }
}

function readFixed(
  element: SchemaElement,
  annotation: LogicalType,
  wanted: PrimitiveType,
): LeafReading | string {
  const length = element.type_length ?? 0
  if (length <= 0 || length > MAX_FIXED_BYTES) return `a fixed length of ${length} bytes`
  if (annotation.DECIMAL !== undefined) return decimal(element, annotation.DECIMAL)
  if (annotation.FLOAT16 !== undefined) return '16-bit floats are not supported'
  const type: PrimitiveType =
    length === 16 && (wanted.kind === 'uuid' || annotation.UUID !== undefined)
      ? { kind: 'uuid' }
      : { kind: 'fixed', length }
  // Without annotation, so that the decoder adds no extension type.
  return { type, element: { type: element.type, type_length: length } }
}

function decimal(
  element: SchemaElement,
  { scale, precision }: { readonly scale: number; readonly precision: number },
): LeafReading | string {
  if (precision < 1 || precision > 38 || scale < 0 || scale > precision) {
    return `decimal(${precision},${scale}) is not supported`
  }
  const type: PrimitiveType = { kind: 'decimal', precision, scale }
  return {
    type,
    element: {
      type: element.type,
      type_length: element.type_length,
      converted_type: ConvertedType.DECIMAL,
      scale,
      precision,
      logicalType: { DECIMAL: { scale, precision } },
    },
  }
}

function plain(element: SchemaElement, type: PrimitiveType): LeafReading {
  return { type, element: { ...primitiveElement(type), type: element.type } }
}

function isInstant(type: PrimitiveType): boolean {
  return typeText(type).startsWith('timestamp')
}

const MAX_FIXED_BYTES = 1 << 20
