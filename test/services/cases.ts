/** What floe writes and engines read back: schemas, rows and predicates. */
import {
  type Columns,
  type Expression,
  type SchemaLiteral,
  schema,
  t,
  type Where,
} from '../../src/index.ts'

export interface Predicate {
  /** For floe. */
  readonly where: Where | Expression
  /** For Trino, Spark and DuckDB. */
  readonly sql: string
  /** For PyIceberg's own parser, where it differs. */
  readonly pyiceberg?: string
}

export interface Case {
  readonly name: string
  readonly formatVersions: readonly (2 | 3)[]
  readonly schema: SchemaLiteral
  readonly partitionBy?: readonly string[]
  readonly properties?: Readonly<Record<string, string>>
  /** Each list is one append, so one snapshot. */
  readonly appends: readonly (readonly Record<string, unknown>[])[]
  readonly predicates?: readonly Predicate[]
}

const o = t.optional

/** Every primitive type that v2 has, with nulls. */
const primitives = schema({
  id: t.int(),
  b: o(t.boolean()),
  i: o(t.int()),
  l: o(t.long()),
  f: o(t.float()),
  d: o(t.double()),
  d1: o(t.decimal(1, 0)),
  d9: o(t.decimal(9, 2)),
  d10: o(t.decimal(10, 3)),
  d18: o(t.decimal(18, 6)),
  d19: o(t.decimal(19, 0)),
  d28: o(t.decimal(28, 10)),
  d38: o(t.decimal(38, 5)),
  dt: o(t.date()),
  ts: o(t.timestamp()),
  tz: o(t.timestamptz()),
  s: o(t.string()),
  u: o(t.uuid()),
  fx: o(t.fixed(5)),
  bin: o(t.binary()),
})

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

const primitiveRows = [
  { id: 0 },
  {
    id: 1,
    b: true,
    i: 2_147_483_647,
    l: 9_223_372_036_854_775_807n,
    f: 3.4028234663852886e38,
    d: Number.MAX_VALUE,
    d1: '9',
    d9: '9999999.99',
    d10: '9999999.999',
    d18: '999999999999.999999',
    d19: '9999999999999999999',
    d28: '999999999999999999.9999999999',
    d38: '999999999999999999999999999999999.99999',
    dt: '9999-12-31',
    ts: '9999-12-31T23:59:59.999999',
    tz: '9999-12-31T23:59:59.999999Z',
    s: `${'z'.repeat(15)}😀tail`,
    u: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    fx: bytes(255, 255, 255, 255, 255),
    bin: bytes(...Array.from({ length: 40 }, () => 255)),
  },
  {
    id: 2,
    b: false,
    i: -2_147_483_648,
    l: -9_223_372_036_854_775_808n,
    f: -3.4028234663852886e38,
    d: -Number.MAX_VALUE,
    d1: '-9',
    d9: '-9999999.99',
    d10: '-9999999.999',
    d18: '-999999999999.999999',
    d19: '-9999999999999999999',
    d28: '-999999999999999999.9999999999',
    d38: '-999999999999999999999999999999999.99999',
    dt: '0001-01-01',
    ts: '0001-01-01T00:00:00',
    tz: '0001-01-01T00:00:00Z',
    s: '',
    u: '00000000-0000-0000-0000-000000000000',
    fx: bytes(0, 0, 0, 0, 0),
    bin: bytes(),
  },
  {
    id: 3,
    f: Number.NaN,
    d: Number.NaN,
    d9: '-0.01',
    d18: '0.000001',
    d38: '-1.28000',
    dt: '1969-12-31',
    ts: '1969-12-31T23:59:59.999999',
    tz: '1969-12-31T23:59:59.999999Z',
    s: '\ud7ff\ue000\u{10ffff} ünïcode \u0000 nul',
    u: 'F79C3E09-677c-4bbd-a479-3f349cb785e7',
  },
  { id: 4, f: -0, d: -0, l: 9_007_199_254_740_993n, s: 'exactly16chars!!', d9: '1.28' },
  {
    id: 5,
    f: Number.POSITIVE_INFINITY,
    d: Number.NEGATIVE_INFINITY,
    s: 'seventeen chars!!',
    dt: '1970-01-01',
  },
  {
    id: 6,
    f: 0.1,
    d: 0.1,
    i: 0,
    l: 0n,
    s: "it's 'quoted'",
    ts: '2016-12-31T23:59:59.5',
    tz: '2020-02-29T12:00:00+05:45',
  },
]

