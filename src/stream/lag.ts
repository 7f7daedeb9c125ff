/** How far behind its source a stream is. */
import { LATE, within } from '../core/bounded-wait.ts'
import type { ResolvedOptions } from './options.ts'
import { type Position, partitionKey } from './position.ts'
import type { RecordChunk } from './record-chunk.ts'
import type { SourceReader } from './source.ts'
import type { Stop } from './stop.ts'

/** Longest time to ask a source how far it is. */
const LAG_WAIT_MS = 1000

export class Lag {
  readonly #o: ResolvedOptions
  readonly #stop: Stop
  /** As it was known last. */
  #records: number | null = null
  /** Where the reader has begun, by partition. */
  readonly #begun = new Map<string, number>()

  constructor(options: ResolvedOptions, stop: Stop) {
    this.#o = options
    this.#stop = stop
  }

  /** The reader begins, or begins anew, at a position. */
  begin(): void {
    this.#begun.clear()
  }

  /** What the reader has given: the first of a partition tells where it began. */
  read(chunks: readonly RecordChunk[]): void {
    for (const chunk of chunks) {
      const key = partitionKey(chunk)
      if (!this.#begun.has(key)) this.#begun.set(key, chunk.start)
    }
  }

  /** Offsets from a position to the ends; what was known last where the source does not say in time, null before that. */
  async records(reader: SourceReader, position: Position): Promise<number | null> {
    const { runtime, onEvent } = this.#o
    try {
      // A partition that nobody answers for must not hold up the others.
      const ends = await within(runtime, LAG_WAIT_MS, reader.endOffsets(), this.#stop.asked)
      if (ends === LATE) return this.#records
      const next = reader.nextOffsets()
      let lag = 0
      for (const { topic, partition, offset } of ends.entries()) {
        // Of a partition that no batch has reached yet all is unread, from where it begins.
        const at =
          position.get(topic, partition) ??
          this.#begun.get(partitionKey({ topic, partition })) ??
          next.get(topic, partition)
        // None of a partition that was taken from the reader meanwhile.
        if (at !== undefined) lag += Math.max(0, offset - at)
      }
      this.#records = lag
    } catch (error) {
      onEvent?.({ type: 'warning', error: error as Error })
    }
    return this.#records
  }
}
