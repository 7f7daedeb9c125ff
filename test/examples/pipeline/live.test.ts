/** Generator, stream, tables and check together, and what the check finds when something is wrong. */
import { describe, expect, it, vi } from 'vitest'
import { BRONZE, bronzeBatches } from '../../../examples/pipeline/bronze.ts'
import { checkPipeline } from '../../../examples/pipeline/check.ts'
import type { SinkRecord } from '../../../examples/pipeline/event-sink.ts'
import { EventGenerator } from '../../../examples/pipeline/generator.ts'
import { GOLD } from '../../../examples/pipeline/gold.ts'
import { startJob } from '../../../examples/pipeline/job.ts'
import { type LiveOptions, runLive } from '../../../examples/pipeline/live.ts'
import { topVideos } from '../../../examples/pipeline/top-videos.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import type { Lake } from '../../../src/index.ts'
import { memoryLake } from '../../support/lakes.ts'
import { chunkOf } from './chunks.ts'
import { MemoryTopic } from './memory-topic.ts'

const LONGEST_TIMER_MS = 2 ** 31 - 1
/** How many of the longest timers fire at once: so long a time passes in no other way here. */
const longTimers = vi.hoisted(() => ({ toFire: 0, set: 0 }))
vi.mock('node:timers/promises', async (original) => {
  const { setTimeout: real } = await original<typeof import('node:timers/promises')>()
  const setTimeout: typeof real = (ms, value, options) => {
    const isLongest = ms === LONGEST_TIMER_MS
    if (isLongest) longTimers.set++
    return real(isLongest && longTimers.toFire-- > 0 ? 1 : ms, value, options)
  }
  return { setTimeout }
})

const NOW = Date.UTC(2026, 0, 15, 12)
const never = new AbortController().signal

function liveOptions(lake: Lake, topic: MemoryTopic, change: Partial<LiveOptions>): LiveOptions {
  return {
    lake: lake as never,
    source: topic,
    sink: topic,
    generator: new EventGenerator({ seed: 1, malformedShare: 0.05, videos: 100 }),
    rate: 4000,
    forMs: 1500,
    trigger: { intervalMs: 200 },
    signal: never,
    out: { write: () => undefined },
    ...change,
  }
}

/** Puts events through the job until all are committed. */
async function fill(lake: Lake, topic: MemoryTopic): Promise<void> {
  const { run } = await startJob({
    lake: lake as never,
    source: topic,
    trigger: { availableNow: true },
    maxBatchRows: 700,
  })
  await run.done
}

const problemsOf = async (
  lake: Lake,
  windowRows?: number,
): Promise<Record<string, readonly string[]>> =>
  Object.fromEntries(
    (await checkPipeline(lake as never, windowRows))
      .filter(({ problems }) => problems.length > 0)
      .map(({ name, problems }) => [name, problems]),
  )

