/**
 * The primary-key index: key → (file, position), open addressing with linear probing. algorithms.md §1.
 *
 * A slot is a run of 32-bit words: the key (2 or 4), file id + 1 (0 = free), position, and two for each side column.
 * One slot is about one cache line, and a lookup mostly touches one slot. Slots lie in chunks of 65,536, so that growing
 * moves one chunk after the other and uses the memory of the old ones again: its peak is the new size and two chunks.
 *
 * A key's place is decided by the upper bits of a hash. For keys of two words it is made with secret multipliers, so
 * that nobody can choose keys that all meet; keys of four words are such a hash already.
 */
import { assert, FloeError } from '../../core/errors.ts'
import { checkLimit, type Limits } from '../../core/limits.ts'
import { getBit } from '../../iceberg/columns/bitmap.ts'
import { GoneRows, type RowsToRemove } from './gone-rows.ts'
import { type EncodedKeys, type KeyCodec, keyCount } from './key-codec.ts'

/** Where rows are: one data file, positions one after the other from `start`, or given one by one. */
export type Placement =
  | { readonly fileId: number; readonly start: number }
  | { readonly fileId: number; readonly positions: Uint32Array }

/** Files and positions of some keys; {@link NO_FILE} where a key is not in the index. */
export interface Locations {
  readonly fileIds: Uint32Array
  readonly positions: Uint32Array
}

/** Rows whose keys were there already, with the slots and locations that stayed as they were. */
export interface Duplicates extends Locations {
  readonly rows: Int32Array
  readonly slots: Int32Array
}

export interface KeyTableOptions {
  readonly codec: KeyCodec
  readonly limits: Limits
  /** Names the table in errors. */
  readonly name: string
  /** Keys to make room for at once. */
  readonly expectedKeys?: number
  /** 64-bit columns kept beside each key: a row hash, a sequence, a row id. Two words each, lower one first. */
  readonly sideColumns?: number
}

/** The file id of a key that is not in the index. File ids are below. */
export const NO_FILE = 0xffffffff
/** File ids are at most this. */
export const MAX_FILE_ID = 0xfffffffe

const CHUNK_BITS = 16
const CHUNK_SLOTS: number = 1 << CHUNK_BITS
const CHUNK_MASK: number = CHUNK_SLOTS - 1
const MIN_BITS = 6
/** Slots are counted in 30 bits, so that −1 and ~slot are free to mean something else. */
const MAX_BITS = 30
const MAX_LOAD = 0.75
/** Keys whose slots are touched together before they are searched: their cache misses overlap. */
const BLOCK = 64

/** Keys of one table and where their rows are. All operations take many keys at once. */
export class KeyTable {
  readonly codec: KeyCodec
  readonly sideColumns: number
  readonly #limits: Limits
  readonly #name: string
  /** Words of a key. */
  readonly #keyWords: 2 | 4
  /** Words of a slot. */
  readonly #stride: number
  readonly #seeds: readonly [number, number, number]
  /** Where searches for a block of keys begin; the last element keeps what was read from there in use. */
  readonly #homes: Int32Array = new Int32Array(BLOCK + 1)
  #chunks: Uint32Array[]
  #bits = 0
  /** Slots − 1. */
  #mask = 0
  #size = 0
  #generation = 0

  /** @throws LIMIT_EXCEEDED if the index would take more than `indexMemoryBytes`. */
  constructor(options: KeyTableOptions) {
    const { codec, limits, name } = options
    this.codec = codec
    this.sideColumns = options.sideColumns ?? 0
    this.#limits = limits
    this.#name = name
    this.#keyWords = codec.words
    this.#stride = codec.words + 2 + 2 * this.sideColumns
    const seed = new DataView(codec.seed.buffer, codec.seed.byteOffset, codec.seed.byteLength)
    this.#seeds = [seed.getInt32(0, true), seed.getInt32(4, true) | 1, seed.getInt32(8, true)]
    const bits = this.#bitsFor(options.expectedKeys ?? 0)
    this.#checkMemory(bits, options.expectedKeys ?? 0)
    this.#setBits(bits)
    this.#chunks = this.#newChunks(bits)
  }

