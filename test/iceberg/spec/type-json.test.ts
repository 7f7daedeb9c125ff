/** Types as text and JSON (iceberg-writer.md item 14; known-bugs.md 19: iceberg-rust#2538). */
import { describe, expect, it } from 'vitest'
import { type JsonValue, parseJson, stringifyJson } from '../../../src/core/json.ts'
import { typeFromJson, typeFromText, typeToJson } from '../../../src/iceberg/spec/type-json.ts'
import { typeText } from '../../../src/iceberg/spec/type-text.ts'
import { isPrimitive, type Type } from '../../../src/iceberg/spec/types.ts'
import { errorOf } from '../../support/expect-error.ts'

const read = (json: string): Type => typeFromJson(parseJson(json, 'x', 1000), 'schema.a')

describe('canonical type text (item 14)', () => {
  it.each([
    'boolean',
    'int',
    'long',
    'float',
    'double',
    'date',
    'time',
    'timestamp',
    'timestamptz',
    'timestamp_ns',
    'timestamptz_ns',
    'string',
    'uuid',
    'binary',
    'unknown',
    'variant',
    'decimal(9,2)',
    'decimal(38,38)',
    'decimal(1,0)',
    'fixed[16]',
    'fixed[2147483647]',
    'geometry',
    'geometry(srid:4326)',
    'geography',
    'geography(OGC:CRS84)',
    'geography(srid:4326, vincenty)',
  ])('%s is read and written back as it is', (text) => {
    const type = typeFromText(text, 'x')
    expect(typeText(type)).toBe(text)
    expect(typeToJson(type)).toBe(text)
    expect(read(JSON.stringify(text))).toEqual(type)
  })

  it.each([
    ['decimal(9, 2)', 'decimal(9,2)'],
    ['DECIMAL( 9 , 2 )', 'decimal(9,2)'],
    ['fixed[ 16 ]', 'fixed[16]'],
    ['TimestampTZ', 'timestamptz'],
    [' string ', 'string'],
    ['geometry( srid:4326 )', 'geometry(srid:4326)'],
    ['geometry (a, b)', 'geometry(a, b)'],
    ['Geography(C,A)', undefined],
    ['geography(C,KARNEY)', 'geography(C, karney)'],
    ['geography(c)', 'geography(c)'],
  ])('%s is accepted as %s', (text, canonical) => {
    if (canonical === undefined) errorOf('BAD_METADATA', () => typeFromText(text, 'x'))
    else expect(typeText(typeFromText(text, 'x'))).toBe(canonical)
  })

  it('describes an algorithm without a reference system by the default one', () => {
    expect(typeText({ kind: 'geography', algorithm: 'thomas' })).toBe(
      'geography(OGC:CRS84, thomas)',
    )
  })

  it.each([
    'decimal(39,2)',
    'decimal(0,0)',
    'decimal(5,6)',
    'decimal(9)',
    'decimal(9,-1)',
    'decimal(9999999999999999999,2)',
    'fixed[-1]',
    'fixed[2147483648]',
    'fixed',
    'geometry()',
    'geometry(a(b))',
    'geography(a, nope)',
    'geography(, karney)',
    'list<int>',
    'struct',
    'timestamp_us',
    '',
    'int\u0000',
  ])('refuses %j, naming the field', (text) => {
    const error = errorOf('BAD_METADATA', () => typeFromText(text, 'schema.price'))
    expect(error.context).toMatchObject({ field: 'schema.price' })
    expect(error.message).toContain('schema.price')
  })

  it('is not slowed down by hostile text', () => {
    for (const text of [
      `decimal(${' '.repeat(100_000)}`,
      `geometry(${'('.repeat(100_000)}`,
      `geography(${' '.repeat(100_000)},`,
      `fixed[${'1'.repeat(100_000)}]`,
    ]) {
      errorOf('BAD_METADATA', () => typeFromText(text, 'x'))
    }
  })
})

describe('nested types (item 14)', () => {
  const nested =
    '{"type":"struct","fields":[{"id":1,"name":"l","required":true,"type":{"type":"list","element-id":2,"element":"int","element-required":false}},' +
    '{"id":3,"name":"m","required":false,"type":{"type":"map","key-id":4,"key":"string","value-id":5,"value":{"type":"list","element-id":6,"element":"variant","element-required":true},"value-required":true}}]}'

  it('are read and written in the key order of the reference implementation', () => {
    const type = read(nested)
    expect(stringifyJson(typeToJson(type))).toBe(nested)
    expect(typeText(type)).toBe('struct<l: list<int>, m: map<string, list<variant>>>')
  })

  it('keep fields that are not known (item 26)', () => {
    const json =
      '{"type":"list","element-id":2,"element":{"type":"map","key-id":3,"key":"int","value-id":4,"value":{"type":"struct","fields":[],"z":null},"value-required":true,"y":{"a":[9223372036854775807]}},"element-required":false,"x":1}'
    expect(stringifyJson(typeToJson(read(json)))).toBe(json)
  })

  it.each([
    ['{"type":"list","element":"int","element-required":true}', 'element-id'],
    ['{"type":"list","element-id":1,"element":"int"}', 'element-required'],
    ['{"type":"list","element-id":1,"element-required":true}', 'element'],
    ['{"type":"map","key-id":1,"key":"int","value-id":2,"value":"int"}', 'value-required'],
    ['{"type":"map","key-id":1.5,"key":"int","value-id":2,"value":"int"}', 'key-id'],
    ['{"type":"struct"}', 'fields'],
    ['{"fields":[]}', 'type'],
    ['7', 'schema.a'],
    ['null', 'schema.a'],
  ])('%s is refused, naming %s', (json, field) => {
    expect(errorOf('BAD_JSON', () => read(json)).message).toContain(field)
  })

  it('refuses an unknown nested type', () => {
    errorOf('BAD_METADATA', () => read('{"type":"tuple"}'))
  })

  it('are bounded in depth', () => {
    const lists = (depth: number): JsonValue =>
      depth === 0
        ? 'int'
        : {
            type: 'list',
            'element-id': depth,
            'element-required': true,
            element: lists(depth - 1),
          }
    expect(() => typeFromJson(lists(64), 'x')).not.toThrow()
    errorOf('BAD_METADATA', () => typeFromJson(lists(65), 'x'))
  })

  it('tells primitives from variants and nested types', () => {
    expect(isPrimitive({ kind: 'unknown' })).toBe(true)
    expect(isPrimitive({ kind: 'variant' })).toBe(false)
    expect(isPrimitive(read(nested))).toBe(false)
  })
})
