/** Generator, job and check together, for a time. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lake } from 'floe'
import type { StreamSource, Trigger } from 'floe/stream'
import { type CheckResult, checkPipeline } from './check.ts'
import type { EventSink } from './event-sink.ts'
import { feed } from './feed.ts'
import type { EventGenerator } from './generator.ts'
import type { FoldCounts } from './gold.ts'
import { startJob } from './job.ts'
import { ProgressLine } from './progress-line.ts'

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

export interface LiveResult {
  /** Events that were sent from here. */
  readonly sent: number
  readonly rows: number
  readonly bytes: number
  readonly batches: number
  readonly seconds: number
  readonly folded: Readonly<FoldCounts>
  readonly checks: readonly CheckResult[]
}

/** How long the stream may take for what was sent before the end. */
const CATCH_UP_MS = 60_000

/** @throws what the stream or the sink fails with; an error where the stream has ended by itself */
export async function runLive(options: LiveOptions): Promise<LiveResult> {
  const { lake, source, generator, sink, rate, trigger, signal, out } = options
  const line = new ProgressLine(out)
  const startedMs = performance.now()
  const stopFeed = new AbortController()
  const over = new AbortController()
  /** When the stream had taken all that the topic had; times of performance.now. */
  let caughtUpMs = -1
  const job = await startJob({
    lake,
    source,
    trigger,
    onProgress: (progress) => {
      if (progress.lagRecords === 0) caughtUpMs = performance.now()
      line.update(progress, generator?.viral ?? [])
    },
    onEvent: (event) => {
      if (event.type === 'idle') caughtUpMs = performance.now()
      if (event.type === 'retrying' || event.type === 'warning') {
        line.end()
        out.write(`${event.type}: ${event.error.message}\n`)
      }
    },
  })
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
    const fedMs = performance.now()
    // What was sent is taken along, unless somebody waits for the end.
    const giveUpMs = fedMs + CATCH_UP_MS
    while (sink !== undefined && caughtUpMs <= fedMs && performance.now() < giveUpMs) {
      if (signal.aborted || over.signal.aborted) break
      await pause(20, AbortSignal.any([signal, over.signal]))
    }
    if (over.signal.aborted) {
      await ended
      throw new Error('The stream has ended before it was asked to')
    }
  } finally {
    stopFeed.abort()
    line.end()
    await job.run.stop().catch(() => undefined)
  }
  const { rows, bytes, batches } = await ended
  const seconds = (performance.now() - startedMs) / 1000
  const sent = sink === undefined ? 0 : (generator?.counts.events ?? 0)
  const checks = await checkPipeline(lake, undefined, batches)
  return { sent, rows, bytes, batches, seconds, folded: job.folded, checks }
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
