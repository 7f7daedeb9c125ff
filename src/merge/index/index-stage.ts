/** The changes that one attempt to commit makes to a key index, kept apart until the commit has succeeded (MG-36). */
import { assert } from '../../core/errors.ts'
import { PositionBitmap } from '../../iceberg/puffin/position-bitmap.ts'
import type { IndexContents } from './index-contents.ts'
import type { KnownFile } from './indexed-files.ts'
import type { EncodedKeys } from './key-codec.ts'
import { NO_FILE } from './key-table.ts'
import { StagedChanges } from './staged-changes.ts'

/** A data file that a commit adds. */
export interface StagedFile {
  readonly path: string
  readonly recordCount: number
  /** By position the row id that the file stores, −1 where the row inherits one; left out if all do. */
  readonly rowIds?: BigInt64Array | undefined
}

export interface StageOwner {
  /** False once the index has been built anew. */
  isCurrent(): boolean
  clear(): void
}

/** Nothing that is passed in is kept by reference, and the index stays as it is, bit by bit, until {@link apply}. */
export class IndexStage {
  readonly #contents: IndexContents
  readonly #owner: StageOwner
  readonly #version: number
  readonly #changes: StagedChanges
  /** By file id. */
  readonly #added = new Map<number, StagedFile>()
  readonly #removed = new Set<KnownFile>()
  readonly #deleted = new Map<KnownFile, PositionBitmap>()
  /** How many slots leave each file, by move or removal, and how many come to it by move. */
  readonly #leaving = new Map<number, number>()
  readonly #coming = new Map<number, number>()
  #rowIdBytes = 0
  #isDone = false

  /** Use `index.stage()`. */
  constructor(contents: IndexContents, owner: StageOwner) {
    this.#contents = contents
    this.#owner = owner
    this.#version = contents.version
    this.#changes = new StagedChanges(contents.table)
  }

  /** False once the index has changed otherwise, and after {@link apply}. */
  get valid(): boolean {
    return (
      !this.#isDone &&
      this.#owner.isCurrent() &&
      this.#contents.version === this.#version &&
      this.#changes.valid
    )
  }

