/**
 * Writes a data file: batches are collected into row groups, each row group is encoded by a worker, and the encoded
 * bytes are placed into the file in order. So the row groups of one file are encoded in parallel, and memory is
 * bounded by a few of them. iceberg-writer.md §E.
 */
import type { Schema as ArrowSchema, RecordBatch, Struct } from 'apache-arrow'
import { assert, FloeError, throwIfAborted } from '../../core/errors.ts'
import { stringifyJson } from '../../core/json.ts'
import { VERSION } from '../../core/version.ts'
import type { ObjectWriter } from '../../io/store.ts'
import { arrow, loadArrow } from '../columns/arrow.ts'
import { toArrowSchema } from '../columns/arrow-schema.ts'
import { rowsWithin, selectedWithin } from '../columns/batch-bytes.ts'
import { columnData } from '../columns/column-data.ts'
import { type ColumnMetrics, finishMetrics } from '../columns/finish-metrics.ts'
import { emptyMetrics, type FileMetrics, mergeMetrics } from '../columns/metrics.ts'
import type { MetricsModes } from '../columns/metrics-mode.ts'
import { Scratch } from '../columns/scratch.ts'
import { takeRows } from '../columns/take.ts'
import type { Schema } from '../spec/schema.ts'
import { schemaToJson } from '../spec/schema-json.ts'
import { analyzeBatch, emptyAnalysis, type RowGroupAnalysis } from './analyze-row-group.ts'
import { readEncodedRowGroup } from './encoded-row-group.ts'
import { encoderSchema } from './encoder-schema.ts'
import { FileAssembler } from './file-assembler.ts'
import { MAGIC } from './footer.ts'
import { IpcStream } from './ipc-stream.ts'
import { toParquetSchema } from './schema-mapping.ts'
import { PIECE_BUFFER_BYTES } from './shared-buffers.ts'
import type { ParquetPool } from './worker-pool.ts'
import type { EncodeRequest, EncodeResult } from './worker-protocol.ts'
import { type ParquetWriteOptions, parquetWriteOptions } from './write-options.ts'

