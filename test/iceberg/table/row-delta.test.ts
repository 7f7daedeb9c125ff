/** Rows deleted by file and position, and rows that replace them: iceberg-writer.md §D–§H, items 92–95, 120. */
import { describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { type Lake, schema, type Table, t } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { expectSound, memoryLake } from '../../support/lakes.ts'

const columns = schema({ id: t.long(), name: t.string() })
const VERSIONS = [2, 3] as const

const rowsOf = (from: number, to: number): { id: number; name: string }[] =>
  Array.from({ length: to - from }, (_, i) => ({ id: from + i, name: `n${from + i}` }))

async function ids(table: Pick<Table, 'scan'>): Promise<number[]> {
  return (await table.scan({ select: ['id'] }).toArray())
    .map((r) => Number(r['id']))
    .sort((a, b) => a - b)
}

async function files(table: Pick<Table, 'scan'>): Promise<string[]> {
  return [
    ...new Set((await table.scan({ select: ['_file'] }).toArray()).map((r) => String(r['_file']))),
  ]
}

async function tableOf(
  formatVersion: 2 | 3,
  options: { readonly lake?: Lake; readonly rows?: number } = {},
): Promise<{ lake: Lake; table: Table; file: string }> {
  const lake = options.lake ?? (await memoryLake())
  const table = await lake.createTable('x.a', columns, { formatVersion })
  await table.append(rowsOf(0, options.rows ?? 10))
  return {
    lake,
    table: table as unknown as Table,
    file: (await files(table as never))[0] as string,
  }
}

/** Deletes rows through a handle, as its scans name them. */
async function remove(lake: Lake, table: Table, file: string, ...positions: number[]) {
  const tx = lake.transaction()
  await tx.rowDelta(table, { deletes: [{ file, positions }] })
  return tx.commit()
}

describe.each(VERSIONS)('rowDelta, format version %i', (version) => {
  it('deletes rows by file and position', async () => {
    const { lake, table, file } = await tableOf(version)
    await remove(lake, table, file, 3, 1)
    const after = await lake.table('x.a')
    expect(await ids(after)).toEqual([0, 2, 4, 5, 6, 7, 8, 9])
    expect(await after.scan().count()).toBe(8)
    const { summary } = after.currentSnapshot as { summary: Record<string, string> }
    expect(summary).toMatchObject({
      operation: 'delete',
      'added-position-deletes': '2',
      'total-position-deletes': '2',
      'total-records': '10',
      'total-delete-files': '1',
    })
    expect(version === 3 ? summary['added-dvs'] : summary['added-position-delete-files']).toBe('1')
    await expectSound(after)
  })

  it('replaces the deletes of a file by their union (items 85, 93, MG-26, MG-27)', async () => {
    const { lake, table, file } = await tableOf(version)
    await remove(lake, table, file, 1)
    await remove(lake, await lake.table('x.a'), file, 2, 7)
    const after = await lake.table('x.a')
    expect(await ids(after)).toEqual([0, 3, 4, 5, 6, 8, 9])
    expect(after.currentSnapshot?.summary).toMatchObject({
      'total-delete-files': '1',
      'total-position-deletes': '3',
      'removed-position-deletes': '1',
    })
    await expectSound(after)
  })

  it('removes a file whose rows are all deleted, and its deletes (items 92, 95, MG-28)', async () => {
    const { lake, table, file } = await tableOf(version, { rows: 3 })
    await remove(lake, table, file, 1)
    await remove(lake, await lake.table('x.a'), file, 0, 2)
    const after = await lake.table('x.a')
    expect(await after.scan().count()).toBe(0)
    expect(after.currentSnapshot?.summary).toMatchObject({
      operation: 'delete',
      'total-data-files': '0',
      'total-delete-files': '0',
      'total-records': '0',
      'total-position-deletes': '0',
    })
    await expectSound(after)
  })

  it('adds and deletes at once, several files with one Puffin file (item 91)', async () => {
    const { lake, table } = await tableOf(version)
    await table.append(rowsOf(10, 20))
    await table.append(rowsOf(20, 30))
    const tx = lake.transaction()
    const rows = await table.scan({ select: ['id', '_file', '_pos'] }).toArray()
    const chosen = rows.filter((r) => Number(r['id']) % 3 === 0)
    await tx.rowDelta(table, {
      deletes: chosen.map((r) => ({ file: String(r['_file']), positions: [r['_pos'] as bigint] })),
      rows: chosen.map((r) => ({ id: Number(r['id']) + 100, name: 'new' })),
    })
    await tx.append(table, [{ id: 999, name: 'appended' }])
    const { tables } = await tx.commit()
    expect(tables[0]).toMatchObject({ rowsAdded: 11, filesAdded: 2 })
    const after = await lake.table('x.a')
    expect(after.currentSnapshot?.summary['operation']).toBe('overwrite')
    const wanted = rowsOf(0, 30).map(({ id }) => (id % 3 === 0 ? id + 100 : id))
    expect(await ids(after)).toEqual([...wanted, 999].sort((a, b) => a - b))
    await expectSound(after)
  })

  it('unites with what another writer deletes from the same file meanwhile (item 93)', async () => {
    const store = new MemoryStore(systemRuntime)
    const { table, lake, file } = await tableOf(version, { lake: await memoryLake({ store }) })
    const other = await memoryLake({ store })
    await remove(other, await other.table('x.a'), file, 4)
    // Planned on the version before, and committed after it.
    const result = await remove(lake, table, file, 5)
    expect(result.attempts).toBe(2)
    const after = await other.table('x.a')
    expect(await ids(after)).toEqual([0, 1, 2, 3, 6, 7, 8, 9])
    expect(after.currentSnapshot?.summary['total-delete-files']).toBe('1')
    await expectSound(after)
  })

  it('refuses to delete what another writer deleted first, and files that are gone', async () => {
    const store = new MemoryStore(systemRuntime)
    const { table, lake, file } = await tableOf(version, { lake: await memoryLake({ store }) })
    const other = await memoryLake({ store })
    const stale = await lake.table('x.a')
    await remove(other, await other.table('x.a'), file, 4)
    const error = await rejectionOf('VALIDATION_CONFLICT', remove(lake, table, file, 4, 5))
    expect(error.context).toMatchObject({ file })
    expect(error.retryable).toBe(true)
    const rest = (await ids(await other.table('x.a'))).map(Number)
    await remove(other, await other.table('x.a'), file, ...rest)
    await rejectionOf('VALIDATION_CONFLICT', remove(lake, stale, file, 0))
    const after = await other.table('x.a')
    expect(await after.scan().count()).toBe(0)
    await expectSound(after)
  })

  it('refuses positions that are not there, naming file and row, and writes nothing', async () => {
    const store = new MemoryStore(systemRuntime)
    const { table, lake, file } = await tableOf(version, { lake: await memoryLake({ store }) })
    const before = await paths(store)
    for (const position of [10, -1, 0.5, 2 ** 60]) {
      const error = await rejectionOf('VALUE_OUT_OF_RANGE', remove(lake, table, file, 2, position))
      expect(error.context).toEqual({ table: 'x.a', file, row: position })
    }
    const elsewhere = `${file}x`
    const error = await rejectionOf('VALIDATION_CONFLICT', remove(lake, table, elsewhere, 1))
    expect(error.context).toEqual({ table: 'x.a', file: elsewhere })
    await remove(lake, table, file, 2)
    const again = await rejectionOf(
      'VALIDATION_CONFLICT',
      remove(lake, await lake.table('x.a'), file, 2),
    )
    expect(again.context).toEqual({ table: 'x.a', file, row: 2 })
    const tx = lake.transaction()
    await rejectionOf(
      'TYPE_MISMATCH',
      tx.rowDelta('x.a', { deletes: [{ file, positions: [3] }], rows: [{ id: 'no', name: 'x' }] }),
    )
    await tx.rollback()
    expect(
      (await paths(store)).filter((p) => !before.includes(p) && p.endsWith('.parquet')),
    ).toHaveLength(version === 3 ? 0 : 1)
    expect(await ids(await lake.table('x.a'))).toHaveLength(9)
  })

  it('takes one change of rows for a table in a transaction', async () => {
    const { lake, table, file } = await tableOf(version)
    const tx = lake.transaction()
    await tx.rowDelta(table, { deletes: [{ file, positions: [1] }] })
    await rejectionOf('BAD_ARGUMENT', tx.rowDelta(table, { deletes: [{ file, positions: [2] }] }))
    await rejectionOf('BAD_ARGUMENT', tx.deleteWhere(table, { id: 3 }))
    await tx.commit()
    expect(await (await lake.table('x.a')).scan().count()).toBe(9)
  })

  it('makes no snapshot for nothing, unless it has properties (item 122)', async () => {
    const { lake, table } = await tableOf(version)
    const before = table.currentSnapshot?.snapshotId
    const tx = lake.transaction()
    await tx.rowDelta(table, { deletes: [] })
    const { tables } = await tx.commit()
    expect(tables[0]?.snapshotId).toBeNull()
    expect((await lake.table('x.a')).currentSnapshot?.snapshotId).toBe(before)
    const next = lake.transaction()
    await next.rowDelta('x.a', { deletes: [], snapshotProperties: { 'my.offsets': '7' } })
    await next.commit()
    const after = await lake.table('x.a')
    expect(after.currentSnapshot?.summary).toMatchObject({ operation: 'append', 'my.offsets': '7' })
    await expectSound(after)
  })

  it('keeps delete manifests few over many commits', async () => {
    const { lake, table, file } = await tableOf(version, { rows: 100 })
    for (let i = 0; i < 30; i++) await remove(lake, await lake.table('x.a'), file, i)
    void table
    const after = await lake.table('x.a')
    const plan = await after.scan().plan()
    // Vectors are replaced; position deletes are merged by size, each delete a few times at most.
    expect(plan.report.deleteFiles).toBeLessThanOrEqual(version === 3 ? 1 : 5)
    expect(plan.report.manifests).toBeLessThanOrEqual(version === 3 ? 3 : 9)
    expect(await after.scan().count()).toBe(70)
    await expectSound(after)
  })
})

describe('row lineage (item 80)', () => {
  it('keeps the row id of a changed row and gives new ones to new rows', async () => {
    const { lake, table, file } = await tableOf(3, { rows: 3 })
    const tx = lake.transaction()
    await tx.rowDelta(table, {
      deletes: [{ file, positions: [1] }],
      lineage: true,
      rows: [
        { id: 1, name: 'changed', _row_id: 1n, _last_updated_sequence_number: null },
        { id: 50, name: 'new' },
      ],
    })
    await tx.commit()
    const after = await lake.table('x.a')
    const rows = await after
      .scan({ select: ['id', 'name', '_row_id', '_last_updated_sequence_number'] })
      .toArray()
    expect(rows.sort((a, b) => Number(a['id']) - Number(b['id']))).toEqual([
      { id: 0n, name: 'n0', _row_id: 0n, _last_updated_sequence_number: 1n },
      { id: 1n, name: 'changed', _row_id: 1n, _last_updated_sequence_number: 2n },
      { id: 2n, name: 'n2', _row_id: 2n, _last_updated_sequence_number: 1n },
      { id: 50n, name: 'new', _row_id: 4n, _last_updated_sequence_number: 2n },
    ])
    await expectSound(after)
  })

  it('refuses lineage where the format has none', async () => {
    const { lake, table } = await tableOf(2)
    const tx = lake.transaction()
    await rejectionOf(
      'FORMAT_VERSION',
      tx.rowDelta(table, { rows: [{ id: 1, name: 'x' }], lineage: true }),
    )
  })
})

async function paths(store: MemoryStore): Promise<string[]> {
  const found: string[] = []
  for await (const { path } of store.list('memory://lake')) found.push(path)
  return found.sort()
}
