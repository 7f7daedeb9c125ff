/**
 * The write half of columns, one thread: rows and Arrow input to batches, metrics, partition split; and the ways of
 * storing strings and 64-bit integers that the builders chose between. Run after `tsc -b`:
 * `node dist/bench/micro/columns.js [rows]`. Wanted: rows ≥ 1.5 M/s, metrics ≥ 50 M values/s (strings 10 M/s).
 */
import {
  Schema as ArrowSchema,
  type DataType,
  Field,
  Float64,
  Int32,
  makeData,
  RecordBatch,
  Struct,
  TimestampMicrosecond,
} from 'apache-arrow'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { loadArrow } from '../../src/iceberg/columns/arrow.ts'
import { ArrowInput } from '../../src/iceberg/columns/arrow-input.ts'
import { emptyMetrics, meterBatch } from '../../src/iceberg/columns/metrics.ts'
import { resolveMetricsModes } from '../../src/iceberg/columns/metrics-mode.ts'
import { PartitionSplitter } from '../../src/iceberg/columns/partition-split.ts'
import { RowBatchBuilder } from '../../src/iceberg/columns/row-builder.ts'
import { takeRows } from '../../src/iceberg/columns/take.ts'
import { Schema } from '../../src/iceberg/spec/schema.ts'
import { UNSORTED } from '../../src/iceberg/spec/sort-order.ts'
import type { Transform } from '../../src/iceberg/spec/transform.ts'
import type { Type } from '../../src/iceberg/spec/types.ts'

const ROWS = Number(process.argv[2] ?? 500_000)
const ROUNDS = 7
const limits = DEFAULT_LIMITS

const KINDS = {
  id: 'long',
  name: 'string',
  price: 'double',
  qty: 'int',
  ts: 'timestamptz',
} as const
const schema = new Schema({
  schemaId: 0,
  fields: Object.entries(KINDS).map(([name, kind], i) => ({
    id: i + 1,
    name,
    required: false,
    type: { kind } as Type,
  })),
})

/** Best of some rounds, as millions of items a second. */
function measure(label: string, items: number, run: () => unknown): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    run()
    best = Math.min(best, performance.now() - start)
  }
  console.log(`${label.padEnd(52)} ${(items / best / 1000).toFixed(2).padStart(8)} M/s`)
}

/** A small generator of numbers that look random and are the same every time. */
function noise(i: number): number {
  return Math.imul(i ^ (i >>> 15), 0x2c1b3c6d) >>> 0
}

const START_MS = 1_767_225_600_000

function rowsFrom(form: 'bigint and Date' | 'number and bigint' | 'ISO text'): object[] {
  return Array.from({ length: ROWS }, (_, i) => ({
    id: form === 'bigint and Date' ? BigInt(i) * 1_000_003n : i * 1_000_003,
    name: `customer-${noise(i) % 5000}`,
    price: noise(i) / 100,
    qty: noise(i) % 100,
    ts:
      form === 'bigint and Date'
        ? new Date(START_MS + i)
        : form === 'ISO text'
          ? new Date(START_MS + i).toISOString()
          : BigInt(START_MS + i) * 1000n,
  }))
}

function build(rows: readonly object[], of: Schema = schema): RecordBatch[] {
  const builder = new RowBatchBuilder(of, { limits })
  const batches: RecordBatch[] = []
  for (const row of rows) {
    builder.append(row)
    if (builder.full) batches.push(builder.finish())
  }
  batches.push(builder.finish())
  return batches
}

function benchRows(): void {
  for (const form of ['bigint and Date', 'number and bigint', 'ISO text'] as const) {
    const rows = rowsFrom(form)
    measure(`rows of 5 columns, ${form}`, ROWS, () => build(rows))
  }
  const money = new Schema({
    schemaId: 0,
    fields: [
      { id: 1, name: 'd', required: false, type: { kind: 'decimal', precision: 12, scale: 2 } },
      { id: 2, name: 'u', required: false, type: { kind: 'uuid' } },
    ],
  })
  const rows = Array.from({ length: ROWS }, (_, i) => ({
    d: (noise(i) / 100).toFixed(2),
    u: 'f79c3e09-677c-4bbd-a479-3f349cb785e7',
  }))
  measure('rows of decimal and uuid text', ROWS, () => build(rows, money))
}

function benchArrow(batches: readonly RecordBatch[]): void {
  measure('Arrow batches of the table’s types', ROWS, () => {
    const input = new ArrowInput(schema, { limits })
    let rows = 0
    for (const batch of batches) for (const part of input.batches(batch)) rows += part.numRows
    return rows
  })
  const millis = BigInt64Array.from({ length: ROWS }, (_, i) => BigInt(START_MS + i))
  const narrow = table({
    id: [new Int32(), Int32Array.from({ length: ROWS }, (_, i) => i)],
    price: [new Float64(), Float64Array.from({ length: ROWS }, (_, i) => i)],
  })
  measure('Arrow batches, int32 cast to long', ROWS, () => [
    ...new ArrowInput(schema, { limits }).batches(narrow),
  ])
  const seconds = table({ ts: [new TimestampMicrosecond('UTC'), millis] })
  measure('Arrow batches, missing columns filled', ROWS, () => [
    ...new ArrowInput(schema, { limits }).batches(seconds),
  ])
}

