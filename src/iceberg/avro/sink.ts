/** Writes Avro's binary encoding into a buffer that grows. Avro spec §Binary Encoding. */
import { FloeError } from '../../core/errors.ts'

export class AvroSink {
  #bytes: Buffer
  #length = 0

  constructor(initialBytes = 4096) {
    this.#bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  get length(): number {
    return this.#length
  }

  /** The bytes written since the start or the last `clear`; valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** A copy of the bytes written. */
  toBytes(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#bytes, 0, this.#length)
  }

  clear(): void {
    this.#length = 0
  }

  writeBoolean(value: boolean): void {
    this.reserve(1)
    this.#bytes[this.#length++] = value ? 1 : 0
  }

  /** Writes an int or a long. @param value a safe integer. */
  writeLong(value: number): void {
    if (!Number.isSafeInteger(value)) {
      throw new FloeError(
        'VALUE_OUT_OF_RANGE',
        `Cannot write ${value} as an Avro long: it is not an integer below 2^53`,
      )
    }
    if (value >= -0x4000_0000 && value < 0x4000_0000) {
      this.reserve(5)
      let rest = ((value << 1) ^ (value >> 31)) >>> 0
      const bytes = this.#bytes
      while (rest > 0x7f) {
        bytes[this.#length++] = (rest & 0x7f) | 0x80
        rest >>>= 7
      }
      bytes[this.#length++] = rest
      return
    }
    this.writeWords(value >>> 0, Math.floor(value / 0x1_0000_0000) | 0)
  }

  /** Writes a long. @throws VALUE_OUT_OF_RANGE beyond 64 bits. */
  writeBigLong(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) {
      throw new FloeError(
        'VALUE_OUT_OF_RANGE',
        `Cannot write ${value} as an Avro long: it has more than 64 bits`,
      )
    }
    this.writeWords(Number(value & 0xffff_ffffn), Number(value >> 32n))
  }

  writeFloat(value: number): void {
    this.reserve(4)
    this.#length = this.#bytes.writeFloatLE(value, this.#length)
  }

  writeDouble(value: number): void {
    this.reserve(8)
    this.#length = this.#bytes.writeDoubleLE(value, this.#length)
  }

  /** Writes a string. @throws VALUE_OUT_OF_RANGE for a surrogate without its pair, which UTF-8 cannot hold. */
  writeString(value: string): void {
    if (!value.isWellFormed()) {
      throw new FloeError(
        'VALUE_OUT_OF_RANGE',
        `Cannot write the text ${JSON.stringify(value.slice(0, 80))} as UTF-8: it holds half a ` +
          'surrogate pair',
      )
    }
    const length = Buffer.byteLength(value)
    this.writeLong(length)
    this.reserve(length)
    this.#length += this.#bytes.write(value, this.#length)
  }

  /** Writes bytes with their length. */
  writeBytes(value: Uint8Array): void {
    this.writeLong(value.byteLength)
    this.writeFixed(value)
  }

  /** Writes bytes without a length. */
  writeFixed(value: Uint8Array): void {
    this.reserve(value.byteLength)
    this.#bytes.set(value, this.#length)
    this.#length += value.byteLength
  }

  /** @param low unsigned. @param high signed. */
  private writeWords(low: number, high: number): void {
    this.reserve(10)
    const sign = high >> 31
    let restLow = ((low << 1) ^ sign) >>> 0
    let restHigh = (((high << 1) | (low >>> 31)) ^ sign) >>> 0
    const bytes = this.#bytes
    while (restHigh !== 0 || restLow > 0x7f) {
      bytes[this.#length++] = (restLow & 0x7f) | 0x80
      restLow = ((restLow >>> 7) | (restHigh << 25)) >>> 0
      restHigh >>>= 7
    }
    bytes[this.#length++] = restLow
  }

  private reserve(size: number): void {
    const needed = this.#length + size
    if (needed <= this.#bytes.byteLength) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.byteLength))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}
