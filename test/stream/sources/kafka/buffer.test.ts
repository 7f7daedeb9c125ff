/** What is held ahead of `read` keeps to `bufferBytes`, also where records are smaller than what is kept about them. */
import { expect, it } from 'vitest'
import { systemRuntime } from '../../../../src/core/runtime.ts'
import { memoryOf } from '../../../../src/stream/record-chunk.ts'
import { FakeCluster, readerOf, type Stored } from './fake-cluster.ts'
import { makeBatch, movedTo } from './make-batch.ts'

const MIB = 1024 * 1024
const CONTROL = 32

/** Reads nothing until no more is fetched. @returns bytes of memory that were held then */
async function held(stored: Stored, bufferBytes: number): Promise<number> {
  const cluster = new FakeCluster([{ leader: 1, stored }])
  const reader = await readerOf(cluster, { bufferBytes })
  try {
    for (let rest = 0, last = 0; rest < 10; ) {
      await systemRuntime.sleep(20)
      const { length } = cluster.requests
      if (length > 5000) throw new Error('it fetches on and on')
      rest = length === last ? rest + 1 : 0
      last = length
    }
    const chunks = await reader.read({ waitMs: 0, signal: new AbortController().signal })
    return chunks.reduce((sum, chunk) => sum + memoryOf(chunk), 0)
  } finally {
    await reader.close()
  }
}

it('of records without key and value', async () => {
  const rows = 5000
  const batch = makeBatch(
    Array.from({ length: rows }, (_, offset) => ({ offset })),
    { attributes: 1 },
  )
  const bytes = await held((offset) => [movedTo(offset, batch)], MIB)
  expect(bytes).toBeGreaterThan(MIB / 4)
  // One chunk more may have been decoded.
  expect(bytes).toBeLessThan(1.5 * MIB)
})

it('of offsets without records', async () => {
  const marker = makeBatch([{ offset: 0, key: Buffer.from([0, 0, 0, 1]) }], { attributes: CONTROL })
  const bytes = await held((offset) => [movedTo(offset, marker)], MIB)
  expect(bytes).toBeGreaterThan(MIB / 2)
  expect(bytes).toBeLessThan(1.5 * MIB)
})
