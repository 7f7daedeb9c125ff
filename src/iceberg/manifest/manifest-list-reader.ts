/**
 * Reads manifest lists of format versions 1 to 3. Iceberg spec §Manifest Lists. Fields are found by id: their names
 * changed between versions of writers (iceberg-writer.md item 30).
 */
import { FloeError } from '../../core/errors.ts'
import { checkLimit, type Limits } from '../../core/limits.ts'
import type { AvroType } from '../avro/avro-schema.ts'
import { AvroContainer } from '../avro/container.ts'
import type { AvroCursor } from '../avro/cursor.ts'
import { compileSkip, type SkipMemo } from '../avro/skip.ts'
import type { FieldSummary, ManifestFile } from './entry.ts'
import {
  booleanReader,
  bytesReader,
  type FieldContext,
  type FieldReader,
  identifyFields,
  idReader,
  listReader,
  nullable,
  numberReader,
  stringReader,
} from './field-readers.ts'
import { FIELD_SUMMARY, fieldIdsByName, ListField, manifestFileFields } from './manifest-schema.ts'

/**
 * Reads all lines. Those of version 1 get content data and sequence numbers 0 (item 49).
 * @param file names the list in errors.
 * @throws CORRUPT_AVRO, CORRUPT_MANIFEST, CHECKSUM_MISMATCH, UNSUPPORTED_CODEC, ENCRYPTED_FILE, LIMIT_EXCEEDED
 */
export function readManifestList(
  bytes: Uint8Array,
  options: { readonly file: string; readonly limits: Limits },
): ManifestFile[] {
  const { file, limits } = options
  checkLimit(limits, 'manifestBytes', bytes.byteLength, `The manifest list ${file}`)
  const container = new AvroContainer(bytes, file, limits)
  const readLine = compileLine(container.schema, file)
  const manifests: ManifestFile[] = []
  for (const { count, cursor } of container.blocks()) {
    // Lines stay in memory together, so they are never released.
    container.budget.takeItems(count)
    for (let i = 0; i < count; i++) manifests.push(readLine(cursor))
    cursor.expectEnd()
  }
  return manifests
}

/** Values of a line by field id; those that are null or not in the file are absent. */
type Line = Map<number, unknown>

function compileLine(schema: AvroType, file: string): (cursor: AvroCursor) => ManifestFile {
  const skips: SkipMemo = new Map()
  const fail = (why: string): FloeError => badList(file, why)
  if (schema.kind !== 'record') throw fail('its rows are not records')
  const steps = identifyFields(schema, LIST_IDS).map(({ id, field }) => {
    const read =
      id === undefined ? undefined : fieldReader(id, field.type, { file, name: field.name, skips })
    const skip = compileSkip(field.type, skips)
    return (cursor: AvroCursor, line: Line): void => {
      if (read === undefined || id === undefined) {
        skip(cursor)
        return
      }
      const value = read(cursor)
      if (value !== undefined) line.set(id, value)
    }
  })
  return (cursor) => {
    const line: Line = new Map()
    for (const step of steps) step(cursor, line)
    return toManifest(line, fail)
  }
}

function fieldReader(
  id: number,
  type: AvroType,
  context: FieldContext,
): FieldReader<unknown> | undefined {
  const F = ListField
  switch (id) {
    case F.MANIFEST_PATH:
      return stringReader(type, context)
    case F.ADDED_SNAPSHOT_ID:
    case F.FIRST_ROW_ID:
      return idReader(type, context)
    case F.KEY_METADATA:
      return bytesReader(type, context)
    case F.PARTITIONS:
      return listReader(type, context, (items) => summaryReader(items, context))
    default:
      return NUMBERS.has(id) ? numberReader(type, context) : undefined
  }
}

