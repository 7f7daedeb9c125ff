/** Damage that the reader meets before the decoder does: nothing is skipped, and nothing is asked for without end. */
import { afterEach, expect, it } from 'vitest'
import type { RecordChunk } from '../../../../src/stream/record-chunk.ts'
import type { SourceReader } from '../../../../src/stream/source.ts'
import { FakeCluster, readerOf, type Stored } from './fake-cluster.ts'
import { makeBatch } from './make-batch.ts'

const signal = new AbortController().signal
let reader: SourceReader | undefined
afterEach(() => reader?.close())

async function read(stored: Stored, options = {}): Promise<RecordChunk[]> {
  reader = await readerOf(new FakeCluster([{ leader: 1, stored }]), {}, options)
  const chunks: RecordChunk[] = []
  while (chunks.at(-1)?.end !== 3) chunks.push(...(await reader.read({ waitMs: 1000, signal })))
  return chunks
}

const batches = (): Buffer[] =>
  [0, 1, 2].map((offset) => makeBatch([{ offset, value: `v${offset}` }]))

it('a batch whose last offset is damaged is refused, not taken for one that was read before', async () => {
  const damaged = batches()
  damaged[1]?.writeInt32BE(-1, 23)
  await expect(read((offset) => damaged.slice(offset))).rejects.toMatchObject({
    code: 'CORRUPT_RECORDS',
    context: { topic: 't', partition: 0, offset: 1 },
  })
})

it('a first batch of records that were given before is passed over', async () => {
  const before = makeBatch([{ offset: 0, value: 'before' }])
  const chunks = await read((offset) => (offset === 0 ? [before] : [before, ...batches().slice(1)]))
  expect(chunks.reduce((sum, { count }) => sum + count, 0)).toBe(3)
})

it('a batch whose length is damaged is refused: it looks like one that is cut off', async () => {
  for (const length of [1000, 2 ** 31 - 1]) {
    const damaged = batches()
    damaged[1]?.writeInt32BE(length, 8)
    // As brokers give the rest of a file.
    const rest = (offset: number): Buffer[] => [Buffer.concat(damaged.slice(offset))]
    await expect(read((offset) => rest(offset))).rejects.toMatchObject({
      code: 'CORRUPT_RECORDS',
      context: { topic: 't', partition: 0, offset: 1 },
    })
    await reader?.close()
  }
})
