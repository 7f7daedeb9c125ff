/**
 * What floe asks of storage: whole objects by absolute URI. Everything above works on this interface alone,
 * so that a faulty or simulated store can stand in. Nothing is ever overwritten except by `put` of a hint.
 *
 * Paths are absolute URIs of the store's scheme (`file:///…`, `memory://…`, `s3://bucket/…`), compared as strings.
 */

export interface ObjectStat {
  readonly path: string
  readonly sizeBytes: number
  /** Store time of the last change, in milliseconds since the epoch. */
  readonly lastModifiedMs: number
}

export interface RequestOptions {
  readonly signal?: AbortSignal
}

export interface PutOptions extends RequestOptions {
  /** 'os' leaves durability of this object to the operating system: for hints and probes. Default: the store's. */
  readonly durability?: Durability
}

/** 'fsync': on stable storage, folder entry included, before a call returns. 'os': when the system likes. */
export type Durability = 'fsync' | 'os'

/** Receives an object piece by piece; the object becomes visible as a whole on `close`, or never. */
export interface ObjectWriter {
  /** Bytes accepted so far. */
  readonly sizeBytes: number
  /** Appends; resolves when more is welcome (back-pressure). The bytes must not be changed afterwards. */
  write(chunk: Uint8Array): Promise<void>
  /** Makes the object durable and visible. Not visible before. */
  close(): Promise<ObjectStat>
  /** Drops what was written; idempotent. Never throws. */
  abort(): Promise<void>
}

/** The outcome of a conditional put. An answer that never came is an error with code STORE_UNAVAILABLE. */
export type PutIfAbsentResult = 'created' | 'exists'

export interface ObjectStore {
  /** The scheme of its paths without the colon, e.g. `file`. */
  readonly scheme: string
  /**
   * Reads a whole object, or `length` bytes from `offset` on (fewer if the object ends before).
   * @throws FILE_NOT_FOUND, STORE_UNAVAILABLE, LIMIT_EXCEEDED if larger than `maxBytes`.
   */
  get(
    path: string,
    options?: RequestOptions & {
      readonly range?: { readonly offset: number; readonly length: number }
      readonly maxBytes?: number
    },
  ): Promise<Uint8Array>
  /** Size and time, or null if there is no such object. */
  stat(path: string, options?: RequestOptions): Promise<ObjectStat | null>
  /**
   * Writes a whole object, visible as a whole or not at all. Used for names that nobody else uses (data, manifests,
   * metadata), and to replace a hint.
   */
  put(path: string, bytes: Uint8Array, options?: PutOptions): Promise<void>
  /** As `put`, piece by piece, for large objects. */
  openWriter(path: string, options?: RequestOptions): Promise<ObjectWriter>
  /**
   * Creates the object, or changes nothing if one exists: atomic against every other writer, durable on return.
   * Any error but a definite refusal leaves the outcome unknown: read back before deciding.
   */
  putIfAbsent(path: string, bytes: Uint8Array, options?: PutOptions): Promise<PutIfAbsentResult>
  /**
   * Objects whose path starts with `prefix`, in UTF-8 byte order of their paths, those after `startAfter` only.
   */
  list(
    prefix: string,
    options?: RequestOptions & { readonly startAfter?: string },
  ): AsyncIterable<ObjectStat>
  /** Deletes; a missing object is not an error. */
  delete(paths: readonly string[], options?: RequestOptions): Promise<void>
  /** The store's own clock in milliseconds since the epoch, from its last answer or a request. */
  now(options?: RequestOptions): Promise<number>
  /**
   * Where a path really leads, symbolic links resolved, for stores that have links; the longest existing part of
   * a path that does not exist yet.
   */
  realPath?(path: string): Promise<string>
  /** Frees sockets and handles; idempotent. */
  close(): Promise<void>
}
