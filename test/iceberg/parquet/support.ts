/** Writes and reads data files in memory, for the tests of this folder. */
import { readFileSync } from 'node:fs'
import type { RecordBatch } from 'apache-arrow'
import { DEFAULT_LIMITS, type Limits } from '../../../src/core/limits.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import { resolveMetricsModes } from '../../../src/iceberg/columns/metrics-mode.ts'
import { RowBatchBuilder } from '../../../src/iceberg/columns/row-builder.ts'
import type { NameMapping } from '../../../src/iceberg/parquet/name-mapping.ts'
import { openParquetFile, type ParquetFile } from '../../../src/iceberg/parquet/reader.ts'
import { openParquetPool, type ParquetPool } from '../../../src/iceberg/parquet/worker-pool.ts'
import type { ParquetWriteOptions } from '../../../src/iceberg/parquet/write-options.ts'
import { openParquetWriter, type ParquetFileResult } from '../../../src/iceberg/parquet/writer.ts'
import type { Schema } from '../../../src/iceberg/spec/schema.ts'
import { UNSORTED } from '../../../src/iceberg/spec/sort-order.ts'
import type { NestedField } from '../../../src/iceberg/spec/types.ts'
import type { Value } from '../../../src/iceberg/spec/value.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import { readRows } from '../columns/read-raw.ts'

export const store: MemoryStore = new MemoryStore(systemRuntime)

/** A pool over real threads; close it in `afterAll`. */
export function openPool(limits: Partial<Limits> = {}, workers = 2): ParquetPool {
  return openParquetPool({
    limits: { ...DEFAULT_LIMITS, ...limits },
    runtime: systemRuntime,
    workers,
  })
}

/** One batch of the rows, in the table's Arrow schema for writing. */
export async function batchOf(
  schema: Schema,
  rows: Iterable<Readonly<Record<string, unknown>>>,
): Promise<RecordBatch> {
  await loadArrow()
  const builder = new RowBatchBuilder(schema, { limits: DEFAULT_LIMITS })
  for (const row of rows) builder.append(row)
  return builder.finish()
}

/** Writes batches as one file of the in-memory store. */
export async function writeFile(
  pool: ParquetPool,
  path: string,
  schema: Schema,
  batches: Iterable<RecordBatch>,
  options: {
    readonly options?: Partial<ParquetWriteOptions>
    readonly properties?: Readonly<Record<string, string>>
  } = {},
): Promise<ParquetFileResult> {
  const writer = await openParquetWriter({
    writer: await store.openWriter(path),
    schema,
    pool,
    modes: resolveMetricsModes(schema, options.properties ?? {}, UNSORTED),
    ...options,
  })
  for (const batch of batches) await writer.write(batch)
  return await writer.close()
}

export async function openFile(
  pool: ParquetPool,
  path: string,
  options: { readonly limits?: Partial<Limits>; readonly nameMapping?: NameMapping } = {},
): Promise<ParquetFile> {
  const { nameMapping } = options
  return await openParquetFile(store, path, {
    pool,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    nameMapping,
  })
}

/** Every row of a file, as values of the wanted fields in the file's types; missing fields are left out. */
export async function readFile(
  file: ParquetFile,
  wanted: readonly NestedField[],
): Promise<Value[][]> {
  const projection = file.project(wanted)
  const fields = projection.columns.map((c) => c.field)
  const rows: Value[][] = []
  for (const { index } of file.rowGroups) {
    for await (const { batch } of file.readRowGroup(index, projection)) {
      rows.push(...readRows(batch, fields))
    }
  }
  return rows
}

/** Puts a file from disk into the in-memory store. @returns its path there. */
export async function putFile(file: string): Promise<string> {
  const path = `memory://disk/${file}`
  await store.put(path, readFileSync(file))
  return path
}
