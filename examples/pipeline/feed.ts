/** Sends generated events at a pace. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { EventSink } from './event-sink.ts'
import type { EventGenerator } from './generator.ts'

/** Time between portions. */
const TICK_MS = 50
/** Most events in one portion, so that others get their turn. */
const MOST = 5000

export interface FeedOptions {
  readonly generator: EventGenerator
  readonly sink: EventSink
  /** Events a second; Infinity for as fast as the sink takes them. */
  readonly rate: number
  /** Ends the feed, without an error. */
  readonly signal: AbortSignal
}

/** Sends until the signal comes. Events that a slow sink has held up are made up for, but no more than those of a second. */
export async function feed({ generator, sink, rate, signal }: FeedOptions): Promise<void> {
  let dueSince = performance.now()
  let owed = 0
  while (!signal.aborted) {
    const now = performance.now()
    // Infinity times nothing would be no number.
    const due = rate === Number.POSITIVE_INFINITY ? MOST : ((now - dueSince) / 1000) * rate
    owed = Math.min(rate, owed + due)
    dueSince = now
    const count = Math.min(MOST, Math.floor(owed))
    if (count > 0) {
      owed -= count
      await sink.send(generator.take(count, Date.now()))
    }
    const waitMs = owed >= 1 || rate === Number.POSITIVE_INFINITY ? 0 : TICK_MS
    await sleep(waitMs, undefined, { signal }).catch(() => undefined)
  }
}
