import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { FloeError } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS, resolveLimits } from '../../../src/core/limits.ts'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import { RowBatchBuilder } from '../../../src/iceberg/columns/row-builder.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import type { NestedField, Type } from '../../../src/iceberg/spec/types.ts'
import type { Value } from '../../../src/iceberg/spec/value.ts'
import {
  nullable,
  primitiveType,
  rowForms,
  schemaArbitrary,
  structArbitrary,
} from './arbitraries.ts'
import { readRows } from './read-raw.ts'

beforeAll(async () => {
  await loadArrow()
})

const limits = DEFAULT_LIMITS

function column(type: Type, options: Partial<NestedField> = {}): Schema {
  return new Schema({
    schemaId: 0,
    fields: [{ id: 4, name: 'price', required: false, type, ...options }],
  })
}

function build(schema: Schema, rows: readonly unknown[]): Value[][] {
  const builder = new RowBatchBuilder(schema, { table: 'shop.orders', limits })
  for (const row of rows) builder.append(row)
  return readRows(builder.finish(), schema.fields)
}

function store(type: Type, ...values: unknown[]): Value[] {
  return build(
    column(type),
    values.map((price) => ({ price })),
  ).map((row) => row[0] as Value)
}

/** The message of the refusal of the last of some values. */
function refusal(type: Type, ...values: unknown[]): string {
  return messageOf(() => store(type, ...values))
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

const decimal = (precision: number, scale: number): Type => ({ kind: 'decimal', precision, scale })
const of = (kind: string): Type => ({ kind }) as Type

describe('rows to columns, exactly (item 69, 70; issue 3 item 4)', () => {
  it('stores every value of every type in every form that rows may give it', () => {
    fc.assert(
      fc.property(
        primitiveType.chain((type) =>
          fc.tuple(
            fc.constant(type),
            fc.array(nullable(type, false), { minLength: 1, maxLength: 20 }),
          ),
        ),
        ([type, values]) => {
          const most = Math.max(...values.map((v) => rowForms(type, v).length))
          for (let form = 0; form < most; form++) {
            const given = values.map((v) => {
              const forms = rowForms(type, v)
              return forms[form % forms.length]
            })
            const read = store(type, ...given)
            expect(read).toEqual(values)
            expect(read.every((v, i) => Object.is(v, values[i]) || typeof v === 'object')).toBe(
              true,
            )
          }
        },
      ),
      { numRuns: 400 },
    )
  })

  it('stores rows of any schema, nested ones too, over several batches', () => {
    fc.assert(
      fc.property(
        schemaArbitrary.chain((schema) =>
          fc.tuple(
            fc.constant(schema),
            fc.array(structArbitrary(schema.fields), { maxLength: 40 }),
            fc.integer({ min: 1, max: 50 }),
          ),
        ),
        ([schema, rows, batchRows]) => {
          const builder = new RowBatchBuilder(schema, { limits, batchRows })
          const read: Value[][] = []
          rows.forEach((row, i) => {
            const given = rowForms({ kind: 'struct', fields: schema.fields }, row)
            builder.append(given[i % given.length])
            if (builder.full) read.push(...readRows(builder.finish(), schema.fields))
          })
          read.push(...readRows(builder.finish(), schema.fields))
          expect(read).toEqual(rows.map((row) => schema.fields.map((f) => row[f.name])))
        },
      ),
      { numRuns: 200 },
    )
  })

  it('keeps the extremes of 64 bits, and what lies beyond 2^53', () => {
    const values = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, -(2n ** 53n) - 1n, 0n]
    for (const kind of ['long', 'timestamp', 'timestamptz', 'timestamp_ns', 'timestamptz_ns']) {
      expect(store(of(kind), ...values)).toEqual(values)
    }
    expect(
      store(of('long'), 2 ** 53 - 1, -(2 ** 53 - 1), -1, -0, 4_294_967_296, -4_294_967_297),
    ).toEqual([2n ** 53n - 1n, -(2n ** 53n - 1n), -1n, 0n, 4_294_967_296n, -4_294_967_297n])
  })

  it('keeps −0.0, NaN and the infinities', () => {
    const values = [-0, 0, Number.NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308]
    const read = store(of('double'), ...values)
    expect(read.every((v, i) => Object.is(v, values[i]))).toBe(true)
    expect(Object.is(store(of('float'), -0)[0], -0)).toBe(true)
    expect(store(of('float'), 0.1)).toEqual([Math.fround(0.1)])
  })

  it('stores decimals of every width (known-bugs 19)', () => {
    const nines = '9'.repeat(38)
    expect(store(decimal(38, 0), nines, `-${nines}`)).toEqual([BigInt(nines), -BigInt(nines)])
    expect(store(decimal(38, 38), `0.${nines}`, `-.${nines}`)).toEqual([
      BigInt(nines),
      -BigInt(nines),
    ])
    for (const p of [1, 9, 10, 18, 19, 38]) {
      const values = ['0', '1', '-1', '9'.repeat(p), `-${'9'.repeat(p)}`]
      for (let k = 1; 2n ** BigInt(8 * k - 1) < 10n ** BigInt(p); k++) {
        values.push((2n ** BigInt(8 * k - 1)).toString(), (-(2n ** BigInt(8 * k - 1))).toString())
        values.push((2n ** BigInt(8 * k - 1) - 1n).toString())
      }
      expect(store(decimal(p, 0), ...values)).toEqual(values.map(BigInt))
    }
    expect(
      store(
        decimal(10, 2),
        '12.3',
        '12.300',
        '+7',
        '.5',
        '-0.01',
        '1e3',
        '00012.34',
        12.5,
        3,
        -0,
        0.1,
      ),
    ).toEqual([1230n, 1230n, 700n, 50n, -1n, 100_000n, 1234n, 1250n, 300n, 0n, 10n])
    expect(store(decimal(10, 2), 5n, -7n)).toEqual([500n, -700n])
  })

  it('reads times to the last digit, before 1970 and in any zone (item 70, known-bugs 20)', () => {
    expect(
      store(
        of('timestamptz'),
        '1969-12-31T23:59:59.999999Z',
        '0001-01-01T00:00:00Z',
        '9999-12-31T23:59:59.999999+00:00',
        '2024-02-29T12:00:00+05:45',
        '2024-02-29 12:00:00.5-03:00',
        new Date(-1),
        new Date(8.64e15),
        new Date(-8.64e15),
        '2017-11-16T22:31:08.000001Z',
        '2024-02-29T12:00Z',
      ),
    ).toEqual([
      -1n,
      -62_135_596_800_000_000n,
      253_402_300_799_999_999n,
      1_709_187_300_000_000n,
      1_709_218_800_500_000n,
      -1000n,
      8_640_000_000_000_000_000n,
      -8_640_000_000_000_000_000n,
      1_510_871_468_000_001n,
      1_709_208_000_000_000n,
    ])
    expect(
      store(of('timestamp_ns'), '1969-12-31T23:59:59.999999999', '2262-04-11T23:47:16.854775807'),
    ).toEqual([-1n, 2n ** 63n - 1n])
    expect(store(of('timestamp_ns'), new Date(-1), new Date(9_007_199_254))).toEqual([
      -1_000_000n,
      9_007_199_254_000_000n,
    ])
    expect(
      store(of('date'), '1969-12-31', '0001-01-01', '9999-12-31', new Date(-86_400_000), -1),
    ).toEqual([-1, -719_162, 2_932_896, -1, -1])
    expect(store(of('time'), '00:00:00', '23:59:59.999999', '22:31', 0n)).toEqual([
      0n,
      86_399_999_999n,
      81_060_000_000n,
      0n,
    ])
  })

  it('stores strings of any length and script', () => {
    const values = [
      '',
      'a'.repeat(1_000_000),
      'é',
      '日本'.repeat(100_000),
      '\u{1f600}',
      '\u0000',
      '\ufeff',
      `${'x'.repeat(24)}é`,
      `${'a'.repeat(23)}\u{10ffff}`,
    ]
    expect(store(of('string'), ...values)).toEqual(values)
  })

  it('gives a batch its own buffers: later rows do not change it', () => {
    const schema = column(of('string'))
    const builder = new RowBatchBuilder(schema, { limits })
    builder.append({ price: 'first' })
    const first = builder.finish()
    builder.append({ price: 'later' })
    builder.finish()
    expect(readRows(first, schema.fields)).toEqual([['first']])
  })

  it('keeps no more memory in a batch than about twice what it holds', () => {
    const kinds = ['boolean', 'int', 'long', 'double', 'string', 'binary', 'uuid'] as const
    const fields = kinds.map((kind, i) => ({
      id: i + 1,
      name: kind,
      required: true,
      type: of(kind),
    }))
    const builder = new RowBatchBuilder(new Schema({ schemaId: 0, fields }), { limits })
    const row = {
      boolean: true,
      int: 1,
      long: 1,
      double: 1,
      string: 'twelve bytes',
      binary: new Uint8Array(12),
      uuid: new Uint8Array(16),
    }
    for (const rows of [10_000, 100]) {
      for (let i = 0; i < rows; i++) builder.append(row)
      for (const column of builder.finish().data.children) {
        for (const buffer of [column.values, column.valueOffsets] as (Uint8Array | undefined)[]) {
          if (buffer === undefined) continue
          expect(buffer.buffer.byteLength).toBeLessThanOrEqual(buffer.byteLength * 2 + 64)
        }
      }
    }
  })

  it('reads a row when it is appended: a caller may use one object for all rows', () => {
    const schema = column(of('int'))
    const builder = new RowBatchBuilder(schema, { limits })
    const row = { price: 0 }
    for (; row.price < 3; row.price++) builder.append(row)
    expect(readRows(builder.finish(), schema.fields)).toEqual([[0], [1], [2]])
  })

  it('ends batches by rows and by bytes', () => {
    const schema = column(of('string'))
    const rows = new RowBatchBuilder(schema, { limits, batchRows: 2 })
    rows.append({ price: 'a' })
    expect(rows.full).toBe(false)
    rows.append({ price: 'b' })
    expect(rows.full).toBe(true)
    const bytes = new RowBatchBuilder(schema, { limits, batchBytes: 1000 })
    bytes.append({ price: 'x'.repeat(991) })
    expect(bytes.full).toBe(false)
    bytes.append({ price: 'x' })
    expect(bytes.full).toBe(true)
    expect(bytes.finish().numRows).toBe(2)
    expect(bytes.rows).toBe(0)
    expect(bytes.full).toBe(false)
    const list = {
      kind: 'list',
      elementId: 5,
      elementRequired: true,
      element: of('double'),
    } as Type
    const lists = new RowBatchBuilder(column(list), { limits, batchBytes: 1000 })
    lists.append({ price: new Float64Array(200) })
    expect(lists.full).toBe(true)
  })

  it('gives columns the types and field ids of the table', () => {
    const builder = new RowBatchBuilder(column(of('timestamptz'), { required: true }), { limits })
    const field = builder.schema.fields[0]
    expect(field?.nullable).toBe(false)
    expect(field?.metadata.get('PARQUET:field_id')).toBe('4')
    expect(String(field?.type)).toBe('Timestamp<MICROSECOND, UTC>')
  })
})

