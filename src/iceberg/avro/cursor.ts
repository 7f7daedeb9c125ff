/**
 * Reads Avro's binary encoding from a bounded range of bytes. Avro spec §Binary Encoding.
 *
 * Every read is checked against the end of the range and every count against what is left of it, so that a few
 * bytes cannot stand for many items; items that take no bytes are charged to a budget of the whole file.
 */
import { FloeError } from '../../core/errors.ts'
import type { AvroBudget } from './budget.ts'

/** A read position in a range of bytes. */
export class AvroCursor {
  readonly bytes: Buffer
  readonly end: number
  readonly budget: AvroBudget
  pos: number
  /** Where the range lies in the file, for messages. */
  private readonly place: string
  private readonly baseOffset: number
  // The 64 bits of the last long, zigzag decoded.
  private low = 0
  private high = 0
  // The last id made: entries of one manifest mostly share theirs.
  private idLow = 0
  private idHigh = 0
  private id = 0n

  /**
   * @param baseOffset offset in the file of the first byte of `bytes`, or of the compressed block that they
   *   come from.
   */
  constructor(
    bytes: Uint8Array,
    budget: AvroBudget,
    options: { start?: number; end?: number; baseOffset?: number; place?: string } = {},
  ) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.pos = options.start ?? 0
    this.end = options.end ?? bytes.byteLength
    this.budget = budget
    this.baseOffset = options.baseOffset ?? 0
    this.place = options.place ?? ''
  }

  get remaining(): number {
    return this.end - this.pos
  }

  readBoolean(): boolean {
    if (this.pos >= this.end) throw this.truncated()
    const byte = this.bytes[this.pos++] as number
    if (byte > 1) throw this.corrupt(`a boolean has the value ${byte}`)
    return byte === 1
  }

  /** An int. @throws CORRUPT_AVRO also beyond 32 bits. */
  readInt(): number {
    const value = this.readLong()
    if ((value | 0) !== value) throw this.corrupt(`an int has the value ${value}`)
    return value
  }

  /** A long that is known to be small. @throws CORRUPT_AVRO also beyond ±2^53. */
  readLong(): number {
    const bytes = this.bytes
    const end = this.end
    let pos = this.pos
    let raw = 0
    for (let shift = 0; shift < 28; shift += 7) {
      if (pos >= end) throw this.truncated()
      const byte = bytes[pos++] as number
      raw |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.pos = pos
        return (raw >>> 1) ^ -(raw & 1)
      }
    }
    this.readWords()
    const value = this.high * 0x1_0000_0000 + this.low
    if (!Number.isSafeInteger(value)) {
      throw this.corrupt(`a number has the value ${this.longOfWords()}, beyond 2^53`)
    }
    return value
  }

  /** A long of any value; successive equal ones are one bigint. */
  readId(): bigint {
    this.readWords()
    if (this.low !== this.idLow || this.high !== this.idHigh) {
      this.id = this.longOfWords()
      this.idLow = this.low
      this.idHigh = this.high
    }
    return this.id
  }

  /** A long of any value. */
  readBigLong(): bigint {
    this.readWords()
    return this.longOfWords()
  }

  readFloat(): number {
    const at = this.take(4)
    return this.bytes.readFloatLE(at)
  }

  readDouble(): number {
    const at = this.take(8)
    return this.bytes.readDoubleLE(at)
  }

  /** A string; bytes that are not UTF-8 are an error, never replaced. */
  readString(): string {
    const length = this.readLength()
    const start = this.take(length)
    return this.stringAt(start, start + length)
  }

  /** The string of a range that has been passed already. */
  stringAt(start: number, end: number): string {
    const text = this.bytes.toString('utf8', start, end)
    // The decoder replaces what is not UTF-8 by U+FFFD, which may also stand in the bytes themselves.
    if (text.includes('\ufffd') && !Buffer.from(text).equals(this.bytes.subarray(start, end))) {
      throw this.corrupt('a string is not valid UTF-8')
    }
    return text
  }

  /** Bytes, copied: what keeps them does not keep the block. */
  readBytes(): Uint8Array {
    return this.readFixed(this.readLength())
  }

  /** A fixed, copied. */
  readFixed(size: number): Uint8Array {
    const start = this.take(size)
    const copy = new Uint8Array(size)
    if (size <= 32) {
      const bytes = this.bytes
      for (let i = 0; i < size; i++) copy[i] = bytes[start + i] as number
    } else {
      copy.set(this.bytes.subarray(start, start + size))
    }
    return copy
  }

  /** The length prefix of bytes or a string, checked against what is left. */
  readLength(): number {
    const length = this.readLong()
    if (length < 0 || length > this.end - this.pos) {
      throw this.corrupt(`a value of ${length} bytes stands where ${this.remaining} are left`)
    }
    return length
  }

  /** The index of a union's branch. */
  readBranch(branches: number): number {
    const index = this.readLong()
    if (index < 0 || index >= branches) {
      throw this.corrupt(`branch ${index} of a union of ${branches}`)
    }
    return index
  }

  /**
   * The number of items in the next block of an array or map; 0 = it has ended.
   * @param itemBytes the fewest bytes that an item takes.
   */
  readCount(itemBytes: number): number {
    let count = this.readLong()
    if (count < 0) {
      count = -count
      this.readLength()
    }
    if (itemBytes > 0 ? count * itemBytes > this.end - this.pos : count > 0) {
      if (itemBytes > 0) {
        throw this.corrupt(`${count} items stand where ${this.remaining} bytes are left`)
      }
      this.budget.takeEmptyItems(count)
    }
    return count
  }

  /**
   * As `readCount`, for passing over the items: a block that states its size is passed at once, and the next
   * count is read. Zero = nothing left to pass.
   */
  readCountToSkip(itemBytes: number): number {
    for (;;) {
      const count = this.readLong()
      if (count < 0) {
        this.take(this.readLength())
        continue
      }
      if (count > 0) {
        if (itemBytes === 0) this.budget.takeEmptyItems(count)
        else if (count * itemBytes > this.end - this.pos) {
          throw this.corrupt(`${count} items stand where ${this.remaining} bytes are left`)
        }
      }
      return count
    }
  }

  /** Passes over ints, longs, union indexes and booleans. */
  skipVarints(count: number): void {
    const bytes = this.bytes
    const end = this.end
    let pos = this.pos
    let left = count
    while (left > 0) {
      if (pos >= end) throw this.truncated()
      if ((bytes[pos++] as number) < 0x80) left--
    }
    this.pos = pos
  }

  /** Passes over pairs of an int or long and bytes or a string. */
  skipKeyedBytes(count: number): void {
    const bytes = this.bytes
    const end = this.end
    let pos = this.pos
    for (let i = 0; i < count; i++) {
      do if (pos >= end) throw this.truncated()
      while ((bytes[pos++] as number) >= 0x80)
      const prefix = pos < end ? (bytes[pos] as number) : 0xff
      if (prefix < 0x80 && (prefix & 1) === 0) {
        // The usual case: a length of one byte.
        pos += 1 + (prefix >>> 1)
        if (pos > end) throw this.truncated()
      } else {
        this.pos = pos
        this.skipBytes()
        pos = this.pos
      }
    }
    this.pos = pos
  }

  /** Passes over bytes or a string. */
  skipBytes(): void {
    this.take(this.readLength())
  }

  /** Passes over `size` bytes and returns where they start. */
  take(size: number): number {
    const start = this.pos
    if (size > this.end - start) throw this.truncated()
    this.pos = start + size
    return start
  }

  /** Checks that everything was read. @throws CORRUPT_AVRO */
  expectEnd(): void {
    if (this.pos !== this.end) throw this.corrupt(`${this.remaining} bytes follow the last record`)
  }

  corrupt(why: string): FloeError {
    const at =
      this.place === ''
        ? `offset ${this.baseOffset + this.pos}`
        : `byte ${this.pos} of ${this.place}`
    return new FloeError(
      'CORRUPT_AVRO',
      `Cannot read ${this.budget.file}: ${why} at ${at}. The file is damaged`,
      {
        context: {
          file: this.budget.file,
          offset: this.baseOffset + (this.place === '' ? this.pos : 0),
        },
      },
    )
  }

  private truncated(): FloeError {
    return this.corrupt('the data ends in the middle of a value')
  }

  /** Reads a varint of up to ten bytes into `low` (unsigned) and `high` (signed). */
  private readWords(): void {
    const bytes = this.bytes
    const end = this.end
    let pos = this.pos
    let low = 0
    let high = 0
    for (let shift = 0; ; shift += 7) {
      if (pos >= end) throw this.truncated()
      const byte = bytes[pos++] as number
      const bits = byte & 0x7f
      if (shift < 28) low |= bits << shift
      else if (shift === 28) {
        low |= bits << 28
        high = bits >>> 4
      } else if (shift < 63) high |= bits << (shift - 32)
      else if (bits > 1) throw this.corrupt('a number has more than 64 bits')
      else high |= bits << 31
      if (byte < 0x80) break
      if (shift === 63) throw this.corrupt('a number has more than ten bytes')
    }
    this.pos = pos
    const sign = -(low & 1)
    this.low = (((low >>> 1) | (high << 31)) ^ sign) >>> 0
    this.high = (high >>> 1) ^ sign
  }

  private longOfWords(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low)
  }
}
