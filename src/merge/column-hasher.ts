/**
 * 128-bit hashes of rows, computed column by column: each row has four 32-bit words of state, which take in one value
 * after the other.
 *
 * The step is the round of HalfSipHash, one for each word and three at the end, over a state that begins as a secret
 * of 128 bits; the whole state is the result. Since a round is a permutation, two rows of different values get the
 * same hash only if their states meet by chance: about n²/2^129 for n rows. Without the secret nobody can look for
 * such rows, so keys may come from anybody.
 *
 * What a row takes in can be read back in one way only, given the types: values of fixed width as they are, bytes
 * after their length, and a null as a step that no value makes.
 */
import { assert } from '../core/errors.ts'
import { getBit } from '../iceberg/columns/bitmap.ts'
import type { Mask } from '../iceberg/columns/validity.ts'

/** Bytes of the secret that hashes begin with. */
export const SEED_BYTES = 16

export class ColumnHasher {
  /** Four words for each row; the hashes, after {@link finish}. */
  readonly state: Int32Array
  readonly #rows: number

  /** @param seed {@link SEED_BYTES} bytes. */
  constructor(rows: number, seed: Uint8Array) {
    assert(seed.length === SEED_BYTES, 'a hash seed has 16 bytes', { bytes: seed.length })
    this.#rows = rows
    this.state = new Int32Array(rows * 4)
    const view = new DataView(seed.buffer, seed.byteOffset, SEED_BYTES)
    for (let word = 0; word < 4; word++) {
      const first = view.getInt32(4 * word, true) ^ (NOTHING_UP[word] as number)
      for (let at = word; at < this.state.length; at += 4) this.state[at] = first
    }
  }

  /** Takes in values of `perRow` words each. Rows that are not valid count as null, whatever their words are. */
  absorbWords(words: Int32Array, perRow: number, valid?: Mask): void {
    const { state } = this
    for (let i = 0, at = 0; i < this.#rows; i++, at += 4) {
      let a = state[at] as number
      let b = state[at + 1] as number
      let c = state[at + 2] as number
      let d = state[at + 3] as number
      const isNull = valid !== undefined && !getBit(valid.bits, valid.offset + i)
      if (isNull) c ^= NULL_STEP
      const end = (i + 1) * perRow
      for (let w = isNull ? end - 1 : end - perRow; w < end; w++) {
        const m = isNull ? 0 : (words[w] as number)
        d ^= m
        a = (a + b) | 0
        b = ((b << 5) | (b >>> 27)) ^ a
        a = (a << 16) | (a >>> 16)
        c = (c + d) | 0
        d = ((d << 8) | (d >>> 24)) ^ c
        a = (a + d) | 0
        d = ((d << 7) | (d >>> 25)) ^ a
        c = (c + b) | 0
        b = ((b << 13) | (b >>> 19)) ^ c
        c = (c << 16) | (c >>> 16)
        a ^= m
      }
      state[at] = a
      state[at + 1] = b
      state[at + 2] = c
      state[at + 3] = d
    }
  }

  /** Takes in bytes: those of row i are `bytes[unit · offsets[i], unit · offsets[i + 1])`. */
  absorbBytes(bytes: Uint8Array, offsets: Int32Array, valid?: Mask, unit = 1): void {
    const { state } = this
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let i = 0, at = 0; i < this.#rows; i++, at += 4) {
      let a = state[at] as number
      let b = state[at + 1] as number
      let c = state[at + 2] as number
      let d = state[at + 3] as number
      const isNull = valid !== undefined && !getBit(valid.bits, valid.offset + i)
      if (isNull) c ^= NULL_STEP
      let from = unit * (offsets[i] as number)
      const to = isNull ? from : unit * (offsets[i + 1] as number)
      // The length first, then four bytes at a time; the last word is filled up with zeros.
      let m = to - from
      for (;;) {
        d ^= m
        a = (a + b) | 0
        b = ((b << 5) | (b >>> 27)) ^ a
        a = (a << 16) | (a >>> 16)
        c = (c + d) | 0
        d = ((d << 8) | (d >>> 24)) ^ c
        a = (a + d) | 0
        d = ((d << 7) | (d >>> 25)) ^ a
        c = (c + b) | 0
        b = ((b << 13) | (b >>> 19)) ^ c
        c = (c << 16) | (c >>> 16)
        a ^= m
        if (from + 4 <= to) m = view.getInt32(from, true)
        else if (from >= to) break
        else {
          m = bytes[from] as number
          if (from + 1 < to) m |= (bytes[from + 1] as number) << 8
          if (from + 2 < to) m |= (bytes[from + 2] as number) << 16
        }
        from += 4
      }
      state[at] = a
      state[at + 1] = b
      state[at + 2] = c
      state[at + 3] = d
    }
  }

  /** The hashes: four words for each row. Nothing can be taken in afterwards. */
  finish(): Int32Array {
    const { state } = this
    for (let at = 0; at < state.length; at += 4) {
      let a = state[at] as number
      let b = state[at + 1] as number
      let c = (state[at + 2] as number) ^ LAST_STEP
      let d = state[at + 3] as number
      for (let round = 0; round < 3; round++) {
        a = (a + b) | 0
        b = ((b << 5) | (b >>> 27)) ^ a
        a = (a << 16) | (a >>> 16)
        c = (c + d) | 0
        d = ((d << 8) | (d >>> 24)) ^ c
        a = (a + d) | 0
        d = ((d << 7) | (d >>> 25)) ^ a
        c = (c + b) | 0
        b = ((b << 13) | (b >>> 19)) ^ c
        c = (c << 16) | (c >>> 16)
      }
      state[at] = a
      state[at + 1] = b
      state[at + 2] = c
      state[at + 3] = d
    }
    return state
  }
}

/** What tells a null, and the end, from a word: values never touch this part of the state directly. */
const NULL_STEP = 0xdd
const LAST_STEP = 0xff
/** The constants of SipHash, so that a seed of zeros does not begin with a state of zeros. */
const NOTHING_UP: readonly number[] = [0x736f6d65, 0x646f7261, 0x6c796765, 0x74656462]
