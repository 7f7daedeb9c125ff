/**
 * The table of the primary-key index, one thread: encoding keys, building, probing, removing; duplicates of a batch, row
 * hashes and comparisons. Run after `tsc -b`: `node dist/bench/micro/key-index.js [keys in millions]`. Wanted: 24-byte
 * strings encoded at ≥ 20 M/s. What building from files takes is measured by `bench/index-build.ts`.
 */
import { fileURLToPath } from 'node:url'
import type { Data, DataType, RecordBatch } from 'apache-arrow'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { arrow, loadArrow } from '../../src/iceberg/columns/arrow.ts'
import { type ColumnParts, columnData } from '../../src/iceberg/columns/column-data.ts'
import { dedupe } from '../../src/merge/dedupe.ts'
import { differingRows } from '../../src/merge/differing-rows.ts'
import { type EncodedKeys, KeyCodec } from '../../src/merge/index/key-codec.ts'
import { KeyTable } from '../../src/merge/index/key-table.ts'
import { rowHashes } from '../../src/merge/row-hash.ts'
import { inChild, peakRssMiB, rssMiB } from '../measure.ts'

const MILLIONS = Number(process.argv[2] ?? 10)
const BATCH = 32_768
const ROUNDS = 5
const seed = Uint8Array.from({ length: 16 }, (_, i) => i * 17 + 3)
const limits = { ...DEFAULT_LIMITS, indexMemoryBytes: 2 ** 33 }

const lines: string[] = []

function report(label: string, items: number, ms: number, note = ''): void {
  const rate = (items / ms / 1000).toFixed(1).padStart(7)
  lines.push(`${label.padEnd(48)} ${rate} M/s ${ms.toFixed(2).padStart(9)} ms  ${note}`)
}

/** Best of some rounds. */
function measure(label: string, items: number, run: () => unknown): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    run()
    best = Math.min(best, performance.now() - start)
  }
  report(label, items, best)
}