describe('runLive', () => {
  it('takes all that was sent, and finds nothing wrong', async () => {
    const lake = await memoryLake()
    const topic = new MemoryTopic(3)
    const options = liveOptions(lake, topic, {})
    const result = await runLive(options)
    expect(result.checks.filter(({ problems }) => problems.length > 0)).toEqual([])
    expect(result.rows).toBe(options.generator?.counts.events)
    expect(result.rows).toBeGreaterThan(1000)
    const { folded, ignored, ahead } = result.folded
    expect(folded + ignored + ahead).toBe(result.rows)
    expect(ignored).toBeGreaterThan(0)
    const top = await topVideos(lake as never, 10, Date.now())
    expect(top).toHaveLength(10)
    expect(top[0]?.score).toBeGreaterThan(top[9]?.score as number)
  })

  it('goes on where it was', async () => {
    const lake = await memoryLake()
    const topic = new MemoryTopic(2)
    const first = await runLive(liveOptions(lake, topic, { forMs: 500 }))
    const second = await runLive(liveOptions(lake, topic, { forMs: 500 }))
    expect(second.checks.filter(({ problems }) => problems.length > 0)).toEqual([])
    const records = topic.partitions.reduce((sum, { length }) => sum + length, 0)
    expect(first.rows + second.rows).toBe(records)
  })

  it('takes what was sent before its end, also where the next batch is far away', async () => {
    const lake = await memoryLake()
    const topic = new MemoryTopic(2)
    const trigger = { intervalMs: 3_600_000 }
    const result = await runLive(liveOptions(lake, topic, { forMs: 500, trigger }))
    const records = topic.partitions.reduce((sum, { length }) => sum + length, 0)
    expect(result).toMatchObject({ sent: records, rows: records, batches: 1, unread: 0 })
    expect(result.folded.folded).toBeGreaterThan(0)
    expect(result.checks.filter(({ problems }) => problems.length > 0)).toEqual([])
  })

  it('says how much is unread where it was ended before that', async () => {
    const lake = await memoryLake()
    const topic = new MemoryTopic(2)
    const stop = new AbortController()
    const trigger = { intervalMs: 3_600_000 }
    const change = { forMs: 60_000, trigger, signal: stop.signal }
    const running = runLive(liveOptions(lake, topic, change))
    const sent = (): number => topic.partitions.reduce((sum, { length }) => sum + length, 0)
    while (sent() < 400) await systemRuntime.sleep(20)
    stop.abort()
    expect(await running).toMatchObject({ rows: 0, unread: sent() })
  })

  it('ends when it is asked to, with the batch under way', async () => {
    const lake = await memoryLake()
    const stop = new AbortController()
    const running = runLive(
      liveOptions(lake, new MemoryTopic(2), {
        forMs: Number.POSITIVE_INFINITY,
        signal: stop.signal,
      }),
    )
    const hasRows = async (): Promise<boolean> =>
      (await lake.listTables('gold')).length > 0 &&
      (await lake.table(GOLD)).currentSnapshot !== undefined
    while (!(await hasRows())) await systemRuntime.sleep(20)
    stop.abort()
    const result = await running
    expect(result.checks.filter(({ problems }) => problems.length > 0)).toEqual([])
  })

  it.each([
    ['events were sent and none was read', 4000],
    ['nothing was sent', 0],
  ])('holds where it was ended before the first commit, and %s', async (_, rate) => {
    const lake = await memoryLake()
    const topic = new MemoryTopic(2)
    const stop = new AbortController()
    const sent = (): number => topic.partitions.reduce((sum, { length }) => sum + length, 0)
    const running = runLive(
      liveOptions(lake, topic, {
        rate,
        forMs: Number.POSITIVE_INFINITY,
        trigger: { intervalMs: 3_600_000 },
        // Has records, and gives none.
        source: new MemoryTopic(2),
        signal: stop.signal,
      }),
    )
    const hasTables = async (): Promise<boolean> => (await lake.listTables('gold')).length > 0
    while (!(await hasTables()) || sent() < rate / 10) await systemRuntime.sleep(20)
    stop.abort()
    const result = await running
    expect(result).toMatchObject({ rows: 0, batches: 0, sent: sent() })
    expect(result.checks.filter(({ problems }) => problems.length > 0)).toEqual([])
    expect(result.checks.map(({ detail }) => detail)).toContain('nothing committed yet')
    // Not for a stream that says it has committed something.
    const others = await checkPipeline(lake as never, undefined, 1)
    expect(others.flatMap(({ problems }) => problems)).toEqual([
      'bronze.raw_events has no ledger of the stream',
      'gold.virality_state has no ledger of the stream',
    ])
  })

  it('goes on forever, also after the longest timer', async () => {
    Object.assign(longTimers, { toFire: 2, set: 0 })
    const lake = await memoryLake()
    const stop = new AbortController()
    const change = { forMs: Number.POSITIVE_INFINITY, signal: stop.signal }
    let hasEnded = false
    const running = runLive(liveOptions(lake, new MemoryTopic(1), change)).finally(() => {
      hasEnded = true
    })
    while (longTimers.set < 3 && !hasEnded) await systemRuntime.sleep(5)
    expect(hasEnded).toBe(false)
    stop.abort()
    await running
  })

  it('fails when the stream does', async () => {
    const lake = await memoryLake()
    const topic = new MemoryTopic(2)
    setTimeout(() => topic.fail(new Error('the disk is gone')), 400)
    await expect(runLive(liveOptions(lake, topic, { forMs: 60_000 }))).rejects.toThrow(
      'the disk is gone',
    )
  })

  it('fails when events cannot be sent', async () => {
    const lake = await memoryLake()
    const sink = { send: () => Promise.reject(new Error('no broker')) }
    await expect(
      runLive(liveOptions(lake, new MemoryTopic(1), { sink, forMs: 60_000 })),
    ).rejects.toThrow('no broker')
  })
})

