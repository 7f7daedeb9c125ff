/**
 * Manifests and manifest lists that other engines wrote. Every one must be read, and what a list says of a manifest
 * must be what its entries add up to (iceberg-writer.md items 30–35; known-bugs.md 11, 16, 21, 23).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import { asObject, type JsonObject, parseJsonBytes } from '../../../src/core/json.ts'
import { DEFAULT_LIMITS as limits } from '../../../src/core/limits.ts'
import { AvroContainer } from '../../../src/iceberg/avro/container.ts'
import type { ManifestEntry, ManifestFile } from '../../../src/iceberg/manifest/entry.ts'
import { inlineManifest } from '../../../src/iceberg/manifest/inline-manifest.ts'
import { ManifestCounter } from '../../../src/iceberg/manifest/manifest-counts.ts'
import { readManifestList } from '../../../src/iceberg/manifest/manifest-list-reader.ts'
import { readManifest } from '../../../src/iceberg/manifest/manifest-reader.ts'
import {
  type PartitionTupleField,
  partitionFields,
} from '../../../src/iceberg/manifest/partition-fields.ts'
import { PartitionSummaries } from '../../../src/iceberg/manifest/summaries.ts'
import { partitionSpecFromJson } from '../../../src/iceberg/spec/partition-spec-json.ts'
import { schemaFromJson } from '../../../src/iceberg/spec/schema-json.ts'
import { corpusIndex, corpusPath, describeCorpus } from '../../support/corpus.ts'

/** Faults of the sources: what their lists say wrongly. */
const WRONG_COUNTS: ReadonlySet<string> = new Set([
  // Test files made by hand: entries were added, or their status changed, without the list.
  'ccab0b80-739e-4dc6-a95d-306d70e93d65-m0.avro',
  'e90d28aa-cd17-4655-ad04-aa3711792576-m0.avro',
  '3a813d5e-fc0b-485f-bbba-010972a9f20a-m0.avro',
])
/** Tables whose manifests were rewritten with other paths, or whose lists state no true length. */
const WRONG_LENGTHS: ReadonlySet<string> = new Set([
  'duck-bigquery',
  'duck-eq-delete-cross-partition',
  'duck-generated-bounds',
  'duck-null-stats',
  'impala-puffin-stats',
])

interface Table {
  readonly id: string
  /** Avro files by name without folder. */
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly partitionOf: (specId: number) => PartitionTupleField[]
}

function loadTable(id: string, path: string, metadataFile: string): Table {
  const root = corpusPath(path)
  const files = new Map<string, Uint8Array>()
  for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.avro')) files.set(basename(file), readFileSync(join(root, file)))
  }
  const metadata = asObject(readJson(join(root, metadataFile)), 'metadata')
  return { id, files, partitionOf: (specId) => partitionOf(metadata, specId) }
}

function readJson(path: string): ReturnType<typeof parseJsonBytes> {
  const bytes = readFileSync(path)
  return parseJsonBytes(bytes[0] === 0x1f ? gunzipSync(bytes) : bytes, path)
}

function partitionOf(metadata: JsonObject, specId: number): PartitionTupleField[] {
  const schemas = (metadata['schemas'] as JsonObject[] | undefined) ?? [
    metadata['schema'] as JsonObject,
  ]
  const specs = (metadata['partition-specs'] as JsonObject[] | undefined) ?? [
    { 'spec-id': 0, fields: metadata['partition-spec'] ?? [] },
  ]
  const spec = specs.find((s) => s['spec-id'] === specId)
  return partitionFields(
    partitionSpecFromJson(spec, 'spec'),
    schemas.toReversed().map((schema) => schemaFromJson(schema, 'schema')),
  )
}

function recordName(bytes: Uint8Array, file: string): string | undefined {
  const { schema } = new AvroContainer(bytes, file, limits)
  return schema.kind === 'record' ? schema.name : undefined
}

function entriesOf(
  bytes: Uint8Array,
  manifest: ManifestFile,
  partition: PartitionTupleField[],
): ManifestEntry[] {
  return [...readManifest(bytes, { manifest, partition, limits })]
}

/** What a list says of a manifest against what the entries add up to. */
function checkManifest(table: Table, manifest: ManifestFile): number {
  const name = basename(manifest.manifestPath)
  const bytes = table.files.get(name)
  if (bytes === undefined) return 0
  const partition = table.partitionOf(manifest.partitionSpecId)
  const counter = new ManifestCounter()
  const summaries = new PartitionSummaries(partition)
  const entries = entriesOf(bytes, manifest, partition)
  for (const entry of entries) {
    counter.add(entry)
    summaries.add(entry.file.partition)
    expect(entry.file.partition).toHaveLength(partition.length)
    if (entry.status !== 'deleted') expect(entry.sequenceNumber).not.toBeNull()
  }
  if (!WRONG_COUNTS.has(name)) {
    const counts = counter.counts()
    for (const [key, value] of Object.entries(counts)) {
      const listed = manifest[key as keyof ManifestFile]
      if (listed !== undefined) expect([name, key, listed]).toEqual([name, key, value])
    }
    if (counter.minSequenceNumber !== null) {
      expect(manifest.minSequenceNumber).toBe(counter.minSequenceNumber)
    }
  }
  if (!WRONG_LENGTHS.has(table.id)) expect(manifest.manifestLength).toBe(bytes.byteLength)
  if (manifest.partitions !== undefined) {
    const withoutNan = (s: { containsNan?: boolean | undefined }): object => ({
      ...s,
      containsNan: 0,
    })
    expect(summaries.build()?.map(withoutNan)).toEqual(manifest.partitions.map(withoutNan))
  }
  return entries.length
}

