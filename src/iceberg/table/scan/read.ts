/** Reads the files of a plan: row groups in parallel, batches in order, filtered by what the plan left to test. */
import type { RecordBatch } from 'apache-arrow'
import { readAhead } from '../../../core/concurrency.ts'
import { FloeError, isFloeError } from '../../../core/errors.ts'
import { loadArrow } from '../../columns/arrow.ts'
import { Conformer } from '../../columns/conform.ts'
import { matchingRows } from '../../columns/filter.ts'
import { takeRows } from '../../columns/take.ts'
import { type NameMapping, parseNameMapping } from '../../parquet/name-mapping.ts'
import { openParquetFile, type ParquetFile } from '../../parquet/reader.ts'
import { referencedFieldIds } from '../../spec/expressions/bind.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import { TableProperty } from '../../spec/properties.ts'
import { Schema } from '../../spec/schema.ts'
import type { NestedField } from '../../spec/types.ts'
import type { Value } from '../../spec/value.ts'
import { type Environment, requestOptions } from '../environment.ts'
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

/**
 * The matching rows of the files, in plan order. Row groups ahead of the consumer are read and decoded while it works,
 * up to limits.scanBufferBytes.
 */
export async function* readTasks(
  env: Environment,
  tasks: readonly FileScanTask[],
  options: ReadOptions,
): AsyncGenerator<RecordBatch, void, undefined> {
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

async function* units(
  env: Environment,
  tasks: readonly FileScanTask[],
  options: ReadOptions,
): AsyncGenerator<Unit, void, undefined> {
  const mapping = options.metadata.properties[TableProperty.NAME_MAPPING]
  const nameMapping = mapping === undefined ? undefined : parseNameMapping(mapping)
  const opened = readAhead(
    tasks,
    {
      concurrency: 4,
      budget: Number.POSITIVE_INFINITY,
      weigh: () => 1,
      signal: options.signal,
      what: 'A scan',
    },
    async (task) => ({ task, file: await openDataFile(env, task, nameMapping, options) }),
  )
  for await (const { task, file } of opened) {
    const reader = new FileReader(task, file, options)
    const bytesPerRow = Math.max(
      1,
      (file.footer.fileSizeBytes * 3) / Math.max(1, task.file.recordCount),
    )
    for (const group of file.rowGroups) {
      if (group.numRows === 0) continue
      if (!file.rowGroupMightMatch(group.index, task.residual, options.schema)) continue
      yield { task, file, reader, rowGroup: group.index, weight: group.numRows * bytesPerRow }
    }
  }
}

async function openDataFile(
  env: Environment,
  task: FileScanTask,
  nameMapping: NameMapping | undefined,
  options: ReadOptions,
): Promise<ParquetFile> {
  const { file } = task
  if (file.fileFormat.toUpperCase() !== 'PARQUET') {
    throw new FloeError(
      'UNSUPPORTED_FILE_FORMAT',
      `Cannot read ${file.filePath}: data files of format ${file.fileFormat} are not supported, Parquet is. Rewrite the table as Parquet with the engine that wrote it`,
      { context: { file: file.filePath, format: file.fileFormat } },
    )
  }
  const open = (sizeBytes: number): Promise<ParquetFile> =>
    openParquetFile(env.store, file.filePath, {
      pool: env.pool,
      limits: env.limits,
      sizeBytes,
      nameMapping,
      signal: options.signal,
    })
  try {
    return await open(file.fileSizeBytes)
  } catch (error) {
    // Some writers record a wrong size (known-bugs.md 21); the store knows better, and fsck reports it.
    if (!isFloeError(error, 'CORRUPT_PARQUET')) throw error
    const stat = await env.store.stat(file.filePath, requestOptions(options.signal))
    if (stat === null || stat.sizeBytes === file.fileSizeBytes) throw error
    return open(stat.sizeBytes)
  }
}

/** Reads row groups of one file as wanted columns. */
class FileReader {
  readonly #task: FileScanTask
  readonly #file: ParquetFile
  readonly #options: ReadOptions
  readonly #projection: ReturnType<ParquetFile['project']>
  readonly #conformer: Conformer
  /** Columns that are read for the filter alone come after those of the result. */
  readonly #extraColumns: number

  constructor(task: FileScanTask, file: ParquetFile, options: ReadOptions) {
    this.#task = task
    this.#file = file
    this.#options = options
    const wanted = withFilterColumns(task, options)
    this.#extraColumns = wanted.length - options.columns.length
    this.#projection = file.project(wanted)
    this.#conformer = new Conformer({
      wanted,
      found: this.#projection.columns.map((c) => c.field),
      constants: partitionConstants(task),
      path: task.file.filePath,
    })
  }

  async read(unit: Unit): Promise<RecordBatch[]> {
    const { batchRows, signal } = this.#options
    const batches: RecordBatch[] = []
    const read = this.#file.readRowGroup(unit.rowGroup, this.#projection, { batchRows, signal })
    for await (const { batch } of read) {
      const conformed = this.#conformer.conform(batch)
      const rows = matchingRows(conformed, this.#task.residual)
      if (rows !== 'all' && rows.length === 0) continue
      const result = this.#extraColumns === 0 ? conformed : dropLast(conformed, this.#extraColumns)
      batches.push(rows === 'all' ? result : takeRows(result, rows))
    }
    return batches
  }
}

/** The result's columns, then top-level columns that only the residual needs. */
function withFilterColumns(task: FileScanTask, options: ReadOptions): readonly NestedField[] {
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
