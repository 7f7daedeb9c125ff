/**
 * Reads data files: the footer, then of each wanted row group the wanted column chunks alone, by ranges, which a
 * worker decodes. All access to the store happens here; the decoder sees bytes.
 */
import type { Schema as ArrowSchema, RecordBatch } from 'apache-arrow'
import { parallelMap } from '../../core/concurrency.ts'
import { FloeError, throwIfAborted } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import type { LruCache } from '../../core/lru.ts'
import type { ObjectStore } from '../../io/store.ts'
import { arrow, loadArrow } from '../columns/arrow.ts'
import { toArrowSchema } from '../columns/arrow-schema.ts'
import type { BoundExpression, BoundRef } from '../spec/expressions/expression.ts'
import { type ColumnRange, rowsMightMatch } from '../spec/expressions/metrics-evaluator.ts'
import { Schema } from '../spec/schema.ts'
import type { NestedField } from '../spec/types.ts'
import { arrowSchemaHint } from './arrow-schema-hint.ts'
import { layoutOf } from './column-layout.ts'
import { buildBatch } from './decoded-batch.ts'
import { buildFileSchema, type FileSchema } from './file-schema.ts'
import { MAGIC, notParquet, type ParquetFooter, readFooter, readRange } from './footer.ts'
import type { NameMapping } from './name-mapping.ts'
import { findLeaf, type Projection, resolveProjection } from './projection.ts'
import { planReads, type RangeRead } from './range-reads.ts'
import { planRowGroupFile, type RowGroupFilePlan } from './row-group-file.ts'
import { columnRange } from './row-group-statistics.ts'
import type { ParquetPool } from './worker-pool.ts'
import type { DecodeRequest, DecodeResult } from './worker-protocol.ts'

export interface OpenParquetFileOptions {
  readonly pool: ParquetPool
  readonly limits: Limits
  /** The file's size, if a manifest says so: saves a request. */
  readonly sizeBytes?: number | undefined
  /** For files without field ids: property `schema.name-mapping.default`. */
  readonly nameMapping?: NameMapping | undefined
  /** Footers by path, weighed by their stored size; data files never change. */
  readonly footerCache?: LruCache<string, ParquetFooter> | undefined
  readonly signal?: AbortSignal | undefined
}

export interface RowGroupInfo {
  readonly index: number
  readonly numRows: number
  /** Position in the file of the group's first row. */
  readonly firstRowPosition: number
}

/** Rows of one row group, in file order. */
export interface PositionedBatch {
  readonly batch: RecordBatch
  readonly rowGroup: number
  /** Position in the file of the batch's first row: what position deletes count by. */
  readonly firstRowPosition: number
}

export interface ReadRowGroupOptions {
  /** Rows of a batch at most; 65,536 if left out, fewer where rows are large. */
  readonly batchRows?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ParquetFile {
  readonly path: string
  readonly footer: ParquetFooter
  readonly fileSchema: FileSchema
  readonly rowGroups: readonly RowGroupInfo[]
  /**
   * Resolves wanted columns against the file's schema; do it once for all row groups. Batches then have the columns
   * `projection.columns[…].field`: ids and names as wanted, types and nullability as the file has them.
   * @throws UNSUPPORTED_TYPE
   */
  project(wanted: readonly NestedField[]): Projection
  /**
   * Reads the projected columns of a row group. The reads of a group begin when its first batch is asked for; one
   * part of a large group is decoded ahead of the consumer.
   * @throws CORRUPT_PARQUET, CHECKSUM_MISMATCH, UNSUPPORTED_CODEC, LIMIT_EXCEEDED, WORKER_FAILED, ABORTED and the
   *   store's errors.
   */
  readRowGroup(
    index: number,
    projection: Projection,
    options?: ReadRowGroupOptions,
  ): AsyncGenerator<PositionedBatch, void, undefined>
  /** False only if no row of the group can match, by the group's statistics. `schema` is what was bound to. */
  rowGroupMightMatch(index: number, expression: BoundExpression, schema: Schema): boolean
}

/**
 * Opens a data file: reads its footer.
 * @throws FILE_NOT_FOUND, CORRUPT_PARQUET, ENCRYPTED_FILE, LIMIT_EXCEEDED and the store's errors.
 */
export async function openParquetFile(
  store: ObjectStore,
  path: string,
  options: OpenParquetFileOptions,
): Promise<ParquetFile> {
  const { footerCache, sizeBytes, limits, signal } = options
  let footer = footerCache?.get(path)
  if (footer === undefined) {
    const pause = (): Promise<void> => options.pool.runtime.sleep(0, signal)
    footer = await readFooter(store, path, { sizeBytes, limits, signal, pause })
    const weight = footer.fileSizeBytes - footer.offset + (footer.wholeFile?.length ?? 0)
    footerCache?.set(path, footer, weight)
  }
  return new File(store, path, footer, options)
}

const BATCH_ROWS = 65_536
const MIN_BATCH_ROWS = 1_024
const BATCH_BYTES = 16 * 1024 * 1024
/** Row groups that decode to more are decoded in parts of about this size. */
const PART_BYTES = 32 * 1024 * 1024
const CONCURRENT_READS = 4

class File implements ParquetFile {
  readonly path: string
  readonly footer: ParquetFooter
  readonly fileSchema: FileSchema
  readonly rowGroups: readonly RowGroupInfo[]
  readonly #store: ObjectStore
  readonly #options: OpenParquetFileOptions

