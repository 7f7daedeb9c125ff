/** A topic in memory: what a sink takes, a source gives. */
import type { EventSink, SinkRecord } from '../../../examples/pipeline/event-sink.ts'
import { FloeError } from '../../../src/core/errors.ts'
import { Position } from '../../../src/stream/position.ts'
import type { RecordChunk } from '../../../src/stream/record-chunk.ts'
import type { SourceOpenOptions, SourceReader, StreamSource } from '../../../src/stream/source.ts'
import { chunkOf, TOPIC } from './chunks.ts'

export class MemoryTopic implements EventSink, StreamSource {
  readonly name = 'memory'
  readonly partitions: SinkRecord[][]
  /** Thrown by reads, once set. */
  failure: Error | undefined
  readonly #topic: string
  #sent = 0
  #wake: () => void = () => undefined

  constructor(partitions: number, topic = TOPIC) {
    this.#topic = topic
    this.partitions = Array.from({ length: partitions }, () => [])
  }

  send(records: readonly SinkRecord[]): Promise<void> {
    for (const record of records) {
      const p = record.key?.at(-1) ?? this.#sent
      this.#sent++
      this.partitions[p % this.partitions.length]?.push(record)
    }
    this.#wake()
    return Promise.resolve()
  }

  fail(error: Error): void {
    this.failure = error
    this.#wake()
  }

  open({ position, runtime }: SourceOpenOptions): Promise<SourceReader> {
    const next = this.partitions.map((_, p) => position.get(this.#topic, p) ?? 0)
    const take = (): RecordChunk[] =>
      this.partitions.flatMap((records, p) => {
        const from = next[p] as number
        if (from === records.length) return []
        next[p] = records.length
        return [chunkOf(records.slice(from), p, from, this.#topic)]
      })
    return Promise.resolve({
      topicIds: new Map(),
      read: async ({ waitMs, signal }) => {
        if (this.failure !== undefined) throw this.failure
        const chunks = take()
        if (chunks.length > 0 || waitMs <= 0) return chunks
        const woken = new Promise<void>((resolve) => (this.#wake = resolve))
        const over = new AbortController()
        const wait = runtime.sleep(waitMs, AbortSignal.any([signal, over.signal]))
        await Promise.race([wait.catch(() => undefined), woken])
        over.abort()
        if (signal.aborted) throw new FloeError('ABORTED', 'reading was ended')
        if (this.failure !== undefined) throw this.failure
        return take()
      },
      nextOffsets: () =>
        Position.of(next.map((offset, partition) => ({ topic: this.#topic, partition, offset }))),
      endOffsets: () =>
        Promise.resolve(
          Position.of(
            this.partitions.map(({ length }, partition) => ({
              topic: this.#topic,
              partition,
              offset: length,
            })),
          ),
        ),
      committed: () => Promise.resolve(),
      close: () => Promise.resolve(),
    })
  }
}
