/** A small job over a source in memory, as the pipeline's: every record appended, a fold by key upserted. */
import { expect } from 'vitest'
import { type Lake, schema, t } from '../../src/index.ts'
import {
  KeyedState,
  type StreamBatch,
  type StreamOptions,
  type StreamTransaction,
  verifyLedger,
} from '../../src/stream/index.ts'
import { expectSound } from '../support/lakes.ts'
import type { MemorySource } from './memory-source.ts'

export const raw = schema({
  source_partition: t.int(),
  source_offset: t.long(),
  key: t.optional(t.string()),
  value: t.optional(t.string()),
})
const totals = schema({ key: t.string(), count: t.long(), sum: t.double() }, { key: ['key'] })
export const RAW = 'bronze.raw'
export const TOTALS = 'gold.totals'

export async function tables(lake: Lake): Promise<void> {
  await lake.createTable(RAW, raw, { formatVersion: 3, ifNotExists: true })
  await lake.createTable(TOTALS, totals, { formatVersion: 3, ifNotExists: true })
}

interface Total {
  readonly count: number
  readonly sum: number
}

/** Appends every record and keeps a sum for each key. */
export function job() {
  const state = new KeyedState<Total>({
    table: TOTALS,
    key: 'key',
    decode: (row) => ({ count: Number(row['count']), sum: Number(row['sum']) }),
  })
  return async (batch: StreamBatch, tx: StreamTransaction): Promise<void> => {
    const rows = [...batch.records()].map((r) => ({
      source_partition: r.partition,
      source_offset: r.offset,
      key: r.key === null ? null : Buffer.from(r.key).toString(),
      value: r.value === null ? null : Buffer.from(r.value).toString(),
    }))
    await tx.append(RAW, rows)
    const view = await state.open(tx)
    for (const { key, value } of rows) {
      if (key === null || value === null) continue
      const before = view.get(key) ?? { count: 0, sum: 0 }
      view.set(key, { count: before.count + 1, sum: before.sum / 3 + Number(value) })
    }
    await tx.upsert(
      TOTALS,
      [...view.changed()].map(([key, { count, sum }]) => ({ key, count, sum })),
    )
  }
}

export function options(
  lake: Lake,
  source: MemorySource,
  more: Partial<StreamOptions> = {},
): StreamOptions {
  return {
    lake,
    id: 'test',
    source,
    tables: [RAW, TOTALS],
    trigger: { availableNow: true },
    foreachBatch: job(),
    ...more,
  }
}

export function fill(source: MemorySource, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    // A key is in one partition, as keyed records are.
    source.push(i % 3, { key: `k${i % 3}-${i % 7}`, value: String(i) })
  }
}

/** Both tables are what the source has, each offset once, and their ledgers are whole. */
export async function expectExact(
  lake: Lake,
  source: MemorySource,
  ends = [Infinity, Infinity, Infinity],
) {
  const bronze = await lake.table(RAW)
  const gold = await lake.table(TOTALS)
  const rows = await bronze.scan().toArray()
  const expected = new Map<string, Total>()
  const places: string[] = []
  for (const p of [0, 1, 2]) {
    for (const [offset, { key, value }] of source.records(p).entries()) {
      if (offset >= (ends[p] as number)) break
      places.push(`${p}/${offset}/${value}`)
      if (key === null || key === undefined || value === null) continue
      const before = expected.get(key) ?? { count: 0, sum: 0 }
      expected.set(key, { count: before.count + 1, sum: before.sum / 3 + Number(value) })
    }
  }
  const found = rows.map((r) =>
    [r['source_partition'], r['source_offset'], String(r['value'])].join('/'),
  )
  expect(found.sort()).toEqual(places.sort())
  const goldRows = await gold.scan().toArray()
  expect(goldRows.map((r) => [r['key'], Number(r['count']), r['sum']]).sort()).toEqual(
    [...expected].map(([key, { count, sum }]) => [key, count, sum]).sort(),
  )
  for (const table of [bronze, gold]) {
    const report = verifyLedger(table)
    expect(report.streams.map((s) => s.problems)).toEqual([[]])
    await expectSound(table)
  }
}
