/** Reads the files of a plan: row groups in parallel, batches in order, filtered by what the plan left to test. */
import type { RecordBatch } from 'apache-arrow'
import { readAhead } from '../../../core/concurrency.ts'
import { loadArrow } from '../../columns/arrow.ts'
import { Conformer } from '../../columns/conform.ts'
import { matchingRows } from '../../columns/filter.ts'
import { takeRows } from '../../columns/take.ts'
import { parseNameMapping } from '../../parquet/name-mapping.ts'
import type { ParquetFile } from '../../parquet/reader.ts'
import { PositionBitmap } from '../../puffin/position-bitmap.ts'
import { referencedFieldIds } from '../../spec/expressions/bind.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import { TableProperty } from '../../spec/properties.ts'
import { Schema } from '../../spec/schema.ts'
import type { NestedField } from '../../spec/types.ts'
import type { Value } from '../../spec/value.ts'
import { DeleteLoader } from '../deletes/delete-loader.ts'
import { EqualityDeleteLoader, type EqualityFilter } from '../deletes/equality-deletes.ts'
import type { Environment } from '../environment.ts'
import { openParquet } from '../open-parquet.ts'
import { MetadataColumns } from './metadata-columns.ts'
import type { FileScanTask } from './plan.ts'

export interface ReadOptions {
  readonly metadata: TableMetadata
  /** The schema of the scanned snapshot or table. */
  readonly schema: Schema
  /** Columns of the result, in order. */
  readonly columns: readonly NestedField[]
  readonly batchRows: number | undefined
  readonly signal: AbortSignal | undefined
}

/** A row group of a file that may hold matching rows. */
interface Unit {
  readonly task: FileScanTask
  readonly file: ParquetFile
  readonly rowGroup: number
  readonly weight: number
  readonly reader: FileReader
}

/** Rows of one data file, and where they stand in it. */
export interface FileRows {
  readonly task: FileScanTask
  readonly batch: RecordBatch
  readonly firstRowPosition: number
  /** Row i of the batch has position `firstRowPosition + rows[i]`, or `firstRowPosition + i` for 'all'. */
  readonly rows: 'all' | Uint32Array | Int32Array
}

/**
 * The matching rows of the files, in plan order. Row groups ahead of the consumer are read and decoded while it works,
 * up to limits.scanBufferBytes.
 */
export async function* readTasks(
  env: Environment,
  tasks: readonly FileScanTask[],
  options: ReadOptions,
): AsyncGenerator<RecordBatch, void, undefined> {
  let last: { readonly task: FileScanTask; readonly columns: MetadataColumns } | undefined
  for await (const { task, batch, firstRowPosition, rows } of readFileRows(env, tasks, options)) {
    if (last?.task !== task) {
      const columns = new MetadataColumns(options.columns, {
        path: task.file.filePath,
        firstRowId: task.file.firstRowId,
        sequenceNumber: task.sequenceNumber,
      })
      last = { task, columns }
    }
    yield last.columns.fill(batch, firstRowPosition, rows)
  }
}

/**
 * As {@link readTasks}, with the place of each row. Columns that scans compute are not computed: they have what the
 * files store for them, and nulls elsewhere.
 */
export async function* readFileRows(
  env: Environment,
  tasks: readonly FileScanTask[],
  options: ReadOptions,
): AsyncGenerator<FileRows, void, undefined> {
  await loadArrow()
  const groups = readAhead(
    units(env, tasks, options),
    {
      concurrency: env.pool.size + 1,
      budget: env.limits.scanBufferBytes,
      weigh: (unit) => unit.weight,
      signal: options.signal,
      what: 'A scan',
    },
    (unit) => unit.reader.read(unit),
  )
  for await (const batches of groups) yield* batches
}

/** What is loaded once for a scan to apply deletes. */
interface Loaders {
  readonly positions: DeleteLoader
  readonly equality: EqualityDeleteLoader
}

async function* units(
  env: Environment,
  tasks: readonly FileScanTask[],
  options: ReadOptions,
): AsyncGenerator<Unit, void, undefined> {
  const mapping = options.metadata.properties[TableProperty.NAME_MAPPING]
  const nameMapping = mapping === undefined ? undefined : parseNameMapping(mapping)
  const loaders: Loaders = {
    positions: new DeleteLoader(env, options.signal),
    equality: new EqualityDeleteLoader(env, options.metadata, options.signal),
  }
  const opened = readAhead(
    tasks,
    {
      concurrency: 4,
      budget: Number.POSITIVE_INFINITY,
      weigh: () => 1,
      signal: options.signal,
      what: 'A scan',
    },
    async (task) => {
      const [file, deletes] = await Promise.all([
        openParquet(env, task.file, { nameMapping, signal: options.signal }),
        loadDeletes(task, loaders),
      ])
      return { task, file, deletes }
    },
  )
  for await (const { task, file, deletes } of opened) {
    const reader = new FileReader(task, file, deletes, options)
    for (const group of file.rowGroups) {
      if (group.numRows === 0) continue
      const end = group.firstRowPosition + group.numRows
      if (task.only?.countWithin(group.firstRowPosition, end) === 0) continue
      if (!file.rowGroupMightMatch(group.index, task.residual, options.schema)) continue
      if (deletes.positions.countWithin(group.firstRowPosition, end) === group.numRows) continue
      yield { task, file, reader, rowGroup: group.index, weight: reader.weightOf(group.index) }
    }
  }
}

/** Deletes of one file, loaded. */
interface LoadedDeletes {
  readonly positions: PositionBitmap
  readonly equality: EqualityFilter | undefined
}

