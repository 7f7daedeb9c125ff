/**
 * Decodes the batches of one answer for one partition into columns. kafkajs's own decoder makes a dozen objects for each
 * record, checks no checksums and gives records of aborted transactions in some cases, so that only its connections
 * and its group membership are used.
 */

import { crc32c } from '../../../core/crc32c.ts'
import { FloeError } from '../../../core/errors.ts'
import type { ChunkRoom, RecordChunkBuilder, RecordHeader } from '../../record-chunk.ts'
import { type BatchHeader, HEADER_BYTES } from './batch-header.ts'
import { CODEC_NAMES, type Codecs } from './codecs.ts'
import type { AbortedTransaction } from './fetch-answer.ts'

/** Why decoding ends: what comes before the offset is good. */
export class RefusedRecords extends Error {
  readonly offset: number
  readonly error: FloeError

  constructor(offset: number, error: FloeError) {
    super(error.message)
    this.offset = offset
    this.error = error
  }
}

/** A batch whose checksum fits. */
export interface OpenBatch {
  readonly batch: BatchHeader
  /** Its records, decompressed; undefined if none is for readers: those of aborted transactions, and markers. */
  readonly body: Buffer | undefined
}

export interface Opened {
  readonly batches: readonly OpenBatch[]
  /** Why there are no more. */
  readonly refused: RefusedRecords | undefined
  /** That of the bodies, in their order, if they lie in one piece that nothing else is in. */
  readonly memory: Uint8Array | undefined
}

/** Room for the records of batches. */
export function roomFor({ batches, memory }: Opened): ChunkRoom {
  let [rows, valueBytes] = [0, 0]
  for (const { batch, body } of batches) {
    if (body === undefined) continue
    // What a batch says of itself may be wrong.
    rows += Math.max(0, Math.min(batch.count, Math.floor(body.length / LEAST_RECORD_BYTES)))
    valueBytes += body.length
  }
  return { rows: Math.min(rows, MOST_ROOM_ROWS), valueBytes, memory }
}

/** Where the transactions of a partition are. */
interface Transactions {
  /** How many of the aborted ones have been reached. */
  readonly reached: number
  /** Producers whose transaction under way ends in an abort. */
  readonly aborting: ReadonlySet<bigint>
}

/** A batch that is compressed by gzip. */
interface Zipped {
  /** Which of the opened ones it is. */
  readonly at: number
  readonly stored: Buffer
  /** How many bytes it says that its records have. */
  readonly size: number
  /** Where transactions are behind it. */
  readonly after: Transactions
}

/** More rows than a chunk has as a rule: what batches say of their count is not believed beyond it. */
const MOST_ROOM_ROWS = 65_536
/** Length, attributes, deltas of time and offset, lengths of key and value, count of headers. */
const LEAST_RECORD_BYTES = 7

export interface BatchDecoderOptions {
  readonly topic: string
  readonly partition: number
  readonly maxRecordBytes: number
  readonly codecs: Codecs
}

export class BatchDecoder {
  readonly #options: BatchDecoderOptions
  /** By their first offset. */
  readonly #aborted: readonly AbortedTransaction[]
  #transactions: Transactions = { reached: 0, aborting: new Set() }

