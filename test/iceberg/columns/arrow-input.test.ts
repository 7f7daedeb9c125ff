import * as arrow from 'apache-arrow'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { FloeError } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS, resolveLimits } from '../../../src/core/limits.ts'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import { ArrowInput, isArrowInput } from '../../../src/iceberg/columns/arrow-input.ts'
import { RowBatchBuilder, type RowBatchOptions } from '../../../src/iceberg/columns/row-builder.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import type { NestedField, Type } from '../../../src/iceberg/spec/types.ts'
import type { Value } from '../../../src/iceberg/spec/value.ts'
import { rowForms, schemaArbitrary, structArbitrary } from './arbitraries.ts'
import { readRows } from './read-raw.ts'

beforeAll(async () => {
  await loadArrow()
})

const limits = DEFAULT_LIMITS
const of = (kind: string): Type => ({ kind }) as Type
const decimal = (precision: number, scale: number): Type => ({ kind: 'decimal', precision, scale })

function column(type: Type, options: Partial<NestedField> = {}): Schema {
  return new Schema({
    schemaId: 0,
    fields: [{ id: 4, name: 'price', required: false, type, ...options }],
  })
}

/** A record batch of columns, the first row of which is row 0. */
function batchOf(columns: Record<string, arrow.Data | arrow.Vector>): arrow.RecordBatch {
  const names = Object.keys(columns)
  const children = Object.values(columns).map((c) =>
    c instanceof arrow.Vector ? (c.data[0] as arrow.Data) : c,
  )
  const fields = children.map((c, i) => new arrow.Field(names[i] as string, c.type, true))
  const length = children[0]?.length ?? 0
  const data = arrow.makeData({ type: new arrow.Struct(fields), length, nullCount: 0, children })
  return new arrow.RecordBatch(new arrow.Schema(fields), data)
}

function conform(
  schema: Schema,
  input: unknown,
  options: Partial<RowBatchOptions> = {},
): Value[][] {
  expect(isArrowInput(input)).toBe(true)
  const conformer = new ArrowInput(schema, { table: 'shop.orders', limits, ...options })
  return [...conformer.batches(input as arrow.RecordBatch)].flatMap((batch) =>
    readRows(batch, schema.fields),
  )
}

/** The values of one column after conforming. */
function store(
  type: Type,
  data: arrow.Data | arrow.Vector,
  options: Partial<NestedField> = {},
): Value[] {
  return conform(column(type, options), batchOf({ price: data })).map((row) => row[0] as Value)
}

function messageOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof FloeError) return error.message
    throw error
  }
  throw new Error('was accepted')
}

/** A column over raw values with row `nullAt` null. */
function nullable<T extends arrow.DataType>(
  type: T,
  values: T['TArray'],
  nullAt: number,
  length: number,
): arrow.Data<T> {
  const nullBitmap = new Uint8Array(Math.ceil(length / 8)).fill(255)
  nullBitmap[nullAt >> 3] = (nullBitmap[nullAt >> 3] as number) & ~(1 << (nullAt & 7))
  return arrow.makeData({
    type,
    data: values,
    length,
    nullCount: 1,
    nullBitmap,
  } as never) as unknown as arrow.Data<T>
}

const utf8 = (...values: (string | null)[]): arrow.Vector =>
  arrow.vectorFromArray(values, new arrow.Utf8())

