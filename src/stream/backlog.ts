/** Records that were read and wait for a batch: taken in order, within limits, each partition as far as it may go. */
import { partitionKey } from './position.ts'
import { memoryOf, type RecordChunk, recordBytes, sliceChunk } from './record-chunk.ts'

export interface BatchLimits {
  readonly rows: number
  readonly bytes: number
}

/** Which tables take a partition's records from an offset on, and the offset before which that changes. */
export interface Reach<T> {
  readonly group: T
  /** How many tables that are: a group of few lags, and goes first, so that no partition waits for ever. */
  readonly tables: number
  readonly end: number
}

export class Backlog {
  /** Chunks of each partition, in order. Partitions that have waited longest for a batch come first. */
  readonly #partitions = new Map<string, RecordChunk[]>()
  #rows = 0
  #bytes = 0
  #memory = 0

  get rows(): number {
    return this.#rows
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Bytes that they take in memory: more than {@link bytes} where records are small, or have headers. */
  get memory(): number {
    return this.#memory
  }

  add(chunks: readonly RecordChunk[]): void {
    for (const chunk of chunks) {
      const key = partitionKey(chunk)
      const list = this.#partitions.get(key)
      if (list === undefined) this.#partitions.set(key, [chunk])
      else list.push(chunk)
      this.#rows += chunk.count
      this.#bytes += chunk.byteLength
      this.#memory += memoryOf(chunk)
    }
  }

  clear(): void {
    this.#partitions.clear()
    this.#rows = 0
    this.#bytes = 0
    this.#memory = 0
  }

  /**
   * Takes records for a batch, at least one record or covered offset if there is any. All of them are of one group: the
   * one with the fewest tables.
   * @param reach of a partition at an offset.
   * @returns chunks by topic, partition and offset.
   */
  take<T>(
    limits: BatchLimits,
    reach: (topic: string, partition: number, offset: number) => Reach<T>,
  ): { readonly chunks: RecordChunk[]; readonly group: T } | undefined {
    const chunks: RecordChunk[] = []
    const group = this.#first(reach)
    let rows = 0
    let bytes = 0
    for (const [key, list] of [...this.#partitions]) {
      const before = chunks.length
      while (list[0] !== undefined && rows < limits.rows && bytes < limits.bytes) {
        const chunk = list[0]
        const own = reach(chunk.topic, chunk.partition, chunk.start)
        if (own.group !== group) break
        const room = { rows: limits.rows - rows, bytes: limits.bytes - bytes }
        const part = firstPart(chunk, room, own.end, chunks.length === 0)
        if (part === undefined) break
        chunks.push(part)
        rows += part.count
        bytes += part.byteLength
        list.shift()
        this.#memory -= memoryOf(chunk)
        if (part.end < chunk.end) {
          const left = rest(chunk, part)
          list.unshift(left)
          this.#memory += memoryOf(left)
        }
        if (part.end >= own.end || part.end < chunk.end) break
      }
      if (chunks.length === before) continue
      // Others go first the next time: one that always has a batch full would keep them waiting.
      this.#partitions.delete(key)
      if (list.length > 0) this.#partitions.set(key, list)
    }
    if (group === undefined || chunks.length === 0) return undefined
    this.#rows -= rows
    this.#bytes -= bytes
    return { chunks: chunks.sort(byPlace), group }
  }

  #first<T>(reach: (topic: string, partition: number, offset: number) => Reach<T>): T | undefined {
    let first: Reach<T> | undefined
    for (const [chunk] of this.#partitions.values()) {
      if (chunk === undefined) continue
      const own = reach(chunk.topic, chunk.partition, chunk.start)
      if (first === undefined || own.tables < first.tables) first = own
    }
    return first?.group
  }
}

/** What fits of a chunk, before an offset; the first record always fits if `force`. */
function firstPart(
  chunk: RecordChunk,
  limits: BatchLimits,
  end: number,
  force: boolean,
): RecordChunk | undefined {
  let to = 0
  let bytes = 0
  while (to < chunk.count && to < limits.rows && (chunk.offsets[to] as number) < end) {
    bytes += recordBytes(chunk, to)
    if (bytes > limits.bytes && !(force && to === 0)) break
    to++
  }
  if (to === chunk.count && chunk.end <= end) return chunk
  // Offsets without records reach to the end that was asked for.
  const next = (chunk.offsets[to] as number | undefined) ?? chunk.end
  if (next >= end) return { ...sliceChunk(chunk, 0, to), end }
  return to === 0 ? undefined : sliceChunk(chunk, 0, to)
}

function rest(chunk: RecordChunk, part: RecordChunk): RecordChunk {
  return { ...sliceChunk(chunk, part.count, chunk.count), start: part.end }
}

function byPlace(a: RecordChunk, b: RecordChunk): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
  return a.partition - b.partition || a.start - b.start
}
