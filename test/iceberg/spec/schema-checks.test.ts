/** What schemas may be written, and which promotions there are (iceberg-writer.md items 6, 15, 20, 21). */
import { describe, expect, it } from 'vitest'
import type { FormatVersion } from '../../../src/iceberg/spec/metadata.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import {
  canPromote,
  checkSchema,
  MAX_FIELD_ID,
  visitFieldIds,
} from '../../../src/iceberg/spec/schema-checks.ts'
import { typeFromText } from '../../../src/iceberg/spec/type-json.ts'
import type { NestedField, Type } from '../../../src/iceberg/spec/types.ts'
import { errorOf } from '../../support/expect-error.ts'

const field = (
  id: number,
  name: string,
  type: Type | string,
  rest: Partial<NestedField> = {},
): NestedField => ({
  id,
  name,
  required: true,
  type: typeof type === 'string' ? typeFromText(type, 'x') : type,
  ...rest,
})
const schemaOf = (fields: readonly NestedField[], key: readonly number[] = []): Schema =>
  new Schema({ schemaId: 0, fields, identifierFieldIds: key })
const check = (fields: readonly NestedField[], version: FormatVersion = 3, key: number[] = []) =>
  checkSchema(schemaOf(fields, key), version)

describe('field ids (item 6)', () => {
  it.each([0, -1, 1.5, MAX_FIELD_ID + 1, 2_147_483_646])('refuses %d', (id) => {
    expect(errorOf('BAD_SCHEMA', () => check([field(id, 'a', 'int')])).context).toEqual({
      column: 'a',
    })
  })
  it('takes 1 and the highest', () => {
    check([field(1, 'a', 'int'), field(MAX_FIELD_ID, 'b', 'int')])
  })
  it('refuses one that stands twice', () => {
    errorOf('BAD_SCHEMA', () => check([field(1, 'a', 'int'), field(1, 'b', 'int')]))
  })
  it('visits every id, also those that stand twice', () => {
    const ids: number[] = []
    const list: Type = {
      kind: 'list',
      elementId: 1,
      elementRequired: true,
      element: { kind: 'struct', fields: [field(4, 'x', 'int')] },
    }
    visitFieldIds(schemaOf([field(1, 'a', 'int'), field(2, 'b', list)]), (id) => ids.push(id))
    expect(ids).toEqual([1, 2, 1, 4])
  })
})

describe('names (item 20)', () => {
  const struct = (id: number): Type => ({ kind: 'struct', fields: [field(id, 'b', 'int')] })

  it('refuses duplicates, also those that differ in case or stand in full names', () => {
    errorOf('BAD_SCHEMA', () => check([field(1, 'a', 'int'), field(2, 'a', 'int')]))
    const error = errorOf('BAD_SCHEMA', () => check([field(1, 'a', 'int'), field(2, 'A', 'int')]))
    expect(error.message).toContain('"a"')
    errorOf('BAD_SCHEMA', () => check([field(1, 'a.b', 'int'), field(2, 'a', struct(3))]))
    errorOf('BAD_SCHEMA', () => check([field(1, '', 'int')]))
    check([field(1, 'b', 'int'), field(2, 'a', struct(3))])
  })

  it('lets two columns stay that a table already has', () => {
    const before = schemaOf([field(1, 'user_id', 'int'), field(2, 'uSeR_Id', 'int')])
    const added = [...before.fields, field(3, 'c', 'int')]
    checkSchema(schemaOf(added), 2, before)
    errorOf('BAD_SCHEMA', () => checkSchema(schemaOf(added), 2))
    const third = schemaOf([...before.fields, field(3, 'USER_ID', 'int')])
    errorOf('BAD_SCHEMA', () => checkSchema(third, 2, before))
    const exact = schemaOf([field(1, 'user_id', 'int'), field(2, 'user_id', 'int')])
    errorOf('BAD_SCHEMA', () => checkSchema(exact, 2, before))
  })

  it('bounds nesting', () => {
    let type: Type = { kind: 'int' }
    for (let id = 100; id > 10; id--) type = { kind: 'struct', fields: [field(id, 'x', type)] }
    errorOf('BAD_SCHEMA', () => check([field(1, 'a', type)]))
  })
})

