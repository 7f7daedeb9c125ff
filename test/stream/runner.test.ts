/** The micro-batch runner: exactly once into several tables, from where the tables are. streaming.md §1 to §4. */
import { describe, expect, it } from 'vitest'
import { abortedError, FloeError } from '../../src/core/errors.ts'
import { systemRuntime } from '../../src/core/runtime.ts'
import { MemoryStore } from '../../src/io/memory.ts'
import {
  KeyedState,
  type SourceOpenOptions,
  type SourceReader,
  type StreamBatch,
  type StreamEvent,
  type StreamOptions,
  type StreamTransaction,
  stream,
  type Trigger,
} from '../../src/stream/index.ts'
import { errorOf, rejectionOf } from '../support/expect-error.ts'
import { memoryLake } from '../support/lakes.ts'
import { ReadsStore } from '../support/reads-store.ts'
import { expectExact, fill, job, options, RAW, raw, TOTALS, tables } from './job.ts'
import { MemorySource } from './memory-source.ts'

describe('a stream', () => {
  it('writes several tables with the position in one commit each batch, and goes on from them', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 1000)
    const first = await stream(options(lake, source, { maxBatchRows: 300 })).done
    expect(first).toMatchObject({ batches: 4, rows: 1000 })
    await expectExact(lake, source)
    fill(source, 1000, 1500)
    const second = await stream(options(lake, source)).done
    expect(second).toMatchObject({ batches: 1, rows: 500 })
    await expectExact(lake, source)
    const [bronze, gold] = [await lake.table(RAW), await lake.table(TOTALS)]
    const id = (table: { currentSnapshot: unknown }) =>
      (table.currentSnapshot as { summary: Record<string, string> }).summary['floe.commit-id']
    expect(id(bronze)).toBe(id(gold))
    expect(source.committed.at(-1)).toBe(second.position.toText())
    // Nothing new: no commit.
    const third = await stream(options(lake, source)).done
    expect(third).toMatchObject({ batches: 0, rows: 0 })
  })

  it('folds to the same bits however the records are cut into batches', async () => {
    const results: unknown[] = []
    for (const maxBatchRows of [1, 7, 64, 5000]) {
      const lake = await memoryLake()
      await tables(lake)
      const source = new MemorySource(3)
      source.chunkRows = 13
      fill(source, 0, 120)
      await stream(options(lake, source, { maxBatchRows, expire: false })).done
      await expectExact(lake, source)
      const rows = await (await lake.table(TOTALS)).scan().toArray()
      results.push(rows.map((r) => [r['key'], r['count'], r['sum']].join(' ')).sort())
    }
    for (const result of results) expect(result).toEqual(results[0])
  })

  it('reads no metadata file once it has begun', async () => {
    const store = new ReadsStore(systemRuntime)
    await tables(await memoryLake({ store }))
    // As after a restart: what the first batch needs is read.
    const lake = await memoryLake({ store })
    const source = new MemorySource(3)
    fill(source, 0, 300)
    const reads: number[] = []
    const onProgress = (): void => void reads.push(store.takeMetadataReads().length)
    await stream(options(lake, source, { maxBatchRows: 30, onProgress })).done
    expect(reads).toEqual([2, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    await expectExact(lake, source)
  })

  it('takes changes of its tables at the same time, and keeps no file of those that go on when one fails', async () => {
    const store = new MemoryStore(systemRuntime)
    const lake = await memoryLake({ store })
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 100)
    const dataFiles = async (): Promise<string[]> => {
      const found: string[] = []
      for await (const { path } of store.list('memory://lake/')) {
        if (path.endsWith('.parquet')) found.push(path)
      }
      return found
    }
    let appended: Promise<unknown> = Promise.resolve()
    let goOn = (): void => undefined
    const failed = new Promise<void>((resolve) => (goOn = resolve))
    const both = (key: unknown) => async (batch: StreamBatch, tx: StreamTransaction) => {
      async function* rows() {
        await failed
        for (const { partition, offset } of batch.records()) {
          yield { source_partition: partition, source_offset: offset }
        }
      }
      appended = tx.append(RAW, rows())
      const total = { key, count: batch.rows, sum: 0 }
      await Promise.all([appended, tx.upsert(TOTALS, [total as never])])
    }
    const failing = stream(options(lake, source, { foreachBatch: both(null) }))
    await rejectionOf('NULL_KEY', failing.done)
    goOn()
    await rejectionOf('ABORTED', appended)
    expect(await dataFiles()).toEqual([])
    await stream(options(lake, source, { foreachBatch: both('all') })).done
    expect(await (await lake.table(RAW)).scan().count()).toBe(100)
    expect(await (await lake.table(TOTALS)).scan().toArray()).toMatchObject([{ count: 100n }])
    expect(await dataFiles()).toHaveLength(2)
  })

  it('ends what a failed try has under way before the next one begins', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 100)
    let [tries, open, most] = [0, 0, 0]
    const run = stream(
      options(lake, source, {
        foreachBatch: async (batch, tx) => {
          const fails = ++tries < 3
          most = Math.max(most, ++open)
          async function* rows() {
            for (const { partition, offset } of batch.records()) {
              yield { source_partition: partition, source_offset: offset }
              await systemRuntime.sleep(2)
            }
          }
          const other = async (): Promise<void> => {
            await systemRuntime.sleep(20)
            if (fails) throw new FloeError('STORE_UNAVAILABLE', 'away', { retryable: true })
          }
          await Promise.all([tx.append(RAW, rows()).finally(() => open--), other()])
        },
      }),
    )
    await run.done
    expect({ tries, most }).toEqual({ tries: 3, most: 1 })
    expect(await (await lake.table(RAW)).scan().count()).toBe(100)
  })

  it('waits for changes that the batch function has not waited for', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 100)
    async function* slow(batch: StreamBatch) {
      for (const { partition, offset } of batch.records()) {
        await systemRuntime.sleep(1)
        yield { source_partition: partition, source_offset: offset }
      }
    }
    const functions: StreamOptions['foreachBatch'][] = [
      (batch, tx) => void tx.append(RAW, slow(batch)),
      async (batch, tx) => {
        await Promise.resolve()
        void tx.append(RAW, slow(batch)).then(() => tx.upsert(TOTALS, []))
      },
    ]
    for (const [i, foreachBatch] of functions.entries()) {
      const id = `late-${i}`
      await stream(options(lake, source, { id, foreachBatch })).done
      expect(await (await lake.table(RAW)).scan().count()).toBe(100 * (i + 1))
    }
  })

  it('commits nothing of a batch of which a change failed that nobody waited for', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 100)
    const bad = [{ source_partition: 'none' }] as never
    const unhandled: unknown[] = []
    const onUnhandled = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', onUnhandled)
    try {
      for (const foreachBatch of [
        (_: StreamBatch, tx: StreamTransaction) => void tx.append(RAW, bad),
        async (_: StreamBatch, tx: StreamTransaction) => {
          void tx.append(RAW, bad)
          await systemRuntime.sleep(50)
        },
        async (_: StreamBatch, tx: StreamTransaction) => {
          void tx.append('x.none', [])
          await systemRuntime.sleep(50)
        },
      ]) {
        const { done } = stream(options(lake, source, { foreachBatch }))
        await expect(done).rejects.toMatchObject({ name: 'FloeError' })
      }
      await systemRuntime.sleep(10)
      expect(unhandled).toEqual([])
    } finally {
      process.off('unhandledRejection', onUnhandled)
    }
    expect((await lake.table(RAW)).metadata.snapshots).toEqual([])
    // Too late to be part of the batch: refused, and loudly.
    process.once('unhandledRejection', onUnhandled)
    const detached = (_: StreamBatch, tx: StreamTransaction): void => {
      setTimeout(() => void tx.append(RAW, []), 300)
    }
    await stream(options(lake, source, { foreachBatch: detached, id: 'detached' })).done
    await systemRuntime.sleep(400)
    expect(unhandled).toMatchObject([{ code: 'HANDLE_CLOSED' }])
    // What the function has looked at is its own matter, whenever it failed.
    for (const [i, caught] of [
      (tx: StreamTransaction) => void tx.append(RAW, bad).catch(() => undefined),
      async (tx: StreamTransaction) => {
        const changes = [tx.append(RAW, bad)]
        await systemRuntime.sleep(50)
        await Promise.allSettled(changes)
      },
    ].entries()) {
      const foreachBatch = (_: StreamBatch, tx: StreamTransaction) => caught(tx)
      await stream(options(lake, source, { foreachBatch, id: `caught-${i}` })).done
    }
    // So rows that are refused may go elsewhere.
    const elsewhere = async (batch: StreamBatch, tx: StreamTransaction): Promise<void> => {
      await tx
        .append(RAW, bad)
        .catch(() => tx.upsert(TOTALS, [{ key: 'refused', count: batch.rows, sum: 0 }]))
    }
    await stream(options(lake, source, { foreachBatch: elsewhere })).done
    expect(await (await lake.table(TOTALS)).scan().toArray()).toMatchObject([{ count: 100n }])
  })

  it('names the records for which the batch function failed', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    source.push(1, { key: 'a', value: '{"page":"home"' })
    const foreachBatch = (batch: StreamBatch): void => {
      for (const { value } of batch.records()) JSON.parse(String(value))
    }
    const error = await rejectionOf(
      'BATCH_FUNCTION_FAILED',
      stream(options(lake, source, { foreachBatch })).done,
    )
    expect(error.context).toEqual({ stream: 'test', ranges: 'events:1:0-1' })
    expect(error.cause).toBeInstanceOf(SyntaxError)
    // What floe refuses keeps its code.
    const refused = (_: StreamBatch, tx: StreamTransaction) => tx.append(RAW, [{ no: 1 }] as never)
    await rejectionOf(
      'UNKNOWN_COLUMN',
      stream(options(lake, source, { foreachBatch: refused })).done,
    )
  })

  it('fails with what a batch function throws that is none of promises', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 10)
    const foreachBatch = (): void => {
      throw new Error('the job is broken')
    }
    await expect(stream(options(lake, source, { foreachBatch })).done).rejects.toThrow(
      'the job is broken',
    )
  })

  it('does not wait for a partition of which every record has been removed', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 30)
    source.firstOffsets[1] = 10
    const started = systemRuntime.monotonicMs()
    expect(await stream(options(lake, source)).done).toMatchObject({ rows: 20 })
    expect(systemRuntime.monotonicMs() - started).toBeLessThan(30_000)
  })

  it('ends in time where the source does not answer', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const hangs = (name: 'endOffsets' | 'committed', trigger: Trigger): StreamOptions => {
      const source = new MemorySource(3)
      fill(source, 0, 10)
      const open = async (how: SourceOpenOptions): Promise<SourceReader> => {
        const reader = await source.open(how)
        return { ...reader, [name]: () => new Promise(() => undefined) }
      }
      return options(lake, source, {
        id: name,
        source: { name: 'hanging', open },
        trigger,
        stopTimeoutMs: 50,
      })
    }
    for (const run of [
      stream(hangs('endOffsets', { availableNow: true })),
      stream(hangs('committed', { intervalMs: 100 })),
    ]) {
      await systemRuntime.sleep(500)
      const started = systemRuntime.monotonicMs()
      await run.stop()
      expect(systemRuntime.monotonicMs() - started).toBeLessThan(10_000)
    }
  })

  it('takes batches by bytes, and one record that is larger alone', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    source.push(
      0,
      { key: 'a', value: '1'.repeat(100) },
      { key: 'b', value: '2'.repeat(5000) },
      { key: 'c', value: '3' },
    )
    const sizes: number[] = []
    await stream(
      options(lake, source, { maxBatchBytes: 150, onProgress: (p) => sizes.push(p.rows) }),
    ).done
    expect(sizes).toEqual([1, 1, 1])
    await expectExact(lake, source)
  })

  it('runs by interval, stops when asked, and tells how it goes', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    const events: StreamEvent[] = []
    const run = stream(
      options(lake, source, { trigger: { intervalMs: 100 }, onEvent: (e) => events.push(e) }),
    )
    fill(source, 0, 10)
    const until = async (rows: number): Promise<void> => {
      for (let i = 0; i < 500; i++) {
        const seen = events.reduce((n, e) => n + (e.type === 'progress' ? e.progress.rows : 0), 0)
        if (seen >= rows) return
        await systemRuntime.sleep(10)
      }
      throw new Error('the stream does not go on')
    }
    await until(10)
    fill(source, 10, 20)
    await until(20)
    const result = await run.stop()
    expect(result.rows).toBe(20)
    await expectExact(lake, source)
    expect(events[0]).toMatchObject({ type: 'started', position: '' })
    expect(events.at(-1)).toEqual({ type: 'terminated', id: 'test' })
    const progress = events.find((e) => e.type === 'progress')
    expect(progress).toMatchObject({ progress: { id: 'test', batch: 1, tries: 1, lagRecords: 0 } })
  })

  it('commits an empty snapshot to a table that a batch writes nothing to, so that no table lags', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    source.push(1, { key: null, value: 'x' })
    await stream(options(lake, source)).done
    const gold = await lake.table(TOTALS)
    expect(gold.metadata.snapshots.length).toBe(1)
    expect(gold.metadata.properties['floe.stream.test.offsets']).toContain('events:1:1')
    await expectExact(lake, source)
  })

  it('commits what came before a record that stops the source, then fails', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 30)
    const error = new FloeError('RECORD_TOO_LARGE', 'record events/0/5 is too large')
    source.failAt = { offset: 5, error }
    expect(await rejectionOf('RECORD_TOO_LARGE', stream(options(lake, source)).done)).toBe(error)
    await expectExact(lake, source, [5, Infinity, Infinity])
    source.failAt = undefined
    await stream(options(lake, source)).done
    await expectExact(lake, source)
  })

  it('fails with what the batch function throws, and nothing of the batch is committed', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 30)
    const own = job()
    let calls = 0
    const failing = async (batch: StreamBatch, tx: StreamTransaction): Promise<void> => {
      await own(batch, tx)
      if (++calls === 2) throw new Error('the job is broken')
    }
    await expect(
      stream(options(lake, source, { foreachBatch: failing, maxBatchRows: 10 })).done,
    ).rejects.toThrow('the job is broken')
    expect((await lake.table(RAW)).metadata.snapshots.length).toBe(1)
    await stream(options(lake, source)).done
    await expectExact(lake, source)
  })

  it('stops when another runner with its id has moved on, and loses nothing', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 30)
    let other: Promise<unknown> | undefined
    const own = job()
    const slow = async (batch: StreamBatch, tx: StreamTransaction): Promise<void> => {
      await own(batch, tx)
      other ??= stream(options(lake, source)).done
      await other
    }
    const error = await rejectionOf(
      'STREAM_CONFLICT',
      stream(options(lake, source, { foreachBatch: slow })).done,
    )
    expect(error.message).toContain('Another runner')
    await expectExact(lake, source)
  })

  it('repeats a batch while the store is away', async () => {
    const memory = new MemoryStore(systemRuntime)
    let away = 0
    const store = new Proxy(memory, {
      get(target, name, receiver) {
        const value = Reflect.get(target, name, receiver) as unknown
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if (['put', 'openWriter', 'putIfAbsent'].includes(String(name)) && away > 0) {
            away--
            return Promise.reject(new FloeError('STORE_UNAVAILABLE', 'the store is away'))
          }
          return (value as (...a: unknown[]) => unknown).apply(target, args)
        }
      },
    })
    const lake = await memoryLake({ store: store as never })
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 30)
    away = 4
    const events: StreamEvent[] = []
    await stream(options(lake, source, { onEvent: (e) => events.push(e) })).done
    expect(events.filter((e) => e.type === 'retrying').length).toBeGreaterThan(0)
    await expectExact(lake, source)
  })

  it('finds tables by their position, and takes those that the first batch writes', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 10)
    const { tables: _, ...rest } = options(lake, source)
    await stream({ ...rest, foreachBatch: job() }).done
    fill(source, 10, 20)
    await stream({ ...rest, foreachBatch: job() }).done
    await expectExact(lake, source)
    await lake.createTable('x.more', raw)
    fill(source, 20, 30)
    const error = await rejectionOf(
      'BAD_ARGUMENT',
      stream({ ...rest, foreachBatch: (_batch, tx) => tx.append('x.more', []) }).done,
    )
    expect(error.message).toContain('x.more')
  })

  it('reads its state anew after another program has changed rows of the table', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    const own = job()
    const events: StreamEvent[] = []
    let calls = 0
    const disturbed = async (batch: StreamBatch, tx: StreamTransaction): Promise<void> => {
      await own(batch, tx)
      // In the second batch, after the state was read: a correction by somebody else.
      if (++calls === 2)
        await (await lake.table(TOTALS)).upsert([{ key: 'a', count: 100, sum: 0 }] as never)
    }
    source.push(0, { key: 'a', value: '1' }, { key: 'a', value: '1' }, { key: 'a', value: '1' })
    await stream(
      options(lake, source, {
        foreachBatch: disturbed,
        maxBatchRows: 1,
        onEvent: (e) => events.push(e),
      }),
    ).done
    expect(events.filter((e) => e.type === 'retrying').length).toBe(1)
    const rows = await (await lake.table(TOTALS)).scan().toArray()
    expect(rows.map((r) => Number(r['count']))).toEqual([102])
  })

  it('gives one view of its state in a batch, however often it is opened', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    source.push(0, ...Array.from({ length: 10 }, () => ({ key: 'a', value: '1' })))
    const state = new KeyedState<number>({
      table: TOTALS,
      key: 'key',
      decode: (r) => Number(r['count']),
    })
    const twice = async (batch: StreamBatch, tx: StreamTransaction): Promise<void> => {
      const views = await Promise.all([state.open(tx), state.open(tx)])
      let i = 0
      for (const { key } of batch.records()) {
        const view = views[i++ % 2] as (typeof views)[0]
        const name = String(key)
        view.set(name, (view.get(name) ?? 0) + 1)
      }
      await tx.upsert(
        TOTALS,
        [...views[0].changed()].map(([key, count]) => ({ key, count, sum: 0 })),
      )
    }
    await stream(options(lake, source, { foreachBatch: twice, maxBatchRows: 5 })).done
    const rows = await (await lake.table(TOTALS)).scan().toArray()
    expect(rows.map((r) => Number(r['count']))).toEqual([10])
  })

  it('drops a batch that does not heed the stop in time, and one that is being opened', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 30)
    let called: (() => void) | undefined
    const inBatch = new Promise<void>((resolve) => {
      called = resolve
    })
    const run = stream(
      options(lake, source, {
        stopTimeoutMs: 50,
        foreachBatch: () => {
          called?.()
          return new Promise(() => undefined)
        },
      }),
    )
    await inBatch
    expect(await run.stop()).toMatchObject({ batches: 0, rows: 0 })
    const hanging = stream(
      options(lake, source, {
        source: {
          name: 'hanging',
          open: ({ signal }) =>
            new Promise((_, reject) => {
              signal.addEventListener('abort', () => reject(abortedError(signal, 'Opening')))
            }),
        },
      }),
    )
    await systemRuntime.sleep(20)
    expect(await hanging.stop()).toMatchObject({ batches: 0 })
    await stream(options(lake, source)).done
    await expectExact(lake, source)
  })

  it('takes all that there is from a source that gives nothing for a while', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 10)
    source.silentReads = 8
    expect(await stream(options(lake, source)).done).toMatchObject({ rows: 10 })
  })

  it('fills a table that is new to it alone, if it is told to', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 100)
    const bronze = async (batch: StreamBatch, tx: StreamTransaction): Promise<void> => {
      await tx.append(
        RAW,
        [...batch.records()].map((r) => ({
          source_partition: r.partition,
          source_offset: r.offset,
          key: Buffer.from(r.key as Uint8Array).toString(),
          value: Buffer.from(r.value as Uint8Array).toString(),
        })),
      )
    }
    await stream(options(lake, source, { tables: [RAW], foreachBatch: bronze })).done
    fill(source, 100, 150)
    const refused = await rejectionOf('BAD_ARGUMENT', stream(options(lake, source)).done)
    expect(refused.message).toContain(TOTALS)
    const groups: boolean[] = []
    const own = job()
    const watched = (batch: StreamBatch, tx: StreamTransaction): Promise<void> => {
      groups.push(tx.writes(RAW))
      return own(batch, tx)
    }
    await stream(
      options(lake, source, { backfill: [TOTALS], foreachBatch: watched, maxBatchRows: 40 }),
    ).done
    expect(groups).toContain(false)
    expect(groups.at(-1)).toBe(true)
    await expectExact(lake, source)
  })

  it('lets old snapshots expire along the way and keeps its place', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 60)
    await stream(
      options(lake, source, { maxBatchRows: 1, expire: { keepLast: 5, olderThanMs: 0 } }),
    ).done
    const { snapshots } = (await lake.table(RAW)).metadata
    expect(snapshots.length).toBeLessThan(30)
    expect(snapshots.length).toBeGreaterThanOrEqual(5)
    fill(source, 60, 70)
    await stream(options(lake, source)).done
    await expectExact(lake, source)
  })

  it('stops where its topic was made anew and has come past the position', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 30)
    await stream(options(lake, source)).done
    const before = (await lake.table(RAW)).currentSnapshot?.snapshotId
    source.recreate('second')
    fill(source, 0, 60)
    const error = await rejectionOf('OFFSET_OUT_OF_RANGE', stream(options(lake, source)).done)
    expect(error.context).toEqual({ topic: 'events', keptId: 'first', foundId: 'second' })
    expect((await lake.table(RAW)).currentSnapshot?.snapshotId).toBe(before)
  })

  it('commits nothing to tables that another runner has written of another topic of the name', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 30)
    const other = new MemorySource(3)
    other.recreate('second')
    other.push(2, { key: 'a', value: '1' })
    const own = job()
    const overtaken = async (batch: StreamBatch, tx: StreamTransaction): Promise<void> => {
      await own(batch, tx)
      await stream(options(lake, source, { maxBatchRows: 1, trigger: { once: true } })).done
    }
    // Their partitions differ, so that their positions do not meet.
    const error = await rejectionOf(
      'OFFSET_OUT_OF_RANGE',
      stream(options(lake, other, { foreachBatch: overtaken })).done,
    )
    expect(error.context).toMatchObject({ keptId: 'first', foundId: 'second' })
    await expectExact(lake, source, [1, 0, 0])
  })

  it('says once that its source tells no ids of topics, and takes those that come later', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    source.topicId = undefined
    fill(source, 0, 30)
    const events: StreamEvent[] = []
    const run = () =>
      stream(options(lake, source, { maxBatchRows: 7, onEvent: (e) => events.push(e) })).done
    await run()
    const warnings = events.filter((e) => e.type === 'warning')
    expect(warnings).toHaveLength(1)
    expect(warnings[0]?.error.message).toContain('"events"')
    source.topicId = 'first'
    fill(source, 30, 40)
    events.length = 0
    await run()
    expect(events.filter((e) => e.type === 'warning')).toEqual([])
    await expectExact(lake, source)
    source.topicId = 'second'
    await rejectionOf('OFFSET_OUT_OF_RANGE', run())
  })

  it('refuses options that make no sense, naming them', async () => {
    const lake = await memoryLake()
    const source = new MemorySource(1)
    for (const [name, more] of [
      ['id', { id: 'a b' }],
      ['trigger.intervalMs', { trigger: { intervalMs: 10 } }],
      ['trigger', { trigger: {} as never }],
      ['trigger', { trigger: { avaliableNow: true } as never }],
      ['maxBatchRows', { maxBatchRows: 0 }],
      ['tables', { tables: [] }],
      ['expire.keepLast', { expire: { keepLast: 0 } }],
    ] as const) {
      const error = errorOf('BAD_ARGUMENT', () => stream(options(lake, source, more)))
      expect(error.message).toContain(name)
    }
  })
})
