/** Writes manifests of format versions 2 and 3. Iceberg spec §Manifests (iceberg-writer.md §C). */
import { assert, FloeError } from '../../core/errors.ts'
import { stringifyJson } from '../../core/json.ts'
import type { Runtime } from '../../core/runtime.ts'
import type { AvroWriteCodec } from '../avro/codec.ts'
import { AvroContainerWriter } from '../avro/container-writer.ts'
import { avroSchemaText } from '../avro/schema-json.ts'
import type { PartitionSpec } from '../spec/partition-spec.ts'
import { partitionFieldsToJson } from '../spec/partition-spec-json.ts'
import type { Schema } from '../spec/schema.ts'
import { schemaToJson } from '../spec/schema-json.ts'
import type { FieldSummary, ManifestContent, ManifestEntry, ManifestFile } from './entry.ts'
import { checkEntry, type EntryRules } from './entry-checks.ts'
import { compileEntryEncoder, type EntryEncoder } from './entry-encoder.ts'
import { ManifestCounter, type ManifestCounts } from './manifest-counts.ts'
import {
  MANIFEST_ENTRY_RECORD,
  manifestEntryFields,
  type WriteFormatVersion,
} from './manifest-schema.ts'
import { partitionFields } from './partition-fields.ts'
import { PartitionSummaries } from './summaries.ts'

export interface ManifestWriterOptions {
  readonly formatVersion: WriteFormatVersion
  /** The table's current schema, kept in the header. */
  readonly schema: Schema
  /** Other schemas of the table, the newest first: where the sources of old specs may be found. */
  readonly olderSchemas?: readonly Schema[]
  /** The one spec of all entries. */
  readonly spec: PartitionSpec
  readonly content: ManifestContent
  /** The snapshot that writes the manifest. */
  readonly snapshotId: bigint
  readonly runtime: Runtime
  /** Default deflate (item 51). */
  readonly codec?: AvroWriteCodec
}

/** What the manifest list will say of a manifest, as far as it is known before the commit. */
export interface ManifestSummary extends ManifestCounts {
  readonly content: ManifestContent
  readonly partitionSpecId: number
  readonly addedSnapshotId: bigint
  /** Null: that of the snapshot, assigned at the commit. */
  readonly minSequenceNumber: number | null
  readonly partitions: readonly FieldSummary[] | undefined
}

export interface WrittenManifest {
  readonly bytes: Uint8Array
  readonly summary: ManifestSummary
}

/**
 * Writes a manifest of the given entries.
 * @throws ASSERTION_FAILED if an entry breaks a rule of `entry-checks.ts` or there is none; TYPE_MISMATCH for a
 *   partition value that is not of its type; UNSUPPORTED_TRANSFORM for a spec with an unknown transform (item 17).
 */
export function writeManifest(
  options: ManifestWriterOptions & { readonly entries: Iterable<ManifestEntry> },
): WrittenManifest {
  const writer = new ManifestWriter(options)
  for (const entry of options.entries) writer.add(entry)
  return writer.finish()
}

/** Writes a manifest entry by entry, so that its size can be watched and the next one be begun. */
export class ManifestWriter {
  readonly #rules: EntryRules
  readonly #container: AvroContainerWriter
  readonly #encode: EntryEncoder
  readonly #counter = new ManifestCounter()
  readonly #summaries: PartitionSummaries
  #entries = 0

  constructor(options: ManifestWriterOptions) {
    const { schema, spec, content, formatVersion, snapshotId } = options
    refuseUnknownTransforms(spec)
    const partition = partitionFields(spec, [schema, ...(options.olderSchemas ?? [])])
    const fields = manifestEntryFields(formatVersion, partition)
    this.#rules = { formatVersion, content, specId: spec.specId, snapshotId }
    this.#encode = compileEntryEncoder(fields, partition)
    this.#summaries = new PartitionSummaries(partition)
    this.#container = new AvroContainerWriter({
      schemaJson: avroSchemaText(MANIFEST_ENTRY_RECORD, fields),
      metadata: new Map([
        ['schema', stringifyJson(schemaToJson(schema))],
        ['schema-id', String(schema.schemaId)],
        ['partition-spec', stringifyJson(partitionFieldsToJson(spec.fields))],
        ['partition-spec-id', String(spec.specId)],
        ['format-version', String(formatVersion)],
        ['content', content],
      ]),
      codec: options.codec ?? 'deflate',
      runtime: options.runtime,
    })
  }

  get entryCount(): number {
    return this.#entries
  }

  /** Bytes so far; the block under way counts as if it did not compress. */
  get lengthBytes(): number {
    return this.#container.lengthBytes
  }

  add(entry: ManifestEntry): void {
    checkEntry(entry, this.#rules)
    this.#counter.add(entry)
    this.#summaries.add(entry.file.partition)
    this.#encode(
      this.#container.sink,
      entry.snapshotId === null ? { ...entry, snapshotId: this.#rules.snapshotId } : entry,
    )
    this.#container.endRecord()
    this.#entries++
  }

  finish(): WrittenManifest {
    assert(this.#entries > 0, 'a manifest has at least one entry')
    const { content, specId, snapshotId } = this.#rules
    const counts = this.#counter.counts()
    assert(
      counts.addedFilesCount + counts.existingFilesCount + counts.deletedFilesCount ===
        this.#entries,
      'the counts of a manifest are those of its entries (item 35)',
    )
    return {
      bytes: this.#container.finish(),
      summary: {
        ...counts,
        content,
        partitionSpecId: specId,
        addedSnapshotId: snapshotId,
        minSequenceNumber: this.#counter.minSequenceNumber,
        partitions: this.#summaries.build(),
      },
    }
  }
}

/**
 * The line of the manifest list for a new manifest (items 31, 33, 34).
 * @param options.sequenceNumber that of the snapshot, in this attempt of the commit.
 */
export function toManifestFile(
  written: { readonly manifestLength: number; readonly summary: ManifestSummary },
  options: { readonly manifestPath: string; readonly sequenceNumber: number },
): ManifestFile {
  const { summary } = written
  const { sequenceNumber } = options
  const minSequenceNumber = summary.minSequenceNumber ?? sequenceNumber
  assert(minSequenceNumber <= sequenceNumber, 'no file is newer than the snapshot that has it', {
    manifest: options.manifestPath,
    minSequenceNumber,
    sequenceNumber,
  })
  return {
    ...summary,
    manifestPath: options.manifestPath,
    manifestLength: written.manifestLength,
    sequenceNumber,
    minSequenceNumber,
  }
}

function refuseUnknownTransforms(spec: PartitionSpec): void {
  for (const { name, transform, sourceIds } of spec.fields) {
    if (transform.kind !== 'unknown' && sourceIds.length === 1) continue
    throw new FloeError(
      'UNSUPPORTED_TRANSFORM',
      `Cannot write under partition spec ${spec.specId}: the transform of its field "${name}" is ` +
        'not known to this version. Write with the engine that made the spec, or change the spec',
      { context: { specId: spec.specId, field: name } },
    )
  }
}