/** A small generator of numbers that look random and are the same every time. */
function noise(i: number): number {
  let h = Math.imul(i ^ 0x5bd1e995, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

function batchOf(columns: readonly [DataType, Omit<ColumnParts, 'nullCount'>][]): RecordBatch {
  const { Field, RecordBatch: ArrowRecordBatch, Schema, Struct } = arrow()
  const length = columns[0]?.[1].length ?? 0
  const children: Data[] = columns.map(([type, parts]) =>
    columnData(type, { ...parts, nullCount: 0 }),
  )
  const fields = columns.map(
    ([type], i) => new Field(`c${i + 1}`, type, false, new Map([['PARQUET:field_id', `${i + 1}`]])),
  )
  const struct = columnData(new Struct(fields), { length, nullCount: 0, children })
  return new ArrowRecordBatch(new Schema(fields), struct as never)
}

/** The keys [from, from + length) of a sequence whose order means nothing. */
function longs(from: number, length: number): RecordBatch {
  const words = new Uint32Array(length * 2)
  for (let i = 0; i < length; i++) {
    words[2 * i] = noise(from + i)
    words[2 * i + 1] = (from + i) & 0xff
  }
  return batchOf([[new (arrow().Int64)(), { length, values: new BigInt64Array(words.buffer) }]])
}

/** Keys of 24 bytes. */
function strings(from: number, length: number): RecordBatch {
  const offsets = Int32Array.from({ length: length + 1 }, (_, i) => i * 24)
  const values = Buffer.from(new ArrayBuffer(length * 24))
  for (let i = 0; i < length; i++) {
    const key = from + i
    values.write(
      `user-${String(noise(key)).padStart(10, '0')}-${String(key).padStart(8, '0')}`,
      i * 24,
    )
  }
  return batchOf([
    [new (arrow().Utf8)(), { length, offsets, values: new Uint8Array(values.buffer) }],
  ])
}

const MAKE = { long: longs, string: strings } as const

function codecOf(kind: keyof typeof MAKE): KeyCodec {
  return new KeyCodec([{ name: 'c1', type: { kind }, idPath: [1] }], { seed })
}

function build(
  kind: keyof typeof MAKE,
  keys: number,
  sized: boolean,
): { table: KeyTable; ms: number } {
  const codec = codecOf(kind)
  const table = new KeyTable({ codec, limits, name: 'bench', expectedKeys: sized ? keys : 0 })
  let ms = 0
  for (let from = 0; from < keys; from += BATCH) {
    const batch = MAKE[kind](from, Math.min(BATCH, keys - from))
    const start = performance.now()
    table.insert(codec.encode(batch), { fileId: from >> 20, start: from & 0xfffff })
    ms += performance.now() - start
  }
  return { table, ms }
}

/** Random keys of those that the index has, as a batch to be upserted would name them. */
function someKeys(
  kind: keyof typeof MAKE,
  codec: KeyCodec,
  keys: number,
  count: number,
): EncodedKeys {
  const parts = Array.from({ length: count }, (_, i) =>
    codec.encode(MAKE[kind](noise(i * 7) % keys, 1)),
  )
  const words = new Uint32Array(count * codec.words)
  parts.forEach((part, i) => {
    words.set(part.words, i * codec.words)
  })
  return { codec, rows: count, words, nulls: undefined }
}

/** Builds and probes in a process of its own, so that memory is its own. */
function benchTable(kind: keyof typeof MAKE, keys: number, sized: boolean): void {
  const before = rssMiB()
  const { table, ms } = build(kind, keys, sized)
  const growth = `RSS +${rssMiB() - before} MiB, peak +${peakRssMiB() - before} MiB`
  const label = `${keys / 1e6} M ${kind} keys${sized ? '' : ', growing'}`
  report(`build ${label}`, keys, ms, growth)
  if (!sized) return
  for (const count of [1000, Math.min(keys, 1e5)]) {
    const probes = someKeys(kind, table.codec, keys, count)
    const start = performance.now()
    table.probe(probes)
    report(`probe ${count} of ${label}, first time`, count, performance.now() - start)
    measure(`probe ${count} of ${label}, again`, count, () => table.probe(probes))
  }
  const start = performance.now()
  const removed = table.removeFiles([0, 1])
  report(`remove two files of ${label}`, removed, performance.now() - start)
}

/** What an upsert does beside the index, for 100,000 rows of 8 columns. */
function benchRows(): void {
  const million = strings(0, 1e6)
  measure('encode 24-byte string keys', 1e6, () => codecOf('string').encode(million))
  const count = 100_000
  const { Float64, Int32, Int64, Utf8 } = arrow()
  const wide = (): RecordBatch => {
    const text = strings(0, count).data.children[0] as unknown as Data
    const parts = { offsets: text.valueOffsets as Int32Array, values: text.values as Uint8Array }
    const int = Int32Array.from({ length: count }, (_, i) => noise(i))
    const long = BigInt64Array.from({ length: count }, (_, i) => BigInt(noise(i >> 1)))
    const double = Float64Array.from({ length: count }, (_, i) => noise(i) / 7)
    return batchOf([
      [new Int64(), { length: count, values: long }],
      [new Utf8(), { length: count, ...parts }],
      [new Utf8(), { length: count, ...parts }],
      [new Float64(), { length: count, values: double }],
      [new Float64(), { length: count, values: double.slice() }],
      [new Int32(), { length: count, values: int }],
      [new Int32(), { length: count, values: int.slice() }],
      [new Int64(), { length: count, values: long.slice() }],
    ])
  }
  const [a, b] = [wide(), wide()]
  const ids = [2, 3, 4, 5, 6, 7, 8]
  const rows = Int32Array.from({ length: count }, (_, i) => i)
  const keys = codecOf('long').encode(a)
  measure('row hashes over 7 columns', count, () => rowHashes(a, ids, seed))
  measure('compare equal rows over 7 columns', count, () => differingRows(a, rows, b, rows, ids))
  const thousand = rows.subarray(0, 1000)
  measure('the same, 1000 rows', 1000, () => differingRows(a, thousand, b, thousand, ids))
  measure('dedupe, every second row a duplicate', count, () =>
    dedupe(keys, { keep: 'latest', limits, name: 'bench' }),
  )
}

await loadArrow()
const [, , , kind, millions, sized] = process.argv
if (kind === 'long' || kind === 'string') {
  benchTable(kind, Number(millions) * 1e6, sized === 'sized')
  console.log(JSON.stringify(lines))
} else {
  const script = fileURLToPath(import.meta.url)
  for (const [layout, count, growth] of [
    ['long', 1, 'sized'],
    ['long', MILLIONS, 'sized'],
    ['long', MILLIONS, 'growing'],
    ['string', Math.min(MILLIONS, 4), 'sized'],
  ] as const) {
    const args = [String(MILLIONS), layout, String(count), growth]
    for (const line of await inChild<string[]>(script, args)) console.log(line)
  }
  benchRows()
  for (const line of lines) console.log(line)
}
