/** Transforms against the specification's vectors and by their laws. iceberg-writer.md §J. */

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringifyJson } from '../../../src/core/json.ts'
import {
  decimalFixedLength,
  formatDecimal,
  parseDecimal,
} from '../../../src/iceberg/spec/decimal.ts'
import {
  civilFromDays,
  daysFromCivil,
  formatDate,
  formatTimestamp,
  formatTimestampNanos,
  parseDate,
  parseTime,
  parseTimestamp,
} from '../../../src/iceberg/spec/temporal.ts'
import type { Transform } from '../../../src/iceberg/spec/transform.ts'
import { transformFromText } from '../../../src/iceberg/spec/transform-text.ts'
import {
  applyTransform,
  dayOfMicrosWords,
  hashValue,
  hourOfMicrosWords,
  transformPathText,
} from '../../../src/iceberg/spec/transforms.ts'
import { typeFromJson } from '../../../src/iceberg/spec/type-json.ts'
import type { PrimitiveType } from '../../../src/iceberg/spec/types.ts'
import type { PrimitiveValue } from '../../../src/iceberg/spec/value.ts'
import { valueFromBytes, valueToBytes } from '../../../src/iceberg/spec/value-binary.ts'
import { valueFromJson, valueToJson } from '../../../src/iceberg/spec/value-json.ts'
import { corpusPath, describeCorpus } from '../../support/corpus.ts'

interface Vector {
  readonly type: string
  readonly value: string
  readonly hash?: number
  readonly [key: string]: unknown
}

const typeOf = (text: string): PrimitiveType =>
  typeFromJson(text.replace(/^fixed\((\d+)\)$/, 'fixed[$1]'), 'a vector') as PrimitiveType

function vectorValue(type: PrimitiveType, text: string): PrimitiveValue {
  switch (type.kind) {
    case 'int':
      return Number(text)
    case 'long':
      return BigInt(text)
    case 'float':
    case 'double':
      return Number(text)
    case 'boolean':
      return text === 'true'
    default:
      return valueFromJson(type, text, 'a vector') as PrimitiveValue
  }
}

describeCorpus('transform vectors', () => {
  const vectors = JSON.parse(readFileSync(corpusPath('transforms/vectors.json'), 'utf8')) as Record<
    string,
    Vector[]
  >

  it('hashes as the specification says (item 104)', () => {
    for (const { type, value, hash } of [
      ...(vectors['hash_from_spec'] ?? []),
      ...(vectors['bucket'] ?? []),
    ]) {
      const t = typeOf(type)
      expect(hashValue(t, vectorValue(t, value)), `${type} ${value}`).toBe(hash)
    }
  })

  it('buckets', () => {
    for (const vector of vectors['bucket'] ?? []) {
      const t = typeOf(vector.type)
      for (const [key, bucket] of Object.entries(vector)) {
        if (!key.startsWith('bucket[')) continue
        expect(
          applyTransform(transformFromText(key), t, vectorValue(t, vector.value)),
          `${vector.type} ${vector.value} ${key}`,
        ).toBe(bucket)
      }
    }
  })

  it('truncates', () => {
    for (const vector of vectors['truncate'] ?? []) {
      const t = typeOf(vector.type)
      const result = vectorValue(t, String(vector['result']))
      const transform = transformFromText(`truncate[${String(vector['width'])}]`)
      const what = `${vector.type} ${vector.value}`
      expect(applyTransform(transform, t, vectorValue(t, String(vector.value))), what).toEqual(
        result,
      )
    }
  })

  it('takes dates and times apart', () => {
    for (const vector of vectors['time'] ?? []) {
      const t = typeOf(vector.type)
      const value = vectorValue(t, vector.value)
      expect(value).toBe(vector['days_from_epoch'] ?? BigInt(vector['micros'] as string))
      for (const name of ['year', 'month', 'day', 'hour']) {
        if (vector[name] === undefined) continue
        expect(applyTransform(transformFromText(name), t, value), `${vector.value} ${name}`).toBe(
          vector[name],
        )
      }
    }
  })

  it('writes and reads single values as bytes', () => {
    for (const vector of vectors['single_value_bytes'] ?? []) {
      const t = typeOf(vector.type)
      const text = Object.is(vector.value, -0) ? '-0' : String(vector.value)
      const isTick = t.kind === 'time' || t.kind === 'timestamp' || t.kind === 'timestamptz'
      const value = isTick ? BigInt(text) : t.kind === 'date' ? Number(text) : vectorValue(t, text)
      const hex = Buffer.from(valueToBytes(t, value)).toString('hex')
      expect(hex, `${vector.type} ${text}`).toBe(vector['hex'])
      expect(valueFromBytes(t, valueToBytes(t, value))).toEqual(value)
    }
  })

  it('reads and writes single values as JSON', () => {
    for (const { type, json } of vectors['single_value_json'] ?? []) {
      // Negative scales are beyond what the format allows, and nested types have their own tests.
      if (/,-|<|>/.test(type)) continue
      const t = typeOf(type)
      expect(stringifyJson(valueToJson(t, valueFromJson(t, json as never, type))), type).toBe(
        JSON.stringify(json),
      )
    }
  })
})

