/** Look-ups in a schema. */
import { describe, expect, it } from 'vitest'
import { childrenOf, Schema } from '../../../src/iceberg/spec/schema.ts'
import { assignFreshIds, schema, t } from '../../../src/iceberg/spec/schema-literal.ts'
import { errorOf } from '../../support/expect-error.ts'

const table = assignFreshIds(
  schema({
    id: t.long(),
    address: t.struct({ city: t.string(), tags: t.list(t.struct({ word: t.string() })) }),
    counts: t.map(t.string(), t.int()),
  }),
)

describe('Schema', () => {
  it('finds fields by id and by full name, with their place', () => {
    expect(table.findByName('address.city')).toMatchObject({
      path: ['address', 'city'],
      idPath: [2, 4],
      repeated: false,
    })
    expect(table.findByName('address.tags.element.word')?.repeated).toBe(true)
    expect(table.findByName('counts.key')).toMatchObject({ repeated: true })
    expect(table.findById(3)?.field.name).toBe('counts')
    expect(table.findById(99)).toBeUndefined()
    expect(table.findByName('Address')).toBeUndefined()
  })

  it('lists parents before children', () => {
    const names = [...table.entries()].map((entry) => entry.path.join('.'))
    expect(names).toEqual([
      'id',
      'address',
      'address.city',
      'address.tags',
      'address.tags.element',
      'address.tags.element.word',
      'counts',
      'counts.key',
      'counts.value',
    ])
    expect(table.highestFieldId()).toBe(9)
    expect(new Schema({ schemaId: 0, fields: [] }).highestFieldId()).toBe(0)
  })

  it('says which columns there are when one is not', () => {
    const error = errorOf('NO_SUCH_COLUMN', () => table.requireByName('adress'))
    expect(error.message).toContain('id, address, counts')
    expect(error.context).toEqual({ column: 'adress' })
    expect(table.requireByName('id').field.id).toBe(1)
  })

  it('refuses an id that stands twice, naming both places', () => {
    const twice = new Schema({
      schemaId: 0,
      fields: [
        { id: 1, name: 'a', required: true, type: { kind: 'int' } },
        {
          id: 2,
          name: 'b',
          required: true,
          type: { kind: 'list', elementId: 1, elementRequired: true, element: { kind: 'int' } },
        },
      ],
    })
    const error = errorOf('BAD_SCHEMA', () => twice.findById(1))
    expect(error.message).toContain('"b.element"')
    expect(error.message).toContain('"a"')
  })

  it('gives a list and a map their fields', () => {
    expect(childrenOf({ kind: 'int' })).toEqual([])
    expect(
      childrenOf({
        kind: 'map',
        keyId: 1,
        key: { kind: 'int' },
        valueId: 2,
        valueRequired: false,
        value: { kind: 'long' },
      }).map((f) => [f.id, f.name, f.required]),
    ).toEqual([
      [1, 'key', true],
      [2, 'value', false],
    ])
  })
})
