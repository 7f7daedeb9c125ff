/** Writes the rows of an upsert, and those that stay of files that are written anew, and says where each one is. */
import type { Data, RecordBatch } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { arrow } from '../../iceberg/columns/arrow.ts'
import { toArrowSchema } from '../../iceberg/columns/arrow-schema.ts'
import { bitmapBytes, getBit, setBit } from '../../iceberg/columns/bitmap.ts'
import { columnData } from '../../iceberg/columns/column-data.ts'
import { placeOf, refuseNull } from '../../iceberg/columns/refuse-value.ts'
import { ownValidity } from '../../iceberg/columns/validity.ts'
import type { Schema } from '../../iceberg/spec/schema.ts'
import { LINEAGE_COLUMNS, ROW_ID_COLUMN } from '../../iceberg/table/deletes/reserved-fields.ts'
import type { Environment } from '../../iceberg/table/environment.ts'
import type { LiveFiles } from '../../iceberg/table/live-files.ts'
import { copiedRows, type RowsOfFile } from '../../iceberg/table/operations/copy-rows.ts'
import type { TableState } from '../../iceberg/table/table-state.ts'
import { DataWriter, type WrittenFile } from '../../iceberg/table/write/data-writer.ts'
import type { EncodedKeys, KeyCodec } from '../index/key-codec.ts'

/** Rows to write. */
export interface RowsToWrite {
  /** Columns of the table, without lineage. */
  readonly batch: RecordBatch
  /** Row ids to keep, −1 for none. */
  readonly rowIds: BigInt64Array
  /** The incoming rows that they come from, for errors. */
  readonly inputRows: Int32Array
  /** Rows of files that are written anew. */
  readonly copied: readonly RowsOfFile[]
}

/** Rows that were copied, in the order in which they were written behind the others. */
export interface CopiedBatch {
  readonly keys: EncodedKeys
  readonly rowIds: BigInt64Array | undefined
}

export interface WrittenRows {
  /** Row numbers below the number of the given rows are theirs, in their order; copied rows follow. */
  readonly files: readonly WrittenFile[]
  readonly copied: readonly CopiedBatch[]
  readonly copiedRows: number
}

/** Rows given to the writer at once. */
const CHUNK_ROWS = 32_768

/**
 * @throws NULL_IN_REQUIRED naming column and row, and what encoding and storing files fail with; nothing is left then.
 */
export async function writeRows(
  env: Environment,
  state: TableState,
  live: LiveFiles,
  rows: RowsToWrite,
  options: {
    readonly table: string
    readonly codec: KeyCodec
    readonly signal: AbortSignal | undefined
  },
): Promise<WrittenRows> {
  const { metadata } = state
  const { codec, signal } = options
  const isCarried = rows.copied.length > 0 || rows.rowIds.some((id) => id >= 0n)
  const lineage = metadata.formatVersion === 3 && isCarried
  const writer = new DataWriter(env, metadata, { signal, lineage, tracksRows: true })
  try {
    const batch = forWriting(rows, writer.schema, { table: options.table, lineage })
    for (let from = 0; from < batch.numRows; from += CHUNK_ROWS) {
      await writer.write(batch.slice(from, Math.min(from + CHUNK_ROWS, batch.numRows)))
    }
    const copied: CopiedBatch[] = []
    let count = 0
    if (rows.copied.length > 0) {
      const source = { schema: writer.schema, signal }
      for await (const piece of copiedRows(env, metadata, live, rows.copied, source)) {
        const keys = codec.encode(piece)
        copied.push({
          keys: { ...keys, words: keys.words.slice(), nulls: keys.nulls?.slice() },
          rowIds: lineage ? rowIdsOf(piece) : undefined,
        })
        count += piece.numRows
        await writer.write(piece)
      }
    }
    return { files: await writer.close(), copied, copiedRows: count }
  } catch (error) {
    await writer.abort()
    throw error
  }
}

/** The rows as a batch of the writer's schema. */
function forWriting(
  { batch, rowIds, inputRows }: RowsToWrite,
  schema: Schema,
  options: { readonly table: string; readonly lineage: boolean },
): RecordBatch {
  const { RecordBatch: ArrowRecordBatch, Struct } = arrow()
  const arrowSchema = toArrowSchema(schema, 'write')
  const length = batch.numRows
  const own = (batch.data as unknown as Data).children
  let at = 0
  for (const field of schema.fields) {
    if (field.type.kind === 'unknown' || LINEAGE_COLUMNS.includes(field)) continue
    const column = own[at++] as Data
    if (!field.required || column.nullCount === 0) continue
    const valid = ownValidity(column)
    for (let row = 0; valid !== undefined && row < length; row++) {
      if (getBit(valid.bits, valid.offset + row)) continue
      throw refuseNull(placeOf(field, [], options.table), inputRows[row] as number, false)
    }
  }
  const lineageTypes = arrowSchema.fields.slice(-LINEAGE_COLUMNS.length).map((f) => f.type)
  const children = options.lineage
    ? [
        ...own,
        rowIdColumn(rowIds, lineageTypes[0] as never),
        nulls(length, lineageTypes[1] as never),
      ]
    : own
  const struct = columnData(new Struct(arrowSchema.fields), { length, nullCount: 0, children })
  return new ArrowRecordBatch(arrowSchema, struct as never)
}

function rowIdColumn(rowIds: BigInt64Array, type: Data['type']): Data {
  const { length } = rowIds
  const validity = new Uint8Array(bitmapBytes(length))
  let valid = 0
  for (let i = 0; i < length; i++) {
    if ((rowIds[i] as bigint) < 0n) continue
    setBit(validity, i)
    valid++
  }
  return columnData(type, { length, nullCount: length - valid, validity, values: rowIds })
}

function nulls(length: number, type: Data['type']): Data {
  return columnData(type, {
    length,
    nullCount: length,
    validity: new Uint8Array(bitmapBytes(length)),
    values: new BigInt64Array(length),
  })
}

function rowIdsOf(batch: RecordBatch): BigInt64Array {
  const at = batch.schema.fields.findIndex((field) => field.name === ROW_ID_COLUMN.name)
  const column = (batch.data as unknown as Data).children[at] as Data
  const values = (column.values as BigInt64Array).slice(0, batch.numRows)
  const valid = ownValidity(column)
  if (valid !== undefined) {
    for (let i = 0; i < values.length; i++) {
      if (!getBit(valid.bits, valid.offset + i)) values[i] = -1n
    }
  }
  return values
}

/** A table whose schema changed while rows for it were being upserted. */
export function schemaChanged(table: string): FloeError {
  return new FloeError(
    'VALIDATION_CONFLICT',
    `Cannot upsert into ${table}: its schema was changed meanwhile. Nothing was committed. Upsert the rows again`,
    { context: { table }, retryable: true },
  )
}
