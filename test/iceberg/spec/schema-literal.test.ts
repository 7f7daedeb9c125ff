/** Schemas as literals: field ids as Java gives them, and the row types that follow. */
import { describe, expect, expectTypeOf, it } from 'vitest'
import { schemaToJson } from '../../../src/iceberg/spec/schema-json.ts'
import {
  assignFreshIds,
  type InferInput,
  type InferRow,
  schema,
  t,
} from '../../../src/iceberg/spec/schema-literal.ts'
import { errorOf } from '../../support/expect-error.ts'

const orders = schema(
  {
    id: t.long(),
    item: t.string(),
    price: t.decimal(10, 2),
    ts: t.timestamptz(),
    day: t.date(),
    at: t.time(),
    nanos: t.timestampNs(),
    ok: t.boolean(),
    n: t.int(),
    x: t.double(),
    key: t.uuid(),
    bytes: t.binary(),
    code: t.fixed(4),
    note: t.optional(t.string()),
    tags: t.list(t.string()),
    maybe: t.list(t.optional(t.int())),
    m: t.map(t.string(), t.int()),
    byId: t.map(t.long(), t.optional(t.string())),
    s: t.struct({ a: t.int(), b: t.optional(t.long()) }),
  },
  { key: ['id'] },
)

describe('row types', () => {
  it('InferRow is what rows() gives', () => {
    type Row = InferRow<typeof orders>
    expectTypeOf<Row['id']>().toEqualTypeOf<bigint>()
    expectTypeOf<Row['item']>().toEqualTypeOf<string>()
    expectTypeOf<Row['price']>().toEqualTypeOf<string>()
    expectTypeOf<Row['ts']>().toEqualTypeOf<bigint>()
    expectTypeOf<Row['day']>().toEqualTypeOf<string>()
    expectTypeOf<Row['at']>().toEqualTypeOf<bigint>()
    expectTypeOf<Row['nanos']>().toEqualTypeOf<bigint>()
    expectTypeOf<Row['ok']>().toEqualTypeOf<boolean>()
    expectTypeOf<Row['n']>().toEqualTypeOf<number>()
    expectTypeOf<Row['x']>().toEqualTypeOf<number>()
    expectTypeOf<Row['key']>().toEqualTypeOf<string>()
    expectTypeOf<Row['bytes']>().toEqualTypeOf<Uint8Array>()
    expectTypeOf<Row['code']>().toEqualTypeOf<Uint8Array>()
    expectTypeOf<Row['note']>().toEqualTypeOf<string | null>()
    expectTypeOf<Row['tags']>().toEqualTypeOf<string[]>()
    expectTypeOf<Row['maybe']>().toEqualTypeOf<(number | null)[]>()
    expectTypeOf<Row['m']>().toEqualTypeOf<Map<string, number>>()
    expectTypeOf<Row['byId']>().toEqualTypeOf<Map<bigint, string | null>>()
    expectTypeOf<Row['s']>().toEqualTypeOf<{ a: number; b: bigint | null }>()
    expectTypeOf<keyof Row>().toEqualTypeOf<keyof typeof orders.columns>()
  })

  it('InferInput is what append accepts', () => {
    type Input = InferInput<typeof orders>
    expectTypeOf<Input['id']>().toEqualTypeOf<bigint | number>()
    expectTypeOf<Input['price']>().toEqualTypeOf<string | number | bigint>()
    expectTypeOf<Input['ts']>().toEqualTypeOf<bigint | string | Date>()
    expectTypeOf<Input['day']>().toEqualTypeOf<string | Date | number>()
    expectTypeOf<Input['note']>().toEqualTypeOf<string | null | undefined>()
    expectTypeOf<Input['tags']>().toEqualTypeOf<readonly string[]>()
    expectTypeOf<{ id: bigint }>().not.toExtend<Input>()
    const small = schema({ id: t.long(), note: t.optional(t.string()) })
    expectTypeOf<{ id: number }>().toExtend<InferInput<typeof small>>()
    expectTypeOf<{ id: 1n; note: null }>().toExtend<InferInput<typeof small>>()
    expectTypeOf<{ id: string }>().not.toExtend<InferInput<typeof small>>()
    expectTypeOf<{ note: string }>().not.toExtend<InferInput<typeof small>>()
  })

  it('key names are columns', () => {
    // @ts-expect-error there is no such column
    errorOf('BAD_SCHEMA', () => schema({ id: t.long() }, { key: ['ident'] }))
    // @ts-expect-error a map key is never null
    errorOf('BAD_SCHEMA', () => t.map(t.optional(t.string()), t.int()) satisfies never)
  })
})

describe('assignFreshIds', () => {
  it('numbers a level before what is inside it, as the reference implementation does (item 6)', () => {
    const literal = schema(
      {
        a: t.struct({ b: t.list(t.int()), c: t.string() }),
        d: t.map(t.string(), t.struct({ e: t.long() })),
        f: t.doc(t.optional(t.date()), 'when'),
      },
      { key: [] },
    )
    expect(JSON.parse(JSON.stringify(schemaToJson(assignFreshIds(literal))))).toEqual({
      type: 'struct',
      'schema-id': 0,
      fields: [
        {
          id: 1,
          name: 'a',
          required: true,
          type: {
            type: 'struct',
            fields: [
              {
                id: 4,
                name: 'b',
                required: true,
                type: { type: 'list', 'element-id': 6, element: 'int', 'element-required': true },
              },
              { id: 5, name: 'c', required: true, type: 'string' },
            ],
          },
        },
        {
          id: 2,
          name: 'd',
          required: true,
          type: {
            type: 'map',
            'key-id': 7,
            key: 'string',
            'value-id': 8,
            value: {
              type: 'struct',
              fields: [{ id: 9, name: 'e', required: true, type: 'long' }],
            },
            'value-required': true,
          },
        },
        { id: 3, name: 'f', required: false, type: 'date', doc: 'when' },
      ],
    })
  })

  it('sets identifier fields and the schema id', () => {
    const made = assignFreshIds(orders, 3)
    expect(made.schemaId).toBe(3)
    expect(made.identifierFieldIds).toEqual([1])
    expect(made.findByName('note')?.field.required).toBe(false)
    expect(made.findByName('maybe.element')?.field.required).toBe(false)
    expect(made.findByName('byId.value')?.field.required).toBe(false)
  })

  it('takes names that are hostile to plain objects', () => {
    const made = assignFreshIds(schema({ ['__proto__']: t.int(), constructor: t.int() }))
    expect(made.fields.map((f) => f.name)).toEqual(['__proto__', 'constructor'])
  })
})

describe('column types', () => {
  it.each([
    [0, 0],
    [39, 0],
    [5, 6],
    [5, -1],
    [5.5, 1],
    [Number.NaN, 0],
  ])('decimal(%d, %d) is refused', (precision, scale) => {
    errorOf('BAD_SCHEMA', () => t.decimal(precision, scale))
  })
  it.each([0, -1, 1.5, 2 ** 31])('fixed(%d) is refused', (length) => {
    errorOf('BAD_SCHEMA', () => t.fixed(length))
  })
})
