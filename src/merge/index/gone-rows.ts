/** Which rows are to be taken out of the key index, asked once for each of its slots. */
import type { PositionBitmap } from '../../iceberg/puffin/position-bitmap.ts'

/** By file id: all rows of the file, or those at some positions. */
export type RowsToRemove = ReadonlyMap<number, PositionBitmap | 'all'>

/**
 * The slots of an index are in the order of hashes, so files and positions are asked for in no order at all, tens of
 * millions of times: files are found by a small hash table, positions by one bit each.
 */
export class GoneRows {
  /** File id + 1 by place; 0 is free. */
  readonly #files: Uint32Array
  /** Bits of positions by place; undefined for all. */
  readonly #bits: (Uint32Array | undefined)[]
  readonly #counts: Uint32Array

  constructor(rows: RowsToRemove) {
    const places = 2 ** Math.ceil(Math.log2(4 * Math.max(1, rows.size)))
    this.#files = new Uint32Array(places)
    this.#bits = new Array<Uint32Array | undefined>(places).fill(undefined)
    this.#counts = new Uint32Array(places)
    for (const [fileId, positions] of rows) {
      const place = this.#place(fileId + 1)
      this.#files[place] = fileId + 1
      if (positions !== 'all') this.#bits[place] = bitsOf(positions)
    }
  }

  /** Whether the row of a file (its id + 1) at a position is to be removed; it then counts as removed. */
  take(file: number, position: number): boolean {
    const place = this.#place(file)
    if (this.#files[place] === 0) return false
    const bits = this.#bits[place]
    if (bits !== undefined) {
      const word = position >>> 5
      if (word >= bits.length || (((bits[word] as number) >>> (position & 31)) & 1) === 0) {
        return false
      }
    }
    this.#counts[place] = (this.#counts[place] as number) + 1
    return true
  }

  /** How many rows of each file were removed. */
  removed(): ReadonlyMap<number, number> {
    const counts = new Map<number, number>()
    for (const [place, file] of this.#files.entries()) {
      if (file !== 0) counts.set(file - 1, this.#counts[place] as number)
    }
    return counts
  }

  /** Where a file is, or would be. A quarter of the places is taken at most. */
  #place(file: number): number {
    const files = this.#files
    const mask = files.length - 1
    let place = file & mask
    while (files[place] !== 0 && files[place] !== file) place = (place + 1) & mask
    return place
  }
}

/** Words that the positions of one container take: 65,536 bits. */
const CONTAINER_WORDS = 2048

function bitsOf(positions: PositionBitmap): Uint32Array {
  const containers = [...positions.containers()]
  const last = containers.at(-1)?.[0] ?? -1
  const bits = new Uint32Array((last + 1) * CONTAINER_WORDS)
  for (const [key, container] of containers) {
    const from = key * CONTAINER_WORDS
    if (container.kind === 'bits') bits.set(container.words, from)
    else {
      for (const value of container.values) {
        const at = from + (value >>> 5)
        bits[at] = (bits[at] as number) | (1 << (value & 31))
      }
    }
  }
  return bits
}
