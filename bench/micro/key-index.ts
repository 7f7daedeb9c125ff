/**
 * The primary-key index, one thread: encoding keys, building, probing, removing, growing; row hashes and comparisons.
 * Run after `tsc -b`: `node dist/bench/micro/key-index.js [keys in millions]`. Wanted: 10 M long keys built in ≤ 4 s
 * (decoding included) with ≤ 400 MiB of RSS growth; 24-byte strings hashed at ≥ 20 M/s.
 */
import { readFileSync } from 'node:fs'
import { type DataType, Field, Int64, RecordBatch, Schema, Struct, Utf8 } from 'apache-arrow'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { loadArrow } from '../../src/iceberg/columns/arrow.ts'
import { type ColumnParts, columnData } from '../../src/iceberg/columns/column-data.ts'
import { KeyCodec } from '../../src/merge/index/key-codec.ts'
import { KeyTable } from '../../src/merge/index/key-table.ts'

const KEYS = Number(process.argv[2] ?? 10) * 1e6
const BATCH = 32_768
const seed = Uint8Array.from({ length: 16 }, (_, i) => i * 17 + 3)

function report(label: string, items: number, ms: number): void {
  console.log(
    `${label.padEnd(52)} ${(items / ms / 1000).toFixed(2).padStart(8)} M/s ${ms.toFixed(1).padStart(9)} ms`,
  )
}

/** A small generator of numbers that look random and are the same every time. */
function noise(i: number): number {
  let h = Math.imul(i ^ 0x5bd1e995, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

function batchOf(type: DataType, parts: Omit<ColumnParts, 'nullCount'>): RecordBatch {
  const { length } = parts
  const children = [columnData(type, { ...parts, nullCount: 0 })]
  const fields = [new Field('k', type, false, new Map([['PARQUET:field_id', '1']]))]
  const struct = columnData(new Struct(fields), { length, nullCount: 0, children })
  return new RecordBatch(new Schema(fields), struct as never)
}

/** Keys [from, from + length) of a sequence whose order means nothing. */
function longs(from: number, length: number): RecordBatch {
  const words = new Uint32Array(length * 2)
  for (let i = 0; i < length; i++) {
    words[2 * i] = noise(from + i)
    words[2 * i + 1] = (from + i) & 0xff
  }
  return batchOf(new Int64(), { length, values: new BigInt64Array(words.buffer) })
}

/** Keys of 24 bytes. */
function strings(from: number, length: number): RecordBatch {
  const offsets = Int32Array.from({ length: length + 1 }, (_, i) => i * 24)
  const values = Buffer.from(new ArrayBuffer(length * 24))
  for (let i = 0; i < length; i++)
    values.write(
      `user-${String(noise(from + i)).padStart(10, '0')}-${String(i % 1e8).padStart(8, '0')}`,
      i * 24,
    )
  return batchOf(new Utf8(), { length, offsets, values: new Uint8Array(values.buffer) })
}

function rssMiB(): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(match?.[1] ?? 0) / 1024
}
function peakMiB(): number {
  const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(match?.[1] ?? 0) / 1024
}

const codecOf = (kind: 'long' | 'string'): KeyCodec =>
  new KeyCodec([{ name: 'k', type: { kind }, idPath: [1] }], { seed })

function build(keys: number, make: typeof longs, codec: KeyCodec, expected: number): KeyTable {
  const table = new KeyTable({
    codec,
    limits: { ...DEFAULT_LIMITS, indexMemoryBytes: 2 ** 33 },
    name: 'bench',
    expectedKeys: expected,
  })
  let ms = 0
  for (let from = 0; from < keys; from += BATCH) {
    const batch = make(from, Math.min(BATCH, keys - from))
    const start = performance.now()
    table.insert(codec.encode(batch), { fileId: 0, start: from })
    ms += performance.now() - start
  }
  report(`build ${keys / 1e6} M ${codec.layout}${expected === 0 ? ', growing' : ''}`, keys, ms)
  return table
}

await loadArrow()
const before = rssMiB()
const codec = codecOf('long')
for (const keys of [1e6, KEYS]) {
  const table = build(keys, longs, codec, keys)
  for (const count of [1000, 1e6]) {
    const words = new Uint32Array(count * 2)
    for (let i = 0; i < count; i++) {
      const k = noise(i * 7) % keys
      words[2 * i] = noise(k)
      words[2 * i + 1] = k & 0xff
    }
    const probes = codec.encode(
      batchOf(new Int64(), { length: count, values: new BigInt64Array(words.buffer) }),
    )
    for (let round = 0; round < 3; round++) {
      const start = performance.now()
      const slots = table.probe(probes)
      report(
        `probe ${count} of ${keys / 1e6} M (found ${slots.filter((s) => s >= 0).length})`,
        count,
        performance.now() - start,
      )
    }
  }
  console.log(
    `RSS growth ${(rssMiB() - before).toFixed(0)} MiB, peak ${(peakMiB() - before).toFixed(0)} MiB`,
  )
}
build(KEYS, longs, codec, 0)
console.log(
  `RSS growth ${(rssMiB() - before).toFixed(0)} MiB, peak ${(peakMiB() - before).toFixed(0)} MiB`,
)
const sc = codecOf('string')
const sb = strings(0, 1e6)
for (let round = 0; round < 4; round++) {
  const start = performance.now()
  sc.encode(sb)
  report('hash 1 M strings of 24 bytes', 1e6, performance.now() - start)
}
build(2e6, strings, sc, 2e6)