const nested = schema({
  id: t.long(),
  tags: o(t.list(o(t.string()))),
  attrs: o(t.map(t.string(), o(t.int()))),
  point: o(t.struct({ x: t.double(), y: o(t.double()), label: o(t.string()) })),
  deep: o(t.list(t.struct({ k: t.string(), vs: t.list(t.long()) }))),
})

const nestedRows = [
  {
    id: 1n,
    tags: ['a', null, 'ü'],
    attrs: new Map([['k', 1]]),
    point: { x: 1.5, y: null, label: 'p' },
    deep: [{ k: 'x', vs: [1n, 2n] }],
  },
  { id: 2n, tags: [], attrs: {}, point: { x: -0.25, y: 2 }, deep: [] },
  { id: 3n },
  {
    id: 4n,
    tags: [null],
    attrs: { a: null, b: 2 },
    deep: [
      { k: '', vs: [] },
      { k: 'y', vs: [-1n] },
    ],
  },
]

const events = schema(
  {
    id: t.long(),
    region: o(t.string()),
    n: o(t.int()),
    amount: o(t.decimal(12, 2)),
    day: o(t.date()),
    ts: o(t.timestamptz()),
    local: o(t.timestamp()),
    u: o(t.uuid()),
    bin: o(t.binary()),
    flag: o(t.boolean()),
    x: o(t.double()),
  },
  { key: ['id'] },
)

/** Two appends of rows on both sides of the epoch, with nulls in every source column. */
function eventRows(from: number, count: number): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, k) => {
    const i = from + k
    if (i % 11 === 10) return { id: i }
    const days = (i % 9) * 500 - 1200
    const micros = BigInt(days) * 86_400_000_000n + BigInt(i) * 3_599_000_001n
    return {
      id: i,
      region: ['eu', 'us east', 'a/b=c%d', 'größe', ''][i % 5],
      n: (i % 7) * 10 - 30,
      amount: `${(i % 13) - 6}.${String((i * 7) % 100).padStart(2, '0')}`,
      day: days,
      ts: micros,
      local: micros,
      u: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
      bin: bytes(i % 3, 200, i % 251),
      flag: i % 2 === 0,
      x: i / 4,
    }
  })
}

const eventAppends = [eventRows(0, 60), eventRows(60, 40)]

const predicates: readonly Predicate[] = [
  { where: { id: { gte: 20, lt: 70 } }, sql: 'id >= 20 AND id < 70' },
  { where: { region: 'eu', n: { gt: 0 } }, sql: "region = 'eu' AND n > 0" },
  { where: { region: { in: ['us east', 'größe'] } }, sql: "region IN ('us east', 'größe')" },
  {
    where: { region: { startsWith: 'a/b' } },
    sql: "region LIKE 'a/b%'",
    pyiceberg: "region like 'a/b%'",
  },
  { where: { ts: null }, sql: 'ts IS NULL', pyiceberg: 'ts is null' },
  { where: { n: { ne: 10 } }, sql: 'n <> 10', pyiceberg: 'n != 10' },
  { where: { amount: { lt: '-2.50' } }, sql: 'amount < -2.50', pyiceberg: 'amount < -2.50' },
  {
    where: { or: [{ day: { lt: '1968-01-01' } }, { flag: true, x: { lte: 3 } }] },
    sql: "day < DATE '1968-01-01' OR (flag = true AND x <= 3)",
    pyiceberg: "day < '1968-01-01' or (flag = true and x <= 3)",
  },
  {
    where: { ts: { gte: '1969-01-01T00:00:00Z', lt: '1974-06-01T00:00:00Z' } },
    sql: "ts >= TIMESTAMP '1969-01-01 00:00:00 UTC' AND ts < TIMESTAMP '1974-06-01 00:00:00 UTC'",
    pyiceberg: "ts >= '1969-01-01T00:00:00+00:00' and ts < '1974-06-01T00:00:00+00:00'",
  },
]

