/** What chunks say of their size, and what they take. */
import { expect, it } from 'vitest'
import { memoryOf, RecordChunkBuilder, sliceChunk } from '../../src/stream/record-chunk.ts'

it('byteLength counts keys, values and headers, memoryOf all that is kept', () => {
  const builder = new RecordChunkBuilder('t', 0, 0)
  for (let i = 0; i < 10_000; i++) builder.append(i, 0, null, null)
  const chunk = builder.finish(10_000)
  const { offsets, timestampsMs, keys, values } = chunk
  const columns = [offsets, timestampsMs, keys.offsets, values.offsets, keys.nulls, values.nulls]
  const bytes = columns.reduce((sum, column) => sum + (column?.byteLength ?? 0), 0)
  expect(chunk.byteLength).toBe(0)
  expect(memoryOf(chunk)).toBeGreaterThanOrEqual(bytes)
  expect(memoryOf(chunk)).toBeLessThan(bytes + 4096)
  expect(memoryOf(sliceChunk(chunk, 0, 5000))).toBeLessThan(memoryOf(chunk) * 0.6)
})

it('headers take more than their bytes, and chunks without records some', () => {
  const builder = new RecordChunkBuilder('t', 0, 0)
  const header = { key: 'k', value: new Uint8Array(1) }
  for (let i = 0; i < 100; i++) builder.append(i, 0, null, null, [header, header])
  const chunk = builder.finish(100)
  expect(chunk.byteLength).toBe(400)
  expect(memoryOf(chunk)).toBeGreaterThan(200 * 250)
  const empty = new RecordChunkBuilder('t', 0, 0, { rows: 0, valueBytes: 0 }).finish(1)
  expect(memoryOf(empty)).toBeGreaterThan(1000)
  expect(empty.keys.bytes.buffer.byteLength).toBe(0)
})