describe('Arrow input, conformed exactly (issue 3 items 4 and 6)', () => {
  it('leaves batches of the right schema as they are, whatever the schema, the slice and the size of batches', () => {
    fc.assert(
      fc.property(
        schemaArbitrary.chain((schema) =>
          fc.tuple(
            fc.constant(schema),
            fc.array(structArbitrary(schema.fields), { minLength: 1, maxLength: 40 }),
            fc.nat(39),
            fc.nat(39),
            fc.integer({ min: 1, max: 20 }),
            fc.constantFrom(10, 1000, 100_000),
          ),
        ),
        ([schema, rows, a, b, batchRows, batchBytes]) => {
          const builder = new RowBatchBuilder(schema, { limits })
          for (const row of rows)
            builder.append(rowForms({ kind: 'struct', fields: schema.fields }, row)[0])
          const batch = builder.finish().slice(Math.min(a, b), Math.max(a, b))
          const conformer = new ArrowInput(schema, { limits, batchRows, batchBytes })
          const batches = [...conformer.batches(batch)]
          expect(batches.every((part) => part.numRows <= batchRows && part.numRows > 0)).toBe(true)
          expect(batches.flatMap((part) => readRows(part, schema.fields))).toEqual(
            rows
              .slice(Math.min(a, b), Math.max(a, b))
              .map((row) => schema.fields.map((f) => row[f.name])),
          )
          for (const part of batches) {
            expect(String(part.schema)).toBe(String(conformer.schema))
            expect(part.data.children.every((child) => child.offset === 0)).toBe(true)
          }
        },
      ),
      { numRuns: 200 },
    )
  })

  it('reads what goes through Arrow IPC the same', () => {
    fc.assert(
      fc.property(
        schemaArbitrary.chain((schema) =>
          fc.tuple(
            fc.constant(schema),
            fc.array(structArbitrary(schema.fields), { minLength: 1, maxLength: 20 }),
          ),
        ),
        ([schema, rows]) => {
          const builder = new RowBatchBuilder(schema, { limits })
          for (const row of rows)
            builder.append(rowForms({ kind: 'struct', fields: schema.fields }, row)[0])
          const ipc = arrow.tableToIPC(new arrow.Table([builder.finish()]))
          expect(conform(schema, arrow.tableFromIPC(ipc))).toEqual(
            rows.map((row) => schema.fields.map((f) => row[f.name])),
          )
        },
      ),
      { numRuns: 100 },
    )
  })

  it('copies nothing where types match', () => {
    const values = Float64Array.of(1, 2, 3)
    const text = utf8('a', 'b', 'c').data[0] as arrow.Data
    const schema = new Schema({
      schemaId: 0,
      fields: [
        { id: 1, name: 'a', required: false, type: of('double') },
        { id: 2, name: 'b', required: false, type: of('string') },
      ],
    })
    const input = batchOf({
      b: text,
      a: arrow.makeData({ type: new arrow.Float64(), data: values }),
    })
    const [batch] = [...new ArrowInput(schema, { limits }).batches(input)]
    const buffers = batch?.data.children.map((child) => (child.values as Uint8Array).buffer)
    expect(buffers?.[0]).toBe(values.buffer)
    expect(buffers?.[1]).toBe((text.values as Uint8Array).buffer)
    expect(batch?.schema.fields.map((f) => f.name)).toEqual(['a', 'b'])
  })

  it('knows batches and tables by their structure', () => {
    const batch = batchOf({ price: utf8('a') })
    const foreign = { schema: { fields: batch.schema.fields }, numRows: 1, data: batch.data }
    expect(conform(column(of('string')), foreign)).toEqual([['a']])
    expect(conform(column(of('string')), new arrow.Table([batch, batch]))).toEqual([['a'], ['a']])
    expect(
      conform(column(of('string')), arrow.tableFromArrays({ price: ['x', 'y', 'x'] })),
    ).toEqual([['x'], ['y'], ['x']])
    for (const other of [null, 5, {}, { schema: {} }, { schema: { fields: [] }, numRows: 1 }, []]) {
      expect(isArrowInput(other)).toBe(false)
    }
  })
})

