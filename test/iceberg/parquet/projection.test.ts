/** Which columns of a file stand for which columns of a table. Iceberg spec §Column Projection, §Name Mapping. */
import { describe, expect, it } from 'vitest'
import { buildFileSchema, type FileSchema } from '../../../src/iceberg/parquet/file-schema.ts'
import { parseNameMapping } from '../../../src/iceberg/parquet/name-mapping.ts'
import {
  ConvertedType as C,
  PhysicalType as P,
  type SchemaElement,
} from '../../../src/iceberg/parquet/parquet-thrift.ts'
import { findLeaf, resolveProjection } from '../../../src/iceberg/parquet/projection.ts'
import type { NestedField, PrimitiveType, Type } from '../../../src/iceberg/spec/types.ts'

type Node = Partial<SchemaElement> & { name: string; children?: Node[] }

/** A file schema from a tree; a number is shorthand for a required leaf of that physical type. */
function fileSchema(...nodes: Node[]): FileSchema {
  const elements: SchemaElement[] = []
  const add = ({ children, ...element }: Node): void => {
    elements.push({
      repetition_type: 0,
      ...element,
      ...(children === undefined ? {} : { num_children: children.length }),
    })
    children?.forEach(add)
  }
  add({ name: 'root', children: nodes })
  return buildFileSchema(elements, 'f.parquet')
}

function want(id: number, name: string, type: Type | PrimitiveType['kind']): NestedField {
  const full = typeof type === 'string' ? ({ kind: type } as Type) : type
  return { id, name, required: false, type: full }
}

function resolve(file: FileSchema, wanted: NestedField[], mapping?: string) {
  const nameMapping = mapping === undefined ? undefined : parseNameMapping(mapping)
  return resolveProjection(file, wanted, { path: 'f.parquet', nameMapping })
}

function found(file: FileSchema, wanted: NestedField[], mapping?: string): [string, number[]] {
  const { columns, leaves } = resolve(file, wanted, mapping)
  return [columns.map((c) => `${c.field.id}:${c.field.name}`).join(' '), [...leaves]]
}

describe('finding columns', () => {
  const withIds = fileSchema(
    { name: 'a', type: P.INT32, field_id: 1 },
    { name: 'b', type: P.INT64, field_id: 2 },
    { name: 'c', type: P.DOUBLE, field_id: 3 },
  )
  const without = fileSchema(
    { name: 'a', type: P.INT32 },
    { name: 'b', type: P.INT64 },
    { name: 'c', type: P.DOUBLE },
  )

  it('goes by field id, whatever the names and the order', () => {
    const wanted = [want(3, 'x', 'double'), want(1, 'b', 'int'), want(9, 'c', 'double')]
    expect(found(withIds, wanted)).toEqual(['3:x 1:b', [2, 0]])
  })

  it('never goes by name or mapping in a file that has ids', () => {
    const mapping = '[{"field-id":9,"names":["c"]}]'
    expect(found(withIds, [want(9, 'c', 'double')], mapping)).toEqual(['', []])
  })

  it('goes by the name mapping in a file without ids, and by nothing else then', () => {
    const mapping = '[{"field-id":7,"names":["z","b"]},{"names":["c"]}]'
    expect(found(without, [want(7, 'new', 'long'), want(1, 'a', 'int')], mapping)).toEqual([
      '7:new',
      [1],
    ])
    expect(found(without, [want(1, 'a', 'int')], '[]')).toEqual(['', []])
  })

  it('goes by name, then by position, without a mapping', () => {
    const wanted = [want(3, 'renamed', 'double'), want(1, 'b', 'long'), want(4, 'd', 'int')]
    expect(found(without, wanted)).toEqual(['3:renamed 1:b', [2, 1]])
  })

  it('maps nested names', () => {
    const file = fileSchema({
      name: 's',
      repetition_type: 1,
      children: [
        { name: 'x', type: P.INT32 },
        { name: 'y', type: P.INT32 },
      ],
    })
    const type: Type = { kind: 'struct', fields: [want(12, 'q', 'int'), want(13, 'r', 'int')] }
    const mapping =
      '[{"field-id":11,"names":["s"],"fields":[{"field-id":12,"names":["y"]},{"field-id":14,"names":["x"]}]}]'
    const { columns, leaves } = resolve(file, [want(11, 's', type)], mapping)
    expect(leaves).toEqual([1])
    expect(columns[0]?.field.type).toMatchObject({
      kind: 'struct',
      fields: [{ id: 12, name: 'q' }],
    })
    // Without a mapping nested fields are found by name.
    const plain: Type = { kind: 'struct', fields: [want(12, 'y', 'int')] }
    expect(resolve(file, [want(1, 's', plain)]).leaves).toEqual([1])
  })

  it.each([
    '{}',
    '[1]',
    '[{"names":"a"}]',
    '[{"field-id":"x","names":[]}]',
    '[{"names":[],"fields":3}]',
  ])('refuses the mapping %s', (text) => {
    expect(() => parseNameMapping(text)).toThrow(/schema.name-mapping.default.*BAD_METADATA/)
  })

  it('finds the leaf for statistics, but none in lists', () => {
    const file = fileSchema(
      { name: 's', field_id: 1, children: [{ name: 'x', type: P.INT32, field_id: 2 }] },
      {
        name: 'l',
        field_id: 3,
        converted_type: C.LIST,
        children: [
          {
            name: 'list',
            repetition_type: 2,
            children: [{ name: 'element', type: P.INT32, field_id: 4 }],
          },
        ],
      },
    )
    const s = want(1, 's', { kind: 'struct', fields: [want(2, 'x', 'int')] })
    const l = want(3, 'l', {
      kind: 'list',
      elementId: 4,
      elementRequired: false,
      element: { kind: 'int' },
    })
    expect(findLeaf(file, [s, want(2, 'x', 'int')])?.firstLeaf).toBe(0)
    expect(findLeaf(file, [l, want(4, 'element', 'int')])).toBeUndefined()
    expect(findLeaf(file, [s])).toBeUndefined()
    expect(findLeaf(file, [want(9, 'x', 'int')])).toBeUndefined()
  })
})