  constructor(
    store: ObjectStore,
    path: string,
    footer: ParquetFooter,
    options: OpenParquetFileOptions,
  ) {
    this.path = path
    this.footer = footer
    this.#store = store
    this.#options = options
    this.fileSchema = buildFileSchema(footer.metadata.schema, path)
    let firstRowPosition = 0
    this.rowGroups = footer.metadata.row_groups.map((group, index) => {
      const info = { index, numRows: group.num_rows, firstRowPosition }
      firstRowPosition += group.num_rows
      return info
    })
  }

  project(wanted: readonly NestedField[]): Projection {
    const { nameMapping } = this.#options
    return resolveProjection(this.fileSchema, wanted, { path: this.path, nameMapping })
  }

  async *readRowGroup(
    index: number,
    projection: Projection,
    options: ReadRowGroupOptions = {},
  ): AsyncGenerator<PositionedBatch, void, undefined> {
    const info = this.rowGroups[index]
    const rowGroup = this.footer.metadata.row_groups[index]
    if (info === undefined || rowGroup === undefined) {
      throw new FloeError('BAD_ARGUMENT', `${this.path} has no row group ${index}`, {
        context: { file: this.path, rowGroup: index },
      })
    }
    if (info.numRows === 0) return
    await loadArrow()
    const signal = options.signal ?? this.#options.signal
    const fields = projection.columns.map((c) => c.field)
    const schema = toArrowSchema(new Schema({ schemaId: 0, fields }), 'read')
    const plan = planRowGroupFile(this.footer, this.fileSchema, rowGroup, projection, {
      path: this.path,
      limits: this.#options.limits,
      arrowSchema: projection.int96 ? arrowSchemaHint(projection, this.path) : undefined,
    })
    const rows = batchRowsOf(plan, options.batchRows)
    const batches =
      projection.leaves.length === 0
        ? emptyBatches(plan.numRows, rows, schema)
        : this.#decode(plan, projection, schema, rows, signal)
    let firstRowPosition = info.firstRowPosition
    const endPosition = info.firstRowPosition + info.numRows
    for await (const batch of batches) {
      throwIfAborted(signal, `Reading ${this.path}`)
      yield { batch, rowGroup: index, firstRowPosition }
      firstRowPosition += batch.numRows
    }
    if (firstRowPosition !== endPosition) {
      const found = firstRowPosition - info.firstRowPosition
      throw notParquet(this.path, `row group ${index} holds ${found} rows, not ${info.numRows}`)
    }
  }

