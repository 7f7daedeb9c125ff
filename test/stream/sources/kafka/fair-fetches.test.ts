/**
 * Brokers fill an answer in the order of the request, and only the first partition that has records may give a batch larger
 * than what was asked for (KIP-74): each partition has to be asked for first at times.
 */
import { afterEach, expect, it } from 'vitest'
import type { SourceReader } from '../../../../src/stream/source.ts'
import type { FetchRequest } from '../../../../src/stream/sources/kafka/kafkajs.ts'
import { FakeCluster, readerOf, type Stored } from './fake-cluster.ts'
import { makeBatch, movedTo } from './make-batch.ts'

const signal = new AbortController().signal
const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

const BATCH = makeBatch([{ offset: 0, value: 'x'.repeat(20_000) }])
const LARGE_BATCH = makeBatch([{ offset: 0, value: 'x'.repeat(200_000) }])

/** More than a fetch takes, at each offset. */
const endless: Stored = (offset) => Array.from({ length: 30 }, (_, i) => movedTo(offset + i, BATCH))
/** Nothing but one record. */
const single =
  (batch: Buffer): Stored =>
  (offset) =>
    offset === 0 ? [batch] : []

async function open(cluster: FakeCluster, bufferBytes: number): Promise<SourceReader> {
  const reader = await readerOf(cluster, { bufferBytes })
  ends.push(() => reader.close())
  return reader
}

/** How many records reads give of each partition. */
async function count(reader: SourceReader, reads: number): Promise<Map<number, number>> {
  const counts = new Map<number, number>()
  const nexts = new Map<number, number>()
  for (let i = 0; i < reads; i++) {
    for (const chunk of await reader.read({ waitMs: 1000, signal })) {
      const { partition, start, end } = chunk
      expect(start).toBe(nexts.get(partition) ?? 0)
      nexts.set(partition, end)
      counts.set(partition, (counts.get(partition) ?? 0) + chunk.count)
    }
  }
  return counts
}

it('partitions that all have more than a fetch takes are read alike', async () => {
  const partitions = Array.from({ length: 10 }, () => ({ leader: 1, stored: endless }))
  const counts = await count(await open(new FakeCluster(partitions), 300_000), 60)
  expect(counts.size).toBe(10)
  const most = Math.max(...counts.values())
  for (const each of counts.values()) expect(each).toBeGreaterThan(most / 3)
})

it('a partition with one record is read behind one that always has more', async () => {
  const cluster = new FakeCluster([
    { leader: 1, stored: endless },
    { leader: 1, stored: single(BATCH) },
    { leader: 1, stored: single(LARGE_BATCH) },
  ])
  // The large batch is larger than any fetch.
  const counts = await count(await open(cluster, 100_000), 20)
  expect([counts.get(1), counts.get(2)]).toEqual([1, 1])
  expect(counts.get(0)).toBeGreaterThan(10)
})

it('each partition of each broker is asked for first at times', async () => {
  const cluster = new FakeCluster(
    Array.from({ length: 9 }, (_, i) => ({ leader: i % 3, stored: endless })),
  )
  const counts = await count(await open(cluster, 300_000), 60)
  expect(counts.size).toBe(9)
  const firsts = cluster.requests.map(({ topics: [first] }) => first?.partitions[0]?.partition)
  expect(new Set(firsts).size).toBe(9)
})

it('no partition takes all of a fetch while others have records', async () => {
  const partitions = Array.from({ length: 4 }, () => ({ leader: 1, stored: endless }))
  const cluster = new FakeCluster(partitions)
  await count(await open(cluster, 1_000_000), 5)
  const [{ maxBytes, topics }] = cluster.requests as [FetchRequest]
  expect(topics.flatMap((topic) => topic.partitions.map((each) => each.maxBytes))).toEqual(
    Array.from({ length: 4 }, () => maxBytes / 4),
  )
})