export interface OpenParquetWriterOptions {
  /** Receives the file; closed or aborted together with this writer. */
  readonly writer: ObjectWriter
  readonly schema: Schema
  readonly pool: ParquetPool
  readonly modes: MetricsModes
  /** Table properties; those of `write.parquet.*` matter. */
  readonly properties?: Readonly<Record<string, string>> | undefined
  /** Overrides of what the properties say, for tests and benchmarks. */
  readonly options?: Partial<ParquetWriteOptions> | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ParquetWriter {
  /** Rows taken so far. */
  readonly recordCount: number
  /** Bytes of rows in memory: collected and under way. */
  readonly bufferedBytes: number
  /** What the file would have if it were closed now: bytes written, and a guess for the rows in memory. */
  readonly sizeBytesEstimate: number
  /**
   * Takes a batch of the table's Arrow schema for writing (see columns/arrow-schema). The batch is copied: its
   * buffers may change once this has resolved. Resolves when more is welcome.
   * @param indices the rows to take, in their order; all if left out.
   * @throws TYPE_MISMATCH for other columns; NULL_IN_REQUIRED; ABORTED; and what encoding and writing the rows
   *   before failed with. After an error only `abort` makes sense.
   */
  write(batch: RecordBatch, indices?: Int32Array): Promise<void>
  /**
   * Closes the row group under construction and resolves when no rows are in memory any more. Row groups get
   * smaller by it: for writers of many files that have to share memory. @throws as {@link write}.
   */
  flush(): Promise<void>
  /** Encodes what is left and completes the file. @throws as {@link write}; STORE_UNAVAILABLE … of the store. */
  close(): Promise<ParquetFileResult>
  /** Drops the file. Never throws; idempotent. */
  abort(): Promise<void>
}

/** What a manifest needs to know of a data file. */
export interface ParquetFileResult {
  readonly sizeBytes: number
  readonly recordCount: number
  readonly splitOffsets: readonly number[]
  readonly columnSizes: ReadonlyMap<number, number>
  readonly metrics: ColumnMetrics
}

/**
 * Starts a data file.
 * @throws UNSUPPORTED_TYPE for a column that cannot be stored; UNSUPPORTED_CODEC; BAD_ARGUMENT.
 */
export async function openParquetWriter(options: OpenParquetWriterOptions): Promise<ParquetWriter> {
  await loadArrow()
  return new Writer(options)
}

/** Copies and analyses of at most so many bytes are made on the calling thread without a break. */
const PIECE_BYTES: number = PIECE_BUFFER_BYTES - 64 * 1024
/** Chosen rows of a piece on their way from the caller's batch to the row group. */
const SCRATCH = new Scratch(PIECE_BUFFER_BYTES)
/** Row groups of at most so many values are analysed in place: faster than in a worker that has to load Arrow. */
const SMALL_GROUP_CELLS = 16_384

/** A row group being collected. */
interface Group {
  readonly ipc: IpcStream
  rows: number
  /** What its rows have told, as long as they are few enough to be analysed in place. */
  analysis: RowGroupAnalysis | undefined
}

class Writer implements ParquetWriter {
  readonly #out: ObjectWriter
  readonly #schema: Schema
  readonly #pool: ParquetPool
  readonly #modes: MetricsModes
  readonly #options: ParquetWriteOptions
  /** What batches have to be … */
  readonly #arrowSchema: ArrowSchema
  /** … and what the encoder takes them for. */
  readonly #encoderSchema: ArrowSchema
  readonly #encoderType: Struct
  readonly #assembler: FileAssembler
  readonly #metrics: FileMetrics = emptyMetrics()
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #floatIds: readonly number[]
  /** Top-level columns for which the encoder makes no statistics. */
  readonly #withoutStatistics: readonly string[]
  #knownSchema: ArrowSchema | undefined
  #group: Group | undefined
  /** Row groups that are being encoded, oldest first. */
  readonly #encoding = new Set<Promise<void>>()
  /** Ends when everything that was encoded is written. */
  #written: Promise<void> = Promise.resolve()
  #failure: unknown
  #state: 'open' | 'closing' | 'done' = 'open'
  #rowBytesUnderWay = 0
  #rowBytesDone = 0
  /** Bytes that were copied since the calling thread last did something else. */
  #bytesSincePause = 0
  recordCount = 0

