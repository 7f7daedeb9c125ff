/** Transforms as text, specs and orders from user text and as JSON (iceberg-writer.md items 8, 16–19, 107). */
import { describe, expect, it } from 'vitest'
import { parseJson, stringifyJson } from '../../../src/core/json.ts'
import {
  checkPartitionSpec,
  partitionSpecFromText,
  sortOrderFromText,
} from '../../../src/iceberg/spec/partition-spec-builder.ts'
import {
  partitionSpecFromJson,
  partitionSpecToJson,
} from '../../../src/iceberg/spec/partition-spec-json.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import { assignFreshIds, schema, t } from '../../../src/iceberg/spec/schema-literal.ts'
import { sortOrderFromJson, sortOrderToJson } from '../../../src/iceberg/spec/sort-order-json.ts'
import { transformFromText, transformText } from '../../../src/iceberg/spec/transform-text.ts'
import { errorOf } from '../../support/expect-error.ts'

const columns = assignFreshIds(
  schema({
    id: t.long(),
    item: t.string(),
    ts: t.timestamptz(),
    day: t.date(),
    price: t.decimal(10, 2),
    ratio: t.double(),
    flag: t.boolean(),
    at: t.struct({ city: t.string(), when: t.timestamp() }),
    tags: t.list(t.string()),
    'odd name (x)': t.int(),
  }),
)
const spec = (...terms: string[]) => partitionSpecFromText(terms, columns)
const fields = (...terms: string[]) =>
  spec(...terms).fields.map((f) => [f.fieldId, f.sourceIds[0], f.name, transformText(f.transform)])

describe('transform text (items 16, 17)', () => {
  it.each(['identity', 'year', 'month', 'day', 'hour', 'void', 'bucket[16]', 'truncate[4]'])(
    '%s round-trips',
    (text) => {
      expect(transformText(transformFromText(text))).toBe(text)
      expect(transformFromText(text).kind).not.toBe('unknown')
      expect(transformFromText(` ${text.toUpperCase()} `)).toEqual(transformFromText(text))
    },
  )
  it.each([
    'zorder',
    'bucket',
    'bucket[0]',
    'bucket[-1]',
    'bucket[2147483648]',
    'bucketV2[16]',
    'Truncate[ 4 ]',
    'days',
    '',
  ])('%j is unknown and kept as it is', (text) => {
    expect(transformFromText(text)).toEqual({ kind: 'unknown', text })
    expect(transformText(transformFromText(text))).toBe(text)
  })
})