  rowGroupMightMatch(index: number, expression: BoundExpression, schema: Schema): boolean {
    const rowGroup = this.footer.metadata.row_groups[index]
    if (rowGroup === undefined) return true
    // A reader that came this far with no rows to give has nothing to match.
    if (rowGroup.num_rows === 0) return false
    const orders = this.footer.metadata.column_orders
    const rangeOf = (ref: BoundRef): ColumnRange => {
      const idPath = schema.findById(ref.fieldId)?.idPath ?? []
      const fields = idPath.flatMap((id) => schema.findById(id)?.field ?? [])
      const leaf = findLeaf(this.fileSchema, fields, this.#options.nameMapping)
      const chunk = leaf && rowGroup.columns[leaf.firstLeaf]
      if (leaf === undefined || chunk === undefined) return {}
      return columnRange(chunk, leaf.element, orders?.[leaf.firstLeaf], ref.type)
    }
    return rowsMightMatch(expression, rangeOf)
  }

  async *#decode(
    plan: RowGroupFilePlan,
    projection: Projection,
    schema: ArrowSchema,
    batchRows: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<RecordBatch, void, undefined> {
    const file = await this.#assemble(plan, signal)
    const partRows = partRowsOf(plan, batchRows)
    const request = (offsetRows: number): DecodeRequest => ({
      kind: 'decode',
      file,
      chunks: plan.chunks,
      columns: projection.columns.map(layoutOf),
      maxBytes: this.#options.limits.rowGroupBytes,
      batchRows,
      offsetRows,
      limitRows: Math.min(partRows, plan.numRows - offsetRows),
      path: this.path,
    })
    const stop = new AbortController()
    const abort = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
    const decode = (offsetRows: number): Promise<DecodeResult> => {
      const result = this.#options.pool.run(request(offsetRows), abort)
      // A failure is reported when its turn comes; until then it must not count as unhandled.
      result.catch(() => undefined)
      return result
    }
    let next: Promise<DecodeResult> | undefined
    try {
      next = decode(0)
      for (let offsetRows = 0; next !== undefined; ) {
        const { batches } = await next
        offsetRows += partRows
        next = offsetRows < plan.numRows ? decode(offsetRows) : undefined
        for (const exported of batches) yield buildBatch(exported, projection.columns, schema)
      }
    } finally {
      // The reason of an abort has a stack trace, which costs more than a small batch.
      if (next !== undefined) stop.abort()
    }
  }

  /** The planned file in shared memory, so that every part can be decoded from it by any worker. */
  async #assemble(plan: RowGroupFilePlan, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const file = new Uint8Array(new SharedArrayBuffer(plan.sizeBytes))
    file.set(MAGIC)
    file.set(plan.footer, plan.sizeBytes - plan.footer.length)
    const request = signal === undefined ? {} : { signal }
    const fetch = async (read: RangeRead): Promise<void> => {
      const { wholeFile } = this.footer
      const bytes =
        wholeFile?.subarray(read.offset, read.offset + read.length) ??
        (await readRange(this.#store, this.path, read.offset, read.length, request))
      for (const { from, to, length } of read.copies) {
        file.set(bytes.subarray(from, from + length), to)
      }
      // Copies of several reads in a row would hold up everything else.
      if (read.length > LONG_COPY_BYTES) await this.#options.pool.runtime.sleep(0, signal)
    }
    await parallelMap(planReads(plan), CONCURRENT_READS, fetch)
    return file
  }
}

const LONG_COPY_BYTES = 2 * 1024 * 1024

function rowBytesOf(plan: RowGroupFilePlan): number {
  return Math.max(1, plan.declaredBytes / Math.max(1, plan.numRows))
}

/** Rows of a batch: as asked, but not more than fit into {@link BATCH_BYTES}. */
function batchRowsOf(plan: RowGroupFilePlan, asked: number = BATCH_ROWS): number {
  const fitting = Math.max(MIN_BATCH_ROWS, Math.floor(BATCH_BYTES / rowBytesOf(plan)))
  return Math.max(1, Math.min(asked, fitting))
}

/** Rows decoded by one request, in whole batches. */
function partRowsOf(plan: RowGroupFilePlan, batchRows: number): number {
  if (plan.declaredBytes <= PART_BYTES) return Math.max(1, plan.numRows)
  const batches = Math.max(1, Math.floor(PART_BYTES / rowBytesOf(plan) / batchRows))
  return batches * batchRows
}

/** Batches without columns, for queries that need rows to be counted alone. */
function* emptyBatches(
  numRows: number,
  batchRows: number,
  schema: ArrowSchema,
): Generator<RecordBatch> {
  const { RecordBatch: ArrowRecordBatch, makeData, Struct } = arrow()
  const type = new Struct(schema.fields)
  for (let row = 0; row < numRows; row += batchRows) {
    const length = Math.min(batchRows, numRows - row)
    yield new ArrowRecordBatch(schema, makeData({ type, length, nullCount: 0, children: [] }))
  }
}
