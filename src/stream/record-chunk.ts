/**
 * Records of one partition in columns: what sources give. The bytes of keys and values lie one after the other, as
 * Arrow has them, so that a million records are a handful of objects.
 */
import { copyBytes } from '../core/copy-bytes.ts'

/** Values of bytes: the i-th is `bytes[offsets[i], offsets[i + 1])`. */
export interface BytesColumn {
  readonly bytes: Uint8Array
  /** One more than there are values. */
  readonly offsets: Int32Array
  /** 1 for each value that is null; undefined if none is. */
  readonly nulls: Uint8Array | undefined
}

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

export interface RecordChunk {
  readonly topic: string
  readonly partition: number
  /** The offsets that the chunk covers: `start` is read first, `end` comes next. Some of them may have no record. */
  readonly start: number
  readonly end: number
  /** Number of records. */
  readonly count: number
  readonly offsets: Float64Array
  /** When the source says that the records were made, in milliseconds since the epoch. */
  readonly timestampsMs: Float64Array
  readonly keys: BytesColumn
  readonly values: BytesColumn
  /** Headers of each record; undefined if no record has any. */
  readonly headers: readonly (readonly RecordHeader[])[] | undefined
  /** Bytes of keys, values and headers. */
  readonly byteLength: number
}

/** What a chunk is expected to have; it may get more. */
export interface ChunkRoom {
  readonly rows: number
  readonly valueBytes: number
  /**
   * Memory for the values. It may be that of the records themselves: each is read before anything is written where it was,
   * as long as they are appended in the order in which they lie in it.
   */
  readonly memory?: Uint8Array | undefined
}

const DEFAULT_ROOM: ChunkRoom = { rows: 64, valueBytes: 4096 }
const NO_HEADERS: readonly RecordHeader[] = []

/** Takes records of one partition, in the order of their offsets. */
export class RecordChunkBuilder {
  readonly #topic: string
  readonly #partition: number
  readonly #start: number
  #count = 0
  #offsets: Float64Array
  #timestampsMs: Float64Array
  readonly #keys: BytesBuilder
  readonly #values: BytesBuilder
  #headers: (readonly RecordHeader[])[] | undefined
  #headerBytes = 0

  /**
   * @param start the offset that is covered first, whether it has a record or not.
   * @param room for how much memory is taken at first: growing by and by takes three times as much, and copies it.
   */
  constructor(topic: string, partition: number, start: number, room: ChunkRoom = DEFAULT_ROOM) {
    this.#topic = topic
    this.#partition = partition
    this.#start = start
    const rows = Math.max(1, room.rows)
    this.#offsets = new Float64Array(rows)
    this.#timestampsMs = new Float64Array(rows)
    this.#keys = new BytesBuilder(rows, new Uint8Array(DEFAULT_ROOM.valueBytes))
    this.#values = new BytesBuilder(rows, room.memory ?? new Uint8Array(room.valueBytes))
  }

  get count(): number {
    return this.#count
  }

  get byteLength(): number {
    return this.#keys.byteLength + this.#values.byteLength + this.#headerBytes
  }

  /** The bytes are copied. */
  append(
    offset: number,
    timestampMs: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[] = NO_HEADERS,
  ): void {
    this.#row(offset, timestampMs, headers)
    this.#keys.append(key ?? NO_BYTES, 0, key?.length ?? -1)
    this.#values.append(value ?? NO_BYTES, 0, value?.length ?? -1)
  }

  /**
   * The same for a record whose key and value are parts of the same bytes: a view for each of them would be garbage.
   * @param keyLength and `valueLength`: below 0 for null.
   */
  appendParts(
    offset: number,
    timestampMs: number,
    parts: Uint8Array,
    keyAt: number,
    keyLength: number,
    valueAt: number,
    valueLength: number,
    headers: readonly RecordHeader[] = NO_HEADERS,
  ): void {
    this.#row(offset, timestampMs, headers)
    this.#keys.append(parts, keyAt, keyLength)
    this.#values.append(parts, valueAt, valueLength)
  }