  /** Keys in the index. */
  get size(): number {
    return this.#size
  }

  /** Bytes of memory of the slots, free ones included. */
  get bytes(): number {
    return this.#bytes(this.#bits)
  }

  /** Changes with every change of the index. Slots are good as long as this is the same. */
  get generation(): number {
    return this.#generation
  }

  /** The memory itself, for audits and checkpoints; not to be written. */
  get chunks(): readonly Uint32Array[] {
    return this.#chunks
  }

  /**
   * Enters keys that are not there yet; rows with a null key are passed over, since nothing can match them.
   * @param rows which rows of `keys`, else all. The i-th of them has the i-th position.
   * @param side for each side column, two words for the i-th of them.
   * @returns the rows whose keys were there already, also by an earlier row.
   * @throws LIMIT_EXCEEDED before anything has changed.
   */
  insert(
    keys: EncodedKeys,
    at: Placement,
    options: { readonly rows?: Int32Array; readonly side?: readonly Uint32Array[] } = {},
  ): Duplicates {
    this.#checkKeys(keys)
    const { rows, side = [] } = options
    const count = rows === undefined ? keys.rows : rows.length
    checkPlacement(at, count)
    assert(side.length === this.sideColumns, 'there are values for each side column')
    this.#reserve(this.#size + Math.min(count, keyCount(keys)))
    this.#generation++
    const positions = 'positions' in at ? at.positions : undefined
    const start = 'positions' in at ? 0 : at.start
    const file = at.fileId + 1
    const duplicates: number[] = []
    const stride = this.#stride
    const keyWords = this.#keyWords
    const { words, nulls } = keys
    const chunks = this.#chunks
    for (let from = 0; from < count; from += BLOCK) {
      const end = Math.min(from + BLOCK, count)
      const homes = this.#touch(keys, rows, from, end)
      for (let i = from; i < end; i++) {
        const row = rows === undefined ? i : (rows[i] as number)
        if (nulls !== undefined && getBit(nulls, row)) continue
        const slot = this.#find(words, row * keyWords, homes[i - from] as number)
        if (slot >= 0) {
          duplicates.push(row, slot)
          continue
        }
        const chunk = chunks[~slot >>> CHUNK_BITS] as Uint32Array
        const to = (~slot & CHUNK_MASK) * stride
        for (let w = 0; w < keyWords; w++) chunk[to + w] = words[row * keyWords + w] as number
        chunk[to + keyWords] = file
        chunk[to + keyWords + 1] = positions === undefined ? start + i : (positions[i] as number)
        for (let s = 0; s < side.length; s++) {
          const values = side[s] as Uint32Array
          chunk[to + keyWords + 2 + 2 * s] = values[2 * i] as number
          chunk[to + keyWords + 3 + 2 * s] = values[2 * i + 1] as number
        }
        this.#size++
      }
    }
    return this.#duplicates(duplicates)
  }

  /**
   * The slot of each key, −1 where it is not in the index. Slots are good until the index changes.
   * @param rows which rows of `keys`, else all.
   */
  probe(keys: EncodedKeys, rows?: Int32Array): Int32Array {
    this.#checkKeys(keys)
    const count = rows === undefined ? keys.rows : rows.length
    const slots = new Int32Array(count)
    const keyWords = this.#keyWords
    const { words, nulls } = keys
    for (let from = 0; from < count; from += BLOCK) {
      const end = Math.min(from + BLOCK, count)
      const homes = this.#touch(keys, rows, from, end)
      for (let i = from; i < end; i++) {
        const row = rows === undefined ? i : (rows[i] as number)
        const slot =
          nulls !== undefined && getBit(nulls, row)
            ? -1
            : this.#find(words, row * keyWords, homes[i - from] as number)
        slots[i] = slot < 0 ? -1 : slot
      }
    }
    return slots
  }

