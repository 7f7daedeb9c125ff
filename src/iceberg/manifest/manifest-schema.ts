/**
 * The structs that manifests and manifest lists hold, for format versions 2 and 3. Iceberg spec §Manifests,
 * §Manifest Lists (iceberg-writer.md items 30, 40–42). Names, order and docs are those that Iceberg's reference
 * implementation writes; readers go by field id.
 */
import type { ListType, MapType, NestedField, PrimitiveType, StructType } from '../spec/types.ts'
import type { PartitionTupleField } from './partition-fields.ts'

/** The format versions that are written. Version 1 is read only. */
export type WriteFormatVersion = 2 | 3

/** Avro record names (item 30, 39): some readers look for them. */
export const MANIFEST_FILE_RECORD = 'manifest_file'
export const MANIFEST_ENTRY_RECORD = 'manifest_entry'

export const EntryField = {
  STATUS: 0,
  SNAPSHOT_ID: 1,
  DATA_FILE: 2,
  SEQUENCE_NUMBER: 3,
  FILE_SEQUENCE_NUMBER: 4,
} as const

export const FileField = {
  FILE_PATH: 100,
  FILE_FORMAT: 101,
  PARTITION: 102,
  RECORD_COUNT: 103,
  FILE_SIZE: 104,
  COLUMN_SIZES: 108,
  VALUE_COUNTS: 109,
  NULL_VALUE_COUNTS: 110,
  LOWER_BOUNDS: 125,
  UPPER_BOUNDS: 128,
  KEY_METADATA: 131,
  SPLIT_OFFSETS: 132,
  CONTENT: 134,
  EQUALITY_IDS: 135,
  NAN_VALUE_COUNTS: 137,
  SORT_ORDER_ID: 140,
  FIRST_ROW_ID: 142,
  REFERENCED_DATA_FILE: 143,
  CONTENT_OFFSET: 144,
  CONTENT_SIZE: 145,
} as const

export const ListField = {
  MANIFEST_PATH: 500,
  MANIFEST_LENGTH: 501,
  PARTITION_SPEC_ID: 502,
  ADDED_SNAPSHOT_ID: 503,
  ADDED_FILES_COUNT: 504,
  EXISTING_FILES_COUNT: 505,
  DELETED_FILES_COUNT: 506,
  PARTITIONS: 507,
  PARTITION_SUMMARY: 508,
  CONTAINS_NULL: 509,
  LOWER_BOUND: 510,
  UPPER_BOUND: 511,
  ADDED_ROWS_COUNT: 512,
  EXISTING_ROWS_COUNT: 513,
  DELETED_ROWS_COUNT: 514,
  SEQUENCE_NUMBER: 515,
  MIN_SEQUENCE_NUMBER: 516,
  CONTENT: 517,
  CONTAINS_NAN: 518,
  KEY_METADATA: 519,
  FIRST_ROW_ID: 520,
} as const

/** The fields of a manifest entry (items 40, 41), with the partition struct of the manifest's spec. */
export function manifestEntryFields(
  version: WriteFormatVersion,
  partition: readonly PartitionTupleField[],
): NestedField[] {
  const file: StructType = { kind: 'struct', fields: dataFileFields(version, partition) }
  return [
    required(EntryField.STATUS, 'status', INT),
    optional(EntryField.SNAPSHOT_ID, 'snapshot_id', LONG),
    optional(EntryField.SEQUENCE_NUMBER, 'sequence_number', LONG),
    optional(EntryField.FILE_SEQUENCE_NUMBER, 'file_sequence_number', LONG),
    required(EntryField.DATA_FILE, 'data_file', file),
  ]
}

function dataFileFields(
  version: WriteFormatVersion,
  partition: readonly PartitionTupleField[],
): NestedField[] {
  const F = FileField
  const tuple: StructType = { kind: 'struct', fields: partition }
  const fields: NestedField[] = [
    required(
      F.CONTENT,
      'content',
      INT,
      'Contents of the file: 0=data, 1=position deletes, 2=equality deletes',
    ),
    required(F.FILE_PATH, 'file_path', STRING, 'Location URI with FS scheme'),
    required(F.FILE_FORMAT, 'file_format', STRING, 'File format name: avro, orc, or parquet'),
    required(
      F.PARTITION,
      'partition',
      tuple,
      'Partition data tuple, schema based on the partition spec',
    ),
    required(F.RECORD_COUNT, 'record_count', LONG, 'Number of records in the file'),
    required(F.FILE_SIZE, 'file_size_in_bytes', LONG, 'Total file size in bytes'),
    optional(
      F.COLUMN_SIZES,
      'column_sizes',
      map(117, 118, LONG),
      'Map of column id to total size on disk',
    ),
    optional(
      F.VALUE_COUNTS,
      'value_counts',
      map(119, 120, LONG),
      'Map of column id to total count, including null and NaN',
    ),
    optional(
      F.NULL_VALUE_COUNTS,
      'null_value_counts',
      map(121, 122, LONG),
      'Map of column id to null value count',
    ),
    optional(
      F.NAN_VALUE_COUNTS,
      'nan_value_counts',
      map(138, 139, LONG),
      'Map of column id to number of NaN values in the column',
    ),
    optional(
      F.LOWER_BOUNDS,
      'lower_bounds',
      map(126, 127, BINARY),
      'Map of column id to lower bound',
    ),
    optional(
      F.UPPER_BOUNDS,
      'upper_bounds',
      map(129, 130, BINARY),
      'Map of column id to upper bound',
    ),
    optional(F.KEY_METADATA, 'key_metadata', BINARY, 'Encryption key metadata blob'),
    optional(F.SPLIT_OFFSETS, 'split_offsets', list(133, LONG), 'Splittable offsets'),
    optional(F.EQUALITY_IDS, 'equality_ids', list(136, INT), 'Equality comparison field IDs'),
    optional(F.SORT_ORDER_ID, 'sort_order_id', INT, 'Sort order ID'),
  ]
  if (version >= 3) {
    fields.push(
      optional(
        F.FIRST_ROW_ID,
        'first_row_id',
        LONG,
        'The first row ID assigned to the first row in the data file',
      ),
    )
  }
  fields.push(
    optional(
      F.REFERENCED_DATA_FILE,
      'referenced_data_file',
      STRING,
      'Fully qualified location (URI with FS scheme) of a data file that all deletes reference',
    ),
  )
  if (version >= 3) {
    fields.push(
      optional(
        F.CONTENT_OFFSET,
        'content_offset',
        LONG,
        'The offset in the file where the content starts',
      ),
      optional(
        F.CONTENT_SIZE,
        'content_size_in_bytes',
        LONG,
        'The length of referenced content stored in the file',
      ),
    )
  }
  return fields
}

