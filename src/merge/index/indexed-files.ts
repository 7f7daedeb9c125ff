/** The data files that the key index names, by id and by path, and what it knows of them. */
import { assert } from '../../core/errors.ts'
import type { PositionBitmap } from '../../iceberg/puffin/position-bitmap.ts'

/** A data file that the index names. */
export interface IndexedFile {
  readonly fileId: number
  readonly path: string
  readonly recordCount: number
}

/** What the index has taken in of a file. */
export interface FileContents {
  /** Rows that vectors and position deletes delete. */
  readonly deleted: PositionBitmap
  /** What `deletesKey` says of all deletes; undefined for own commits, whose delete files have not been seen yet. */
  readonly deletesKey: string | undefined
  /** Names of the equality deletes that were applied. */
  readonly equality: string
}

export interface KnownFile extends IndexedFile {
  contents: FileContents
  /** Keys whose slots name the file. */
  keys: number
  /** By position the row id that the file itself stores, −1 where it stores none; undefined if it has no such column. */
  rowIds: BigInt64Array | undefined
}

/** Ids of files that are gone are given again, so that ids stay small however long a table lives. */
export class IndexedFiles {
  readonly #byId: (KnownFile | undefined)[] = []
  readonly #byPath = new Map<string, KnownFile>()
  readonly #free: number[] = []
  #rowIdBytes = 0

  get size(): number {
    return this.#byPath.size
  }

  /** Bytes of explicit row ids. */
  get rowIdBytes(): number {
    return this.#rowIdBytes
  }

  /** @throws ASSERTION_FAILED for an id that no file has. */
  get(fileId: number): KnownFile {
    const file = this.#byId[fileId]
    assert(file !== undefined, 'the key index knows a file by its id', { fileId })
    return file
  }

  byPath(path: string): KnownFile | undefined {
    return this.#byPath.get(path)
  }

  values(): Iterable<KnownFile> {
    return this.#byPath.values()
  }

  /** The id that a file gets if so many others are added before it. */
  idAfter(others: number): number {
    const free = this.#free.length - 1 - others
    return free >= 0 ? (this.#free[free] as number) : this.#byId.length - 1 - free
  }

  add(path: string, recordCount: number, contents: FileContents): KnownFile {
    assert(!this.#byPath.has(path), 'a file is added to the key index once', { file: path })
    const fileId = this.idAfter(0)
    this.#free.pop()
    const file: KnownFile = { fileId, path, recordCount, contents, keys: 0, rowIds: undefined }
    this.#byId[fileId] = file
    this.#byPath.set(path, file)
    return file
  }

  setRowIds(file: KnownFile, rowIds: BigInt64Array): void {
    this.#rowIdBytes += rowIds.byteLength - (file.rowIds?.byteLength ?? 0)
    file.rowIds = rowIds
  }

  /** Forgets a file, of which no slot may be left. */
  delete(file: KnownFile): void {
    assert(file.keys === 0, 'no key is left of a file that the key index forgets', {
      file: file.path,
      keys: file.keys,
    })
    this.#byPath.delete(file.path)
    this.#byId[file.fileId] = undefined
    this.#free.push(file.fileId)
    this.#rowIdBytes -= file.rowIds?.byteLength ?? 0
  }
}