  /** Where the rows of some slots are; −1 gives {@link NO_FILE}. */
  locations(slots: Int32Array): Locations {
    const fileIds = new Uint32Array(slots.length).fill(NO_FILE)
    const positions = new Uint32Array(slots.length)
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as number
      if (slot < 0) continue
      const chunk = this.#chunks[slot >>> CHUNK_BITS] as Uint32Array
      const at = (slot & CHUNK_MASK) * this.#stride + this.#keyWords
      fileIds[i] = (chunk[at] as number) - 1
      positions[i] = chunk[at + 1] as number
    }
    return { fileIds, positions }
  }

  /** The values of a side column: two words for each slot, zeros for −1. */
  side(column: number, slots: Int32Array): Uint32Array {
    this.#checkSide(column)
    const values = new Uint32Array(slots.length * 2)
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as number
      if (slot < 0) continue
      const chunk = this.#chunks[slot >>> CHUNK_BITS] as Uint32Array
      const at = (slot & CHUNK_MASK) * this.#stride + this.#keyWords + 2 + 2 * column
      values[2 * i] = chunk[at] as number
      values[2 * i + 1] = chunk[at + 1] as number
    }
    return values
  }

  /**
   * Says where the rows of some slots are now. Slots stay good.
   * @param side for each side column, two words for each slot; without it they stay as they are.
   */
  set(slots: Int32Array, at: Placement, side: readonly Uint32Array[] = []): void {
    checkPlacement(at, slots.length)
    assert(side.length === 0 || side.length === this.sideColumns, 'there are all side columns')
    this.#generation++
    const positions = 'positions' in at ? at.positions : undefined
    const start = 'positions' in at ? 0 : at.start
    for (let i = 0; i < slots.length; i++) {
      const { chunk, at: slotAt } = this.#taken(slots[i] as number)
      const to = slotAt + this.#keyWords
      chunk[to] = at.fileId + 1
      chunk[to + 1] = positions === undefined ? start + i : (positions[i] as number)
      for (let s = 0; s < side.length; s++) {
        const values = side[s] as Uint32Array
        chunk[to + 2 + 2 * s] = values[2 * i] as number
        chunk[to + 3 + 2 * s] = values[2 * i + 1] as number
      }
    }
  }

  /**
   * Removes keys; those that are not there are passed over.
   * @param at remove a key only if its row is there: the i-th of the rows at the i-th position.
   * @returns how many were removed.
   */
  remove(
    keys: EncodedKeys,
    options: { readonly rows?: Int32Array; readonly at?: Placement } = {},
  ): number {
    this.#checkKeys(keys)
    const { rows, at } = options
    const count = rows === undefined ? keys.rows : rows.length
    if (at !== undefined) checkPlacement(at, count)
    const before = this.#size
    this.#generation++
    const keyWords = this.#keyWords
    const { words, nulls } = keys
    for (let from = 0; from < count; from += BLOCK) {
      const end = Math.min(from + BLOCK, count)
      const homes = this.#touch(keys, rows, from, end)
      for (let i = from; i < end; i++) {
        const row = rows === undefined ? i : (rows[i] as number)
        if (nulls !== undefined && getBit(nulls, row)) continue
        const slot = this.#find(words, row * keyWords, homes[i - from] as number)
        if (slot >= 0 && (at === undefined || this.#isAt(slot, at, i))) this.#free(slot)
      }
    }
    return before - this.#size
  }

  /** The keys of some slots, for {@link probe}, {@link insert} and {@link remove}. */
  keysOf(slots: Int32Array): EncodedKeys {
    const keyWords = this.#keyWords
    const words = new Uint32Array(slots.length * keyWords)
    for (let i = 0; i < slots.length; i++) {
      const { chunk, at } = this.#taken(slots[i] as number)
      for (let w = 0; w < keyWords; w++) words[i * keyWords + w] = chunk[at + w] as number
    }
    return { codec: this.codec, rows: slots.length, words, nulls: undefined }
  }

  /** Removes the keys of some slots, which must be different ones. */
  removeSlots(slots: Int32Array): void {
    // Freeing a slot moves others, so the keys are taken down first.
    const removed = this.remove(this.keysOf(slots))
    assert(removed === slots.length, 'removed slots are different ones')
  }

  /** Removes all keys of some files in one pass over the index. @returns how many. */
  removeFiles(fileIds: Iterable<number>): number {
    const before = this.#size
    this.removeRows(new Map(Array.from(fileIds, (id) => [id, 'all'])))
    return before - this.#size
  }

  /**
   * Removes the keys of files, all of them or those of the rows at some positions, in one pass over the index.
   * @returns how many keys of each file were removed.
   */
  removeRows(rows: RowsToRemove): ReadonlyMap<number, number> {
    const gone = new GoneRows(rows)
    if (rows.size === 0 || this.#size === 0) return gone.removed()
    this.#generation++
    const stride = this.#stride
    const slots = Math.min(this.#mask + 1, CHUNK_SLOTS)
    for (let c = 0; c < this.#chunks.length; c++) {
      const chunk = this.#chunks[c] as Uint32Array
      for (let i = 0, at = this.#keyWords; i < slots; i++, at += stride) {
        // What moves into a freed slot comes from behind it, and is looked at next. Only from the end of the index can
        // keys of its beginning come, and those have been looked at.
        for (let file = chunk[at] as number; file !== 0; file = chunk[at] as number) {
          if (!gone.take(file, chunk[at + 1] as number)) break
          this.#free((c << CHUNK_BITS) | i)
        }
      }
    }
    return gone.removed()
  }

  /**
   * Makes sure that so many more keys will be accepted, without changing anything.
   * @throws LIMIT_EXCEEDED if they would need more than `indexMemoryBytes`.
   */
  checkRoom(moreKeys: number): void {
    const bits = this.#bitsFor(this.#size + moreKeys)
    if (bits > this.#bits) this.#checkMemory(bits, this.#size + moreKeys)
  }

  /** Bytes of memory of the slots when so many more keys are in. */
  bytesWith(moreKeys: number): number {
    return this.#bytes(Math.max(this.#bits, this.#bitsFor(this.#size + moreKeys)))
  }

  /** Fills `#homes` with the slots where searches for a block of keys begin, and reads each once. */
  #touch(keys: EncodedKeys, rows: Int32Array | undefined, from: number, to: number): Int32Array {
    const { words } = keys
    const chunks = this.#chunks
    const homes = this.#homes
    const shift = 32 - this.#bits
    const stride = this.#stride
    const file = this.#keyWords
    let sink = 0
    if (this.#keyWords === 2) {
      const [a, b, c] = this.#seeds
      for (let i = from; i < to; i++) {
        const at = 2 * (rows === undefined ? i : (rows[i] as number))
        const home = mix(words[at] as number, words[at + 1] as number, a, b, c) >>> shift
        homes[i - from] = home
        sink ^= (chunks[home >>> CHUNK_BITS] as Uint32Array)[
          (home & CHUNK_MASK) * stride + file
        ] as number
      }
    } else {
      for (let i = from; i < to; i++) {
        const at = 4 * (rows === undefined ? i : (rows[i] as number))
        const home = (words[at] as number) >>> shift
        homes[i - from] = home
        sink ^= (chunks[home >>> CHUNK_BITS] as Uint32Array)[
          (home & CHUNK_MASK) * stride + file
        ] as number
      }
    }
    homes[BLOCK] = sink
    return homes
  }

  /** The slot of the key whose words begin at `at`, or ~ of the free slot where it would go. */
  #find(words: Uint32Array, at: number, home: number): number {
    const chunks = this.#chunks
    const stride = this.#stride
    const mask = this.#mask
    const w0 = words[at] as number
    const w1 = words[at + 1] as number
    if (this.#keyWords === 2) {
      for (let slot = home; ; slot = (slot + 1) & mask) {
        const chunk = chunks[slot >>> CHUNK_BITS] as Uint32Array
        const s = (slot & CHUNK_MASK) * stride
        if (chunk[s + 2] === 0) return ~slot
        if (chunk[s] === w0 && chunk[s + 1] === w1) return slot
      }
    }
    const w2 = words[at + 2] as number
    const w3 = words[at + 3] as number
    for (let slot = home; ; slot = (slot + 1) & mask) {
      const chunk = chunks[slot >>> CHUNK_BITS] as Uint32Array
      const s = (slot & CHUNK_MASK) * stride
      if (chunk[s + 4] === 0) return ~slot
      if (chunk[s] === w0 && chunk[s + 1] === w1 && chunk[s + 2] === w2 && chunk[s + 3] === w3) {
        return slot
      }
    }
  }

  /** Frees a slot and moves up what would no longer be found. */
  #free(slot: number): void {
    const chunks = this.#chunks
    const stride = this.#stride
    const file = this.#keyWords
    const mask = this.#mask
    let hole = slot
    let holeChunk = chunks[hole >>> CHUNK_BITS] as Uint32Array
    let holeAt = (hole & CHUNK_MASK) * stride
    for (let next = (hole + 1) & mask; ; next = (next + 1) & mask) {
      const chunk = chunks[next >>> CHUNK_BITS] as Uint32Array
      const at = (next & CHUNK_MASK) * stride
      if (chunk[at + file] === 0) break
      const home = this.#home(chunk, at)
      // A key may move to the hole if its search passes the hole.
      if (((next - home) & mask) < ((next - hole) & mask)) continue
      for (let w = 0; w < stride; w++) holeChunk[holeAt + w] = chunk[at + w] as number
      hole = next
      holeChunk = chunk
      holeAt = at
    }
    for (let w = 0; w < stride; w++) holeChunk[holeAt + w] = 0
    this.#size--
  }

  /** Where the search for the key of a slot begins. */
  #home(chunk: Uint32Array, at: number): number {
    const w0 = chunk[at] as number
    const shift = 32 - this.#bits
    if (this.#keyWords === 4) return w0 >>> shift
    const [a, b, c] = this.#seeds
    return mix(w0, chunk[at + 1] as number, a, b, c) >>> shift
  }

  #isAt(slot: number, at: Placement, i: number): boolean {
    const chunk = this.#chunks[slot >>> CHUNK_BITS] as Uint32Array
    const file = (slot & CHUNK_MASK) * this.#stride + this.#keyWords
    const position = 'positions' in at ? at.positions[i] : at.start + i
    return chunk[file] === at.fileId + 1 && chunk[file + 1] === position
  }

  #taken(slot: number): { chunk: Uint32Array; at: number } {
    const chunk = this.#chunks[slot >>> CHUNK_BITS]
    const at = (slot & CHUNK_MASK) * this.#stride
    assert(
      slot >= 0 && chunk !== undefined && (chunk[at + this.#keyWords] ?? 0) !== 0,
      'a slot has a key',
      { slot },
    )
    return { chunk, at }
  }

  #duplicates(pairs: readonly number[]): Duplicates {
    const rows = new Int32Array(pairs.length / 2)
    const slots = new Int32Array(pairs.length / 2)
    for (let i = 0; i < rows.length; i++) {
      rows[i] = pairs[2 * i] as number
      slots[i] = pairs[2 * i + 1] as number
    }
    return { rows, slots, ...this.locations(slots) }
  }

  #reserve(keys: number): void {
    const bits = this.#bitsFor(keys)
    if (bits <= this.#bits) return
    this.#checkMemory(bits, keys)
    this.#generation++
    while (this.#bits < bits) this.#double()
  }

  /**
   * Doubles the slots. Keys are in the order of their hashes but for collisions, so the keys of one old chunk go to two
   * new ones, and an old chunk that has been moved is the next new one.
   */
  #double(): void {
    const old = this.#chunks
    const oldCapacity = this.#mask + 1
    this.#setBits(this.#bits + 1)
    if (oldCapacity < CHUNK_SLOTS) {
      this.#chunks = this.#newChunks(this.#bits)
      this.#move(old[0] as Uint32Array, oldCapacity, undefined)
      return
    }
    const chunkWords = CHUNK_SLOTS * this.#stride
    // Memory is taken before anything moves: if there is none, the index is as it was.
    let spare: Uint32Array[]
    try {
      spare = Array.from({ length: old.length + 2 }, () => new Uint32Array(chunkWords))
    } catch (error) {
      this.#setBits(this.#bits - 1)
      throw error
    }
    this.#chunks = new Array<Uint32Array>(old.length * 2).fill(NO_CHUNK)
    for (let i = 0; i < old.length; i++) {
      const chunk = old[i] as Uint32Array
      this.#move(chunk, CHUNK_SLOTS, spare)
      chunk.fill(0)
      spare.push(chunk)
    }
    for (let i = 0; i < this.#chunks.length; i++) {
      if (this.#chunks[i] === NO_CHUNK) this.#chunks[i] = spare.pop() ?? new Uint32Array(chunkWords)
    }
  }

  /** Enters all keys of an old chunk, taking new chunks from `spare` as they are met. */
  #move(chunk: Uint32Array, slots: number, spare: Uint32Array[] | undefined): void {
    const stride = this.#stride
    const file = this.#keyWords
    const mask = this.#mask
    for (let at = 0; at < slots * stride; at += stride) {
      if (chunk[at + file] === 0) continue
      for (let slot = this.#home(chunk, at); ; slot = (slot + 1) & mask) {
        const index = slot >>> CHUNK_BITS
        let to = this.#chunks[index] as Uint32Array
        if (to === NO_CHUNK) {
          to = spare?.pop() ?? new Uint32Array(CHUNK_SLOTS * stride)
          this.#chunks[index] = to
        }
        const s = (slot & CHUNK_MASK) * stride
        if (to[s + file] !== 0) continue
        for (let w = 0; w < stride; w++) to[s + w] = chunk[at + w] as number
        break
      }
    }
  }

  #setBits(bits: number): void {
    this.#bits = bits
    this.#mask = 2 ** bits - 1
  }

  #bitsFor(keys: number): number {
    let bits = MIN_BITS
    while (2 ** bits * MAX_LOAD < keys) bits++
    return bits
  }

  #bytes(bits: number): number {
    return 2 ** bits * this.#stride * 4
  }

  #newChunks(bits: number): Uint32Array[] {
    const chunks = Math.max(1, 2 ** (bits - CHUNK_BITS))
    const words = Math.min(2 ** bits, CHUNK_SLOTS) * this.#stride
    return Array.from({ length: chunks }, () => new Uint32Array(words))
  }

  #checkMemory(bits: number, keys: number): void {
    const what = `The key index of ${this.#name}, for ${keys} keys,`
    checkLimit(this.#limits, 'indexMemoryBytes', this.#bytes(bits), what)
    if (bits > MAX_BITS) {
      throw new FloeError(
        'LIMIT_EXCEEDED',
        `${what} has more than ${2 ** MAX_BITS} slots, the most that one index can have. Split the table`,
        { context: { limit: 'slots', value: 2 ** bits, max: 2 ** MAX_BITS } },
      )
    }
  }

  #checkKeys(keys: EncodedKeys): void {
    assert(keys.codec === this.codec, 'keys and index have the same codec')
  }

  #checkSide(column: number): void {
    assert(column >= 0 && column < this.sideColumns, 'the side column exists', { column })
  }
}

const NO_CHUNK: Uint32Array = new Uint32Array(0)

/** 32 bits of a key of two words. For each upper word, different lower words give different results. */
function mix(lo: number, hi: number, a: number, b: number, c: number): number {
  let h = Math.imul(lo ^ a, b)
  h = Math.imul(h ^ (h >>> 16) ^ hi ^ c, 0x85ebca6b)
  return Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
}

/** Checks that so many rows have places that a slot can hold. @throws ASSERTION_FAILED */
export function checkPlacement(at: Placement, count: number): void {
  const fits =
    'positions' in at ? at.positions.length === count : at.start >= 0 && at.start + count <= 2 ** 32
  assert(
    fits && at.fileId >= 0 && at.fileId <= MAX_FILE_ID,
    'rows have a file and positions of 32 bits',
    {
      fileId: at.fileId,
      rows: count,
    },
  )
}
