/**
 * The default catalog: one versioned object for all tables of a lake. Version n+1 is created put-if-absent from
 * version n, so it exists once or not at all; that put is the moment when a commit, also of several tables, becomes
 * true. See docs/architecture.md, decision 3.
 *
 * What keeps this safe for ever:
 * - Each version names its parent. Latest = the highest number, found by one list from a hint on.
 * - Versions are pruned only when older than 24 h by the store's clock and far below the latest.
 * - A writer that slept since it read its base could create a number that others have pruned. So whoever took
 *   longer than 5 minutes lists again after its put, and a put that is not on the chain of the latest is rejected.
 * - An object that cannot be read (torn by a crash on a file system without hard links) belongs to nobody who was
 *   told that it succeeded. It is passed over once it is older than 10 minutes, twice the time after which its writer
 *   would have to list again and be rejected.
 */
import { Mutex } from '../../core/concurrency.ts'
import { FloeError, isFloeError, throwIfAborted } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import { type Runtime, uuidV4 } from '../../core/runtime.ts'
import { encodeSegment, joinLocation } from '../../io/location.ts'
import type { ObjectStore } from '../../io/store.ts'
import type { Catalog, CommitOutcome, PointerChange, TableIdentifier } from './catalog.ts'
import {
  type CatalogVersion,
  catalogVersionNumber,
  catalogVersionPath,
  decodeCatalogVersion,
  encodeCatalogVersion,
} from './catalog-version.ts'
import { identifierText, parseIdentifier, parseNamespace } from './identifier.ts'
import { checkPutRefused, proveAtomicPut } from './store-check.ts'

/** Ages and counts; the defaults are the safe ones, tests use others. */
export interface VersionedObjectTuning {
  /** A base read longer ago is listed again after the put. */
  readonly lateWriterMs: number
  /** An unreadable version older than this is passed over. */
  readonly tornVersionMs: number
  /** Versions younger than this are never pruned. */
  readonly pruneAfterMs: number
  /** Versions this close to the latest are never pruned. */
  readonly pruneKeep: number
  /** Every how many commits old versions are looked for, and the hint is renewed. */
  readonly maintainEvery: number
}

/** How often one version is put before its outcome is given up as unknown. */
const PUT_ATTEMPTS = 4

/** More versions than this since the last look are found by a list instead. */
const MAX_FOLLOWED = 8

const DEFAULT_TUNING: VersionedObjectTuning = {
  lateWriterMs: 5 * 60_000,
  tornVersionMs: 10 * 60_000,
  pruneAfterMs: 24 * 3_600_000,
  pruneKeep: 100,
  maintainEvery: 32,
}

export interface VersionedObjectOptions {
  readonly store: ObjectStore
  /** Root of the lake. */
  readonly location: string
  readonly runtime: Runtime
  readonly limits: Limits
  readonly readOnly?: boolean
  /** Create the lake if there is none; default true unless readOnly. */
  readonly create?: boolean
  readonly tuning?: Partial<VersionedObjectTuning>
}

/** A version with what was true when it was read. */
interface Base {
  readonly version: CatalogVersion
  /** Number of the highest object, which is above the version where torn ones were passed over. */
  readonly highest: number
  readonly readAtMs: number
  readonly storeReadAtMs: number
}

export class VersionedObjectCatalog implements Catalog {
  readonly kind = 'versioned-object'
  readonly readOnly: boolean
  readonly #store: ObjectStore
  readonly #location: string
  readonly #folder: string
  readonly #runtime: Runtime
  readonly #limits: Limits
  readonly #tuning: VersionedObjectTuning
  readonly #mutex = new Mutex()
  #base: Base | undefined
  #closed = false

  private constructor(options: VersionedObjectOptions) {
    this.#store = options.store
    this.#location = options.location
    this.#folder = joinLocation(options.location, 'catalog')
    this.#runtime = options.runtime
    this.#limits = options.limits
    this.readOnly = options.readOnly ?? false
    this.#tuning = { ...DEFAULT_TUNING, ...options.tuning }
  }

