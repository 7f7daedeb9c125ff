/** The writer under pressure: order, back-pressure, memory, failure, abort. */
import { afterAll, describe, expect, it } from 'vitest'
import { FloeError } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { resolveMetricsModes } from '../../../src/iceberg/columns/metrics-mode.ts'
import type { ParquetPool } from '../../../src/iceberg/parquet/worker-pool.ts'
import type { ParquetWriteOptions } from '../../../src/iceberg/parquet/write-options.ts'
import { openParquetWriter, type ParquetWriter } from '../../../src/iceberg/parquet/writer.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import { UNSORTED } from '../../../src/iceberg/spec/sort-order.ts'
import type { ObjectStat, ObjectWriter } from '../../../src/io/store.ts'
import { batchOf, openFile, openPool, readFile, store } from './support.ts'

const pool = openPool()
afterAll(() => pool.close())

const schema = new Schema({
  schemaId: 0,
  fields: [
    { id: 1, name: 'n', required: true, type: { kind: 'long' } },
    { id: 2, name: 's', required: false, type: { kind: 'string' } },
  ],
})
const rows = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ n: BigInt(from + i), s: `row ${from + i}` }))

async function openWriter(
  path: string,
  options: {
    readonly options?: Partial<ParquetWriteOptions>
    readonly signal?: AbortSignal
    readonly writer?: ObjectWriter
    readonly pool?: ParquetPool
  } = {},
): Promise<ParquetWriter> {
  return await openParquetWriter({
    writer: options.writer ?? (await store.openWriter(path)),
    schema,
    pool,
    modes: resolveMetricsModes(schema, {}, UNSORTED),
    ...options,
  })
}

/** Takes bytes as a store does, and does what a test asks for. */
class TestWriter implements ObjectWriter {
  sizeBytes = 0
  closed = false
  aborted = 0
  readonly onWrite: () => Promise<void>
  constructor(onWrite: () => Promise<void> = () => Promise.resolve()) {
    this.onWrite = onWrite
  }
  async write(chunk: Uint8Array): Promise<void> {
    await this.onWrite()
    this.sizeBytes += chunk.length
  }
  async close(): Promise<ObjectStat> {
    this.closed = true
    return { path: 'memory://w/x', sizeBytes: this.sizeBytes, lastModifiedMs: 0 }
  }
  async abort(): Promise<void> {
    this.aborted++
  }
}