  constructor(options: BatchDecoderOptions, aborted: readonly AbortedTransaction[]) {
    this.#options = options
    this.#aborted = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /**
   * Checks and decompresses batches, from one on, until they have so many bytes or are at an end. They are opened in their
   * order: transactions begin and end in it.
   * @param from offset of the first record that is wanted
   */
  async open(
    bytes: Buffer,
    batches: readonly BatchHeader[],
    first: number,
    from: number,
    enough: number,
  ): Promise<Opened> {
    const opened: OpenBatch[] = []
    const zipped: Zipped[] = []
    let total = 0
    let refused: RefusedRecords | undefined
    try {
      for (let i = first; i < batches.length && total < enough; i++) {
        const batch = batches[i] as BatchHeader
        const start = Math.max(from, batch.baseOffset)
        this.#check(bytes, batch, start)
        // The first batch may be of records that were deleted or given before: the broker gives batches as a whole.
        if (this.#isAborted(bytes, batch, start) || batch.lastOffset < from) {
          opened.push({ batch, body: undefined })
          continue
        }
        const stored = bytes.subarray(batch.from + HEADER_BYTES, batch.to)
        const isGzip = CODEC_NAMES[batch.codec] === 'gzip'
        const size = isGzip ? this.#options.codecs.gunzippedBytes(stored) : undefined
        if (size === undefined) {
          const body = await this.#body(stored, batch, start)
          opened.push({ batch, body })
          total += body.length
        } else {
          zipped.push({ at: opened.length, stored, size, after: this.#transactions })
          opened.push({ batch, body: undefined })
          total += size
        }
      }
    } catch (error) {
      if (!(error instanceof RefusedRecords)) throw error
      refused = error
    }
    if (zipped.length === 0) return { batches: opened, refused, memory: undefined }
    const together = await this.#options.codecs.gunzipTogether(
      zipped.map(({ stored }) => stored),
      zipped.map(({ size }) => size),
    )
    if (together === undefined) return this.#unzipEach(opened, zipped, from, enough, refused)
    const hasOther = opened.some(({ body }) => body !== undefined)
    let end = 0
    for (const { at, size } of zipped) {
      const { batch } = opened[at] as OpenBatch
      opened[at] = { batch, body: together.subarray(end, end + size) }
      end += size
    }
    // Small ones lie in memory that Node shares among many.
    const isOwn = !hasOther && together.length > Buffer.poolSize
    // No Buffer: it behaves otherwise in places, and nobody expects one in a chunk.
    const memory = isOwn
      ? new Uint8Array(together.buffer, together.byteOffset, together.length)
      : undefined
    return { batches: opened, refused, memory }
  }

  /**
   * Decompresses batches that do not keep to what they say of their sizes, until there is enough: those after are opened
   * again.
   */
  async #unzipEach(
    opened: OpenBatch[],
    zipped: readonly Zipped[],
    from: number,
    enough: number,
    refused: RefusedRecords | undefined,
  ): Promise<Opened> {
    let total = 0
    for (const { at, stored, after } of zipped) {
      const { batch } = opened[at] as OpenBatch
      try {
        const body = await this.#body(stored, batch, Math.max(from, batch.baseOffset))
        opened[at] = { batch, body }
        total += body.length
      } catch (error) {
        if (!(error instanceof RefusedRecords)) throw error
        return { batches: opened.slice(0, at), refused: error, memory: undefined }
      }
      if (total < enough) continue
      this.#transactions = after
      return { batches: opened.slice(0, at + 1), refused: undefined, memory: undefined }
    }
    return { batches: opened, refused, memory: undefined }
  }

  /** Appends the records of a batch from one offset on. @throws RefusedRecords */
  append({ batch, body }: OpenBatch, from: number, builder: RecordChunkBuilder): void {
    if (body === undefined) return
    const { maxRecordBytes } = this.#options
    const cursor = new Cursor(body)
    let next = Math.max(from, batch.baseOffset)
    for (let i = 0; i < batch.count; i++) {
      const length = cursor.varint()
      const end = cursor.at + length
      if (length < 5 || !(end <= body.length))
        throw this.#corrupt(next, 'a record is cut off', batch)
      // Attributes of records have no meaning.
      cursor.at++
      const timeDelta = cursor.varlong()
      const offset = batch.baseOffset + cursor.varint()
      const keyLength = cursor.varint()
      const keyAt = cursor.at
      if (keyLength > 0) cursor.at += keyLength
      const valueLength = cursor.varint()
      const valueAt = cursor.at
      if (valueLength > 0) cursor.at += valueLength
      if (!(keyLength >= -1 && valueLength >= -1 && cursor.at < end) || Number.isNaN(timeDelta)) {
        throw this.#corrupt(next, 'a record is longer than it says', batch)
      }
      if (offset < from) {
        // Compressed batches come as a whole: what lies before was given before.
        cursor.at = end
        continue
      }
      if (!(offset >= next && offset <= batch.lastOffset)) {
        throw this.#corrupt(next, `the offset ${offset} of a record does not fit`, batch)
      }
      if (keyLength > maxRecordBytes || valueLength > maxRecordBytes) {
        throw this.#refused(
          offset,
          'RECORD_TOO_LARGE',
          `has a ${keyLength > maxRecordBytes ? `key of ${keyLength}` : `value of ${valueLength}`} bytes, more than \`maxRecordBytes\` (${maxRecordBytes}). Raise it, or keep such records out of the topic`,
        )
      }
      const headers = body[cursor.at] === 0 ? NO_HEADERS : this.#headers(cursor, end, offset)
      const timestampMs = batch.logAppendTime
        ? batch.maxTimestampMs
        : batch.baseTimestampMs + timeDelta
      builder.appendParts(
        offset,
        timestampMs,
        body,
        keyAt,
        keyLength,
        valueAt,
        valueLength,
        headers,
      )
      cursor.at = end
      next = offset + 1
    }
  }