function table(columns: Record<string, [DataType, unknown]>): RecordBatch {
  const children = Object.values(columns).map(([type, data]) =>
    makeData({ type, length: ROWS, nullCount: 0, data } as never),
  )
  const fields = Object.entries(columns).map(([name, [type]]) => new Field(name, type, true))
  const struct = makeData({ type: new Struct(fields), length: ROWS, nullCount: 0, children })
  return new RecordBatch(new ArrowSchema(fields), struct)
}

function benchMetrics(batches: readonly RecordBatch[]): void {
  const modes = resolveMetricsModes(schema, {}, UNSORTED)
  for (const [id, name] of Object.keys(KINDS).entries()) {
    const one = new Map([[id + 1, modes.get(id + 1) ?? { kind: 'none' as const }]])
    measure(`metrics of ${name} (${KINDS[name as keyof typeof KINDS]})`, ROWS, () => {
      const metrics = emptyMetrics()
      for (const batch of batches) meterBatch(metrics, batch, one)
      return metrics
    })
  }
}

function benchSplit(batches: readonly RecordBatch[]): void {
  const cases: [string, number, Transform][] = [
    ['year of ts, one partition', 5, { kind: 'year' }],
    ['day of ts', 5, { kind: 'day' }],
    ['identity of name, 5000 partitions', 2, { kind: 'identity' }],
    ['bucket[16] of name', 2, { kind: 'bucket', numBuckets: 16 }],
    ['bucket[16] of id', 1, { kind: 'bucket', numBuckets: 16 }],
    ['truncate[10^9] of id', 1, { kind: 'truncate', width: 1_000_000_000 }],
  ]
  for (const [label, id, transform] of cases) {
    const spec = { specId: 1, fields: [{ sourceIds: [id], fieldId: 1000, name: 'p', transform }] }
    const splitter = new PartitionSplitter(schema, spec)
    measure(`groups by ${label}`, ROWS, () => batches.map((batch) => splitter.groups(batch)))
    measure(`split by ${label}`, ROWS, () =>
      batches.map((batch) => splitter.groups(batch).map(({ indices }) => takeRows(batch, indices))),
    )
  }
}

/** Ways of writing strings into one buffer. */
function benchStrings(): void {
  const encoder = new TextEncoder()
  for (const length of [8, 16, 32, 64, 256]) {
    const strings = Array.from({ length: ROWS }, (_, i) =>
      `${i}-`.padEnd(length, 'abcdef').slice(0, length),
    )
    const bytes = Buffer.from(new ArrayBuffer(ROWS * length * 3))
    measure(`strings of ${length}: loop over characters`, ROWS, () => {
      let end = 0
      for (const text of strings) {
        for (let i = 0; i < text.length; i++) {
          const c = text.charCodeAt(i)
          if (c > 0x7f) throw new Error('not ASCII')
          bytes[end++] = c
        }
      }
      return end
    })
    measure(`strings of ${length}: Buffer.write`, ROWS, () => {
      let end = 0
      for (const text of strings) end += bytes.write(text, end)
      return end
    })
    measure(`strings of ${length}: TextEncoder.encodeInto`, ROWS, () => {
      let end = 0
      for (const text of strings) end += encoder.encodeInto(text, bytes.subarray(end)).written
      return end
    })
    measure(`strings of ${length}: encode of the joined text`, ROWS, () =>
      encoder.encode(strings.join('')),
    )
  }
}

/** Ways of storing a safe integer as 64 bits. */
function benchLongs(): void {
  const values = Array.from({ length: ROWS }, (_, i) => i * 1_000_003)
  const longs = new BigInt64Array(ROWS)
  const words = new Int32Array(longs.buffer)
  measure('long from number: two words', ROWS, () => {
    values.forEach((value, i) => {
      words[i * 2] = value
      words[i * 2 + 1] = Math.floor(value / 4_294_967_296)
    })
  })
  measure('long from number: BigInt()', ROWS, () => {
    values.forEach((value, i) => {
      longs[i] = BigInt(value)
    })
  })
}

await loadArrow()
console.log(`node ${process.version}, ${ROWS} rows, best of ${ROUNDS}`)
benchRows()
const batches = build(rowsFrom('number and bigint'))
benchArrow(batches)
benchMetrics(batches)
benchSplit(batches)
benchStrings()
benchLongs()
