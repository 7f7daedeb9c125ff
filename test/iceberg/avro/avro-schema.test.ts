/** Parsing of Avro schemas: names, attributes of Iceberg, recursion, and what is refused. */
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS, resolveLimits } from '../../../src/core/limits.ts'
import {
  type AvroRecord,
  type AvroType,
  type AvroUnion,
  parseAvroSchema,
} from '../../../src/iceberg/avro/avro-schema.ts'
import { minimumBytes } from '../../../src/iceberg/avro/minimum-bytes.ts'

function parse(schema: unknown, limits = DEFAULT_LIMITS): AvroType {
  const text = typeof schema === 'string' ? schema : JSON.stringify(schema)
  return parseAvroSchema(new TextEncoder().encode(text), 'test.avro', limits)
}

const record = (name: string, fields: unknown[], more: object = {}): object => ({
  type: 'record',
  name,
  fields,
  ...more,
})

describe('Avro schemas', () => {
  it('keep the attributes of Iceberg and of logical types', () => {
    const schema = parse(
      record('r', [
        {
          name: '_x20a',
          'iceberg-field-name': ' a',
          'field-id': 7,
          type: ['null', { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': true }],
        },
        { name: 'l', type: { type: 'array', items: 'int', 'element-id': 9 } },
        { name: 'm', type: { type: 'map', values: 'int', 'key-id': 10, 'value-id': 11 } },
        {
          name: 'd',
          type: {
            type: 'fixed',
            name: 'f',
            size: 4,
            logicalType: 'decimal',
            precision: 9,
            scale: 2,
          },
        },
        { name: 'kv', type: { type: 'array', logicalType: 'map', items: 'int' } },
      ]),
    ) as AvroRecord
    const [a, l, m, d, kv] = schema.fields
    expect(a).toMatchObject({ fieldId: 7, icebergName: ' a' })
    expect(a?.type).toEqual({
      kind: 'union',
      branches: [
        { kind: 'null' },
        { kind: 'long', logical: { name: 'timestamp-micros', adjustToUtc: true } },
      ],
    })
    expect(l?.type).toMatchObject({ kind: 'array', elementId: 9, isMap: false })
    expect(m?.type).toMatchObject({ kind: 'map', keyId: 10, valueId: 11 })
    expect(d?.type).toMatchObject({ size: 4, logical: { name: 'decimal', precision: 9, scale: 2 } })
    expect(kv?.type).toMatchObject({ kind: 'array', isMap: true })
  })

  it('resolve names by namespace: own, enclosing, full', () => {
    const schema = parse(
      record(
        'outer',
        [
          { name: 'a', type: { type: 'fixed', name: 'f', size: 1 } },
          { name: 'b', type: { type: 'fixed', name: 'f', namespace: 'other', size: 2 } },
          { name: 'c', type: 'f' },
          { name: 'd', type: 'other.f' },
          { name: 'e', type: 'space.f' },
        ],
        { namespace: 'space' },
      ),
    ) as AvroRecord
    expect(schema.name).toBe('space.outer')
    expect(schema.fields.map((f) => (f.type as { size: number }).size)).toEqual([1, 2, 1, 2, 1])
  })

  it('may be recursive', () => {
    const schema = parse(
      record('node', [
        { name: 'value', type: 'int' },
        { name: 'next', type: ['null', 'node'] },
      ]),
    ) as AvroRecord
    const next = schema.fields[1]?.type as AvroUnion
    expect(next.branches[1]).toBe(schema)
    expect(minimumBytes(schema)).toBe(2)
  })

  it('unwrap a type inside a type', () => {
    expect(parse({ type: { type: { type: 'int' } } })).toEqual({ kind: 'int' })
  })

  it.each([
    ['not JSON', '{'],
    ['a number', 5],
    ['no type', { name: 'x' }],
    ['an unknown name', record('r', [{ name: 'a', type: 'unheard' }])],
    ['an empty union', []],
    ['a union in a union', ['null', ['int']]],
    ['a record without fields', { type: 'record', name: 'r' }],
    ['a record without a name', { type: 'record', fields: [] }],
    ['a field without a name', record('r', [{ type: 'int' }])],
    ['a field that is a string', record('r', ['a'])],
    ['an enum without symbols', { type: 'enum', name: 'e' }],
    ['a fixed without size', { type: 'fixed', name: 'f' }],
    ['a fixed of negative size', { type: 'fixed', name: 'f', size: -1 }],
    ['a name defined twice', record('r', [{ name: 'a', type: record('r', []) }])],
    ['an array without items', { type: 'array' }],
  ])('refuse %s', (_what, schema) => {
    expect(() => parse(schema)).toThrow(/CORRUPT_AVRO/)
  })

  it('refuse deep nesting, in the text and by names', () => {
    let deep: object = { type: 'array', items: 'int' }
    for (let i = 0; i < 100; i++) deep = { type: 'array', items: deep }
    expect(() => parse(deep)).toThrow(/CORRUPT_AVRO/)
    const chain: object[] = [record('r0', [])]
    for (let i = 1; i < 100; i++) chain.push(record(`r${i}`, [{ name: 'a', type: `r${i - 1}` }]))
    expect(() => parse(chain)).toThrow(/nestingDepth/)
  })

  it('refuse more types than limits.schemaFields', () => {
    const fields = Array.from({ length: 30 }, (_, i) => ({ name: `f${i}`, type: 'int' }))
    expect(() => parse(record('r', fields), resolveLimits({ schemaFields: 20 }))).toThrow(
      /schemaFields/,
    )
  })

  it('measure in time linear in the text, though names multiply', () => {
    const doubling: object[] = [record('r0', [{ name: 'a', type: 'int' }])]
    for (let i = 1; i < 60; i++) {
      const type = `r${i - 1}`
      doubling.push(
        record(`r${i}`, [
          { name: 'a', type },
          { name: 'b', type },
        ]),
      )
    }
    const schema = parse(doubling) as AvroUnion
    expect(minimumBytes(schema.branches.at(-1) as AvroType)).toBe(2 ** 59)
  })
})