describe('missing fields and nulls (item 69)', () => {
  it('writes the default where a field is missing, and null where it is null', () => {
    const schema = column(decimal(9, 2), { writeDefault: 1420n })
    expect(build(schema, [{}, { price: undefined }, { price: null }, { price: '1' }])).toEqual([
      [1420n],
      [1420n],
      [null],
      [100n],
    ])
  })

  it('fills nested defaults, each field from its own', () => {
    const type: Type = {
      kind: 'struct',
      fields: [
        { id: 5, name: 'a', required: true, type: of('int'), writeDefault: 7 },
        { id: 6, name: 'b', required: false, type: of('string') },
      ],
    }
    const schema = column(type, { writeDefault: {} })
    expect(build(schema, [{}, { price: { b: 'x' } }, { price: null }])).toEqual([
      [{ a: 7, b: null }],
      [{ a: 7, b: 'x' }],
      [null],
    ])
  })

  it('refuses null and nothing in a required column', () => {
    const schema = column(of('int'), { required: true })
    expect(messageOf(() => build(schema, [{ price: 1 }, { price: null }]))).toBe(
      'Cannot append to shop.orders: column "price" (field 4) is required but row 1 has null. ' +
        'Give a value or make the column optional with updateColumn [NULL_IN_REQUIRED]',
    )
    expect(messageOf(() => build(schema, [{}]))).toContain('row 0 has no value for it')
  })

  it('refuses null elements and values where they are required, naming the path', () => {
    const list: Type = { kind: 'list', elementId: 5, elementRequired: true, element: of('int') }
    expect(refusal(list, [1, null])).toContain(
      'column "price.element" (field 5) is required but row 0',
    )
    const map: Type = {
      kind: 'map',
      keyId: 5,
      key: of('string'),
      valueId: 6,
      valueRequired: true,
      value: of('int'),
    }
    expect(refusal(map, { a: null })).toContain('column "price.value" (field 6) is required')
    expect(refusal(map, new Map([[null, 1]]))).toContain('column "price.key" (field 5) is required')
  })

  it('stores nothing for a column of type unknown and takes null only (item 65)', () => {
    const fields: NestedField[] = [
      { id: 1, name: 'u', required: false, type: of('unknown') },
      { id: 2, name: 'v', required: false, type: of('int') },
    ]
    const schema = new Schema({ schemaId: 0, fields })
    const builder = new RowBatchBuilder(schema, { limits })
    builder.append({ u: null, v: 1 })
    builder.append({ v: 2 })
    const batch = builder.finish()
    expect(batch.schema.fields.map((f) => f.name)).toEqual(['v'])
    expect(messageOf(() => build(schema, [{ u: 1 }]))).toContain('holds null only')
  })

  it('refuses a variant column, naming it', () => {
    expect(messageOf(() => build(column({ kind: 'variant' }), []))).toContain(
      'column "price" to columns in memory: variant is not supported',
    )
  })
})