describe('exact casts', () => {
  const i64 = (...values: bigint[]): arrow.Data =>
    arrow.makeData({ type: new arrow.Int64(), data: BigInt64Array.from(values) })

  it('integers of every width', () => {
    expect(
      store(of('int'), arrow.makeData({ type: new arrow.Int8(), data: Int8Array.of(-128, 127) })),
    ).toEqual([-128, 127])
    expect(
      store(of('int'), arrow.makeData({ type: new arrow.Uint16(), data: Uint16Array.of(65_535) })),
    ).toEqual([65_535])
    expect(
      store(
        of('int'),
        arrow.makeData({ type: new arrow.Uint32(), data: Uint32Array.of(2 ** 31 - 1) }),
      ),
    ).toEqual([2 ** 31 - 1])
    expect(store(of('int'), i64(-(2n ** 31n), 2n ** 31n - 1n))).toEqual([-(2 ** 31), 2 ** 31 - 1])
    expect(
      store(of('long'), arrow.makeData({ type: new arrow.Int16(), data: Int16Array.of(-1, 5) })),
    ).toEqual([-1n, 5n])
    expect(
      store(
        of('long'),
        arrow.makeData({ type: new arrow.Uint32(), data: Uint32Array.of(2 ** 32 - 1) }),
      ),
    ).toEqual([2n ** 32n - 1n])
    expect(
      store(
        of('long'),
        arrow.makeData({ type: new arrow.Uint64(), data: BigUint64Array.of(2n ** 63n - 1n) }),
      ),
    ).toEqual([2n ** 63n - 1n])
  })

  it('floats and what they hold', () => {
    const halves = Uint16Array.of(0x3c00, 0xfbff, 0x0001, 0x8000, 0x7c00, 0x7e00)
    const numbers = [1, -65_504, 2 ** -24, -0, Infinity, Number.NaN]
    expect(store(of('float'), arrow.makeData({ type: new arrow.Float16(), data: halves }))).toEqual(
      numbers,
    )
    expect(
      store(of('double'), arrow.makeData({ type: new arrow.Float16(), data: halves })),
    ).toEqual(numbers)
    expect(
      store(
        of('double'),
        arrow.makeData({ type: new arrow.Float32(), data: Float32Array.of(0.5, Number.NaN) }),
      ),
    ).toEqual([0.5, Number.NaN])
    expect(
      store(of('double'), arrow.makeData({ type: new arrow.Int32(), data: Int32Array.of(-7) })),
    ).toEqual([-7])
    expect(
      store(of('float'), arrow.makeData({ type: new arrow.Int16(), data: Int16Array.of(-7) })),
    ).toEqual([-7])
  })

  it('decimals, where no digit is lost', () => {
    const dec = (
      scale: number,
      precision: number,
      bits: 128 | 256,
      ...values: bigint[]
    ): arrow.Data => {
      const words = new Uint32Array((values.length * bits) / 32)
      values.forEach((v, i) => {
        for (let w = 0; w < bits / 32; w++)
          words[(i * bits) / 32 + w] = Number(BigInt.asUintN(32, v >> BigInt(32 * w)))
      })
      return arrow.makeData({ type: new arrow.Decimal(scale, precision, bits), data: words })
    }
    const max = 10n ** 38n - 1n
    expect(store(decimal(38, 2), dec(2, 38, 128, max, -max, 0n))).toEqual([max, -max, 0n])
    expect(store(decimal(10, 4), dec(2, 8, 128, 1234n, -5n))).toEqual([123_400n, -500n])
    expect(store(decimal(10, 1), dec(3, 12, 128, 1200n))).toEqual([12n])
    expect(store(decimal(38, 0), dec(0, 76, 256, -max, 7n))).toEqual([-max, 7n])
    expect(messageOf(() => store(decimal(4, 2), dec(2, 10, 128, 1n, 10_000n)))).toContain(
      'expects decimal(4,2) but row 1 has "100.00" (too many digits). Widen the column with updateColumn [VALUE_OUT_OF_RANGE]',
    )
    for (const p of [15, 16, 18, 19, 37]) {
      const limit = 10n ** BigInt(p)
      expect(store(decimal(p, 0), dec(0, 38, 128, limit - 1n, 1n - limit))).toEqual([
        limit - 1n,
        1n - limit,
      ])
      expect(messageOf(() => store(decimal(p, 0), dec(0, 38, 128, limit)))).toContain(
        'too many digits',
      )
      expect(messageOf(() => store(decimal(p, 0), dec(0, 38, 128, -limit)))).toContain(
        'too many digits',
      )
    }
    expect(messageOf(() => store(decimal(10, 1), dec(3, 12, 128, 1250n)))).toContain(
      'row 0 has "1.250" (more than 1 decimals)',
    )
    expect(messageOf(() => store(decimal(38, 38), dec(0, 38, 128, 1n)))).toContain(
      'too many digits',
    )
  })

  it('dates and times in any unit that loses nothing', () => {
    const ms = (...values: bigint[]): BigInt64Array => BigInt64Array.from(values)
    const date = new arrow.DateMillisecond()
    expect(store(of('date'), arrow.makeData({ type: date, data: ms(-86_400_000n, 0n) }))).toEqual([
      -1, 0,
    ])
    expect(
      messageOf(() => store(of('date'), arrow.makeData({ type: date, data: ms(0n, 1n) }))),
    ).toContain('row 1 has 1n (not a whole day)')
    expect(
      store(
        of('time'),
        arrow.makeData({ type: new arrow.TimeSecond(), data: Int32Array.of(86_399) }),
      ),
    ).toEqual([86_399_000_000n])
    expect(
      store(of('time'), arrow.makeData({ type: new arrow.TimeNanosecond(), data: ms(1000n) })),
    ).toEqual([1n])
    expect(
      messageOf(() =>
        store(of('time'), arrow.makeData({ type: new arrow.TimeNanosecond(), data: ms(1n) })),
      ),
    ).toContain('(finer than the column)')
    expect(
      messageOf(() =>
        store(
          of('time'),
          arrow.makeData({ type: new arrow.TimeMicrosecond(), data: ms(86_400_000_000n) }),
        ),
      ),
    ).toContain('(a day has 86400000000 microseconds)')
    const second = new arrow.TimestampSecond('Europe/Berlin')
    expect(
      store(of('timestamptz'), arrow.makeData({ type: second, data: ms(-1n, 253_402_300_799n) })),
    ).toEqual([-1_000_000n, 253_402_300_799_000_000n])
    expect(
      store(of('timestamptz_ns'), arrow.makeData({ type: second, data: ms(9_223_372_036n) })),
    ).toEqual([9_223_372_036_000_000_000n])
    expect(
      messageOf(() =>
        store(of('timestamptz_ns'), arrow.makeData({ type: second, data: ms(9_223_372_037n) })),
      ),
    ).toContain('row 0 has 9223372037n (beyond 64 bits)')
    const nano = new arrow.TimestampNanosecond()
    expect(
      store(of('timestamp'), arrow.makeData({ type: nano, data: ms(-1000n, -(2n ** 63n) + 808n) })),
    ).toEqual([-1n, -9_223_372_036_854_775n])
    expect(
      messageOf(() => store(of('timestamp'), arrow.makeData({ type: nano, data: ms(-1n) }))),
    ).toContain('row 0 has -1n (finer than the column). Round it, or use a type of nanoseconds')
    expect(
      messageOf(() => store(of('timestamptz'), arrow.makeData({ type: nano, data: ms(0n) }))),
    ).toContain(
      'expects timestamptz but the Arrow column is Timestamp<NANOSECOND>. Give a Timestamp column with a time zone [TYPE_MISMATCH]',
    )
    expect(
      messageOf(() => store(of('timestamp'), arrow.makeData({ type: second, data: ms(0n) }))),
    ).toContain('without time zone')
  })

  it('text and bytes in large, view and fixed form', () => {
    const values = ['', 'short', 'exactly 12 b', 'longer than twelve bytes', null, 'é日\u{1f600}']
    expect(store(of('string'), arrow.vectorFromArray(values, new arrow.LargeUtf8()))).toEqual(
      values,
    )
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
    const raw = values.map((v) => (v === null ? null : bytes(v)))
    expect(store(of('binary'), arrow.vectorFromArray(raw, new arrow.LargeBinary()))).toEqual(raw)
    expect(store(of('string'), views(new arrow.Utf8View(), raw))).toEqual(values)
    expect(store(of('binary'), views(new arrow.BinaryView(), raw))).toEqual(raw)
    const uuid = arrow.makeData({
      type: new arrow.FixedSizeBinary(16),
      data: new Uint8Array(32).fill(0xab),
    })
    expect(store(of('uuid'), uuid)).toEqual(Array(2).fill('abababab-abab-abab-abab-abababababab'))
    expect(store(of('binary'), uuid)).toEqual(Array(2).fill(new Uint8Array(16).fill(0xab)))
    expect(messageOf(() => store({ kind: 'fixed', length: 8 }, uuid))).toContain(
      'Give a FixedSizeBinary column of 8 bytes',
    )
    const point = Uint8Array.of(1, 1, 0, 0, 0, ...new Uint8Array(16))
    expect(store({ kind: 'geometry' }, arrow.vectorFromArray([point], new arrow.Binary()))).toEqual(
      [point],
    )
    expect(
      messageOf(() =>
        store({ kind: 'geometry' }, arrow.vectorFromArray([point.slice(1)], new arrow.Binary())),
      ),
    ).toContain('(not ISO WKB)')
  })

  it('dictionaries, those with nulls and those that grew', () => {
    const type = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32())
    expect(store(of('string'), arrow.vectorFromArray(['b', 'a', null, 'b'], type))).toEqual([
      'b',
      'a',
      null,
      'b',
    ])
    const dictionary = utf8('one', null, 'three').concat(utf8('four'))
    const grown = arrow.makeData({
      type,
      data: Int32Array.of(3, 0, 1, 2, 3),
      dictionary,
    } as never) as unknown as arrow.Data
    expect(store(of('string'), grown)).toEqual(['four', 'one', null, 'three', 'four'])
    expect(store(of('string'), grown.slice(1, 3))).toEqual(['one', null, 'three'])
    expect(messageOf(() => store(of('string'), grown, { required: true }))).toContain(
      'is required but row 2 has null',
    )
    const outside = arrow.makeData({
      type,
      data: Int32Array.of(0, 4),
      dictionary,
    } as never) as unknown as arrow.Data
    expect(messageOf(() => store(of('string'), outside))).toContain(
      'a dictionary index is out of range',
    )
    const numbers = new arrow.Dictionary(new arrow.Int64(), new arrow.Int8())
    const values = arrow.makeVector(BigInt64Array.of(2n ** 40n, 7n))
    const narrow = (...keys: number[]): arrow.Data =>
      arrow.makeData({
        type: numbers,
        data: Int8Array.from(keys),
        dictionary: values,
      } as never) as unknown as arrow.Data
    expect(store(of('int'), narrow(1, 1))).toEqual([7, 7])
    expect(messageOf(() => store(of('int'), narrow(1, 0)))).toContain(
      'row 1 has 1099511627776n (an int holds',
    )
  })

  it('lists of every kind, maps and structs', () => {
    const list: Type = { kind: 'list', elementId: 5, elementRequired: false, element: of('long') }
    const element = new arrow.Field('item', new arrow.Int32(), true)
    const child = arrow.makeData({ type: new arrow.Int32(), data: Int32Array.of(1, 2, 3, 4, 5, 6) })
    const plain = arrow.makeData({
      type: new arrow.List(element),
      valueOffsets: Int32Array.of(1, 3, 3, 6),
      child,
    })
    expect(store(list, plain)).toEqual([[2n, 3n], [], [4n, 5n, 6n]])
    expect(store(list, (plain as arrow.Data).slice(1, 2))).toEqual([[], [4n, 5n, 6n]])
    const large = arrow.makeData({
      type: new arrow.LargeList(element),
      valueOffsets: BigInt64Array.of(0n, 1n, 6n),
      child,
    })
    expect(store(list, large as arrow.Data)).toEqual([[1n], [2n, 3n, 4n, 5n, 6n]])
    const fixed = arrow.makeData({ type: new arrow.FixedSizeList(2, element), child })
    expect(store(list, fixed as arrow.Data)).toEqual([
      [1n, 2n],
      [3n, 4n],
      [5n, 6n],
    ])
    expect(store(list, (fixed as arrow.Data).slice(2, 1))).toEqual([[5n, 6n]])
    const map: Type = {
      kind: 'map',
      keyId: 5,
      key: of('string'),
      valueId: 6,
      valueRequired: false,
      value: of('int'),
    }
    const entries = new arrow.Struct([
      new arrow.Field('k', new arrow.Utf8(), false),
      new arrow.Field('v', new arrow.Int32(), true),
    ])
    const pairs = arrow.makeData({
      type: entries,
      length: 3,
      nullCount: 0,
      children: [
        utf8('a', 'b', 'c').data[0] as arrow.Data,
        nullable(new arrow.Int32(), Int32Array.of(1, 2, 3), 1, 3),
      ],
    } as never) as unknown as arrow.Data
    const maps = arrow.makeData({
      type: new arrow.Map_(new arrow.Field('entries', entries as never, false)),
      valueOffsets: Int32Array.of(0, 2, 3),
      child: pairs,
    } as never) as unknown as arrow.Data
    expect(store(map, maps)).toEqual([
      new Map<string, number | null>([
        ['a', 1],
        ['b', null],
      ]),
      new Map([['c', 3]]),
    ])
  })

  it('structs by the names of their fields, with defaults for those that are missing', () => {
    const type: Type = {
      kind: 'struct',
      fields: [
        { id: 5, name: 'a', required: true, type: of('int'), writeDefault: 7 },
        { id: 6, name: 'b', required: true, type: of('string') },
        { id: 7, name: 'u', required: false, type: of('unknown') },
      ],
    }
    const struct = (b: arrow.Data, nullBitmap?: Uint8Array): arrow.Data =>
      arrow.makeData({
        type: new arrow.Struct([new arrow.Field('b', b.type, true)]),
        length: b.length,
        nullCount: nullBitmap === undefined ? 0 : -1,
        nullBitmap,
        children: [b],
      } as never) as unknown as arrow.Data
    const b = utf8('x', null, 'z').data[0] as arrow.Data
    // The null lies below a null struct: a required field may have it there.
    expect(store(type, struct(b, Uint8Array.of(0b101)))).toEqual([
      { a: 7, b: 'x' },
      null,
      { a: 7, b: 'z' },
    ])
    expect(messageOf(() => store(type, struct(b)))).toContain(
      'column "price.b" (field 6) is required but row 1 has null',
    )
    expect(
      messageOf(() =>
        store(type, arrow.makeData({ type: new arrow.Int32(), data: Int32Array.of(1) })),
      ),
    ).toContain('Give a Struct')
    const more = arrow.makeData({
      type: new arrow.Struct([new arrow.Field('bb', b.type, true)]),
      length: 3,
      nullCount: 0,
      children: [b],
    } as never) as unknown as arrow.Data
    expect(messageOf(() => store(type, more))).toContain(
      'column "price" has no field "bb", which the Arrow data has. Did you mean "b"?',
    )
  })
})

