/** What a batch function gets: records in order, and where they come from. streaming.md §4. */
import { sha256Hex } from '../core/digest.ts'
import { type OffsetRange, rangesToText } from './position.ts'
import { bytesAt, type RecordChunk, type RecordHeader } from './record-chunk.ts'

export interface StreamRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** When the source says that the record was made, in milliseconds since the epoch; below 0 where it does not: -1 in Kafka. */
  readonly timestampMs: number
  /** Shares memory with the batch. */
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

export class StreamBatch {
  /** The same for the same ranges of a stream, whenever it is run: for idempotent work outside the lake. */
  readonly id: string
  /** Counts the batches of this run, from 1 on. */
  readonly number: number
  /** One for each partition that the batch goes forward in, by topic and partition. */
  readonly ranges: readonly OffsetRange[]
  /** By topic, partition and offset. A partition can have several. */
  readonly chunks: readonly RecordChunk[]
  readonly rows: number
  /** Of keys, values and headers. */
  readonly bytes: number
  /** The greatest time of a record, 0 if none has one: in place of the clock, which would give another result when a batch is repeated. */
  readonly timeMs: number
  /** The least time of a record, of those that have one; 0 if none has. */
  readonly oldestMs: number

  constructor(streamId: string, number: number, chunks: readonly RecordChunk[]) {
    this.number = number
    this.chunks = chunks
    const ranges: OffsetRange[] = []
    let rows = 0
    let bytes = 0
    let timeMs = 0
    let oldestMs = Number.POSITIVE_INFINITY
    for (const chunk of chunks) {
      const { topic, partition, start, end } = chunk
      const last = ranges.at(-1)
      if (last?.topic === topic && last.partition === partition) {
        ranges[ranges.length - 1] = { ...last, end }
      } else ranges.push({ topic, partition, start, end })
      rows += chunk.count
      bytes += chunk.byteLength
      for (let i = 0; i < chunk.count; i++) {
        const time = chunk.timestampsMs[i] as number
        if (time > timeMs) timeMs = time
        if (time >= 0 && time < oldestMs) oldestMs = time
      }
    }
    this.ranges = ranges
    this.rows = rows
    this.bytes = bytes
    this.timeMs = timeMs
    this.oldestMs = Number.isFinite(oldestMs) ? oldestMs : 0
    this.id = sha256Hex(`${streamId}\n${rangesToText(ranges)}`).slice(0, 32)
  }

  /** One by one, for convenience: hot code reads the columns of the chunks. */
  *records(): Generator<StreamRecord, void, undefined> {
    for (const chunk of this.chunks) {
      const { topic, partition } = chunk
      for (let i = 0; i < chunk.count; i++) {
        yield {
          topic,
          partition,
          offset: chunk.offsets[i] as number,
          timestampMs: chunk.timestampsMs[i] as number,
          key: bytesAt(chunk.keys, i),
          value: bytesAt(chunk.values, i),
          headers: chunk.headers?.[i] ?? [],
        }
      }
    }
  }
}
