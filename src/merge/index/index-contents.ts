/** All that a key index knows: slots, files and duplicates, and the snapshot that they are true of. */
import { checkLimit, type Limits } from '../../core/limits.ts'
import { DuplicateRows } from './duplicate-rows.ts'
import type { RowsToRemove } from './gone-rows.ts'
import { IndexedFiles, type KnownFile } from './indexed-files.ts'
import { type EncodedKeys, type KeyCodec, keyCount } from './key-codec.ts'
import { type Duplicates, KeyTable, type Placement } from './key-table.ts'

export interface IndexContentsOptions {
  readonly codec: KeyCodec
  readonly limits: Limits
  /** Names the table in errors. */
  readonly name: string
  readonly sideColumns: number
  /** Keys to make room for at once. */
  readonly expectedKeys: number
}

/** Replaced as a whole when the index is built anew, so that what was begun on an older one cannot harm it. */
export class IndexContents {
  readonly table: KeyTable
  readonly files: IndexedFiles = new IndexedFiles()
  readonly duplicates: DuplicateRows
  readonly #limits: Limits
  readonly #name: string
  /** Undefined while the contents are true of none. */
  snapshotId: bigint | null | undefined
  /** True if files, slots and duplicates agree, so that they can be compared with a state of the table. */
  isWhole = false
  /** What was read: a table's id, and the types of the columns. */
  shape: string | undefined
  /** Grows with every change. */
  version = 0

  /** @throws LIMIT_EXCEEDED */
  constructor(options: IndexContentsOptions) {
    this.table = new KeyTable(options)
    this.duplicates = new DuplicateRows(options.codec)
    this.#limits = options.limits
    this.#name = options.name
  }

  get bytes(): number {
    return this.table.bytes + this.files.rowIdBytes + this.duplicates.bytes
  }

  /** @throws LIMIT_EXCEEDED if so many more keys and further bytes do not fit. */
  checkRoom(moreKeys: number, moreBytes = 0): void {
    const { files, duplicates, table } = this
    const bytes = table.bytesWith(moreKeys) + files.rowIdBytes + duplicates.bytes + moreBytes
    checkLimit(this.#limits, 'indexMemoryBytes', bytes, `The key index of ${this.#name}`)
  }

  /** Enters rows of a file. A key that is there already gets a further row. @throws LIMIT_EXCEEDED */
  insert(file: KnownFile, keys: EncodedKeys, at: Placement, side: readonly Uint32Array[]): void {
    this.checkRoom(keyCount(keys))
    const before = this.table.size
    const duplicates = this.table.insert(keys, at, { side })
    file.keys += this.table.size - before
    this.addDuplicates(keys, at, side, duplicates)
  }

  addDuplicates(
    keys: EncodedKeys,
    at: Placement,
    side: readonly Uint32Array[],
    { rows }: Duplicates,
  ): void {
    if (rows.length === 0) return
    for (const row of rows) {
      const position = 'positions' in at ? (at.positions[row] as number) : at.start + row
      const own = side.map((values) => values.slice(2 * row, 2 * row + 2))
      this.duplicates.add(keys, row, { fileId: at.fileId, position, side: own })
    }
    this.checkRoom(0)
  }

  /** Removes rows; of keys that have others, one of these gets the slot. */
  removeRows(rows: RowsToRemove): void {
    const named = new Map([...rows].filter(([fileId]) => this.files.get(fileId).keys > 0))
    for (const [fileId, count] of this.table.removeRows(named)) {
      this.files.get(fileId).keys -= count
    }
    this.duplicates.remove(rows)
    this.nameDuplicates()
  }

  /** Gives keys that have rows but no slot one. */
  nameDuplicates(): void {
    if (this.duplicates.keys === 0) return
    const keys = this.duplicates.all()
    for (const [row, slot] of this.table.probe(keys).entries()) {
      if (slot >= 0) continue
      const { fileId, position, side } = this.duplicates.take(keys, row)
      const at = { fileId, start: position }
      this.table.insert(keys, at, { rows: Int32Array.of(row), side })
      this.files.get(fileId).keys++
    }
  }
}
