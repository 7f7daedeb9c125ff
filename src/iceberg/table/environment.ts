/** What every operation of a lake shares: store, clock, limits, Parquet workers. */
import type { Limits } from '../../core/limits.ts'
import type { LruCache } from '../../core/lru.ts'
import type { Runtime } from '../../core/runtime.ts'
import type { ObjectStore } from '../../io/store.ts'
import type { ManifestFile } from '../manifest/entry.ts'
import type { ParquetPool } from '../parquet/worker-pool.ts'

export interface Environment {
  readonly store: ObjectStore
  readonly runtime: Runtime
  readonly limits: Limits
  readonly pool: ParquetPool
  /** Manifest lists by path: they are immutable and each commit reads its parent's. */
  readonly manifestLists: LruCache<string, readonly ManifestFile[]>
}

/** The engine's name in snapshot summaries and Parquet footers. */
export const ENGINE_NAME = 'floe'
export { VERSION as ENGINE_VERSION } from '../../core/version.ts'

/** Request options with the signal only if there is one. */
export function requestOptions(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