/** The fields of a line of a manifest list (item 30). */
export function manifestFileFields(version: WriteFormatVersion): NestedField[] {
  const F = ListField
  const fields = [
    required(F.MANIFEST_PATH, 'manifest_path', STRING, 'Location URI with FS scheme'),
    required(F.MANIFEST_LENGTH, 'manifest_length', LONG, 'Total file size in bytes'),
    required(F.PARTITION_SPEC_ID, 'partition_spec_id', INT, 'Spec ID used to write'),
    required(F.CONTENT, 'content', INT, 'Contents of the manifest: 0=data, 1=deletes'),
    required(
      F.SEQUENCE_NUMBER,
      'sequence_number',
      LONG,
      'Sequence number when the manifest was added',
    ),
    required(
      F.MIN_SEQUENCE_NUMBER,
      'min_sequence_number',
      LONG,
      'Lowest sequence number in the manifest',
    ),
    required(F.ADDED_SNAPSHOT_ID, 'added_snapshot_id', LONG, 'Snapshot ID that added the manifest'),
    required(F.ADDED_FILES_COUNT, 'added_files_count', INT, 'Added entry count'),
    required(F.EXISTING_FILES_COUNT, 'existing_files_count', INT, 'Existing entry count'),
    required(F.DELETED_FILES_COUNT, 'deleted_files_count', INT, 'Deleted entry count'),
    required(F.ADDED_ROWS_COUNT, 'added_rows_count', LONG, 'Added rows count'),
    required(F.EXISTING_ROWS_COUNT, 'existing_rows_count', LONG, 'Existing rows count'),
    required(F.DELETED_ROWS_COUNT, 'deleted_rows_count', LONG, 'Deleted rows count'),
    optional(
      F.PARTITIONS,
      'partitions',
      {
        kind: 'list',
        elementId: F.PARTITION_SUMMARY,
        elementRequired: true,
        element: { kind: 'struct', fields: FIELD_SUMMARY },
      },
      'Summary for each partition',
    ),
    optional(F.KEY_METADATA, 'key_metadata', BINARY, 'Encryption key metadata blob'),
  ]
  if (version >= 3) {
    fields.push(
      optional(
        F.FIRST_ROW_ID,
        'first_row_id',
        LONG,
        'Starting row ID to assign to new rows in ADDED data files',
      ),
    )
  }
  return fields
}

/** Ids of fields by their names, for files whose writer left the ids out. */
export function fieldIdsByName(fields: readonly NestedField[]): Map<string, number> {
  return new Map(fields.map((field) => [field.name, field.id]))
}

const BOOLEAN: PrimitiveType = { kind: 'boolean' }
const INT: PrimitiveType = { kind: 'int' }
const LONG: PrimitiveType = { kind: 'long' }
const STRING: PrimitiveType = { kind: 'string' }
const BINARY: PrimitiveType = { kind: 'binary' }

/** The fields of a partition summary (`field_summary`, item 30). */
export const FIELD_SUMMARY: readonly NestedField[] = [
  required(
    ListField.CONTAINS_NULL,
    'contains_null',
    BOOLEAN,
    'True if any file has a null partition value',
  ),
  optional(
    ListField.CONTAINS_NAN,
    'contains_nan',
    BOOLEAN,
    'True if any file has a nan partition value',
  ),
  optional(ListField.LOWER_BOUND, 'lower_bound', BINARY, 'Partition lower bound for all files'),
  optional(ListField.UPPER_BOUND, 'upper_bound', BINARY, 'Partition upper bound for all files'),
]

function required(id: number, name: string, type: NestedField['type'], doc?: string): NestedField {
  return { id, name, required: true, type, ...(doc === undefined ? {} : { doc }) }
}

function optional(id: number, name: string, type: NestedField['type'], doc?: string): NestedField {
  return { id, name, required: false, type, ...(doc === undefined ? {} : { doc }) }
}

function list(elementId: number, element: PrimitiveType): ListType {
  return { kind: 'list', elementId, elementRequired: true, element }
}

function map(keyId: number, valueId: number, value: PrimitiveType): MapType {
  return { kind: 'map', keyId, key: INT, valueId, valueRequired: true, value }
}
