/** How long a broker may give no answer counts from the first request that it did not answer. */
import { expect, it } from 'vitest'
import { systemRuntime } from '../../../../src/core/runtime.ts'
import { FakeCluster, readerOf } from './fake-cluster.ts'

/** What kafkajs waits for an answer. */
const ANSWER_MS = 30_500

class FrozenCluster extends FakeCluster {
  nowMs = 0

  protected override async fetch(...[request]: Parameters<FakeCluster['fetch']>): Promise<Buffer> {
    this.requests.push(request)
    this.nowMs += ANSWER_MS
    throw new Error('Request Fetch timed out')
  }
}

it('a broker that stands still is given up after `unavailableAfterMs`', async () => {
  const cluster = new FrozenCluster([{ leader: 1, stored: () => [] }])
  const runtime = { ...systemRuntime, monotonicMs: () => cluster.nowMs }
  const options = { unavailableAfterMs: 60_000 }
  const reader = await readerOf(cluster, {}, options, {
    ...runtime,
    sleep: async (ms, signal) => {
      if (ms > 5000) return systemRuntime.sleep(ms, signal)
      cluster.nowMs += ms
      return systemRuntime.sleep(1, signal)
    },
  })
  const { signal } = new AbortController()
  const reading = async (): Promise<void> => {
    for (;;) await reader.read({ waitMs: 1, signal })
  }
  await expect(reading()).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
  expect(cluster.requests.length).toBe(2)
  await reader.close()
})