  #row(offset: number, timestampMs: number, headers: readonly RecordHeader[]): void {
    const row = this.#count++
    if (row === this.#offsets.length) {
      this.#offsets = doubled(this.#offsets)
      this.#timestampsMs = doubled(this.#timestampsMs)
    }
    this.#offsets[row] = offset
    this.#timestampsMs[row] = timestampMs
    if (headers.length > 0) this.#headers ??= new Array<typeof headers>(row).fill(NO_HEADERS)
    this.#headers?.push(headers)
    for (const header of headers) {
      this.#headerBytes += header.key.length + (header.value?.length ?? 0)
    }
  }

  /** @param end the offset that comes next. */
  finish(end: number): RecordChunk {
    return {
      topic: this.#topic,
      partition: this.#partition,
      start: this.#start,
      end,
      count: this.#count,
      offsets: fitted(this.#offsets, this.#count),
      timestampsMs: fitted(this.#timestampsMs, this.#count),
      keys: this.#keys.finish(),
      values: this.#values.finish(),
      headers: this.#headers,
      byteLength: this.byteLength,
    }
  }
}

/**
 * The records from one index on, before another; memory is shared. What it covers reaches from the offset of its first
 * record to that of the next one, so that parts of a chunk cover it all.
 */
export function sliceChunk(chunk: RecordChunk, from: number, to: number): RecordChunk {
  if (from === 0 && to === chunk.count) return chunk
  const keys = sliceBytes(chunk.keys, from, to)
  const values = sliceBytes(chunk.values, from, to)
  const headers = chunk.headers?.slice(from, to)
  let byteLength = lengthOf(keys) + lengthOf(values)
  for (const list of headers ?? []) {
    for (const header of list) byteLength += header.key.length + (header.value?.length ?? 0)
  }
  return {
    topic: chunk.topic,
    partition: chunk.partition,
    start: from === 0 ? chunk.start : (chunk.offsets[from] as number),
    end: to === chunk.count ? chunk.end : (chunk.offsets[to] as number),
    count: to - from,
    offsets: chunk.offsets.subarray(from, to),
    timestampsMs: chunk.timestampsMs.subarray(from, to),
    keys,
    values,
    headers,
    byteLength,
  }
}

/** Of one record: its offset and its time, and where its key and value end. */
const ROW_BYTES = 24
/** Of one header: a string and a view, and the objects around them. Measured. */
export const HEADER_BYTES = 320
/** Of a chunk without records. Measured. */
const CHUNK_BYTES = 1536

/**
 * Bytes of memory that a chunk takes, about: what `byteLength` counts, and all around it. Whoever bounds memory counts
 * by this, since records may be smaller than what is kept about them, and chunks may have none.
 */
export function memoryOf({ count, keys, values, headers, byteLength }: RecordChunk): number {
  const nulls = (keys.nulls === undefined ? 0 : 1) + (values.nulls === undefined ? 0 : 1)
  const headerCount = headers?.reduce((sum, list) => sum + list.length, 0) ?? 0
  return byteLength + CHUNK_BYTES + count * (ROW_BYTES + nulls) + headerCount * HEADER_BYTES
}

/** Bytes of the keys and values of one record. */
export function recordBytes({ keys, values }: RecordChunk, row: number): number {
  const size = ({ offsets }: BytesColumn): number =>
    (offsets[row + 1] as number) - (offsets[row] as number)
  return size(keys) + size(values)
}

/** A value of a column; null if it is null. Memory is shared. */
export function bytesAt({ bytes, offsets, nulls }: BytesColumn, row: number): Uint8Array | null {
  if (nulls?.[row] === 1) return null
  return bytes.subarray(offsets[row], offsets[row + 1])
}

function sliceBytes({ bytes, offsets, nulls }: BytesColumn, from: number, to: number): BytesColumn {
  return { bytes, offsets: offsets.subarray(from, to + 1), nulls: nulls?.subarray(from, to) }
}

function lengthOf({ offsets }: BytesColumn): number {
  return (offsets[offsets.length - 1] as number) - (offsets[0] as number)
}

const NO_BYTES = new Uint8Array(0)

class BytesBuilder {
  #bytes: Uint8Array
  #offsets: Int32Array
  #nulls: Uint8Array | undefined
  #count = 0
  #length = 0

  constructor(rows: number, bytes: Uint8Array) {
    this.#bytes = bytes
    this.#offsets = new Int32Array(rows + 1)
  }

  get byteLength(): number {
    return this.#length
  }

  /** @param length below 0 for null. */
  append(source: Uint8Array, start: number, length: number): void {
    const row = this.#count++
    if (row + 1 === this.#offsets.length) this.#offsets = doubled(this.#offsets)
    if (length < 0) {
      const nulls = this.#nulls ?? new Uint8Array(this.#offsets.length)
      this.#nulls = growTo(nulls, row + 1)
      this.#nulls[row] = 1
    } else {
      const at = this.#length
      this.#bytes = growTo(this.#bytes, at + length)
      copyBytes(source, start, start + length, this.#bytes, at)
      this.#length = at + length
    }
    this.#offsets[row + 1] = this.#length
  }

  finish(): BytesColumn {
    const nulls = this.#nulls === undefined ? undefined : growTo(this.#nulls, this.#count)
    // Chunks wait in memory, and are counted by what they have: little of it may lie behind that.
    const isLoose = this.#bytes.length > this.#length + this.#length / 4 + 256
    return {
      bytes: isLoose ? this.#bytes.slice(0, this.#length) : this.#bytes.subarray(0, this.#length),
      offsets: fitted(this.#offsets, this.#count + 1),
      nulls: nulls?.subarray(0, this.#count),
    }
  }
}

/** Chunks wait in memory: they do not keep room for many more rows than they have. */
function fitted<T extends Float64Array | Int32Array>(column: T, length: number): T {
  const isLoose = column.length > 2 * length + 64
  return (isLoose ? column.slice(0, length) : column.subarray(0, length)) as T
}

function growTo(bytes: Uint8Array, length: number): Uint8Array {
  if (length <= bytes.length) return bytes
  const grown = new Uint8Array(Math.max(length, bytes.length * 2))
  grown.set(bytes)
  return grown
}

function doubled<T extends Float64Array | Int32Array>(column: T): T {
  const grown = new (column.constructor as new (length: number) => T)(column.length * 2)
  grown.set(column)
  return grown
}
