/** The columns that a key index reads of data files. */
import { FloeError } from '../../core/errors.ts'
import { stringifyJson } from '../../core/json.ts'
import type { TableMetadata } from '../../iceberg/spec/metadata.ts'
import { fieldsToJson } from '../../iceberg/spec/schema-json.ts'
import type { NestedField } from '../../iceberg/spec/types.ts'
import { ROW_ID_COLUMN } from '../../iceberg/table/deletes/reserved-fields.ts'
import { currentSchema } from '../../iceberg/table/table-state.ts'
import type { KeyField } from './key-codec.ts'

export interface IndexColumns {
  readonly fields: readonly NestedField[]
  /** Equal texts say that rows of one file give the same keys, hashes and row ids. */
  readonly shape: string
}

/**
 * Key columns, hashed columns and, where rows may carry them, row ids.
 * @throws NO_SUCH_COLUMN if the table has lost a key column.
 */
export function indexColumns(
  metadata: TableMetadata,
  key: readonly KeyField[],
  hashedIds: readonly number[] | undefined,
  name: string,
): IndexColumns {
  const schema = currentSchema(metadata)
  const fields = new Map<number, NestedField>()
  for (const { idPath, name: column } of key) {
    const top = schema.findById(idPath[0] as number)
    if (top === undefined || schema.findById(idPath.at(-1) as number) === undefined) {
      throw new FloeError(
        'NO_SUCH_COLUMN',
        `The table ${name} has no key column "${column}" any more. Name the columns that its rows are found by now`,
        { context: { table: name, column } },
      )
    }
    fields.set(top.field.id, top.field)
  }
  // A column that was dropped has no part in the hashes any more.
  for (const id of hashedIds ?? []) {
    const field = schema.findById(id)?.field
    if (field !== undefined) fields.set(id, field)
  }
  const columns = [...fields.values()]
  const types = fieldsToJson(
    columns.map(({ id, type }) => ({ id, name: '', required: false, type })),
  )
  const hasRowIds = metadata.formatVersion >= 3
  return {
    fields: hasRowIds ? [...columns, ROW_ID_COLUMN] : columns,
    shape: stringifyJson([metadata.tableUuid ?? null, hasRowIds, ...types]),
  }
}
