/**
 * Local files as an object store. An object appears whole: it is written under a temporary name in the same folder,
 * synced, and moved (put) or hard-linked (putIfAbsent) to its name; the folder is synced before the call returns.
 * Temporary names begin with a dot and are never listed.
 */
import { constants } from 'node:fs'
import {
  type FileHandle,
  link,
  mkdir,
  open,
  opendir,
  realpath,
  rename,
  stat,
  unlink,
} from 'node:fs/promises'
import { FloeError, isFloeError, throwIfAborted } from '../core/errors.ts'
import { type Runtime, uuidV4 } from '../core/runtime.ts'
import { errorCode, fileSystemError, refuseFile, syncFolder } from './file-system.ts'
import { localPath } from './location.ts'
import { byteOrder } from './memory.ts'
import type {
  Durability,
  ObjectStat,
  ObjectStore,
  ObjectWriter,
  PutIfAbsentResult,
  PutOptions,
  RequestOptions,
} from './store.ts'
import { fileNotFound, tooLarge } from './store-errors.ts'

const TEMPORARY = '.floe-tmp-'

export interface LocalStoreOptions {
  readonly durability: Durability
  readonly runtime: Runtime
}

export class LocalStore implements ObjectStore {
  readonly scheme = 'file'
  readonly #durability: Durability
  readonly #runtime: Runtime
  /** Folders that are known to exist and whose creation has been synced. */
  readonly #folders = new Set<string>()
  readonly #syncs = new FolderSyncs()
  /** 'link' until the file system turns out to have no hard links. */
  #exclusive: 'link' | 'o-excl' = 'link'

  constructor(options: LocalStoreOptions) {
    this.#durability = options.durability
    this.#runtime = options.runtime
  }

  async get(
    path: string,
    options: RequestOptions & {
      readonly range?: { readonly offset: number; readonly length: number }
      readonly maxBytes?: number
    } = {},
  ): Promise<Uint8Array> {
    throwIfAborted(options.signal, `Reading ${path}`)
    const { range, maxBytes } = options
    return attempt(path, async () => {
      const file = await open(localPath(path), constants.O_RDONLY)
      try {
        if (range !== undefined) return await readRange(file, range.offset, range.length)
        const { size } = await file.stat()
        if (maxBytes !== undefined && size > maxBytes) throw tooLarge(path, size, maxBytes)
        return await readRange(file, 0, size)
      } finally {
        await file.close()
      }
    })
  }

  async stat(path: string): Promise<ObjectStat | null> {
    try {
      const info = await attempt(path, () => stat(localPath(path)))
      if (!info.isFile()) return null
      return { path, sizeBytes: info.size, lastModifiedMs: Math.floor(info.mtimeMs) }
    } catch (error) {
      if (isFloeError(error, 'FILE_NOT_FOUND')) return null
      throw error
    }
  }

  async put(path: string, bytes: Uint8Array, options: PutOptions = {}): Promise<void> {
    const writer = await this.#open(path, options)
    try {
      await writer.write(bytes)
      await writer.close()
    } catch (error) {
      await writer.abort()
      throw error
    }
  }

  openWriter(path: string, options: RequestOptions = {}): Promise<ObjectWriter> {
    return this.#open(path, options)
  }

