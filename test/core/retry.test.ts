/** Retries: bounded in number and time, with full jitter (iceberg-writer.md items 25, 117). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FloeError } from '../../src/core/errors.ts'
import { backoffMs, DEFAULT_COMMIT_RETRY, retry } from '../../src/core/retry.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { fakeRuntime } from '../support/fake-runtime.ts'

const failure = new FloeError('STORE_UNAVAILABLE', 'down')
const always = (): boolean => true

describe('backoffMs', () => {
  it('lies in [0, min · 2^(attempt−1)], capped, for every attempt', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), fc.nat(), (attempt, seed) => {
        const wait = backoffMs(fakeRuntime({ seed }), DEFAULT_COMMIT_RETRY, attempt)
        const ceiling = Math.min(60_000, 100 * 2 ** (attempt - 1))
        expect(Number.isInteger(wait) && wait >= 0 && wait <= ceiling).toBe(true)
      }),
    )
  })
})

describe('retry', () => {
  it('has the defaults of the format (item 25)', () => {
    expect(DEFAULT_COMMIT_RETRY).toEqual({
      numRetries: 4,
      minWaitMs: 100,
      maxWaitMs: 60_000,
      totalTimeoutMs: 1_800_000,
    })
  })

  it('returns the first success, and counts attempts from 0', async () => {
    const runtime = fakeRuntime()
    const attempts: number[] = []
    const result = await retry(runtime, DEFAULT_COMMIT_RETRY, always, async (attempt) => {
      attempts.push(attempt)
      if (attempt < 2) throw failure
      return 'done'
    })
    expect(result).toBe('done')
    expect(attempts).toEqual([0, 1, 2])
    expect(runtime.sleeps).toHaveLength(2)
  })

  it('gives up after numRetries, with the last error as it is', async () => {
    let calls = 0
    const task = async (): Promise<never> => {
      calls++
      throw failure
    }
    await expect(retry(fakeRuntime(), DEFAULT_COMMIT_RETRY, always, task)).rejects.toBe(failure)
    expect(calls).toBe(5)
  })

  it('gives up when the time is used, also within the retries', async () => {
    const runtime = fakeRuntime()
    let calls = 0
    const task = async (): Promise<never> => {
      calls++
      runtime.advance(600_000)
      throw failure
    }
    const policy = { ...DEFAULT_COMMIT_RETRY, numRetries: 1000 }
    await expect(retry(runtime, policy, always, task)).rejects.toBe(failure)
    expect(calls).toBe(3)
  })

  it('does not retry what it was told not to', async () => {
    let calls = 0
    const task = async (): Promise<never> => {
      calls++
      throw failure
    }
    await expect(retry(fakeRuntime(), DEFAULT_COMMIT_RETRY, () => false, task)).rejects.toBe(
      failure,
    )
    expect(calls).toBe(1)
  })

  it('stops between tries when its signal aborts', async () => {
    const controller = new AbortController()
    let calls = 0
    const task = async (): Promise<never> => {
      calls++
      controller.abort()
      throw failure
    }
    await rejectionOf(
      'ABORTED',
      retry(fakeRuntime(), DEFAULT_COMMIT_RETRY, always, task, controller.signal),
    )
    expect(calls).toBe(1)
  })
})