describeCorpus('tables of the corpus', () => {
  let lists = 0
  let manifests = 0
  for (const entry of corpusIndex().filter((e) => e.kind === 'table')) {
    it(`${entry.id}: lists and manifests agree`, () => {
      const table = loadTable(entry.id, entry.path, entry['metadata'] as string)
      for (const [name, bytes] of table.files) {
        if (recordName(bytes, name) !== 'manifest_file') continue
        lists++
        for (const manifest of readManifestList(bytes, { file: name, limits })) {
          checkManifest(table, manifest)
          manifests++
        }
      }
    })
  }

  it('read them all', () => {
    expect(lists).toBeGreaterThanOrEqual(130)
    expect(manifests).toBeGreaterThanOrEqual(260)
  })

  it('reads a manifest that a version 1 snapshot names directly', () => {
    const found = corpusIndex().find((e) => e.id === 'duck-v1-inline-manifests')
    if (found === undefined) throw new Error('corpus without duck-v1-inline-manifests')
    const table = loadTable(found.id, found.path, found['metadata'] as string)
    const manifestNames = [...table.files.keys()].filter((name) => !name.startsWith('snap-'))
    let rows = 0
    for (const name of manifestNames) {
      const bytes = table.files.get(name) as Uint8Array
      const manifest = inlineManifest(bytes, { manifestPath: name, snapshotId: 5n, limits })
      for (const entry of entriesOf(bytes, manifest, table.partitionOf(manifest.partitionSpecId))) {
        expect(entry).toMatchObject({ sequenceNumber: 0, fileSequenceNumber: 0 })
        rows += entry.file.recordCount
      }
    }
    expect(rows).toBe(3)
  })
})

describeCorpus('manifests of the corpus', () => {
  const read = (path: string): Uint8Array => readFileSync(corpusPath(`manifests/${path}`))
  const list = (path: string): ManifestFile[] =>
    readManifestList(read(path), { file: path, limits })

  it('reads lists whose fields have old and new names alike (item 30)', () => {
    for (const file of ['manifest-list-v2-1.avro', 'manifest-list-v2-2.avro']) {
      const manifests = list(`iceberg-rust/${file}`)
      expect(manifests.length).toBeGreaterThan(0)
      for (const manifest of manifests) {
        expect(manifest.addedFilesCount).toBeTypeOf('number')
        expect(manifest.existingFilesCount).toBeTypeOf('number')
        expect(manifest.deletedFilesCount).toBeTypeOf('number')
      }
    }
  })

  it('says that an encrypted list is encrypted', () => {
    try {
      list('iceberg-rust/manifest-list-v3-encrypted.avro')
      expect.unreachable()
    } catch (error) {
      expect(isFloeError(error, 'ENCRYPTED_FILE')).toBe(true)
    }
  })

  it('reads the list of DuckDB, which has no format-version (item 29)', () => {
    const manifests = list('iceberg-go/duckdb_v3_manifest_list.avro')
    expect(manifests).toMatchObject([
      { content: 'data', sequenceNumber: 1, minSequenceNumber: 1, firstRowId: 0n },
      { content: 'deletes', sequenceNumber: 2, minSequenceNumber: 2 },
    ])
    expect(manifests[1]?.firstRowId).toBeUndefined()
  })

  describe('of Spark', () => {
    const uuid = 'a85973e4-4009-4cba-875e-5278a2c6027d'
    const json = (path: string): JsonObject[] =>
      parseJsonBytes(read(path), path) as unknown as JsonObject[]

    it('reads the records that another reader read', () => {
      const expected = json(`icebird/${uuid}-m0.json`)
      const partition = partitionFieldsOfHeader(read(`icebird/${uuid}-m0.avro`))
      const [manifest] = list(`icebird/snap-8656952484400131532-1-${uuid}.avro`)
      const entries = entriesOf(
        read(`icebird/${uuid}-m0.avro`),
        manifest as ManifestFile,
        partition,
      )
      expect(entries.map((e) => e.file.filePath)).toEqual(
        expected.map((e) => (e['data_file'] as JsonObject)['file_path']),
      )
      expect(entries.map((e) => e.file.recordCount)).toEqual(
        expected.map((e) => Number((e['data_file'] as JsonObject)['record_count'])),
      )
    })
  })
})

function partitionFieldsOfHeader(bytes: Uint8Array): PartitionTupleField[] {
  const container = new AvroContainer(bytes, 'manifest', limits)
  const header = (key: string): JsonObject =>
    parseJsonBytes(container.metadata.get(key) as Uint8Array, key) as JsonObject
  const spec = partitionSpecFromJson(
    { 'spec-id': 0, fields: header('partition-spec') },
    'partition-spec',
  )
  return partitionFields(spec, [schemaFromJson(header('schema'), 'schema')])
}
