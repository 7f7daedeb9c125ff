/** The scanner of headers against JSON.parse: valid, changed, cut and damaged texts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  FIELD_NAMES,
  HeaderScanner,
  jsonNumber,
  Kind,
  MAX_DEPTH,
  unescapeJson,
  Verdict,
} from '../../../examples/pipeline/header-scanner.ts'
import { JsonShapes, shapeAt, Values } from '../../../examples/pipeline/json-shapes.ts'

const scanner = new HeaderScanner()

/** What the scanner makes of a text, with other bytes around it. */
function scanned(text: Uint8Array): unknown {
  const bytes = Buffer.concat([Buffer.from('{"a'), text, Buffer.from('"}1]')])
  const verdict = scanner.scan(bytes, 3, 3 + text.length)
  if (verdict !== Verdict.OBJECT) return verdict === Verdict.NOT_AN_OBJECT ? 'value' : 'refused'
  return FIELD_NAMES.map((_, field) => {
    const [start, end] = [scanner.starts[field] as number, scanner.ends[field] as number]
    switch (scanner.kinds[field]) {
      case Kind.ABSENT:
        return null
      case Kind.STRING:
        return bytes.subarray(start, end).toString()
      case Kind.ESCAPED:
        return unescapeJson(bytes, start, end)
      case Kind.NUMBER:
        return jsonNumber(bytes, start, end)
      default:
        return 'other'
    }
  })
}

/** What JSON.parse makes of it. A byte order mark is no JSON. */
function parsed(text: Uint8Array): unknown {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text))
  } catch {
    return 'refused'
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'value'
  return FIELD_NAMES.map((name) => {
    const field = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : null
    return typeof field === 'object' || typeof field === 'boolean'
      ? field === null
        ? null
        : 'other'
      : field
  })
}

