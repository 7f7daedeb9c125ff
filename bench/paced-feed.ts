/**
 * Sends events by a plan that does not wait: each has a time at which it is due, and that is its timestamp, however late
 * it is sent. So what holds up the sender, or the broker that it sends to, is in the latencies of all events that were
 * due meanwhile. (The feed of examples/pipeline lets go of what it cannot make up for, which is right for a demo.)
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { EventSink, SinkRecord } from '../examples/pipeline/event-sink.ts'
import type { EventGenerator } from '../examples/pipeline/generator.ts'

export interface PacedFeedOptions {
  readonly generator: Pick<EventGenerator, 'take'>
  readonly sink: EventSink
  /** Events a second. */
  readonly rate: number
  readonly seconds: number
  /** How long after the end of the time late events are still sent: those that are not have no latency at all. */
  readonly lateMs: number
  readonly clock?: FeedClock
}

export interface FeedClock {
  /** In milliseconds since the epoch, as timestamps are. */
  nowMs(): number
  sleep(ms: number): Promise<unknown>
}

/** What was sent counts once the sink has it. */
export interface FedEvents {
  readonly asked: number
  readonly sent: number
  /** Those that were sent when the time was over, or within {@link SLACK_MS} of that. */
  readonly sentInTime: number
  /** The longest that an event was sent after it was due. */
  readonly latestMs: number
  /** Until the last was sent. */
  readonly seconds: number
}

/** Time between portions. */
const TICK_MS = 50
/** Most events in one portion, so that others get their turn. */
const MOST = 5000
/** The last portion is on its way when the time is over. */
const SLACK_MS = 1000

const SYSTEM_CLOCK: FeedClock = { nowMs: () => Date.now(), sleep: (ms) => sleep(ms) }

/** @throws what the sink fails with */
export async function pacedFeed(options: PacedFeedOptions): Promise<FedEvents> {
  const { generator, sink, rate, seconds, lateMs, clock = SYSTEM_CLOCK } = options
  const asked = Math.max(1, Math.floor(rate * seconds))
  const startMs = clock.nowMs()
  const endMs = startMs + seconds * 1000
  const dueMs = (event: number): number => Math.floor(startMs + (event * 1000) / rate)
  let [sent, sentInTime, latestMs, nowMs] = [0, 0, 0, startMs]
  while (sent < asked && nowMs < endMs + lateMs) {
    const dueUntil = Math.min(asked, Math.floor(((nowMs - startMs) * rate) / 1000) + 1)
    const portion = Math.min(dueUntil, sent + MOST)
    if (portion > sent) {
      const records: SinkRecord[] = []
      for (let i = sent; i < portion; i++) records.push(...generator.take(1, dueMs(i)))
      await sink.send(records)
      nowMs = clock.nowMs()
      latestMs = Math.max(latestMs, nowMs - dueMs(sent))
      sent = portion
      if (nowMs <= endMs + SLACK_MS) sentInTime = sent
    }
    // Where more is due, only others that wait get their turn.
    await clock.sleep(sent < dueUntil ? 0 : TICK_MS)
    nowMs = clock.nowMs()
  }
  return { asked, sent, sentInTime, latestMs, seconds: (nowMs - startMs) / 1000 }
}

/** Whether the rate was held over the whole time. */
export function heldRate({ asked, sentInTime }: FedEvents): boolean {
  return sentInTime === asked
}

/** One line: what was sent, against what was asked for. */
export function fedText(fed: FedEvents): string {
  const n = (count: number): string => count.toLocaleString('en')
  const text =
    `sent ${n(fed.sent)} of ${n(fed.asked)} events asked for in ${fed.seconds.toFixed(1)} s, ` +
    `the latest ${(fed.latestMs / 1000).toFixed(2)} s after it was due`
  return heldRate(fed)
    ? `${text}: rate held`
    : `${text}\nMISSED: the rate was not held: ${n(fed.sentInTime)} of ${n(fed.asked)} events were sent in time`
}