describe('types of the file', () => {
  const cases: [
    string,
    Omit<SchemaElement, 'name'>,
    Type | PrimitiveType['kind'],
    string,
    string?,
  ][] = [
    ['an int for a long', { type: P.INT32 }, 'long', 'int'],
    ['a float for a double', { type: P.FLOAT }, 'double', 'float'],
    ['a date for a timestamp', { type: P.INT32, converted_type: C.DATE }, 'timestamp', 'date'],
    ['a small integer', { type: P.INT32, converted_type: C.INT_8 }, 'int', 'int'],
    ['a small unsigned integer', { type: P.INT32, converted_type: C.UINT_16 }, 'int', 'int'],
    ['an unsigned integer', { type: P.INT32, converted_type: C.UINT_32 }, 'long', 'long', 'uint32'],
    [
      'milliseconds',
      { type: P.INT64, converted_type: C.TIMESTAMP_MILLIS },
      'timestamptz',
      'timestamptz',
      'timestamp-millis',
    ],
    [
      'milliseconds of the day',
      { type: P.INT32, converted_type: C.TIME_MILLIS },
      'time',
      'time',
      'time-millis',
    ],
    [
      'an instant for a local timestamp',
      { type: P.INT64, converted_type: C.TIMESTAMP_MICROS },
      'timestamp',
      'timestamp',
    ],
    ['INT96', { type: P.INT96 }, 'timestamptz', 'timestamptz'],
    ['INT96 for a local timestamp', { type: P.INT96 }, 'timestamp', 'timestamp'],
    ['text without annotation', { type: P.BYTE_ARRAY }, 'string', 'string'],
    ['bytes annotated as text', { type: P.BYTE_ARRAY, converted_type: C.UTF8 }, 'binary', 'binary'],
    ['an enum as text', { type: P.BYTE_ARRAY, converted_type: C.ENUM }, 'string', 'string'],
    [
      'a uuid without annotation',
      { type: P.FIXED_LEN_BYTE_ARRAY, type_length: 16 },
      'uuid',
      'uuid',
    ],
    ['an unknown annotation', { type: P.INT32, logicalType: {} }, 'int', 'int'],
  ]
  it.each(cases)('reads %s', (_, element, wanted, kind, convert) => {
    const file = fileSchema({ ...element, name: 'x', field_id: 1 })
    const { columns } = resolve(file, [want(1, 'x', wanted)])
    expect(columns[0]?.field.type.kind).toBe(kind)
    expect(columns[0]?.convert).toBe(convert)
  })

  it('reads decimals in every storage, and widens their precision', () => {
    for (const storage of [
      { type: P.INT32 },
      { type: P.INT64 },
      { type: P.BYTE_ARRAY },
      { type: P.FIXED_LEN_BYTE_ARRAY, type_length: 5 },
    ]) {
      const element = {
        ...storage,
        name: 'x',
        field_id: 1,
        converted_type: C.DECIMAL,
        precision: 7,
        scale: 2,
      }
      const { columns } = resolve(fileSchema(element), [
        want(1, 'x', { kind: 'decimal', precision: 20, scale: 2 }),
      ])
      expect(columns[0]?.field.type).toEqual({ kind: 'decimal', precision: 7, scale: 2 })
    }
  })

  const bad: [string, Omit<SchemaElement, 'name'>, Type | PrimitiveType['kind'], RegExp][] = [
    [
      'text for a long',
      { type: P.BYTE_ARRAY, converted_type: C.UTF8 },
      'long',
      /table says long, the file has BYTE_ARRAY \(STRING\)/,
    ],
    ['a long for an int', { type: P.INT64 }, 'int', /table says int, the file has INT64/],
    [
      'another scale',
      { type: P.INT32, converted_type: C.DECIMAL, precision: 5, scale: 1 },
      { kind: 'decimal', precision: 9, scale: 2 },
      /table says decimal/,
    ],
    [
      'decimals beyond 38 digits',
      { type: P.BYTE_ARRAY, converted_type: C.DECIMAL, precision: 40, scale: 1 },
      { kind: 'decimal', precision: 38, scale: 1 },
      /decimal\(40,1\) is not supported/,
    ],
    [
      'unsigned 64-bit integers',
      { type: P.INT64, converted_type: C.UINT_64 },
      'long',
      /unsigned 64-bit/,
    ],
    [
      'times in nanoseconds',
      { type: P.INT64, logicalType: { TIME: { isAdjustedToUTC: false, unit: { NANOS: {} } } } },
      'time',
      /nanoseconds/,
    ],
    [
      'nanoseconds for microseconds',
      {
        type: P.INT64,
        logicalType: { TIMESTAMP: { isAdjustedToUTC: false, unit: { NANOS: {} } } },
      },
      'timestamp',
      /table says timestamp/,
    ],
    [
      '16-bit floats',
      { type: P.FIXED_LEN_BYTE_ARRAY, type_length: 2, logicalType: { FLOAT16: {} } },
      'float',
      /16-bit/,
    ],
    ['a fixed length of nothing', { type: P.FIXED_LEN_BYTE_ARRAY }, 'binary', /fixed length of 0/],
    [
      'a fixed of another length',
      { type: P.FIXED_LEN_BYTE_ARRAY, type_length: 4 },
      { kind: 'fixed', length: 5 },
      /table says fixed/,
    ],
    ['an unknown physical type', { type: 17 }, 'int', /physical type 17/],
    ['a leaf for a struct', { type: P.INT32 }, { kind: 'struct', fields: [] }, /table says struct/],
    ['a variant', { type: P.BYTE_ARRAY }, { kind: 'variant' }, /the table says variant/],
  ]
  it.each(bad)('refuses %s, naming column and file', (_, element, wanted, why) => {
    const file = fileSchema({ ...element, name: 'x', field_id: 1 })
    const act = (): unknown => resolve(file, [want(1, 'x', wanted)])
    expect(act).toThrow(why)
    expect(act).toThrow(/column "x" of f.parquet.*UNSUPPORTED_TYPE/)
  })
})

