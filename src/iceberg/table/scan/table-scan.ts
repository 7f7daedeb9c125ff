/** A scan of one snapshot: what to read and how to get it. Nothing happens until rows or batches are asked for. */
import type { RecordBatch } from 'apache-arrow'
import { FloeError, throwIfAborted } from '../../../core/errors.ts'
import { type Row, type RowForm, rowsOf } from '../../columns/to-rows.ts'
import { bindExpression } from '../../spec/expressions/bind.ts'
import { ALWAYS_TRUE, type BoundExpression } from '../../spec/expressions/expression.ts'
import { toExpression, type Where } from '../../spec/expressions/where.ts'
import { type SnapshotSelector, selectSnapshot } from '../../spec/refs.ts'
import type { Schema } from '../../spec/schema.ts'
import type { Snapshot } from '../../spec/snapshot.ts'
import type { NestedField } from '../../spec/types.ts'
import { DeleteLoader } from '../deletes/delete-loader.ts'
import { METADATA_COLUMNS } from '../deletes/reserved-fields.ts'
import type { Environment } from '../environment.ts'
import { currentSchema, schemaById, type TableState } from '../table-state.ts'
import { type FileScanTask, planScan, type ScanPlan } from './plan.ts'
import { readTasks } from './read.ts'

export interface ScanOptions extends SnapshotSelector {
  /**
   * Columns to read, in this order; a nested field by its full name reads its whole top-level column. Default: all
   * of the table's. `_file`, `_pos`, `_row_id` and `_last_updated_sequence_number` can be named too, unless the table
   * has columns of these names.
   */
  readonly select?: readonly string[] | undefined
  /** Rows to read: a plain object or an expression. */
  readonly where?: Where | undefined
  /** Rows at most. */
  readonly limit?: number | undefined
  /** Rows of a batch at most. */
  readonly batchRows?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export class TableScan<R = Row> {
  readonly #env: Environment
  readonly #state: TableState
  readonly #options: ScanOptions
  readonly #snapshot: Snapshot | undefined
  /** The schema that names in `select` and `where` refer to: the snapshot's for time travel, else the table's. */
  readonly schema: Schema
  readonly columns: readonly NestedField[]
  readonly #filter: BoundExpression
  #plan: Promise<ScanPlan> | undefined

  /** Use `table.scan()`. @throws NO_SUCH_SNAPSHOT, NO_SUCH_REF, NO_SUCH_COLUMN, BAD_EXPRESSION, TYPE_MISMATCH */
  constructor(env: Environment, state: TableState, options: ScanOptions) {
    this.#env = env
    this.#state = state
    this.#options = options
    const { limit, batchRows } = options
    checkCount('limit', limit, 0)
    checkCount('batchRows', batchRows, 1)
    const { metadata } = state
    this.#snapshot = selectSnapshot(metadata, options)
    const travels = options.snapshotId !== undefined || options.asOf !== undefined
    const schemaId = this.#snapshot?.schemaId
    this.schema =
      travels && schemaId !== undefined ? schemaById(metadata, schemaId) : currentSchema(metadata)
    this.columns = selectColumns(this.schema, options.select)
    this.#filter =
      options.where === undefined
        ? ALWAYS_TRUE
        : bindExpression(this.schema, toExpression(options.where))
  }

  /** The snapshot that is read; null for a table without one. */
  get snapshotId(): bigint | null {
    return this.#snapshot?.snapshotId ?? null
  }

  /** Which files will be read, and what was skipped. Planned once. */
  plan(): Promise<ScanPlan> {
    this.#plan ??= planScan(this.#env, {
      metadata: this.#state.metadata,
      snapshot: this.#snapshot,
      schema: this.schema,
      filter: this.#filter,
      signal: this.#options.signal,
    })
    return this.#plan
  }

  /**
   * The matching rows as Arrow batches. Reading goes ahead of the consumer within limits.scanBufferBytes and no
   * further; leaving the loop stops it.
   */
  async *batches(): AsyncGenerator<RecordBatch, void, undefined> {
    const { limit, signal } = this.#options
    throwIfAborted(signal, 'A scan')
    let left = limit ?? Number.POSITIVE_INFINITY
    if (left === 0) return
    const { tasks } = await this.plan()
    const batches = readTasks(this.#env, tasks, {
      metadata: this.#state.metadata,
      schema: this.schema,
      columns: this.columns,
      batchRows: this.#options.batchRows,
      signal,
    })
    for await (const batch of batches) {
      if (batch.numRows >= left) {
        yield batch.slice(0, left)
        return
      }
      left -= batch.numRows
      yield batch
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<RecordBatch, void, undefined> {
    return this.batches()
  }

  /** The matching rows as objects. `json` gives values that JSON.stringify keeps exactly. */
  async *rows(options: { readonly form?: RowForm } = {}): AsyncGenerator<R, void, undefined> {
    for await (const batch of this.batches()) {
      for (const row of rowsOf(batch, this.columns, options.form)) yield row as R
    }
  }

  /**
   * All matching rows in an array, which has to fit into memory.
   * @throws LIMIT_EXCEEDED beyond `maxRows`, default one million.
   */
  async toArray(
    options: { readonly form?: RowForm; readonly maxRows?: number } = {},
  ): Promise<R[]> {
    const maxRows = options.maxRows ?? 1_000_000
    const rows: R[] = []
    for await (const row of this.rows(options)) {
      if (rows.length === maxRows) {
        throw new FloeError(
          'LIMIT_EXCEEDED',
          `The scan has more than ${maxRows} rows. Iterate over rows() instead, set a limit, or raise maxRows`,
          { context: { limit: 'maxRows', max: maxRows } },
        )
      }
      rows.push(row)
    }
    return rows
  }

  /** The number of matching rows: from metadata alone where the filter is decided by it. */
  async count(): Promise<number> {
    const { limit, signal } = this.#options
    const { tasks } = await this.plan()
    let count = 0
    const loader = new DeleteLoader(this.#env, signal)
    const undecided: FileScanTask[] = []
    for (const task of tasks) {
      const { deletes, file, residual } = task
      if (residual.kind !== 'true' || (deletes?.equality.length ?? 0) > 0) undecided.push(task)
      else if (deletes === undefined) count += file.recordCount
      else count += file.recordCount - (await loader.positions(file, deletes)).cardinality
    }
    const batches = readTasks(this.#env, undecided, {
      metadata: this.#state.metadata,
      schema: this.schema,
      columns: [],
      batchRows: undefined,
      signal,
    })
    for await (const batch of batches) count += batch.numRows
    return Math.min(count, limit ?? count)
  }
}

function selectColumns(
  schema: Schema,
  select: readonly string[] | undefined,
): readonly NestedField[] {
  if (select === undefined) return schema.fields
  const columns = new Map<number, NestedField>()
  for (const name of select) {
    const metadataColumn = METADATA_COLUMNS.get(name)
    if (metadataColumn !== undefined && schema.findByName(name) === undefined) {
      columns.set(metadataColumn.id, metadataColumn)
      continue
    }
    const { idPath } = schema.requireByName(name)
    const id = idPath[0] as number
    columns.set(id, schema.findById(id)?.field as NestedField)
  }
  return [...columns.values()]
}

function checkCount(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least)) return
  throw new FloeError(
    'BAD_ARGUMENT',
    `${name} must be an integer of at least ${least}, not ${value}`,
  )
}
