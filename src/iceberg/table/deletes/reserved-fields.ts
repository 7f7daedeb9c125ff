/** Columns that the format itself defines, with their reserved field ids. Iceberg spec §Reserved Field IDs. */
import { FloeError } from '../../../core/errors.ts'
import { Schema } from '../../spec/schema.ts'
import type { NestedField } from '../../spec/types.ts'

/** Columns of position delete files (item 82). */
export const DELETE_FILE_PATH_ID = 2_147_483_546
export const DELETE_POS_ID = 2_147_483_545

export const DELETE_FILE_PATH: NestedField = {
  id: DELETE_FILE_PATH_ID,
  name: 'file_path',
  required: true,
  type: { kind: 'string' },
}
export const DELETE_POS: NestedField = {
  id: DELETE_POS_ID,
  name: 'pos',
  required: true,
  type: { kind: 'long' },
}

/** The path of a row's data file. Computed, never stored. */
export const FILE_COLUMN: NestedField = {
  id: 2_147_483_646,
  name: '_file',
  required: false,
  type: { kind: 'string' },
}
/** The position of a row in its data file, from 0. Computed, never stored. */
export const POS_COLUMN: NestedField = {
  id: 2_147_483_645,
  name: '_pos',
  required: false,
  type: { kind: 'long' },
}
/** Row id (v3). Stored only for rows that were carried over (items 68, 79). */
export const ROW_ID_COLUMN: NestedField = {
  id: 2_147_483_540,
  name: '_row_id',
  required: false,
  type: { kind: 'long' },
}
/** Sequence number of the commit that last changed the row (v3). Stored as the row id is. */
export const LAST_UPDATED_COLUMN: NestedField = {
  id: 2_147_483_539,
  name: '_last_updated_sequence_number',
  required: false,
  type: { kind: 'long' },
}

/** Columns that a scan can select beside the table's own, by name. */
export const METADATA_COLUMNS: ReadonlyMap<string, NestedField> = new Map(
  [FILE_COLUMN, POS_COLUMN, ROW_ID_COLUMN, LAST_UPDATED_COLUMN].map((field) => [field.name, field]),
)

/** True for the id of a column that scans compute. */
export function isMetadataColumn(fieldId: number): boolean {
  return [...METADATA_COLUMNS.values()].some((field) => field.id === fieldId)
}

/** What a data file stores of rows that were carried over from other files (items 68, 80). */
export const LINEAGE_COLUMNS: readonly NestedField[] = [ROW_ID_COLUMN, LAST_UPDATED_COLUMN]

/**
 * The schema of files that keep the lineage of their rows.
 * @throws UNSUPPORTED_OPERATION if the table has a column of such a name: readers could not tell them apart.
 */
export function withLineage(schema: Schema): Schema {
  for (const { name } of LINEAGE_COLUMNS) {
    if (schema.findByName(name) === undefined) continue
    throw new FloeError(
      'UNSUPPORTED_OPERATION',
      `Rows of this table cannot be moved: its column "${name}" has the name of a column that the format reserves. Rename it`,
      { context: { column: name } },
    )
  }
  return new Schema({
    schemaId: schema.schemaId,
    fields: [...schema.fields, ...LINEAGE_COLUMNS],
  })
}
