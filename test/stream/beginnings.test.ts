/** Partitions of which a stream has committed nothing yet: nothing of them is skipped either. streaming.md §5, 19, 22, 23. */
import { describe, expect, it } from 'vitest'
import { systemRuntime } from '../../src/core/runtime.ts'
import type { Lake } from '../../src/index.ts'
import {
  moveStream,
  Position,
  type SourceOpenOptions,
  type StreamEvent,
  type StreamOptions,
  type StreamRun,
  stream,
  verifyLedger,
} from '../../src/stream/index.ts'
import { ledgerProperty } from '../../src/stream/ledger.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { memoryLake } from '../support/lakes.ts'
import { expectExact, job, options, RAW, TOTALS, tables } from './job.ts'
import { MemorySource } from './memory-source.ts'

async function set(
  partitions: number,
  kind: 'alone' | 'group' = 'alone',
): Promise<{ lake: Lake; source: MemorySource }> {
  const lake = await memoryLake()
  await tables(lake)
  const source = new MemorySource(partitions, 'events', kind)
  // The first member has all partitions from the beginning on.
  if (kind === 'group') {
    const position = Position.EMPTY
    await source.open({ position, topicIds: new Map() } as unknown as SourceOpenOptions)
  }
  return { lake, source }
}

function push(source: MemorySource, partition: number, count: number): void {
  for (let i = 0; i < count; i++) source.push(partition, { key: `k${partition}`, value: `${i}` })
}

async function position(lake: Lake, name: string): Promise<string | undefined> {
  const [ledger] = verifyLedger(await lake.table(name)).streams
  expect(ledger?.problems).toEqual([])
  return ledger?.position.toText()
}

const run = (lake: Lake, source: MemorySource, more: Partial<StreamOptions> = {}): StreamRun =>
  stream(options(lake, source, more))

/** Runs one more member of the group until it has committed what there is of some partitions. */
async function member(
  lake: Lake,
  source: MemorySource,
  partitions: readonly number[],
  more: Partial<StreamOptions> = {},
): Promise<void> {
  const at = source.members?.length ?? 0
  let rows = 0
  const one = run(lake, source, {
    trigger: { intervalMs: 100 },
    onProgress: (progress) => void (rows += progress.rows),
    ...more,
  })
  let ended = false
  one.done.catch(() => (ended = true))
  await until(() => ended || source.members?.length === at + 1)
  source.members?.[at]?.give(partitions)
  const left = partitions.map((p) => source.records(p).length - (source.firstOffsets[p] as number))
  await until(() => ended || rows === left.reduce((sum, n) => sum + n, 0))
  await one.stop()
}

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (what()) return
    await systemRuntime.sleep(10)
  }
  throw new Error('what was waited for did not happen')
}

