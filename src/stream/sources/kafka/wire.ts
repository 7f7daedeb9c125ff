/**
 * Reads and writes what Kafka's protocol is made of. Flexible versions of messages have compact lengths, and tagged
 * fields behind each structure, of which none is used here. Kafka protocol guide, Protocol Primitive Types; KIP-482.
 */
import { offsetAt } from './offset-at.ts'

const UUID_BYTES = 16
const NO_UUID = Buffer.alloc(UUID_BYTES)

/** All reads throw a RangeError past the end. */
export class WireReader {
  readonly #payload: Buffer
  readonly #flexible: boolean
  #at = 0

  constructor(payload: Buffer, flexible: boolean) {
    this.#payload = payload
    this.#flexible = flexible
  }

  skip(bytes: number): void {
    this.#slice(bytes)
  }

  int16(): number {
    return this.#payload.readInt16BE((this.#at += 2) - 2)
  }

  int32(): number {
    return this.#payload.readInt32BE((this.#at += 4) - 4)
  }

  /** An offset or a time. */
  int64(): number {
    return offsetAt(this.#payload, (this.#at += 8) - 8)
  }

  bigInt64(): bigint {
    return this.#payload.readBigInt64BE((this.#at += 8) - 8)
  }

  /** In the text form of Kafka's tools; undefined for the one of zeros, which stands for none. */
  uuid(): string | undefined {
    const bytes = this.#slice(UUID_BYTES)
    return bytes.equals(NO_UUID) ? undefined : bytes.toString('base64url')
  }

  /** Null is given as an empty one. */
  string(): string {
    return this.#slice(this.#flexible ? this.#compactLength() : this.int16()).toString('utf8')
  }

  /** Null is given as empty ones. */
  bytes(): Buffer {
    return this.#slice(this.#flexible ? this.#compactLength() : this.int32())
  }

  /** Null is given as an empty one. */
  list<T>(item: () => T): T[] {
    const items: T[] = []
    for (let left = this.#flexible ? this.#compactLength() : this.int32(); left > 0; left--) {
      items.push(item())
    }
    return items
  }

  /** At the end of each structure: nothing in versions that are not flexible. */
  tags(): void {
    if (!this.#flexible) return
    for (let left = this.#varint(); left > 0; left--) {
      this.#varint()
      this.#slice(this.#varint())
    }
  }

  #compactLength(): number {
    return this.#varint() - 1
  }

  #varint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#payload.readUInt8(this.#at++)
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
    throw new RangeError('no end of a number')
  }

  #slice(length: number): Buffer {
    const from = this.#at
    if (from + length > this.#payload.length) throw new RangeError('past the end')
    this.#at += Math.max(0, length)
    return this.#payload.subarray(from, this.#at)
  }
}

/** Of flexible versions. */
export class WireWriter {
  readonly #parts: Buffer[] = []

  finish(): Buffer {
    return Buffer.concat(this.#parts)
  }

  int8(value: number): this {
    return this.#add(1, (bytes) => bytes.writeInt8(value))
  }

  int32(value: number): this {
    return this.#add(4, (bytes) => bytes.writeInt32BE(value))
  }

  int64(value: bigint): this {
    return this.#add(8, (bytes) => bytes.writeBigInt64BE(value))
  }

  /** @param id undefined for none. */
  uuid(id: string | undefined): this {
    this.#parts.push(id === undefined ? NO_UUID : Buffer.from(id, 'base64url'))
    return this
  }

  string(value: string): this {
    const bytes = Buffer.from(value)
    this.#varint(bytes.length + 1)
    this.#parts.push(bytes)
    return this
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.#varint(items.length + 1)
    for (const item of items) write(item)
    return this
  }

  /** None; at the end of each structure. */
  tags(): this {
    return this.#varint(0)
  }

  #varint(value: number): this {
    const bytes: number[] = []
    let rest = value
    for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
    bytes.push(rest)
    this.#parts.push(Buffer.from(bytes))
    return this
  }

  #add(length: number, write: (bytes: Buffer) => void): this {
    const bytes = Buffer.alloc(length)
    write(bytes)
    this.#parts.push(bytes)
    return this
  }
}
