/**
 * Frames: what records are in a segment file, all numbers little-endian.
 *
 * ```
 *  0  uint32   CRC-32C of all that follows
 *  4  uint32   bytes of the frame
 *  8  uint32   offset, from the base offset of the segment
 * 12  float64  timestamp, in milliseconds since the epoch
 * 20  int32    bytes of the key; −1 for null
 * 24  int32    bytes of the value; −1 for null
 * 28  uint32   number of headers; the highest bit is set in the first record of each group that is synced together
 * 32  key, value, then each header: int32 bytes of its key, int32 bytes of its value or −1, key, value
 * ```
 */

import { crc32c } from '../../../core/crc32c.ts'
import type { RecordHeader } from '../../record-chunk.ts'

export const HEAD_BYTES = 32
/** A group is begun when the one before it is synced: where this is, all that lies before it was. */
const BEGINS_GROUP = 0x8000_0000

/** A record as it is sent. Texts are written as UTF-8. */
export interface LogRecord {
  readonly key?: string | Uint8Array | null
  /** Null is a tombstone. */
  readonly value: string | Uint8Array | null
  readonly headers?: readonly { readonly key: string; readonly value: string | Uint8Array | null }[]
  /** Milliseconds since the epoch; now, if absent. */
  readonly timestampMs?: number
  /** If absent, the key decides as in Kafka; records without one go to all partitions by turns. */
  readonly partition?: number
}

/** Most bytes that the frame of a record can have. */
export function frameBytesAtMost({ key, value, headers }: LogRecord): number {
  let bytes = HEAD_BYTES + bytesAtMost(key) + bytesAtMost(value)
  for (const header of headers ?? []) {
    bytes += 8 + bytesAtMost(header.key) + bytesAtMost(header.value)
  }
  return bytes
}

/** Writes frames one after the other into memory that grows and is used again. */
export class FrameWriter {
  #bytes = Buffer.allocUnsafeSlow(64 * 1024)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What was written since {@link clear}; overwritten by what is written after it. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  clear(): void {
    this.#length = 0
  }

  append(
    record: LogRecord,
    relativeOffset: number,
    timestampMs: number,
    beginsGroup: boolean,
  ): void {
    const start = this.#length
    this.#ensure(start + frameBytesAtMost(record))
    const bytes = this.#bytes
    const { key, value, headers } = record
    let end = start + HEAD_BYTES
    bytes.writeUInt32LE(relativeOffset, start + 8)
    bytes.writeDoubleLE(timestampMs, start + 12)
    end = this.#put(key, start + 20, end)
    end = this.#put(value, start + 24, end)
    const count = headers?.length ?? 0
    bytes.writeUInt32LE(beginsGroup ? BEGINS_GROUP + count : count, start + 28)
    if (headers !== undefined) {
      for (const header of headers) {
        const lengths = end
        end = this.#put(header.key, lengths, lengths + 8)
        end = this.#put(header.value, lengths + 4, end)
      }
    }
    bytes.writeUInt32LE(end - start, start + 4)
    bytes.writeUInt32LE(crc32c(bytes, start + 4, end), start)
    this.#length = end
  }

  #put(value: string | Uint8Array | null | undefined, lengthAt: number, at: number): number {
    const bytes = this.#bytes
    let length = -1
    if (typeof value === 'string') length = bytes.write(value, at, 'utf8')
    else if (value !== null && value !== undefined) {
      bytes.set(value, at)
      length = value.length
    }
    bytes.writeInt32LE(length, lengthAt)
    return at + Math.max(0, length)
  }

  #ensure(length: number): void {
    if (length <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(length, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

/**
 * Bytes of the frame at a place that has the relative offset; 0 if what is there is not all of it, −1 if it is none.
 * @param verify compares the checksum too.
 */
export function frameAt(
  bytes: Buffer,
  at: number,
  end: number,
  relativeOffset: number,
  verify: boolean,
): number {
  if (end - at < HEAD_BYTES) return 0
  const length = bytes.readUInt32LE(at + 4)
  if (bytes.readUInt32LE(at + 8) !== relativeOffset || length < HEAD_BYTES) return -1
  const least = Math.max(0, bytes.readInt32LE(at + 20)) + Math.max(0, bytes.readInt32LE(at + 24))
  if (length < HEAD_BYTES + least) return -1
  if (end - at < length) return 0
  if (verify && crc32c(bytes, at + 4, at + length) !== bytes.readUInt32LE(at)) return -1
  return length
}

/** The number of headers, from the word at 28. */
export function headerCount(word: number): number {
  return word & ~BEGINS_GROUP
}

export function beginsGroup(bytes: Buffer, at: number): boolean {
  return bytes.readUInt32LE(at + 28) >= BEGINS_GROUP
}

/** The headers of a frame whose checksum fits. Copied. */
export function headersAt(bytes: Buffer, at: number): readonly RecordHeader[] {
  const count = headerCount(bytes.readUInt32LE(at + 28))
  let next =
    at +
    HEAD_BYTES +
    Math.max(0, bytes.readInt32LE(at + 20)) +
    Math.max(0, bytes.readInt32LE(at + 24))
  const headers: RecordHeader[] = []
  for (let i = 0; i < count; i++) {
    const keyStart = next + 8
    const valueStart = keyStart + bytes.readInt32LE(next)
    const valueBytes = bytes.readInt32LE(next + 4)
    const key = bytes.toString('utf8', keyStart, valueStart)
    next = valueStart + Math.max(0, valueBytes)
    headers.push({
      key,
      value: valueBytes < 0 ? null : Uint8Array.from(bytes.subarray(valueStart, next)),
    })
  }
  return headers
}

function bytesAtMost(value: string | Uint8Array | null | undefined): number {
  if (value === null || value === undefined) return 0
  return typeof value === 'string' ? value.length * 3 : value.length
}
