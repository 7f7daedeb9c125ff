/** JSON with exact 64-bit integers (iceberg-writer.md item 1; known-bugs.md 24, 25). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  asArray,
  asBoolean,
  asId,
  asInt,
  asObject,
  asSafeLong,
  asString,
  encodeJson,
  type JsonValue,
  jsonObject,
  parseJson,
  parseJsonBytes,
  RawJson,
  stringifyJson,
} from '../../src/core/json.ts'
import { errorOf } from '../support/expect-error.ts'

const parse = (text: string): JsonValue => parseJson(text, 'test.json')

/** JSON.parse's view of a parsed value: prototypes back on objects. */
function plain(value: JsonValue): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(plain)
  const out: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    Object.defineProperty(out, key, {
      value: plain(value[key] as JsonValue),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return out
}

const jsonValue: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => Math.abs(n) < 2 ** 53),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc
      .dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), tie('value'), { maxKeys: 5 })
      .map((o) => Object.assign(jsonObject(), o)),
  ),
})).value

describe('64-bit integers (item 1, known-bugs 25)', () => {
  it.each([
    ['9007199254740993', 2n ** 53n + 1n],
    ['9223372036854775807', 2n ** 63n - 1n],
    ['-9223372036854775808', -(2n ** 63n)],
    ['9007199254740992', 2n ** 53n],
  ])('reads %s exactly', (text, expected) => {
    expect(parse(text)).toBe(expected)
    expect(asId(parse(text), 'id')).toBe(expected)
    expect(stringifyJson(parse(text))).toBe(text)
  })

  it('gives numbers where these are exact', () => {
    expect(parse('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER)
    expect(parse('-1')).toBe(-1)
    expect(asId(parse('-1'), 'id')).toBe(-1n)
  })

  it('never writes an integer that a number has already rounded', () => {
    errorOf('BAD_JSON', () => stringifyJson(2 ** 53 + 2))
    errorOf('BAD_JSON', () => stringifyJson(Number.NaN))
    errorOf('BAD_JSON', () => stringifyJson([{ a: Number.POSITIVE_INFINITY }]))
    expect(stringifyJson(2 ** 53)).toBe('9007199254740992')
  })

  it('bounds the digits of an integer, whose conversion takes quadratic time', () => {
    expect(parse('1'.repeat(80))).toBe(BigInt('1'.repeat(80)))
    errorOf('BAD_JSON', () => parse('1'.repeat(81)))
    errorOf('BAD_JSON', () => parse(`[${'9'.repeat(1_000_000)}]`))
  })
})

describe('equivalence with JSON.parse', () => {
  it('reads what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value)
        // −0 is written as 0 by JSON.stringify; numbers beyond 2^53 are read more exactly here.
        fc.pre(!/\d{16}|e\+/.test(text))
        expect(plain(parse(text))).toEqual(JSON.parse(text))
      }),
    )
  })

  it('round-trips every value', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        const text = stringifyJson(value)
        const again = parse(text)
        expect(stringifyJson(again)).toBe(text)
        expect(plain(again)).toEqual(plain(value))
      }),
    )
  })

  it('encodes as it serializes, whatever of it is encoded already', () => {
    fc.assert(
      fc.property(
        fc.array(jsonValue, { maxLength: 6 }),
        fc.infiniteStream(fc.boolean()),
        (values, raw) => {
          const some = values.map((value) =>
            raw.next().value === true ? (new RawJson(value) as unknown as JsonValue) : value,
          )
          const text = stringifyJson({ values, more: { values } })
          const bytes = encodeJson({ values: some, more: { values: some } })
          expect(Buffer.from(bytes).equals(Buffer.from(text))).toBe(true)
          expect(stringifyJson(some)).toBe(stringifyJson(values))
        },
      ),
    )
  })

  it('accepts and refuses the same texts', () => {
    const fragment = fc.constantFrom(
      ...'{}[],:"\\'.split(''),
      ...['0', '1', '-', '.', 'e', '+', 'true', 'null', 'false', ' ', '\n', '\t', '\u00a0'],
      ...['"a"', '"b":', '01', '1.', '.5', '-0', '\\u0041', '\u2028', '\u0000', 'nul', '//'],
    )
    const accepts = (read: (text: string) => unknown, text: string): boolean => {
      try {
        read(text)
        return true
      } catch {
        return false
      }
    }
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 12 }), (parts) => {
        const text = parts.join('')
        expect([text, accepts(parse, text)]).toEqual([text, accepts(JSON.parse, text)])
      }),
      { numRuns: 2000 },
    )
  })

  it('keeps −0 and writes it as a fraction', () => {
    expect(parse('-0.0')).toBe(-0)
    expect(stringifyJson(-0)).toBe('-0.0')
    expect(parse('-0')).toBe(0)
  })

  it('reads escapes and lone surrogates', () => {
    const text = '"\\u0041\\ud83d\\ude00\\ud800\\n\\/\\b\\f\\r\\t\\\\\\""'
    expect(parse(text)).toBe(JSON.parse(text))
  })

  it('keeps the last of two equal keys', () => {
    expect(plain(parse('{"a":1,"a":2}'))).toEqual({ a: 2 })
  })
})

