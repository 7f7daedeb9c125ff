/**
 * Rows → record batches. Row objects exist at the edge of the API alone; this is where they end.
 *
 * Rows are taken apart one by one, as they come, so that a caller may reuse an object for the next row. Which
 * forms each type takes stands at its builder; nothing is rounded, cut or converted with loss.
 */
import type { Schema as ArrowSchema, RecordBatch } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import type { Schema } from '../spec/schema.ts'
import { arrow } from './arrow.ts'
import { toArrowSchema } from './arrow-schema.ts'
import type { BatchSize } from './column-builder.ts'
import { columnData } from './column-data.ts'
import { createFieldSet } from './create-builder.ts'
import { describeValue } from './describe-value.ts'
import type { FieldSet } from './field-set.ts'
import { cannotAppend } from './refuse-value.ts'

export interface RowBatchOptions {
  /** Name of the table, for errors. */
  readonly table?: string
  readonly limits: Limits
  /** A batch is full from this many rows on. */
  readonly batchRows?: number
  /** A batch is full from about this many bytes on. */
  readonly batchBytes?: number
}

/** Rows of a full batch: about 10 ms of building, and large enough for encoders. */
export const DEFAULT_BATCH_ROWS = 32_768
/** Bytes of a full batch. */
export const DEFAULT_BATCH_BYTES: number = 16 * 1024 * 1024

/**
 * Builds record batches of the table's Arrow schema (for writing) from row objects. Needs `loadArrow()`.
 *
 * ```ts
 * const builder = new RowBatchBuilder(schema, { limits })
 * for (const row of rows) {
 *   builder.append(row)
 *   if (builder.full) yield builder.finish()
 * }
 * if (builder.rows > 0) yield builder.finish()
 * ```
 */
export class RowBatchBuilder {
  /** The schema of the batches. */
  readonly schema: ArrowSchema
  readonly #fields: FieldSet
  readonly #table: string | undefined
  readonly #size: BatchSize = { bytes: 0 }
  readonly #batchRows: number
  readonly #batchBytes: number
  #rows = 0
  #rowsFinished = 0
  #failure: unknown

  /** @throws UNSUPPORTED_TYPE naming the column, for a schema that cannot be written. */
  constructor(schema: Schema, options: RowBatchOptions) {
    this.#table = options.table
    this.#batchRows = options.batchRows ?? DEFAULT_BATCH_ROWS
    this.#batchBytes = options.batchBytes ?? DEFAULT_BATCH_BYTES
    this.schema = toArrowSchema(schema, 'write')
    this.#fields = createFieldSet(schema.fields, [], {
      table: options.table,
      size: this.#size,
      maxValueBytes: options.limits.valueBytes,
    })
  }

  /** Rows in the batch under construction. */
  get rows(): number {
    return this.#rows
  }

  /** Bytes of the batch under construction, about. */
  get bytes(): number {
    return this.#size.bytes + this.#rows * this.#fields.slotBytes
  }

  /** True when the batch has reached its size: time to call {@link finish}. */
  get full(): boolean {
    return this.#rows >= this.#batchRows || this.bytes >= this.#batchBytes
  }

  /**
   * Appends a row: an object with a property for each column. A missing (or undefined) property gets the column's
   * write default, else null.
   *
   * After an error the builder holds part of a row and refuses to go on: throw it away.
   * @throws TYPE_MISMATCH, VALUE_OUT_OF_RANGE, NULL_IN_REQUIRED, UNKNOWN_COLUMN, LIMIT_EXCEEDED, naming column, row
   *   (counted from 0 over all batches of this builder) and value.
   */
  append(row: unknown): void {
    if (this.#failure !== undefined) throw this.#failure
    const index = this.#rowsFinished + this.#rows
    try {
      if (typeof row !== 'object' || row === null) throw this.notAnObject(row, index)
      this.#fields.append(row, index)
    } catch (error) {
      this.#failure = error
      throw error
    }
    this.#rows++
  }

  /** The rows so far as a record batch, which owns its buffers; the builder goes on with the next batch. */
  finish(): RecordBatch {
    if (this.#failure !== undefined) throw this.#failure
    const { RecordBatch: ArrowRecordBatch, Struct } = arrow()
    const length = this.#rows
    const children = this.#fields.finish()
    this.#rowsFinished += length
    this.#rows = 0
    this.#size.bytes = 0
    const struct = columnData(new Struct(this.schema.fields), { length, nullCount: 0, children })
    return new ArrowRecordBatch(this.schema, struct)
  }

  private notAnObject(row: unknown, index: number): FloeError {
    return new FloeError(
      'TYPE_MISMATCH',
      `${cannotAppend(this.#table)}: row ${index} is ${describeValue(row)} where an object is ` +
        'expected. Give objects with a property for each column',
      { context: { row: index, ...(this.#table === undefined ? {} : { table: this.#table }) } },
    )
  }
}
