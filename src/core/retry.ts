/** Retry with exponential full-jitter back-off, bounded in tries and in time. */
import { throwIfAborted } from './errors.ts'
import type { Runtime } from './runtime.ts'

/** Names follow Iceberg's `commit.retry.*` properties; all times in milliseconds. */
export interface RetryPolicy {
  /** Tries after the first. */
  readonly numRetries: number
  readonly minWaitMs: number
  readonly maxWaitMs: number
  readonly totalTimeoutMs: number
}

/** Iceberg's defaults: 4 retries, 100 ms to 60 s, 30 minutes in all (iceberg-writer.md item 25). */
export const DEFAULT_COMMIT_RETRY: RetryPolicy = Object.freeze({
  numRetries: 4,
  minWaitMs: 100,
  maxWaitMs: 60_000,
  totalTimeoutMs: 1_800_000,
})

/** The wait before retry number `attempt` (from 1): uniform in [0, min · 2^(attempt−1)], capped. */
export function backoffMs(runtime: Runtime, policy: RetryPolicy, attempt: number): number {
  const ceiling = Math.min(policy.maxWaitMs, policy.minWaitMs * 2 ** Math.min(attempt - 1, 30))
  return Math.floor(runtime.random() * ceiling)
}

/**
 * Runs `task` until it returns, retrying errors that `shouldRetry` accepts within the policy's bounds.
 * The last error is thrown as it is.
 * @throws ABORTED if the signal aborts between tries.
 */
export async function retry<T>(
  runtime: Runtime,
  policy: RetryPolicy,
  shouldRetry: (error: unknown) => boolean,
  task: (attempt: number) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const started = runtime.monotonicMs()
  for (let attempt = 0; ; attempt++) {
    throwIfAborted(signal, 'A retried operation')
    try {
      return await task(attempt)
    } catch (error) {
      const wait = backoffMs(runtime, policy, attempt + 1)
      const elapsed = runtime.monotonicMs() - started
      if (attempt >= policy.numRetries || elapsed + wait > policy.totalTimeoutMs) throw error
      if (!shouldRetry(error)) throw error
      await runtime.sleep(wait, signal)
    }
  }
}
