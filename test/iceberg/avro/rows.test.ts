/** Rows of Avro data files: resolution by field id, types, promotions, defaults, batches. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS, resolveLimits } from '../../../src/core/limits.ts'
import { type AvroRowsOptions, readAvroRows } from '../../../src/iceberg/avro/rows.ts'
import type { NestedField, Type } from '../../../src/iceberg/spec/types.ts'
import type { StructValue } from '../../../src/iceberg/spec/value.ts'
import { corpusPath, describeCorpus } from '../../support/corpus.ts'
import { oracleRecords } from './avsc-oracle.ts'

const optional = (
  id: number,
  name: string,
  type: Type,
  more: Partial<NestedField> = {},
): NestedField => ({
  id,
  name,
  required: false,
  type,
  ...more,
})

function rowsOf(
  bytes: Uint8Array,
  fields: NestedField[],
  more: Partial<AvroRowsOptions> = {},
): StructValue[] {
  const batches = readAvroRows(bytes, {
    fields,
    file: 'test.avro',
    limits: DEFAULT_LIMITS,
    ...more,
  })
  return [...batches].flatMap((batch) => batch.rows)
}

/** One column of an Avro type, with the values that avsc takes. */
function column(type: unknown, values: readonly unknown[]): Uint8Array {
  const schema = { type: 'record', name: 'table', fields: [{ name: 'c', type, 'field-id': 1 }] }
  return oracleRecords(
    schema,
    values.map((c) => ({ c })),
  )
}

function readColumn(avro: unknown, type: Type, values: readonly unknown[]): unknown[] {
  return rowsOf(column(avro, values), [optional(1, 'c', type)]).map((row) => row['c'])
}

const logical = (type: string, logicalType: string): object => ({ type, logicalType })
const fixed = (size: number, more: object = {}): object => ({
  type: 'fixed',
  name: 'f',
  size,
  ...more,
})

describe('values of each type', () => {
  const uuid = 'f79c3e09-677c-4bbd-a479-3f349cb785e7'
  const uuidBytes = Buffer.from(uuid.replaceAll('-', ''), 'hex')
  it.each<[string, unknown, Type, unknown, unknown]>([
    ['boolean', 'boolean', { kind: 'boolean' }, true, true],
    ['int', 'int', { kind: 'int' }, -5, -5],
    ['long', 'long', { kind: 'long' }, -(2n ** 63n), -(2n ** 63n)],
    ['int promoted to long', 'int', { kind: 'long' }, 7, 7n],
    ['float', 'float', { kind: 'float' }, 0.5, 0.5],
    ['double', 'double', { kind: 'double' }, 0.1, 0.1],
    ['float promoted to double', 'float', { kind: 'double' }, 0.5, 0.5],
    ['date', logical('int', 'date'), { kind: 'date' }, -1, -1],
    ['date written as int', 'int', { kind: 'date' }, 19_000, 19_000],
    ['time', logical('long', 'time-micros'), { kind: 'time' }, 5n, 5n],
    ['time in milliseconds', logical('int', 'time-millis'), { kind: 'time' }, 5, 5000n],
    ['timestamp', logical('long', 'timestamp-micros'), { kind: 'timestamp' }, -1n, -1n],
    ['timestamp in ms', logical('long', 'timestamp-millis'), { kind: 'timestamptz' }, -1n, -1000n],
    ['timestamp of a long', 'long', { kind: 'timestamp' }, 9n, 9n],
    ['timestamp from a date', logical('int', 'date'), { kind: 'timestamp' }, 1, 86_400_000_000n],
    ['nanoseconds', logical('long', 'timestamp-nanos'), { kind: 'timestamp_ns' }, 3n, 3n],
    [
      'nanoseconds from micros',
      logical('long', 'timestamp-micros'),
      { kind: 'timestamptz_ns' },
      3n,
      3000n,
    ],
    ['string', 'string', { kind: 'string' }, 'ü😀', 'ü😀'],
    [
      'string of an enum',
      { type: 'enum', name: 'e', symbols: ['A', 'B'] },
      { kind: 'string' },
      'B',
      'B',
    ],
    ['uuid', fixed(16, { logicalType: 'uuid' }), { kind: 'uuid' }, uuidBytes, uuid],
    ['uuid of a string', 'string', { kind: 'uuid' }, uuid.toUpperCase(), uuid],
    [
      'fixed',
      fixed(3),
      { kind: 'fixed', length: 3 },
      Buffer.from('abc'),
      new Uint8Array([97, 98, 99]),
    ],
    [
      'fixed of bytes',
      'bytes',
      { kind: 'fixed', length: 1 },
      Buffer.from('a'),
      new Uint8Array([97]),
    ],
    ['binary', 'bytes', { kind: 'binary' }, Buffer.from('ab'), new Uint8Array([97, 98])],
    ['binary of a fixed', fixed(1), { kind: 'binary' }, Buffer.from('a'), new Uint8Array([97])],
    ['geometry', 'bytes', { kind: 'geometry' }, Buffer.from([1]), new Uint8Array([1])],
    ['null', 'null', { kind: 'unknown' }, null, null],
    ['null for any type', ['null', 'string'], { kind: 'string' }, null, null],
  ])('%s', (_what, avro, type, value, expected) => {
    expect(readColumn(avro, type, [value])).toEqual([expected])
  })

  it.each([
    [fixed(2), Buffer.from([0x80, 0]), -32_768n],
    [fixed(16), Buffer.from([...new Array<number>(15).fill(255), 0x38]), -200n],
    ['bytes', Buffer.from([0x05, 0x8c]), 1420n],
  ])('decimals are their unscaled value, of a fixed or of bytes', (avro, value, expected) => {
    const type: Type = { kind: 'decimal', precision: 9, scale: 2 }
    expect(readColumn(avro, type, [value])).toEqual([expected])
  })

  it.each<[unknown, Type]>([
    ['string', { kind: 'int' }],
    ['long', { kind: 'int' }],
    ['double', { kind: 'float' }],
    ['bytes', { kind: 'string' }],
    ['int', { kind: 'time' }],
    [logical('long', 'timestamp-nanos'), { kind: 'timestamp' }],
    [fixed(15), { kind: 'uuid' }],
    [fixed(2), { kind: 'fixed', length: 3 }],
    [{ type: 'array', items: 'int' }, { kind: 'string' }],
  ])('%j cannot hold %j: CORRUPT_AVRO with the column', (avro, type) => {
    const bytes = column(avro, [])
    expect(() => rowsOf(bytes, [optional(1, 'c', type)])).toThrow(/column "c".*\[CORRUPT_AVRO\]/)
  })

  it('a variant is refused by name', () => {
    const bytes = column('bytes', [])
    expect(() => rowsOf(bytes, [optional(1, 'c', { kind: 'variant' })])).toThrow(/UNSUPPORTED_TYPE/)
  })

  it('bytes that a type cannot have are corrupt', () => {
    const corrupt = (avro: unknown, type: Type, value: unknown): void => {
      const bytes = column(avro, [value])
      expect(() => rowsOf(bytes, [optional(1, 'c', type)])).toThrow(/CORRUPT_AVRO/)
    }
    corrupt('string', { kind: 'uuid' }, 'not a uuid')
    corrupt('bytes', { kind: 'fixed', length: 3 }, Buffer.from('ab'))
    corrupt('bytes', { kind: 'decimal', precision: 9, scale: 2 }, Buffer.alloc(0))
    corrupt('bytes', { kind: 'decimal', precision: 9, scale: 2 }, Buffer.alloc(500))
    corrupt(logical('long', 'timestamp-millis'), { kind: 'timestamp' }, 2n ** 62n)
  })
})

