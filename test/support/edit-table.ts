/**
 * Edits what a table's current snapshot refers to, in place and against all rules: the floe that reads it must find out.
 * Manifests and their list stay consistent with each other, unless the edit is about that.
 */
import { type JsonObject, parseJsonBytes, stringifyJson } from '../../src/core/json.ts'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { systemRuntime } from '../../src/core/runtime.ts'
import { AvroContainerWriter } from '../../src/iceberg/avro/container-writer.ts'
import { avroSchemaText } from '../../src/iceberg/avro/schema-json.ts'
import type { ContentFile, ManifestEntry, ManifestFile } from '../../src/iceberg/manifest/entry.ts'
import { compileEntryEncoder } from '../../src/iceberg/manifest/entry-encoder.ts'
import { ManifestCounter } from '../../src/iceberg/manifest/manifest-counts.ts'
import { readManifestList } from '../../src/iceberg/manifest/manifest-list-reader.ts'
import { writeManifestList } from '../../src/iceberg/manifest/manifest-list-writer.ts'
import { readManifest } from '../../src/iceberg/manifest/manifest-reader.ts'
import {
  MANIFEST_ENTRY_RECORD,
  manifestEntryFields,
} from '../../src/iceberg/manifest/manifest-schema.ts'
import { partitionFields } from '../../src/iceberg/manifest/partition-fields.ts'
import type { TableMetadata } from '../../src/iceberg/spec/metadata.ts'
import { metadataFromJson } from '../../src/iceberg/spec/metadata-json.ts'
import type { Snapshot } from '../../src/iceberg/spec/snapshot.ts'
import type { MemoryStore } from '../../src/io/memory.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export type EditedEntry = Mutable<Omit<ManifestEntry, 'file'>> & { file: Mutable<ContentFile> }

export interface EditedManifest {
  readonly line: Mutable<ManifestFile>
  /** As written: with nulls where numbers are inherited. */
  readonly entries: EditedEntry[]
  /** Leave the counts of the line as they are. */
  keepCounts?: boolean
}

/** The parts of a table in memory. */
export interface TableParts {
  readonly store: MemoryStore
  readonly metadataLocation: string
}

export async function editMetadata(
  { store, metadataLocation }: TableParts,
  edit: (json: JsonObject) => void,
): Promise<void> {
  const json = parseJsonBytes(await store.get(metadataLocation), 'metadata') as JsonObject
  edit(json)
  await store.put(metadataLocation, new TextEncoder().encode(stringifyJson(json)))
}

export async function editManifests(
  parts: TableParts,
  edit: (manifests: EditedManifest[]) => void,
): Promise<void> {
  const { store } = parts
  const { metadata, snapshot } = await current(parts)
  const path = snapshot.manifestList as string
  const lines = readManifestList(await store.get(path), { file: path, limits: DEFAULT_LIMITS })
  const manifests: EditedManifest[] = []
  for (const line of lines) {
    const entries = readManifest(await store.get(line.manifestPath), {
      manifest: line,
      partition: partitionOf(metadata, line.partitionSpecId),
      limits: DEFAULT_LIMITS,
      metrics: 'all',
      inherit: false,
    })
    manifests.push({
      line: { ...line },
      entries: [...entries].map((entry) => ({ ...entry, file: { ...entry.file } })),
    })
  }
  edit(manifests)
  const version = metadata.formatVersion as 2 | 3
  for (const [i, { line, entries, keepCounts }] of manifests.entries()) {
    const bytes = encode(metadata, version, lines[i]?.partitionSpecId ?? 0, line, entries)
    await store.put(line.manifestPath, bytes)
    line.manifestLength = bytes.length
    if (keepCounts === true) continue
    const counter = new ManifestCounter()
    for (const entry of entries) counter.add(entry)
    Object.assign(line, counter.counts())
  }
  const list = writeManifestList({
    formatVersion: version,
    snapshotId: snapshot.snapshotId,
    parentSnapshotId: snapshot.parentSnapshotId,
    sequenceNumber: snapshot.sequenceNumber,
    firstRowId: snapshot.firstRowId,
    manifests: manifests.map((m) => m.line),
    runtime: systemRuntime,
  })
  await store.put(path, list)
}

/** Edits the live delete files of the snapshot, which have to be there. */
export function editDeletes(
  parts: TableParts,
  edit: (entry: EditedEntry, index: number) => void,
): Promise<void> {
  return editManifests(parts, (manifests) => {
    const entries = manifests
      .filter((m) => m.line.content === 'deletes')
      .flatMap((m) => m.entries)
      .filter((entry) => entry.status !== 'deleted')
    if (entries.length === 0) throw new Error('the table has no delete files')
    for (const [i, entry] of entries.entries()) edit(entry, i)
  })
}

/** Without the checks of the real writer. */
function encode(
  metadata: TableMetadata,
  version: 2 | 3,
  specId: number,
  line: ManifestFile,
  entries: readonly ManifestEntry[],
): Uint8Array {
  const partition = partitionOf(metadata, specId)
  const fields = manifestEntryFields(version, partition)
  const container = new AvroContainerWriter({
    schemaJson: avroSchemaText(MANIFEST_ENTRY_RECORD, fields),
    metadata: new Map([
      ['partition-spec-id', String(specId)],
      ['format-version', String(version)],
      ['content', line.content],
    ]),
    codec: 'null',
    runtime: systemRuntime,
  })
  const write = compileEntryEncoder(fields, partition)
  for (const entry of entries) {
    write(container.sink, { ...entry, snapshotId: entry.snapshotId ?? line.addedSnapshotId })
    container.endRecord()
  }
  return container.finish()
}

function partitionOf(metadata: TableMetadata, specId: number): ReturnType<typeof partitionFields> {
  const spec = metadata.partitionSpecs.find((s) => s.specId === specId)
  if (spec === undefined) throw new Error(`no spec ${specId}`)
  return partitionFields(spec, metadata.schemas)
}

async function current({
  store,
  metadataLocation,
}: TableParts): Promise<{ metadata: TableMetadata; snapshot: Snapshot }> {
  const metadata = metadataFromJson(
    parseJsonBytes(await store.get(metadataLocation), 'metadata'),
    'metadata',
  )
  const snapshot = metadata.snapshots.find((s) => s.snapshotId === metadata.currentSnapshotId)
  if (snapshot === undefined) throw new Error('the table has no snapshot')
  return { metadata, snapshot }
}
