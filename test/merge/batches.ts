/** Batches and keys for tests of the merge engine. */
import type { Data, RecordBatch } from 'apache-arrow'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { arrow } from '../../src/iceberg/columns/arrow.ts'
import { columnData } from '../../src/iceberg/columns/column-data.ts'
import { RowBatchBuilder } from '../../src/iceberg/columns/row-builder.ts'
import { Schema } from '../../src/iceberg/spec/schema.ts'
import type { NestedField, Type } from '../../src/iceberg/spec/types.ts'
import { KeyCodec, type KeyField } from '../../src/merge/index/key-codec.ts'

export const SEED: Uint8Array = Uint8Array.from({ length: 16 }, (_, i) => (i * 37 + 11) & 0xff)

/** Fields with ids from 1 on, all optional. */
export function fieldsOf(columns: Readonly<Record<string, Type>>): NestedField[] {
  return Object.entries(columns).map(([name, type], i) => ({
    id: i + 1,
    name,
    required: false,
    type,
  }))
}

export function batchOf(fields: readonly NestedField[], rows: readonly unknown[]): RecordBatch {
  const schema = new Schema({ schemaId: 0, fields: [...fields] })
  const builder = new RowBatchBuilder(schema, { limits: DEFAULT_LIMITS })
  for (const row of rows) builder.append(row)
  return builder.finish()
}

export function keyFields(fields: readonly NestedField[]): KeyField[] {
  return fields.map(({ id, name, type }) => ({ name, type, idPath: [id] }))
}

export function codecOf(
  fields: readonly NestedField[],
  options: { nullSafe?: boolean; seed?: Uint8Array } = {},
): KeyCodec {
  return new KeyCodec(keyFields(fields), { seed: SEED, ...options })
}

/** The batch with its first column null in all rows but the first, the values below left as they are. */
export function hidingRows(batch: RecordBatch): RecordBatch {
  const { RecordBatch: ArrowRecordBatch, Struct } = arrow()
  const [first, ...others] = batch.data.children as [Data, ...Data[]]
  const length = batch.numRows
  const hidden = columnData(first.type, {
    length,
    nullCount: length - 1,
    validity: Uint8Array.from({ length: Math.ceil(length / 8) }, (_, i) => (i === 0 ? 1 : 0)),
    offsets: first.valueOffsets as Int32Array | undefined,
    children: first.children,
  })
  const children = [hidden, ...others]
  const struct = columnData(new Struct(batch.schema.fields), { length, nullCount: 0, children })
  return new ArrowRecordBatch(batch.schema, struct as never)
}
