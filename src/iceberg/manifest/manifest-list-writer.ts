/** Writes manifest lists of format versions 2 and 3. Iceberg spec §Manifest Lists (iceberg-writer.md §B). */
import { assert, type ErrorContext } from '../../core/errors.ts'
import { jsonObject, stringifyJson } from '../../core/json.ts'
import type { Runtime } from '../../core/runtime.ts'
import type { AvroWriteCodec } from '../avro/codec.ts'
import { AvroContainerWriter } from '../avro/container-writer.ts'
import { avroSchemaText } from '../avro/schema-json.ts'
import type { AvroSink } from '../avro/sink.ts'
import { fieldsToJson } from '../spec/schema-json.ts'
import type { NestedField } from '../spec/types.ts'
import type { FieldSummary, ManifestFile } from './entry.ts'
import { optionalBytes, optionalId } from './entry-encoder.ts'
import {
  ListField,
  MANIFEST_FILE_RECORD,
  manifestFileFields,
  type WriteFormatVersion,
} from './manifest-schema.ts'

export interface ManifestListOptions {
  readonly formatVersion: WriteFormatVersion
  readonly snapshotId: bigint
  readonly parentSnapshotId?: bigint | undefined
  /** That of the snapshot, in this attempt of the commit. */
  readonly sequenceNumber: number
  /** Version 3: the snapshot's first row id, where `assignFirstRowIds` began. */
  readonly firstRowId?: bigint | undefined
  /** In the order to be written: new ones first (item 36). */
  readonly manifests: readonly ManifestFile[]
  readonly runtime: Runtime
  /** Default deflate. */
  readonly codec?: AvroWriteCodec
}

/**
 * Writes the list of one snapshot, in one attempt of a commit. The path is the caller's, and new for each attempt
 * (item 28).
 * @throws ASSERTION_FAILED if a line breaks a rule of items 30 to 37.
 */
export function writeManifestList(options: ManifestListOptions): Uint8Array {
  const fields = manifestFileFields(options.formatVersion)
  checkList(options)
  const container = new AvroContainerWriter({
    schemaJson: avroSchemaText(MANIFEST_FILE_RECORD, fields),
    metadata: header(options, fields),
    codec: options.codec ?? 'deflate',
    runtime: options.runtime,
  })
  const steps = fields.map(lineStep)
  for (const manifest of options.manifests) {
    for (const step of steps) step(container.sink, manifest)
    container.endRecord()
  }
  return container.finish()
}

/** Item 29: readers differ in what they need, so everything is written. */
function header(
  options: ManifestListOptions,
  fields: readonly NestedField[],
): ReadonlyMap<string, string> {
  const schema = Object.assign(jsonObject(), {
    type: 'struct',
    'schema-id': 0,
    fields: fieldsToJson(fields),
  })
  const metadata = new Map([
    ['snapshot-id', String(options.snapshotId)],
    ['parent-snapshot-id', String(options.parentSnapshotId ?? 'null')],
    ['sequence-number', String(options.sequenceNumber)],
    ['format-version', String(options.formatVersion)],
    ['iceberg.schema', stringifyJson(schema)],
  ])
  if (options.firstRowId !== undefined) metadata.set('first-row-id', String(options.firstRowId))
  return metadata
}

function checkList(options: ManifestListOptions): void {
  const { formatVersion, manifests } = options
  assert(
    (options.firstRowId !== undefined) === formatVersion >= 3,
    'a manifest list has a first row id in format version 3 alone (item 29)',
  )
  const paths = new Set(manifests.map((manifest) => manifest.manifestPath))
  assert(paths.size === manifests.length, 'a manifest stands once in a list')
  for (const manifest of manifests) checkLine(manifest, options)
}

