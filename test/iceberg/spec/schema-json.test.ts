/** Schemas from and to JSON (iceberg-writer.md items 14, 21, 26, 103). */
import { describe, expect, it } from 'vitest'
import { parseJson, stringifyJson } from '../../../src/core/json.ts'
import type { Schema } from '../../../src/iceberg/spec/schema.ts'
import { schemaFromJson, schemaToJson } from '../../../src/iceberg/spec/schema-json.ts'
import { errorOf } from '../../support/expect-error.ts'

const read = (json: string): Schema => schemaFromJson(parseJson(json, 'x'), 'schemas[]')
const rewrite = (json: string): string => stringifyJson(schemaToJson(read(json)))

describe('schema JSON', () => {
  it('round-trips with identifier fields, docs and defaults in Java’s key order', () => {
    const json =
      '{"type":"struct","schema-id":7,"identifier-field-ids":[1,2],"fields":[' +
      '{"id":1,"name":"id","required":true,"type":"long","doc":"the key"},' +
      '{"id":2,"name":"price","required":true,"type":"decimal(9,2)","initial-default":"14.20","write-default":"0.00"},' +
      '{"id":3,"name":"ts","required":false,"type":"timestamptz","initial-default":"2024-01-01T00:00:00.000000+00:00"},' +
      '{"id":4,"name":"big","required":false,"type":"long","write-default":9223372036854775807},' +
      '{"id":5,"name":"u","required":false,"type":"unknown","initial-default":null}]}'
    expect(rewrite(json)).toBe(json)
    const schema = read(json)
    expect(schema.schemaId).toBe(7)
    expect(schema.identifierFieldIds).toEqual([1, 2])
    expect(schema.fields[1]).toMatchObject({ initialDefault: 1420n, writeDefault: 0n })
    expect(schema.fields[3]?.writeDefault).toBe(2n ** 63n - 1n)
    expect(schema.fields[4]?.initialDefault).toBeNull()
  })

  it('keeps fields that are not known, in the schema and in its fields (item 26)', () => {
    const json =
      '{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"a","required":true,"type":"int","x-owner":{"__proto__":1}}],"x-schema":[1.5,null]}'
    expect(rewrite(json)).toBe(json)
  })

  it('takes 0 where old metadata has no schema id, and null for absent', () => {
    const json = '{"type":"struct","fields":[],"schema-id":null,"identifier-field-ids":null}'
    expect(read(json).schemaId).toBe(0)
    expect(read('{"type":"struct","fields":[]}').identifierFieldIds).toEqual([])
    const field = '{"id":1,"name":"a","required":true,"type":"int","doc":null}'
    expect(read(`{"type":"struct","fields":[${field}]}`).fields[0]).not.toHaveProperty('doc')
  })

  it('sorts identifier fields', () => {
    expect(rewrite('{"type":"struct","identifier-field-ids":[3,1],"fields":[]}')).toContain('[1,3]')
  })

  it.each([
    ['{"schema-id":0,"fields":[]}', 'BAD_METADATA', 'struct'],
    ['{"type":"list","fields":[]}', 'BAD_METADATA', 'struct'],
    ['{"type":"struct"}', 'BAD_JSON', 'schemas[].fields'],
    ['{"type":"struct","fields":{}}', 'BAD_JSON', 'schemas[].fields'],
    ['{"type":"struct","fields":[{"id":1,"required":true,"type":"int"}]}', 'BAD_JSON', 'name'],
    ['{"type":"struct","fields":[{"id":1,"name":"a","type":"int"}]}', 'BAD_JSON', 'a.required'],
    ['{"type":"struct","fields":[{"name":"a","required":true,"type":"int"}]}', 'BAD_JSON', 'a.id'],
    ['{"type":"struct","fields":[{"id":1,"name":"a","required":true}]}', 'BAD_JSON', 'a'],
    [
      '{"type":"struct","fields":[{"id":1,"name":"a","required":true,"type":"int","initial-default":"x"}]}',
      'BAD_JSON',
      'a.initial-default',
    ],
    ['{"type":"struct","schema-id":"0","fields":[]}', 'BAD_JSON', 'schema-id'],
    ['{"type":"struct","identifier-field-ids":["a"],"fields":[]}', 'BAD_JSON', 'identifier'],
  ] as const)('%s is %s naming %s', (json, code, field) => {
    expect(errorOf(code, () => read(json)).message).toContain(field)
  })
})
