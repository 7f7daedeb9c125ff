/** What a run does about failures that may pass: it says so, waits, and tries again, for so long. */
import { isFloeError, throwIfAborted } from '../core/errors.ts'
import type { ResolvedOptions } from './options.ts'
import type { Stop } from './stop.ts'
import type { StreamMetrics } from './stream-metrics.ts'

const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 10_000

export class Retries {
  readonly #o: ResolvedOptions
  readonly #metrics: StreamMetrics
  readonly #stop: Stop

  constructor(options: ResolvedOptions, metrics: StreamMetrics, stop: Stop) {
    this.#o = options
    this.#metrics = metrics
    this.#stop = stop
  }

  /**
   * Tells of a failure and waits for another try. A stop does not end the tries of the batch under way before it is
   * overdue.
   * @param failed tries: how many have failed, from 1 on; `startedMs`: when the first began; `until`: what ends the wait
   * @throws the failure if the tries have gone on for too long; ABORTED if `until` is aborted, or is while it waits
   */
  async pause(
    type: 'retrying' | 'warning',
    failure: unknown,
    failed: {
      readonly tries: number
      readonly startedMs: number
      readonly until?: AbortSignal | undefined
    },
  ): Promise<void> {
    const { runtime, retryTimeoutMs, onEvent } = this.#o
    const { tries, startedMs, until = this.#stop.overdue } = failed
    throwIfAborted(until, 'A batch')
    const error = failure as Error
    const waited = runtime.monotonicMs() - startedMs
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(tries - 1, 10))
    if (waited + waitMs > retryTimeoutMs) throw error
    if (type === 'retrying') this.#metrics.retried()
    onEvent?.(type === 'retrying' ? { type, error, waitMs, tries } : { type, error })
    await runtime.sleep(waitMs, until)
  }
}

/** Stores and catalogs come back, other writers finish. */
export function mayPass(error: unknown): boolean {
  if (!isFloeError(error)) return false
  return error.kind === 'unavailable' || error.code === 'COMMIT_CONFLICT'
}