  /**
   * Stages a data file that the commit adds.
   * @returns the id that the file has once the changes are applied.
   * @throws LIMIT_EXCEEDED if its row ids do not fit: before anything is committed.
   */
  addFile(file: StagedFile): number {
    this.#checkValid()
    const { path, recordCount } = file
    assert(this.#contents.files.byPath(path) === undefined, 'an added file is new', { file: path })
    const rowIds = file.rowIds?.some((id) => id >= 0n) === true ? file.rowIds.slice() : undefined
    assert(
      rowIds === undefined || rowIds.length === recordCount,
      'each row of an added file has a row id or none',
    )
    this.#rowIdBytes += rowIds?.byteLength ?? 0
    this.#contents.checkRoom(this.#changes.inserted, this.#rowIdBytes)
    const fileId = this.#contents.files.idAfter(this.#added.size)
    this.#added.set(fileId, { path, recordCount, rowIds })
    return fileId
  }

  /** Stages that the commit removes a data file: all its keys go, except those that are moved. */
  removeFile(path: string): void {
    this.#checkValid()
    this.#removed.add(this.#known(path))
  }

  /**
   * Stages other places for the rows of some slots, in the order of the slots. A slot may be named once.
   * @param fileId a file that was staged, or that the index knows.
   * @param side for each side column, two words for each slot; without it they stay as they are.
   */
  move(
    slots: Int32Array,
    fileId: number,
    positions: Uint32Array,
    side: readonly Uint32Array[] = [],
  ): void {
    this.#checkTarget(fileId)
    const leaving = this.#filesOf(slots)
    this.#changes.move(slots, { fileId, positions }, side)
    for (const from of leaving) add(this.#leaving, from, 1)
    add(this.#coming, fileId, slots.length)
  }

  /** Stages other places for the rows of some keys, in their order; keys that the index lacks are passed over. */
  relocate(keys: EncodedKeys, rows: Int32Array, fileId: number, positions: Uint32Array): void {
    this.#checkTarget(fileId)
    const slots = this.#contents.table.probe(keys, rows)
    const places = positions.slice()
    let found = 0
    for (let i = 0; i < slots.length; i++) {
      if ((slots[i] as number) < 0) continue
      slots[found] = slots[i] as number
      places[found++] = positions[i] as number
    }
    this.move(slots.subarray(0, found), fileId, places.subarray(0, found))
  }

  /**
   * Stages keys that the index does not have, or has no more by then. Rows with a null key are passed over. A key
   * that the index does have gets a further row, as the table does.
   * @param options rows: which rows of `keys`, else all; the i-th of them has the i-th position. side: for each side
   *   column, two words for the i-th of them.
   * @throws LIMIT_EXCEEDED if they do not fit: before anything is committed.
   */
  insert(
    keys: EncodedKeys,
    fileId: number,
    positions: Uint32Array,
    options: { readonly rows?: Int32Array; readonly side?: readonly Uint32Array[] } = {},
  ): void {
    this.#checkTarget(fileId)
    const count = options.rows?.length ?? keys.rows
    this.#contents.checkRoom(this.#changes.inserted + count, this.#rowIdBytes)
    this.#changes.insert(keys, { fileId, positions }, options)
  }

  /** Stages the removal of the keys of some slots. A slot may be named once. */
  remove(slots: Int32Array): void {
    this.#checkValid()
    const leaving = this.#filesOf(slots)
    this.#changes.remove(slots)
    for (const from of leaving) add(this.#leaving, from, 1)
  }

  /**
   * Stages positions that the commit deletes in a live file, without those deleted before. Keys whose rows are among
   * them go, except those that are moved; it is faster if they are removed by their slots.
   */
  deleted(path: string, positions: PositionBitmap): void {
    this.#checkValid()
    const file = this.#known(path)
    const staged = this.#deleted.get(file) ?? PositionBitmap.EMPTY
    this.#deleted.set(file, staged.union(positions))
  }

  /**
   * Changes the index, which is then true of the snapshot: call it once the commit has succeeded, and only then.
   * Never throws: a commit that has been made must not be reported as failed.
   * @param parentSnapshotId what the commit was made on, if that may be another snapshot than the index is true of.
   *   The index then is true of none, and the next catch-up takes in what else was committed.
   * @returns false if the changes do not fit the index any more. It is as it was then, and the next catch-up reads what
   *   was committed.
   */
  apply(snapshotId: bigint, parentSnapshotId?: bigint | null): boolean {
    const contents = this.#contents
    const isValid = this.valid
    this.#isDone = true
    if (!isValid) return false
    try {
      this.#apply()
      const isNext = parentSnapshotId === undefined || parentSnapshotId === contents.snapshotId
      contents.snapshotId = isNext ? snapshotId : undefined
      contents.version++
      return true
    } catch {
      // A mistake in what was staged. What the table has now is in the table.
      this.#owner.clear()
      return false
    }
  }

  #apply(): void {
    const { files, duplicates } = this.#contents
    const gone = new Map<number, PositionBitmap | 'all'>()
    // A pass over all slots, which only those files need that may still be named by some.
    const toSearch = new Map<number, PositionBitmap | 'all'>()
    for (const [file, positions] of this.#deleted) {
      gone.set(file.fileId, positions)
      if (this.#leavingOf(file) < positions.cardinality) toSearch.set(file.fileId, positions)
    }
    for (const file of this.#removed) {
      gone.set(file.fileId, 'all')
      if (this.#leavingOf(file) < file.keys) toSearch.set(file.fileId, 'all')
      else toSearch.delete(file.fileId)
    }
    const { removed, inserts } = this.#changes.apply(toSearch)
    for (const [fileId, { path, recordCount, rowIds }] of this.#added) {
      const contents = { deleted: PositionBitmap.EMPTY, deletesKey: undefined, equality: '' }
      const file = files.add(path, recordCount, contents)
      assert(file.fileId === fileId, 'an added file gets the id that it was promised')
      if (rowIds !== undefined) files.setRowIds(file, rowIds)
    }
    for (const [fileId, count] of this.#coming) files.get(fileId).keys += count
    for (const [fileId, count] of this.#leaving) files.get(fileId).keys -= count
    for (const [fileId, count] of removed) files.get(fileId).keys -= count
    duplicates.remove(gone)
    for (const insert of inserts) {
      files.get(insert.at.fileId).keys += insert.inserted
      this.#contents.addDuplicates(insert.keys, insert.at, insert.side, insert.duplicates)
    }
    this.#contents.nameDuplicates()
    for (const file of this.#removed) files.delete(file)
    for (const [file, positions] of this.#deleted) {
      if (this.#removed.has(file)) continue
      const { contents, recordCount } = file
      const deleted = contents.deleted.union(positions)
      file.contents = { ...contents, deleted, deletesKey: undefined }
      // A commit removes files of which no row is left (MG-28).
      if (deleted.cardinality >= recordCount) files.delete(file)
    }
  }

  #filesOf(slots: Int32Array): Uint32Array {
    const { fileIds } = this.#contents.table.locations(slots)
    assert(!fileIds.includes(NO_FILE), 'a staged slot has a key')
    return fileIds
  }

  #leavingOf(file: KnownFile): number {
    return this.#leaving.get(file.fileId) ?? 0
  }

  #known(path: string): KnownFile {
    const file = this.#contents.files.byPath(path)
    assert(file !== undefined, 'the key index knows a file that a commit changes', { file: path })
    return file
  }

  #checkTarget(fileId: number): void {
    this.#checkValid()
    if (!this.#added.has(fileId)) this.#contents.files.get(fileId)
  }

  #checkValid(): void {
    assert(this.valid, 'the key index has not changed since changes were staged')
  }
}

function add(counts: Map<number, number>, fileId: number, count: number): void {
  counts.set(fileId, (counts.get(fileId) ?? 0) + count)
}