describe('what does not fit is refused before anything is written (issue 3, Bad input)', () => {
  it('says what, where, why and what to do', () => {
    expect(refusal(decimal(10, 2), ...Array.from({ length: 17 }, () => '1'), '12.345')).toBe(
      'Cannot append to shop.orders: column "price" (field 4) expects decimal(10,2) but row 17 has ' +
        '"12.345" (3 decimals). Round it or widen the column with updateColumn [TYPE_MISMATCH]',
    )
  })

  const cases: [Type, unknown, string][] = [
    [of('boolean'), 1, 'has 1. Give true or false [TYPE_MISMATCH]'],
    [of('int'), 2 ** 31, 'has 2147483648 (an int holds'],
    [of('int'), -(2 ** 31) - 1, '[VALUE_OUT_OF_RANGE]'],
    [of('int'), 1n << 40n, 'has 1099511627776n (an int holds'],
    [of('int'), 1.5, 'has 1.5. Give an integer number [TYPE_MISMATCH]'],
    [of('int'), Number.NaN, 'has NaN. Give an integer'],
    [of('int'), '1', 'has "1". Give an integer'],
    [
      of('long'),
      2n ** 63n,
      '(a long holds -2^63 to 2^63-1). Use a decimal(38,0) column [VALUE_OUT_OF_RANGE]',
    ],
    [
      of('long'),
      2 ** 53,
      '(beyond 2^53 a number is not exact). Give a bigint [VALUE_OUT_OF_RANGE]',
    ],
    [of('long'), 0.5, 'has 0.5. Give a bigint or an integer number [TYPE_MISMATCH]'],
    [of('long'), '5', 'has "5". Give a bigint'],
    [of('float'), 1e39, '(beyond the largest float). Widen the column to double'],
    [of('float'), '1', 'has "1". Give a number'],
    [of('double'), 1n, 'has 1n. Give a number'],
    [
      decimal(4, 2),
      '100',
      '(5 digits at scale 2). Widen the column with updateColumn [VALUE_OUT_OF_RANGE]',
    ],
    [decimal(38, 0), '1'.repeat(39), '(39 digits at scale 0)'],
    [decimal(4, 2), 'abc', `has "abc". Give a string such as '12.34' [TYPE_MISMATCH]`],
    [decimal(4, 2), '', 'has "". Give a string'],
    [decimal(4, 2), '1'.repeat(1000), '(1000 characters). Give a string'],
    [decimal(4, 2), 100n, 'has 100n (5 digits at scale 2)'],
    [decimal(4, 2), true, `has true. Give a string such as '12.34'`],
    [decimal(4, 2), Number.NaN, 'has NaN. Give a finite number'],
    [decimal(38, 17), 0.1 + 0.2, '(a number does not hold so many decimal digits exactly)'],
    [decimal(38, 0), 2 ** 53, '(a number does not hold so many'],
    [decimal(4, 2), 0.125, '(3 decimals)'],
    [of('date'), new Date(1), 'has Date 1970-01-01T00:00:00.001Z (not at midnight UTC)'],
    [of('date'), new Date(Number.NaN), 'has an invalid Date.'],
    [of('date'), '2023-02-29', 'has "2023-02-29". Give days since'],
    [of('date'), 1.5, 'has 1.5. Give days'],
    [of('date'), 2 ** 31, '(days since 1970-01-01 are 32 bits)'],
    [of('date'), 1n, 'has 1n. Give days'],
    [of('time'), 86_400_000_000n, '(a day has 86400000000 microseconds)'],
    [of('time'), -1n, '[VALUE_OUT_OF_RANGE]'],
    [of('time'), '24:00:00', 'has "24:00:00". Give a bigint of microseconds since midnight'],
    [of('time'), 5, 'has 5. Give a bigint'],
    [of('timestamp'), '2024-01-01T00:00:00Z', '(with a zone). Leave the zone out'],
    [of('timestamptz'), '2024-01-01T00:00:00', '(without a zone). Add the zone'],
    [of('timestamp'), '2024-01-01T00:00:00.1234567', '(finer than the column). Cut the text'],
    [
      of('timestamp'),
      '2023-02-29T00:00:00',
      'Give a bigint of microseconds since 1970, a Date, or ISO text without',
    ],
    [of('timestamptz'), 1_700_000_000_000, 'has 1700000000000. Give a bigint of microseconds'],
    [of('timestamp'), 2n ** 63n, '(beyond 64 bits)'],
    [of('timestamp_ns'), new Date(8.64e15), '(beyond 64 bits)'],
    [of('timestamp_ns'), '2262-04-11T23:47:16.854775808', '(beyond 64 bits)'],
    [of('timestamp'), '+999999-01-01T00:00:00', '(beyond 64 bits)'],
    [of('timestamp'), new Date(Number.NaN), 'has an invalid Date'],
    [of('timestamp'), 'x'.repeat(200), '(200 characters)'],
    [of('string'), 5, 'has 5. Give a string'],
    [
      of('string'),
      'a\ud800b',
      'has "a\\ud800b" (it has a lone surrogate, which UTF-8 cannot hold). Repair',
    ],
    [of('string'), `${'a'.repeat(30)}\udc00`, '[VALUE_OUT_OF_RANGE]'],
    [of('uuid'), 'f79c3e09677c4bbda4793f349cb785e7', 'Give a uuid such as'],
    [
      of('uuid'),
      new Uint8Array(15),
      'has 15 bytes (000000000000000000000000000000). Give a Uint8Array of 16 bytes',
    ],
    [{ kind: 'fixed', length: 4 }, new Uint8Array(5), 'Give a Uint8Array of 4 bytes'],
    [{ kind: 'fixed', length: 4 }, 'abcd', 'has "abcd". Give a Uint8Array of 4 bytes'],
    [of('binary'), [1, 2], 'has an array of 2. Give a Uint8Array'],
    [of('binary'), new Float32Array(2), 'has a typed array. Give a Uint8Array'],
    [{ kind: 'geometry' }, new Uint8Array(21), 'Give the well-known binary form (ISO WKB)'],
    [of('string'), () => 1, 'has a function. Give a string'],
    [of('string'), Symbol('x'), 'has a symbol. Give a string'],
    [of('string'), Promise.resolve(''), 'has a Promise (is an await missing?)'],
  ]
  it.each(cases.map(([type, value, text]) => ({ kind: type.kind, text, type, value })))(
    '$kind: $text',
    ({ type, value, text }) => {
      expect(refusal(type, value)).toContain(text)
    },
  )

  it('escapes and cuts what it shows', () => {
    expect(refusal(of('int'), `\u202e${'x'.repeat(100)}`)).toContain(
      `has "\\u202e${'x'.repeat(59)}"… (101 characters)`,
    )
  })

  it('refuses values above limits.valueBytes', () => {
    const small = resolveLimits({ valueBytes: 10 })
    for (const [type, value] of [
      [of('string'), 'x'.repeat(11)],
      [of('string'), 'é'.repeat(6)],
      [of('string'), `aaaaaaaaa${'\u{1f600}'}`],
      [of('binary'), new Uint8Array(11)],
    ] as const) {
      const builder = new RowBatchBuilder(column(type), { limits: small })
      expect(messageOf(() => builder.append({ price: value }))).toMatch(
        /column "price" \(field 4\) has a value of \d+ bytes or more in row 0, above the limit valueBytes = 10\. Raise limits\.valueBytes .*\[LIMIT_EXCEEDED\]/,
      )
    }
    const builder = new RowBatchBuilder(column(of('string')), { limits: small })
    builder.append({ price: 'é'.repeat(5) })
    builder.append({ price: 'x'.repeat(10) })
    expect(builder.finish().numRows).toBe(2)
  })

  it('refuses unknown columns and names the nearest', () => {
    const schema = new Schema({
      schemaId: 0,
      fields: [
        { id: 1, name: 'customer_id', required: true, type: of('long') },
        { id: 2, name: 'price', required: false, type: of('double') },
        {
          id: 3,
          name: 'address',
          required: false,
          type: {
            kind: 'struct',
            fields: [{ id: 4, name: 'city', required: false, type: of('string') }],
          },
        },
      ],
    })
    expect(messageOf(() => build(schema, [{ customer_id: 1 }, { custmer_id: 1 }]))).toBe(
      'Cannot append to shop.orders: row 1 has "custmer_id", which is no column. Did you mean "customer_id"? ' +
        'There are "customer_id", "price", "address". Drop it or add it with addColumn [UNKNOWN_COLUMN]',
    )
    expect(messageOf(() => build(schema, [{ customer_id: 1, Price: 1 }]))).toContain(
      'Did you mean "price"?',
    )
    expect(messageOf(() => build(schema, [{ customer_id: 1, zzzzzz: 1 }]))).not.toContain(
      'Did you mean',
    )
    expect(messageOf(() => build(schema, [{ customer_id: 1, address: { citty: '' } }]))).toContain(
      'row 0 has "citty", which is no field of column "address". Did you mean "city"?',
    )
  })

  it('refuses what is no row', () => {
    const schema = column(of('int'))
    for (const [row, text] of [
      [null, 'row 0 is null where an object is expected'],
      [5, 'row 0 is 5'],
      [[], 'row 0 has an array of 0 where'],
      [new Map([['price', 1]]), 'row 0 has a Map where'],
      [Promise.resolve({}), 'row 0 has a Promise (is an await missing?)'],
      [new Date(), 'row 0 has Date '],
      [[1], 'row 0 has "0", which is no column'],
    ] as const) {
      expect(messageOf(() => build(schema, [row]))).toContain(text)
    }
    expect(
      refusal(
        { kind: 'struct', fields: [{ id: 5, name: 'a', required: false, type: of('int') }] },
        [],
      ),
    ).toContain('row 0 has an array of 0 in column "price" where an object is expected')
  })

  it('takes rows of classes, without prototype, and columns named as what objects inherit', () => {
    class Row {
      readonly price: number
      constructor(price: number) {
        this.price = price
      }
      get total(): number {
        return this.price * 2
      }
    }
    expect(
      build(column(of('int')), [new Row(1), Object.assign(Object.create(null), { price: 2 })]),
    ).toEqual([[1], [2]])
    expect(build(column(of('int'), { name: 'total' }), [Object.create(new Row(4))])).toEqual([[8]])
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      const schema = column(of('int'), { name })
      expect(build(schema, [{}, JSON.parse(`{"${name}": 3}`)])).toEqual([[null], [3]])
    }
  })

  it('goes on with nothing after a refusal: no part of the row can be written', () => {
    const builder = new RowBatchBuilder(
      new Schema({
        schemaId: 0,
        fields: [
          { id: 1, name: 'a', required: false, type: of('int') },
          { id: 2, name: 'b', required: false, type: of('int') },
        ],
      }),
      { limits },
    )
    builder.append({ a: 1, b: 1 })
    expect(() => builder.append({ a: 2, b: 'x' })).toThrow('row 1')
    expect(() => builder.append({ a: 3, b: 3 })).toThrow('row 1')
    expect(() => builder.finish()).toThrow('row 1')
  })

  it('counts rows over batches', () => {
    const builder = new RowBatchBuilder(column(of('int')), { limits })
    builder.append({ price: 1 })
    builder.finish()
    expect(() => builder.append({ price: 'x' })).toThrow('row 1 has "x"')
  })
})