  /**
   * Opens the catalog of a lake, creating the lake if it may.
   * @throws NO_SUCH_LAKE, UNSUPPORTED_STORE, CORRUPT_CATALOG
   */
  static async open(options: VersionedObjectOptions): Promise<VersionedObjectCatalog> {
    const catalog = new VersionedObjectCatalog(options)
    const existing = await catalog.#readLatest()
    if (existing !== undefined) {
      catalog.#base = existing
      if (!catalog.readOnly) await checkPutRefused(catalog.#store, catalog.#folder)
      return catalog
    }
    if (catalog.readOnly || options.create === false) {
      throw new FloeError(
        'NO_SUCH_LAKE',
        `There is no lake at ${options.location}. Open it without readOnly and create: false to make one`,
        { context: { location: options.location } },
      )
    }
    await catalog.#create()
    return catalog
  }

  defaultTableLocation(identifier: TableIdentifier): string {
    return joinLocation(
      this.#location,
      ...identifier.namespace.map(encodeSegment),
      encodeSegment(identifier.name),
    )
  }

  async loadPointers(
    identifiers: readonly TableIdentifier[],
    options: { readonly cached?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<readonly (string | null)[]> {
    throwIfAborted(options.signal, 'Loading tables')
    const { version } = await this.#current(options.cached ?? false)
    return identifiers.map((id) => version.tables.get(identifierText(id)) ?? null)
  }

  async listTables(namespace?: readonly string[]): Promise<readonly TableIdentifier[]> {
    const { version } = await this.#current(false)
    const wanted = namespace?.join('.')
    return [...version.tables.keys()]
      .sort()
      .map(parseIdentifier)
      .filter((id) => wanted === undefined || id.namespace.join('.') === wanted)
  }

  async listNamespaces(): Promise<readonly (readonly string[])[]> {
    const { version } = await this.#current(false)
    return version.namespaces.map(parseNamespace)
  }

  async createNamespace(namespace: readonly string[]): Promise<void> {
    const name = parseNamespace(namespace.join('.')).join('.')
    await this.#change((version) =>
      version.namespaces.includes(name)
        ? undefined
        : { ...version, namespaces: [...version.namespaces, name].sort() },
    )
  }

  async dropNamespace(namespace: readonly string[]): Promise<void> {
    const name = namespace.join('.')
    await this.#change((version) => {
      if (!version.namespaces.includes(name)) {
        throw new FloeError('NO_SUCH_NAMESPACE', `There is no namespace "${name}"`, {
          context: { namespace: name },
        })
      }
      const held = [...version.tables.keys()].find((table) => table.startsWith(`${name}.`))
      if (held !== undefined) {
        throw new FloeError(
          'BAD_ARGUMENT',
          `Cannot drop the namespace "${name}": it holds tables, such as "${held}". Drop them first`,
          { context: { namespace: name } },
        )
      }
      return { ...version, namespaces: version.namespaces.filter((n) => n !== name) }
    })
  }