  #check(bytes: Buffer, batch: BatchHeader, start: number): void {
    if (batch.magic === 0 || batch.magic === 1) {
      throw this.#refused(
        start,
        'FORMAT_VERSION',
        `is in message format ${batch.magic}, which Kafka wrote before 0.11; only format 2 is read. Copy the topic with a newer client`,
      )
    }
    if (batch.magic !== 2 || batch.to - batch.from < HEADER_BYTES) {
      throw this.#corrupt(start, 'its header is none')
    }
    if (crc32c(bytes, batch.from + 21, batch.to) !== batch.crc) {
      throw this.#corrupt(start, 'its checksum does not fit', batch)
    }
  }

  /** True for markers too: they have no record for readers. */
  #isAborted(bytes: Buffer, batch: BatchHeader, start: number): boolean {
    let { reached, aborting } = this.#transactions
    for (; reached < this.#aborted.length; reached++) {
      const { firstOffset, producerId } = this.#aborted[reached] as AbortedTransaction
      if (firstOffset > batch.lastOffset) break
      aborting = new Set(aborting).add(producerId)
    }
    this.#transactions = { reached, aborting }
    if (!batch.control) return batch.transactional && aborting.has(batch.producerId)
    if (batch.codec === 0 && this.#isAbortMarker(bytes, batch, start)) {
      aborting = new Set([...aborting].filter((id) => id !== batch.producerId))
      this.#transactions = { reached, aborting }
    }
    return true
  }

  /** The key of a marker is its version and its type, two bytes each. Type 0 is an abort. */
  #isAbortMarker(bytes: Buffer, batch: BatchHeader, start: number): boolean {
    if (batch.count < 1) return false
    const cursor = new Cursor(bytes.subarray(batch.from + HEADER_BYTES, batch.to))
    cursor.varint()
    cursor.at++
    cursor.varint()
    cursor.varint()
    const length = cursor.varint()
    if (length < 4 || cursor.at + length > cursor.bytes.length) {
      throw this.#corrupt(start, 'it is a marker of a transaction without a type', batch)
    }
    return cursor.bytes.readInt16BE(cursor.at + 2) === 0
  }

  async #body(stored: Buffer, batch: BatchHeader, start: number): Promise<Buffer> {
    if (batch.codec === 0) return stored
    const name = CODEC_NAMES[batch.codec]
    if (name === undefined) throw this.#unsupported(start, `number ${batch.codec}`, batch)
    let body: Awaited<ReturnType<Codecs['decompress']>>
    try {
      body = await this.#options.codecs.decompress(name, stored)
    } catch (error) {
      throw this.#corrupt(start, `the ${name} codec failed`, batch, error)
    }
    if (body === 'unsupported') throw this.#unsupported(start, name, batch)
    if (body === 'corrupt') throw this.#corrupt(start, `it is no ${name} data`, batch)
    if (body === 'too-large') {
      throw this.#refused(
        start,
        'RECORD_TOO_LARGE',
        `is larger than \`maxBatchBytes\` when decompressed (${name}, ${stored.length} bytes as stored). Raise it if the producers are trusted`,
        batch,
      )
    }
    return body
  }

  #headers(cursor: Cursor, end: number, offset: number): RecordHeader[] {
    const headers: RecordHeader[] = []
    for (let left = cursor.varint(); left > 0; left--) {
      const keyLength = cursor.varint()
      const keyEnd = cursor.at + keyLength
      if (keyLength < 0 || !(keyEnd <= end)) throw this.#corrupt(offset, 'a header is cut off')
      const key = cursor.bytes.toString('utf8', cursor.at, keyEnd)
      cursor.at = keyEnd
      const length = cursor.varint()
      const valueEnd = cursor.at + Math.max(0, length)
      if (!(valueEnd <= end)) throw this.#corrupt(offset, 'a header is cut off')
      // Copied, so that few bytes do not keep those of a whole batch.
      const value = length < 0 ? null : new Uint8Array(cursor.bytes.subarray(cursor.at, valueEnd))
      cursor.at = valueEnd
      headers.push({ key, value })
    }
    return headers
  }

  #unsupported(offset: number, name: string, batch: BatchHeader): RefusedRecords {
    return this.#refused(
      offset,
      'UNSUPPORTED_CODEC',
      `is compressed with ${name}, for which there is no codec at hand (gzip and zstd are built in). Give kafkaSource one as \`codecs: { ${/^\w+$/.test(name) ? name : 'name'}: … }\`: those of kafkajs fit, as for its CompressionCodecs`,
      batch,
    )
  }

  #corrupt(offset: number, why: string, batch?: BatchHeader, cause?: unknown): RefusedRecords {
    return this.#refused(
      offset,
      'CORRUPT_RECORDS',
      `is damaged: ${why}. Nothing is skipped; restore the partition from another replica, or have moveStream pass over the damage`,
      batch,
      cause,
    )
  }

  /** @param batch of which no record can be read: a move past the offset alone would come to it again. */
  #refused(
    offset: number,
    code: 'FORMAT_VERSION' | 'CORRUPT_RECORDS' | 'UNSUPPORTED_CODEC' | 'RECORD_TOO_LARGE',
    what: string,
    batch?: BatchHeader,
    cause?: unknown,
  ): RefusedRecords {
    const { topic, partition } = this.#options
    const end = batch === undefined ? undefined : batch.lastOffset + 1
    const upTo = end === undefined ? '' : `. Its batch says that it ends before offset ${end}`
    return new RefusedRecords(
      offset,
      new FloeError(
        code,
        `Cannot read from Kafka topic ${JSON.stringify(topic)}, partition ${partition}: what is at offset ${offset} ${what}${upTo}`,
        {
          context: { topic, partition, offset, ...(end === undefined ? {} : { batchEnd: end }) },
          cause,
        },
      ),
    )
  }
}

const NO_HEADERS: readonly RecordHeader[] = []

/** Reads numbers of variable length. Past the end they are NaN or 0, which no comparison with an end lets through. */
class Cursor {
  readonly bytes: Buffer
  at = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** A zigzag number of 32 bits. */
  varint(): number {
    const { bytes } = this
    let byte = bytes[this.at++] as number
    if (byte < 128) return (byte >>> 1) ^ -(byte & 1)
    let value = byte & 127
    let shift = 7
    do {
      if (this.at >= bytes.length || shift > 28) return Number.NaN
      byte = bytes[this.at++] as number
      value |= (byte & 127) << shift
      shift += 7
    } while (byte > 127)
    return (value >>> 1) ^ -(value & 1)
  }

  /** A zigzag number of 64 bits, exact below 2^53. */
  varlong(): number {
    const { bytes } = this
    let value = 0
    let scale = 1
    for (let i = 0; i < 10; i++) {
      if (this.at >= bytes.length) return Number.NaN
      const byte = bytes[this.at++] as number
      value += (byte & 127) * scale
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      scale *= 128
    }
    return Number.NaN
  }
}
