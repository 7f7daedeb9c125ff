/**
 * The primary-key index of one table for one choice of key columns: where the live row of each key is. The table is
 * always the truth: the index says which snapshot it is true of, and is brought to another one by comparing the files
 * and deletes of both, whoever committed them. algorithms.md §1.
 */
import { Mutex } from '../../core/concurrency.ts'
import { assert } from '../../core/errors.ts'
import type { PositionBitmap } from '../../iceberg/puffin/position-bitmap.ts'
import type { Environment } from '../../iceberg/table/environment.ts'
import type { LiveFiles } from '../../iceberg/table/live-files.ts'
import type { TableState } from '../../iceberg/table/table-state.ts'
import { SEED_BYTES } from '../column-hasher.ts'
import { compareFiles, type FileDifferences } from './file-differences.ts'
import { type IndexProgress, liveRows, readFiles } from './file-reader.ts'
import { type IndexColumns, indexColumns } from './index-columns.ts'
import { IndexContents } from './index-contents.ts'
import { IndexStage } from './index-stage.ts'
import { type IndexedFile, IndexedFiles } from './indexed-files.ts'
import { KeyCodec, type KeyField } from './key-codec.ts'
import { type KeyTable, NO_FILE } from './key-table.ts'

export interface PrimaryKeyIndexOptions {
  readonly env: Environment
  /** Names the table in errors. */
  readonly name: string
  readonly fields: readonly KeyField[]
  /** Null is a key value like any other. Without it, rows with a null key are not in the index. */
  readonly nullSafe: boolean
  /** Field ids of the top columns that row hashes are taken over (MG-20); undefined keeps no hashes. */
  readonly hashedIds: readonly number[] | undefined
}

export interface CatchUpOptions {
  readonly signal?: AbortSignal | undefined
  /** Called after each batch that was read. */
  readonly onProgress?: ((progress: IndexProgress) => void) | undefined
}

export interface CatchUp {
  /** `current`: there was nothing to do. `built`: from nothing. `caught-up`: by differences. */
  readonly kind: 'current' | 'built' | 'caught-up'
  readonly filesRead: number
  readonly rowsRead: number
  /** Files whose rows were taken out, also those that were read again. */
  readonly filesRemoved: number
  readonly durationMs: number
}

export class PrimaryKeyIndex {
  readonly codec: KeyCodec
  /** A secret, for {@link codec} and for row hashes. */
  readonly seed: Uint8Array
  readonly #options: PrimaryKeyIndexOptions
  /** Catch-ups come one after the other. */
  readonly #catchingUp = new Mutex()
  #contents: IndexContents

  /** @throws BAD_ARGUMENT for no key columns, and for one whose type cannot be a key (MG-3). */
  constructor(options: PrimaryKeyIndexOptions) {
    this.#options = options
    this.seed = options.env.runtime.randomBytes(SEED_BYTES)
    this.codec = new KeyCodec(options.fields, { seed: this.seed, nullSafe: options.nullSafe })
    this.#contents = this.#newContents(0)
  }

  /** Where the rows of keys are. Side column 0 is the row hash, if hashes are kept. */
  get table(): KeyTable {
    return this.#contents.table
  }

  /** Bytes of slots, explicit row ids and duplicates: at most `limits.indexMemoryBytes`. */
  get bytes(): number {
    return this.#contents.bytes
  }

  /**
   * The snapshot that the index is true of; null for a table without one. Undefined if the index is true of none:
   * before the first catch-up, during one, after one that failed, and after a commit on another state.
   */
  get snapshotId(): bigint | null | undefined {
    return this.#contents.snapshotId
  }

  /** Keys that have more than one live row (MG-24). */
  get duplicateKeys(): number {
    return this.#contents.duplicates.keys
  }

  /**
   * Brings the index to a state of the table. Files that it does not know are read, the rows of files that are gone
   * are taken out, and so are rows that were deleted by position; files with other equality deletes, or fewer deleted
   * rows than before, are read again. If it fails half-way, the index is empty, and the next catch-up builds it.
   * @param live the live files of the state's current snapshot.
   * @throws LIMIT_EXCEEDED by limits.indexMemoryBytes; NO_SUCH_COLUMN if a key column was dropped; ABORTED;
   *   CORRUPT_MANIFEST, CORRUPT_DELETES and what reading data files fails with.
   */
  catchUp(state: TableState, live: LiveFiles, options: CatchUpOptions = {}): Promise<CatchUp> {
    return this.#catchingUp.run(() => this.#catchUp(state, live, options))
  }

  /** @throws ASSERTION_FAILED for an id that no file has. */
  fileById(fileId: number): IndexedFile {
    return this.#contents.files.get(fileId)
  }

