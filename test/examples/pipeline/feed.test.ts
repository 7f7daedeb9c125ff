/** The feed: all rates, no events after the end, errors of the sink. */
import { expect, it, vi } from 'vitest'
import { feed } from '../../../examples/pipeline/feed.ts'
import { EventGenerator } from '../../../examples/pipeline/generator.ts'

const waits = vi.hoisted(() => ({ ms: [] as number[] }))
vi.mock('node:timers/promises', async (original) => {
  const { setTimeout: real } = await original<typeof import('node:timers/promises')>()
  const setTimeout: typeof real = (ms, value, options) => {
    waits.ms.push(ms ?? 0)
    return real(ms, value, options)
  }
  return { setTimeout }
})

it.each([20, 100_000, Number.POSITIVE_INFINITY])(
  'sends %s events a second until the end',
  async (rate) => {
    const stop = new AbortController()
    const generator = new EventGenerator({ videos: 10, users: 10 })
    let sent = 0
    let sends = 0
    const sink = {
      send: (records: readonly unknown[]) => {
        expect(records.length).toBeGreaterThan(0)
        expect(stop.signal.aborted).toBe(false)
        sent += records.length
        if (++sends === 4) stop.abort()
        return Promise.resolve()
      },
    }
    await feed({ generator, sink, rate, signal: stop.signal })
    expect(sends).toBe(4)
    expect(sent).toBe(generator.counts.events)
    // Who wants as many as go is not held up.
    const most = Math.max(...waits.ms.splice(0))
    expect(most).toBe(rate === Number.POSITIVE_INFINITY ? 0 : 50)
  },
)

it('fails with the error of the sink', async () => {
  const sink = { send: () => Promise.reject(new Error('full')) }
  const { signal } = new AbortController()
  await expect(feed({ generator: new EventGenerator(), sink, rate: 1000, signal })).rejects.toThrow(
    'full',
  )
})
