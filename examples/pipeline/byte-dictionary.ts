/** Numbers short values of bytes in the order in which they are first seen, without making a string for each look-up. */
export class ByteDictionary {
  readonly values: Uint8Array[] = []
  #slots = new Int32Array(1024).fill(-1)
  #hashes = new Int32Array(512)

  /** The number of the value `bytes[from, to)`. */
  code(bytes: Uint8Array, from: number, to: number): number {
    let hash = 0x811c9dc5 | 0
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193)
    hash ^= hash >>> 15
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const code = this.#slots[slot] as number
      if (code < 0) return this.#add(bytes.slice(from, to), hash, slot)
      if (this.#hashes[code] === hash && isSame(this.values[code] as Uint8Array, bytes, from, to)) {
        return code
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

function isSame(value: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (value.length !== to - from) return false
  for (let i = 0; i < value.length; i++) if (value[i] !== bytes[from + i]) return false
  return true
}
