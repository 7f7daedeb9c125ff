/** The feed: all rates, no events after the end, errors of the sink. */
import { expect, it } from 'vitest'
import { feed } from '../../../examples/pipeline/feed.ts'
import { EventGenerator } from '../../../examples/pipeline/generator.ts'

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
  },
)

it('fails with the error of the sink', async () => {
  const sink = { send: () => Promise.reject(new Error('full')) }
  const { signal } = new AbortController()
  await expect(feed({ generator: new EventGenerator(), sink, rate: 1000, signal })).rejects.toThrow(
    'full',
  )
})
