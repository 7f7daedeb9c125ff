/**
 * The plan by which entries of one manifest are decoded: for each field of its Avro schema, in order, what to do.
 * Fields are found by id, and by name where a writer left ids out.
 */
import { FloeError } from '../../core/errors.ts'
import { avroName } from '../avro/avro-name.ts'
import type { AvroRecord, AvroType } from '../avro/avro-schema.ts'
import type { AvroCursor } from '../avro/cursor.ts'
import { icebergType } from '../avro/iceberg-type.ts'
import { compileSkip, type SkipMemo } from '../avro/skip.ts'
import { compileTupleReader, internedStringReader } from '../avro/value-reader.ts'
import type { Value } from '../spec/value.ts'
import {
  bytesByColumnReader,
  bytesReader,
  type ColumnSelection,
  type FieldContext,
  type FieldReader,
  identifyFields,
  idReader,
  nullable,
  numberReader,
  numbersByColumnReader,
  numbersReader,
  stringReader,
} from './field-readers.ts'
import type { ReadManifestOptions } from './manifest-reader.ts'
import { EntryField, FileField, fieldIdsByName, manifestEntryFields } from './manifest-schema.ts'
import type { PartitionTupleField } from './partition-fields.ts'

/** What has been read of the entry under way. Undefined = null, or not in the file. */
export interface EntrySlots {
  /** True once the entry is to be left out: the rest of it is passed over. */
  refused: boolean
  status: number | undefined
  snapshotId: bigint | undefined
  sequenceNumber: number | undefined
  fileSequenceNumber: number | undefined
  content: number | undefined
  /** Range of the path in the block, −1 = none; it becomes a string only if the entry is kept. */
  pathStart: number
  pathEnd: number
  fileFormat: string | undefined
  partition: readonly Value[] | undefined
  recordCount: number | undefined
  fileSizeBytes: number | undefined
  columnSizes: ReadonlyMap<number, number> | undefined
  valueCounts: ReadonlyMap<number, number> | undefined
  nullValueCounts: ReadonlyMap<number, number> | undefined
  nanValueCounts: ReadonlyMap<number, number> | undefined
  lowerBounds: ReadonlyMap<number, Uint8Array> | undefined
  upperBounds: ReadonlyMap<number, Uint8Array> | undefined
  keyMetadata: Uint8Array | undefined
  splitOffsets: readonly number[] | undefined
  equalityIds: readonly number[] | undefined
  sortOrderId: number | undefined
  firstRowId: bigint | undefined
  referencedDataFile: string | undefined
  contentOffset: number | undefined
  contentSizeBytes: number | undefined
}

/** Reads one field into its slot, or passes over it. */
export type EntryStep = (cursor: AvroCursor, slots: EntrySlots) => void

export interface EntryPlan {
  readonly steps: readonly EntryStep[]
  /** The slots that the steps fill; every step sets its own anew for each entry. */
  readonly slots: EntrySlots
}

/** @throws CORRUPT_MANIFEST if the schema is not that of a manifest. */
export function compileEntryPlan(schema: AvroType, options: ReadManifestOptions): EntryPlan {
  const compiler = new PlanCompiler(options)
  return { steps: compiler.entrySteps(schema), slots: emptySlots() }
}

class PlanCompiler {
  private readonly options: ReadManifestOptions
  private readonly file: string
  private readonly skips: SkipMemo = new Map()

  constructor(options: ReadManifestOptions) {
    this.options = options
    this.file = options.manifest.manifestPath
  }

  entrySteps(schema: AvroType): EntryStep[] {
    if (schema.kind !== 'record') throw this.notManifest('its rows are not records')
    const fields = identifyFields(schema, ENTRY_IDS)
    for (const needed of [EntryField.STATUS, EntryField.DATA_FILE]) {
      if (!fields.some(({ id }) => id === needed))
        throw this.notManifest(`it has no field ${needed}`)
    }
    return fields.map(({ id, field }) => this.entryStep(id, field.name, field.type))
  }

