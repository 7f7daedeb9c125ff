/** Runners that share a stream and its partitions, as members of one consumer group do. streaming.md §2, §6. */
import { describe, expect, it } from 'vitest'
import { isFloeError } from '../../src/core/errors.ts'
import { type Runtime, systemRuntime } from '../../src/core/runtime.ts'
import type { Lake } from '../../src/index.ts'
import {
  type StreamBatch,
  type StreamEvent,
  type StreamOptions,
  type StreamRun,
  type StreamTransaction,
  stream,
} from '../../src/stream/index.ts'
import { seededRandom } from '../../src/testing/index.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { memoryLake } from '../support/lakes.ts'
import { expectExact, fill, job, options, TOTALS, tables } from './job.ts'
import { MemorySource } from './memory-source.ts'

const one = process.env['FLOE_GROUP_SEED']
const seeds = one === undefined ? [1, 2, 3, 4] : [Number(one)]

async function set(): Promise<{ lake: Lake; source: MemorySource }> {
  const lake = await memoryLake()
  await tables(lake)
  return { lake, source: new MemorySource(3, 'events', 'group') }
}

/** One runner, which has committed of all partitions. */
async function begun(): Promise<{ lake: Lake; source: MemorySource; first: Watched }> {
  const { lake, source } = await set()
  const first = new Watched(lake, source)
  await until(() => source.members?.length === 1)
  fill(source, 0, 30)
  await until(() => first.rows === 30)
  return { lake, source, first }
}

/** A runner whose batches wait until they are let go, with what it has told. */
class Watched {
  readonly run: StreamRun
  readonly events: StreamEvent[] = []
  /** Called in each batch, before its commit. */
  before: (batch: StreamBatch) => Promise<void> = () => Promise.resolve()

  constructor(lake: Lake, source: MemorySource, more: Partial<StreamOptions> = {}) {
    const own = job()
    this.run = stream(
      options(lake, source, {
        trigger: { intervalMs: 100 },
        foreachBatch: async (batch: StreamBatch, tx: StreamTransaction) => {
          await own(batch, tx)
          await this.before(batch)
        },
        onEvent: (event) => this.events.push(event),
        ...more,
      }),
    )
    this.run.done.catch(() => undefined)
  }

  get rows(): number {
    return this.events.reduce((n, e) => n + (e.type === 'progress' ? e.progress.rows : 0), 0)
  }

  get conflicts(): number {
    return this.events.filter(
      (e) => e.type === 'warning' && isFloeError(e.error, 'STREAM_CONFLICT'),
    ).length
  }
}

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (what()) return
    await systemRuntime.sleep(10)
  }
  throw new Error('what was waited for did not happen')
}

/** Commits a batch of its own, as a program would that is not in the group. */
async function outsider(lake: Lake, source: MemorySource): Promise<void> {
  const alone = new MemorySource(3)
  for (const p of [0, 1, 2]) alone.push(p, ...source.records(p))
  await stream(options(lake, alone, { trigger: { once: true }, maxBatchRows: 1 })).done
}

