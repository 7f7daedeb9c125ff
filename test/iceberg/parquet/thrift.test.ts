/** Thrift compact protocol: what is written is read, unknown fields are skipped, nothing is believed. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import { readThrift, thriftStruct, writeThrift } from '../../../src/iceberg/parquet/thrift.ts'

interface Inner {
  readonly flag?: boolean | undefined
  readonly text: string
}
interface Outer {
  readonly small?: number | undefined
  readonly medium?: number | undefined
  readonly wide?: number | undefined
  readonly real?: number | undefined
  readonly bytes?: Uint8Array | undefined
  readonly inner?: Inner | undefined
  readonly list?: readonly Inner[] | undefined
  readonly flags?: readonly boolean[] | undefined
  readonly numbers?: readonly number[] | undefined
  readonly far?: boolean | undefined
}

const INNER = thriftStruct<Inner>('Inner', { flag: [1, 'bool'], text: [2, 'string', 'required'] })
const OUTER = thriftStruct<Outer>('Outer', {
  small: [1, 'i8'],
  medium: [2, 'i32'],
  wide: [3, 'i64'],
  real: [4, 'double'],
  bytes: [5, 'binary'],
  inner: [6, INNER],
  list: [7, { list: INNER }],
  flags: [8, { list: 'bool' }],
  numbers: [9, { list: 'i64' }],
  far: [300, 'bool'],
})
/** The same struct as an older reader knows it. */
const OLD = thriftStruct<{ medium?: number | undefined }>('Outer', { medium: [2, 'i32'] })

const text = fc.string({ unit: 'binary', maxLength: 200 })
const inner = fc.record<Inner>({ flag: fc.boolean(), text }, { requiredKeys: ['text'] })
const long = fc.integer({ min: -(2 ** 52) + 1, max: 2 ** 52 - 1 })
const outer: fc.Arbitrary<Outer> = fc.record(
  {
    small: fc.integer({ min: -128, max: 127 }),
    medium: fc.integer(),
    wide: long,
    real: fc.double(),
    bytes: fc.uint8Array({ maxLength: 300 }),
    inner,
    list: fc.array(inner, { maxLength: 40 }),
    flags: fc.array(fc.boolean(), { maxLength: 40 }),
    numbers: fc.array(long, { maxLength: 40 }),
    far: fc.boolean(),
  },
  { requiredKeys: [] },
)

function read<T>(struct: typeof OUTER, bytes: Uint8Array): T {
  return readThrift<T>(struct, bytes, 'a test').value
}

describe('thrift', () => {
  it('reads what it wrote', () => {
    fc.assert(
      fc.property(outer, (value) => {
        const bytes = writeThrift(OUTER, value)
        const result = readThrift<Outer>(OUTER, bytes, 'a test')
        expect(result.value).toEqual(value)
        expect(result.end).toBe(bytes.length)
      }),
    )
  })

  it('skips fields that it does not know, and known ids of another type', () => {
    fc.assert(
      fc.property(outer, (value) => {
        const { medium } = value
        const expected = medium === undefined ? {} : { medium }
        expect(read(OLD, writeThrift(OUTER, value))).toEqual(expected)
      }),
    )
    const other = thriftStruct<{ medium?: string | undefined }>('Other', { medium: [2, 'string'] })
    expect(read(OLD, writeThrift(other, { medium: 'text' }))).toEqual({})
  })

  it('knows the byte layout of the specification', () => {
    // Field 2 as i32 zigzag 25199 = varint 50398; field 6 a struct with a string; stop.
    const bytes = Uint8Array.of(0x25, 0xde, 0x89, 0x03, 0x4c, 0x28, 2, 0x68, 0x69, 0, 0)
    expect(read(OUTER, bytes)).toEqual({ medium: 25_199, inner: { text: 'hi' } })
    expect(writeThrift(OUTER, { medium: 25_199, inner: { text: 'hi' } })).toEqual(bytes)
    // A long form of the field header, booleans of lists as 0, 1 and 2.
    const long = Uint8Array.of(0x02, 0xd8, 0x04, 0x00)
    expect(read(OUTER, long)).toEqual({ far: false })
    expect(read(OUTER, Uint8Array.of(0x89, 0x31, 0, 1, 2, 0))).toEqual({
      flags: [false, true, false],
    })
  })

  it.each([
    ['an empty input', []],
    ['a missing stop', [0x25, 2]],
    ['a required member that is not there', [0x6c, 0x11, 0, 0]],
    ['a list that declares more than there is', [0x7c, 0xf9, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ['a string that declares more than there is', [0x58, 0xff, 0xff, 0x03, 1]],
    ['an unknown map that declares more than there is', [0xfb, 0xff, 0xff, 0x03, 0x88]],
    ['an unknown wire type', [0xfe]],
    ['an integer beyond 2^52', [0x36, 255, 255, 255, 255, 255, 255, 255, 255, 127, 0]],
    ['an integer that never ends', [0x36, ...Array<number>(30).fill(255)]],
  ])('refuses %s', (_, bytes) => {
    expect(() => read(OUTER, Uint8Array.from(bytes))).toThrow(/CORRUPT_PARQUET/)
  })

  it('ends at 64 levels, in what it knows and in what it skips', () => {
    interface Deep {
      readonly deeper?: Deep | undefined
    }
    const fields = { deeper: [1, {} as never] } as never
    const deep = thriftStruct<Deep>('Deep', fields)
    ;(deep.byId[1] as { type: unknown }).type = deep
    const nested = (levels: number): Uint8Array =>
      Uint8Array.from([...Array<number>(levels).fill(0x1c), ...Array<number>(levels + 1).fill(0)])
    expect(() => read(deep, nested(60))).not.toThrow()
    expect(() => read(deep, nested(70))).toThrow(/nesting deeper than 64/)
    expect(() => read(OLD, nested(100_000))).toThrow(/nesting deeper than 64/)
    const lists = Uint8Array.from([0x19, ...Array<number>(100_000).fill(0x19)])
    expect(() => read(OLD, lists)).toThrow(/nesting deeper than 64/)
  })

  it('builds no more objects than the input is worth', () => {
    const hollow = thriftStruct<{ list?: object[] | undefined }>('Hollow', {
      list: [1, { list: thriftStruct<object>('Empty', {} as never) }],
    })
    // A list of four million empty structs takes a byte each.
    const bytes = new Uint8Array(4_000_010)
    bytes.set([0x19, 0xfc, 0x80, 0x92, 0xf4, 0x01])
    expect(() => read(hollow, bytes)).toThrow(/more objects than its size allows/)
    // And one of twenty million numbers.
    const numbers = new Uint8Array(20_000_010)
    numbers.set([0x99, 0xf6, 0x80, 0xda, 0xc4, 0x09])
    expect(() => read(OUTER, numbers)).toThrow(/more objects than its size allows/)
  })

  it('gives FloeErrors alone for random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          read(OUTER, bytes)
        } catch (error) {
          if (!isFloeError(error, 'CORRUPT_PARQUET')) throw error
        }
      }),
      { numRuns: Number(process.env['FLOE_FUZZ_RUNS'] ?? 2000) },
    )
  })
})