describe('nested fields', () => {
  const list = (element: Type): Type => ({
    kind: 'list',
    elementId: 2,
    elementRequired: false,
    element,
  })
  const annotated = (child: Node): FileSchema =>
    fileSchema({
      name: 'l',
      field_id: 1,
      repetition_type: 1,
      converted_type: C.LIST,
      children: [child],
    })
  const int = { name: 'x', type: P.INT32, repetition_type: 1 }

  it.each<[string, Node, Type, boolean]>([
    ['three levels', { name: 'list', repetition_type: 2, children: [int] }, { kind: 'int' }, false],
    [
      'three levels of other names',
      { name: 'bag', repetition_type: 2, children: [int] },
      { kind: 'int' },
      false,
    ],
    [
      'two levels of leaves',
      { name: 'array', type: P.INT32, repetition_type: 2 },
      { kind: 'int' },
      true,
    ],
    [
      'two levels of groups',
      { name: 'l_tuple', repetition_type: 2, children: [int] },
      { kind: 'struct', fields: [want(5, 'x', 'int')] },
      true,
    ],
    [
      'two levels of groups named array',
      { name: 'array', repetition_type: 2, children: [int] },
      { kind: 'struct', fields: [want(5, 'x', 'int')] },
      true,
    ],
    [
      'two levels of wide groups',
      { name: 'any', repetition_type: 2, children: [int, { ...int, name: 'y' }] },
      { kind: 'struct', fields: [want(5, 'x', 'int')] },
      true,
    ],
  ])('reads lists of %s', (_, child, element, required) => {
    const mapping =
      '[{"field-id":1,"names":["l"],"fields":[{"field-id":2,"names":["element"],"fields":[{"field-id":5,"names":["x"]}]}]}]'
    const file = fileSchema({
      name: 'l',
      repetition_type: 1,
      converted_type: C.LIST,
      children: [child],
    })
    const { columns, leaves } = resolve(file, [want(1, 'l', list(element))], mapping)
    expect(leaves).toEqual([0])
    expect(columns[0]?.field.type).toMatchObject({
      kind: 'list',
      elementId: 2,
      elementRequired: required,
      element: { kind: element.kind },
    })
    // And with ids, where the element's own id does not matter: a list has one element.
    expect(resolve(annotated(child), [want(1, 'l', list(element))]).leaves).toEqual([0])
  })

  it('reads a repeated field without annotation as a list', () => {
    const file = fileSchema({ name: 'l', type: P.INT32, repetition_type: 2 })
    const { columns } = resolve(file, [want(1, 'l', list({ kind: 'int' }))])
    expect(columns[0]?.field).toMatchObject({ required: true, type: { elementRequired: true } })
  })

  it('takes one leaf along for a struct that has none of the wanted fields', () => {
    const file = fileSchema({
      name: 's',
      field_id: 1,
      repetition_type: 1,
      children: [
        { name: 'l', repetition_type: 2, type: P.INT32, field_id: 2 },
        { name: 'deep', field_id: 3, children: [{ name: 'x', type: P.INT64, field_id: 4 }] },
      ],
    })
    const wanted = want(1, 's', { kind: 'struct', fields: [want(9, 'new', 'int')] })
    const { columns, leaves } = resolve(file, [wanted])
    expect(leaves).toEqual([1])
    expect(columns[0]?.field.type).toEqual({ kind: 'struct', fields: [] })
    expect(columns[0]?.children).toMatchObject([{ placeholder: true }])
  })

  it('refuses maps without values and with optional keys', () => {
    const map: Type = {
      kind: 'map',
      keyId: 2,
      key: { kind: 'int' },
      valueId: 3,
      valueRequired: false,
      value: { kind: 'int' },
    }
    const file = (...children: Node[]): FileSchema =>
      fileSchema({
        name: 'm',
        field_id: 1,
        converted_type: C.MAP,
        children: [{ name: 'map', repetition_type: 2, children }],
      })
    const key = { name: 'key', type: P.INT32 }
    const wanted = [want(1, 'm', map)]
    expect(() => resolve(file(key), wanted)).toThrow(/without keys or values/)
    expect(() => resolve(file({ ...key, repetition_type: 1 }, int), wanted)).toThrow(
      /optional keys/,
    )
    expect(resolve(file(key, int), wanted).leaves).toEqual([0, 1])
  })
})
