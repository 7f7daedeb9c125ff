/**
 * Writes rows as data files: split by partition, rolled at the target size, within a memory budget over all
 * partitions. Iceberg spec §Writing; items 25, 63, 71, 72.
 *
 * A partition's file is opened only when there is enough for a row group or the rows end, so many partitions with few
 * rows each cost memory but no handles. When the budget is reached, the partition with most rows in memory writes
 * a row group; when too many files are open, the largest is completed.
 */
import type { RecordBatch } from 'apache-arrow'
import { parallelMap } from '../../../core/concurrency.ts'
import { assert, throwIfAborted } from '../../../core/errors.ts'
import { uuidV4 } from '../../../core/runtime.ts'
import { joinLocation } from '../../../io/location.ts'
import { resolveMetricsModes } from '../../columns/metrics-mode.ts'
import { PartitionSplitter } from '../../columns/partition-split.ts'
import { copyRows } from '../../columns/take.ts'
import type { ContentFile } from '../../manifest/entry.ts'
import { batchBytes } from '../../parquet/batch-size.ts'
import { openParquetWriter, type ParquetWriter } from '../../parquet/writer.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import type { PartitionSpec } from '../../spec/partition-spec.ts'
import { targetFileSizeBytes } from '../../spec/properties.ts'
import type { Schema } from '../../spec/schema.ts'
import type { Value } from '../../spec/value.ts'
import { deleteQuietly } from '../commit.ts'
import { withLineage } from '../deletes/reserved-fields.ts'
import { type Environment, requestOptions } from '../environment.ts'
import { dataFolder, partitionPath } from '../locations.ts'
import { currentSchema, defaultSortOrder, specById } from '../table-state.ts'

/** A file is opened for a partition once it has rows of so many bytes. */
const OPEN_FILE_BYTES = 8 * 1024 * 1024

interface OpenFile {
  readonly path: string
  /** Numbers of the rows given to it, if they are tracked. */
  readonly rows: Int32Array[]
  readonly writer: ParquetWriter
}

export interface DataWriterOptions {
  readonly signal: AbortSignal | undefined
  /** Batches have, and files keep, the row id and last change of rows that come from other files (v3). */
  readonly lineage?: boolean | undefined
  /** Notes which rows each file has. */
  readonly tracksRows?: boolean | undefined
}

/** A data file and, where the writer tracks them, the rows that it has: their numbers among all rows taken. */
export interface WrittenFile {
  readonly file: ContentFile
  /** In the order of the file's positions. */
  readonly rows: Int32Array | undefined
}

interface Partition {
  readonly values: readonly Value[]
  /** Rows that no file has taken yet. */
  pending: Pending[]
  pendingBytes: number
  file: OpenFile | undefined
}

interface Pending {
  readonly batch: RecordBatch
  /** The rows of it that are meant; all if undefined. */
  readonly indices: Int32Array | undefined
  /** Numbers of its rows, if they are tracked. */
  readonly rows: Int32Array | undefined
}

export class DataWriter {
  readonly schema: Schema
  readonly #env: Environment
  readonly #metadata: TableMetadata
  readonly #spec: PartitionSpec
  readonly #splitter: PartitionSplitter
  readonly #modes: ReturnType<typeof resolveMetricsModes>
  readonly #targetBytes: number
  readonly #runId: string
  readonly #signal: AbortSignal | undefined
  readonly #partitions = new Map<string, Partition>()
  readonly #tracksRows: boolean
  readonly #files: WrittenFile[] = []
  /** Every path that was begun, for clean-up. */
  readonly #paths: string[] = []
  #rows = 0

  /** @throws UNSUPPORTED_TRANSFORM, UNSUPPORTED_TYPE, BAD_ARGUMENT for properties */
  constructor(env: Environment, metadata: TableMetadata, options: DataWriterOptions) {
    this.#env = env
    this.#metadata = metadata
    const schema = currentSchema(metadata)
    this.schema = options.lineage === true ? withLineage(schema) : schema
    this.#tracksRows = options.tracksRows ?? false
    this.#spec = specById(metadata, metadata.defaultSpecId)
    this.#splitter = new PartitionSplitter(this.schema, this.#spec)
    this.#modes = resolveMetricsModes(schema, metadata.properties, defaultSortOrder(metadata))
    this.#targetBytes = targetFileSizeBytes(metadata.properties)
    this.#runId = uuidV4(env.runtime)
    this.#signal = options.signal
  }

  /** Rows taken so far. */
  get rowCount(): number {
    return this.#rows
  }

