/** What a run does about failures that may pass: it says so, waits, and tries again, for so long. */
import { isFloeError } from '../core/errors.ts'
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
   * Tells of a failure and waits for another try.
   * @param tries how many have failed, from 1 on; `startedMs` is when the first began
   * @throws the failure if the tries have gone on for too long or a stop was asked for; ABORTED if one is while it waits
   */
  async pause(
    type: 'retrying' | 'warning',
    failure: unknown,
    tries: number,
    startedMs: number,
  ): Promise<void> {
    const { runtime, retryTimeoutMs, onEvent } = this.#o
    const error = failure as Error
    const waited = runtime.monotonicMs() - startedMs
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(tries - 1, 10))
    if (waited + waitMs > retryTimeoutMs || this.#stop.asked.aborted) throw error
    if (type === 'retrying') this.#metrics.retried()
    onEvent?.(type === 'retrying' ? { type, error, waitMs, tries } : { type, error })
    await runtime.sleep(waitMs, this.#stop.asked)
  }
}

/** Stores and catalogs come back, other writers finish. */
export function mayPass(error: unknown): boolean {
  if (!isFloeError(error)) return false
  return error.kind === 'unavailable' || error.code === 'COMMIT_CONFLICT'
}
