/** Appends and scans through the public API. */
import { describe, expect, it } from 'vitest'
import { and, gt, isNull, lt, or, schema, startsWith, t } from '../../../src/index.ts'
import { expectSound, localLake, memoryLake } from '../../support/lakes.ts'

const orders = schema(
  {
    id: t.long(),
    item: t.string(),
    price: t.decimal(10, 2),
    ts: t.timestamptz(),
    note: t.optional(t.string()),
  },
  { key: ['id'] },
)

const rows = Array.from({ length: 500 }, (_, i) => ({
  id: BigInt(i),
  item: ['tea', 'coffee', 'cocoa'][i % 3] as string,
  price: `${i % 50}.${String(i % 100).padStart(2, '0')}`,
  ts: BigInt(i) * 3_600_000_000n,
  note: i % 7 === 0 ? null : `note ${i}`,
}))

describe('append and scan', () => {
  it('gives back what was appended, in order, over several snapshots', async () => {
    const lake = await localLake()
    const table = await lake.createTable('shop.orders', orders)
    for (let from = 0; from < 500; from += 100) {
      const result = await table.append(rows.slice(from, from + 100))
      expect(result).toMatchObject({ rows: 100, files: 1, attempts: 1 })
      await expectSound(table)
    }
    expect(await table.scan().toArray()).toEqual(rows)
    expect(table.snapshots()).toHaveLength(5)
    expect(table.snapshots().map((s) => s.sequenceNumber)).toEqual([1, 2, 3, 4, 5])
    expect(table.currentSnapshot?.summary).toMatchObject({
      operation: 'append',
      'total-records': '500',
      'total-data-files': '5',
      'engine-name': 'floe',
    })
  })

  it('partitions by several fields and prunes files by predicate', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('shop.orders', orders, {
      partitionBy: ['item', 'day(ts)'],
      formatVersion: 3,
    })
    await table.append(rows)
    await expectSound(table)
    const scan = table.scan({ where: { item: 'tea', ts: { lt: '1970-01-03T00:00:00Z' } } })
    const { report } = await scan.plan()
    expect(report.files).toBe(2)
    expect(report.filesSkipped).toBe(61)
    const expected = rows.filter((r) => r.item === 'tea' && r.ts < 172_800_000_000n)
    const found = await scan.toArray()
    expect(found.sort((a, b) => Number(a.id - b.id))).toEqual(expected)
  })

  it('filters by every kind of predicate as the rows themselves say', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('shop.orders', orders)
    await table.append(rows)
    const check = async (
      where: object,
      holds: (r: (typeof rows)[number]) => boolean,
    ): Promise<void> => {
      const found = await table.scan({ where: where as never }).toArray()
      expect(found).toEqual(rows.filter(holds))
      expect(await table.scan({ where: where as never }).count()).toBe(found.length)
    }
    await check(
      { price: { gte: '10.00', lt: '20.00' } },
      (r) => Number(r.price) >= 10 && Number(r.price) < 20,
    )
    await check({ note: null }, (r) => r.note === null)
    await check({ note: { ne: 'note 1' } }, (r) => r.note !== null && r.note !== 'note 1')
    await check({ item: { in: ['tea', 'cocoa'] } }, (r) => r.item !== 'coffee')
    await check({ not: { item: { startsWith: 'co' } } }, (r) => r.item === 'tea')
    await check(
      or(lt('id', 5), and(gt('id', 490), startsWith('item', 't'))),
      (r) => r.id < 5n || (r.id > 490n && r.item === 'tea'),
    )
    await check(isNull('note'), (r) => r.note === null)
    await check({ id: { lt: 10n ** 30n } }, () => true)
  })

  it('projects in the order asked and limits', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('shop.orders', orders)
    await table.append(rows)
    const found = await table
      .scan({ select: ['item', 'id'], where: { price: '3.03' }, limit: 2 })
      .toArray()
    expect(found.map((r) => Object.keys(r))).toEqual([
      ['item', 'id'],
      ['item', 'id'],
    ])
    expect(await table.scan({ limit: 0 }).toArray()).toEqual([])
    expect(await table.scan({ limit: 7 }).count()).toBe(7)
    await expect(table.scan({ limit: 3 }).toArray({ maxRows: 2 })).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
    })
  })

  it('travels in time by snapshot and by timestamp', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('shop.orders', orders)
    const first = await table.append(rows.slice(0, 10))
    const at = table.currentSnapshot?.timestampMs as number
    await table.append(rows.slice(10, 30))
    expect(await table.scan({ snapshotId: first.snapshotId as bigint }).count()).toBe(10)
    expect(await table.scan({ asOf: at }).count()).toBe(10)
    expect(await table.scan({ asOf: new Date(at) }).count()).toBe(10)
    expect(await table.scan({ ref: 'main' }).count()).toBe(30)
    expect(() => table.scan({ snapshotId: 1n })).toThrow(/NO_SUCH_SNAPSHOT/)
    expect(() => table.scan({ asOf: 0 })).toThrow(/NO_SUCH_SNAPSHOT/)
    expect(() => table.scan({ ref: 'nope' })).toThrow(/NO_SUCH_REF/)
    expect(() => table.scan({ ref: 'main', asOf: at })).toThrow(/BAD_ARGUMENT/)
  })

  it('takes Arrow batches and async iterables, rolls files and keeps memory bounded by partitions', async () => {
    const lake = await memoryLake({ limits: { writeBufferBytes: 200_000, openPartitions: 3 } })
    const table = await lake.createTable('shop.orders', orders, {
      partitionBy: ['bucket(20, id)'],
      properties: {
        'write.target-file-size-bytes': '20000',
        'write.parquet.row-group-size-bytes': '20000',
      },
    })
    async function* source() {
      for (let i = 0; i < 40_000; i++)
        yield { ...(rows[i % 500] as (typeof rows)[number]), id: BigInt(i) }
    }
    let progress = 0
    const result = await table.append(source(), { onProgress: (p) => (progress = p.rows) })
    expect(result.rows).toBe(40_000)
    expect(progress).toBe(40_000)
    expect(result.files).toBeGreaterThan(20)
    await expectSound(table)
    const copy = await lake.createTable('shop.copy', orders)
    await copy.append(table.scan().batches())
    expect(await copy.scan().count()).toBe(40_000)
    const ids = new Set<bigint>()
    for await (const row of copy.scan({ select: ['id'] }).rows()) ids.add(row.id)
    expect(ids.size).toBe(40_000)
  })

  it('appends nothing without a snapshot, and an empty snapshot if asked for (item 122)', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('shop.orders', orders)
    expect(await table.append([])).toMatchObject({ snapshotId: null, rows: 0 })
    expect(table.snapshots()).toHaveLength(0)
    const marked = await table.append([], { snapshotProperties: { 'my.offset': '7' } })
    expect(marked.snapshotId).not.toBeNull()
    expect(table.currentSnapshot?.summary['my.offset']).toBe('7')
    await expectSound(table)
  })

  it('refuses snapshot properties that the summary computes (known-bugs.md 32)', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('shop.orders', orders)
    await expect(
      table.append(rows.slice(0, 1), { snapshotProperties: { 'total-records': '1' } }),
    ).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    expect((await table.refresh()).snapshots()).toHaveLength(0)
  })
})

