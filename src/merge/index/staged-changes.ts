/**
 * What one attempt to commit will change in the key index, kept apart until the commit has succeeded (merge.md MG-36).
 * An attempt that fails is forgotten, and the index is what it was, bit by bit.
 */
import { assert } from '../../core/errors.ts'
import { bitmapBytes, getBit, setBit } from '../../iceberg/columns/bitmap.ts'
import type { RowsToRemove } from './gone-rows.ts'
import type { EncodedKeys } from './key-codec.ts'
import { checkPlacement, type Duplicates, type KeyTable, type Placement } from './key-table.ts'

/**
 * Changes of one table's index. They say what the index had when they were staged: if it changes otherwise, because
 * foreign commits were caught up with, they are void and must be staged again.
 *
 * A key may be named once. Nothing that is passed in is kept by reference.
 */
export class StagedChanges {
  readonly #table: KeyTable
  readonly #generation: number
  readonly #inserts: Insert[] = []
  readonly #moves: Move[] = []
  readonly #removals: Int32Array[] = []
  #inserted = 0
  #applied = false

  constructor(table: KeyTable) {
    this.#table = table
    this.#generation = table.generation
  }

  /** Keys that the changes will enter. */
  get inserted(): number {
    return this.#inserted
  }

  /** True as long as the changes fit the index. */
  get valid(): boolean {
    return !this.#applied && this.#table.generation === this.#generation
  }

  /**
   * Stages keys that the index does not have; rows with a null key are passed over.
   * @param rows which rows of `keys`, else all. The i-th of them has the i-th position.
   * @param side for each side column of the index, two words for the i-th of them.
   * @throws LIMIT_EXCEEDED if the index would grow beyond its limit: before anything is committed.
   */
  insert(
    keys: EncodedKeys,
    at: Placement,
    options: { readonly rows?: Int32Array; readonly side?: readonly Uint32Array[] } = {},
  ): void {
    this.#checkValid()
    assert(keys.codec === this.#table.codec, 'keys and index have the same codec')
    const copy = copyKeys(keys, options.rows)
    const { side = [] } = options
    checkPlacement(at, copy.rows)
    assert(side.length === this.#table.sideColumns, 'there are values for each side column')
    this.#table.checkRoom(this.#inserted + copy.rows)
    const copies = side.map((values) => values.slice(0, 2 * copy.rows))
    this.#inserts.push({ keys: copy, at: copyPlacement(at), side: copies })
    this.#inserted += copy.rows
  }

  /**
   * Stages other places for the rows of some slots, in the order of the slots.
   * @param side for each side column, two words for each slot; without it they stay as they are.
   */
  move(slots: Int32Array, at: Placement, side: readonly Uint32Array[] = []): void {
    this.#checkValid()
    checkPlacement(at, slots.length)
    assert(
      side.length === 0 || side.length === this.#table.sideColumns,
      'there are all side columns',
    )
    const copies = side.map((values) => values.slice(0, 2 * slots.length))
    this.#moves.push({ slots: slots.slice(), at: copyPlacement(at), side: copies })
  }

  /** Stages the removal of the keys of some slots. */
  remove(slots: Int32Array): void {
    this.#checkValid()
    this.#removals.push(slots.slice())
  }

  /**
   * Changes the index: call it once the commit has succeeded, and only then.
   * @param gone rows whose keys go as well, unless they were moved.
   * @throws ASSERTION_FAILED if the index has changed since, or a key is removed twice. The index must be built again.
   */
  apply(gone: RowsToRemove = NOTHING): AppliedChanges {
    this.#checkValid()
    this.#applied = true
    // Slots are good until a key is removed or entered; so moves come first and removals go together.
    for (const { slots, at, side } of this.#moves) this.#table.set(slots, at, side)
    this.#table.removeSlots(joinSlots(this.#removals))
    const removed = this.#table.removeRows(gone)
    const inserts = this.#inserts.map(({ keys, at, side }): AppliedInsert => {
      const before = this.#table.size
      const duplicates = this.#table.insert(keys, at, { side })
      return { keys, at, side, inserted: this.#table.size - before, duplicates }
    })
    return { removed, inserts }
  }

  #checkValid(): void {
    assert(!this.#applied, 'changes of the index are applied once')
    assert(
      this.#table.generation === this.#generation,
      'the index has not changed since changes were staged',
    )
  }
}

const NOTHING: RowsToRemove = new Map()

export interface AppliedChanges {
  /** How many keys of each file went with `gone`. */
  readonly removed: ReadonlyMap<number, number>
  /** What was inserted, in the order of the calls. */
  readonly inserts: readonly AppliedInsert[]
}

export interface AppliedInsert extends Insert {
  /** How many keys the index did not have. */
  readonly inserted: number
  /** Rows whose keys it had: they are not in the index. */
  readonly duplicates: Duplicates
}

interface Insert {
  readonly keys: EncodedKeys
  readonly at: Placement
  readonly side: readonly Uint32Array[]
}

interface Move {
  readonly slots: Int32Array
  readonly at: Placement
  readonly side: readonly Uint32Array[]
}

function copyPlacement(at: Placement): Placement {
  return 'positions' in at ? { fileId: at.fileId, positions: at.positions.slice() } : at
}

function copyKeys(keys: EncodedKeys, rows: Int32Array | undefined): EncodedKeys {
  const { codec } = keys
  const { words } = codec
  if (rows === undefined) {
    const own = keys.words.slice(0, keys.rows * words)
    return { codec, rows: keys.rows, words: own, nulls: keys.nulls?.slice() }
  }
  const own = new Uint32Array(rows.length * words)
  const nulls = keys.nulls === undefined ? undefined : new Uint8Array(bitmapBytes(rows.length))
  for (let i = 0; i < rows.length; i++) {
    const from = (rows[i] as number) * words
    for (let w = 0; w < words; w++) own[i * words + w] = keys.words[from + w] as number
    if (nulls !== undefined && getBit(keys.nulls as Uint8Array, rows[i] as number)) setBit(nulls, i)
  }
  return { codec, rows: rows.length, words: own, nulls }
}

function joinSlots(parts: readonly Int32Array[]): Int32Array {
  const joined = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
