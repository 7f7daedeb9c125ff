/**
 * A caller's Arrow record batches and tables → batches of exactly the table's Arrow schema.
 *
 * Input is known by its structure, not its class: batches of any copy or recent version of apache-arrow will do.
 * Nothing in them is trusted, since IPC bytes are not checked by who reads them: lengths, offsets and text are checked
 * before they are used. Columns that already have the right type are not copied, so the result may share memory
 * with the input, which must not change until it has been written (and whose buffers must not be transferred).
 *
 * Columns are matched by name. Field ids that the input may carry are ignored: they are those of the table or file
 * that the batch was read from, which need not be this one.
 */
import type { Schema as ArrowSchema, Data, Field, RecordBatch } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { nearestName } from '../../core/nearest-name.ts'
import type { Schema } from '../spec/schema.ts'
import type { NestedField } from '../spec/types.ts'
import { arrow } from './arrow.ts'
import { isStored, toArrowSchema } from './arrow-schema.ts'
import { rowsWithin } from './batch-bytes.ts'
import { getBit } from './bitmap.ts'
import { columnData } from './column-data.ts'
import { convertColumn, missingColumn } from './convert-column.ts'
import { type ConvertContext, damaged } from './convert-context.ts'
import { quote } from './describe-value.ts'
import { cannotAppend, placeOf } from './refuse-value.ts'
import { DEFAULT_BATCH_BYTES, DEFAULT_BATCH_ROWS, type RowBatchOptions } from './row-builder.ts'
import { ownValidity } from './validity.ts'

/** What input must look like: a record batch, or a table made of them. */
export interface ArrowBatchLike {
  readonly schema: { readonly fields: readonly Field[] }
  readonly numRows: number
  readonly data: Data
}
export interface ArrowTableLike {
  readonly schema: { readonly fields: readonly Field[] }
  readonly batches: readonly ArrowBatchLike[]
}

/** True for record batches and tables of apache-arrow, of whatever copy. */
export function isArrowInput(value: unknown): value is ArrowBatchLike | ArrowTableLike {
  if (typeof value !== 'object' || value === null) return false
  const { schema, batches, data, numRows } = value as Record<string, unknown>
  if (!Array.isArray((schema as { fields?: unknown } | undefined)?.fields)) return false
  return Array.isArray(batches) || (typeof numRows === 'number' && isColumn(data))
}

/** Turns the input of one append into batches for writing. Needs `loadArrow()`. */
export class ArrowInput {
  /** The schema of the batches. */
  readonly schema: ArrowSchema
  readonly #fields: readonly NestedField[]
  readonly #context: ConvertContext
  readonly #batchRows: number
  readonly #batchBytes: number
  #rows = 0

  /** @throws UNSUPPORTED_TYPE naming the column, for a schema that cannot be written. */
  constructor(schema: Schema, options: RowBatchOptions) {
    this.schema = toArrowSchema(schema, 'write')
    this.#fields = schema.fields
    this.#context = { table: options.table, maxValueBytes: options.limits.valueBytes }
    this.#batchRows = options.batchRows ?? DEFAULT_BATCH_ROWS
    this.#batchBytes = options.batchBytes ?? DEFAULT_BATCH_BYTES
  }

  /**
   * The batches of one input, cut to the size of a full batch. Missing columns get their write default, else null.
   *
   * Casts are exact: between integer types and to wider floats, between units of time, decimals that lose no digit,
   * dictionaries and the large and view forms to plain ones. Whatever would lose something is refused.
   * @throws UNKNOWN_COLUMN for a column that the table does not have; TYPE_MISMATCH, VALUE_OUT_OF_RANGE,
   *   NULL_IN_REQUIRED, LIMIT_EXCEEDED naming column and row (counted over all inputs of this object); BAD_ARGUMENT
   *   if the columns' buffers do not fit together.
   */
  *batches(input: ArrowBatchLike | ArrowTableLike): Generator<RecordBatch, void, undefined> {
    const batches = 'batches' in input ? input.batches : [input]
    for (const batch of batches) {
      const columns = this.matchColumns(batch)
      for (let from = 0; from < batch.numRows; ) {
        const most = Math.min(this.#batchRows, batch.numRows - from)
        const rows = rowsWithin(columns, from, most, this.#batchBytes)
        yield this.convert(columns, from, rows)
        from += rows
      }
      this.#rows += batch.numRows
    }
  }

  private convert(columns: readonly (Data | undefined)[], from: number, rows: number): RecordBatch {
    const { RecordBatch: ArrowRecordBatch, Struct } = arrow()
    const base = this.#rows + from
    const children: Data[] = []
    this.#fields.forEach((field, i) => {
      const place = placeOf(field, [], this.#context.table)
      const source = columns[i]
      const slots = { length: rows, valid: undefined, rowOf: (slot: number) => base + slot }
      const type = this.schema.fields[children.length]?.type
      const converted =
        source === undefined
          ? missingColumn(field, [], type, slots, this.#context)
          : convertColumn(source.slice(from, rows), { field, place, type }, slots, this.#context)
      if (isStored(field.type, 'write') && converted !== undefined) children.push(converted)
    })
    const struct = columnData(new Struct(this.schema.fields), {
      length: rows,
      nullCount: 0,
      children,
    })
    return new ArrowRecordBatch(this.schema, struct)
  }

  /** The input's column for each field of the table. */
  private matchColumns(batch: ArrowBatchLike): (Data | undefined)[] {
    const { table } = this.#context
    const names = batch.schema.fields.map((f) => f.name)
    const known = new Set(this.#fields.map((f) => f.name))
    const unknown = names.find((name) => !known.has(name))
    if (unknown !== undefined) throw this.unknownColumn(unknown, [...known])
    const twice = names.find((name, i) => names.indexOf(name) !== i)
    if (twice !== undefined) throw damaged(table, `column ${quote(twice)} stands twice in it`)
    const nulls = ownValidity(batch.data)
    if (nulls !== undefined) {
      for (let i = 0; i < batch.numRows; i++) {
        if (!getBit(nulls.bits, nulls.offset + i)) {
          throw damaged(table, `row ${this.#rows + i} is null as a whole`)
        }
      }
    }
    return this.#fields.map((field) => {
      const at = names.indexOf(field.name)
      if (at < 0) return undefined
      const column = batch.data.children[at]
      if (!isColumn(column) || column.length < batch.numRows) {
        throw damaged(table, `column ${quote(field.name)} has fewer values than there are rows`)
      }
      return column
    })
  }

  private unknownColumn(name: string, known: readonly string[]): FloeError {
    const nearest = nearestName(name, known)
    return new FloeError(
      'UNKNOWN_COLUMN',
      `${cannotAppend(this.#context.table)}: the Arrow data has a column ${quote(name)}, which the table does ` +
        `not have. ${nearest === undefined ? '' : `Did you mean ${quote(nearest)}? `}` +
        'Leave it out with select() or add it with addColumn',
      { context: { column: name.slice(0, 200) } },
    )
  }
}

function isColumn(value: unknown): value is Data {
  if (typeof value !== 'object' || value === null) return false
  const { type, length, children } = value as Record<string, unknown>
  return typeof type === 'object' && typeof length === 'number' && Array.isArray(children)
}