  private entryStep(id: number | undefined, name: string, type: AvroType): EntryStep {
    const context = this.context(name)
    switch (id) {
      case EntryField.STATUS:
        return this.statusStep(numberReader(type, context))
      case EntryField.SNAPSHOT_ID:
        return into('snapshotId', idReader(type, context))
      case EntryField.SEQUENCE_NUMBER:
        return into('sequenceNumber', numberReader(type, context))
      case EntryField.FILE_SEQUENCE_NUMBER:
        return into('fileSequenceNumber', numberReader(type, context))
      case EntryField.DATA_FILE:
        return this.fileStep(type, context)
      default:
        return this.skip(type)
    }
  }

  private statusStep(read: FieldReader<number>): EntryStep {
    const liveOnly = this.options.liveOnly ?? false
    return (cursor, slots) => {
      slots.status = read(cursor)
      if (liveOnly && slots.status === 2) slots.refused = true
    }
  }

  private fileStep(type: AvroType, context: FieldContext): EntryStep {
    let slotsNow: EntrySlots
    const read = nullable(type, context, 'a record', (t) => {
      if (t.kind !== 'record') return undefined
      const steps = this.fileSteps(t)
      return (cursor): true => {
        for (const { read: step, pass } of steps) {
          if (slotsNow.refused) pass(cursor, slotsNow)
          else step(cursor, slotsNow)
        }
        return true
      }
    })
    return (cursor, slots) => {
      slotsNow = slots
      if (read(cursor) === undefined) throw cursor.corrupt('an entry has no data_file')
    }
  }

  /** For each field: what to do for an entry that is kept, and for one that is refused already. */
  private fileSteps(record: AvroRecord): { read: EntryStep; pass: EntryStep }[] {
    return identifyFields(record, FILE_IDS).map(({ id, field }) => {
      const pass = this.skip(field.type)
      const read = this.fieldStep(id, field.type, this.context(field.name)) ?? pass
      // Row ids are assigned by what precedes, so these count for refused entries too.
      return { read, pass: ALWAYS_READ.has(id ?? -1) ? read : pass }
    })
  }

  private fieldStep(
    id: number | undefined,
    type: AvroType,
    context: FieldContext,
  ): EntryStep | undefined {
    const F = FileField
    switch (id) {
      case F.CONTENT:
        return into('content', numberReader(type, context))
      case F.FILE_PATH:
        return pathStep(type, context)
      case F.FILE_FORMAT:
        return into('fileFormat', formatReader(type, context))
      case F.PARTITION:
        return this.partitionStep(type, context)
      case F.RECORD_COUNT:
        return into('recordCount', numberReader(type, context))
      case F.FILE_SIZE:
        return into('fileSizeBytes', numberReader(type, context))
      case F.KEY_METADATA:
        return into('keyMetadata', bytesReader(type, context))
      case F.SPLIT_OFFSETS:
        return into('splitOffsets', numbersReader(type, context))
      case F.EQUALITY_IDS:
        return into('equalityIds', numbersReader(type, context))
      case F.SORT_ORDER_ID:
        return into('sortOrderId', numberReader(type, context))
      case F.FIRST_ROW_ID:
        return into('firstRowId', idReader(type, context))
      case F.REFERENCED_DATA_FILE:
        return into('referencedDataFile', stringReader(type, context))
      case F.CONTENT_OFFSET:
        return into('contentOffset', numberReader(type, context))
      case F.CONTENT_SIZE:
        return into('contentSizeBytes', numberReader(type, context))
      default:
        return this.metricsStep(id, type, context)
    }
  }

  private metricsStep(
    id: number | undefined,
    type: AvroType,
    context: FieldContext,
  ): EntryStep | undefined {
    const columns: ColumnSelection | 'none' = this.options.metrics ?? 'all'
    if (columns === 'none' || (columns !== 'all' && columns.size === 0)) return undefined
    const F = FileField
    switch (id) {
      case F.COLUMN_SIZES:
        return into('columnSizes', numbersByColumnReader(type, context, columns))
      case F.VALUE_COUNTS:
        return into('valueCounts', numbersByColumnReader(type, context, columns))
      case F.NULL_VALUE_COUNTS:
        return into('nullValueCounts', numbersByColumnReader(type, context, columns))
      case F.NAN_VALUE_COUNTS:
        return into('nanValueCounts', numbersByColumnReader(type, context, columns))
      case F.LOWER_BOUNDS:
        return into('lowerBounds', bytesByColumnReader(type, context, columns))
      case F.UPPER_BOUNDS:
        return into('upperBounds', bytesByColumnReader(type, context, columns))
      default:
        return undefined
    }
  }

