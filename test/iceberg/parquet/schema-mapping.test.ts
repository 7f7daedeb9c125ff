/** Parquet schemas of data files. iceberg-writer.md items 64-66. */
import { describe, expect, it } from 'vitest'
import {
  ConvertedType,
  PhysicalType,
  type SchemaElement,
} from '../../../src/iceberg/parquet/parquet-thrift.ts'
import { primitiveElement, toParquetSchema } from '../../../src/iceberg/parquet/schema-mapping.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import type { NestedField, PrimitiveType } from '../../../src/iceberg/spec/types.ts'

function schema(...fields: NestedField[]): Schema {
  return new Schema({ schemaId: 0, fields })
}

const decimal = (precision: number): PrimitiveType => ({ kind: 'decimal', precision, scale: 1 })

describe('item 65: types', () => {
  it.each<[PrimitiveType, Omit<SchemaElement, 'name'>]>([
    [{ kind: 'boolean' }, { type: PhysicalType.BOOLEAN }],
    [{ kind: 'int' }, { type: PhysicalType.INT32 }],
    [{ kind: 'long' }, { type: PhysicalType.INT64 }],
    [{ kind: 'float' }, { type: PhysicalType.FLOAT }],
    [{ kind: 'double' }, { type: PhysicalType.DOUBLE }],
    [
      { kind: 'date' },
      { type: PhysicalType.INT32, converted_type: ConvertedType.DATE, logicalType: { DATE: {} } },
    ],
    [
      { kind: 'time' },
      {
        type: PhysicalType.INT64,
        converted_type: ConvertedType.TIME_MICROS,
        logicalType: { TIME: { isAdjustedToUTC: false, unit: { MICROS: {} } } },
      },
    ],
    [
      { kind: 'timestamp' },
      {
        type: PhysicalType.INT64,
        converted_type: ConvertedType.TIMESTAMP_MICROS,
        logicalType: { TIMESTAMP: { isAdjustedToUTC: false, unit: { MICROS: {} } } },
      },
    ],
    [
      { kind: 'timestamptz' },
      {
        type: PhysicalType.INT64,
        converted_type: ConvertedType.TIMESTAMP_MICROS,
        logicalType: { TIMESTAMP: { isAdjustedToUTC: true, unit: { MICROS: {} } } },
      },
    ],
    [
      { kind: 'timestamptz_ns' },
      {
        type: PhysicalType.INT64,
        logicalType: { TIMESTAMP: { isAdjustedToUTC: true, unit: { NANOS: {} } } },
      },
    ],
    [
      { kind: 'string' },
      {
        type: PhysicalType.BYTE_ARRAY,
        converted_type: ConvertedType.UTF8,
        logicalType: { STRING: {} },
      },
    ],
    [
      { kind: 'uuid' },
      { type: PhysicalType.FIXED_LEN_BYTE_ARRAY, type_length: 16, logicalType: { UUID: {} } },
    ],
    [
      { kind: 'fixed', length: 7 },
      { type: PhysicalType.FIXED_LEN_BYTE_ARRAY, type_length: 7 },
    ],
    [{ kind: 'binary' }, { type: PhysicalType.BYTE_ARRAY }],
    [
      { kind: 'geometry', crs: 'srid:4326' },
      { type: PhysicalType.BYTE_ARRAY, logicalType: { GEOMETRY: { crs: 'srid:4326' } } },
    ],
    [
      { kind: 'geography', algorithm: 'karney' },
      { type: PhysicalType.BYTE_ARRAY, logicalType: { GEOGRAPHY: { algorithm: 4 } } },
    ],
  ])('stores $kind', (type, element) => {
    expect(primitiveElement(type)).toEqual(element)
  })

  it.each([
    [1, PhysicalType.INT32, undefined],
    [9, PhysicalType.INT32, undefined],
    [10, PhysicalType.INT64, undefined],
    [18, PhysicalType.INT64, undefined],
    [19, PhysicalType.FIXED_LEN_BYTE_ARRAY, 9],
    [28, PhysicalType.FIXED_LEN_BYTE_ARRAY, 12],
    [38, PhysicalType.FIXED_LEN_BYTE_ARRAY, 16],
  ])('known-bugs 19: stores decimal(%i) by its precision', (precision, type, type_length) => {
    const element = primitiveElement(decimal(precision))
    expect(element.type).toBe(type)
    expect(element.type_length).toBe(type_length)
    expect(element).toMatchObject({ precision, scale: 1, converted_type: ConvertedType.DECIMAL })
    expect(element.logicalType).toEqual({ DECIMAL: { precision, scale: 1 } })
  })

  it('leaves out columns of type unknown, also inside structs', () => {
    const { elements, columns } = toParquetSchema(
      schema(
        { id: 1, name: 'u', required: false, type: { kind: 'unknown' } },
        {
          id: 2,
          name: 's',
          required: true,
          type: {
            kind: 'struct',
            fields: [
              { id: 3, name: 'u', required: false, type: { kind: 'unknown' } },
              { id: 4, name: 'i', required: true, type: { kind: 'int' } },
            ],
          },
        },
      ),
    )
    expect(elements.map((e) => [e.name, e.num_children])).toEqual([
      ['table', 1],
      ['s', 1],
      ['i', undefined],
    ])
    expect(columns.map((c) => c.path)).toEqual([['s', 'i']])
  })

  it('refuses variant, naming the column', () => {
    const variant = schema({ id: 1, name: 'v', required: false, type: { kind: 'variant' } })
    expect(() => toParquetSchema(variant)).toThrow(/column "v".*UNSUPPORTED_TYPE/)
  })
})

describe('items 64 and 66: nesting', () => {
  const nested = schema(
    {
      id: 1,
      name: 'tags',
      required: false,
      type: { kind: 'list', elementId: 2, elementRequired: true, element: { kind: 'string' } },
    },
    {
      id: 3,
      name: 'props',
      required: true,
      type: {
        kind: 'map',
        keyId: 4,
        key: { kind: 'string' },
        valueId: 5,
        valueRequired: false,
        value: {
          kind: 'struct',
          fields: [{ id: 6, name: 'n', required: true, type: { kind: 'long' } }],
        },
      },
    },
  )
  const { elements, columns } = toParquetSchema(nested)

  it('writes lists in three levels and maps as key_value, with a field id on every field', () => {
    expect(elements.map((e) => [e.name, e.repetition_type, e.field_id, e.num_children])).toEqual([
      ['table', undefined, undefined, 2],
      ['tags', 1, 1, 1],
      ['list', 2, undefined, 1],
      ['element', 0, 2, undefined],
      ['props', 0, 3, 1],
      ['key_value', 2, undefined, 2],
      ['key', 0, 4, undefined],
      ['value', 1, 5, 1],
      ['n', 0, 6, undefined],
    ])
    expect(elements[1]).toMatchObject({ converted_type: 3, logicalType: { LIST: {} } })
    expect(elements[4]).toMatchObject({ converted_type: 1, logicalType: { MAP: {} } })
  })

  it('knows the path and the field id of every column', () => {
    expect(columns.map((c) => [c.fieldId, c.path.join('.')])).toEqual([
      [2, 'tags.list.element'],
      [4, 'props.key_value.key'],
      [6, 'props.key_value.value.n'],
    ])
  })
})
