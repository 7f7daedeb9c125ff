/**
 * Memory for values that are copied on at once: the same few megabytes again and again. Large buffers that are garbage
 * after a moment have the engine collect its whole heap each time that some tens of megabytes of them were made.
 */

/** Gives memory for a moment, or for good. */
export interface Memory {
  /** So many bytes, aligned for 64-bit values; their contents are undefined. */
  take(bytes: number): Uint8Array
  /** So many zeros. */
  takeZeros(bytes: number): Uint8Array
}

/** Memory of its own for each request. */
export const HEAP: Memory = {
  take: (bytes) => new Uint8Array(bytes),
  takeZeros: (bytes) => new Uint8Array(bytes),
}

/** What it gave is valid until {@link Scratch.clear}. */
export class Scratch implements Memory {
  readonly #mostBytes: number
  #buffer = new ArrayBuffer(0)
  #used = 0
  #wanted = 0

  /** @param mostBytes what is kept between uses; requests beyond it get memory of their own. */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  take(bytes: number): Uint8Array {
    const start = this.#used
    const end = start + Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
    this.#wanted += end - start
    if (end > this.#buffer.byteLength) return new Uint8Array(bytes)
    this.#used = end
    return new Uint8Array(this.#buffer, start, bytes)
  }

  takeZeros(bytes: number): Uint8Array {
    return this.take(bytes).fill(0)
  }

  /** Nothing that was given is used any more. */
  clear(): void {
    const wanted = Math.min(this.#wanted, this.#mostBytes)
    if (wanted > this.#buffer.byteLength) {
      const grown = Math.min(this.#mostBytes, Math.max(wanted, this.#buffer.byteLength * 2))
      this.#buffer = new ArrayBuffer(grown)
    }
    this.#used = 0
    this.#wanted = 0
  }
}

/** Of 64-bit values. */
const ALIGNMENT = 8