  fileByPath(path: string): IndexedFile | undefined {
    return this.#contents.files.byPath(path)
  }

  /** Row ids that data files store (MG-29); −1 where a row has its file's first row id plus its position. */
  explicitRowIds(fileIds: Uint32Array, positions: Uint32Array): BigInt64Array {
    const { files } = this.#contents
    const rowIds = new BigInt64Array(fileIds.length).fill(-1n)
    for (let i = 0; i < fileIds.length; i++) {
      const fileId = fileIds[i] as number
      if (fileId === NO_FILE) continue
      const stored = files.get(fileId).rowIds
      if (stored !== undefined) rowIds[i] = stored[positions[i] as number] ?? -1n
    }
    return rowIds
  }

  /** Further live rows of the key in a slot, beside the one that the slot names. */
  duplicatesOf(slot: number): readonly { readonly fileId: number; readonly position: number }[] {
    const { duplicates, table } = this.#contents
    if (duplicates.keys === 0) return []
    return duplicates.of(table.keysOf(Int32Array.of(slot)), 0)
  }

  /** Begins the changes of one attempt to commit. They are void once the index changes otherwise (MG-36). */
  stage(): IndexStage {
    const contents = this.#contents
    assert(contents.snapshotId !== undefined, 'changes are staged on an index that is true')
    return new IndexStage(contents, {
      isCurrent: () => this.#contents === contents,
      clear: () => this.clear(),
    })
  }

  /** Forgets everything; the next catch-up builds anew. */
  clear(): void {
    this.#contents = this.#newContents(0)
  }

  async #catchUp(state: TableState, live: LiveFiles, options: CatchUpOptions): Promise<CatchUp> {
    const { env, fields, hashedIds, name } = this.#options
    const started = env.runtime.monotonicMs()
    const { metadata } = state
    const snapshotId = metadata.currentSnapshotId ?? null
    const columns = indexColumns(metadata, fields, hashedIds, name)
    for (;;) {
      const before = this.#contents
      const { version } = before
      const known = before.isWhole && before.shape === columns.shape
      if (known && before.snapshotId === snapshotId) {
        const durationMs = env.runtime.monotonicMs() - started
        return { kind: 'current', filesRead: 0, rowsRead: 0, filesRemoved: 0, durationMs }
      }
      const files = known ? before.files : new IndexedFiles()
      const differences = await compareFiles(env, files, live, options.signal)
      // Changes may have been applied meanwhile.
      if (this.#contents !== before || before.version !== version) continue
      const contents = known ? before : this.#renew(liveRows(differences.read))
      const rowsRead = await this.#apply(contents, differences, columns, state, options)
      // Or the index was cleared.
      if (this.#contents !== contents) continue
      contents.snapshotId = snapshotId
      contents.isWhole = true
      contents.shape = columns.shape
      return {
        kind: known ? 'caught-up' : 'built',
        filesRead: differences.read.length,
        rowsRead,
        filesRemoved: differences.gone.length,
        durationMs: env.runtime.monotonicMs() - started,
      }
    }
  }

  /** Changes the contents, which are true of no snapshot then. */
  async #apply(
    contents: IndexContents,
    { gone, read, changed }: FileDifferences,
    columns: IndexColumns,
    { metadata }: TableState,
    { signal, onProgress }: CatchUpOptions,
  ): Promise<number> {
    contents.snapshotId = undefined
    contents.isWhole = false
    contents.version++
    try {
      const rows = new Map<number, PositionBitmap | 'all'>([
        ...changed
          .filter(({ file, contents: now }) => !now.deleted.equals(file.contents.deleted))
          .map(({ file, contents: now }) => [file.fileId, now.deleted] as const),
        ...gone.map(({ fileId }) => [fileId, 'all'] as const),
      ])
      contents.removeRows(rows)
      for (const { file, contents: now } of changed) file.contents = now
      for (const file of gone) contents.files.delete(file)
      const { hashedIds, env } = this.#options
      const options = { metadata, columns, hashedIds, signal, onProgress }
      return await readFiles(env, contents, read, options)
    } catch (error) {
      if (this.#contents === contents) this.clear()
      throw error
    }
  }

  #renew(expectedKeys: number): IndexContents {
    // The old slots are let go before new ones are taken.
    this.clear()
    this.#contents = this.#newContents(expectedKeys)
    return this.#contents
  }

  #newContents(expectedKeys: number): IndexContents {
    const { env, hashedIds, name } = this.#options
    return new IndexContents({
      codec: this.codec,
      limits: env.limits,
      name,
      sideColumns: hashedIds === undefined ? 0 : 1,
      expectedKeys,
    })
  }
}
