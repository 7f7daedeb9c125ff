/** How far behind its source a stream is. */
import type { ResolvedOptions } from './options.ts'
import type { Position } from './position.ts'
import type { SourceReader } from './source.ts'
import type { Stop } from './stop.ts'

/** Longest time to ask a source how far it is. */
const LAG_WAIT_MS = 1000

export class Lag {
  readonly #o: ResolvedOptions
  readonly #stop: Stop
  /** As it was known last. */
  #records: number | null = null

  constructor(options: ResolvedOptions, stop: Stop) {
    this.#o = options
    this.#stop = stop
  }

  /** Offsets from a position to the ends; what was known last where the source does not say in time, null before that. */
  async records(reader: SourceReader, position: Position): Promise<number | null> {
    const { runtime, onEvent } = this.#o
    const over = new AbortController()
    const late = runtime
      .sleep(LAG_WAIT_MS, AbortSignal.any([over.signal, this.#stop.asked]))
      .catch(() => undefined)
    try {
      const asked = reader.endOffsets()
      asked.catch(() => undefined)
      // A partition that nobody answers for must not hold up the others.
      const ends = await Promise.race([asked, late])
      if (ends === undefined) return this.#records
      let lag = 0
      for (const { topic, partition, offset } of ends.entries()) {
        const at = position.get(topic, partition)
        if (at !== undefined) lag += Math.max(0, offset - at)
      }
      this.#records = lag
    } catch (error) {
      onEvent?.({ type: 'warning', error: error as Error })
    } finally {
      over.abort()
    }
    return this.#records
  }
}
