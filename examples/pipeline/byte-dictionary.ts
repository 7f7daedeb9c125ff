import { randomInt } from 'node:crypto'

/** Numbers short values of bytes in the order in which they are first seen, without making a string for each look-up. */
export class ByteDictionary {
  readonly values: Uint8Array[] = []
  #slots = new Int32Array(1024).fill(-1)
  #hashes = new Int32Array(512)

  /** The number of the value `bytes[from, to)`, which gets one if it is new. */
  code(bytes: Uint8Array, from: number, to: number): number {
    const hash = hashOf(bytes, from, to)
    const slot = this.#slot(bytes, from, to, hash)
    const code = this.#slots[slot] as number
    return code < 0 ? this.#add(bytes.slice(from, to), hash, slot) : code
  }

  /** The number of the value `bytes[from, to)`; less than 0 if it has none. */
  find(bytes: Uint8Array, from: number, to: number): number {
    return this.#slots[this.#slot(bytes, from, to, hashOf(bytes, from, to))] as number
  }

  /** Where the number of a value is, or would be. */
  #slot(bytes: Uint8Array, from: number, to: number, hash: number): number {
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const code = this.#slots[slot] as number
      if (code < 0) return slot
      if (this.#hashes[code] === hash && isSame(this.values[code] as Uint8Array, bytes, from, to)) {
        return slot
      }
    }
  }

  text(code: number): string {
    const value = this.values[code] as Uint8Array
    return Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8')
  }

  #add(value: Uint8Array, hash: number, slot: number): number {
    const code = this.values.push(value) - 1
    this.#slots[slot] = code
    this.#hashes[code] = hash
    if (code + 1 === this.#hashes.length) this.#grow()
    return code
  }

  #grow(): void {
    const hashes = new Int32Array(this.#hashes.length * 2)
    hashes.set(this.#hashes)
    this.#hashes = hashes
    const slots = new Int32Array(this.#slots.length * 2).fill(-1)
    const mask = slots.length - 1
    for (let code = 0; code < this.values.length; code++) {
      let slot = (hashes[code] as number) & mask
      while ((slots[slot] as number) >= 0) slot = (slot + 1) & mask
      slots[slot] = code
    }
    this.#slots = slots
  }
}

/** Who sends values cannot know these, and so cannot send many that have one hash, which would all be compared. */
const START: number = randomInt(2 ** 32) | 0
const FACTOR: number = randomInt(2 ** 32) | 1 | 0

function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = START
  for (let i = from; i < to; i++) {
    hash = Math.imul(hash ^ (bytes[i] as number), FACTOR)
    hash ^= hash >>> 15
  }
  return Math.imul(hash, FACTOR) ^ (hash >>> 16)
}

function isSame(value: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (value.length !== to - from) return false
  for (let i = 0; i < value.length; i++) if (value[i] !== bytes[from + i]) return false
  return true
}