  private partitionStep(type: AvroType, context: FieldContext): EntryStep {
    const { partition, keepPartition } = this.options
    const idOfName = (path: readonly string[]): number | undefined =>
      partition.find((field) => field.name === path[0] || avroName(field.name) === path[0])?.id
    const read = nullable(type, context, 'a record', (t) =>
      t.kind === 'record'
        ? compileTupleReader(t, typedBy(t, partition), {
            file: this.file,
            idOfName,
            skips: this.skips,
          })
        : undefined,
    )
    const nulls: readonly null[] = partition.map(() => null)
    return (cursor, slots) => {
      const tuple = read(cursor) ?? nulls
      slots.partition = tuple
      if (keepPartition !== undefined && !keepPartition(tuple)) slots.refused = true
    }
  }

  private skip(type: AvroType): EntryStep {
    return compileSkip(type, this.skips)
  }

  private context(name: string): FieldContext {
    return { file: this.file, name, skips: this.skips }
  }

  private notManifest(why: string): FloeError {
    return new FloeError(
      'CORRUPT_MANIFEST',
      `Cannot read ${this.file}: it is not a manifest: ${why}. The table is damaged: run fsck`,
      { context: { file: this.file } },
    )
  }
}

function into<K extends keyof EntrySlots>(
  slot: K,
  read: FieldReader<NonNullable<EntrySlots[K]>>,
): EntryStep {
  return (cursor, slots) => {
    slots[slot] = read(cursor) as EntrySlots[K]
  }
}

function pathStep(type: AvroType, context: FieldContext): EntryStep {
  // The length of the range; its end is where the cursor then stands.
  const read = nullable(type, context, 'a string', (t) => {
    if (t.kind !== 'string') return undefined
    return (cursor) => {
      const length = cursor.readLength()
      cursor.take(length)
      return length
    }
  })
  return (cursor, slots) => {
    const length = read(cursor)
    slots.pathStart = length === undefined ? -1 : cursor.pos - length
    slots.pathEnd = cursor.pos
  }
}

function formatReader(type: AvroType, context: FieldContext): FieldReader<string> {
  return nullable(type, context, 'a string', (t) =>
    t.kind === 'string' ? internedStringReader() : undefined,
  )
}

/** The partition fields, with the types that the file states where the table's schemas do not tell. */
function typedBy(
  record: AvroRecord,
  partition: readonly PartitionTupleField[],
): readonly PartitionTupleField[] {
  return partition.map((field) => {
    if (field.type.kind !== 'unknown') return field
    const written = record.fields.find((f) => f.fieldId === field.id)
    return written === undefined ? field : { ...field, type: icebergType(written.type) }
  })
}

function emptySlots(): EntrySlots {
  return {
    refused: false,
    status: undefined,
    snapshotId: undefined,
    sequenceNumber: undefined,
    fileSequenceNumber: undefined,
    content: undefined,
    pathStart: -1,
    pathEnd: -1,
    fileFormat: undefined,
    partition: undefined,
    recordCount: undefined,
    fileSizeBytes: undefined,
    columnSizes: undefined,
    valueCounts: undefined,
    nullValueCounts: undefined,
    nanValueCounts: undefined,
    lowerBounds: undefined,
    upperBounds: undefined,
    keyMetadata: undefined,
    splitOffsets: undefined,
    equalityIds: undefined,
    sortOrderId: undefined,
    firstRowId: undefined,
    referencedDataFile: undefined,
    contentOffset: undefined,
    contentSizeBytes: undefined,
  }
}

const ENTRY_IDS: ReadonlyMap<string, number> = fieldIdsByName(manifestEntryFields(3, []))
const FILE_IDS: ReadonlyMap<string, number> = fieldIdsByName(
  manifestEntryFields(3, []).flatMap((f) => (f.type.kind === 'struct' ? f.type.fields : [])),
)
const ALWAYS_READ: ReadonlySet<number> = new Set([
  FileField.CONTENT,
  FileField.RECORD_COUNT,
  FileField.FIRST_ROW_ID,
])