describe('transforms', () => {
  const tz: PrimitiveType = { kind: 'timestamptz' }
  const apply = (text: string, type: PrimitiveType, value: PrimitiveValue) =>
    applyTransform(transformFromText(text), type, value)

  it('floor times before 1970 (item 106)', () => {
    const micros = parseTimestamp('1969-12-31T23:59:59Z', true, 1_000_000n) as bigint
    expect(['year', 'month', 'day', 'hour'].map((t) => apply(t, tz, micros))).toEqual([
      -1, -1, -1, -1,
    ])
    expect(apply('day', { kind: 'timestamp_ns' }, -1n)).toBe(-1)
    expect(apply('month', { kind: 'date' }, parseDate('1969-11-30') as number)).toBe(-2)
  })

  it('truncate towards minus infinity, by code points, without underflow (item 105)', () => {
    expect(apply('truncate[10]', { kind: 'int' }, -1)).toBe(-10)
    expect(apply('truncate[10]', { kind: 'long' }, -11n)).toBe(-20n)
    expect(apply('truncate[50]', { kind: 'decimal', precision: 9, scale: 2 }, 1065n)).toBe(1050n)
    expect(apply('truncate[3]', { kind: 'string' }, 'a😀bc')).toBe('a😀b')
    expect(apply('truncate[2]', { kind: 'binary' }, Uint8Array.of(1, 2, 3))).toEqual(
      Uint8Array.of(1, 2),
    )
    expect(() => apply('truncate[10]', { kind: 'int' }, -2_147_483_648)).toThrow(
      /VALUE_OUT_OF_RANGE/,
    )
    expect(() => apply('truncate[10]', { kind: 'long' }, -(2n ** 63n))).toThrow(
      /VALUE_OUT_OF_RANGE/,
    )
  })

  it('give null for null, void always (item 107), and refuse what is unknown', () => {
    expect(applyTransform({ kind: 'bucket', numBuckets: 4 }, { kind: 'int' }, null)).toBeNull()
    expect(apply('void', { kind: 'int' }, 1)).toBeNull()
    expect(() => apply('zorder', { kind: 'int' }, 1)).toThrow(/UNSUPPORTED_TRANSFORM/)
  })

  it('write path segments that people can read (item 108)', () => {
    const text = (transform: Transform, type: PrimitiveType, value: PrimitiveValue | null) =>
      transformPathText(transform, type, value)
    expect(text({ kind: 'day' }, tz, -1)).toBe('1969-12-31')
    expect(text({ kind: 'hour' }, tz, 25)).toBe('1970-01-02-01')
    expect(text({ kind: 'month' }, tz, -1)).toBe('1969-12')
    expect(text({ kind: 'year' }, tz, 56)).toBe('2026')
    expect(text({ kind: 'identity' }, { kind: 'decimal', precision: 4, scale: 2 }, -5n)).toBe(
      '-0.05',
    )
    expect(text({ kind: 'identity' }, tz, null)).toBe('null')
  })

  it('day and hour by words agree with bigints over the whole range', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }),
        (far, near) => {
          for (const micros of [
            far,
            near,
            near - (near % 86_400_000_000n),
            near - (near % 86_400_000_000n) - 1n,
          ]) {
            const low = Number(BigInt.asIntN(32, micros))
            const high = Number(BigInt.asIntN(32, micros >> 32n))
            expect(dayOfMicrosWords(low, high)).toBe(apply('day', tz, micros))
            expect(hourOfMicrosWords(low, high)).toBe(apply('hour', tz, micros))
          }
        },
      ),
    )
  })

  it('keep order where they say so', () => {
    fc.assert(
      fc.property(
        fc.bigInt(-(10n ** 17n), 10n ** 17n),
        fc.bigInt(-(10n ** 17n), 10n ** 17n),
        (a, b) => {
          const [x, y] = a < b ? [a, b] : [b, a]
          for (const name of ['year', 'month', 'day', 'hour']) {
            expect(apply(name, tz, x) as number).toBeLessThanOrEqual(apply(name, tz, y) as number)
          }
        },
      ),
    )
  })
})