describe('runners that share partitions', () => {
  let dropped = 0

  it('goes on where the tables are when the reader before it commits late', async () => {
    const { lake, source } = await set()
    const first = new Watched(lake, source)
    await until(() => source.members?.length === 1)
    const second = new Watched(lake, source)
    await until(() => source.members?.length === 2)
    let late: (() => void) | undefined
    first.before = () => new Promise((resolve) => (late = resolve))
    let early: (() => void) | undefined
    second.before = () => new Promise((resolve) => (early = resolve))
    fill(source, 0, 30)
    await until(() => late !== undefined)
    // The first one has all in a batch; two of three partitions go to the second, which reads them from the start.
    source.share([0], [1, 2])
    await until(() => early !== undefined)
    first.before = () => Promise.resolve()
    late?.()
    await until(() => first.rows === 30)
    second.before = () => Promise.resolve()
    early?.()
    await until(() => second.conflicts === 1)
    fill(source, 30, 60)
    await until(() => first.rows === 40 && second.rows === 20)
    await Promise.all([first.run.stop(), second.run.stop()])
    expect(first.conflicts).toBe(0)
    expect(second.conflicts).toBe(1)
    await expectExact(lake, source)
  })

  it('drops what it has under way of partitions that it lost, when their new reader was faster', async () => {
    const { lake, source } = await set()
    const first = new Watched(lake, source)
    await until(() => source.members?.length === 1)
    const second = new Watched(lake, source)
    await until(() => source.members?.length === 2)
    let late: (() => void) | undefined
    first.before = () => new Promise((resolve) => (late = resolve))
    fill(source, 0, 30)
    await until(() => late !== undefined)
    source.share([0], [1, 2])
    await until(() => second.rows === 20)
    first.before = () => Promise.resolve()
    late?.()
    await until(() => first.rows === 10)
    await Promise.all([first.run.stop(), second.run.stop()])
    expect(first.conflicts).toBe(1)
    await expectExact(lake, source)
  })

  it('drops what it has read of partitions that it lost, with no conflict', async () => {
    const { lake, source } = await set()
    const first = new Watched(lake, source, { trigger: { intervalMs: 500 } })
    await until(() => source.members?.length === 1)
    const second = new Watched(lake, source)
    await until(() => source.members?.length === 2)
    await systemRuntime.sleep(550)
    // Read by the first, and not in a batch yet.
    fill(source, 0, 30)
    await systemRuntime.sleep(50)
    source.share([], [0, 1, 2])
    await until(() => second.rows === 30)
    source.share([0, 1, 2], [])
    fill(source, 30, 60)
    await until(() => first.rows === 30)
    await Promise.all([first.run.stop(), second.run.stop()])
    expect([first.conflicts, second.conflicts]).toEqual([0, 0])
    await expectExact(lake, source)
  })

  it('asks the group where nobody has told it that it is no member any more', async () => {
    const { lake, source, first } = await begun()
    let late: (() => void) | undefined
    first.before = () => new Promise((resolve) => (late = resolve))
    fill(source, 30, 60)
    await until(() => late !== undefined)
    const [zombie] = source.members ?? []
    if (zombie === undefined) throw new Error('there is no member')
    zombie.isMember = false
    const second = new Watched(lake, source)
    await until(() => source.members?.length === 2)
    source.members?.[1]?.give([0, 1, 2])
    await until(() => second.rows === 30)
    late?.()
    await until(() => first.conflicts === 1)
    // It reads nothing until the group gives it something.
    fill(source, 60, 90)
    await until(() => second.rows === 60)
    first.before = () => Promise.resolve()
    source.share([0, 1, 2], [])
    fill(source, 90, 120)
    await until(() => first.rows === 60)
    await Promise.all([first.run.stop(), second.run.stop()])
    await expectExact(lake, source)
  })

  it('stops where one who is not in the group has moved a partition that it has and has committed', async () => {
    const { lake, source, first } = await begun()
    first.before = () => outsider(lake, source)
    fill(source, 30, 60)
    const error = await rejectionOf('STREAM_CONFLICT', first.run.done)
    expect(error.message).toContain('Another runner')
    expect(first.conflicts).toBe(0)
  })

  it('stops where a table was made anew between two rebalances: what the source has lost would be missing there', async () => {
    const { lake, source, first } = await begun()
    await lake.dropTable(TOTALS)
    await tables(lake)
    for (const p of [0, 1, 2]) source.firstOffsets[p] = 5
    source.share([0, 1, 2])
    const error = await rejectionOf('STREAM_CONFLICT', first.run.done)
    expect(error.context).toMatchObject({ table: TOTALS })
    expect((await lake.table(TOTALS)).metadata.snapshots).toEqual([])
  })

  it('does not go on for ever where a partition that it got keeps being moved', async () => {
    const { lake, source } = await set()
    fill(source, 0, 60)
    // Long enough for a second conflict on a machine that is busy.
    const first = new Watched(lake, source, { retryTimeoutMs: 3000 })
    first.before = () => outsider(lake, source)
    await rejectionOf('STREAM_CONFLICT', first.run.done)
    expect(first.conflicts).toBeGreaterThan(1)
  })

  it('stops where a partition that it got keeps being moved and the group says that it is alone with it', async () => {
    const { lake, source } = await set()
    fill(source, 0, 60)
    // Waits of retries take no time.
    const runtime: Runtime = {
      ...systemRuntime,
      sleep: (ms, signal) => systemRuntime.sleep(Math.min(ms, 20), signal),
    }
    const first = new Watched(lake, source, { runtime })
    first.before = () => outsider(lake, source)
    await rejectionOf('STREAM_CONFLICT', first.run.done)
    expect(first.conflicts).toBe(8)
    // Where the group has gone on without it there is more to come.
    const second = new Watched(lake, source, { runtime })
    await until(() => source.members?.length === 2)
    source.share([], [0, 1, 2])
    second.before = () => {
      if (source.members?.[1] !== undefined) source.members[1].isMember = second.conflicts < 8
      return second.conflicts < 9 ? outsider(lake, source) : Promise.resolve()
    }
    await until(() => second.conflicts === 9)
    source.share([], [0, 1, 2])
    await until(() => second.rows > 0)
    await second.run.stop()
  })

  it('does not take itself for done while the group has gone on without it', async () => {
    const { lake, source } = await set()
    fill(source, 0, 30)
    const own = job()
    let batches = 0
    const run = stream(
      options(lake, source, {
        maxBatchRows: 4,
        foreachBatch: async (batch, tx) => {
          await own(batch, tx)
          if (++batches !== 2) return
          // Asleep for longer than its session: another member has committed, and this one is let in again later.
          const other = new MemorySource(3)
          for (const p of [0, 1, 2]) other.push(p, ...source.records(p))
          const once = { trigger: { once: true }, maxBatchRows: 3 } as const
          await stream(options(lake, other, once)).done
          const member = source.members?.[0]
          if (member !== undefined) member.isMember = false
          setTimeout(() => source.share([0, 1, 2]), 500)
        },
      }),
    )
    await run.done
    await expectExact(lake, source)
  })

  it('takes what there is, and ends, while partitions come and go', async () => {
    const { lake, source } = await set()
    fill(source, 0, 60)
    let batches = 0
    const first = new Watched(lake, source, { trigger: { availableNow: true }, maxBatchRows: 10 })
    first.before = async () => {
      if (++batches === 2) source.share([1, 2])
      if (batches === 3) source.share([0, 1, 2])
    }
    expect((await first.run.done).rows).toBe(60)
    await expectExact(lake, source)
  })

  it.each(seeds)(
    'takes every offset once while partitions go from one to the other, seed %i',
    async (seed) => {
      const random = seededRandom(seed)
      const { lake, source } = await set()
      source.chunkRows = 7
      const pick = (n: number): number => Math.floor(random() * n)
      const runners = Array.from({ length: 3 }, () => {
        const runner = new Watched(lake, source, { maxBatchRows: 5 })
        runner.before = () => systemRuntime.sleep(pick(40))
        return runner
      })
      await until(() => source.members?.length === 3)
      let pushed = 0
      for (let round = 0; round < 12; round++) {
        fill(source, pushed, (pushed += pick(20)))
        await systemRuntime.sleep(pick(150))
        const shares: number[][] = [[], [], []]
        for (const p of [0, 1, 2]) shares[pick(3)]?.push(p)
        source.share(...shares)
      }
      await until(() => runners.reduce((n, { rows }) => n + rows, 0) === pushed)
      dropped += runners.reduce((n, { conflicts }) => n + conflicts, 0)
      const ended = await Promise.all(runners.map(({ run }) => run.stop()))
      expect(ended.reduce((n, { rows }) => n + rows, 0)).toBe(pushed)
      await expectExact(lake, source)
    },
  )

  it.runIf(one === undefined)('have met batches of each other', () => {
    expect(dropped).toBeGreaterThan(0)
  })
})