describe('identifier fields (item 15)', () => {
  const struct = (required: boolean): NestedField[] => [
    field(1, 'id', 'long'),
    field(2, 's', { kind: 'struct', fields: [field(3, 'k', 'string')] }, { required }),
  ]

  it('may be required primitives, in required structs too', () => {
    check(struct(true), 2, [1, 3])
    check([field(1, 'a', 'string'), field(2, 'b', 'decimal(9,2)')], 2, [1, 2])
  })

  it.each<[string, NestedField[], number]>([
    ['missing', [field(1, 'a', 'int')], 9],
    ['optional', [field(1, 'a', 'int', { required: false })], 1],
    ['float', [field(1, 'a', 'float')], 1],
    ['double', [field(1, 'a', 'double')], 1],
    ['a struct', struct(true), 2],
    ['in an optional struct', struct(false), 3],
    [
      'in a list',
      [
        field(1, 'l', {
          kind: 'list',
          elementId: 2,
          elementRequired: true,
          element: { kind: 'int' },
        }),
      ],
      2,
    ],
    ['variant', [field(1, 'v', 'variant')], 1],
  ])('may not be %s', (_, fields, id) => {
    errorOf('BAD_SCHEMA', () => check(fields, 3, [id]))
  })
})

describe('format versions', () => {
  it.each([
    'variant',
    'geometry',
    'geography(srid:4326)',
    'timestamp_ns',
    'timestamptz_ns',
    'unknown',
  ])('%s needs version 3', (type) => {
    const column = field(1, 'a', type, { required: false })
    const error = errorOf('FORMAT_VERSION', () => check([column], 2))
    expect(error.context).toEqual({ column: 'a', formatVersion: 2 })
    check([column], 3)
  })

  it('finds them inside lists and maps', () => {
    const list: Type = {
      kind: 'list',
      elementId: 2,
      elementRequired: false,
      element: { kind: 'variant' },
    }
    errorOf('FORMAT_VERSION', () => check([field(1, 'a', list)], 2))
  })

  it('defaults need version 3, null is none (item 21)', () => {
    errorOf('FORMAT_VERSION', () => check([field(1, 'a', 'int', { initialDefault: 1 })], 2))
    errorOf('FORMAT_VERSION', () => check([field(1, 'a', 'int', { writeDefault: 1 })], 2))
    check([field(1, 'a', 'int', { required: false, initialDefault: null })], 2)
    check([field(1, 'a', 'int', { initialDefault: 1, writeDefault: 2 })], 3)
  })
})

describe('defaults (item 21)', () => {
  const struct: Type = { kind: 'struct', fields: [field(2, 'x', 'int')] }

  it('are null alone for types without single values', () => {
    for (const type of ['unknown', 'variant', 'geometry', 'geography']) {
      check([field(1, 'a', type, { required: false, initialDefault: null })])
      errorOf('BAD_SCHEMA', () =>
        check([field(1, 'a', type, { required: false, writeDefault: 'x' })]),
      )
    }
  })
  it('are null or {} for structs', () => {
    check([field(1, 'a', struct, { initialDefault: {}, writeDefault: {} })])
    check([field(1, 'a', struct, { required: false, initialDefault: null })])
    errorOf('BAD_SCHEMA', () => check([field(1, 'a', struct, { initialDefault: { x: 1 } })]))
  })
  it('are not null for required columns', () => {
    errorOf('BAD_SCHEMA', () => check([field(1, 'a', 'int', { initialDefault: null })]))
    errorOf('BAD_SCHEMA', () => check([field(1, 'a', 'int', { writeDefault: null })]))
  })
  it('unknown columns are optional', () => {
    errorOf('BAD_SCHEMA', () => check([field(1, 'a', 'unknown')]))
  })
})

describe('promotions (item 20)', () => {
  const may = (from: string, to: string, version?: FormatVersion): boolean =>
    canPromote(typeFromText(from, 'x'), typeFromText(to, 'x'), version)

  it.each([
    ['int', 'long'],
    ['float', 'double'],
    ['decimal(9,2)', 'decimal(18,2)'],
    ['decimal(9,2)', 'decimal(9,2)'],
    ['string', 'string'],
  ])('%s -> %s in every version', (from, to) => {
    expect([may(from, to, 2), may(from, to, 3), may(from, to)]).toEqual([true, true, true])
  })

  it.each([
    ['unknown', 'int'],
    ['unknown', 'geometry'],
    ['date', 'timestamp'],
    ['date', 'timestamp_ns'],
  ])('%s -> %s from version 3 on', (from, to) => {
    expect([may(from, to, 2), may(from, to, 3)]).toEqual([false, true])
  })

  it.each([
    ['long', 'int'],
    ['double', 'float'],
    ['int', 'double'],
    ['int', 'decimal(9,0)'],
    ['decimal(9,2)', 'decimal(18,3)'],
    ['decimal(18,2)', 'decimal(9,2)'],
    ['date', 'timestamptz'],
    ['date', 'timestamptz_ns'],
    ['timestamp', 'timestamp_ns'],
    ['string', 'binary'],
    ['fixed[4]', 'fixed[8]'],
    ['int', 'unknown'],
    ['geometry', 'geography'],
  ])('%s -> %s never', (from, to) => {
    expect(may(from, to)).toBe(false)
  })
})