describe('bad input', () => {
  it('refuses a row that does not fit, naming table, column, row and value; nothing becomes visible', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('shop.orders', orders)
    const good = rows[0] as (typeof rows)[number]
    const refused: [object, string, RegExp][] = [
      [{ ...good, price: '12.345' }, 'VALUE_OUT_OF_RANGE', /price.*row 1.*12\.345/s],
      [{ ...good, id: 'x' }, 'TYPE_MISMATCH', /"?id"?.*row 1/s],
      [{ ...good, item: null }, 'NULL_IN_REQUIRED', /item.*row 1/s],
      [{ ...good, extra: 1 }, 'UNKNOWN_COLUMN', /row 1.*extra/s],
      [{ ...good, item: '\ud800' }, 'VALUE_OUT_OF_RANGE', /item/],
    ]
    for (const [row, code, message] of refused) {
      const error = await table.append([good, row as typeof good]).catch((e: unknown) => e)
      expect((error as { message: string }).message).toMatch(message)
      expect(['TYPE_MISMATCH', code]).toContain((error as { code: string }).code)
    }
    expect(await table.scan().count()).toBe(0)
    expect((await table.refresh()).snapshots()).toHaveLength(0)
  })

  it('leaves no file behind when a source fails midway', async () => {
    const lake = await localLake()
    const table = await lake.createTable('shop.orders', orders, { partitionBy: ['item'] })
    async function* broken() {
      yield* rows
      throw new Error('source failed')
    }
    await expect(table.append(broken())).rejects.toThrow('source failed')
    expect((await table.refresh()).snapshots()).toHaveLength(0)
    expect((await table.append(rows)).rows).toBe(500)
    await expectSound(table)
  })

  it('stops at an aborted signal and leaves the table as it was', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('shop.orders', orders)
    const stop = new AbortController()
    async function* endless() {
      for (let i = 0; ; i++) {
        if (i === 20_000) stop.abort(new Error('enough'))
        yield { ...(rows[0] as (typeof rows)[number]), id: BigInt(i) }
      }
    }
    await expect(table.append(endless(), { signal: stop.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    expect((await table.refresh()).snapshots()).toHaveLength(0)
    await table.append(rows)
    const scan = table.scan({ signal: AbortSignal.abort() })
    await expect(scan.toArray()).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('gives typed errors for names, schemas and options', async () => {
    const lake = await memoryLake()
    await expect(lake.createTable('orders', orders)).rejects.toMatchObject({ code: 'BAD_NAME' })
    await expect(lake.createTable('a..b', orders)).rejects.toMatchObject({ code: 'BAD_NAME' })
    await expect(lake.createTable('a.b/c', orders)).rejects.toMatchObject({ code: 'BAD_NAME' })
    await expect(
      lake.createTable('a.b', orders, { partitionBy: ['day(item)'] }),
    ).rejects.toMatchObject({ code: 'BAD_PARTITION_SPEC' })
    await expect(lake.createTable('a.b', orders, { partitionBy: ['nope'] })).rejects.toMatchObject({
      code: 'NO_SUCH_COLUMN',
    })
    await expect(lake.createTable('a.b', schema({ x: t.timestampNs() }))).rejects.toMatchObject({
      code: 'FORMAT_VERSION',
    })
    await lake.createTable('a.b', orders)
    await expect(lake.createTable('a.b', orders)).rejects.toMatchObject({ code: 'TABLE_EXISTS' })
    await lake.createTable('a.b', orders, { ifNotExists: true })
    await expect(lake.table('a.c')).rejects.toMatchObject({ code: 'NO_SUCH_TABLE' })
    const table = await lake.table('a.b')
    expect(() => table.scan({ where: { nope: 1 } })).toThrow(/NO_SUCH_COLUMN/)
    expect(() => table.scan({ where: { id: 'x' } })).toThrow(/TYPE_MISMATCH/)
    expect(() => table.scan({ where: { id: { like: 1 } } as never })).toThrow(/BAD_EXPRESSION/)
    expect(await lake.listTables()).toEqual(['a.b'])
    await expect(lake.dropNamespace('a')).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    await lake.dropTable('a.b')
    await lake.dropNamespace('a')
    expect(await lake.listNamespaces()).toEqual([])
    await lake.close()
    await expect(lake.table('a.b')).rejects.toMatchObject({ code: 'HANDLE_CLOSED' })
  })
})
