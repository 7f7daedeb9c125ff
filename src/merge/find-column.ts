/** A column of a batch by its field id, with the nulls of everything above it. */
import type { Data, Field, RecordBatch } from 'apache-arrow'
import { assert } from '../core/errors.ts'
import { fieldIdOf } from '../iceberg/columns/arrow-schema.ts'
import { bothValid, type Mask, ownValidity } from '../iceberg/columns/validity.ts'

export interface FoundColumn {
  readonly data: Data
  /** Where neither the column nor a struct above it is null; undefined if that is everywhere. */
  readonly valid: Mask | undefined
}

/**
 * The column with the field ids from the root to it.
 * @throws ASSERTION_FAILED if the batch does not have it: whoever made the batch chose its columns.
 */
export function findColumn(batch: RecordBatch, idPath: readonly number[]): FoundColumn {
  let data = batch.data as unknown as Data
  let fields: readonly Field[] = batch.schema.fields
  let valid: Mask | undefined
  for (const id of idPath) {
    const at = fields.findIndex((field) => fieldIdOf(field) === id)
    assert(at >= 0, 'a key or compared column is in the batch', { fieldId: id })
    data = data.children[at] as Data
    valid = bothValid(valid, ownValidity(data), batch.numRows)
    fields = (fields[at] as Field).type.children ?? []
  }
  return { data, valid }
}

/** The top column with a field id, if the batch has it. */
export function topColumn(batch: RecordBatch, id: number): ColumnWithId | undefined {
  return childrenWithIds(batch.data as unknown as Data).find((child) => child.id === id)
}

export interface ColumnWithId {
  readonly id: number
  readonly data: Data
}

/** The fields of a struct column, by field id. */
export function childrenWithIds(struct: Data): ColumnWithId[] {
  const fields = (struct.type as unknown as { children: readonly Field[] }).children
  return fields.map((field, i) => {
    const id = fieldIdOf(field)
    assert(id !== undefined, `column ${field.name} carries its field id`)
    return { id, data: struct.children[i] as Data }
  })
}
