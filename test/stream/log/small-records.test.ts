/** Records that have little or nothing in them: what is kept about them counts. */
import { expect, it } from 'vitest'
import { schema, t } from '../../../src/index.ts'
import { stream } from '../../../src/stream/index.ts'
import { memoryOf } from '../../../src/stream/record-chunk.ts'
import { openLog } from '../../../src/stream/sources/log/embedded-log.ts'
import { logSource } from '../../../src/stream/sources/log/log-source.ts'
import { memoryLake, temporaryFolder } from '../../support/lakes.ts'
import { openOptions } from '../source-conformance.ts'

const RECORDS = 20_000

async function logOf(record: object): Promise<string> {
  const folder = temporaryFolder()
  const log = await openLog(folder, { durability: 'os' })
  await log.createTopic('t', { partitions: 2 })
  const producer = await log.producer()
  await producer.send(
    't',
    Array.from({ length: RECORDS }, () => ({ ...record }) as never),
  )
  await log.close()
  return folder
}

it.each([
  ['nothing', { value: null }],
  ['headers alone', { value: null, headers: [{ key: 'a', value: Buffer.from('b') }] }],
])('a read of records that have %s is no larger than the buffer', async (_, record) => {
  const folder = await logOf(record)
  const bufferBytes = 64 * 1024
  const reader = await logSource({ folder, topics: 't' }).open({ ...openOptions(), bufferBytes })
  const { signal } = new AbortController()
  let rows = 0
  while (rows < RECORDS) {
    const chunks = await reader.read({ waitMs: 1000, signal })
    rows += chunks.reduce((sum, { count }) => sum + count, 0)
    const memory = chunks.reduce((sum, chunk) => sum + memoryOf(chunk), 0)
    // A chunk has its price, and is there once for each partition.
    expect(memory).toBeLessThan(bufferBytes * 1.2)
  }
  expect(rows).toBe(RECORDS)
  await reader.close()
})

it('a batch of records that have nothing is closed by the memory that they take', async () => {
  const folder = await logOf({ value: null })
  const lake = await memoryLake()
  await lake.createTable('a.counts', schema({ rows: t.long() }))
  const batches: number[] = []
  await stream({
    lake,
    id: 'small',
    source: logSource({ folder, topics: 't' }),
    tables: ['a.counts'],
    trigger: { availableNow: true },
    maxBatchBytes: 128 * 1024,
    bufferBytes: 32 * 1024,
    foreachBatch: async (batch, tx) => {
      batches.push(batch.rows)
      await tx.append('a.counts', [{ rows: BigInt(batch.rows) }])
    },
  }).done
  expect(batches.reduce((a, b) => a + b)).toBe(RECORDS)
  expect(Math.max(...batches)).toBeLessThan(8000)
})