function checkLine(manifest: ManifestFile, options: ManifestListOptions): void {
  const context: ErrorContext = { manifest: manifest.manifestPath }
  const isNew = manifest.addedSnapshotId === options.snapshotId
  assert(manifest.manifestLength > 0, 'a manifest has its length (item 31)', context)
  assert(
    isNew
      ? manifest.sequenceNumber === options.sequenceNumber
      : manifest.sequenceNumber <= options.sequenceNumber,
    'a new manifest has the sequence number of the snapshot, a carried one its own (item 33)',
    context,
  )
  assert(
    manifest.minSequenceNumber >= 0 && manifest.minSequenceNumber <= manifest.sequenceNumber,
    'the least sequence number of a manifest is not above its own (item 33)',
    context,
  )
  for (const count of countsOf(manifest)) {
    assert(
      count !== undefined && Number.isSafeInteger(count) && count >= 0,
      'a manifest has all counts; those that a list of version 1 left out are counted (items 30, 35)',
      context,
    )
  }
  assert(
    (manifest.firstRowId !== undefined) ===
      (options.formatVersion >= 3 && manifest.content === 'data'),
    'in format version 3 each data manifest has a first row id, and nothing else has (item 75)',
    context,
  )
}

function countsOf(manifest: ManifestFile): (number | undefined)[] {
  return [
    manifest.addedFilesCount,
    manifest.existingFilesCount,
    manifest.deletedFilesCount,
    manifest.addedRowsCount,
    manifest.existingRowsCount,
    manifest.deletedRowsCount,
  ]
}

type LineStep = (sink: AvroSink, manifest: ManifestFile) => void

function lineStep(field: NestedField): LineStep {
  const F = ListField
  switch (field.id) {
    case F.MANIFEST_PATH:
      return (sink, m) => sink.writeString(m.manifestPath)
    case F.MANIFEST_LENGTH:
      return (sink, m) => sink.writeLong(m.manifestLength)
    case F.PARTITION_SPEC_ID:
      return (sink, m) => sink.writeLong(m.partitionSpecId)
    case F.CONTENT:
      return (sink, m) => sink.writeLong(m.content === 'data' ? 0 : 1)
    case F.SEQUENCE_NUMBER:
      return (sink, m) => sink.writeLong(m.sequenceNumber)
    case F.MIN_SEQUENCE_NUMBER:
      return (sink, m) => sink.writeLong(m.minSequenceNumber)
    case F.ADDED_SNAPSHOT_ID:
      return (sink, m) => sink.writeBigLong(m.addedSnapshotId)
    case F.ADDED_FILES_COUNT:
      return (sink, m) => sink.writeLong(m.addedFilesCount as number)
    case F.EXISTING_FILES_COUNT:
      return (sink, m) => sink.writeLong(m.existingFilesCount as number)
    case F.DELETED_FILES_COUNT:
      return (sink, m) => sink.writeLong(m.deletedFilesCount as number)
    case F.ADDED_ROWS_COUNT:
      return (sink, m) => sink.writeLong(m.addedRowsCount as number)
    case F.EXISTING_ROWS_COUNT:
      return (sink, m) => sink.writeLong(m.existingRowsCount as number)
    case F.DELETED_ROWS_COUNT:
      return (sink, m) => sink.writeLong(m.deletedRowsCount as number)
    case F.PARTITIONS:
      return (sink, m) => writeSummaries(sink, m.partitions)
    case F.KEY_METADATA:
      return (sink, m) => optionalBytes(sink, m.keyMetadata)
    default:
      assert(field.id === F.FIRST_ROW_ID, `manifest list field ${field.id} has an encoder`)
      return (sink, m) => optionalId(sink, m.firstRowId)
  }
}

function writeSummaries(sink: AvroSink, summaries: readonly FieldSummary[] | undefined): void {
  sink.writeLong(summaries === undefined ? 0 : 1)
  if (summaries === undefined) return
  if (summaries.length > 0) {
    sink.writeLong(summaries.length)
    for (const summary of summaries) {
      sink.writeBoolean(summary.containsNull)
      sink.writeLong(summary.containsNan === undefined ? 0 : 1)
      if (summary.containsNan !== undefined) sink.writeBoolean(summary.containsNan)
      optionalBytes(sink, summary.lowerBound)
      optionalBytes(sink, summary.upperBound)
    }
  }
  sink.writeLong(0)
}
