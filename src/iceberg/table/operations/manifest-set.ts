/** Writing entries as manifests: one or more for each partition spec, of about the target size. Items 45, 53. */
import { assert } from '../../../core/errors.ts'
import type {
  ContentFile,
  ManifestContent,
  ManifestEntry,
  ManifestFile,
} from '../../manifest/entry.ts'
import {
  type ManifestSummary,
  ManifestWriter,
  toManifestFile,
} from '../../manifest/manifest-writer.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import { manifestMergePolicy } from '../../spec/properties.ts'
import { type Environment, requestOptions } from '../environment.ts'
import { metadataFolder } from '../locations.ts'
import { manifestPath, schemasNewestFirst } from '../manifest-files.ts'
import { specById } from '../table-state.ts'

/** A manifest in the store; its line in the list depends on the attempt. */
export interface StoredManifest {
  readonly path: string
  readonly length: number
  readonly summary: ManifestSummary
  readonly entries: readonly ManifestEntry[]
}

export interface WriteManifestsOptions {
  readonly metadata: TableMetadata
  readonly formatVersion: 2 | 3
  readonly snapshotId: bigint
  readonly content: ManifestContent
  readonly entries: Iterable<ManifestEntry>
  /** Names manifests: `<name>-m<N>.avro`. Never used twice. */
  readonly name: string
  readonly signal: AbortSignal | undefined
  /** Told of each path before it is written. */
  readonly wrote?: ((path: string) => void) | undefined
  /** Told of each file that is on its way; who commits waits for it. */
  readonly writing: (put: Promise<unknown>) => void
}

export function writeManifests(
  env: Environment,
  options: WriteManifestsOptions,
): readonly StoredManifest[] {
  const { metadata, content, formatVersion, snapshotId } = options
  const [schema, ...olderSchemas] = schemasNewestFirst(metadata)
  assert(schema !== undefined, 'a table has a current schema')
  const folder = metadataFolder(metadata)
  const target = manifestMergePolicy(metadata.properties).targetSizeBytes
  const bySpec = new Map<number, ManifestEntry[]>()
  for (const entry of options.entries) {
    const list = bySpec.get(entry.file.specId)
    if (list === undefined) bySpec.set(entry.file.specId, [entry])
    else list.push(entry)
  }
  const written: StoredManifest[] = []
  const flush = (writer: ManifestWriter, entries: readonly ManifestEntry[]): void => {
    const { bytes, summary } = writer.finish()
    const path = manifestPath(folder, options.name, written.length)
    options.wrote?.(path)
    written.push({ path, length: bytes.length, summary, entries })
    env.writtenManifests.set(path, bytes, bytes.length + 200)
    options.writing(env.store.put(path, bytes, requestOptions(options.signal)))
  }
  for (const [specId, entries] of bySpec) {
    const open = (): ManifestWriter =>
      new ManifestWriter({
        formatVersion,
        schema,
        olderSchemas,
        spec: specById(metadata, specId),
        content,
        snapshotId,
        runtime: env.runtime,
      })
    let writer = open()
    let from = 0
    for (const [i, entry] of entries.entries()) {
      if (writer.entryCount > 0 && writer.lengthBytes >= target) {
        flush(writer, entries.slice(from, i))
        from = i
        writer = open()
      }
      writer.add(entry)
    }
    if (writer.entryCount > 0) flush(writer, from === 0 ? entries : entries.slice(from))
  }
  return written
}

/** The line of the manifest list in an attempt with the given sequence number. */
export function manifestLine(stored: StoredManifest, sequenceNumber: number): ManifestFile {
  return toManifestFile(
    { manifestLength: stored.length, summary: stored.summary },
    { manifestPath: stored.path, sequenceNumber },
  )
}

/** The entry of a file that the snapshot adds: its numbers are inherited (item 46). */
export function addedEntry(file: ContentFile, snapshotId: bigint): ManifestEntry {
  return { status: 'added', snapshotId, sequenceNumber: null, fileSequenceNumber: null, file }
}

/** The entry of a file that the snapshot removes; numbers stay explicit (item 47). */
export function deletedEntry(entry: ManifestEntry, snapshotId: bigint): ManifestEntry {
  return {
    ...entry,
    status: 'deleted',
    snapshotId,
    fileSequenceNumber: entry.fileSequenceNumber ?? entry.sequenceNumber,
  }
}

/** The entry of a file that stays while its manifest is written anew. */
export function existingEntry(entry: ManifestEntry): ManifestEntry {
  return {
    ...entry,
    status: 'existing',
    fileSequenceNumber: entry.fileSequenceNumber ?? entry.sequenceNumber,
  }
}