describe('columns that are missing, unknown or null (item 69)', () => {
  const two = new Schema({
    schemaId: 0,
    fields: [
      { id: 1, name: 'id', required: true, type: of('long') },
      { id: 2, name: 'price', required: false, type: decimal(9, 2), writeDefault: 150n },
      { id: 3, name: 'note', required: false, type: of('string') },
    ],
  })
  const ids = arrow.makeData({ type: new arrow.Int32(), data: Int32Array.of(1, 2) })

  it('fills missing columns with their default, else null', () => {
    expect(conform(two, batchOf({ id: ids }))).toEqual([
      [1n, 150n, null],
      [2n, 150n, null],
    ])
  })

  it('refuses a missing required column, nulls in one, and columns that the table does not have', () => {
    expect(messageOf(() => conform(two, batchOf({ note: utf8('a') })))).toContain(
      'column "id" (field 1) is required but row 0 has no value for it',
    )
    const withNull = nullable(new arrow.Int32(), Int32Array.of(1, 2, 3), 2, 3)
    expect(messageOf(() => conform(two, batchOf({ id: withNull })))).toContain(
      'Cannot append to shop.orders: column "id" (field 1) is required but row 2 has null.',
    )
    expect(messageOf(() => conform(two, batchOf({ id: ids, notes: utf8('a', 'b') })))).toBe(
      'Cannot append to shop.orders: the Arrow data has a column "notes", which the table does not have. ' +
        'Did you mean "note"? Leave it out with select() or add it with addColumn [UNKNOWN_COLUMN]',
    )
  })

  it('counts rows over batches, tables and cuts', () => {
    const good = batchOf({ id: ids })
    const bad = batchOf({ id: nullable(new arrow.Int32(), Int32Array.of(1, 2, 3), 2, 3) })
    const conformer = new ArrowInput(two, { limits, batchRows: 1 })
    expect(() => [...conformer.batches(new arrow.Table([good, good]))]).not.toThrow()
    expect(() => [...conformer.batches(bad)]).toThrow('row 6 has null')
  })

  it('takes a column of nulls for any type, and only such a one for unknown (item 65)', () => {
    const nulls = arrow.makeData({ type: new arrow.Null(), length: 2 })
    expect(store(of('uuid'), nulls)).toEqual([null, null])
    expect(
      store({ kind: 'list', elementId: 9, elementRequired: true, element: of('int') }, nulls),
    ).toEqual([null, null])
    const unknown = column(of('unknown'))
    expect(conform(unknown, batchOf({ price: nulls }))).toEqual([[], []])
    expect(messageOf(() => conform(unknown, batchOf({ price: utf8(null, 'a') })))).toContain(
      'holds null only, but row 1 has a value',
    )
    expect(messageOf(() => store(of('int'), nulls, { required: true }))).toContain('row 0 has null')
  })

  it('names both types where they do not fit', () => {
    for (const [type, data, text] of [
      [
        of('long'),
        arrow.makeData({ type: new arrow.Float64(), data: Float64Array.of(1) }),
        'expects long but the Arrow column is Float64. Give an Int64 column',
      ],
      [
        of('float'),
        arrow.makeData({ type: new arrow.Float64(), data: Float64Array.of(1) }),
        'Give a Float32 column',
      ],
      [
        of('double'),
        arrow.makeData({ type: new arrow.Int64(), data: BigInt64Array.of(1n) }),
        'Give a Float64 column',
      ],
      [
        of('boolean'),
        utf8('true'),
        'expects boolean but the Arrow column is Utf8. Give a Bool column',
      ],
      [
        of('string'),
        arrow.vectorFromArray([Uint8Array.of(1)], new arrow.Binary()),
        'Give a Utf8 column',
      ],
      [of('binary'), utf8('a'), 'Give a Binary column'],
      [
        decimal(9, 2),
        arrow.makeData({ type: new arrow.Float64(), data: Float64Array.of(1) }),
        'Give a Decimal128 column of precision 9 and scale 2',
      ],
      [
        of('date'),
        arrow.makeData({ type: new arrow.Int32(), data: Int32Array.of(1) }),
        'Give a Date32 column',
      ],
    ] as const) {
      expect(messageOf(() => store(type, data))).toContain(text)
    }
  })

  it('names the value where only that does not fit', () => {
    const i64 = arrow.makeData({ type: new arrow.Int64(), data: BigInt64Array.of(0n, 2n ** 31n) })
    expect(messageOf(() => store(of('int'), i64))).toContain(
      'row 1 has 2147483648n (an int holds -2147483648 to 2147483647)',
    )
    const u64 = arrow.makeData({
      type: new arrow.Uint64(),
      data: BigUint64Array.of(2n ** 64n - 1n),
    })
    expect(messageOf(() => store(of('long'), u64))).toContain(
      'row 0 has 18446744073709551615n (a long ends at 2^63-1)',
    )
    const u32 = arrow.makeData({ type: new arrow.Uint32(), data: Uint32Array.of(2 ** 31) })
    expect(messageOf(() => store(of('int'), u32))).toContain('row 0 has 2147483648 (an int holds')
    // A null slot may hold anything.
    expect(
      store(of('int'), nullable(new arrow.Int64(), BigInt64Array.of(2n ** 40n, 1n), 0, 2)),
    ).toEqual([null, 1])
  })
})