  async #open(path: string, options: PutOptions): Promise<ObjectWriter> {
    throwIfAborted(options.signal, `Writing ${path}`)
    const durability = options.durability ?? this.#durability
    const final = localPath(path)
    const { folder, temporary, file } = await this.#openTemporary(path, final, durability)
    return new LocalWriter(path, file, {
      sync: durability === 'fsync',
      temporary,
      now: () => this.#runtime.now(),
      publish: async () => {
        await rename(temporary, final)
        if (durability === 'fsync') await this.#syncs.sync(folder)
      },
    })
  }

  async putIfAbsent(
    path: string,
    bytes: Uint8Array,
    options: PutOptions = {},
  ): Promise<PutIfAbsentResult> {
    throwIfAborted(options.signal, `Writing ${path}`)
    const durability = options.durability ?? this.#durability
    const final = localPath(path)
    if (this.#exclusive === 'link') {
      const result = await this.#linkIfAbsent(path, final, bytes, durability)
      if (result !== 'no-links') return result
      this.#exclusive = 'o-excl'
    }
    const folder = await this.#ensureFolder(final, durability)
    return this.#createExclusive(path, final, folder, bytes, durability)
  }

  async #linkIfAbsent(
    path: string,
    final: string,
    bytes: Uint8Array,
    durability: Durability,
  ): Promise<PutIfAbsentResult | 'no-links'> {
    const { folder, temporary, file } = await this.#openTemporary(path, final, durability)
    const remove = (): Promise<void> => unlink(temporary).catch(() => undefined)
    return attempt(path, async () => {
      try {
        try {
          await file.writeFile(bytes)
          if (durability === 'fsync') await file.datasync()
        } finally {
          await file.close()
        }
        await link(temporary, final)
      } catch (error) {
        await remove()
        const code = errorCode(error)
        if (code === 'EEXIST') return 'exists'
        if (NO_LINKS.has(code)) return 'no-links'
        throw error
      }
      await Promise.all([remove(), durability === 'fsync' ? this.#syncs.sync(folder) : undefined])
      return 'created'
    })
  }

  /**
   * For file systems without hard links: exclusive creation is as atomic, but a reader may see the object before it
   * is complete, and a crash leaves it so. The catalog knows how to read past that.
   */
  async #createExclusive(
    path: string,
    final: string,
    folder: string,
    bytes: Uint8Array,
    durability: Durability,
  ): Promise<PutIfAbsentResult> {
    return attempt(path, async () => {
      let file: FileHandle
      try {
        file = await open(final, 'wx')
      } catch (error) {
        if (errorCode(error) === 'EEXIST') return 'exists'
        throw error
      }
      try {
        await file.writeFile(bytes)
        if (durability === 'fsync') await file.sync()
      } finally {
        await file.close()
      }
      if (durability === 'fsync') await this.#syncs.sync(folder)
      return 'created'
    })
  }

  async *list(
    prefix: string,
    options: RequestOptions & { readonly startAfter?: string } = {},
  ): AsyncGenerator<ObjectStat, void, undefined> {
    const literal = localPath(prefix)
    const head = prefix.slice(0, prefix.length - literal.length)
    const found: string[] = []
    await collect(literal.slice(0, literal.lastIndexOf('/') + 1), literal, found, options.signal)
    const after = options.startAfter === undefined ? undefined : localPath(options.startAfter)
    const wanted = after === undefined ? found : found.filter((p) => byteOrder(p, after) > 0)
    for (const path of wanted.sort(byteOrder)) {
      const info = await this.stat(head + path)
      // A file deleted while the list goes on is simply no longer there.
      if (info !== null) yield info
    }
  }

  async delete(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      try {
        await attempt(path, () => unlink(localPath(path)))
      } catch (error) {
        if (!isFloeError(error, 'FILE_NOT_FOUND')) throw error
      }
    }
  }

  /** Local files carry the time of this machine. */
  async now(): Promise<number> {
    return this.#runtime.now()
  }

  async realPath(path: string): Promise<string> {
    let existing = localPath(path)
    const rest: string[] = []
    for (;;) {
      try {
        const real = await realpath(existing)
        return `file://${[real === '/' ? '' : real, ...rest].join('/')}`
      } catch (error) {
        const slash = existing.lastIndexOf('/')
        if (errorCode(error) !== 'ENOENT' || slash < 0) throw translate(path, error)
        rest.unshift(existing.slice(slash + 1))
        existing = existing.slice(0, slash) || '/'
      }
    }
  }

  async close(): Promise<void> {
    this.#folders.clear()
  }

  #temporaryName(folder: string): string {
    return `${folder}/${TEMPORARY}${uuidV4(this.#runtime)}`
  }

  /** A new temporary file beside the final one. A folder that was removed since it was last used is made again. */
  async #openTemporary(
    path: string,
    final: string,
    durability: Durability,
  ): Promise<{ folder: string; temporary: string; file: FileHandle }> {
    for (let again = true; ; again = false) {
      const folder = await this.#ensureFolder(final, durability)
      const temporary = this.#temporaryName(folder)
      try {
        return { folder, temporary, file: await open(temporary, 'wx') }
      } catch (error) {
        if (errorCode(error) !== 'ENOENT' || !again) throw translate(path, error)
        this.#folders.delete(folder)
      }
    }
  }

  async #ensureFolder(final: string, durability: Durability): Promise<string> {
    const folder = final.slice(0, final.lastIndexOf('/')) || '/'
    if (this.#folders.has(folder)) return folder
    await attempt(final, async () => {
      const first = await makeFolder(folder)
      if (first === undefined || durability === 'os') return
      // New folders survive a crash only once the folders above them are synced.
      for (let path = folder; path.length >= first.length; ) {
        path = path.slice(0, path.lastIndexOf('/')) || '/'
        await this.#syncs.sync(path)
      }
    })
    if (this.#folders.size > 10_000) this.#folders.clear()
    this.#folders.add(folder)
    return folder
  }
}

/** Bytes that a writer holds back, to write them at once. */
const HELD_BYTES = 256 * 1024