describe('hostile input', () => {
  it('treats __proto__ as plain data', () => {
    const value = asObject(parse('{"__proto__":{"polluted":true},"constructor":1}'), 'x')
    expect(Object.getPrototypeOf(value)).toBeNull()
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(stringifyJson(value)).toBe('{"__proto__":{"polluted":true},"constructor":1}')
  })

  it('bounds nesting, of arrays and objects alike', () => {
    expect(() => parse('['.repeat(64) + ']'.repeat(64))).not.toThrow()
    const error = errorOf('BAD_JSON', () => parse('['.repeat(65) + ']'.repeat(65)))
    expect(error.context).toMatchObject({ file: 'test.json', offset: 64 })
    errorOf('BAD_JSON', () => parse('{"a":'.repeat(100_000)))
    errorOf('BAD_JSON', () => parse('['.repeat(5_000_000)))
    expect(() => parseJson('[[1]]', 'x', 2)).not.toThrow()
    errorOf('BAD_JSON', () => parseJson('[[[1]]]', 'x', 2))
  })

  it('does not run out of depth over many siblings', () => {
    expect(asArray(parse(`[${'[],'.repeat(1000)}{}]`), 'x')).toHaveLength(1001)
  })

  it.each([
    '',
    ' ',
    '{',
    '[1,]',
    '{"a":1,}',
    '{a:1}',
    "'a'",
    '"\u0001"',
    '"a',
    '"\\x"',
    '"\\u12g4"',
    '01',
    '1 2',
    '1.',
    '+1',
    'NaN',
    '1e400',
    'tru',
    '[1 2]',
    '{"a" 1}',
    '\ufeff1',
  ])('refuses %j with file and offset', (text) => {
    const error = errorOf('BAD_JSON', () => parse(text))
    expect(error.message).toContain('test.json')
    expect(error.context['offset']).toBeTypeOf('number')
  })

  it('refuses bytes that are not UTF-8', () => {
    errorOf('BAD_JSON', () => parseJsonBytes(Uint8Array.of(0x22, 0xff, 0x22), 'x'))
    errorOf('BAD_JSON', () => parseJsonBytes(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), 'x'))
    expect(parseJsonBytes(new TextEncoder().encode('"é"'), 'x')).toBe('é')
  })

  it('never throws anything but FloeError, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          parseJsonBytes(bytes, 'x')
        } catch (error) {
          expect(error).toMatchObject({ code: 'BAD_JSON' })
        }
      }),
    )
  })
})

describe('decoders', () => {
  it('name the field and what was found', () => {
    const error = errorOf('BAD_JSON', () => asInt('7', 'snapshots[].schema-id'))
    expect(error.context).toEqual({ field: 'snapshots[].schema-id' })
    expect(error.message).toContain('expected a 32-bit integer, found string "7"')
    for (const [value, found] of [
      [undefined, 'nothing'],
      [null, 'null'],
      [[1], 'an array'],
      [jsonObject(), 'an object'],
      [2n ** 60n, 'bigint "1152921504606846976"'],
    ] as [JsonValue | undefined, string][]) {
      expect(errorOf('BAD_JSON', () => asInt(value, 'x')).message).toContain(`found ${found}`)
    }
  })

  it('hold each type to its range', () => {
    expect(asInt(2 ** 31 - 1, 'x')).toBe(2 ** 31 - 1)
    errorOf('BAD_JSON', () => asInt(2 ** 31, 'x'))
    errorOf('BAD_JSON', () => asInt(1.5, 'x'))
    expect(asSafeLong(2 ** 53 - 1, 'x')).toBe(2 ** 53 - 1)
    errorOf('BAD_JSON', () => asSafeLong(2n ** 53n, 'x'))
    expect(asId(5, 'x')).toBe(5n)
    // Some writers use the unsigned range.
    expect(asId(2n ** 64n - 1n, 'x')).toBe(2n ** 64n - 1n)
    errorOf('BAD_JSON', () => asId(2n ** 64n, 'x'))
    errorOf('BAD_JSON', () => asId(-(2n ** 63n) - 1n, 'x'))
    errorOf('BAD_JSON', () => asId(1.5, 'x'))
    errorOf('BAD_JSON', () => asId('1', 'x'))
    errorOf('BAD_JSON', () => asString(1, 'x'))
    errorOf('BAD_JSON', () => asBoolean('true', 'x'))
    errorOf('BAD_JSON', () => asObject([], 'x'))
    errorOf('BAD_JSON', () => asObject(null, 'x'))
    errorOf('BAD_JSON', () => asArray(jsonObject(), 'x'))
    expect(asBoolean(false, 'x')).toBe(false)
    expect(asString('', 'x')).toBe('')
  })

  it('leave out object fields that are undefined', () => {
    expect(stringifyJson({ a: undefined, b: 1 } as unknown as JsonValue)).toBe('{"b":1}')
  })
})