describe('specs from text', () => {
  it('has names and field ids as the reference implementation gives them', () => {
    expect(
      fields('day(ts)', 'bucket(16, id)', 'truncate(4, item)', 'flag', 'year(day)', 'void(price)'),
    ).toEqual([
      [1000, 3, 'ts_day', 'day'],
      [1001, 1, 'id_bucket', 'bucket[16]'],
      [1002, 2, 'item_trunc', 'truncate[4]'],
      [1003, 7, 'flag', 'identity'],
      [1004, 4, 'day_year', 'year'],
      [1005, 5, 'price_null', 'void'],
    ])
    expect(spec()).toEqual({ specId: 0, fields: [] })
  })

  it('takes other spellings', () => {
    const expected = [[1000, 1, 'id_bucket', 'bucket[16]']]
    for (const term of [
      'bucket(id, 16)',
      'bucket[16](id)',
      'BUCKET( 16 ,id )',
      ' bucket (16, `id`) ',
    ]) {
      expect(fields(term)).toEqual(expected)
    }
    expect(fields('days(ts)')).toEqual(fields('day(ts)'))
    expect(fields('hours(ts)')[0]?.[3]).toBe('hour')
  })

  it('takes nested columns, odd names in back-quotes, and names of its own', () => {
    expect(fields('at.city', 'month(at.when)')).toEqual([
      [1000, 11, 'at.city', 'identity'],
      [1001, 12, 'at.when_month', 'month'],
    ])
    expect(fields('`odd name (x)`')).toEqual([[1000, 10, 'odd name (x)', 'identity']])
    expect(fields('bucket(4, `odd name (x)`) as odd')[0]?.[2]).toBe('odd')
    expect(fields('truncate(4, item)', 'truncate(8, item) AS item8').map((f) => f[2])).toEqual([
      'item_trunc',
      'item8',
    ])
  })

  it.each([
    '',
    '(id)',
    'bucket(id)',
    'bucket(0, id)',
    'bucket(16, id, 4)',
    'bucket[16](4, id)',
    'year(1, ts)',
    'zorder(id)',
    'day(ts',
    'day()',
    'day(`ts)',
    'identity(a, b)',
  ])('refuses %j and says what to write', (term) => {
    expect(errorOf('BAD_PARTITION_SPEC', () => spec(term)).message).toContain('bucket(n, c)')
  })

  it.each([
    ['a column that does not exist', 'NO_SUCH_COLUMN', ['day(tss)']],
    ['a transform that does not take the type', 'BAD_PARTITION_SPEC', ['hour(day)']],
    ['bucket of a double', 'BAD_PARTITION_SPEC', ['bucket(4, ratio)']],
    ['truncate of a boolean', 'BAD_PARTITION_SPEC', ['truncate(4, flag)']],
    ['a struct', 'BAD_PARTITION_SPEC', ['at']],
    ['a column in a list', 'BAD_PARTITION_SPEC', ['tags.element']],
    ['two fields of one name', 'BAD_PARTITION_SPEC', ['truncate(4, item)', 'truncate(8, item)']],
    ['one field twice', 'BAD_PARTITION_SPEC', ['id', 'identity(id) as other']],
    ['two time transforms of a column', 'BAD_PARTITION_SPEC', ['day(ts)', 'hour(ts)']],
    ['a name that another column has', 'BAD_PARTITION_SPEC', ['bucket(4, id) as item']],
    ['identity under the name of another column', 'BAD_PARTITION_SPEC', ['id as item']],
  ] as const)('refuses %s', (_, code, terms) => {
    errorOf(code, () => spec(...terms))
  })

  it('refuses to write under a transform that is not known (item 17)', () => {
    const unknown = {
      specId: 0,
      fields: [
        {
          sourceIds: [1],
          fieldId: 1000,
          name: 'z',
          transform: { kind: 'unknown', text: 'zorder' } as const,
        },
      ],
    }
    errorOf('UNSUPPORTED_TRANSFORM', () => checkPartitionSpec(unknown, columns))
  })

  it('lets the source of a void field be gone', () => {
    const field = { sourceIds: [99], fieldId: 1000, name: 'gone' }
    const voided = { specId: 0, fields: [{ ...field, transform: { kind: 'void' } as const }] }
    expect(() => checkPartitionSpec(voided, columns)).not.toThrow()
    const identity = { specId: 0, fields: [{ ...field, transform: { kind: 'identity' } as const }] }
    errorOf('BAD_PARTITION_SPEC', () => checkPartitionSpec(identity, columns))
  })
})

describe('sort orders from text', () => {
  const order = (...terms: string[]) => sortOrderFromText(terms, columns)

  it('puts nulls first when ascending and last when descending, unless told', () => {
    expect(
      order(
        'ts desc nulls last',
        'id',
        'item DESC',
        'bucket(4, id) asc Nulls Last',
        'price desc nulls first',
      ),
    ).toEqual({
      orderId: 1,
      fields: [
        [3, { kind: 'identity' }, 'desc', 'nulls-last'],
        [1, { kind: 'identity' }, 'asc', 'nulls-first'],
        [2, { kind: 'identity' }, 'desc', 'nulls-last'],
        [1, { kind: 'bucket', numBuckets: 4 }, 'asc', 'nulls-last'],
        [5, { kind: 'identity' }, 'desc', 'nulls-first'],
      ].map(([id, transform, direction, nullOrder]) => ({
        sourceIds: [id],
        transform,
        direction,
        nullOrder,
      })),
    })
  })

  it('is order 0 without fields (item 8)', () => {
    expect(order()).toEqual({ orderId: 0, fields: [] })
  })

  it.each([
    ['NO_SUCH_COLUMN', 'nope desc'],
    ['NO_SUCH_COLUMN', 'id descending'],
    ['BAD_SORT_ORDER', 'at'],
    ['BAD_SORT_ORDER', 'tags.element'],
    ['BAD_SORT_ORDER', 'hour(day)'],
    ['BAD_SORT_ORDER', 'zorder(id)'],
    ['BAD_SORT_ORDER', ''],
  ] as const)('%s for %j', (code, term) => {
    errorOf(code, () => order(term))
  })
})

