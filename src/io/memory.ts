/** An object store in memory, for tests and experiments: `memory://name/…`. Nothing survives the process. */
import { FloeError, throwIfAborted } from '../core/errors.ts'
import type { Runtime } from '../core/runtime.ts'
import type {
  ObjectStat,
  ObjectStore,
  ObjectWriter,
  PutIfAbsentResult,
  RequestOptions,
} from './store.ts'
import { fileNotFound, tooLarge } from './store-errors.ts'

interface StoredObject {
  readonly bytes: Uint8Array
  readonly lastModifiedMs: number
}

export class MemoryStore implements ObjectStore {
  readonly scheme = 'memory'
  readonly #objects = new Map<string, StoredObject>()
  readonly #runtime: Runtime

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  async get(
    path: string,
    options: RequestOptions & {
      readonly range?: { readonly offset: number; readonly length: number }
      readonly maxBytes?: number
    } = {},
  ): Promise<Uint8Array> {
    throwIfAborted(options.signal, `Reading ${path}`)
    const object = this.#objects.get(path)
    if (object === undefined) throw fileNotFound(path)
    const { range, maxBytes } = options
    if (range !== undefined) {
      return object.bytes.slice(range.offset, range.offset + range.length)
    }
    if (maxBytes !== undefined && object.bytes.length > maxBytes) {
      throw tooLarge(path, object.bytes.length, maxBytes)
    }
    return object.bytes.slice()
  }

  async stat(path: string): Promise<ObjectStat | null> {
    const object = this.#objects.get(path)
    if (object === undefined) return null
    return { path, sizeBytes: object.bytes.length, lastModifiedMs: object.lastModifiedMs }
  }

  async put(path: string, bytes: Uint8Array, options: RequestOptions = {}): Promise<void> {
    throwIfAborted(options.signal, `Writing ${path}`)
    this.#objects.set(path, { bytes: bytes.slice(), lastModifiedMs: this.#runtime.now() })
  }

  async openWriter(path: string, options: RequestOptions = {}): Promise<ObjectWriter> {
    throwIfAborted(options.signal, `Writing ${path}`)
    return new MemoryWriter((bytes) => this.put(path, bytes).then(() => this.stat(path)))
  }

  async putIfAbsent(
    path: string,
    bytes: Uint8Array,
    options: RequestOptions = {},
  ): Promise<PutIfAbsentResult> {
    throwIfAborted(options.signal, `Writing ${path}`)
    if (this.#objects.has(path)) return 'exists'
    this.#objects.set(path, { bytes: bytes.slice(), lastModifiedMs: this.#runtime.now() })
    return 'created'
  }

  async *list(
    prefix: string,
    options: RequestOptions & { readonly startAfter?: string } = {},
  ): AsyncGenerator<ObjectStat, void, undefined> {
    const { startAfter } = options
    const paths = [...this.#objects.keys()]
      .filter(
        (p) => p.startsWith(prefix) && (startAfter === undefined || byteOrder(p, startAfter) > 0),
      )
      .sort(byteOrder)
    for (const path of paths) {
      const stat = await this.stat(path)
      if (stat !== null) yield stat
    }
  }

  async delete(paths: readonly string[]): Promise<void> {
    for (const path of paths) this.#objects.delete(path)
  }

  async now(): Promise<number> {
    return this.#runtime.now()
  }

  async close(): Promise<void> {
    // Nothing is held open; the objects stay for whoever opens the lake again in this process.
  }
}

class MemoryWriter implements ObjectWriter {
  #chunks: Uint8Array[] = []
  #size = 0
  #state: 'open' | 'closed' | 'aborted' = 'open'
  readonly #publish: (bytes: Uint8Array) => Promise<ObjectStat | null>

  constructor(publish: (bytes: Uint8Array) => Promise<ObjectStat | null>) {
    this.#publish = publish
  }

  get sizeBytes(): number {
    return this.#size
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#state !== 'open') throw new FloeError('HANDLE_CLOSED', 'This object writer is closed')
    this.#chunks.push(chunk.slice())
    this.#size += chunk.length
  }

  async close(): Promise<ObjectStat> {
    if (this.#state !== 'open') throw new FloeError('HANDLE_CLOSED', 'This object writer is closed')
    this.#state = 'closed'
    const bytes = new Uint8Array(this.#size)
    let offset = 0
    for (const chunk of this.#chunks) {
      bytes.set(chunk, offset)
      offset += chunk.length
    }
    this.#chunks = []
    return (await this.#publish(bytes)) as ObjectStat
  }

  async abort(): Promise<void> {
    if (this.#state === 'open') this.#state = 'aborted'
    this.#chunks = []
  }
}

/** Order of UTF-8 bytes, as object stores list. */
export function byteOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
