/** What `append` takes: rows, Arrow batches or tables, alone, in arrays, iterables and async iterables. */
import type { Table as ArrowTable, RecordBatch } from 'apache-arrow'
import { FloeError, throwIfAborted } from '../../../core/errors.ts'
import type { Limits } from '../../../core/limits.ts'
import type { Runtime } from '../../../core/runtime.ts'
import { loadArrow } from '../../columns/arrow.ts'
import { ArrowInput, isArrowInput } from '../../columns/arrow-input.ts'
import { RowBatchBuilder } from '../../columns/row-builder.ts'
import type { Schema } from '../../spec/schema.ts'

/** Rows and batches may be mixed in one sequence. */
export type AppendInput<Row = Record<string, unknown>> =
  | Iterable<Row | RecordBatch | ArrowTable>
  | AsyncIterable<Row | RecordBatch | ArrowTable>
  | RecordBatch
  | ArrowTable

export interface InputOptions {
  readonly table: string
  readonly limits: Limits
  readonly runtime: Runtime
  readonly signal: AbortSignal | undefined
}

/** Rows after which the event loop gets a turn. */
const ROWS_PER_TURN = 16_384

/**
 * Batches of the table's schema for writing.
 * @throws TYPE_MISMATCH, NULL_IN_REQUIRED, VALUE_OUT_OF_RANGE, UNKNOWN_COLUMN naming column, row and value;
 *   BAD_ARGUMENT for an input that is none of the accepted kinds.
 */
export async function* inputBatches(
  input: AppendInput<never> | AppendInput,
  schema: Schema,
  options: InputOptions,
): AsyncGenerator<RecordBatch, void, undefined> {
  await loadArrow()
  const arrowInput = new ArrowInput(schema, { table: options.table, limits: options.limits })
  const builder = new RowBatchBuilder(schema, { table: options.table, limits: options.limits })
  const source = items(input)
  let sinceTurn = 0
  /** Takes one item; true when a batch is due. */
  const take = (item: unknown): boolean => {
    if (isArrowInput(item)) return true
    builder.append(item)
    sinceTurn++
    return builder.full || sinceTurn >= ROWS_PER_TURN
  }
  const due = async function* (item: unknown): AsyncGenerator<RecordBatch, void, undefined> {
    throwIfAborted(options.signal, 'An append')
    const isArrow = isArrowInput(item)
    if (builder.full || (isArrow && builder.rows > 0)) yield builder.finish()
    if (isArrow) yield* arrowInput.batches(item)
    if (sinceTurn >= ROWS_PER_TURN) {
      sinceTurn = 0
      await options.runtime.sleep(0)
    }
  }
  // Awaiting every row of a synchronous input would cost more than building it.
  if (Symbol.iterator in source) {
    for (const item of source) if (take(item)) yield* due(item)
  } else {
    for await (const item of source) if (take(item)) yield* due(item)
  }
  if (builder.rows > 0) yield builder.finish()
}

/** What to iterate over. @throws BAD_ARGUMENT */
function items(input: AppendInput): Iterable<unknown> | AsyncIterable<unknown> {
  if (isArrowInput(input)) return [input]
  if (typeof input === 'object' && input !== null) {
    if (Symbol.asyncIterator in input) return input as AsyncIterable<unknown>
    if (Symbol.iterator in input) return input as Iterable<unknown>
  }
  throw new FloeError(
    'BAD_ARGUMENT',
    'append takes an array, iterable or async iterable of row objects or Arrow batches, or one Arrow batch or table',
  )
}