function toManifest(line: Line, fail: (why: string) => FloeError): ManifestFile {
  const F = ListField
  const number = (id: number): number | undefined => {
    const value = line.get(id) as number | undefined
    if (value !== undefined && value < 0) throw fail(`field ${id} of a line is negative`)
    return value
  }
  const required = <T>(value: T | undefined, name: string): T => {
    if (value === undefined) throw fail(`a line has no ${name}`)
    return value
  }
  const content = number(F.CONTENT) ?? 0
  if (content > 1) throw fail(`a line has the content ${content}`)
  return {
    manifestPath: required(line.get(F.MANIFEST_PATH) as string | undefined, 'manifest_path'),
    manifestLength: required(number(F.MANIFEST_LENGTH), 'manifest_length'),
    partitionSpecId: required(number(F.PARTITION_SPEC_ID), 'partition_spec_id'),
    content: content === 0 ? 'data' : 'deletes',
    sequenceNumber: number(F.SEQUENCE_NUMBER) ?? 0,
    minSequenceNumber: number(F.MIN_SEQUENCE_NUMBER) ?? 0,
    addedSnapshotId: required(
      line.get(F.ADDED_SNAPSHOT_ID) as bigint | undefined,
      'added_snapshot_id',
    ),
    addedFilesCount: number(F.ADDED_FILES_COUNT),
    existingFilesCount: number(F.EXISTING_FILES_COUNT),
    deletedFilesCount: number(F.DELETED_FILES_COUNT),
    addedRowsCount: number(F.ADDED_ROWS_COUNT),
    existingRowsCount: number(F.EXISTING_ROWS_COUNT),
    deletedRowsCount: number(F.DELETED_ROWS_COUNT),
    partitions: line.get(F.PARTITIONS) as FieldSummary[] | undefined,
    keyMetadata: line.get(F.KEY_METADATA) as Uint8Array | undefined,
    firstRowId: content === 0 ? (line.get(F.FIRST_ROW_ID) as bigint | undefined) : undefined,
  }
}

function summaryReader(type: AvroType, context: FieldContext): FieldReader<FieldSummary> {
  return nullable(type, context, 'a record', (t) => {
    if (t.kind !== 'record') return undefined
    const steps = identifyFields(t, SUMMARY_IDS).map(({ id, field }) =>
      summaryStep(id, field.type, context),
    )
    return (cursor) => {
      const slots: SummarySlots = {
        containsNull: undefined,
        containsNan: undefined,
        lowerBound: undefined,
        upperBound: undefined,
      }
      for (const step of steps) step(cursor, slots)
      const { containsNull } = slots
      if (containsNull === undefined)
        throw cursor.corrupt('a partition summary has no contains_null')
      return { ...slots, containsNull }
    }
  })
}

interface SummarySlots {
  containsNull: boolean | undefined
  containsNan: boolean | undefined
  lowerBound: Uint8Array | undefined
  upperBound: Uint8Array | undefined
}

function summaryStep(
  id: number | undefined,
  type: AvroType,
  context: FieldContext,
): (cursor: AvroCursor, slots: SummarySlots) => void {
  switch (id) {
    case ListField.CONTAINS_NULL:
    case ListField.CONTAINS_NAN: {
      const read = booleanReader(type, context)
      const slot = id === ListField.CONTAINS_NULL ? 'containsNull' : 'containsNan'
      return (cursor, slots) => {
        slots[slot] = read(cursor)
      }
    }
    case ListField.LOWER_BOUND:
    case ListField.UPPER_BOUND: {
      const read = bytesReader(type, context)
      const slot = id === ListField.LOWER_BOUND ? 'lowerBound' : 'upperBound'
      return (cursor, slots) => {
        slots[slot] = read(cursor)
      }
    }
    default:
      return compileSkip(type, context.skips)
  }
}

function badList(file: string, why: string): FloeError {
  return new FloeError(
    'CORRUPT_MANIFEST',
    `Cannot read the manifest list ${file}: ${why}. The table is damaged: run fsck`,
    { context: { file } },
  )
}

/** Names of fields without ids; three were renamed in Iceberg 1.4. */
const LIST_IDS: ReadonlyMap<string, number> = new Map([
  ...fieldIdsByName(manifestFileFields(3)),
  ['added_data_files_count', ListField.ADDED_FILES_COUNT],
  ['existing_data_files_count', ListField.EXISTING_FILES_COUNT],
  ['deleted_data_files_count', ListField.DELETED_FILES_COUNT],
])
const SUMMARY_IDS: ReadonlyMap<string, number> = fieldIdsByName(FIELD_SUMMARY)
const NUMBERS: ReadonlySet<number> = new Set([
  ListField.MANIFEST_LENGTH,
  ListField.PARTITION_SPEC_ID,
  ListField.CONTENT,
  ListField.SEQUENCE_NUMBER,
  ListField.MIN_SEQUENCE_NUMBER,
  ListField.ADDED_FILES_COUNT,
  ListField.EXISTING_FILES_COUNT,
  ListField.DELETED_FILES_COUNT,
  ListField.ADDED_ROWS_COUNT,
  ListField.EXISTING_ROWS_COUNT,
  ListField.DELETED_ROWS_COUNT,
])
