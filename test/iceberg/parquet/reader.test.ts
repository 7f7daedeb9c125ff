/** Reading by ranges: few requests, nothing that was not asked for, and no belief in what a file declares. */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS, type Limits } from '../../../src/core/limits.ts'
import { LruCache } from '../../../src/core/lru.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { resolveMetricsModes } from '../../../src/iceberg/columns/metrics-mode.ts'
import {
  type ParquetFooter,
  parseWholeFile,
  serializeFooter,
} from '../../../src/iceberg/parquet/footer.ts'
import type {
  ColumnMetaData,
  FileMetaData,
  PageHeader,
} from '../../../src/iceberg/parquet/parquet-thrift.ts'
import { PAGE_HEADER } from '../../../src/iceberg/parquet/parquet-thrift.ts'
import { planReads } from '../../../src/iceberg/parquet/range-reads.ts'
import { openParquetFile, type ParquetFile } from '../../../src/iceberg/parquet/reader.ts'
import { readThrift, writeThrift } from '../../../src/iceberg/parquet/thrift.ts'
import type { ParquetPool } from '../../../src/iceberg/parquet/worker-pool.ts'
import { openParquetWriter } from '../../../src/iceberg/parquet/writer.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import { UNSORTED } from '../../../src/iceberg/spec/sort-order.ts'
import type { NestedField } from '../../../src/iceberg/spec/types.ts'
import { LocalStore } from '../../../src/io/local.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import { inProcessPool } from '../../faults/in-process-pool.ts'
import { batchOf, openPool, readFile, writeFile, store as written } from './support.ts'

const SCHEDSTAT = '/proc/thread-self/schedstat'

class CountingStore extends MemoryStore {
  readonly ranges: { offset: number; length: number }[] = []
  override get(...args: Parameters<MemoryStore['get']>): Promise<Uint8Array> {
    const range = args[1]?.range
    if (range !== undefined) this.ranges.push(range)
    return super.get(...args)
  }
}

const pool = openPool()
afterAll(() => pool.close())

const fields: NestedField[] = ['a', 'b', 'c', 'd'].map((name, i) => ({
  id: i + 1,
  name,
  required: false,
  type: { kind: i === 3 ? 'string' : 'long' },
}))
const schema = new Schema({ schemaId: 0, fields })
const path = 'memory://reader/x.parquet'
let bytes: Uint8Array
let footer: ParquetFooter

/** A scrambled 64-bit number, so that nothing compresses. */
const noise = (n: number): bigint => BigInt.asIntN(64, BigInt(n) * 0x9e3779b97f4a7c15n)

beforeAll(async () => {
  const rows = Array.from({ length: 60_000 }, (_, n) => ({
    a: BigInt(n),
    b: noise(n),
    c: noise(n + 1),
    d: `${noise(n)} ${noise(-n)}`,
  }))
  await writeFile(pool, path, schema, [await batchOf(schema, rows)], {
    options: { rowGroupRows: 20_000 },
  })
  bytes = await written.get(path)
  footer = parseWholeFile(bytes, path, DEFAULT_LIMITS)
})

async function open(
  content: Uint8Array = bytes,
  limits: Partial<Limits> = {},
): Promise<{ file: ParquetFile; store: CountingStore }> {
  const store = new CountingStore(systemRuntime)
  await store.put(path, content)
  const file = await openParquetFile(store, path, {
    pool,
    limits: { ...DEFAULT_LIMITS, ...limits },
  })
  return { file, store }
}

/** The file with another footer. */
function withFooter(change: (metadata: FileMetaData) => FileMetaData): Uint8Array {
  return Buffer.concat([bytes.subarray(0, footer.offset), serializeFooter(change(footer.metadata))])
}

/** The file with other metadata of one column in its first row group. */
function withColumn(
  column: number,
  change: (meta: ColumnMetaData) => Partial<ColumnMetaData>,
): Uint8Array {
  return withFooter((metadata) => ({
    ...metadata,
    row_groups: metadata.row_groups.map((group, g) => ({
      ...group,
      columns: group.columns.map((chunk, c) => {
        const meta = chunk.meta_data as ColumnMetaData
        return g === 0 && c === column
          ? { ...chunk, meta_data: { ...meta, ...change(meta) } }
          : chunk
      }),
    })),
  }))
}

