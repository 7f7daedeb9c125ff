/** The live files of a snapshot by path, with the deletes that apply to them: what changes of rows work on. */
import { parallelMap } from '../../core/concurrency.ts'
import { FloeError } from '../../core/errors.ts'
import type { ContentFile, ManifestEntry, ManifestFile } from '../manifest/entry.ts'
import { PositionBitmap } from '../puffin/position-bitmap.ts'
import type { TableMetadata } from '../spec/metadata.ts'
import type { Snapshot } from '../spec/snapshot.ts'
import { DeleteIndex, type FileDeletes } from './deletes/delete-index.ts'
import { DeleteLoader } from './deletes/delete-loader.ts'
import type { Environment } from './environment.ts'
import { loadManifest, loadManifestList } from './manifest-files.ts'
import { specById } from './table-state.ts'

/** A live entry and the manifest that it stands in. */
export interface LiveFile {
  readonly entry: ManifestEntry
  readonly manifest: ManifestFile
}

export class LiveFiles {
  readonly #env: Environment
  readonly #index: DeleteIndex
  /** Data files by path. */
  readonly data: ReadonlyMap<string, LiveFile>
  readonly deletes: readonly LiveFile[]

  private constructor(
    env: Environment,
    index: DeleteIndex,
    data: ReadonlyMap<string, LiveFile>,
    deletes: readonly LiveFile[],
  ) {
    this.#env = env
    this.#index = index
    this.data = data
    this.deletes = deletes
  }

  /**
   * Reads all manifests of a snapshot, from the cache where it can.
   * @throws CORRUPT_DELETES, CORRUPT_MANIFEST, CORRUPT_AVRO, FILE_NOT_FOUND
   */
  static async load(
    env: Environment,
    metadata: TableMetadata,
    snapshot: Snapshot | undefined,
    signal: AbortSignal | undefined,
  ): Promise<LiveFiles> {
    const manifests = snapshot === undefined ? [] : await loadManifestList(env, snapshot, signal)
    const index = new DeleteIndex({
      specById: (id) => specById(metadata, id),
      canonicalPath: env.canonicalPath,
    })
    const data = new Map<string, LiveFile>()
    const deletes: LiveFile[] = []
    const loaded = await parallelMap(manifests, env.limits.concurrentRequests, (manifest) =>
      liveEntries(env, metadata, manifest, signal),
    )
    for (const [i, entries] of loaded.entries()) {
      const manifest = manifests[i] as ManifestFile
      for (const entry of entries) {
        if (manifest.content === 'data') {
          const path = entry.file.filePath
          if (data.has(path)) throw standsTwice(path)
          data.set(path, { entry, manifest })
        } else {
          deletes.push({ entry, manifest })
          index.add(entry)
        }
      }
    }
    return new LiveFiles(env, index, data, deletes)
  }

  /** The deletes that apply to a live data file. @throws CORRUPT_DELETES */
  deletesOf({ entry }: LiveFile): FileDeletes | undefined {
    return this.#index.forFile(entry.file, entry.sequenceNumber ?? 0)
  }

  /** Positions of a live data file that are deleted, but for equality deletes. */
  deletedPositions(
    file: LiveFile,
    signal: AbortSignal | undefined,
  ): PositionBitmap | Promise<PositionBitmap> {
    const deletes = this.deletesOf(file)
    return deletes === undefined ? PositionBitmap.EMPTY : this.positionsOf(file, deletes, signal)
  }

  /** Positions of a data file that the given ones of its deletes take away. */
  positionsOf(
    { entry }: LiveFile,
    deletes: FileDeletes,
    signal: AbortSignal | undefined,
  ): PositionBitmap | Promise<PositionBitmap> {
    return new DeleteLoader(this.#env, signal).positions(entry.file, deletes)
  }
}

/** A file by path is one of them, so changing one would lose the other (item 50). */
function standsTwice(path: string): FloeError {
  return new FloeError(
    'CORRUPT_MANIFEST',
    `Cannot change rows of a snapshot that has the data file ${path} twice. Rewrite the table with the engine that added it twice`,
    { context: { file: path } },
  )
}

/** Says which delete files apply: equal texts mean that nothing was deleted in between. */
export function deletesKey(deletes: FileDeletes | undefined): string {
  if (deletes === undefined) return ''
  const name = (file: ContentFile): string => `${file.filePath}@${file.contentOffset ?? ''}`
  return [
    ...(deletes.vector === undefined ? [] : [name(deletes.vector.file)]),
    ...deletes.positions.map((e) => name(e.file)),
    ...deletes.equality.map((e) => name(e.file)),
  ].join('\n')
}

/** Live entries of a manifest with what they inherit; kept, since each commit looks at its parent's. */
async function liveEntries(
  env: Environment,
  metadata: TableMetadata,
  manifest: ManifestFile,
  signal: AbortSignal | undefined,
): Promise<readonly ManifestEntry[]> {
  if (manifest.addedFilesCount === 0 && manifest.existingFilesCount === 0) return []
  const key = entriesKey(manifest)
  const known = env.manifests.get(key)
  if (known !== undefined) return known
  const bytes = env.writtenManifests.get(manifest.manifestPath)
  const entries = await loadManifest(env, metadata, manifest, { liveOnly: true, signal, bytes })
  keepEntries(env, manifest, entries)
  return entries
}

/**
 * Keeps the live entries of a delete manifest that has been written in an attempt, as they will be read: the next
 * commit needs them. Delete files inherit their numbers alone, so they are known.
 */
export function rememberDeletes(
  env: Environment,
  manifest: ManifestFile,
  written: readonly ManifestEntry[],
): void {
  const { sequenceNumber } = manifest
  const entries: ManifestEntry[] = []
  for (const entry of written) {
    if (entry.status === 'existing') entries.push(entry)
    else if (entry.status === 'added') {
      entries.push({
        ...entry,
        sequenceNumber: entry.sequenceNumber ?? sequenceNumber,
        fileSequenceNumber: sequenceNumber,
      })
    }
  }
  keepEntries(env, manifest, entries)
}

function keepEntries(
  env: Environment,
  manifest: ManifestFile,
  entries: readonly ManifestEntry[],
): void {
  const weight = manifest.manifestLength * 8 + entries.length * 400
  env.manifests.set(entriesKey(manifest), entries, weight)
}

/** A manifest can be in two lists with different numbers to inherit, if an attempt was rejected. */
function entriesKey({ manifestPath, sequenceNumber, firstRowId }: ManifestFile): string {
  return `${manifestPath}@${sequenceNumber}@${firstRowId ?? ''}`
}