const detailOfGold = async (lake: Lake): Promise<string | undefined> =>
  (await checkPipeline(lake as never)).find(({ name }) => name.startsWith('Gold'))?.detail

describe('checkPipeline finds nothing', () => {
  const events = (seed: number, count: number): readonly SinkRecord[] =>
    new EventGenerator({ seed, videos: 30, malformedShare: 0.05 }).take(count, NOW)

  it('where two topics have gone into the tables one after the other', async () => {
    const lake = await memoryLake()
    for (const [i, name] of ['b', 'a'].entries()) {
      const topic = new MemoryTopic(2, name)
      await topic.send(events(i + 1, 600))
      await fill(lake, topic)
    }
    expect(await problemsOf(lake)).toEqual({})
    expect(await detailOfGold(lake)).toMatch(
      /^\d+ videos bit by bit, [1-9]\d* with events in several/,
    )
  })

  it('where events of a video are in several partitions, whatever the order of the batches', async () => {
    const lake = await memoryLake()
    const topic = new MemoryTopic(2)
    for (let round = 1; round < 5; round++) {
      topic.partitions[round % 2]?.push(...events(round, 300))
      await fill(lake, topic)
    }
    expect(await problemsOf(lake)).toEqual({})
    expect(await problemsOf(lake, 100)).toEqual({})
    expect(await detailOfGold(lake)).toMatch(
      /^\d+ videos bit by bit, [1-9]\d* with events in several/,
    )
  })

  it('in 10,000 partitions, with memory for what they have', async () => {
    const lake = await memoryLake()
    const topic = new MemoryTopic(10_000)
    for (const partition of topic.partitions) {
      partition.push({ key: null, value: null, timestampMs: NOW })
    }
    await fill(lake, topic)
    const before = process.memoryUsage().arrayBuffers
    let most = before
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers)
    }, 1)
    try {
      expect(await problemsOf(lake)).toEqual({})
    } finally {
      clearInterval(watch)
    }
    expect(most - before).toBeLessThan(512 * 1024 * 1024)
  })
})

