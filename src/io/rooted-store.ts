/**
 * A store that only reaches inside given roots: what stands between metadata, which is untrusted, and the disk.
 * Also maps path prefixes, so that a table that was moved can be read where it is now.
 */
import { LruCache } from '../core/lru.ts'
import { checkInside, comparable, localPath, schemeOf } from './location.ts'
import type {
  ObjectStat,
  ObjectStore,
  ObjectWriter,
  PutIfAbsentResult,
  PutOptions,
  RequestOptions,
} from './store.ts'

export interface RootedStoreOptions {
  /** Places that may be reached, as written in metadata and after mapping. */
  readonly roots: readonly string[]
  /** Prefix in metadata → prefix in the store; the longest that fits wins. */
  readonly pathMapping?: Readonly<Record<string, string>>
}

export class RootedStore implements ObjectStore {
  readonly scheme: string
  readonly #inner: ObjectStore
  readonly #roots: readonly string[]
  readonly #mapping: readonly (readonly [string, string])[]
  readonly #realFolders = new LruCache<string, true>(10_000)
  #realRoots: Promise<readonly string[]> | undefined

  constructor(inner: ObjectStore, options: RootedStoreOptions) {
    this.scheme = inner.scheme
    this.#inner = inner
    this.#roots = options.roots
    this.#mapping = Object.entries(options.pathMapping ?? {}).sort(
      ([a], [b]) => b.length - a.length,
    )
  }

  async get(
    path: string,
    options?: RequestOptions & {
      readonly range?: { readonly offset: number; readonly length: number }
      readonly maxBytes?: number
    },
  ): Promise<Uint8Array> {
    return this.#inner.get(await this.#resolve(path), options)
  }

  async stat(path: string, options?: RequestOptions): Promise<ObjectStat | null> {
    const stat = await this.#inner.stat(await this.#resolve(path), options)
    return stat === null ? null : { ...stat, path }
  }

  async put(path: string, bytes: Uint8Array, options?: PutOptions): Promise<void> {
    return this.#inner.put(await this.#resolveForWriting(path), bytes, options)
  }

  async openWriter(path: string, options?: RequestOptions): Promise<ObjectWriter> {
    return this.#inner.openWriter(await this.#resolveForWriting(path), options)
  }

  async putIfAbsent(
    path: string,
    bytes: Uint8Array,
    options?: PutOptions,
  ): Promise<PutIfAbsentResult> {
    return this.#inner.putIfAbsent(await this.#resolveForWriting(path), bytes, options)
  }

  async *list(
    prefix: string,
    options?: RequestOptions & { readonly startAfter?: string },
  ): AsyncGenerator<ObjectStat, void, undefined> {
    yield* this.#inner.list(await this.#resolve(prefix), options)
  }

  async delete(paths: readonly string[], options?: RequestOptions): Promise<void> {
    return this.#inner.delete(
      await Promise.all(paths.map((p) => this.#resolveForWriting(p))),
      options,
    )
  }

  now(options?: RequestOptions): Promise<number> {
    return this.#inner.now(options)
  }

  /** The store below belongs to whoever opened it. */
  async close(): Promise<void> {
    this.#realRoots = undefined
  }

  /** Where a path of the metadata leads, in a form that is equal for every way to name one file. */
  canonicalPath(path: string): string {
    return comparable(this.#map(path))
  }

  /** @throws PATH_OUTSIDE_ROOT for a path of the metadata that is not below a root; links are followed when files are reached */
  checkPath(path: string): void {
    checkInside(this.#map(path), this.#roots)
  }

  #map(path: string): string {
    const rule = this.#mapping.find(([from]) => path.startsWith(from))
    return rule === undefined ? path : rule[1] + path.slice(rule[0].length)
  }

  async #resolve(path: string): Promise<string> {
    const mapped = this.#map(path)
    checkInside(mapped, this.#roots)
    if (this.#inner.realPath !== undefined) await this.#checkLinks(mapped)
    return mapped
  }

  /**
   * As `#resolve`, for what makes, replaces or removes an object by its name: a link of that name would not be followed,
   * so only the folder matters, and that is mostly known.
   */
  async #resolveForWriting(path: string): Promise<string> {
    const mapped = this.#map(path)
    checkInside(mapped, this.#roots)
    if (this.#inner.realPath !== undefined) await this.#checkLinks(parentOf(mapped))
    return mapped
  }

  /** A symbolic link below a root must not lead out of all roots. */
  async #checkLinks(path: string): Promise<void> {
    if (this.#realFolders.get(path) === true) return
    const realPath = (p: string): Promise<string> =>
      (this.#inner.realPath as (p: string) => Promise<string>)(p)
    // Roots of another kind of store, in metadata of a table that was moved, lead nowhere here.
    const own = this.#roots.filter(
      (r) => schemeOf(r) === this.scheme && localPath(r).startsWith('/'),
    )
    const real = await realPath(path)
    // A failure is not kept: the next call may find what is missing now.
    this.#realRoots ??= Promise.all(own.map((root) => realPath(root))).catch((error: unknown) => {
      this.#realRoots = undefined
      throw error
    })
    checkInside(real, [...(await this.#realRoots), ...this.#roots])
    this.#realFolders.set(path, true, 1)
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}