describe('nested values', () => {
  const schema = {
    type: 'record',
    name: 'table',
    fields: [
      {
        name: 'list',
        'field-id': 1,
        type: { type: 'array', 'element-id': 2, items: ['null', 'int'] },
      },
      {
        name: 'by_name',
        'field-id': 3,
        type: { type: 'map', 'key-id': 4, 'value-id': 5, values: 'long' },
      },
      {
        name: 'by_int',
        'field-id': 6,
        type: {
          type: 'array',
          logicalType: 'map',
          items: {
            type: 'record',
            name: 'k7_v8',
            fields: [
              { name: 'key', type: 'int', 'field-id': 7 },
              { name: 'value', type: ['null', 'string'], 'field-id': 8 },
            ],
          },
        },
      },
      {
        name: 'struct',
        'field-id': 9,
        type: [
          'null',
          {
            type: 'record',
            name: 'r9',
            fields: [
              { name: 'a', type: 'int', 'field-id': 10 },
              { name: 'b', type: 'string', 'field-id': 11 },
            ],
          },
        ],
      },
    ],
  }
  const INT: Type = { kind: 'int' }
  const STRING: Type = { kind: 'string' }
  const fields = [
    optional(9, 'renamed', {
      kind: 'struct',
      fields: [optional(11, 'b', STRING), optional(12, 'added', INT, { initialDefault: 42 })],
    }),
    optional(1, 'list', { kind: 'list', elementId: 2, elementRequired: false, element: INT }),
    optional(3, 'by_name', {
      kind: 'map',
      keyId: 4,
      key: STRING,
      valueId: 5,
      valueRequired: true,
      value: { kind: 'long' },
    }),
    optional(6, 'by_int', {
      kind: 'map',
      keyId: 7,
      key: INT,
      valueId: 8,
      valueRequired: false,
      value: STRING,
    }),
  ]

  it('are lists, maps and structs by field id, in the order asked for', () => {
    const bytes = oracleRecords(schema, [
      {
        list: [1, null, 3],
        by_name: { x: 5n },
        by_int: [
          { key: 1, value: 'one' },
          { key: 2, value: null },
        ],
        struct: { a: 1, b: 'text' },
      },
      { list: [], by_name: {}, by_int: [], struct: null },
    ])
    const rows = rowsOf(bytes, fields)
    expect(rows).toEqual([
      {
        renamed: { b: 'text', added: 42 },
        list: [1, null, 3],
        by_name: new Map([['x', 5n]]),
        by_int: new Map([
          [1, 'one'],
          [2, null],
        ]),
      },
      { renamed: null, list: [], by_name: new Map(), by_int: new Map() },
    ])
    expect(Object.keys(rows[0] as object)).toEqual(['renamed', 'list', 'by_name', 'by_int'])
    expect(Object.getPrototypeOf(rows[0])).toBeNull()
  })
})

