/** The JSON of tables' metadata as it is sent. A version never changes, so its bytes are made once. */
import { LruCache } from '../../core/lru.ts'
import { encodeMetadataJson } from '../../iceberg/metadata-file/metadata-file.ts'
import type { TableMetadata } from '../../iceberg/spec/metadata.ts'
import type { ServedLake } from './options.ts'

/** Which snapshots are sent: all, or those that branches and tags name. */
export type SnapshotsMode = 'all' | 'refs'

export interface MetadataVersion {
  readonly location: string
  readonly json: Uint8Array
}

export class TableMetadataCache {
  readonly #lake: ServedLake
  readonly #cache: LruCache<string, MetadataVersion>

  /** @param maxBytes of JSON kept. */
  constructor(lake: ServedLake, maxBytes: number) {
    this.#lake = lake
    this.#cache = new LruCache(maxBytes)
  }

  /**
   * The metadata of the latest version, or of one that became the latest in between.
   * @param location of the latest version a moment ago.
   * @throws NO_SUCH_TABLE and what reading metadata throws
   */
  async load(name: string, location: string, mode: SnapshotsMode): Promise<MetadataVersion> {
    const kept = this.#cache.get(cacheKey(location, mode))
    if (kept !== undefined) return kept
    const { metadata, metadataLocation } = await this.#lake.table(name)
    const shown = mode === 'all' ? metadata : withReferencedSnapshots(metadata)
    const version = { location: metadataLocation, json: encodeMetadataJson(shown) }
    this.#cache.set(cacheKey(metadataLocation, mode), version, version.json.length)
    return version
  }
}

function cacheKey(location: string, mode: SnapshotsMode): string {
  return `${mode} ${location}`
}

function withReferencedSnapshots(metadata: TableMetadata): TableMetadata {
  const wanted = new Set<bigint>()
  for (const ref of metadata.refs.values()) wanted.add(ref.snapshotId)
  if (metadata.currentSnapshotId !== undefined) wanted.add(metadata.currentSnapshotId)
  return { ...metadata, snapshots: metadata.snapshots.filter((s) => wanted.has(s.snapshotId)) }
}