describe('spec and order JSON (items 8, 16, 26)', () => {
  const readSpec = (json: string) => partitionSpecFromJson(parseJson(json, 'x'), 'spec')
  const readOrder = (json: string) => sortOrderFromJson(parseJson(json, 'x'), 'order')

  it.each([
    '{"spec-id":0,"fields":[]}',
    '{"spec-id":3,"fields":[{"source-id":4,"field-id":1000,"name":"ts_day","transform":"day"}]}',
    '{"spec-id":1,"fields":[{"source-ids":[4,5],"field-id":1001,"name":"z","transform":"zorder[3]"}]}',
    '{"spec-id":1,"fields":[{"source-ids":[4,5],"field-id":1001,"name":"z","transform":"bucket[3]"}]}',
    '{"spec-id":1,"fields":[{"source-id":4,"field-id":1001,"name":"z","transform":"Mystery","x":1}],"y":{"z":[]}}',
  ])('%s round-trips', (json) => {
    expect(stringifyJson(partitionSpecToJson(readSpec(json)))).toBe(json)
  })

  it.each([
    '{"order-id":0,"fields":[]}',
    '{"order-id":2,"fields":[{"transform":"bucket[4]","source-id":1,"direction":"desc","null-order":"nulls-first"}]}',
    '{"order-id":2,"fields":[{"transform":"zip","source-ids":[1,2],"direction":"asc","null-order":"nulls-last","x":null}],"y":"z"}',
  ])('%s round-trips', (json) => {
    expect(stringifyJson(sortOrderToJson(readOrder(json)))).toBe(json)
  })

  it('does not apply a known transform of several columns to the first', () => {
    const json =
      '{"fields":[{"source-ids":[4,5],"field-id":1,"name":"z","transform":"bucket[3]"},{"source-ids":[4],"field-id":2,"name":"y","transform":"bucket[3]"}]}'
    expect(readSpec(json).fields.map((f) => f.transform)).toEqual([
      { kind: 'unknown', text: 'bucket[3]' },
      { kind: 'bucket', numBuckets: 3 },
    ])
  })

  it('numbers the fields of old specs from 1000', () => {
    const json =
      '{"fields":[{"source-id":1,"name":"a","transform":"identity"},{"source-id":2,"name":"b","transform":"day"}]}'
    expect(readSpec(json)).toMatchObject({
      specId: 0,
      fields: [{ fieldId: 1000 }, { fieldId: 1001 }],
    })
  })

  it.each([
    ['BAD_JSON', '{"spec-id":0}'],
    ['BAD_JSON', '{"spec-id":"0","fields":[]}'],
    ['BAD_JSON', '{"fields":[{"field-id":1000,"name":"a","transform":"day"}]}'],
    ['BAD_JSON', '{"fields":[{"source-id":1,"field-id":1000,"transform":"day"}]}'],
    ['BAD_JSON', '{"fields":[{"source-id":1,"field-id":1000,"name":"a"}]}'],
    ['BAD_METADATA', '{"fields":[{"source-ids":[],"field-id":1000,"name":"a","transform":"day"}]}'],
  ] as const)('%s for the spec %s', (code, json) => {
    expect(errorOf(code, () => readSpec(json)).message).toContain('spec')
  })

  it.each([
    ['BAD_JSON', '{"fields":[]}'],
    [
      'BAD_METADATA',
      '{"order-id":1,"fields":[{"transform":"identity","source-id":1,"direction":"up","null-order":"nulls-first"}]}',
    ],
    [
      'BAD_METADATA',
      '{"order-id":1,"fields":[{"transform":"identity","source-id":1,"direction":"asc","null-order":"first"}]}',
    ],
  ] as const)('%s for the order %s', (code, json) => {
    errorOf(code, () => readOrder(json))
  })

  it('keeps a spec of a schema whose columns it does not know', () => {
    const none = new Schema({ schemaId: 0, fields: [] })
    const read = readSpec(
      '{"fields":[{"source-id":1,"field-id":1000,"name":"a","transform":"day"}]}',
    )
    errorOf('BAD_PARTITION_SPEC', () => checkPartitionSpec(read, none))
  })
})