describe('reading by ranges', () => {
  it('fetches the chunks of the wanted columns of one row group, neighbours together', async () => {
    const { file, store } = await open()
    store.ranges.length = 0
    const projection = file.project([fields[2] as NestedField, fields[1] as NestedField])
    for await (const _ of file.readRowGroup(1, projection)) {
      // Only the requests count here.
    }
    const group = footer.metadata.row_groups[1]
    const [b, c] = [group?.columns[1]?.meta_data, group?.columns[2]?.meta_data]
    const length = (b?.total_compressed_size ?? 0) + (c?.total_compressed_size ?? 0)
    expect(store.ranges).toEqual([{ offset: b?.data_page_offset, length }])
  })

  it('reads nothing until a batch is asked for, and no more once the loop is left', async () => {
    const { file, store } = await open()
    const before = store.ranges.length
    const batches = file.readRowGroup(0, file.project(fields), { batchRows: 1000 })
    expect(store.ranges.length).toBe(before)
    for await (const { batch } of batches) {
      expect(batch.numRows).toBe(1000)
      break
    }
    const after = store.ranges.length
    expect(await batches.next()).toMatchObject({ done: true })
    expect(store.ranges.length).toBe(after)
  })

  it('stops at the signal', async () => {
    const { file } = await open()
    const controller = new AbortController()
    const batches = file.readRowGroup(0, file.project(fields), {
      batchRows: 1000,
      signal: controller.signal,
    })
    await batches.next()
    controller.abort()
    await expect(batches.next()).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('keeps footers in the cache that it is given', async () => {
    const { store } = await open()
    store.ranges.length = 0
    const footerCache = new LruCache<string, ParquetFooter>(1e6)
    const options = { pool, limits: DEFAULT_LIMITS, footerCache }
    await openParquetFile(store, path, options)
    const again = await openParquetFile(store, path, options)
    expect(store.ranges.length).toBe(1)
    expect(again.rowGroups.length).toBe(3)
  })

  it('refuses a row group that is not there', async () => {
    const { file } = await open()
    const act = file.readRowGroup(3, file.project(fields)).next()
    await expect(act).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  })

  it('plans reads that cover every chunk once, bridge small gaps and stay small', () => {
    const mib = 2 ** 20
    const ranges = [
      { offset: 40 * mib, length: 20 * mib },
      { offset: 4, length: 100 },
      { offset: 1000, length: 5 },
      { offset: mib, length: 0 },
      { offset: 2 * mib, length: 10 },
    ]
    let to = 4
    const chunks = ranges.map(({ length }) => {
      const chunk = { offset: to, length, numValues: 1, column: 'x' }
      to += length
      return chunk
    })
    const reads = planReads({ ranges, chunks } as unknown as Parameters<typeof planReads>[0])
    expect(reads.map((r) => [r.offset, r.length])).toEqual([
      [4, 1001],
      [2 * mib, 10],
      [40 * mib, 8 * mib],
      [48 * mib, 8 * mib],
      [56 * mib, 4 * mib],
    ])
    const copied = reads.flatMap((r) => r.copies.map((c) => [r.offset + c.from, c.to, c.length]))
    expect(copied).toEqual([
      [4, 4 + 20 * mib, 100],
      [1000, 104 + 20 * mib, 5],
      [2 * mib, 109 + 20 * mib, 10],
      [40 * mib, 4, 8 * mib],
      [48 * mib, 4 + 8 * mib, 8 * mib],
      [56 * mib, 4 + 16 * mib, 4 * mib],
    ])
  })
})

describe('what a file declares', () => {
  const cases: [string, () => Uint8Array, string][] = [
    [
      'a chunk before the data',
      () => withColumn(1, () => ({ data_page_offset: 0 })),
      'CORRUPT_PARQUET',
    ],
    [
      'a chunk behind the data',
      () => withColumn(1, () => ({ data_page_offset: bytes.length })),
      'CORRUPT_PARQUET',
    ],
    [
      'a chunk over the footer',
      () => withColumn(1, () => ({ total_compressed_size: bytes.length })),
      'CORRUPT_PARQUET',
    ],
    [
      'a chunk of negative size',
      () => withColumn(1, () => ({ total_compressed_size: -1 })),
      'CORRUPT_PARQUET',
    ],
    [
      'a chunk of less than nothing decompressed',
      () => withColumn(1, () => ({ total_uncompressed_size: -1 })),
      'CORRUPT_PARQUET',
    ],
    [
      'a chunk somewhere in the data',
      () => withColumn(1, (m) => ({ data_page_offset: m.data_page_offset + 3 })),
      'CORRUPT_PARQUET',
    ],
    [
      'more values than there are',
      () => withColumn(1, () => ({ num_values: 20_001 })),
      'CORRUPT_PARQUET',
    ],
    [
      'fewer values than rows',
      () => withColumn(1, () => ({ num_values: 19_999 })),
      'CORRUPT_PARQUET',
    ],
    ['values without end', () => withColumn(1, () => ({ num_values: 2 ** 50 })), 'CORRUPT_PARQUET'],
    [
      'bytes without end',
      () => withColumn(1, () => ({ total_uncompressed_size: 2 ** 40 })),
      'LIMIT_EXCEEDED',
    ],
    ['another codec', () => withColumn(1, () => ({ codec: 2 })), 'CORRUPT_PARQUET'],
    ['a codec that nobody has', () => withColumn(1, () => ({ codec: 77 })), 'UNSUPPORTED_CODEC'],
    ['another physical type', () => withColumn(1, () => ({ type: 1 })), 'CORRUPT_PARQUET'],
    [
      'rows without end',
      () =>
        withFooter((m) => ({
          ...m,
          row_groups: m.row_groups.map((g) => ({ ...g, num_rows: 2 ** 40 })),
        })),
      'CORRUPT_PARQUET',
    ],
    [
      'more rows than there are',
      () =>
        withFooter((m) => ({
          ...m,
          row_groups: m.row_groups.map((g) => ({ ...g, num_rows: 30_000 })),
        })),
      'CORRUPT_PARQUET',
    ],
    [
      'negative rows',
      () =>
        withFooter((m) => ({
          ...m,
          row_groups: m.row_groups.map((g) => ({ ...g, num_rows: -1 })),
        })),
      'CORRUPT_PARQUET',
    ],
    [
      'fewer columns than its schema',
      () =>
        withFooter((m) => ({
          ...m,
          row_groups: m.row_groups.map((g) => ({ ...g, columns: g.columns.slice(1) })),
        })),
      'CORRUPT_PARQUET',
    ],
    [
      'columns in another file',
      () =>
        withFooter((m) => ({
          ...m,
          row_groups: m.row_groups.map((g) => ({
            ...g,
            columns: g.columns.map((c) => ({ ...c, file_path: '/etc/passwd' })),
          })),
        })),
      'CORRUPT_PARQUET',
    ],
    [
      'columns without metadata',
      () =>
        withFooter((m) => ({
          ...m,
          row_groups: m.row_groups.map((g) => ({
            ...g,
            columns: g.columns.map(() => ({ file_offset: 4 })),
          })),
        })),
      'CORRUPT_PARQUET',
    ],
  ]
  it.each(cases)('is not believed: %s', async (_, content, code) => {
    const { file } = await open(content())
    const act = readFile(file, fields.slice(0, 3)).then((rows) => `${rows.length} rows`)
    await expect(act).rejects.toMatchObject({ code })
    await expect(act).rejects.toThrow(path)
  })

  it('is held against the limit before anything is read', async () => {
    const { file, store } = await open(bytes, { rowGroupBytes: 100_000 })
    store.ranges.length = 0
    await expect(readFile(file, fields)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      context: { limit: 'rowGroupBytes', max: 100_000 },
    })
    expect(store.ranges).toEqual([])
  })

  it('is compared with what the pages say: a bomb behind a modest footer', async () => {
    const small = new Schema({ schemaId: 0, fields: [fields[3] as NestedField] })
    const at = 'memory://reader/bomb.parquet'
    const rows = Array.from({ length: 500 }, (_, n) => ({ d: `${n}${'x'.repeat(5000)}` }))
    await writeFile(pool, at, small, [await batchOf(small, rows)])
    const { metadata, offset } = parseWholeFile(await written.get(at), at, DEFAULT_LIMITS)
    const bomb = Buffer.concat([
      (await written.get(at)).subarray(0, offset),
      serializeFooter({
        ...metadata,
        row_groups: metadata.row_groups.map((g) => ({
          ...g,
          columns: g.columns.map((c) => ({
            ...c,
            meta_data: { ...(c.meta_data as ColumnMetaData), total_uncompressed_size: 4000 },
          })),
        })),
      }),
    ])
    const { file } = await open(bomb, { rowGroupBytes: 1_000_000 })
    await expect(readFile(file, small.fields)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
  })

  it('has to agree with the checksums of its pages, where there are any', async () => {
    // The first page of column a with a checksum, which takes the place of the bytes behind it in the chunk.
    const chunk = footer.metadata.row_groups[0]?.columns[0]?.meta_data as ColumnMetaData
    const { value, end } = readThrift<PageHeader>(PAGE_HEADER, bytes, 'x', chunk.data_page_offset)
    const header = writeThrift(PAGE_HEADER, { ...value, crc: 12_345 })
    const page = bytes.subarray(end, end + value.compressed_page_size)
    const moved = Buffer.concat([bytes.subarray(0, footer.offset), header, page])
    const content = Buffer.concat([
      moved,
      withColumn(0, (m) => ({
        data_page_offset: footer.offset,
        total_compressed_size: header.length + page.length,
        num_values: Math.min(m.num_values, value.data_page_header?.num_values ?? 0),
      })).subarray(footer.offset),
    ])
    const { file } = await open(content)
    await expect(readFile(file, fields.slice(0, 1))).rejects.toMatchObject({
      code: 'CHECKSUM_MISMATCH',
      context: { file: path, column: 'a', page: 0 },
    })
  })
})

describe('the event loop', () => {
  // Where the system says how long a thread had a processor: that does not depend on what else runs.
  it.runIf(existsSync(SCHEDSTAT))(
    'is held up for a small part of the time that a large file takes without other threads',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'floe-stall-'))
      const store = new LocalStore({ runtime: systemRuntime, durability: 'os' })
      const large = `${pathToFileURL(folder).href}/large.parquet`
      const rows = Array.from({ length: 32_000 }, (_, n) => ({
        a: BigInt(n),
        b: noise(n),
        c: noise(n + 1),
        d: `${noise(n)} ${noise(-n)}`,
      }))
      const batch = await batchOf(schema, rows)
      const modes = resolveMetricsModes(schema, {}, UNSORTED)
      await pool.prewarm()
      const writeAndRead = async (by: ParquetPool): Promise<void> => {
        const writer = await openParquetWriter({
          writer: await store.openWriter(large),
          schema,
          pool: by,
          modes,
          properties: { 'write.parquet.compression-codec': 'uncompressed' },
        })
        for (let i = 0; i < 32; i++) await writer.write(batch)
        expect((await writer.close()).sizeBytes).toBeGreaterThan(60e6)
        const file = await openParquetFile(store, large, { pool: by, limits: DEFAULT_LIMITS })
        const projection = file.project(fields)
        let count = 0
        for (const { index } of file.rowGroups) {
          for await (const part of file.readRowGroup(index, projection)) {
            count += part.batch.numRows
          }
        }
        expect(count).toBe(32 * 32_000)
      }
      try {
        const here = await longestPiece(() => writeAndRead(inProcessPool(pool)))
        expect(await longestPiece(() => writeAndRead(pool))).toBeLessThan(here / 4)
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
    120_000,
  )
})

/** Nanoseconds for which this thread has had a processor. */
function threadCpuNanos(): number {
  return Number(readFileSync(SCHEDSTAT, 'utf8').split(' ')[0])
}

/** The most that this thread does from one turn of the event loop to the next, in nanoseconds of processor time. */
async function longestPiece(task: () => Promise<void>): Promise<number> {
  let longest = 0
  let last = threadCpuNanos()
  const turn = (): void => {
    const now = threadCpuNanos()
    longest = Math.max(longest, now - last)
    last = now
    next = setImmediate(turn)
  }
  let next = setImmediate(turn)
  try {
    await task()
    return longest
  } finally {
    clearImmediate(next)
  }
}