const name = fc.oneof(
  fc.constantFrom(...FIELD_NAMES, 'payload', 'event_tim', 'event_idx', '__proto__', ''),
  fc.string({ unit: 'binary' }),
)
const space = fc.constantFrom('', '', '', ' ', '\n', '\t\r', '\u00a0')
const escaped = (text: string): string =>
  Array.from(text)
    .map((c) => (c.length === 1 ? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}` : c))
    .join('')
const textOf = fc
  .tuple(fc.oneof(fc.constantFrom(...FIELD_NAMES), fc.string({ unit: 'binary' })), fc.boolean())
  .map(([text, isEscaped]) => (isEscaped ? `"${escaped(text)}"` : JSON.stringify(text)))
const number = fc.oneof(
  fc.double().map((n) => String(n)),
  fc.integer().map(String),
  fc.constantFrom(
    '-0',
    '1e5',
    '1E+2',
    '01',
    '1.',
    '.5',
    '-',
    '1e',
    '9007199254740993',
    '1e400',
    '+1',
  ),
)
const json = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    textOf,
    number,
    fc.constantFrom('true', 'false', 'null', 'nul', 'NaN', '""', '{}', '[]', '[,]', '{"a"}'),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
    fc
      .array(fc.tuple(name, tie('value')), { maxLength: 4 })
      .map((items) => `{${items.map(([k, v]) => `${JSON.stringify(k)}:${v}`).join(',')}}`),
  ),
})).value
const event = fc
  .array(
    fc.tuple(
      fc.oneof(
        name.map((n) => JSON.stringify(n)),
        textOf,
      ),
      json,
      space,
    ),
    { maxLength: 9 },
  )
  .map((members) => `{${members.map(([k, v, s]) => `${s}${k}${s}:${s}${v}${s}`).join(',')}}`)

const RUNS = Number(process.env['FLOE_FUZZ_RUNS'] ?? 3000)

describe('the header scanner agrees with JSON.parse', () => {
  it('on texts that are JSON, or nearly', () => {
    fc.assert(
      fc.property(fc.oneof(event, json), (text) => {
        const bytes = Buffer.from(text)
        expect(scanned(bytes)).toEqual(parsed(bytes))
      }),
      { numRuns: RUNS },
    )
  })

  it('on texts that were cut, changed or had bytes put in', () => {
    const change = fc.record({
      at: fc.nat(),
      byte: fc.oneof(
        fc.integer({ min: 0, max: 255 }),
        fc.constantFrom(...Buffer.from('"\\{}[],:eE.-u0 ')),
      ),
      how: fc.constantFrom('cut', 'set', 'insert', 'remove'),
    })
    fc.assert(
      fc.property(event, fc.array(change, { minLength: 1, maxLength: 3 }), (text, changes) => {
        let bytes = Buffer.from(text)
        // The scanner knows the shape of the text from then on.
        expect(scanned(bytes)).toEqual(parsed(bytes))
        for (const { at, byte, how } of changes) {
          const i = at % (bytes.length + 1)
          if (how === 'cut') bytes = bytes.subarray(0, i)
          else {
            const rest = bytes.subarray(how === 'insert' ? i : i + 1)
            const put = how === 'remove' ? [] : [byte]
            bytes = Buffer.concat([bytes.subarray(0, i), Buffer.from(put), rest])
          }
        }
        for (let i = 0; i < 2; i++) expect(scanned(bytes)).toEqual(parsed(bytes))
      }),
      { numRuns: RUNS },
    )
  })

  it('on texts that have the shape of one before them, with other values', () => {
    const fields = [...FIELD_NAMES, 'payload', 'ünused']
    const scalar = fc.oneof(textOf, number, fc.constantFrom('true', 'false', 'null', '{}', '[1]'))
    const texts = fc
      .tuple(fc.shuffledSubarray(fields, { minLength: 1 }), space)
      .chain(([names, s]) =>
        fc.array(fc.tuple(...names.map(() => scalar)), { minLength: 2, maxLength: 5 }).map((rows) =>
          rows.map((values) => {
            const members = names.map((n, i) => `"${n}":${s}${values[i]}`)
            return `{${members.slice(0, -1).join(',')}${members.length > 1 ? ',' : ''}"more":{"list":[1,${values[0]}]},${members.at(-1)}}`
          }),
        ),
      )
    fc.assert(
      fc.property(texts, (list) => {
        for (const text of list) {
          const bytes = Buffer.from(text)
          expect(scanned(bytes)).toEqual(parsed(bytes))
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(scanned(bytes)).toEqual(parsed(bytes))
      }),
      { numRuns: RUNS },
    )
  })

  it.each([
    ['the last of two', '{"event_id":"a","event_id":5,"video_id":1,"video_id":"b"}'],
    ['a name with escapes', '{"event\\u005fid":"a"}'],
    ['null after a value', '{"event_id":"a","event_id":null}'],
    ['a member of a nested object', '{"payload":{"event_id":"a"}}'],
    ['a byte order mark', '\ufeff{}'],
    ['lone surrogates', '{"event_id":"\\ud800"}'],
    ['nothing', ''],
    ['space', '  '],
    ['two values', '{} {}'],
    ['a control byte', '{"event_id":"a\u0001"}'],
  ])('on %s', (_, text) => {
    expect(scanned(Buffer.from(text))).toEqual(parsed(Buffer.from(text)))
  })
})

it('bounds the depth, and needs no stack for it', () => {
  const nested = (depth: number): Uint8Array =>
    Buffer.from(`{"p":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`)
  expect(scanner.scan(nested(MAX_DEPTH), 0, nested(MAX_DEPTH).length)).toBe(Verdict.OBJECT)
  const deeper = nested(MAX_DEPTH + 1)
  expect(scanner.scan(deeper, 0, deeper.length)).toBe(Verdict.TOO_DEEP)
  const deep = Buffer.from('['.repeat(1_000_000))
  expect(scanner.scan(deep, 0, deep.length)).toBe(Verdict.TOO_DEEP)
})

it('keeps shapes of its own, also of a Buffer that is written over', () => {
  const shapes = new JsonShapes()
  const pool = Buffer.alloc(64)
  const bytes = pool.subarray(7)
  const end = bytes.write('{"a":1}')
  const values = new Values()
  values.add(5, 6, 3)
  shapes.add(bytes, 0, end, values)
  bytes.fill(0)
  const other = Buffer.from('{"a":22}')
  const view = new DataView(other.buffer, other.byteOffset, other.length)
  const shape = shapeAt(shapes.first, other, view, 0, other.length)
  expect(shape).toMatchObject({ field: 3, isEnd: false })
  expect(shapeAt(shape?.next ?? [], other, view, 7, other.length)?.isEnd).toBe(true)
})