describe('columns that a file lacks', () => {
  it('are the initial default, or null; required ones without a default are an error', () => {
    const bytes = column('int', [1])
    const long: Type = { kind: 'long' }
    expect(
      rowsOf(bytes, [
        optional(1, 'c', { kind: 'int' }),
        optional(2, 'n', long),
        optional(3, 'd', long, { initialDefault: 5n }),
      ]),
    ).toEqual([{ c: 1, n: null, d: 5n }])
    expect(() => rowsOf(bytes, [{ ...optional(2, 'r', long), required: true }])).toThrow(
      /required column "r".*\[CORRUPT_AVRO\]/,
    )
  })

  it('null in a required column is an error', () => {
    const bytes = column(['null', 'int'], [1, null])
    expect(() => rowsOf(bytes, [{ ...optional(1, 'c', { kind: 'int' }), required: true }])).toThrow(
      /required column "c" is null/,
    )
  })

  it('are found by a name mapping where the file has no ids, and not by name without one', () => {
    const schema = {
      type: 'record',
      name: 't',
      fields: [{ name: 'Old Name'.replace(' ', '_'), type: 'int' }],
    }
    const bytes = oracleRecords(schema, [{ Old_Name: 3 }])
    const fields = [optional(1, 'Old_Name', { kind: 'int' })]
    expect(rowsOf(bytes, fields)).toEqual([{ Old_Name: null }])
    const idOfName = (path: readonly string[]): number | undefined =>
      path.join('.') === 'Old_Name' ? 1 : undefined
    expect(rowsOf(bytes, fields, { idOfName })).toEqual([{ Old_Name: 3 }])
  })
})

describe('batches', () => {
  it('carry the position of their first row', () => {
    const bytes = column(
      'int',
      Array.from({ length: 25 }, (_, i) => i),
    )
    const batches = [
      ...readAvroRows(bytes, {
        fields: [optional(1, 'c', { kind: 'int' })],
        file: 'test.avro',
        limits: DEFAULT_LIMITS,
        batchRows: 10,
      }),
    ]
    expect(batches.map((b) => [b.firstPosition, b.rows.length])).toEqual([
      [0, 10],
      [10, 10],
      [20, 5],
    ])
    expect(batches.flatMap((b) => b.rows.map((row) => row['c']))).toEqual(
      Array.from({ length: 25 }, (_, i) => i),
    )
  })

  it('end early where rows are long, so that items do not pile up', () => {
    const list: Type = {
      kind: 'list',
      elementId: 2,
      elementRequired: true,
      element: { kind: 'int' },
    }
    const row = Array.from({ length: 900 }, (_, i) => i)
    const bytes = column({ type: 'array', items: 'int', 'element-id': 2 }, Array(20).fill(row))
    const limits = resolveLimits({ avroBlockBytes: 65_536 })
    const batches = [
      ...readAvroRows(bytes, { fields: [optional(1, 'c', list)], file: 'test.avro', limits }),
    ]
    expect(batches.every((b) => b.rows.length >= 1 && b.rows.length <= 3)).toBe(true)
    expect(batches.flatMap((b) => b.rows)).toHaveLength(20)
  })
})

describeCorpus('Avro data files of the corpus', () => {
  const read = (table: string, fields: NestedField[]): StructValue[] => {
    const folder = corpusPath(`tables/${table}/data`)
    return readdirSync(folder)
      .filter((file) => file.endsWith('.avro'))
      .flatMap((file) => rowsOf(readFileSync(join(folder, file)), fields))
  }

  it('impala-v3-default-value-avro: rows of before and after a column was added', () => {
    const int: Type = { kind: 'int' }
    const rows = read('impala-v3-default-value-avro', [
      optional(1, 'i', int),
      optional(2, 'j', int, { initialDefault: 42 }),
    ])
    expect(rows).toHaveLength(2)
    expect(rows).toContainEqual({ i: 1, j: 42 })
  })

  it('trino-codec-none-avro', () => {
    const rows = read('trino-codec-none-avro', [optional(1, 'a', { kind: 'string' })])
    expect(rows).toHaveLength(1)
    expect(rows[0]?.['a']).toBeTypeOf('string')
  })
})
