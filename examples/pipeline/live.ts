/** Generator, job and check together, for a time. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lake } from 'floe'
import type { StreamResult, StreamSource, Trigger } from 'floe/stream'
import { type CheckResult, checkPipeline } from './check.ts'
import type { EventSink } from './event-sink.ts'
import { feed } from './feed.ts'
import type { EventGenerator } from './generator.ts'
import type { FoldCounts } from './gold.ts'
import { type Job, startJob } from './job.ts'
import { ProgressLine } from './progress-line.ts'
import { unreadRecords } from './unread.ts'

export interface LiveOptions {
  readonly lake: Lake
  readonly source: StreamSource
  /** Makes the events; undefined if others do. */
  readonly generator: EventGenerator | undefined
  readonly sink: EventSink | undefined
  /** Events a second. */
  readonly rate: number
  /** How long to run; Infinity until the signal comes. */
  readonly forMs: number
  readonly trigger: Trigger
  /** Asks for an end: the batch under way is committed, then all is checked. */
  readonly signal: AbortSignal
  readonly out: { write(text: string): unknown; readonly isTTY?: boolean | undefined }
}

/** How long the rest of the topic may take. */
const CATCH_UP_MS = 60_000

export interface LiveResult {
  /** Events that were sent from here. */
  readonly sent: number
  readonly rows: number
  readonly bytes: number
  readonly batches: number
  readonly seconds: number
  readonly folded: Readonly<FoldCounts>
  /** Records of the topic that are left for the next run; undefined where the source does not say. */
  readonly unread: number | undefined
  readonly checks: readonly CheckResult[]
}

/** @throws what the stream or the sink fails with; an error where the stream has ended by itself */
export async function runLive(options: LiveOptions): Promise<LiveResult> {
  const { lake, source, generator, sink, rate, trigger, signal, out } = options
  const line = new ProgressLine(out)
  const startedMs = performance.now()
  const stopFeed = new AbortController()
  const over = new AbortController()
  const start = (how: Trigger): Promise<Job> =>
    startJob({
      lake,
      source,
      trigger: how,
      onProgress: (progress) => line.update(progress, generator?.viral ?? []),
      onEvent: (event) => {
        if (event.type === 'retrying' || event.type === 'warning') {
          line.end()
          out.write(`${event.type}: ${event.error.message}\n`)
        }
      },
    })
  const job = await start(trigger)
  const results: StreamResult[] = []
  const jobs = [job]
  /** Whether all was taken along that was sent before the end. */
  let isRead = false
  // Ends the other one when one of them fails.
  const ended = job.run.done.finally(() => over.abort())
  ended.catch(() => undefined)
  const fed =
    generator === undefined || sink === undefined
      ? Promise.resolve()
      : feed({ generator, sink, rate, signal: stopFeed.signal })
  fed.catch(() => over.abort())
  try {
    await pause(options.forMs, AbortSignal.any([signal, over.signal]))
    stopFeed.abort()
    await fed
    if (over.signal.aborted) {
      await ended
      throw new Error('The stream has ended before it was asked to')
    }
    results.push(await job.run.stop())
    // What was sent is taken along, whenever the next batch was due, unless somebody waits for the end.
    if (sink !== undefined && !signal.aborted) {
      const rest = await start({ availableNow: true })
      jobs.push(rest)
      // A topic that others fill as well may have more than that: the next run goes on with it.
      const until = AbortSignal.any([signal, AbortSignal.timeout(CATCH_UP_MS)])
      const onEnd = (): void => void rest.run.stop().catch(() => undefined)
      until.addEventListener('abort', onEnd)
      if (until.aborted) onEnd()
      results.push(await rest.run.done.finally(() => until.removeEventListener('abort', onEnd)))
      isRead = !until.aborted
    }
  } finally {
    stopFeed.abort()
    line.end()
    await job.run.stop().catch(() => undefined)
  }
  const seconds = (performance.now() - startedMs) / 1000
  const sum = <T>(list: readonly T[], of: (each: T) => number): number =>
    list.reduce((total, each) => total + of(each), 0)
  const batches = sum(results, (each) => each.batches)
  return {
    sent: sink === undefined ? 0 : (generator?.counts.events ?? 0),
    rows: sum(results, (each) => each.rows),
    bytes: sum(results, (each) => each.bytes),
    batches,
    seconds,
    folded: {
      folded: sum(jobs, ({ folded }) => folded.folded),
      ignored: sum(jobs, ({ folded }) => folded.ignored),
      ahead: sum(jobs, ({ folded }) => folded.ahead),
    },
    unread: isRead ? 0 : await unreadRecords(source, results.at(-1)?.position),
    checks: await checkPipeline(lake, undefined, batches),
  }
}

/** A timer of more would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Until the time is over, which may be never, or the signal comes. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const endMs = performance.now() + ms
  for (let left = ms; left > 0 && !signal.aborted; left = endMs - performance.now()) {
    const wait = Math.min(left, LONGEST_TIMER_MS)
    await sleep(wait, undefined, { signal }).catch(() => undefined)
  }
}
