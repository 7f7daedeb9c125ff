/**
 * Iceberg schema → Parquet schema, as data files are written (iceberg-writer.md items 64-66): every field carries
 * its field id, lists are `list`/`element`, maps are `key_value`/`key`,`value`, columns of type unknown are left out.
 */
import { FloeError } from '../../core/errors.ts'
import { decimalFixedLength } from '../spec/decimal.ts'
import type { Schema } from '../spec/schema.ts'
import type { GeographyType, NestedField, PrimitiveType } from '../spec/types.ts'
import {
  ConvertedType,
  EdgeAlgorithm,
  PhysicalType,
  Repetition,
  type SchemaElement,
  type TimeUnit,
} from './parquet-thrift.ts'

/** A leaf of a schema that is written: one column chunk in each row group. */
export interface ParquetColumn {
  readonly fieldId: number
  readonly type: PrimitiveType
  readonly path: readonly string[]
  readonly physicalType: number
}

export interface ParquetSchema {
  /** Depth first, from the root on. */
  readonly elements: readonly SchemaElement[]
  readonly columns: readonly ParquetColumn[]
}

/** The Parquet schema of a table schema. @throws UNSUPPORTED_TYPE naming the column, for variant. */
export function toParquetSchema(schema: Schema): ParquetSchema {
  const elements: SchemaElement[] = []
  const columns: ParquetColumn[] = []
  const stored = schema.fields.filter((f) => f.type.kind !== 'unknown')
  elements.push({ name: 'table', num_children: stored.length })
  for (const field of stored) addField(field, [], elements, columns)
  return { elements, columns }
}

/** How a primitive is stored: the members of its schema element but name, repetition and field id. */
export function primitiveElement(type: PrimitiveType): Omit<SchemaElement, 'name'> {
  switch (type.kind) {
    case 'boolean':
      return { type: PhysicalType.BOOLEAN }
    case 'int':
      return { type: PhysicalType.INT32 }
    case 'long':
      return { type: PhysicalType.INT64 }
    case 'float':
      return { type: PhysicalType.FLOAT }
    case 'double':
      return { type: PhysicalType.DOUBLE }
    case 'decimal':
      return {
        ...decimalStorage(type.precision),
        converted_type: ConvertedType.DECIMAL,
        scale: type.scale,
        precision: type.precision,
        logicalType: { DECIMAL: { scale: type.scale, precision: type.precision } },
      }
    case 'date':
      return {
        type: PhysicalType.INT32,
        converted_type: ConvertedType.DATE,
        logicalType: { DATE: {} },
      }
    case 'time':
      return {
        type: PhysicalType.INT64,
        // The converted type implies UTC, which a time of day is not; parquet-java writes it all the same.
        converted_type: ConvertedType.TIME_MICROS,
        logicalType: { TIME: { isAdjustedToUTC: false, unit: MICROS } },
      }
    case 'timestamp':
    case 'timestamptz':
      return {
        type: PhysicalType.INT64,
        converted_type: ConvertedType.TIMESTAMP_MICROS,
        logicalType: {
          TIMESTAMP: { isAdjustedToUTC: type.kind === 'timestamptz', unit: MICROS },
        },
      }
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return {
        type: PhysicalType.INT64,
        logicalType: {
          TIMESTAMP: { isAdjustedToUTC: type.kind === 'timestamptz_ns', unit: NANOS },
        },
      }
    case 'string':
      return {
        type: PhysicalType.BYTE_ARRAY,
        converted_type: ConvertedType.UTF8,
        logicalType: { STRING: {} },
      }
    case 'uuid':
      return { ...fixedLength(16), logicalType: { UUID: {} } }
    case 'fixed':
      return fixedLength(type.length)
    case 'binary':
      return { type: PhysicalType.BYTE_ARRAY }
    case 'geometry':
      return {
        type: PhysicalType.BYTE_ARRAY,
        logicalType: { GEOMETRY: type.crs === undefined ? {} : { crs: type.crs } },
      }
    case 'geography':
      return { type: PhysicalType.BYTE_ARRAY, logicalType: { GEOGRAPHY: geography(type) } }
    case 'unknown':
      throw new FloeError(
        'ASSERTION_FAILED',
        'Internal check failed: a column of type unknown is not stored. Please report it',
      )
  }
}

const MICROS: TimeUnit = { MICROS: {} }
const NANOS: TimeUnit = { NANOS: {} }

function addField(
  field: NestedField,
  parentPath: readonly string[],
  elements: SchemaElement[],
  columns: ParquetColumn[],
): void {
  const path = [...parentPath, field.name]
  const own = {
    name: field.name,
    repetition_type: field.required ? Repetition.REQUIRED : Repetition.OPTIONAL,
    field_id: field.id,
  }
  const { type } = field
  switch (type.kind) {
    case 'struct': {
      const stored = type.fields.filter((f) => f.type.kind !== 'unknown')
      elements.push({ ...own, num_children: stored.length })
      for (const child of stored) addField(child, path, elements, columns)
      return
    }
    case 'list': {
      elements.push({
        ...own,
        num_children: 1,
        converted_type: ConvertedType.LIST,
        logicalType: { LIST: {} },
      })
      elements.push({ name: 'list', repetition_type: Repetition.REPEATED, num_children: 1 })
      addField(
        { id: type.elementId, name: 'element', required: type.elementRequired, type: type.element },
        [...path, 'list'],
        elements,
        columns,
      )
      return
    }
    case 'map': {
      elements.push({
        ...own,
        num_children: 1,
        converted_type: ConvertedType.MAP,
        logicalType: { MAP: {} },
      })
      elements.push({ name: 'key_value', repetition_type: Repetition.REPEATED, num_children: 2 })
      const inner = [...path, 'key_value']
      const key = { id: type.keyId, name: 'key', required: true, type: type.key }
      addField(key, inner, elements, columns)
      addField(
        { id: type.valueId, name: 'value', required: type.valueRequired, type: type.value },
        inner,
        elements,
        columns,
      )
      return
    }
    case 'variant':
      throw new FloeError(
        'UNSUPPORTED_TYPE',
        `Cannot write column "${path.join('.')}": variant is not supported. Drop the column`,
        { context: { column: path.join('.') } },
      )
    default: {
      const element = primitiveElement(type)
      elements.push({ ...element, ...own })
      columns.push({ fieldId: field.id, type, path, physicalType: element.type as number })
    }
  }
}

/** Item 65: INT32 up to 9 digits, INT64 up to 18, else the fewest bytes that hold the precision. */
function decimalStorage(precision: number): Omit<SchemaElement, 'name'> {
  if (precision <= 9) return { type: PhysicalType.INT32 }
  if (precision <= 18) return { type: PhysicalType.INT64 }
  return fixedLength(decimalFixedLength(precision))
}

function fixedLength(bytes: number): Omit<SchemaElement, 'name'> {
  return { type: PhysicalType.FIXED_LEN_BYTE_ARRAY, type_length: bytes }
}

function geography(type: GeographyType): { crs?: string; algorithm?: number } {
  const algorithm =
    type.algorithm === undefined
      ? undefined
      : EdgeAlgorithm[type.algorithm.toUpperCase() as keyof typeof EdgeAlgorithm]
  return {
    ...(type.crs === undefined ? {} : { crs: type.crs }),
    ...(algorithm === undefined ? {} : { algorithm }),
  }
}
