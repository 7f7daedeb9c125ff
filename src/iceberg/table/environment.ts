/** What every operation of a lake shares: store, clock, limits, Parquet workers. */
import type { Limits } from '../../core/limits.ts'
import { LruCache } from '../../core/lru.ts'
import type { Runtime } from '../../core/runtime.ts'
import type { ObjectStore } from '../../io/store.ts'
import type { ManifestEntry, ManifestFile } from '../manifest/entry.ts'
import type { ParquetPool } from '../parquet/worker-pool.ts'
import type { PositionBitmap } from '../puffin/position-bitmap.ts'
import type { TableState } from './table-state.ts'
import type { UpsertEngine } from './upsert-engine.ts'

export interface Environment extends Caches {
  readonly store: ObjectStore
  readonly runtime: Runtime
  readonly limits: Limits
  readonly pool: ParquetPool
  /** A form of file paths in which those of one file are equal, whatever scheme or prefix metadata has for it. */
  readonly canonicalPath: (path: string) => string
  /** @throws PATH_OUTSIDE_ROOT for a path that files may not be in */
  readonly checkPath: (path: string) => void
  /** Upserts, for lakes that were opened with an engine for them. */
  readonly upserts?: UpsertSource | undefined
}

/** What is kept of files that never change. */
export interface Caches {
  /**
   * The latest version of each table that this process has read or committed, by the table's name. The catalog's pointer
   * decides whether it is still the latest: only a state of the very location that the pointer names is used. That is
   * right even if the file is damaged or gone by now, since it never changes while it is there; fsck reads the file.
   */
  readonly tables: LruCache<string, TableState>
  /** Manifest lists by path: they are immutable and each commit reads its parent's. */
  readonly manifestLists: LruCache<string, readonly ManifestFile[]>
  /** Manifest entries by manifest path, for operations that change files; scans plan without it. */
  readonly manifests: LruCache<string, readonly ManifestEntry[]>
  /** Deletion vectors by path and offset, position delete files by path. */
  readonly deletes: LruCache<string, PositionBitmap | ReadonlyMap<string, PositionBitmap>>
  /** Manifests as this process wrote them, which its next commit looks at. */
  readonly writtenManifests: LruCache<string, Uint8Array>
}

/** Empty caches of bounded memory. */
export function newCaches(): Caches {
  return {
    tables: new LruCache(128 * MIB),
    manifestLists: new LruCache(16 * MIB),
    manifests: new LruCache(64 * MIB),
    deletes: new LruCache(64 * MIB),
    writtenManifests: new LruCache(8 * MIB),
  }
}

const MIB = 1024 * 1024

/** The engine for upserts, made when it is first asked for. */
export interface UpsertSource {
  engine(): Promise<UpsertEngine>
  /** Frees what it keeps, if it was made. */
  close(): Promise<void>
}

/** The engine's name in snapshot summaries and Parquet footers. */
export const ENGINE_NAME = 'floe'
export { VERSION as ENGINE_VERSION } from '../../core/version.ts'

/** Request options with the signal only if there is one. */
export function requestOptions(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
