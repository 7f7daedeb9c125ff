/** State by key: what a batch sets is what it gets, and the table is read once. */
import { describe, expect, it } from 'vitest'
import { type Lake, schema, t } from '../../src/index.ts'
import {
  KeyedState,
  type StreamBatch,
  type StreamTransaction,
  stream,
} from '../../src/stream/index.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { memoryLake } from '../support/lakes.ts'
import { fill, options, RAW, TOTALS, tables } from './job.ts'
import { MemorySource } from './memory-source.ts'

const columns = { key: t.optional(t.string()), count: t.optional(t.long()) }

/** A transaction as a batch function has it, beside a stream. */
function reading(lake: Lake): StreamTransaction {
  const tx = {
    table: (name: string) => lake.table(name),
    onAttempt: () => undefined,
    onCommit: () => undefined,
  }
  return tx as unknown as StreamTransaction
}

describe('a keyed state', () => {
  it('gives what was set, also where that is null or undefined', async () => {
    const lake = await memoryLake()
    await (await lake.createTable('a.b', schema(columns))).append([{ key: 'x', count: 7n }])
    const state = new KeyedState<unknown>({
      table: 'a.b',
      key: 'key',
      decode: (row) => row['count'],
    })
    const view = await state.open(reading(lake))
    expect(view.get('x')).toBe(7n)
    for (const value of [null, undefined, 0, '']) {
      view.set('x', value)
      expect(view.get('x')).toBe(value)
      expect([...view.changed()]).toEqual([['x', value]])
    }
    expect(view.get('y')).toBeUndefined()
  })

  it('keeps a null that a batch has set for those after it', async () => {
    const lake = await memoryLake()
    await tables(lake)
    const source = new MemorySource(3)
    source.push(0, { key: 'a', value: '1' }, { key: 'a', value: '2' }, { key: 'a', value: '3' })
    const state = new KeyedState<number | null>({
      table: TOTALS,
      key: 'key',
      decode: (row) => Number(row['count']),
    })
    const seen: unknown[] = []
    const foreachBatch = async (_: StreamBatch, tx: StreamTransaction): Promise<void> => {
      const view = await state.open(tx)
      const before = view.get('a')
      seen.push(before)
      view.set('a', before === undefined ? 1 : null)
      await tx.upsert(TOTALS, [{ key: 'a', count: 1, sum: 0 }])
    }
    await stream(options(lake, source, { foreachBatch, maxBatchRows: 1 })).done
    expect(seen).toEqual([undefined, 1, null])
  })

  it('reads a table once that the batches do not write', async () => {
    const lake = await memoryLake()
    await tables(lake)
    await lake.createTable('a.names', schema({ key: t.string() }))
    await (await lake.table('a.names')).append([{ key: 'k0-0' }])
    const source = new MemorySource(3)
    fill(source, 0, 40)
    let decoded = 0
    const names = new KeyedState({ table: 'a.names', key: 'key', decode: () => ++decoded })
    const foreachBatch = async (_: StreamBatch, tx: StreamTransaction): Promise<void> => {
      expect((await names.open(tx)).get('k0-0')).toBe(1)
      await tx.append(RAW, [])
    }
    const run = stream(options(lake, source, { foreachBatch, maxBatchRows: 10 }))
    expect(await run.done).toMatchObject({ batches: 4 })
    expect(decoded).toBe(1)
  })

  it('refuses a key that tells no rows apart', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('a.b', schema(columns))
    await table.append([
      { key: 'null', count: 1n },
      { key: null, count: 2n },
    ])
    const open = (key: string) =>
      new KeyedState({ table: 'a.b', key, decode: (row) => row }).open(reading(lake))
    const misspelt = await rejectionOf('NO_SUCH_COLUMN', open('kye'))
    expect(misspelt.message).toContain('"kye"')
    const error = await rejectionOf('NULL_KEY', open('key'))
    expect(error.context).toEqual({ table: 'a.b', column: 'key' })
  })

  it('holds no more keys than it may', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('a.b', schema(columns))
    await table.append([{ key: 'a' }, { key: 'b' }, { key: 'c' }])
    const open = (maxKeys: number) =>
      new KeyedState<unknown>({ table: 'a.b', key: 'key', decode: () => 1, maxKeys }).open(
        reading(lake),
      )
    const error = await rejectionOf('LIMIT_EXCEEDED', open(2))
    expect(error.context).toEqual({ table: 'a.b', limit: 'maxKeys', max: 2 })
    const view = await open(4)
    view.set('a', null)
    view.set('d', 1)
    view.set('d', 2)
    expect(() => view.set('e', 1)).toThrow('maxKeys')
  })
})
