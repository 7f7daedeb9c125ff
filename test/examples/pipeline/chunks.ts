/** Chunks of a topic, made by hand. */
import type { SinkRecord } from '../../../examples/pipeline/event-sink.ts'
import { type RecordChunk, RecordChunkBuilder } from '../../../src/stream/record-chunk.ts'

export const TOPIC = 'content_events'

/** Records in partitions: by their key, those without one in turn. */
export function partitioned(records: readonly SinkRecord[], partitions: number): SinkRecord[][] {
  const lists = Array.from({ length: partitions }, (): SinkRecord[] => [])
  for (const [i, record] of records.entries()) {
    const p = record.key === null ? i : record.key.reduce((sum, byte) => sum * 31 + byte, 7)
    ;(lists[p % partitions] as SinkRecord[]).push(record)
  }
  return lists
}

export function chunkOf(
  records: readonly SinkRecord[],
  partition = 0,
  start = 0,
  topic = TOPIC,
): RecordChunk {
  const builder = new RecordChunkBuilder(topic, partition, start)
  for (const [i, { key, value, timestampMs }] of records.entries()) {
    builder.append(start + i, timestampMs, key, value)
  }
  return builder.finish(start + records.length)
}