describe('damaged Arrow data (issue 3, Bad input)', () => {
  const text = (offsets: number[], bytes: Uint8Array, extra: object = {}): arrow.Data =>
    arrow.makeData({
      type: new arrow.Utf8(),
      valueOffsets: Int32Array.from(offsets),
      data: bytes,
      ...extra,
    } as never) as unknown as arrow.Data

  it('refuses text that is not UTF-8, also where characters are cut apart', () => {
    expect(
      messageOf(() => store(of('string'), text([0, 1, 3], Uint8Array.of(97, 0xff, 98)))),
    ).toContain(
      'expects string but row 1 has 2 bytes (ff62) (not valid UTF-8). Repair the text or use a binary column [VALUE_OUT_OF_RANGE]',
    )
    // "é" over two values: the whole is valid, the parts are not.
    expect(
      messageOf(() => store(of('string'), text([0, 1, 2], Uint8Array.of(0xc3, 0xa9)))),
    ).toContain('row 0 has 1 bytes (c3)')
    // Surrogates in UTF-8 are not UTF-8.
    expect(
      messageOf(() => store(of('string'), text([0, 3], Uint8Array.of(0xed, 0xa0, 0x80)))),
    ).toContain('not valid UTF-8')
  })

  it('drops rubbish below nulls', () => {
    const data = text([0, 1, 3, 4], Uint8Array.of(97, 0xff, 0xfe, 98), {
      nullBitmap: Uint8Array.of(0b101),
      nullCount: 1,
    })
    const [batch] = [
      ...new ArrowInput(column(of('string')), { limits }).batches(batchOf({ price: data })),
    ]
    expect(readRows(batch as arrow.RecordBatch, column(of('string')).fields)).toEqual([
      ['a'],
      [null],
      ['b'],
    ])
    expect(batch?.data.children[0]?.values).toEqual(Uint8Array.of(97, 98))
  })

  it('refuses offsets, buffers and children that do not fit together', () => {
    for (const data of [
      text([0, 5], Uint8Array.of(97)),
      text([2, 1], Uint8Array.of(97, 98)),
      text([-1, 1], Uint8Array.of(97, 98)),
      text([0, 2, 1, 2], Uint8Array.of(97, 98)),
      text([0], Uint8Array.of(97), { length: 3 }),
      text([0, 1, 2], Uint8Array.of(97, 98), { nullBitmap: new Uint8Array(0), length: 20 }),
    ]) {
      expect(messageOf(() => store(of('string'), data))).toMatch(
        /^Cannot append to shop\.orders: the Arrow data is damaged: .*\[BAD_ARGUMENT\]$/,
      )
    }
    const short = arrow.makeData({ type: new arrow.Int32(), data: Int32Array.of(1), length: 5 })
    expect(messageOf(() => store(of('int'), short))).toContain('has fewer values than rows')
    const list: Type = { kind: 'list', elementId: 5, elementRequired: false, element: of('int') }
    const child = arrow.makeData({ type: new arrow.Int32(), data: Int32Array.of(1) })
    const lists = arrow.makeData({
      type: new arrow.List(new arrow.Field('item', new arrow.Int32())),
      valueOffsets: Int32Array.of(0, 9),
      child,
    })
    expect(messageOf(() => store(list, lists as arrow.Data))).toContain('an offset is out of range')
    const bitmap = arrow.makeData({
      type: new arrow.Int32(),
      data: new Int32Array(20),
      nullBitmap: Uint8Array.of(1),
      nullCount: 3,
      length: 20,
    })
    expect(messageOf(() => store(of('int'), bitmap))).toContain('a validity bitmap is too short')
    const twice = batchOf({ price: utf8('a') })
    const doubled = {
      schema: { fields: [...twice.schema.fields, ...twice.schema.fields] },
      numRows: 1,
      data: twice.data,
    }
    expect(messageOf(() => conform(column(of('string')), doubled))).toContain(
      'column "price" stands twice in it',
    )
    const view = views(new arrow.Utf8View(), [new Uint8Array(20).fill(97)])
    const broken = arrow.makeData({
      type: new arrow.Utf8View(),
      views: view.values,
      length: 1,
      variadicBuffers: [new Uint8Array(3)],
    } as never) as unknown as arrow.Data
    expect(messageOf(() => store(of('string'), broken))).toContain('has a view out of range')
  })

  it('never passes on what cannot be read: random bytes of IPC data changed', () => {
    fc.assert(
      fc.property(
        schemaArbitrary.chain((schema) =>
          fc.tuple(
            fc.constant(schema),
            fc.array(structArbitrary(schema.fields), { minLength: 1, maxLength: 20 }),
            fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
              minLength: 1,
              maxLength: 8,
            }),
          ),
        ),
        ([schema, rows, flips]) => {
          const builder = new RowBatchBuilder(schema, { limits })
          for (const row of rows) {
            builder.append(rowForms({ kind: 'struct', fields: schema.fields }, row)[0])
          }
          const ipc = arrow.tableToIPC(new arrow.Table([builder.finish()])).slice()
          const table = arrow.tableFromIPC(ipc)
          // The columns are views of these bytes: what changes now, no reader has checked.
          for (const [at, change] of flips) {
            ipc[at % ipc.length] = (ipc[at % ipc.length] as number) ^ change
          }
          try {
            const read = conform(schema, table)
            expect(read.length).toBe(rows.length)
          } catch (error) {
            expect(error).toBeInstanceOf(FloeError)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('refuses values above limits.valueBytes', () => {
    const schema = column(of('string'))
    const small = { limits: resolveLimits({ valueBytes: 3 }) }
    expect(conform(schema, batchOf({ price: utf8('abc') }), small)).toEqual([['abc']])
    expect(
      messageOf(() => conform(schema, batchOf({ price: utf8('abc', 'abcd') }), small)),
    ).toMatch(
      /a value of 4 bytes or more in row 1, above the limit valueBytes = 3.*\[LIMIT_EXCEEDED\]/,
    )
  })
})

/** A view column, built by the book: this version of apache-arrow has no builder for it. */
function views(
  type: arrow.Utf8View | arrow.BinaryView,
  values: readonly (Uint8Array | null)[],
): arrow.Data {
  const views = new Uint8Array(values.length * 16)
  const view = new DataView(views.buffer)
  const stored: number[] = []
  const nullBitmap = new Uint8Array(8)
  values.forEach((value, i) => {
    if (value === null) return
    nullBitmap[i >> 3] = (nullBitmap[i >> 3] as number) | (1 << (i & 7))
    view.setUint32(i * 16, value.length, true)
    if (value.length <= 12) views.set(value, i * 16 + 4)
    else {
      views.set(value.subarray(0, 4), i * 16 + 4)
      view.setInt32(i * 16 + 12, stored.length, true)
      stored.push(...value)
    }
  })
  return arrow.makeData({
    type,
    views,
    length: values.length,
    nullBitmap,
    variadicBuffers: [Uint8Array.from(stored)],
  } as never) as unknown as arrow.Data
}
