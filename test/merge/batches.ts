/** Batches and keys for tests of the merge engine. */
import type { RecordBatch } from 'apache-arrow'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
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
