/**
 * Iceberg schema → Arrow schema: the one shape that record batches of a table have between modules.
 *
 * | Iceberg | Arrow |
 * |---|---|
 * | boolean, int, long, float, double | Bool, Int32, Int64, Float32, Float64 |
 * | decimal(P,S) | Decimal128(P,S) |
 * | date, time | Date32 (days), Time64 (µs) |
 * | timestamp, timestamptz | Timestamp(µs), without zone, 'UTC' |
 * | timestamp_ns, timestamptz_ns | Timestamp(ns), without zone, 'UTC' |
 * | string | Utf8 |
 * | uuid, fixed(L) | FixedSizeBinary(16), FixedSizeBinary(L) |
 * | binary, geometry, geography | Binary (geo: WKB) |
 * | list, map, struct | List, Map (entries: key, value), Struct |
 * | unknown | Null when reading; left out when writing (iceberg-writer.md item 65) |
 *
 * Every field carries its field id in its metadata, as parquet-wasm reads and writes it.
 */
import type { Schema as ArrowSchema, DataType, Field } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import type { Schema } from '../spec/schema.ts'
import type { NestedField, Type } from '../spec/types.ts'
import { arrow } from './arrow.ts'

/** Key of the metadata of an Arrow field that holds its Iceberg field id, in decimal. */
export const FIELD_ID_KEY = 'PARQUET:field_id'

/**
 * What a schema is for. `read`: every column is there, unknown ones as Null. `write`: what a data file stores,
 * which leaves out columns of type unknown.
 */
export type SchemaPurpose = 'read' | 'write'

/**
 * The Arrow schema of a table schema, columns in schema order.
 * @throws UNSUPPORTED_TYPE naming the column: variant; when writing also a list or map of unknown and a struct
 *   that stores nothing.
 */
export function toArrowSchema(schema: Schema, purpose: SchemaPurpose): ArrowSchema {
  const { Schema: ArrowSchemaClass } = arrow()
  return new ArrowSchemaClass(toArrowFields(schema.fields, purpose, []))
}

/** The Arrow fields of a struct's fields. `path` names what lies above them, for errors. */
export function toArrowFields(
  fields: readonly NestedField[],
  purpose: SchemaPurpose,
  path: readonly string[],
): Field[] {
  return fields
    .filter((field) => isStored(field.type, purpose))
    .map((field) => toArrowField(field, purpose, path))
}

/** True if columns of this type are part of an Arrow schema for that purpose. */
export function isStored(type: Type, purpose: SchemaPurpose): boolean {
  return purpose === 'read' || type.kind !== 'unknown'
}

/** One Arrow field with its field id. @throws UNSUPPORTED_TYPE, as {@link toArrowSchema}. */
export function toArrowField(
  field: NestedField,
  purpose: SchemaPurpose,
  path: readonly string[],
): Field {
  const { Field: ArrowField } = arrow()
  const type = toArrowType(field.type, purpose, [...path, field.name])
  return new ArrowField(field.name, type, !field.required, fieldIdMetadata(field.id))
}

/** The field id that an Arrow field carries, if any. */
export function fieldIdOf(field: Field): number | undefined {
  const text = field.metadata.get(FIELD_ID_KEY)
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined
  return Number(text)
}

function toArrowType(type: Type, purpose: SchemaPurpose, path: readonly string[]): DataType {
  const a = arrow()
  switch (type.kind) {
    case 'boolean':
      return new a.Bool()
    case 'int':
      return new a.Int32()
    case 'long':
      return new a.Int64()
    case 'float':
      return new a.Float32()
    case 'double':
      return new a.Float64()
    case 'decimal':
      // The order of this constructor's arguments is scale, precision.
      return new a.Decimal(type.scale, type.precision, 128)
    case 'date':
      return new a.DateDay()
    case 'time':
      return new a.TimeMicrosecond()
    case 'timestamp':
      return new a.TimestampMicrosecond(null)
    case 'timestamptz':
      return new a.TimestampMicrosecond('UTC')
    case 'timestamp_ns':
      return new a.TimestampNanosecond(null)
    case 'timestamptz_ns':
      return new a.TimestampNanosecond('UTC')
    case 'string':
      return new a.Utf8()
    case 'uuid':
      return new a.FixedSizeBinary(16)
    case 'fixed':
      return new a.FixedSizeBinary(type.length)
    case 'binary':
    case 'geometry':
    case 'geography':
      return new a.Binary()
    case 'unknown':
      if (purpose === 'read') return new a.Null()
      throw unsupported(path, 'unknown cannot be stored inside a list or a map')
    case 'variant':
      throw unsupported(path, 'variant is not supported')
    case 'list': {
      const element: NestedField = {
        id: type.elementId,
        name: 'element',
        required: type.elementRequired,
        type: type.element,
      }
      return new a.List(toArrowField(element, purpose, path))
    }
    case 'map': {
      const key: NestedField = { id: type.keyId, name: 'key', required: true, type: type.key }
      const value: NestedField = {
        id: type.valueId,
        name: 'value',
        required: type.valueRequired,
        type: type.value,
      }
      const entries = new a.Struct<{ key: DataType; value: DataType }>([
        toArrowField(key, purpose, path),
        toArrowField(value, purpose, path),
      ])
      return new a.Map_(new a.Field('entries', entries, false))
    }
    case 'struct': {
      const children = toArrowFields(type.fields, purpose, path)
      if (children.length === 0 && purpose === 'write') {
        throw unsupported(path, 'a struct without a stored field cannot be written to Parquet')
      }
      return new a.Struct(children)
    }
  }
}

function fieldIdMetadata(id: number): Map<string, string> {
  return new Map([[FIELD_ID_KEY, String(id)]])
}

function unsupported(path: readonly string[], why: string): FloeError {
  const column = path.join('.')
  return new FloeError(
    'UNSUPPORTED_TYPE',
    `Cannot map column "${column}" to columns in memory: ${why}. ` +
      'Leave the column out of the projection or of the table',
    { context: { column } },
  )
}