describe('writer', () => {
  it('keeps the order of row groups that are encoded in parallel', async () => {
    const path = 'memory://writer/order.parquet'
    const writer = await openWriter(path, { options: { rowGroupRows: 500 } })
    // Groups of very different cost: later ones are done before earlier ones.
    for (let i = 0; i < 40; i++) {
      const s = i % 2 ? 'x' : 'long text '.repeat(200)
      const batch = rows(i * 500, 500).map((row) => ({ ...row, s: `${s} ${row.n}` }))
      await writer.write(await batchOf(schema, batch))
    }
    const result = await writer.close()
    expect(result.splitOffsets).toEqual([...result.splitOffsets].sort((a, b) => a - b))
    const read = await readFile(await openFile(pool, path), schema.fields.slice(0, 1))
    expect(read.map(([n]) => n)).toEqual(rows(0, 20_000).map((r) => r.n))
  })

  it('copies batches: their buffers may change once write has resolved', async () => {
    const path = 'memory://writer/copied.parquet'
    const writer = await openWriter(path)
    const batch = await batchOf(schema, rows(0, 10))
    await writer.write(batch)
    const [numbers] = batch.data.children as [{ values: BigInt64Array }, unknown]
    numbers.values.fill(-1n)
    const result = await writer.close()
    const read = await readFile(await openFile(pool, path), schema.fields)
    expect(read.map(([n]) => n)).toEqual(rows(0, 10).map((r) => r.n))
    expect([...(result.metrics.upperBounds.get(1) as Uint8Array)]).toEqual([9, 0, 0, 0, 0, 0, 0, 0])
  })

  it('knows what it holds, and holds nothing after a flush', async () => {
    const path = 'memory://writer/flush.parquet'
    const writer = await openWriter(path)
    expect(writer.bufferedBytes).toBe(0)
    await writer.write(await batchOf(schema, rows(0, 1000)))
    const held = writer.bufferedBytes
    expect(held).toBeGreaterThan(16_000)
    expect(writer.sizeBytesEstimate).toBeGreaterThan(held / 10)
    await writer.flush()
    expect(writer.bufferedBytes).toBe(0)
    await writer.flush()
    await writer.write(await batchOf(schema, rows(1000, 500)))
    expect(writer.recordCount).toBe(1500)
    const result = await writer.close()
    expect(result.splitOffsets.length).toBe(2)
    expect(Math.abs(writer.sizeBytesEstimate - result.sizeBytes)).toBeLessThan(2000)
  })

  it('waits for a slow store instead of collecting without end', async () => {
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const out = new TestWriter(() => gate)
    const writer = await openWriter('', { writer: out, options: { rowGroupRows: 100 } })
    let written = 0
    const all = (async () => {
      for (let i = 0; i < 50; i++) {
        await writer.write(await batchOf(schema, rows(0, 100)))
        written++
      }
    })()
    await systemRuntime.sleep(200)
    expect(written).toBeLessThanOrEqual(pool.size + 1)
    release()
    await all
    expect((await writer.close()).recordCount).toBe(5000)
  })

  it('passes on what the store fails with, and aborts', async () => {
    const full = new FloeError('STORE_FULL', 'No space left')
    let left = 2
    const out = new TestWriter(() => (left-- > 0 ? Promise.resolve() : Promise.reject(full)))
    const writer = await openWriter('', { writer: out, options: { rowGroupRows: 10 } })
    const act = (async () => {
      for (let i = 0; i < 100; i++) await writer.write(await batchOf(schema, rows(0, 10)))
      await writer.close()
    })()
    await expect(act).rejects.toBe(full)
    await writer.abort()
    expect(out).toMatchObject({ closed: false, aborted: 1 })
    await expect(writer.write(await batchOf(schema, rows(0, 1)))).rejects.toThrow()
  })

  it('notices that a store has lost bytes (known-bugs 21)', async () => {
    const out = new TestWriter()
    out.close = async () => ({ path: 'memory://w/x', sizeBytes: 5, lastModifiedMs: 0 })
    const writer = await openWriter('', { writer: out })
    await writer.write(await batchOf(schema, rows(0, 1)))
    await expect(writer.close()).rejects.toMatchObject({ code: 'ASSERTION_FAILED' })
    expect(out.aborted).toBe(1)
  })

  it('stops at its signal and leaves nothing behind', async () => {
    const path = 'memory://writer/aborted.parquet'
    const controller = new AbortController()
    const writer = await openWriter(path, {
      signal: controller.signal,
      options: { rowGroupRows: 10 },
    })
    await writer.write(await batchOf(schema, rows(0, 100)))
    controller.abort()
    await expect(writer.write(await batchOf(schema, rows(0, 1)))).rejects.toMatchObject({
      code: 'ABORTED',
    })
    await expect(writer.close()).rejects.toMatchObject({ code: 'ABORTED' })
    await writer.abort()
    await writer.abort()
    expect(await store.stat(path)).toBeNull()
  })

  it('aborts while row groups are under way', async () => {
    const out = new TestWriter()
    const writer = await openWriter('', { writer: out, options: { rowGroupRows: 1000 } })
    await writer.write(await batchOf(schema, rows(0, 2500)))
    await writer.abort()
    expect(out).toMatchObject({ closed: false, aborted: 1 })
    await expect(writer.close()).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('is closed once', async () => {
    const writer = await openWriter('memory://writer/once.parquet')
    await writer.write(await batchOf(schema, rows(0, 1)))
    await writer.close()
    await expect(writer.close()).rejects.toMatchObject({ code: 'HANDLE_CLOSED' })
    await expect(writer.flush()).rejects.toMatchObject({ code: 'HANDLE_CLOSED' })
    await writer.abort()
    expect(await store.stat('memory://writer/once.parquet')).not.toBeNull()
  })

  it('fails with the pool', async () => {
    const own = openPool({}, 1)
    const out = new TestWriter()
    const writer = await openWriter('', { writer: out, pool: own, options: { rowGroupRows: 10 } })
    await own.close()
    const act = (async () => {
      await writer.write(await batchOf(schema, rows(0, 100)))
      await writer.close()
    })()
    await expect(act).rejects.toMatchObject({ code: 'HANDLE_CLOSED' })
    expect(DEFAULT_LIMITS.workerMemoryBytes).toBeGreaterThan(0)
  })
})
