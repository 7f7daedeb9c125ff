/** From a schema to its column builders. */
import type { DataType, Field } from 'apache-arrow'
import { assert } from '../../core/errors.ts'
import { childrenOf } from '../spec/schema.ts'
import type { MapType, NestedField } from '../spec/types.ts'
import { isStored, toArrowFields } from './arrow-schema.ts'
import { BinaryBuilder, FixedBuilder, StringBuilder, UuidBuilder } from './bytes-builders.ts'
import type { BuilderContext, ColumnBuilder } from './column-builder.ts'
import { DecimalBuilder } from './decimal-builder.ts'
import { FieldSet } from './field-set.ts'
import { ListBuilder, MapBuilder, StructBuilder, UnknownBuilder } from './nested-builders.ts'
import { BooleanBuilder, FloatBuilder, Int32Builder, LongBuilder } from './number-builders.ts'
import { placeOf } from './refuse-value.ts'
import { rowDefault } from './row-default.ts'
import { DateBuilder, TimeBuilder, TimestampBuilder } from './temporal-builders.ts'

/** What the builders of one batch share, and the name of the table for errors. */
export interface BuilderOptions extends BuilderContext {
  readonly table: string | undefined
}

/**
 * The builders of a struct's fields.
 * @param path names of what lies above; empty for the columns of a table.
 * @throws UNSUPPORTED_TYPE naming the column, as toArrowSchema for writing.
 */
export function createFieldSet(
  fields: readonly NestedField[],
  path: readonly string[],
  options: BuilderOptions,
): FieldSet {
  const arrowFields = toArrowFields(fields, 'write', path)
  let next = 0
  const columns = fields.map((field) => {
    const stored = isStored(field.type, 'write')
    const type = stored ? (arrowFields[next++] as Field).type : undefined
    return { name: field.name, builder: createBuilder(field, type, path, options), stored }
  })
  return new FieldSet(columns, {
    table: options.table,
    path: path.length === 0 ? undefined : path.join('.'),
  })
}

/** The builder of one column. `arrowType` is undefined for a column that is not stored. */
export function createBuilder(
  field: NestedField,
  arrowType: DataType | undefined,
  above: readonly string[],
  options: BuilderOptions,
): ColumnBuilder {
  const { type } = field
  const path = [...above, field.name]
  const place = placeOf(field, above, options.table)
  if (arrowType === undefined) return new UnknownBuilder(place, undefined)
  const absent = rowDefault(field)
  switch (type.kind) {
    case 'boolean':
      return new BooleanBuilder(place, arrowType, absent)
    case 'int':
      return new Int32Builder(place, arrowType, absent)
    case 'long':
      return new LongBuilder(place, arrowType, absent)
    case 'float':
    case 'double':
      return new FloatBuilder(place, arrowType, absent)
    case 'decimal':
      return new DecimalBuilder(place, arrowType, type, absent)
    case 'date':
      return new DateBuilder(place, arrowType, absent)
    case 'time':
      return new TimeBuilder(place, arrowType, absent)
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return new TimestampBuilder(place, arrowType, absent)
    case 'string':
      return new StringBuilder(place, arrowType, absent, options)
    case 'binary':
    case 'geometry':
    case 'geography':
      return new BinaryBuilder(place, arrowType, absent, options)
    case 'uuid':
      return new UuidBuilder(place, arrowType, absent)
    case 'fixed':
      return new FixedBuilder(place, arrowType, type.length, absent)
    case 'list': {
      const [element] = childrenOf(type)
      assert(element !== undefined, 'a list has an element')
      const child = createBuilder(element, arrowType.children[0]?.type, path, options)
      return new ListBuilder(place, arrowType, child, absent, options)
    }
    case 'map':
      return new MapBuilder(
        place,
        arrowType,
        mapEntry(type, arrowType, path, options),
        absent,
        options,
      )
    case 'struct': {
      const fields = createFieldSet(type.fields, path, options)
      return new StructBuilder(place, arrowType, fields, absent)
    }
    case 'unknown':
    case 'variant':
      // toArrowFields has refused variant and left out unknown.
      return new UnknownBuilder(place, undefined)
  }
}

function mapEntry(
  type: MapType,
  arrowType: DataType,
  path: readonly string[],
  options: BuilderOptions,
): { key: ColumnBuilder; value: ColumnBuilder } {
  const [key, value] = childrenOf(type)
  const entries = arrowType.children[0]?.type as DataType
  const [arrowKey, arrowValue] = entries.children as Field[]
  assert(key !== undefined && value !== undefined, 'a map has a key and a value')
  return {
    key: createBuilder(key, arrowKey?.type, path, options),
    value: createBuilder(value, arrowValue?.type, path, options),
  }
}