const TRANSFORMS: Readonly<Record<string, readonly string[]>> = {
  identity: ['region'],
  'identity int, date, boolean': ['n', 'day', 'flag'],
  'identity decimal': ['amount'],
  'identity long': ['id'],
  'identity uuid, timestamps': ['u', 'ts', 'local'],
  'identity binary, double': ['bin', 'x'],
  void: ['void(n)', 'flag'],
  bucket: ['bucket(8, id)'],
  'bucket of every type': ['bucket(3, region)', 'bucket(3, day)', 'bucket(3, ts)'],
  'bucket decimal, uuid, binary': ['bucket(3, amount)', 'bucket(3, u)', 'bucket(3, bin)'],
  truncate: ['truncate(20, n)', 'truncate(2, region)'],
  'truncate long, decimal, binary': [
    'truncate(25, id)',
    'truncate(100, amount)',
    'truncate(1, bin)',
  ],
  year: ['year(ts)'],
  month: ['month(day)'],
  day: ['day(ts)'],
  hour: ['hour(local)'],
}

const wide = schema(
  Object.fromEntries([
    ['id', t.long()],
    ...Array.from({ length: 5 }, (_, i) => [`c${i}`, o(t.string())]),
  ]) as Columns,
)

export const CASES: readonly Case[] = [
  {
    name: 'every primitive type',
    formatVersions: [2, 3],
    schema: primitives,
    appends: [primitiveRows],
  },
  {
    name: 'time of day',
    formatVersions: [2, 3],
    schema: schema({ id: t.int(), tm: o(t.time()) }),
    appends: [[{ id: 1, tm: '00:00:00' }, { id: 2, tm: '23:59:59.999999' }, { id: 3 }]],
  },
  {
    name: 'timestamp_ns',
    formatVersions: [3],
    schema: schema({ id: t.int(), ns: o(t.timestampNs()) }),
    appends: [[{ id: 1, ns: '1969-12-31T23:59:59.999999999' }, { id: 2 }]],
  },
  {
    name: 'timestamptz_ns',
    formatVersions: [3],
    schema: schema({ id: t.int(), nz: o(t.timestamptzNs()) }),
    appends: [[{ id: 1, nz: '2026-11-24T01:02:03.123456789Z' }, { id: 2 }]],
  },
  { name: 'nested types', formatVersions: [2, 3], schema: nested, appends: [nestedRows] },
  {
    name: 'many snapshots, files and row groups',
    formatVersions: [2, 3],
    schema: wide,
    properties: { 'write.parquet.row-group-size-bytes': '65536' },
    appends: Array.from({ length: 5 }, (_, a) =>
      Array.from({ length: 3000 }, (_, k) => ({
        id: a * 3000 + k,
        c0: `value ${k}`,
        c1: k % 3 === 0 ? null : 'x'.repeat(k % 90),
      })),
    ),
    predicates: [{ where: { id: { gte: 4000, lt: 4010 } }, sql: 'id >= 4000 AND id < 4010' }],
  },
  {
    name: 'unpartitioned',
    formatVersions: [2, 3],
    schema: events,
    appends: eventAppends,
    predicates,
  },
  ...Object.entries(TRANSFORMS).map(
    ([name, partitionBy]): Case => ({
      name: `partitioned by ${name}`,
      formatVersions: [2, 3],
      schema: events,
      partitionBy,
      appends: eventAppends,
      predicates,
    }),
  ),
]