describe('partitions of which nothing is committed', () => {
  it('have a place from the first commit on, so that what is lost of them stops the stream', async () => {
    const { lake, source } = await set(3)
    push(source, 0, 5)
    push(source, 1, 5)
    // The first batch does not reach partition 1, and partition 2 is empty.
    await run(lake, source, { trigger: { once: true }, maxBatchRows: 4 }).done
    for (const name of [RAW, TOTALS]) {
      expect(await position(lake, name)).toBe('events:0:4,events:1:0,events:2:0')
    }
    push(source, 2, 20)
    for (const partition of [1, 2]) {
      source.firstOffsets[partition] = 3
      await rejectionOf('OFFSET_OUT_OF_RANGE', run(lake, source).done)
      await moveStream({ lake, id: 'test', to: [{ topic: 'events', partition, offset: 3 }] })
    }
    expect(await run(lake, source).done).toMatchObject({ rows: 1 + 2 + 17 })
    const skipped = [1, 2].map((partition) => ({ topic: 'events', partition, start: 0, end: 3 }))
    const [ledger] = verifyLedger(await lake.table(RAW)).streams
    expect(ledger).toMatchObject({ complete: true, problems: [], skipped })
  })

  it('are read from the first record that there is when the stream starts for the first time', async () => {
    const { lake, source } = await set(3)
    for (const partition of [0, 1, 2]) push(source, partition, 10)
    source.firstOffsets.splice(0, 3, 3, 10, 6)
    const first = run(lake, source, { trigger: { once: true }, maxBatchRows: 2 })
    expect(await first.done).toMatchObject({ rows: 2 })
    expect(await position(lake, RAW)).toBe('events:0:5,events:1:10,events:2:6')
    const [begun] = verifyLedger(await lake.table(RAW)).streams
    expect(begun?.unread.toText()).toBe('events:1:10,events:2:6')
    expect(await run(lake, source).done).toMatchObject({ rows: 5 + 4 })
  })

  it('begin at 0 if they were added, or stop the stream until it is told where they begin', async () => {
    const { lake, source } = await set(1)
    push(source, 0, 5)
    await run(lake, source).done
    source.addPartition()
    push(source, 1, 5)
    await run(lake, source).done
    expect(await position(lake, RAW)).toBe('events:0:5,events:1:5')
    source.addPartition()
    push(source, 2, 9)
    source.firstOffsets[2] = 4
    // Found when it is opened, and found by the read of what was not there when it was.
    const error = await rejectionOf('OFFSET_OUT_OF_RANGE', run(lake, source).done)
    expect(error.context).toEqual({ topic: 'events', partition: 2, offset: 0, firstOffset: 4 })
    expect(error.message).toContain('newPartitions')
    source.addPartition()
    source.firstOffsets[2] = 0
    const running = run(lake, source, {
      trigger: { intervalMs: 100 },
      onProgress: () => {
        if (source.firstOffsets.length > 4) return
        source.addPartition()
        source.firstOffsets[4] = 2
        push(source, 0, 1)
        push(source, 4, 3)
      },
    })
    const late = await rejectionOf('OFFSET_OUT_OF_RANGE', running.done)
    expect(late.context).toMatchObject({ partition: 4, firstOffset: 2 })
    const to = [{ topic: 'events', partition: 4, offset: 2 }]
    await rejectionOf('BAD_ARGUMENT', moveStream({ lake, id: 'test', to }))
    await moveStream({ lake, id: 'test', to, newPartitions: true })
    await run(lake, source).done
    expect(await position(lake, RAW)).toBe('events:0:6,events:1:5,events:2:9,events:3:0,events:4:3')
  })

  it('are named by the member of a group that reads them, wherever others see them begin', async () => {
    const { lake, source } = await set(3, 'group')
    for (const partition of [0, 1, 2]) push(source, partition, 10)
    source.firstOffsets.splice(0, 3, 2, 4, 6)
    const key = ledgerProperty('test')
    const whole = async (): Promise<unknown> =>
      JSON.parse((await lake.table(RAW)).properties[key] as string)['whole-topics']
    await member(lake, source, [0])
    expect(await position(lake, RAW)).toBe('events:0:10')
    // Retention goes on before the others begin: nothing of theirs is missing.
    source.firstOffsets[1] = 5
    await member(lake, source, [1])
    expect([await position(lake, RAW), await whole()]).toEqual([
      'events:0:10,events:1:10',
      undefined,
    ])
    await member(lake, source, [2])
    expect([await position(lake, RAW), await whole()]).toEqual([
      'events:0:10,events:1:10,events:2:10',
      ['events'],
    ])
    source.addPartition()
    push(source, 3, 5)
    source.firstOffsets[3] = 2
    await rejectionOf('OFFSET_OUT_OF_RANGE', member(lake, source, [3]))
  })

  it('are taken in from where their reader began, also where another commits meanwhile', async () => {
    const { lake, source } = await set(3, 'group')
    source.firstOffsets.splice(0, 3, 2, 4, 6)
    for (const partition of [0, 1, 2]) push(source, partition, 10)
    const warnings: string[] = []
    await member(lake, source, [1], {
      foreachBatch: async (batch, tx) => {
        await job()(batch, tx)
        if ((await lake.table(RAW)).currentSnapshot === undefined) {
          source.firstOffsets[1] = 8
          await member(lake, source, [0])
          source.firstOffsets[1] = 4
        }
      },
      onEvent: (event) => void (event.type === 'warning' && warnings.push(event.error.message)),
    })
    expect(warnings).toEqual([])
    expect(await position(lake, RAW)).toBe('events:0:10,events:1:10')
    const [ledger] = verifyLedger(await lake.table(RAW)).streams
    expect(ledger?.offsets).toBe(8 + 6)
  })

  it('of a group are not passed over by a member that fills another table', async () => {
    const { lake, source } = await set(1, 'group')
    push(source, 0, 5)
    const foreachBatch = (): Promise<void> => Promise.resolve()
    await member(lake, source, [0], { tables: [RAW], foreachBatch })
    source.addPartition()
    push(source, 1, 5)
    source.firstOffsets[1] = 2
    const more = { tables: [RAW, TOTALS], backfill: [TOTALS], foreachBatch }
    await member(lake, source, [0], more)
    expect(await position(lake, RAW)).toBe('events:0:5')
    await rejectionOf('OFFSET_OUT_OF_RANGE', member(lake, source, [1], more))
    expect(await position(lake, RAW)).toBe('events:0:5')
  })

  it('do not come back where a move took them away while the stream runs', async () => {
    const { lake, source } = await set(2)
    push(source, 0, 5)
    push(source, 1, 5)
    const running = run(lake, source, {
      trigger: { intervalMs: 100 },
      tables: [RAW],
      foreachBatch: () => Promise.resolve(),
    })
    const at = async (): Promise<string | undefined> =>
      verifyLedger(await lake.table(RAW)).streams[0]?.position.toText()
    while ((await at()) !== 'events:0:5,events:1:5') await systemRuntime.sleep(10)
    const key = ledgerProperty('test')
    const table = await lake.table(RAW)
    const { vector: _, ...rest } = JSON.parse(table.properties[key] as string)
    // As a restart of a topic leaves it, of which the running stream reads another as well.
    await table.setProperties({ [key]: JSON.stringify({ vector: 'events:0:5', ...rest }) })
    push(source, 0, 1)
    await rejectionOf('STREAM_CONFLICT', running.done)
  })

  it('go without a place where the source does not tell those of others, and stop nobody', async () => {
    const { lake, source } = await set(3, 'group')
    source.tellsPartitions = false
    for (const partition of [0, 1, 2]) push(source, partition, 10)
    source.firstOffsets.splice(0, 3, 2, 4, 6)
    await member(lake, source, [0])
    expect(await position(lake, RAW)).toBe('events:0:10')
    await member(lake, source, [1, 2])
    expect(await position(lake, RAW)).toBe('events:0:10,events:1:10,events:2:10')
  })

  it('are warned of where an earlier version kept no place of them, and are named by the next commit', async () => {
    const { lake, source } = await set(2)
    push(source, 0, 5)
    await run(lake, source, { tables: [RAW], foreachBatch: () => Promise.resolve() }).done
    const key = ledgerProperty('test')
    const table = await lake.table(RAW)
    const { vector, 'whole-topics': _, ...rest } = JSON.parse(table.properties[key] as string)
    expect([vector, _]).toEqual(['events:0:5,events:1:0', ['events']])
    await table.setProperties({ [key]: JSON.stringify({ vector: 'events:0:5', ...rest }) })
    push(source, 0, 1)
    push(source, 1, 9)
    source.firstOffsets[1] = 8
    const events: StreamEvent[] = []
    const more: Partial<StreamOptions> = {
      tables: [RAW],
      foreachBatch: () => Promise.resolve(),
      trigger: { once: true },
      maxBatchRows: 1,
      onEvent: (event) => events.push(event),
    }
    await run(lake, source, more).done
    const warnings = events.flatMap((e) => (e.type === 'warning' ? [e.error.message] : []))
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('events:1:8')
    source.firstOffsets[1] = 9
    await rejectionOf('OFFSET_OUT_OF_RANGE', run(lake, source, more).done)
  })

  it('are read from where they began into a table that was set back to before the stream', async () => {
    const { lake, source } = await set(3)
    for (const partition of [0, 1, 2]) push(source, partition, 10)
    const table = await lake.table(RAW)
    await table.append([{ source_partition: 9, source_offset: 9n }])
    await (await lake.table(RAW)).deleteWhere({ source_partition: 9 })
    const { currentSnapshot } = await lake.table(RAW)
    const snapshotId = currentSnapshot?.snapshotId as bigint
    await run(lake, source).done
    const transaction = lake.transaction()
    await transaction.atEachAttempt(RAW, () => ({
      summary: {},
      updates: [
        {
          action: 'set-snapshot-ref',
          refName: 'main',
          ref: { type: 'branch', snapshotId },
        },
      ],
    }))
    await transaction.commit()
    expect(await (await lake.table(RAW)).scan().count()).toBe(0)
    expect(await position(lake, RAW)).toBe('events:0:0,events:1:0,events:2:0')
    source.firstOffsets[1] = 1
    await rejectionOf('OFFSET_OUT_OF_RANGE', run(lake, source).done)
    source.firstOffsets[1] = 0
    await run(lake, source).done
    await expectExact(lake, source)
  })

  it('are read into a table that was replaced where that is asked for', async () => {
    const { lake, source } = await set(2)
    for (const partition of [0, 1]) push(source, partition, 10)
    const raw: Partial<StreamOptions> = { tables: [RAW], foreachBatch: () => Promise.resolve() }
    await run(lake, source, raw).done
    const transaction = lake.transaction()
    await transaction.atEachAttempt(RAW, () => ({
      summary: {},
      updates: [{ action: 'remove-snapshot-ref', refName: 'main' }],
    }))
    await transaction.commit()
    expect((await lake.table(RAW)).currentSnapshot).toBeUndefined()
    const error = await rejectionOf('BAD_ARGUMENT', run(lake, source, raw).done)
    expect(error.message).toContain('was replaced')
    expect(await run(lake, source, { ...raw, backfill: [RAW] }).done).toMatchObject({ rows: 20 })
  })
})