describe('checkPipeline finds', () => {
  async function filled(): Promise<{ lake: Lake; topic: MemoryTopic }> {
    const lake = await memoryLake()
    const topic = new MemoryTopic(2)
    await topic.send(
      new EventGenerator({ seed: 9, videos: 30, malformedShare: 0.05 }).take(2000, NOW),
    )
    await fill(lake, topic)
    expect(await problemsOf(lake)).toEqual({})
    return { lake, topic }
  }

  it('a record that is missing', async () => {
    const { lake } = await filled()
    const table = await lake.table(BRONZE)
    await table.deleteWhere({ source_partition: 1, source_offset: 17 })
    const problems = await problemsOf(lake)
    expect(problems['every offset once in Bronze']).toEqual([
      expect.stringMatching(
        /^snapshot \d+ has changed what was taken in: it is of (delete|overwrite)$/,
      ),
      'offset 17 of content_events/1 is missing',
    ])
  })

  it('the first records that are missing, also without the snapshot that took them away', async () => {
    const { lake } = await filled()
    const table = await lake.table(BRONZE)
    await table.deleteWhere({ source_offset: { lt: 5 } })
    const deleted = /^snapshot \d+ has changed what was taken in/
    expect((await problemsOf(lake))['every offset once in Bronze']).toEqual([
      expect.stringMatching(deleted),
      'the stream has taken in 2000 offsets, of which 1990 are covered',
    ])
  })

  it('a record that is there twice, and what Gold lacks of it', async () => {
    const { lake, topic } = await filled()
    const record = topic.partitions[0]?.find(({ value }) =>
      Buffer.from(value ?? '').includes('"view"'),
    ) as never
    const table = await lake.table(BRONZE)
    const end = topic.partitions[0]?.length as number
    await table.append(
      bronzeBatches({ chunks: [chunkOf([record], 0, 3), chunkOf([record], 0, end)] }) as never,
    )
    const problems = await problemsOf(lake)
    expect(problems['every offset once in Bronze']).toEqual([
      `content_events/0 ends at ${end + 1}, its position is ${end}`,
      'offset 3 of content_events/0 is there twice',
    ])
    expect(problems['Gold is the fold of Bronze']).toHaveLength(1)
  })

  it('the same in windows of any size', async () => {
    const { lake } = await filled()
    expect(await problemsOf(lake, 37)).toEqual({})
    const table = await lake.table(BRONZE)
    await table.deleteWhere({ source_offset: { in: [5n, 6n, 7n, 900n] } })
    const problems = await problemsOf(lake)
    expect(problems['every offset once in Bronze']).toHaveLength(6)
    const inOrder = (list: readonly string[] | undefined) => [...(list ?? [])].sort()
    for (const windowRows of [50, 400]) {
      const others = await problemsOf(lake, windowRows)
      expect(others['every offset once in Bronze']).toHaveLength(6)
      const gold = 'Gold is the fold of Bronze'
      expect(inOrder(others[gold])).toEqual(inOrder(problems[gold]))
    }
  })

  it('records of a topic that the stream has not read', async () => {
    const { lake } = await filled()
    const table = await lake.table(BRONZE)
    const record = { key: null, value: null, timestampMs: NOW }
    await table.append(bronzeBatches({ chunks: [chunkOf([record], 1, 0, 'other')] }) as never)
    expect((await problemsOf(lake))['every offset once in Bronze']).toEqual([
      'other/1 has records, and no position',
    ])
  })

  it('what is wrong with a video whose events are in several partitions', async () => {
    const lake = await memoryLake()
    const topic = new MemoryTopic(2)
    const records = new EventGenerator({ seed: 9, videos: 1 }).take(300, NOW)
    for (const [i, record] of records.entries()) topic.partitions[i % 2]?.push(record)
    await fill(lake, topic)
    expect(await problemsOf(lake)).toEqual({})
    const row = (await (await lake.table(GOLD)).scan().toArray())[0] as Record<string, unknown>
    const score = row['viral_score'] as number
    const changes = [
      { viral_score: score * (1 + 1e-9) },
      { velocity: 0 },
      { views: (row['views'] as bigint) + 1n },
      { last_event_time: (row['last_event_time'] as bigint) + 1n },
      { last_offset: (row['last_offset'] as bigint) - 1n },
    ]
    for (const change of changes) {
      await (await lake.table(GOLD)).upsert([{ ...row, ...change }])
      expect(Object.keys(await problemsOf(lake))).toEqual(['Gold is the fold of Bronze'])
    }
    await (await lake.table(GOLD)).upsert([{ ...row, viral_score: score * (1 + 2 ** -52) }])
    expect(await problemsOf(lake)).toEqual({})
  })

  it('a score that is off by the last bit', async () => {
    const { lake } = await filled()
    const table = await lake.table(GOLD)
    const row = (await table.scan().toArray())[0] as Record<string, unknown>
    await table.upsert([{ ...row, viral_score: (row['viral_score'] as number) * (1 + 2 ** -52) }])
    const problems = await problemsOf(lake)
    expect(Object.keys(problems)).toEqual(['Gold is the fold of Bronze'])
  })

  it('a video without events, and one that is gone', async () => {
    const { lake } = await filled()
    const table = await lake.table(GOLD)
    const row = (await table.scan().toArray())[0] as Record<string, unknown>
    await table.upsert([{ ...row, video_id: 'nobody' }])
    expect((await problemsOf(lake))['Gold is the fold of Bronze']).toContain(
      'nobody has no event in Bronze',
    )
    await (await lake.table(GOLD)).deleteWhere({
      video_id: { in: ['nobody', row['video_id'] as string] },
    })
    const videos = (await (await lake.table(GOLD)).scan().toArray()).length
    expect((await problemsOf(lake))['Gold is the fold of Bronze']).toEqual([
      `Gold has ${videos} rows for ${videos + 1} videos`,
    ])
  })
})

it('a batch without a single usable event is committed to both tables', async () => {
  const lake = await memoryLake()
  const topic = new MemoryTopic(1)
  await topic.send([
    { key: null, value: null, timestampMs: NOW },
    { key: Buffer.from('k'), value: Buffer.from('{"a":'), timestampMs: NOW },
  ])
  await fill(lake, topic)
  expect(await problemsOf(lake)).toEqual({})
  expect(await (await lake.table(BRONZE)).scan().count()).toBe(2)
  expect(await (await lake.table(GOLD)).scan().count()).toBe(0)
})