  /** Takes a batch of the table's schema for writing; resolves when more is welcome. */
  async write(batch: RecordBatch): Promise<void> {
    throwIfAborted(this.#signal, 'Writing data files')
    const first = this.#rows
    this.#rows += batch.numRows
    const groups = this.#splitter.groups(batch)
    for (const { key, values, indices } of groups) {
      let partition = this.#partitions.get(key)
      if (partition === undefined) {
        partition = { values, pending: [], pendingBytes: 0, file: undefined }
        this.#partitions.set(key, partition)
      }
      const rows = this.#tracksRows ? indices.map((row) => first + row) : undefined
      await this.#add(partition, batch, groups.length === 1 ? undefined : indices, rows)
    }
    await this.#keepWithinBudget()
  }

  /** Completes all files. @throws what encoding or the store fail with; then call {@link abort}. */
  async close(): Promise<readonly WrittenFile[]> {
    const partitions = [...this.#partitions.values()]
    await parallelMap(partitions, this.#env.pool.size * 2, async (partition) => {
      throwIfAborted(this.#signal, 'Writing data files')
      if (partition.pending.length > 0) await this.#drain(partition)
      await this.#complete(partition)
    })
    this.#partitions.clear()
    return this.#files
  }

  /** Deletes everything that was written. Never throws. */
  async abort(): Promise<void> {
    for (const { file } of this.#partitions.values()) await file?.writer.abort()
    this.#partitions.clear()
    await deleteQuietly(this.#env, this.#paths)
  }

  /** Takes rows of a batch, all or those at `indices`: `rows` are their numbers, if they are tracked. */
  async #add(
    partition: Partition,
    batch: RecordBatch,
    indices: Int32Array | undefined,
    rows: Int32Array | undefined,
  ): Promise<void> {
    const share = indices === undefined ? 1 : indices.length / batch.numRows
    const bytes = batchBytes(batch) * share + BATCH_OVERHEAD_BYTES
    if (partition.file !== undefined || partition.pendingBytes + bytes >= OPEN_FILE_BYTES) {
      const file = await this.#drain(partition)
      await file.writer.write(batch, indices)
      if (rows !== undefined) file.rows.push(rows)
    } else {
      // Rows that wait must not keep many of other partitions in memory.
      const isMost = indices === undefined || share >= 0.5
      const kept = isMost
        ? { batch, indices, rows }
        : { batch: copyRows(batch, indices), indices: undefined, rows }
      partition.pending.push(kept)
      partition.pendingBytes += batchBytes(kept.batch) + BATCH_OVERHEAD_BYTES
    }
    if ((partition.file?.writer.sizeBytesEstimate ?? 0) >= this.#targetBytes) {
      await this.#complete(partition)
    }
  }

  /** Gives a partition's rows to its file, opening one if there is none. */
  async #drain(partition: Partition): Promise<OpenFile> {
    const file = (partition.file ??= await this.#open(partition.values))
    const { pending } = partition
    partition.pending = []
    partition.pendingBytes = 0
    for (const { batch, indices, rows } of pending) {
      await file.writer.write(batch, indices)
      if (rows !== undefined) file.rows.push(rows)
    }
    return file
  }

  async #open(values: readonly Value[]): Promise<OpenFile> {
    const folder = joinLocation(
      dataFolder(this.#metadata),
      ...(this.#spec.fields.length === 0 ? [] : [partitionPath(this.#spec, this.schema, values)]),
    )
    const index = String(this.#paths.length).padStart(5, '0')
    const path = joinLocation(folder, `${index}-${this.#runId}.parquet`)
    this.#paths.push(path)
    const writer = await this.#env.store.openWriter(path, requestOptions(this.#signal))
    return {
      path,
      rows: [],
      writer: await openParquetWriter({
        writer,
        schema: this.schema,
        pool: this.#env.pool,
        modes: this.#modes,
        properties: this.#metadata.properties,
        signal: this.#signal,
      }),
    }
  }

  async #complete(partition: Partition): Promise<void> {
    const { file } = partition
    if (file === undefined) return
    const result = await file.writer.close()
    partition.file = undefined
    const rows = this.#tracksRows ? joinRows(file.rows, result.recordCount) : undefined
    this.#files.push({
      rows,
      file: {
        content: 'data',
        filePath: file.path,
        fileFormat: 'PARQUET',
        specId: this.#spec.specId,
        partition: partition.values,
        recordCount: result.recordCount,
        fileSizeBytes: result.sizeBytes,
        columnSizes: result.columnSizes,
        ...result.metrics,
        splitOffsets: result.splitOffsets,
      },
    })
  }

  async #keepWithinBudget(): Promise<void> {
    const { writeBufferBytes, openPartitions } = this.#env.limits
    const buffered = (p: Partition): number => p.pendingBytes + (p.file?.writer.bufferedBytes ?? 0)
    if (this.#partitions.size > 1) {
      let total = 0
      for (const p of this.#partitions.values()) total += buffered(p)
      while (total > writeBufferBytes) {
        const largest = this.#largest(buffered)
        const before = buffered(largest)
        await this.#drain(largest)
        await largest.file?.writer.flush()
        total -= before - buffered(largest)
        if (before === buffered(largest)) break
      }
    }
    const open = [...this.#partitions.values()].filter((p) => p.file !== undefined)
    if (open.length > openPartitions) {
      const fullest = this.#largest((p) => p.file?.writer.sizeBytesEstimate ?? 0)
      await this.#complete(fullest)
    }
  }

  #largest(size: (partition: Partition) => number): Partition {
    let largest: Partition | undefined
    for (const partition of this.#partitions.values()) {
      if (largest === undefined || size(partition) > size(largest)) largest = partition
    }
    return largest as Partition
  }
}

function joinRows(parts: readonly Int32Array[], count: number): Int32Array {
  const rows = new Int32Array(count)
  let at = 0
  for (const part of parts) {
    rows.set(part, at)
    at += part.length
  }
  assert(at === count, 'each row of a file was given by the caller')
  return rows
}

/** What the objects of a small batch weigh beside its values, roughly. */
const BATCH_OVERHEAD_BYTES = 2048
