/** Columns that a scan computes: where a row stands, and its lineage. Iceberg spec §Row Lineage (item 79). */
import type { Data, RecordBatch } from 'apache-arrow'
import { arrow } from '../../columns/arrow.ts'
import { bitmapBytes, getBit } from '../../columns/bitmap.ts'
import { columnData } from '../../columns/column-data.ts'
import type { NestedField } from '../../spec/types.ts'
import {
  FILE_COLUMN,
  isMetadataColumn,
  LAST_UPDATED_COLUMN,
  POS_COLUMN,
  ROW_ID_COLUMN,
} from '../deletes/reserved-fields.ts'

/** What a data file says of its rows. */
export interface RowOrigin {
  readonly path: string
  /** Undefined for files without row ids: those columns are null then. */
  readonly firstRowId: bigint | undefined
  readonly sequenceNumber: number
}

/** Fills the metadata columns of batches of one file. */
export class MetadataColumns {
  readonly #columns: readonly { readonly at: number; readonly id: number }[]
  readonly #origin: RowOrigin

  constructor(columns: readonly NestedField[], origin: RowOrigin) {
    this.#columns = columns
      .map((field, at) => ({ at, id: field.id }))
      .filter(({ id }) => isMetadataColumn(id))
    this.#origin = origin
  }

  /** @param rows which rows of the file's batch, beginning at `first`, the given batch has. */
  fill(batch: RecordBatch, first: number, rows: 'all' | Uint32Array | Int32Array): RecordBatch {
    if (this.#columns.length === 0) return batch
    const { RecordBatch: ArrowRecordBatch, Struct } = arrow()
    const children = [...(batch.data as unknown as Data).children]
    for (const { at, id } of this.#columns) {
      children[at] = this.#column(
        id,
        children[at] as Data,
        (i) => first + (rows === 'all' ? i : (rows[i] as number)),
      )
    }
    const struct = columnData(new Struct(batch.schema.fields), {
      length: batch.numRows,
      nullCount: 0,
      children,
    })
    return new ArrowRecordBatch(batch.schema, struct as never)
  }

  /** @param stored what the file has for the column: nulls where it has nothing. */
  #column(id: number, stored: Data, position: (row: number) => number): Data {
    const { path, firstRowId, sequenceNumber } = this.#origin
    switch (id) {
      case FILE_COLUMN.id:
        return repeated(stored, path)
      case POS_COLUMN.id:
        return longs(stored, (row) => BigInt(position(row)))
      case ROW_ID_COLUMN.id:
        if (firstRowId === undefined) return nulls(stored)
        return longs(
          stored,
          orElse(stored, (row) => firstRowId + BigInt(position(row))),
        )
      case LAST_UPDATED_COLUMN.id: {
        if (firstRowId === undefined) return nulls(stored)
        const number = BigInt(sequenceNumber)
        return longs(
          stored,
          orElse(stored, () => number),
        )
      }
    }
    return stored
  }
}

/** The stored value, or what stands for null. */
function orElse(stored: Data, inherited: (row: number) => bigint): (row: number) => bigint {
  if (stored.nullCount === stored.length) return inherited
  const values = stored.values as BigInt64Array
  if (stored.nullCount === 0) return (row) => values[row] as bigint
  const { nullBitmap, offset } = stored
  return (row) => (getBit(nullBitmap, offset + row) ? (values[row] as bigint) : inherited(row))
}

function longs(like: Data, value: (row: number) => bigint): Data {
  const values = new BigInt64Array(like.length)
  for (let i = 0; i < values.length; i++) values[i] = value(i)
  return columnData(like.type, { length: like.length, nullCount: 0, values })
}

function repeated(like: Data, text: string): Data {
  const bytes = Buffer.from(text)
  const values = new Uint8Array(bytes.length * like.length)
  const offsets = new Int32Array(like.length + 1)
  for (let i = 0; i < like.length; i++) {
    values.set(bytes, i * bytes.length)
    offsets[i + 1] = (i + 1) * bytes.length
  }
  return columnData(like.type, { length: like.length, nullCount: 0, offsets, values })
}

function nulls(like: Data): Data {
  const { length } = like
  return columnData(like.type, {
    length,
    nullCount: length,
    validity: new Uint8Array(bitmapBytes(length)),
    values: new BigInt64Array(length),
  })
}
