/**
 * Timestamps of the records that a stream has read, until the batch that has them is committed. A full batch leaves records
 * that were read already to the next: they are not counted as committed before that one is.
 */
import type { OffsetRange, RecordChunk } from 'floe/stream'

/** How many records have which time, in tens of milliseconds. */
export type TimeCounts = readonly (readonly [tensOfMs: number, count: number])[]

type ReadChunk = Pick<RecordChunk, 'topic' | 'partition' | 'start' | 'offsets' | 'timestampsMs'>

/** Records of one partition that wait, by ascending offset. */
interface Waiting {
  readonly offsets: number[]
  readonly tensOfMs: number[]
}

export class ReadTimes {
  readonly #waiting = new Map<string, Waiting>()

  /** Takes in what was read. What is read again replaces what was read before from there on. */
  add(chunks: readonly ReadChunk[]): void {
    for (const chunk of chunks) {
      const { offsets, tensOfMs } = this.#of(chunk)
      const kept = firstFrom(offsets, chunk.start)
      offsets.length = kept
      tensOfMs.length = kept
      for (const [i, offset] of chunk.offsets.entries()) {
        offsets.push(offset)
        tensOfMs.push(Math.floor((chunk.timestampsMs[i] as number) / 10))
      }
    }
  }

  /** The times of the records in the ranges of a batch that is committed; they wait no more. */
  take(ranges: readonly OffsetRange[]): TimeCounts {
    const counts = new Map<number, number>()
    for (const range of ranges) {
      const { offsets, tensOfMs } = this.#of(range)
      const count = firstFrom(offsets, range.end)
      offsets.splice(0, count)
      for (const tens of tensOfMs.splice(0, count)) counts.set(tens, (counts.get(tens) ?? 0) + 1)
    }
    return [...counts]
  }

  #of({ topic, partition }: Pick<OffsetRange, 'topic' | 'partition'>): Waiting {
    const key = `${topic}\n${partition}`
    let waiting = this.#waiting.get(key)
    if (waiting === undefined) this.#waiting.set(key, (waiting = { offsets: [], tensOfMs: [] }))
    return waiting
  }
}

/** How many of the offsets are below one. */
function firstFrom(offsets: readonly number[], from: number): number {
  const last = offsets.at(-1)
  if (last === undefined || last < from) return offsets.length
  return offsets.findIndex((offset) => offset >= from)
}
