/** Rows deleted by predicate: from metadata alone, beside their files, and by writing files anew. Items 80, 95, 120. */
import { describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { and, gt, isNull, lt, not, schema, type Table, t } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { expectSound, memoryLake } from '../../support/lakes.ts'

const columns = schema({ id: t.long(), region: t.string(), price: t.optional(t.double()) })
const REGIONS = ['north', 'south', 'west'] as const

const rows = Array.from({ length: 60 }, (_, i) => ({
  id: i,
  region: REGIONS[i % 3] as string,
  price: i % 7 === 0 ? null : i / 2,
}))

async function idsOf(table: Pick<Table, 'scan'>): Promise<number[]> {
  return (await table.scan({ select: ['id'] }).toArray())
    .map((r) => Number(r['id']))
    .sort((a, b) => a - b)
}
const idsWhere = (keep: (row: (typeof rows)[number]) => boolean): number[] =>
  rows.filter(keep).map((r) => r.id)

for (const version of [2, 3] as const) {
  for (const mode of ['auto', 'copy-on-write', 'merge-on-read'] as const) {
    describe(`deleteWhere, format version ${version}, ${mode}`, () => {
      it('deletes the rows that match and no others, whatever came before', async () => {
        const lake = await memoryLake()
        const table = await lake.createTable('x.a', columns, { formatVersion: version })
        await table.append(rows.slice(0, 30))
        await table.append(rows.slice(30))
        const first = await table.deleteWhere({ region: 'south' }, { mode })
        expect(first).toMatchObject({ rowsDeleted: 20, attempts: 1 })
        expect(await idsOf(table)).toEqual(idsWhere((r) => r.region !== 'south'))
        await expectSound(table)
        const nulls = await table.deleteWhere(isNull('price'), { mode })
        expect(nulls.rowsDeleted).toBe(
          idsWhere((r) => r.price === null && r.region !== 'south').length,
        )
        await expectSound(table)
        const range = await table.deleteWhere(and(gt('id', 5), lt('id', 50)), { mode })
        const kept = idsWhere(
          (r) => r.region !== 'south' && r.price !== null && !(r.id > 5 && r.id < 50),
        )
        expect(await idsOf(table)).toEqual(kept)
        expect(range.snapshotId).toBe(table.currentSnapshot?.snapshotId)
        expect(await table.scan().count()).toBe(kept.length)
        await expectSound(table)
      })

      it('keeps the lineage of the rows that stay', async () => {
        const lake = await memoryLake()
        const table = await lake.createTable('x.a', columns, { formatVersion: version })
        await table.append(rows)
        const lineage = async (): Promise<Map<number, string>> => {
          const select = ['id', '_row_id', '_last_updated_sequence_number']
          const found = await table.scan({ select }).toArray()
          return new Map(
            found.map((r) => {
              const line = r as Record<string, unknown>
              return [
                Number(line['id']),
                `${String(line['_row_id'])}/${String(line['_last_updated_sequence_number'])}`,
              ]
            }),
          )
        }
        const before = await lineage()
        await table.deleteWhere({ region: 'west' }, { mode })
        await table.append([{ id: 1000, region: 'north', price: 1 }])
        await table.deleteWhere({ id: 0 }, { mode })
        const after = await lineage()
        for (const [id, line] of after)
          if (id < 1000) expect(line, `row ${id}`).toBe(before.get(id))
        const [, newest] = [...after].find(([id]) => id === 1000) as [number, string]
        // The id of the new row is nobody else's, whatever was reserved for files written anew.
        expect(version === 3 ? [...before.values()] : []).not.toContain(newest)
        await expectSound(table)
      })
    })
  }
}

describe('deleteWhere', () => {
  it('removes whole partitions without reading a file', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('x.a', columns, { partitionBy: ['region'] })
    await table.append(rows)
    const result = await table.deleteWhere({ region: { in: ['north', 'west'] } })
    expect(result).toMatchObject({
      rowsDeleted: 40,
      filesRemoved: 2,
      filesRead: 0,
      filesRewritten: 0,
    })
    expect(table.currentSnapshot?.summary).toMatchObject({
      operation: 'delete',
      'deleted-data-files': '2',
      'deleted-records': '40',
      'total-records': '20',
    })
    await expectSound(table)
  })

  it('removes files by their bounds, and all rows with a filter that is always true', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('x.a', columns)
    await table.append(rows.slice(0, 20))
    await table.append(rows.slice(20, 40))
    await table.append(rows.slice(40))
    expect(await table.deleteWhere(lt('id', 40))).toMatchObject({
      rowsDeleted: 40,
      filesRemoved: 2,
      filesRead: 0,
    })
    expect(await idsOf(table)).toEqual(idsWhere((r) => r.id >= 40))
    expect((await table.deleteWhere(not(isNull('id')))).rowsDeleted).toBe(20)
    expect(await table.scan().count()).toBe(0)
    expect(table.currentSnapshot?.summary['total-data-files']).toBe('0')
    await expectSound(table)
  })

  it('makes no snapshot when nothing matches', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('x.a', columns)
    expect(await table.deleteWhere({ id: 1 })).toMatchObject({ rowsDeleted: 0, snapshotId: null })
    await table.append(rows)
    const before = table.currentSnapshot?.snapshotId
    expect(await table.deleteWhere({ id: 1000 })).toMatchObject({
      rowsDeleted: 0,
      snapshotId: null,
    })
    expect(table.currentSnapshot?.snapshotId).toBe(before)
  })

  it('obeys write.delete.mode, and the option before it (MG-31)', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('x.a', columns, {
      properties: { 'write.delete.mode': 'merge-on-read' },
    })
    await table.append(rows)
    expect(await table.deleteWhere({ id: 1 })).toMatchObject({
      filesWithDeletes: 1,
      filesRewritten: 0,
    })
    expect(await table.deleteWhere({ id: 2 }, { mode: 'copy-on-write' })).toMatchObject({
      filesWithDeletes: 0,
      filesRewritten: 1,
    })
    expect(table.currentSnapshot?.summary['total-delete-files']).toBe('0')
    await expectSound(table)
    await rejectionOf('BAD_ARGUMENT', table.setProperties({ 'write.delete.mode': 'sometimes' }))
    await rejectionOf('BAD_ARGUMENT', table.deleteWhere({ id: 3 }, { mode: 'both' as 'auto' }))
  })

  it('sees rows that others add meanwhile when serializable, and not with snapshot isolation (item 120)', async () => {
    for (const level of ['serializable', 'snapshot'] as const) {
      const store = new MemoryStore(systemRuntime)
      const lake = await memoryLake({ store })
      const other = await memoryLake({ store })
      const table = await lake.createTable('x.a', columns, {
        properties: { 'write.delete.isolation-level': level },
      })
      await table.append(rows)
      await (await other.table('x.a')).append([{ id: 500, region: 'south', price: 1 }])
      const result = await table.deleteWhere({ region: 'south' })
      expect(result.attempts).toBe(2)
      expect(result.rowsDeleted).toBe(level === 'serializable' ? 21 : 20)
      await expectSound(table)
    }
  })

  it('finds its rows again where another commit moved or deleted them', async () => {
    for (const mode of ['copy-on-write', 'merge-on-read'] as const) {
      const store = new MemoryStore(systemRuntime)
      const lake = await memoryLake({ store })
      const other = await memoryLake({ store })
      const table = await lake.createTable('x.a', columns, { formatVersion: 3 })
      await table.append(rows)
      await (await other.table('x.a')).deleteWhere(lt('id', 10), { mode })
      const result = await table.deleteWhere(lt('id', 20), { mode })
      expect(result).toMatchObject({ attempts: 2, rowsDeleted: 10 })
      expect(await idsOf(table)).toEqual(idsWhere((r) => r.id >= 20))
      await expectSound(table)
    }
  })

  it('is done once for a commit id', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('x.a', columns)
    await table.append(rows)
    const stale = await lake.table('x.a')
    const first = await table.deleteWhere({ region: 'south' }, { commitId: 'job-1' })
    expect(first.rowsDeleted).toBeGreaterThan(0)
    await table.append([{ id: 70, region: 'south', price: 1 }])
    for (const handle of [table, stale]) {
      const again = await handle.deleteWhere({ region: 'south' }, { commitId: 'job-1' })
      // What was deleted then, as an upsert tells again what it did (MG-35).
      expect(again).toEqual({ ...first, attempts: 0 })
    }
    expect(await table.scan({ where: { region: 'south' } }).count()).toBe(1)
  })

  it('names columns and types that do not fit', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('x.a', columns)
    await rejectionOf('NO_SUCH_COLUMN', table.deleteWhere({ nothing: 1 }))
    await rejectionOf('TYPE_MISMATCH', table.deleteWhere({ id: 'x' }))
    await rejectionOf('ABORTED', table.deleteWhere({ id: 1 }, { signal: AbortSignal.abort() }))
  })
})