class LocalWriter implements ObjectWriter {
  #size = 0
  /** What is not yet given to the system: each call of it costs a small file more than its bytes do. */
  #held: Uint8Array[] = []
  #heldBytes = 0
  #state: 'open' | 'done' = 'open'
  readonly #path: string
  readonly #file: FileHandle
  readonly #how: {
    readonly sync: boolean
    readonly temporary: string
    readonly now: () => number
    readonly publish: () => Promise<void>
  }

  constructor(
    path: string,
    file: FileHandle,
    how: {
      readonly sync: boolean
      readonly temporary: string
      readonly now: () => number
      readonly publish: () => Promise<void>
    },
  ) {
    this.#path = path
    this.#file = file
    this.#how = how
  }

  get sizeBytes(): number {
    return this.#size
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#state !== 'open') throw new FloeError('HANDLE_CLOSED', 'This object writer is closed')
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    this.#size += chunk.length
    if (this.#heldBytes >= HELD_BYTES) await attempt(this.#path, () => this.#flush())
  }

  async #flush(): Promise<void> {
    let chunks = this.#held
    this.#held = []
    this.#heldBytes = 0
    while (chunks.length > 0) {
      let { bytesWritten } = await this.#file.writev(chunks)
      // What the system did not take at once.
      chunks = chunks.flatMap((chunk) => {
        const taken = Math.min(bytesWritten, chunk.length)
        bytesWritten -= taken
        return taken === chunk.length ? [] : [chunk.subarray(taken)]
      })
    }
  }

  async close(): Promise<ObjectStat> {
    if (this.#state !== 'open') throw new FloeError('HANDLE_CLOSED', 'This object writer is closed')
    try {
      await attempt(this.#path, async () => {
        await this.#flush()
        if (this.#how.sync) await this.#file.datasync()
        await this.#file.close()
        await this.#how.publish()
      })
      this.#state = 'done'
      return { path: this.#path, sizeBytes: this.#size, lastModifiedMs: this.#how.now() }
    } catch (error) {
      await this.abort()
      throw error
    }
  }

  async abort(): Promise<void> {
    if (this.#state === 'done') return
    this.#state = 'done'
    await this.#file.close().catch(() => undefined)
    await unlink(this.#how.temporary).catch(() => undefined)
  }
}

async function readRange(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done === length ? bytes : bytes.subarray(0, done)
}

/** Files below a folder whose path starts with the prefix; temporary ones are not there yet. */
async function collect(
  folder: string,
  prefix: string,
  into: string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  throwIfAborted(signal, 'Listing files')
  let entries: Awaited<ReturnType<typeof opendir>>
  try {
    entries = await opendir(folder || '/')
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return
    throw translate(folder, error)
  }
  for await (const entry of entries) {
    if (entry.name.startsWith(TEMPORARY)) continue
    const path = folder + entry.name
    if (entry.isDirectory()) {
      const below = `${path}/`
      if (below.startsWith(prefix) || prefix.startsWith(below)) {
        await collect(below, prefix, into, signal)
      }
    } else if (path.startsWith(prefix)) into.push(path)
  }
}

/**
 * Files of one commit end up in one folder at about the same time: one sync that begins after all of them have their
 * names does for all.
 */
class FolderSyncs {
  /** The sync that is under way in a folder, and the one that begins after it. */
  readonly #running = new Map<string, Promise<void>>()
  readonly #next = new Map<string, Promise<void>>()

  /** Resolves when a sync that began after the call has ended. @throws what that sync fails with */
  sync(folder: string): Promise<void> {
    const running = this.#running.get(folder)
    if (running === undefined) return this.#start(folder)
    let next = this.#next.get(folder)
    if (next === undefined) {
      const start = (): Promise<void> => {
        this.#next.delete(folder)
        return this.#start(folder)
      }
      next = running.then(start, start)
      this.#next.set(folder, next)
    }
    return next
  }

  #start(folder: string): Promise<void> {
    const sync = syncFolder(folder).finally(() => this.#running.delete(folder))
    this.#running.set(folder, sync)
    return sync
  }
}

/** @returns the first folder that was made. @throws BAD_LOCATION where a file is in the way */
async function makeFolder(folder: string): Promise<string | undefined> {
  try {
    return await mkdir(folder, { recursive: true })
  } catch (error) {
    await refuseFile(folder)
    throw error
  }
}

async function attempt<T>(path: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (error) {
    throw translate(path, error)
  }
}

function translate(path: string, error: unknown): FloeError {
  if (isFloeError(error)) return error
  const isMissing = MISSING.has(errorCode(error))
  return isMissing ? fileNotFound(path, error) : fileSystemError(path, error)
}

const MISSING: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'EISDIR'])

const NO_LINKS: ReadonlySet<string> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
])
