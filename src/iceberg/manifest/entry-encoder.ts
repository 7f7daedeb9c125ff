/** Encodes manifest entries as Avro, in the order of the fields of `manifest-schema.ts`. */
import { assert, FloeError } from '../../core/errors.ts'
import type { AvroSink } from '../avro/sink.ts'
import { compileOptionalWriter } from '../avro/value-writer.ts'
import type { NestedField, StructType } from '../spec/types.ts'
import type { ContentFile, EntryStatus, FileContent, ManifestEntry } from './entry.ts'
import { EntryField, FileField } from './manifest-schema.ts'
import type { PartitionTupleField } from './partition-fields.ts'

export const STATUS_CODES: Readonly<Record<EntryStatus, number>> = {
  existing: 0,
  added: 1,
  deleted: 2,
}
export const CONTENT_CODES: Readonly<Record<FileContent, number>> = {
  data: 0,
  'position-deletes': 1,
  'equality-deletes': 2,
}

export type EntryEncoder = (sink: AvroSink, entry: ManifestEntry) => void

/** @param fields those of `manifestEntryFields`: every field is encoded, in their order. */
export function compileEntryEncoder(
  fields: readonly NestedField[],
  partition: readonly PartitionTupleField[],
): EntryEncoder {
  const steps = fields.map((field): EntryEncoder => {
    if (field.id !== EntryField.DATA_FILE) return entryStep(field)
    const fileSteps = (field.type as StructType).fields.map((f) => fileStep(f, partition))
    return (sink, entry) => {
      for (const step of fileSteps) step(sink, entry.file)
    }
  })
  return (sink, entry) => {
    for (const step of steps) step(sink, entry)
  }
}

function entryStep(field: NestedField): EntryEncoder {
  switch (field.id) {
    case EntryField.STATUS:
      return (sink, entry) => sink.writeLong(STATUS_CODES[entry.status])
    case EntryField.SNAPSHOT_ID:
      return (sink, entry) => optionalId(sink, entry.snapshotId)
    case EntryField.SEQUENCE_NUMBER:
      return (sink, entry) => optionalLong(sink, entry.sequenceNumber)
    case EntryField.FILE_SEQUENCE_NUMBER:
      return (sink, entry) => optionalLong(sink, entry.fileSequenceNumber)
    default:
      throw unknownField(field)
  }
}

type FileStep = (sink: AvroSink, file: ContentFile) => void

function fileStep(field: NestedField, partition: readonly PartitionTupleField[]): FileStep {
  const F = FileField
  switch (field.id) {
    case F.CONTENT:
      return (sink, file) => sink.writeLong(CONTENT_CODES[file.content])
    case F.FILE_PATH:
      return (sink, file) => sink.writeString(file.filePath)
    case F.FILE_FORMAT:
      return (sink, file) => sink.writeString(file.fileFormat.toUpperCase())
    case F.PARTITION:
      return partitionStep(partition)
    case F.RECORD_COUNT:
      return (sink, file) => sink.writeLong(file.recordCount)
    case F.FILE_SIZE:
      return (sink, file) => sink.writeLong(file.fileSizeBytes)
    case F.COLUMN_SIZES:
      return (sink, file) => numberMap(sink, file.columnSizes)
    case F.VALUE_COUNTS:
      return (sink, file) => numberMap(sink, file.valueCounts)
    case F.NULL_VALUE_COUNTS:
      return (sink, file) => numberMap(sink, file.nullValueCounts)
    case F.NAN_VALUE_COUNTS:
      return (sink, file) => numberMap(sink, file.nanValueCounts)
    case F.LOWER_BOUNDS:
      return (sink, file) => bytesMap(sink, file.lowerBounds)
    case F.UPPER_BOUNDS:
      return (sink, file) => bytesMap(sink, file.upperBounds)
    case F.KEY_METADATA:
      return (sink, file) => optionalBytes(sink, file.keyMetadata)
    case F.SPLIT_OFFSETS:
      return (sink, file) => optionalList(sink, file.splitOffsets)
    case F.EQUALITY_IDS:
      return (sink, file) => optionalList(sink, file.equalityIds)
    case F.SORT_ORDER_ID:
      return (sink, file) => optionalLong(sink, file.sortOrderId)
    case F.FIRST_ROW_ID:
      return (sink, file) => optionalId(sink, file.firstRowId)
    case F.REFERENCED_DATA_FILE:
      return (sink, file) => optionalString(sink, file.referencedDataFile)
    case F.CONTENT_OFFSET:
      return (sink, file) => optionalLong(sink, file.contentOffset)
    case F.CONTENT_SIZE:
      return (sink, file) => optionalLong(sink, file.contentSizeBytes)
    default:
      throw unknownField(field)
  }
}

function partitionStep(partition: readonly PartitionTupleField[]): FileStep {
  const writers = partition.map((field) => compileOptionalWriter(field.type, field.name))
  return (sink, file) => {
    assert(
      file.partition.length === writers.length,
      'a partition tuple has a value for each field',
      {
        file: file.filePath,
      },
    )
    writers.forEach((write, i) => {
      write(sink, file.partition[i] ?? null)
    })
  }
}

/** Writes the branch of a nullable union; true if a value follows. */
function branch<T>(sink: AvroSink, value: T | null | undefined): value is T {
  const present = value !== null && value !== undefined
  sink.writeLong(present ? 1 : 0)
  return present
}

function optionalLong(sink: AvroSink, value: number | null | undefined): void {
  if (branch(sink, value)) sink.writeLong(value)
}

export function optionalId(sink: AvroSink, value: bigint | null | undefined): void {
  if (branch(sink, value)) sink.writeBigLong(value)
}

export function optionalBytes(sink: AvroSink, value: Uint8Array | undefined): void {
  if (branch(sink, value)) sink.writeBytes(value)
}

function optionalString(sink: AvroSink, value: string | undefined): void {
  if (branch(sink, value)) sink.writeString(value)
}

function optionalList(sink: AvroSink, values: readonly number[] | undefined): void {
  if (!branch(sink, values)) return
  if (values.length > 0) {
    sink.writeLong(values.length)
    for (const value of values) sink.writeLong(value)
  }
  sink.writeLong(0)
}

/** Empty maps are written as null: unknown (item 52). */
function numberMap(sink: AvroSink, map: ReadonlyMap<number, number> | undefined): void {
  if (!branch(sink, map?.size === 0 ? undefined : map)) return
  sink.writeLong((map as ReadonlyMap<number, number>).size)
  for (const [id, value] of map as ReadonlyMap<number, number>) {
    sink.writeLong(id)
    sink.writeLong(value)
  }
  sink.writeLong(0)
}

function bytesMap(sink: AvroSink, map: ReadonlyMap<number, Uint8Array> | undefined): void {
  if (!branch(sink, map?.size === 0 ? undefined : map)) return
  sink.writeLong((map as ReadonlyMap<number, Uint8Array>).size)
  for (const [id, value] of map as ReadonlyMap<number, Uint8Array>) {
    sink.writeLong(id)
    sink.writeBytes(value)
  }
  sink.writeLong(0)
}

function unknownField(field: NestedField): FloeError {
  return new FloeError(
    'ASSERTION_FAILED',
    `Internal check failed: no encoder for manifest field ${field.id}. Please report it`,
  )
}
