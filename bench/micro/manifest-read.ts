/**
 * Decoding of manifests: 100,000 entries of 20 columns with bounds, a day and a bucket partition. Run after `tsc -b`:
 * `node dist/bench/micro/manifest-read.js [entries] [columns]`. Planning wants well under 600 ms for "none" and "one".
 */
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { systemRuntime } from '../../src/core/runtime.ts'
import type { ManifestEntry, ManifestFile } from '../../src/iceberg/manifest/entry.ts'
import {
  type ReadManifestOptions,
  readManifest,
} from '../../src/iceberg/manifest/manifest-reader.ts'
import { toManifestFile, writeManifest } from '../../src/iceberg/manifest/manifest-writer.ts'
import { partitionFields } from '../../src/iceberg/manifest/partition-fields.ts'
import type { PartitionSpec } from '../../src/iceberg/spec/partition-spec.ts'
import { Schema } from '../../src/iceberg/spec/schema.ts'
import type { NestedField } from '../../src/iceberg/spec/types.ts'

const ENTRIES = Number(process.argv[2] ?? 100_000)
const COLUMNS = Number(process.argv[3] ?? 20)
const ROUNDS = 7

const schema = new Schema({
  schemaId: 0,
  fields: Array.from({ length: COLUMNS }, (_, i): NestedField => {
    const kind = (['long', 'timestamp', 'string', 'double', 'int'] as const)[i % 5] ?? 'long'
    return { id: i + 1, name: `column_${i + 1}`, required: false, type: { kind } }
  }),
})
const spec: PartitionSpec = {
  specId: 1,
  fields: [
    { sourceIds: [2], fieldId: 1000, name: 'day', transform: { kind: 'day' } },
    { sourceIds: [1], fieldId: 1001, name: 'b', transform: { kind: 'bucket', numBuckets: 16 } },
  ],
}

function entry(i: number): ManifestEntry {
  const counts = new Map<number, number>()
  const sizes = new Map<number, number>()
  const lower = new Map<number, Uint8Array>()
  const upper = new Map<number, Uint8Array>()
  for (let c = 1; c <= COLUMNS; c++) {
    counts.set(c, 10_000 + (i % 1000))
    sizes.set(c, 5_000 + ((i * 31 + c * 17) % 100_000))
    const bytes = new Uint8Array(c % 5 === 3 ? 16 : 8)
    new DataView(bytes.buffer).setUint32(0, (i * 2_654_435_761 + c) >>> 0)
    lower.set(c, bytes)
    upper.set(c, bytes)
  }
  const name = `${(i * 2_654_435_761) >>> 0}-${i}-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0`
  return {
    status: 'added',
    snapshotId: null,
    sequenceNumber: null,
    fileSequenceNumber: null,
    file: {
      content: 'data',
      filePath: `s3://bucket/warehouse/db/table/data/day=2026-01-${1 + (i % 28)}/b=${i % 16}/${name}.parquet`,
      fileFormat: 'PARQUET',
      specId: 1,
      partition: [20_000 + (i % 28), i % 16],
      recordCount: 10_000 + (i % 1000),
      fileSizeBytes: 1_000_000 + i,
      columnSizes: sizes,
      valueCounts: counts,
      nullValueCounts: new Map([...counts.keys()].map((c) => [c, 0])),
      lowerBounds: lower,
      upperBounds: upper,
      splitOffsets: [4],
      sortOrderId: 0,
    },
  }
}

function* entries(): Generator<ManifestEntry> {
  for (let i = 0; i < ENTRIES; i++) yield entry(i)
}

function measure(name: string, work: () => number): void {
  const times: number[] = []
  let result = 0
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    result = work()
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  const median = times[Math.floor(ROUNDS / 2)] ?? 0
  const perEntry = ((1e6 * median) / ENTRIES).toFixed(0)
  console.log(
    `${name.padEnd(34)} ${median.toFixed(0).padStart(6)} ms  ${perEntry} ns/entry  (${result})`,
  )
}

const options = { formatVersion: 3, schema, spec, content: 'data', snapshotId: 7n } as const
for (const codec of ['deflate', 'null'] as const) {
  const start = performance.now()
  const written = writeManifest({ ...options, entries: entries(), runtime: systemRuntime, codec })
  const took = performance.now() - start
  const { bytes, summary } = written
  console.log(`wrote ${codec}: ${(bytes.byteLength / 1e6).toFixed(1)} MB in ${took.toFixed(0)} ms`)
  const manifest: ManifestFile = {
    ...toManifestFile(
      { manifestLength: bytes.byteLength, summary },
      { manifestPath: 'memory://bench/m0.avro', sequenceNumber: 1 },
    ),
    firstRowId: 0n,
  }
  const base: ReadManifestOptions = {
    manifest,
    partition: partitionFields(spec, [schema]),
    limits: DEFAULT_LIMITS,
  }
  const count = (more: Partial<ReadManifestOptions>): number => {
    let n = 0
    for (const { file } of readManifest(bytes, { ...base, ...more }))
      n += file.recordCount > 0 ? 1 : 0
    return n
  }
  measure(`read ${codec}, metrics none`, () => count({ metrics: 'none' }))
  measure(`read ${codec}, metrics of one column`, () => count({ metrics: new Set([7]) }))
  measure(`read ${codec}, one day of 28, one column`, () =>
    count({ metrics: new Set([7]), keepPartition: (tuple) => tuple[0] === 20_003 }),
  )
  measure(`read ${codec}, metrics all`, () => count({ metrics: 'all' }))
}