  constructor(options: OpenParquetWriterOptions) {
    const parquetSchema = toParquetSchema(options.schema)
    this.#out = options.writer
    this.#schema = options.schema
    this.#pool = options.pool
    this.#modes = options.modes
    this.#options = { ...parquetWriteOptions(options.properties ?? {}), ...options.options }
    this.#arrowSchema = toArrowSchema(options.schema, 'write')
    this.#encoderSchema = encoderSchema(options.schema)
    this.#encoderType = new (arrow().Struct)(this.#encoderSchema.fields)
    const bare = [...this.#schema.entries()].filter(({ path }) =>
      this.#options.withoutStatistics.has(path.join('.')),
    )
    // The encoder takes names, not paths: what it makes for columns inside others is left out of the file.
    this.#withoutStatistics = bare.flatMap(({ path }) => (path.length === 1 ? path : []))
    this.#assembler = new FileAssembler(
      parquetSchema,
      [{ key: 'iceberg.schema', value: stringifyJson(schemaToJson(options.schema)) }],
      `floe version ${VERSION}`,
      new Set(bare.map(({ field }) => field.id)),
    )
    this.#floatIds = parquetSchema.columns
      .filter((c) => c.type.kind === 'float' || c.type.kind === 'double')
      .map((c) => c.fieldId)
    this.#signal =
      options.signal === undefined
        ? this.#stop.signal
        : AbortSignal.any([options.signal, this.#stop.signal])
  }

  get bufferedBytes(): number {
    return (this.#group?.ipc.bytes ?? 0) + this.#rowBytesUnderWay
  }

  get sizeBytesEstimate(): number {
    const ratio =
      this.#rowBytesDone === 0 ? GUESSED_RATIO : this.#assembler.position / this.#rowBytesDone
    return this.#assembler.position + Math.ceil(this.bufferedBytes * ratio)
  }

  async write(batch: RecordBatch, indices?: Int32Array): Promise<void> {
    this.#checkOpen()
    this.#checkSchema(batch)
    this.#checkNulls(batch)
    const count = indices?.length ?? batch.numRows
    let row = 0
    while (row < count) {
      this.#group ??= {
        ipc: new IpcStream(this.#encoderSchema),
        rows: 0,
        analysis: emptyAnalysis(),
      }
      const group = this.#group
      const most = Math.min(count - row, this.#options.rowGroupRows - group.rows)
      const { rowGroupBytes } = this.#options
      // A little more than there is room for, so that no slivers fill it up.
      const room = rowGroupBytes - group.ipc.bytes + rowGroupBytes / 64
      const bytes = Math.min(PIECE_BYTES, room)
      const { children } = batch.data
      const rows =
        indices === undefined
          ? wholeBytes(row, rowsWithin(children, row, most, bytes), count)
          : selectedWithin(children, indices, row, most, bytes)
      const bytesBefore = group.ipc.bytes
      this.#collect(group, batch, row, row + rows, indices)
      row += rows
      this.recordCount += rows
      this.#bytesSincePause += group.ipc.bytes - bytesBefore
      const isFull =
        group.rows >= this.#options.rowGroupRows || group.ipc.bytes >= this.#options.rowGroupBytes
      if (isFull) await this.#closeGroup()
      if (this.#bytesSincePause >= PIECE_BYTES) {
        this.#bytesSincePause = 0
        await this.#pool.runtime.sleep(0)
      }
      this.#checkOpen()
    }
  }

  async flush(): Promise<void> {
    this.#checkOpen()
    await this.#closeGroup()
    await this.#written
    this.#checkOpen()
  }

  async close(): Promise<ParquetFileResult> {
    this.#checkOpen()
    this.#state = 'closing'
    try {
      await this.#closeGroup()
      await this.#written
      if (this.#failure !== undefined) throw this.#failure
      throwIfAborted(this.#signal, WHAT)
      if (this.#assembler.rowGroupCount === 0) await this.#out.write(MAGIC)
      const file = await this.#assembler.finish(() => this.#pool.runtime.sleep(0))
      await this.#out.write(file.tail)
      const stat = await this.#out.close()
      assert(stat.sizeBytes === file.sizeBytes, 'the store holds every byte of the file', {
        file: stat.path,
      })
      this.#state = 'done'
      return {
        sizeBytes: file.sizeBytes,
        recordCount: file.recordCount,
        splitOffsets: file.splitOffsets,
        columnSizes: file.columnSizes,
        metrics: finishMetrics(this.#metrics, this.#schema, this.#modes),
      }
    } catch (error) {
      await this.abort()
      throw error
    }
  }

  async abort(): Promise<void> {
    if (this.#state === 'done') return
    this.#state = 'done'
    this.#group = undefined
    this.#stop.abort()
    await this.#written
    await this.#out.abort()
  }

  #checkOpen(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#state !== 'open') throw new FloeError('HANDLE_CLOSED', 'The data file is complete')
    throwIfAborted(this.#signal, WHAT)
  }

  /** Columns by name, order and type; nullability is checked against the values. */
  #checkSchema(batch: RecordBatch): void {
    if (batch.schema === this.#knownSchema) return
    const expected = this.#arrowSchema.fields
    const actual = batch.schema.fields
    const wrong = expected.findIndex((field, i) => {
      const other = actual[i]
      return other?.name !== field.name || String(other.type) !== String(field.type)
    })
    if (wrong >= 0 || actual.length !== expected.length) {
      const at = wrong >= 0 ? wrong : expected.length
      const text = (fields: typeof expected): string =>
        fields[at] === undefined ? 'nothing' : `${fields[at].name}: ${fields[at].type}`
      throw new FloeError(
        'TYPE_MISMATCH',
        `Cannot write a batch: column ${at} has to be ${text(expected)} and is ${text(actual)}. ` +
          'Convert the batch to the schema of the table',
        { context: { column: expected[at]?.name ?? String(actual[at]?.name) } },
      )
    }
    this.#knownSchema = batch.schema
  }

  #checkNulls(batch: RecordBatch): void {
    this.#arrowSchema.fields.forEach((field, i) => {
      if (field.nullable || batch.data.children[i]?.nullCount === 0) return
      throw new FloeError(
        'NULL_IN_REQUIRED',
        `Cannot write a batch: the required column "${field.name}" holds ` +
          `${batch.data.children[i]?.nullCount} nulls. Give values, or make the column optional`,
        { context: { column: field.name } },
      )
    })
  }

  /** Adds rows of a batch to a group: those from one place on, before another. */
  #collect(
    group: Group,
    from: RecordBatch,
    start: number,
    end: number,
    indices: Int32Array | undefined,
  ): void {
    // Without indices a run of rows, which is not copied.
    const rows =
      indices === undefined
        ? from.numRows === end - start
          ? from
          : from.slice(start, end)
        : takeRows(from, indices.subarray(start, end), SCRATCH)
    // Under the schema of the table: names, field ids and what may be null are not the caller's to say.
    const { RecordBatch: ArrowRecordBatch } = arrow()
    const { children } = rows.data
    const data = columnData(this.#encoderType, { length: rows.numRows, nullCount: 0, children })
    const batch = new ArrowRecordBatch(this.#encoderSchema, data as RecordBatch['data'])
    group.ipc.add(batch)
    group.rows += rows.numRows
    const isSmall = group.rows * this.#arrowSchema.fields.length <= SMALL_GROUP_CELLS
    group.analysis =
      isSmall && group.analysis !== undefined
        ? analyzeBatch(group.analysis, batch, this.#modes)
        : undefined
    SCRATCH.clear()
  }

  /**
   * Sends the collected row group to a worker. Waits before that while as many as there are workers are under way:
   * the group after them has been collected meanwhile.
   */
  async #closeGroup(): Promise<void> {
    const group = this.#group
    if (group === undefined) return
    while (this.#encoding.size >= this.#pool.size) await first(this.#encoding)
    // Whoever aborted meanwhile has dropped the group.
    if (this.#group !== group) return
    this.#group = undefined
    const bytes = group.ipc.bytes
    const { codec, pageBytes, dictionaryBytes } = this.#options
    const request: EncodeRequest = {
      kind: 'encode',
      ipc: group.ipc.finish(),
      options: {
        codec,
        pageBytes,
        dictionaryBytes,
        withoutStatistics: this.#withoutStatistics,
      },
      analysis: group.analysis ?? { kind: 'request', modes: this.#modes },
    }
    this.#rowBytesUnderWay += bytes
    const encoded = this.#pool.run(request, this.#signal)
    const before = this.#written
    const written = encoded
      .then(async (result) => {
        // Only now is nobody reading it; after a failure some thread still might.
        group.ipc.release()
        await before
        if (this.#failure === undefined) await this.#place(result)
        this.#rowBytesDone += bytes
      })
      .catch((error: unknown) => {
        this.#failure ??= error
      })
      .finally(() => {
        this.#rowBytesUnderWay -= bytes
        this.#encoding.delete(written)
      })
    this.#written = written
    this.#encoding.add(written)
  }

  /** Copies the column data of an encoded row group to the end of the file. */
  async #place(result: EncodeResult): Promise<void> {
    const { file, analysis } = result
    const source = readEncodedRowGroup(file, this.#pool.limits)
    const isFirst = this.#assembler.rowGroupCount === 0
    this.#assembler.addRowGroup({ ...source, nanCounts: this.#nanCounts(analysis.metrics) })
    mergeMetrics(this.#metrics, analysis.metrics)
    // The first row group brings the magic of the file along.
    const start = isFirst ? 0 : source.dataOffset
    await this.#out.write(file.subarray(start, source.dataOffset + source.dataLength))
  }

  #nanCounts(metrics: FileMetrics): Map<number, number> {
    const counts = new Map<number, number>()
    for (const id of this.#floatIds) {
      const leaf = metrics.columns.get(id)
      if (leaf !== undefined) counts.set(id, leaf.nanCount)
    }
    return counts
  }
}

const WHAT = 'Writing a data file'

/** Ends a run of rows where a byte of their bitmaps does, if it can: the next one would have to shift all bits. */
function wholeBytes(start: number, rows: number, count: number): number {
  const end = start + rows
  return rows < 64 || end === count ? rows : rows - (end % 8)
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const item of set) return item
  return undefined
}

/** Encoded bytes for each byte of rows, until the first row group tells. */
const GUESSED_RATIO = 0.4
