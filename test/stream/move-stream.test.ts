/** A stream that is set to another position on purpose, and what its tables say of it. streaming.md §5, 12, 21 and 22. */
import { describe, expect, it } from 'vitest'
import type { Lake } from '../../src/index.ts'
import {
  moveStream,
  type StreamBatch,
  type StreamTransaction,
  stream,
  verifyLedger,
} from '../../src/stream/index.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { expectSound, memoryLake } from '../support/lakes.ts'
import { fill, job, options, RAW, TOTALS, tables } from './job.ts'
import { MemorySource } from './memory-source.ts'

const partition = (partition: number, offset: number) => ({ topic: 'events', partition, offset })

async function filled(): Promise<{ lake: Lake; source: MemorySource }> {
  const lake = await memoryLake()
  await tables(lake)
  const source = new MemorySource(3)
  fill(source, 0, 30)
  await stream(options(lake, source)).done
  return { lake, source }
}

async function offsets(lake: Lake, partition: number): Promise<number[]> {
  const rows = await (await lake.table(RAW)).scan().toArray()
  return rows
    .filter((r) => r['source_partition'] === partition)
    .map((r) => Number(r['source_offset']))
    .sort((a, b) => a - b)
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i)

describe('a stream that is moved', () => {
  it('passes over what its source has lost, and says so', async () => {
    const { lake, source } = await filled()
    fill(source, 30, 90)
    source.firstOffsets[1] = 17
    await rejectionOf('OFFSET_OUT_OF_RANGE', stream(options(lake, source)).done)
    const moved = await moveStream({ lake, id: 'test', to: [partition(1, 17)] })
    const skipped = [{ topic: 'events', partition: 1, start: 10, end: 17 }]
    expect(moved.tables.map(({ table }) => table)).toEqual([RAW, TOTALS])
    for (const { table, from, to, snapshotId, skipped: found } of moved.tables) {
      expect(found).toEqual(skipped)
      expect([from.get('events', 1), to.get('events', 1)]).toEqual([10, 17])
      expect((await lake.table(table)).currentSnapshot?.snapshotId).toBe(snapshotId)
    }
    await stream(options(lake, source)).done
    expect(await offsets(lake, 0)).toEqual(numbers(0, 30))
    expect(await offsets(lake, 1)).toEqual([...numbers(0, 10), ...numbers(17, 30)])
    for (const name of [RAW, TOTALS]) {
      const table = await lake.table(name)
      const report = verifyLedger(table)
      expect(report.streams).toMatchObject([{ problems: [], complete: true, skipped }])
      await expectSound(table)
    }
  })

  it('reads a topic that was made anew from its first record', async () => {
    const { lake, source } = await filled()
    source.recreate('second')
    fill(source, 0, 60)
    await rejectionOf('OFFSET_OUT_OF_RANGE', stream(options(lake, source)).done)
    const moved = await moveStream({ lake, id: 'test', restart: ['events'] })
    expect(moved.tables.map(({ skipped, to }) => [skipped, to.toText()])).toEqual([
      [[], ''],
      [[], ''],
    ])
    expect(await stream(options(lake, source)).done).toMatchObject({ rows: 60 })
    const report = verifyLedger(await lake.table(RAW))
    expect(report.streams).toMatchObject([{ problems: [], offsets: 90, skipped: [] }])
    expect(report.streams[0]?.topicIds).toEqual(new Map([['events', 'second']]))
  })

  it('reads a topic that was made anew, and has lost its first records already, from a later one', async () => {
    const { lake, source } = await filled()
    source.recreate('second')
    fill(source, 0, 60)
    source.firstOffsets[0] = 4
    const restart = ['events']
    const moved = await moveStream({ lake, id: 'test', restart, to: [partition(0, 4)] })
    const skipped = [{ topic: 'events', partition: 0, start: 0, end: 4 }]
    expect(moved.tables.map((table) => table.skipped)).toEqual([skipped, skipped])
    expect(await stream(options(lake, source)).done).toMatchObject({ rows: 56 })
    expect(verifyLedger(await lake.table(RAW)).streams).toMatchObject([{ problems: [], skipped }])
    // To where the old topic was read to, by chance.
    source.recreate('third')
    fill(source, 0, 90)
    await moveStream({ lake, id: 'test', restart, to: [0, 1, 2].map((p) => partition(p, 20)) })
    expect(await stream(options(lake, source)).done).toMatchObject({ rows: 30 })
  })

  it('leaves a table where it is that is beyond, and moves one that lags', async () => {
    const { lake, source } = await filled()
    const table = await lake.table(TOTALS)
    // A gold table that was made anew, and of whose backfill the source has lost the beginning.
    await lake.dropTable(table.name)
    await tables(lake)
    for (const p of [0, 1, 2]) source.firstOffsets[p] = 6
    const to = [0, 1, 2].map((p) => partition(p, 6))
    const before = (await lake.table(RAW)).currentSnapshot?.snapshotId
    const moved = await moveStream({ lake, id: 'test', tables: [RAW, TOTALS], to })
    expect(moved.tables.map((each) => each.table)).toEqual([TOTALS])
    expect((await lake.table(RAW)).currentSnapshot?.snapshotId).toBe(before)
    await stream(options(lake, source)).done
    expect(await offsets(lake, 0)).toEqual(numbers(0, 10))
    const rows = await (await lake.table(TOTALS)).scan().toArray()
    expect(rows.reduce((sum, row) => sum + Number(row['count']), 0)).toBe(12)
  })

  it('passes over a partition that it has not read a record of, and a stream that has no table yet', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    fill(source, 0, 30)
    await rejectionOf('BAD_ARGUMENT', moveStream({ lake, id: 'test', to: [partition(0, 4)] }))
    await moveStream({ lake, id: 'test', tables: [RAW, TOTALS], to: [partition(0, 4)] })
    await stream(options(lake, source)).done
    expect(await offsets(lake, 0)).toEqual(numbers(4, 10))
    expect(await offsets(lake, 2)).toEqual(numbers(0, 10))
    expect(verifyLedger(await lake.table(RAW)).streams).toMatchObject([
      { problems: [], skipped: [{ partition: 0, start: 0, end: 4 }] },
    ])
  })

  it('is refused where it would go back or nowhere, and nothing changes', async () => {
    const { lake } = await filled()
    const before = (await lake.table(RAW)).currentSnapshot?.snapshotId
    for (const [what, message] of [
      [{}, 'say where to'],
      [{ to: [partition(0, 10)] }, 'there already or beyond: bronze.raw is at events:0:10'],
      [{ to: [{ ...partition(0, 20), topic: 'Events' }] }, 'know no partition of topic "Events"'],
      [{ to: [partition(0, 3)] }, 'taken in twice'],
      [{ to: [partition(99, 5)] }, 'have no place of partition 99'],
      [{ to: [partition(0, 1.5)] }, 'whole numbers'],
      [{ to: [partition(-1, 20)] }, 'whole numbers'],
      [{ restart: ['other'] }, 'know no partition of topic "other"'],
      [{ id: 'other', to: [partition(0, 20)] }, 'no table of the lake has its position'],
    ] as const) {
      const error = await rejectionOf('BAD_ARGUMENT', moveStream({ lake, id: 'test', ...what }))
      expect(error.message).toContain(message)
    }
    expect((await lake.table(RAW)).currentSnapshot?.snapshotId).toBe(before)
  })

  it('stops a runner that is at work, which loses nothing', async () => {
    const { lake, source } = await filled()
    fill(source, 30, 60)
    const own = job()
    const moving = async (batch: StreamBatch, tx: StreamTransaction): Promise<void> => {
      await own(batch, tx)
      await moveStream({ lake, id: 'test', to: [partition(2, 15)] })
    }
    await rejectionOf(
      'STREAM_CONFLICT',
      stream(options(lake, source, { foreachBatch: moving })).done,
    )
    await stream(options(lake, source)).done
    expect(await offsets(lake, 1)).toEqual(numbers(0, 20))
    expect(await offsets(lake, 2)).toEqual([...numbers(0, 10), ...numbers(15, 20)])
  })
})