async function loadDeletes(task: FileScanTask, loaders: Loaders): Promise<LoadedDeletes> {
  const { deletes, file, sequenceNumber, without = PositionBitmap.EMPTY } = task
  if (deletes === undefined) return { positions: without, equality: undefined }
  return {
    positions: without.union(await loaders.positions.positions(file, deletes)),
    equality:
      deletes.equality.length === 0
        ? undefined
        : await loaders.equality.filter(deletes.equality, sequenceNumber),
  }
}

/** Reads row groups of one file as wanted columns. */
class FileReader {
  readonly #task: FileScanTask
  readonly #file: ParquetFile
  readonly #deletes: LoadedDeletes
  readonly #options: ReadOptions
  readonly #projection: ReturnType<ParquetFile['project']>
  readonly #conformer: Conformer
  readonly #indexOf: ReadonlyMap<number, number>
  /** Columns that are read for the filter or for deletes alone come after those of the result. */
  readonly #extraColumns: number

  constructor(task: FileScanTask, file: ParquetFile, deletes: LoadedDeletes, options: ReadOptions) {
    this.#task = task
    this.#file = file
    this.#deletes = deletes
    this.#options = options
    const wanted = withFilterColumns(task, deletes, options)
    this.#extraColumns = wanted.length - options.columns.length
    this.#indexOf = new Map(wanted.map((field, i) => [field.id, i]))
    this.#projection = file.project(wanted)
    this.#conformer = new Conformer({
      wanted,
      found: this.#projection.columns.map((c) => c.field),
      constants: partitionConstants(task),
      path: task.file.filePath,
    })
  }

  /** Bytes that a row group takes while it waits: the column chunks that are read, and their values. */
  weightOf(rowGroup: number): number {
    const group = this.#file.footer.metadata.row_groups[rowGroup]
    let bytes = 0
    for (const leaf of this.#projection.leaves) {
      const chunk = group?.columns[leaf]?.meta_data
      if (chunk === undefined) continue
      // A dictionary may stand for far more bytes than it has.
      bytes +=
        chunk.total_compressed_size + Math.max(chunk.total_uncompressed_size, chunk.num_values * 8)
    }
    return bytes
  }

  async read(unit: Unit): Promise<FileRows[]> {
    const { batchRows, signal } = this.#options
    const batches: FileRows[] = []
    const read = this.#file.readRowGroup(unit.rowGroup, this.#projection, { batchRows, signal })
    for await (const { batch, firstRowPosition } of read) {
      const conformed = this.#conformer.conform(batch)
      const rows = this.#remaining(conformed, firstRowPosition)
      if (rows !== 'all' && rows.length === 0) continue
      const result = this.#extraColumns === 0 ? conformed : dropLast(conformed, this.#extraColumns)
      const taken = rows === 'all' ? result : takeRows(result, rows)
      batches.push({ task: this.#task, batch: taken, firstRowPosition, rows })
    }
    return batches
  }

  /** Rows that the filter keeps and no delete takes away. */
  #remaining(batch: RecordBatch, firstRowPosition: number): 'all' | Uint32Array | Int32Array {
    let rows: 'all' | Uint32Array | Int32Array = matchingRows(batch, this.#task.residual)
    const { only } = this.#task
    if (only !== undefined) rows = bothRows(rows, only.rowsInside(firstRowPosition, batch.numRows))
    const { positions, equality } = this.#deletes
    if (!positions.isEmpty) rows = positions.rowsOutside(firstRowPosition, batch.numRows, rows)
    if (equality === undefined || rows.length === 0) return rows
    return equality.remaining(batch, (id) => this.#indexOf.get(id) as number, rows)
  }
}

/** The rows that are in both, ascending. */
function bothRows(
  rows: 'all' | Uint32Array | Int32Array,
  others: Uint32Array,
): Uint32Array | Int32Array {
  if (rows === 'all') return others
  const found = new Set(others)
  return rows.filter((row) => found.has(row))
}

/** The result's columns, then top-level columns that only the residual or equality deletes need. */
function withFilterColumns(
  task: FileScanTask,
  deletes: LoadedDeletes,
  options: ReadOptions,
): readonly NestedField[] {
  const present = new Set<number>()
  for (const entry of new Schema({ schemaId: 0, fields: options.columns }).entries()) {
    present.add(entry.field.id)
  }
  const extra = new Map<number, NestedField>()
  for (const id of referencedFieldIds(task.residual)) {
    if (present.has(id)) continue
    const top = options.schema.findById(id)?.idPath[0] as number
    const field = options.schema.findById(top)?.field
    if (field !== undefined) extra.set(top, field)
  }
  const wanted = new Set(options.columns.map((column) => column.id))
  for (const field of deletes.equality?.columns ?? []) {
    if (!wanted.has(field.id)) extra.set(field.id, { ...field, required: false })
  }
  return [...options.columns, ...extra.values()]
}

function dropLast(batch: RecordBatch, count: number): RecordBatch {
  const keep = batch.schema.fields.length - count
  return batch.selectAt(Array.from({ length: keep }, (_, i) => i)) as RecordBatch
}

/** Identity partition values, for files that leave the partition's source columns out (item 63). */
function partitionConstants(task: FileScanTask): ReadonlyMap<number, Value> {
  const constants = new Map<number, Value>()
  for (const [i, field] of task.spec.fields.entries()) {
    if (field.transform.kind !== 'identity' || field.sourceIds.length !== 1) continue
    constants.set(field.sourceIds[0] as number, task.file.partition[i] ?? null)
  }
  return constants
}