  commit(
    changes: readonly PointerChange[],
    options: { readonly commitId: string; readonly signal?: AbortSignal },
  ): Promise<CommitOutcome> {
    this.#checkWritable()
    // One process does not race with itself: its commits wait for each other instead.
    return this.#mutex.run(() => {
      throwIfAborted(options.signal, 'A commit')
      return this.#advance(options.commitId, async (version, fresh) => {
        const conflict = changes.find(
          (c) => (version.tables.get(identifierText(c.identifier)) ?? null) !== c.expected,
        )
        if (conflict !== undefined) {
          // What this process remembers may be old: only what was read just now can reject.
          if (!fresh) return 'refresh'
          return `the table ${identifierText(conflict.identifier)} has changed`
        }
        return withChanges(version, changes)
      })
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#base = undefined
  }

  async #change(next: (version: CatalogVersion) => CatalogVersion | undefined): Promise<void> {
    this.#checkWritable()
    await this.#mutex.run(async () => {
      this.#base = undefined
      const outcome = await this.#advance(uuidV4(this.#runtime), async (v) => next(v) ?? 'nothing')
      if (outcome.status === 'unknown') throw outcome.error
    })
  }

  /**
   * Puts the next version until it is decided. `next` gives the changed version, 'refresh' to be asked again with
   * the latest, or the reason to reject; `fresh` says that the version was read for this call.
   */
  async #advance(
    commitId: string,
    next: (version: CatalogVersion, fresh: boolean) => Promise<CatalogVersion | string>,
  ): Promise<CommitOutcome> {
    let fresh = this.#base === undefined
    let base = this.#base ?? (await this.#requireLatest())
    for (let round = 0; ; round++) {
      const changed = await next(base.version, fresh)
      if (changed === 'nothing') return { status: 'committed' }
      if (changed === 'refresh') {
        base = await this.#requireLatest()
        fresh = true
        continue
      }
      if (typeof changed === 'string') return { status: 'rejected', why: changed }
      const version: CatalogVersion = {
        ...changed,
        number: base.highest + 1,
        id: uuidV4(this.#runtime),
        parentId: base.version.id,
        commitId,
        timestampMs: Math.max(this.#runtime.now(), base.version.timestampMs),
      }
      const outcome = await this.#put(version, base)
      if (outcome !== 'taken') return outcome
      // Somebody else has this number: look at what they did and go on from there, at once. The wait keeps many
      // writers from starting the next round in step.
      await this.#runtime.sleep(Math.floor(this.#runtime.random() * Math.min(2 ** round, 50)))
      base = await this.#requireLatest()
      fresh = true
    }
  }

  async #put(version: CatalogVersion, base: Base): Promise<CommitOutcome | 'taken'> {
    const path = catalogVersionPath(this.#folder, version.number)
    const bytes = encodeCatalogVersion(version)
    if (bytes.length > this.#limits.metadataBytes) {
      throw new FloeError(
        'LIMIT_EXCEEDED',
        `The catalog would take ${bytes.length} bytes, more than limits.metadataBytes = ${this.#limits.metadataBytes}. Spread the tables over several lakes`,
      )
    }
    let lastError: unknown
    let mayBeStored = false
    // From the first put on, an error that is not a certain refusal of that put leaves the outcome open.
    try {
      for (let attempt = 0; attempt < PUT_ATTEMPTS; attempt++) {
        try {
          if ((await this.#store.putIfAbsent(path, bytes)) === 'created') {
            return await this.#confirm(version, base, mayBeStored)
          }
          lastError = undefined
        } catch (error) {
          if (!mayBeStored && isDefiniteFailure(error)) throw new DefiniteFailure(error)
          mayBeStored = true
          lastError = error
        }
        // Taken, or an answer that never came: only what is stored there tells whose it is.
        const found = await this.#readBack(path)
        if (found === 'unreadable' && mayBeStored) break
        if (found === 'unreadable') return 'taken'
        if (typeof found === 'object') {
          return found.id === version.id ? await this.#confirm(version, base, true) : 'taken'
        }
        // Nothing there, or nothing to be learned just now: the same bytes again do no harm under this name.
        await this.#runtime.sleep(Math.floor(50 * 2 ** attempt * this.#runtime.random()))
      }
    } catch (error) {
      if (error instanceof DefiniteFailure) throw error.reason
      lastError = error
    }
    return {
      status: 'unknown',
      error: new FloeError(
        'COMMIT_STATE_UNKNOWN',
        `The catalog did not answer whether commit ${version.commitId} was stored as ${path}. Nothing was cleaned up. Look for floe.commit-id ${version.commitId} in the table's snapshots before doing it again`,
        { cause: lastError, context: { commitId: version.commitId, file: path } },
      ),
    }
  }

  /**
   * After a put: the late-writer rule, then bookkeeping.
   * @param putBefore an earlier put of the version may have been the one that was done.
   */
  async #confirm(version: CatalogVersion, base: Base, putBefore: boolean): Promise<CommitOutcome> {
    const now = this.#runtime.now()
    const storeNow = await this.#store.now()
    const elapsed = Math.max(now - base.readAtMs, storeNow - base.storeReadAtMs)
    if (elapsed > this.#tuning.lateWriterMs || elapsed < 0) {
      const latest = await this.#requireLatest()
      const isOnChain = await this.#isOnChain(version, latest.version)
      if (isOnChain === 'pruned') await this.#checkPutAfterPruning(version, putBefore)
      if (isOnChain !== true) {
        this.#base = latest
        return {
          status: 'rejected',
          why: 'the writer slept while other commits went on and old catalog versions were pruned',
        }
      }
      this.#base = latest
    } else {
      this.#base = { version, highest: version.number, readAtMs: now, storeReadAtMs: storeNow }
    }
    if (version.number % this.#tuning.maintainEvery === 0) await this.#maintain(version.number)
    return { status: 'committed' }
  }

  /**
   * Versions between ours and the latest were pruned. If ours is there and was put but once, it was put after that and
   * nobody went on from it. Else it may have been put before, and counts.
   * @throws STORE_UNAVAILABLE: the outcome is not known.
   */
  async #checkPutAfterPruning(version: CatalogVersion, putBefore: boolean): Promise<void> {
    const found = await this.#readBack(catalogVersionPath(this.#folder, version.number))
    if (!putBefore && typeof found === 'object' && found.id === version.id) return
    throw new FloeError(
      'STORE_UNAVAILABLE',
      `The catalog version ${version.number} may have been pruned after it was put`,
    )
  }

  /** Follows parents from the latest version down to the number of the wanted one. */
  async #isOnChain(wanted: CatalogVersion, latest: CatalogVersion): Promise<boolean | 'pruned'> {
    let current = latest
    while (current.number > wanted.number) {
      let parent: CatalogVersion | undefined
      // A parent is one below, or further where torn objects were passed over.
      for (let n = current.number - 1; n >= wanted.number; n--) {
        const found = await this.#readBack(catalogVersionPath(this.#folder, n))
        if (found === 'absent') return 'pruned'
        if (found === 'unavailable') {
          throw new FloeError('STORE_UNAVAILABLE', `The catalog version ${n} cannot be read now`)
        }
        if (found === 'unreadable') continue
        parent = found
        break
      }
      if (parent === undefined || parent.id !== current.parentId) return false
      current = parent
    }
    return current.id === wanted.id
  }

  /** Renews the hint and prunes; neither matters for correctness, so failures wait for the next time. */
  async #maintain(number: number): Promise<void> {
    try {
      await this.#store.put(this.#hintPath(), new TextEncoder().encode(String(number)), {
        durability: 'os',
      })
      await this.#prune(number)
    } catch {
      // The next maintenance does it.
    }
  }

  async #prune(latest: number): Promise<void> {
    const oldest = latest - this.#tuning.pruneKeep
    const before = (await this.#store.now()) - this.#tuning.pruneAfterMs
    const old: string[] = []
    for await (const object of this.#store.list(`${this.#folder}/0`)) {
      const n = catalogVersionNumber(object.path)
      if (n === undefined) continue
      if (n >= oldest || object.lastModifiedMs >= before || old.length >= 1000) break
      old.push(object.path)
    }
    if (old.length > 0) await this.#store.delete(old)
  }

  async #current(cached: boolean): Promise<Base> {
    if (this.#closed) throw new FloeError('HANDLE_CLOSED', 'This lake is closed. Open it again')
    if (cached && this.#base !== undefined) return this.#base
    return this.#requireLatest()
  }

  async #requireLatest(): Promise<Base> {
    const latest = await this.#readLatest()
    if (latest === undefined) {
      throw new FloeError('NO_SUCH_LAKE', `The lake at ${this.#location} is gone`, {
        context: { location: this.#location },
      })
    }
    this.#base = latest
    return latest
  }

  /**
   * From a base read a moment ago: one request for each version since, and one that finds no more. Versions that
   * young cannot have been pruned, so the first number that is missing is the end.
   */
  async #followLatest(base: Base): Promise<Base | undefined> {
    const age = this.#runtime.now() - base.readAtMs
    if (age < 0 || age > this.#tuning.lateWriterMs) return undefined
    let latest = base
    for (let step = 0; step < MAX_FOLLOWED; step++) {
      const number = latest.highest + 1
      const readAtMs = this.#runtime.now()
      const storeReadAtMs = await this.#store.now()
      const found = await this.#readBack(catalogVersionPath(this.#folder, number))
      if (found === 'absent') return { ...latest, readAtMs, storeReadAtMs }
      if (typeof found === 'string' || found.parentId !== latest.version.id) return undefined
      latest = { version: found, highest: number, readAtMs, storeReadAtMs }
    }
    return undefined
  }

  /** Hint, list from there, latest version: three requests when cold. */
  async #readLatest(): Promise<Base | undefined> {
    if (this.#base !== undefined) {
      const followed = await this.#followLatest(this.#base)
      if (followed !== undefined) return followed
    }
    const known = this.#base?.highest ?? (await this.#readHint())
    let numbers = await this.#listFrom(known)
    // A hint that is ahead of everything is wrong: look at all there is.
    if (numbers.length === 0 && known > 0) numbers = await this.#listFrom(0)
    const highest = numbers.at(-1)?.number
    if (highest === undefined) return undefined
    const readAtMs = this.#runtime.now()
    const storeReadAtMs = await this.#store.now()
    for (const { number, lastModifiedMs } of numbers.reverse()) {
      const path = catalogVersionPath(this.#folder, number)
      const found = await this.#readBack(path)
      if (found === 'absent') continue
      if (found === 'unavailable') {
        throw new FloeError('STORE_UNAVAILABLE', `The catalog object ${path} cannot be read now`, {
          context: { file: path },
        })
      }
      if (found !== 'unreadable') {
        if (found.number !== number)
          throw corrupt(path, `it says that it is version ${found.number}`)
        return { version: found, highest, readAtMs, storeReadAtMs }
      }
      if (storeReadAtMs - lastModifiedMs < this.#tuning.tornVersionMs) {
        throw new FloeError(
          'STORE_UNAVAILABLE',
          `The catalog object ${path} is incomplete: a commit is being written or was cut off. It is passed over after ${Math.ceil(this.#tuning.tornVersionMs / 60_000)} minutes; try again then`,
          { context: { file: path } },
        )
      }
    }
    if (known > 0) {
      // Everything since the hint is torn: the last whole version is older.
      this.#base = undefined
      const all = await this.#listFrom(0)
      for (const { number } of all.reverse()) {
        const found = await this.#readBack(catalogVersionPath(this.#folder, number))
        if (typeof found === 'object') return { version: found, highest, readAtMs, storeReadAtMs }
      }
    }
    throw corrupt(this.#folder, 'no version of it can be read')
  }

  async #listFrom(number: number): Promise<{ number: number; lastModifiedMs: number }[]> {
    const prefix = `${this.#folder}/0`
    const options =
      number > 0 ? { startAfter: catalogVersionPath(this.#folder, number - 1) } : undefined
    const found: { number: number; lastModifiedMs: number }[] = []
    for await (const object of this.#store.list(prefix, options)) {
      const n = catalogVersionNumber(object.path)
      if (n !== undefined) found.push({ number: n, lastModifiedMs: object.lastModifiedMs })
    }
    return found
  }

  /** What is stored under a version's name, never throwing for damaged content. */
  async #readBack(path: string): Promise<CatalogVersion | 'absent' | 'unreadable' | 'unavailable'> {
    try {
      const bytes = await this.#store.get(path, { maxBytes: this.#limits.metadataBytes })
      return decodeCatalogVersion(bytes, path)
    } catch (error) {
      if (isFloeError(error, 'FILE_NOT_FOUND')) return 'absent'
      if (isFloeError(error, 'CORRUPT_CATALOG')) return 'unreadable'
      if (isFloeError(error, 'STORE_UNAVAILABLE')) return 'unavailable'
      // Damaged on the way, as far as anybody knows.
      if (isFloeError(error, 'CHECKSUM_MISMATCH')) return 'unavailable'
      throw error
    }
  }

  async #readHint(): Promise<number> {
    try {
      const text = new TextDecoder().decode(
        await this.#store.get(this.#hintPath(), { maxBytes: 64 }),
      )
      const number = Number(text)
      return /^\d{1,15}$/.test(text) && Number.isSafeInteger(number) ? number : 0
    } catch (error) {
      if (isFloeError(error, 'FILE_NOT_FOUND') || isFloeError(error, 'LIMIT_EXCEEDED')) return 0
      throw error
    }
  }

  async #create(): Promise<void> {
    const storeCheck = await proveAtomicPut(this.#store, this.#folder, this.#runtime)
    const first: CatalogVersion = {
      number: 1,
      id: uuidV4(this.#runtime),
      parentId: null,
      commitId: uuidV4(this.#runtime),
      timestampMs: this.#runtime.now(),
      namespaces: [],
      tables: new Map(),
      storeCheck,
    }
    // Whoever comes first creates the lake; all others open it.
    await this.#store.putIfAbsent(catalogVersionPath(this.#folder, 1), encodeCatalogVersion(first))
    await checkPutRefused(this.#store, this.#folder)
    await this.#requireLatest()
  }

  #checkWritable(): void {
    if (this.#closed) throw new FloeError('HANDLE_CLOSED', 'This lake is closed. Open it again')
    if (this.readOnly) {
      throw new FloeError(
        'READ_ONLY',
        'This lake was opened with readOnly. Open it without to write',
      )
    }
  }

  #hintPath(): string {
    return `${this.#folder}/hint`
  }
}

function withChanges(version: CatalogVersion, changes: readonly PointerChange[]): CatalogVersion {
  const tables = new Map(version.tables)
  const namespaces = new Set(version.namespaces)
  for (const { identifier, next } of changes) {
    const name = identifierText(identifier)
    if (next === null) tables.delete(name)
    else tables.set(name, next)
    if (next !== null) namespaces.add(identifier.namespace.join('.'))
  }
  return { ...version, tables, namespaces: [...namespaces].sort() }
}

/** Carries a refusal past the handler that turns all else into an unknown outcome. */
class DefiniteFailure {
  readonly reason: unknown
  constructor(reason: unknown) {
    this.reason = reason
  }
}

/** Failures after which nothing can have been stored. */
function isDefiniteFailure(error: unknown): boolean {
  return (
    isFloeError(error, 'STORE_FULL') ||
    isFloeError(error, 'PERMISSION_DENIED') ||
    isFloeError(error, 'NO_SUCH_BUCKET') ||
    isFloeError(error, 'UNSUPPORTED_STORE') ||
    isFloeError(error, 'BAD_ARGUMENT') ||
    isFloeError(error, 'PATH_OUTSIDE_ROOT') ||
    isFloeError(error, 'READ_ONLY') ||
    isFloeError(error, 'HANDLE_CLOSED')
  )
}

function corrupt(path: string, why: string): FloeError {
  return new FloeError('CORRUPT_CATALOG', `Cannot read the catalog ${path}: ${why}`, {
    context: { file: path },
  })
}