describe('temporal text', () => {
  it('is exact at the ends of the calendar, whatever the time zone of the process', () => {
    for (const text of [
      '0001-01-01',
      '1582-10-10',
      '1969-12-31',
      '1970-01-01',
      '2000-02-29',
      '9999-12-31',
    ]) {
      expect(formatDate(parseDate(text) as number)).toBe(text)
    }
    const stamps = [
      '0001-01-01T00:00:00.000000',
      '1969-12-31T23:59:59.999999',
      '9999-12-31T23:59:59.999999',
    ]
    for (const text of stamps) {
      expect(formatTimestamp(parseTimestamp(text, false, 1_000_000n) as bigint, false)).toBe(text)
    }
    const ns = '1677-09-21T00:12:43.145224193'
    expect(formatTimestampNanos(parseTimestamp(ns, false, 1_000_000_000n) as bigint, false)).toBe(
      ns,
    )
    expect(parseTimestamp('2020-01-01T05:45:00+05:45', true, 1_000_000n)).toBe(
      1_577_836_800_000_000n,
    )
  })

  it('refuses days, zones and digits that are not there', () => {
    for (const text of [
      '2021-02-29',
      '2020-13-01',
      '2020-00-10',
      '20-01-01',
      '2020-1-1',
      '2020-01-01T',
    ]) {
      expect(parseDate(text), text).toBeUndefined()
    }
    expect(parseTimestamp('2020-01-01T00:00:00', true, 1_000_000n)).toBeUndefined()
    expect(parseTimestamp('2020-01-01T00:00:00Z', false, 1_000_000n)).toBeUndefined()
    expect(parseTimestamp('2020-01-01T00:00:00.0000001Z', true, 1_000_000n)).toBeUndefined()
    expect(parseTimestamp('2020-01-01T24:00:00Z', true, 1_000_000n)).toBeUndefined()
    expect(parseTime('23:59:60')).toBeUndefined()
  })

  it('turns days into dates and back for five million years', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (days) => {
        const { year, month, day } = civilFromDays(days)
        expect(daysFromCivil(year, month, day)).toBe(days)
      }),
    )
  })
})

describe('decimals', () => {
  it('parse and print exactly, never rounding', () => {
    expect(parseDecimal('12.345', 10, 2)).toEqual({ problem: 'scale', decimals: 3 })
    expect(parseDecimal('12.340', 10, 2)).toEqual({ unscaled: 1234n })
    expect(parseDecimal('1e3', 10, 2)).toEqual({ unscaled: 100_000n })
    expect(parseDecimal('100000000.00', 10, 2)).toEqual({ problem: 'precision', digits: 11 })
    for (const text of ['', '.', '-', '1.2.3', '0x1', 'NaN', '1e99999']) {
      expect(parseDecimal(text, 38, 5), text).toEqual({ problem: 'syntax' })
    }
    fc.assert(
      fc.property(
        fc.bigInt(-(10n ** 38n) + 1n, 10n ** 38n - 1n),
        fc.integer({ min: 0, max: 38 }),
        (unscaled, scale) => {
          expect(parseDecimal(formatDecimal(unscaled, scale), 38, scale)).toEqual({ unscaled })
        },
      ),
    )
  })

  it('take the least bytes that hold every value of a precision (item 65)', () => {
    expect([9, 18, 19, 28, 38].map(decimalFixedLength)).toEqual([4, 8, 9, 12, 16])
  })
})

describe('binary values (item 96, known-bugs.md 19)', () => {
  const dec: PrimitiveType = { kind: 'decimal', precision: 38, scale: 0 }
  it('are minimal two’s complement for decimals', () => {
    const hex = (v: bigint): string => Buffer.from(valueToBytes(dec, v)).toString('hex')
    expect([0n, 1n, 127n, 128n, -1n, -128n, -129n, 255n, 256n, -32_768n].map(hex)).toEqual([
      '00',
      '01',
      '7f',
      '0080',
      'ff',
      '80',
      'ff7f',
      '00ff',
      '0100',
      '8000',
    ])
    fc.assert(
      fc.property(fc.bigInt(-(10n ** 38n) + 1n, 10n ** 38n - 1n), (v) => {
        expect(valueFromBytes(dec, valueToBytes(dec, v))).toBe(v)
      }),
    )
  })

  it('read the shorter forms that promotion leaves (item 101) and refuse others', () => {
    expect(valueFromBytes({ kind: 'long' }, valueToBytes({ kind: 'int' }, -5))).toBe(-5n)
    expect(valueFromBytes({ kind: 'double' }, valueToBytes({ kind: 'float' }, 1.5))).toBe(1.5)
    expect(() => valueFromBytes({ kind: 'int' }, new Uint8Array(3))).toThrow(/CORRUPT_MANIFEST/)
    expect(() => valueFromBytes({ kind: 'uuid' }, new Uint8Array(15))).toThrow(/CORRUPT_MANIFEST/)
  })

  it('have JSON forms that come back (item 103)', () => {
    const cases: [string, PrimitiveValue, unknown][] = [
      ['decimal(9,2)', 1420n, '14.20'],
      ['date', 17_486, '2017-11-16'],
      ['time', 81_068_123_456n, '22:31:08.123456'],
      ['timestamptz', 0n, '1970-01-01T00:00:00.000000+00:00'],
      ['timestamp_ns', -1n, '1969-12-31T23:59:59.999999999'],
      ['binary', Uint8Array.of(0, 255), '00ff'],
      ['long', 9_007_199_254_740_993n, 9_007_199_254_740_993n],
    ]
    for (const [text, value, json] of cases) {
      const type = typeOf(text)
      expect(valueToJson(type, value)).toEqual(json)
      expect(valueFromJson(type, json as never, 'v')).toEqual(value)
    }
  })
})
