/** Upserts by key: merge.md MG-2, MG-3, MG-13 to MG-37; known-bugs-engines.md §1. */
import { describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import { type Lake, lt, schema, type Table, t, type UpsertOptions } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import { editMetadata } from '../../support/edit-table.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { expectSound, memoryLake } from '../../support/lakes.ts'

const columns = schema(
  { id: t.long(), name: t.optional(t.string()), n: t.optional(t.long()), seq: t.optional(t.int()) },
  { key: ['id'] },
)
type Stored = [number, string | null, number | null]

async function tableOf(
  options: { readonly version?: 2 | 3; readonly lake?: Lake; readonly partitionBy?: string[] } = {},
): Promise<Table> {
  const lake = options.lake ?? (await memoryLake())
  const table = await lake.createTable('x.a', columns, {
    formatVersion: options.version ?? 3,
    partitionBy: options.partitionBy ?? [],
  })
  return table as unknown as Table
}

async function stored(table: Pick<Table, 'scan'>): Promise<Stored[]> {
  const rows = await table.scan({ select: ['id', 'name', 'n'] }).toArray()
  return rows
    .map((r): Stored => {
      const { id, name, n } = r as { id: bigint; name: string | null; n: bigint | null }
      return [Number(id), name, n === null ? null : Number(n)]
    })
    .sort((a, b) => a[0] - b[0])
}

async function lineage(table: Pick<Table, 'scan'>): Promise<Record<number, string>> {
  const select = ['id', '_row_id', '_last_updated_sequence_number']
  const rows = await table.scan({ select }).toArray()
  return Object.fromEntries(
    rows.map((r) => {
      const line = r as Record<string, bigint>
      return [Number(line['id']), `${line['_row_id']}@${line['_last_updated_sequence_number']}`]
    }),
  )
}

async function files(store: MemoryStore): Promise<string[]> {
  const found: string[] = []
  for await (const { path } of store.list('memory://lake/')) found.push(path)
  return found
}

const numbered = (
  from: number,
  to: number,
  name = 'old',
): { id: number; name: string; n: number }[] =>
  Array.from({ length: to - from }, (_, i) => ({ id: from + i, name, n: from + i }))

for (const version of [2, 3] as const) {
  for (const mode of ['auto', 'merge-on-read', 'copy-on-write'] as const) {
    describe(`upsert, format version ${version}, ${mode}`, () => {
      it('inserts new keys, replaces rows of known ones, leaves equal ones alone', async () => {
        const table = await tableOf({ version })
        const first = await table.upsert(numbered(0, 10), { mode })
        expect(first.rows).toMatchObject({ source: 10, inserted: 10, matched: 0 })
        const second = await table.upsert([...numbered(5, 8), ...numbered(8, 13, 'new')], { mode })
        expect(second.rows).toMatchObject({ matched: 5, unchanged: 3, updated: 2, inserted: 3 })
        expect(await stored(table)).toEqual([
          ...numbered(0, 8).map((r) => [r.id, r.name, r.n]),
          ...numbered(8, 13, 'new').map((r) => [r.id, r.name, r.n]),
        ])
        await expectSound(table)
      })

      it('deletes keys by a predicate over columns', async () => {
        const table = await tableOf({ version })
        await table.upsert(numbered(0, 10), { mode })
        const rows = [{ id: 1 }, { id: 2 }, { id: 77 }, { id: 3, name: 'new', n: 1 }]
        const result = await table.upsert(rows, { mode, deleteWhen: { name: null } })
        expect(result.rows).toMatchObject({ deleted: 2, updated: 1, inserted: 0, matched: 3 })
        expect((await stored(table)).map(([id]) => id)).toEqual([0, 3, 4, 5, 6, 7, 8, 9])
        await expectSound(table)
      })

      it('moves a row to another partition (MG-23, P-01, P-31)', async () => {
        const table = await tableOf({ version, partitionBy: ['name'] })
        await table.upsert([...numbered(0, 5, 'a'), ...numbered(5, 10, 'b')], { mode })
        await table.upsert(
          [
            { id: 2, name: 'b', n: 20 },
            { id: 20, name: 'c', n: 1 },
          ],
          { mode },
        )
        const rows = await stored(table)
        expect(rows.find(([id]) => id === 2)).toEqual([2, 'b', 20])
        expect(rows).toHaveLength(11)
        expect(await table.scan({ where: { name: 'a' } }).count()).toBe(4)
        await expectSound(table)
      })

      it('removes files whose rows are all replaced, and keeps totals exact (MG-28, MG-30, P-26)', async () => {
        const table = await tableOf({ version })
        await table.upsert(numbered(0, 1000), { mode })
        const result = await table.upsert(numbered(0, 1000, 'new'), { mode })
        expect(result.rows).toMatchObject({ updated: 1000, copied: 0 })
        expect(result.files).toEqual({ dataAdded: 1, dataRemoved: 1, dataWithDeletes: 0 })
        expect(table.currentSnapshot?.summary).toMatchObject({
          operation: 'overwrite',
          'total-records': '1000',
          'total-data-files': '1',
          'total-delete-files': '0',
        })
        await expectSound(table)
      })

      it('keeps row ids over updates, copies and moves (MG-29, P-20)', async () => {
        if (version === 2) return
        const table = await tableOf({ version })
        await table.upsert(numbered(0, 10), { mode })
        const before = await lineage(table)
        await table.upsert(numbered(3, 5, 'x'), { mode })
        await table.upsert([...numbered(4, 6, 'y'), { id: 50, name: 'new', n: 1 }], { mode })
        const after = await lineage(table)
        for (let id = 0; id < 10; id++) {
          const [rowId] = (before[id] as string).split('@')
          const changedAt = id === 3 ? 2 : id === 4 || id === 5 ? 3 : 1
          expect(after[id], `row ${id}`).toBe(`${rowId}@${changedAt}`)
        }
        expect(new Set(Object.values(after).map((line) => line.split('@')[0])).size).toBe(11)
        await expectSound(table)
      })
    })
  }
}

describe('which row wins', () => {
  it('is an error for several rows of a key without an order (MG-15)', async () => {
    const table = await tableOf()
    const error = await rejectionOf(
      'DUPLICATE_SOURCE_KEY',
      table.upsert([...numbered(0, 3), ...numbered(1, 2)]),
    )
    expect(error.context).toEqual({ table: 'x.a', row: 3, rows: 1 })
    expect(error.message).toContain('row 3 and 1 (id = 1)')
    expect(table.currentSnapshot).toBeUndefined()
  })

  it('is the last or the first one, if said so', async () => {
    const table = await tableOf()
    const rows = [
      { id: 1, name: 'a' },
      { id: 1, name: 'b' },
    ]
    const last = await table.upsert(rows, { onDuplicate: 'latest' })
    expect(last.rows).toMatchObject({ inserted: 1, staleDropped: 1 })
    expect((await stored(table))[0]?.[1]).toBe('b')
    await table.upsert(rows, { onDuplicate: 'first' })
    expect((await stored(table))[0]?.[1]).toBe('a')
  })

  it('is the newer by sequence, against the table too (MG-16)', async () => {
    const table = await tableOf()
    const options: UpsertOptions = { sequenceBy: ['seq'] }
    await table.upsert([{ id: 1, name: 'five', seq: 5 }], options)
    const older = await table.upsert([{ id: 1, name: 'four', seq: 4 }], options)
    expect(older.rows).toMatchObject({ matched: 1, staleDropped: 1, updated: 0 })
    expect(older.snapshotId).toBeNull()
    await table.upsert([{ id: 1, name: 'five again', seq: 5 }], { ...options, ties: 'existing' })
    expect((await stored(table))[0]?.[1]).toBe('five')
    await table.upsert([{ id: 1, name: 'five again', seq: 5 }], options)
    expect((await stored(table))[0]?.[1]).toBe('five again')
    const mixed = [7, 9, 8].map((seq) => ({ id: 1, name: `${seq}`, seq }))
    expect((await table.upsert(mixed, options)).rows).toMatchObject({ updated: 1, staleDropped: 2 })
    expect((await stored(table))[0]?.[1]).toBe('9')
  })

  it('at equal sequence a delete beats an upsert (MG-16), and rows without a sequence are refused (MG-17)', async () => {
    const table = await tableOf()
    const options: UpsertOptions = { sequenceBy: ['seq'], deleteWhen: { name: 'gone' } }
    await table.upsert([{ id: 1, name: 'a', seq: 1 }], options)
    const rows = [
      { id: 1, name: 'gone', seq: 2 },
      { id: 1, name: 'b', seq: 2 },
    ]
    expect((await table.upsert(rows, options)).rows.deleted).toBe(1)
    const error = await rejectionOf(
      'NULL_SEQUENCE',
      table.upsert([{ id: 2, seq: 1 }, { id: 3 }], options),
    )
    expect(error.context).toMatchObject({ row: 1, rows: 1 })
  })

  it('gives the same table for any order and any batching (MG-19)', async () => {
    const events = Array.from({ length: 60 }, (_, i) => ({
      id: i % 7,
      name: `e${i}`,
      n: i,
      seq: i,
    }))
    const wanted = Array.from({ length: 7 }, (_, id) => {
      const last = events.findLast((e) => e.id === id)
      return [id, last?.name, last?.n]
    })
    for (const [step, size] of [
      [1, 60],
      [17, 10],
      [23, 7],
      [41, 1],
    ] as const) {
      const table = await tableOf()
      const shuffled = events.map(
        (_, i) => events[(i * step) % events.length] as (typeof events)[0],
      )
      for (let from = 0; from < shuffled.length; from += size) {
        await table.upsert(shuffled.slice(from, from + size), { sequenceBy: ['seq'] })
      }
      expect(await stored(table), `step ${step}, size ${size}`).toEqual(wanted)
      await expectSound(table)
    }
  })
})

describe('keys', () => {
  it('refuse null by default, naming rows (P-03)', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable(
      'x.k',
      schema({ a: t.optional(t.string()), b: t.long(), v: t.long() }),
    )
    const rows = [
      { a: 'x', b: 1, v: 1 },
      { a: null, b: 1, v: 2 },
      { b: 1, v: 3 },
    ]
    const error = await rejectionOf('NULL_KEY', table.upsert(rows, { key: ['a', 'b'] }))
    expect(error.context).toEqual({ table: 'x.k', row: 1, rows: 2 })
    expect(table.currentSnapshot).toBeUndefined()
    const dropped = await table.upsert(rows, { key: ['a', 'b'], onNullKey: 'drop' })
    expect(dropped.rows).toMatchObject({ inserted: 1, nullKeysDropped: 2 })
    const safe = { key: ['a', 'b'], onNullKey: 'nullSafe', onDuplicate: 'latest' } as const
    expect((await table.upsert(rows, safe)).rows).toMatchObject({
      unchanged: 1,
      inserted: 1,
      staleDropped: 1,
    })
    expect((await table.upsert([{ a: null, b: 1, v: 9 }], safe)).rows).toMatchObject({ updated: 1 })
    expect(await table.scan().count()).toBe(2)
    await expectSound(table)
  })

  it('of several columns and every type find their rows, nested ones too (P-04, MG-2)', async () => {
    const lake = await memoryLake()
    const every = {
      b: t.boolean(),
      i: t.int(),
      l: t.long(),
      d: t.decimal(20, 3),
      day: t.date(),
      tm: t.time(),
      ts: t.timestamp(),
      tz: t.timestamptz(),
      s: t.string(),
      u: t.uuid(),
      f: t.fixed(3),
      bin: t.binary(),
    }
    const table = await lake.createTable(
      'x.k',
      schema({ ...every, s2: t.struct({ deep: t.long() }), v: t.long() }),
    )
    const row = (i: number, v: number) => ({
      b: i % 2 === 0,
      i,
      l: BigInt(i) << 40n,
      d: `${i}.125`,
      day: '2024-02-29',
      tm: '01:02:03',
      ts: BigInt(i),
      tz: BigInt(i),
      s: `käse-${i}`,
      u: '00000000-0000-4000-8000-00000000000a',
      f: Uint8Array.of(1, 2, i),
      bin: Uint8Array.of(i),
      s2: { deep: i },
      v,
    })
    const key = [...Object.keys(every), 's2.deep']
    const rows = Array.from({ length: 50 }, (_, i) => row(i, 1))
    expect((await table.upsert(rows, { key })).rows.inserted).toBe(50)
    const again = await table.upsert([...rows.slice(0, 20), row(60, 1), row(20, 2)], { key })
    expect(again.rows).toMatchObject({ unchanged: 20, updated: 1, inserted: 1 })
    expect(await table.scan().count()).toBe(51)
  })

  it('must be columns with an equality, there, named once, and no part of a list (MG-3)', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable(
      'x.k',
      schema({ x: t.double(), l: t.list(t.long()), v: t.long() }),
    )
    await rejectionOf('BAD_ARGUMENT', table.upsert([{ x: 1, l: [], v: 1 }], { key: ['x'] }))
    await rejectionOf('BAD_ARGUMENT', table.upsert([{ x: 1, l: [], v: 1 }], { key: ['l.element'] }))
    await rejectionOf('BAD_ARGUMENT', table.upsert([{ x: 1, l: [], v: 1 }], { key: ['v', 'v'] }))
    await rejectionOf('BAD_ARGUMENT', table.upsert([{ x: 1, l: [], v: 1 }]))
    await rejectionOf('NO_SUCH_COLUMN', table.upsert([{ x: 1, l: [], v: 1 }], { key: ['w'] }))
    await rejectionOf(
      'TYPE_MISMATCH',
      table.upsert([{ x: 1, l: [], v: 'one' }] as never, { key: ['v'] }),
    )
  })

  it('are told apart by all their digits after a decimal was widened (MG-2)', async () => {
    const store = new MemoryStore(systemRuntime)
    const lake = await memoryLake({ store })
    const narrow = schema({ id: t.decimal(18, 0), name: t.string() }, { key: ['id'] })
    const table = await lake.createTable('x.a', narrow)
    await table.upsert([{ id: '5', name: 'a' }])
    await editMetadata({ store, metadataLocation: table.metadataLocation }, (json) => {
      const schemas = json['schemas'] as { 'schema-id': number; fields: { type: string }[] }[]
      const wide = structuredClone(schemas[0]) as (typeof schemas)[0]
      wide['schema-id'] = 1
      ;(wide.fields[0] as { type: string }).type = 'decimal(30, 0)'
      Object.assign(json, { schemas: [...schemas, wide], 'current-schema-id': 1 })
    })
    // A commit elsewhere, so that the first lake reads the metadata anew.
    await (await (await memoryLake({ store })).table('x.a')).setProperties({ other: 'yes' })
    const widened = await lake.table('x.a')
    const far = String(5n + 2n ** 64n)
    expect((await widened.upsert([{ id: far, name: 'b' }])).rows).toMatchObject({ inserted: 1 })
    expect(await widened.scan({ select: ['name'] }).toArray()).toHaveLength(2)
  })

  it('that the table has twice are refused, repaired, or all changed (MG-24)', async () => {
    for (const policy of ['error', 'repair', 'updateAll'] as const) {
      const table = await tableOf()
      await table.append([...numbered(0, 3), { id: 1, name: 'twin', n: 1, seq: 9 }])
      await table.upsert([{ id: 0, name: 'zero', n: 0 }])
      const change = table.upsert([{ id: 1, name: 'new', n: 5 }], { onTargetDuplicates: policy })
      if (policy === 'error') {
        const error = await rejectionOf('DUPLICATE_TARGET_KEY', change)
        expect(error.context).toMatchObject({ row: 0, keys: 1 })
        expect(await table.scan().count()).toBe(4)
        continue
      }
      await change
      const twins = (await stored(table)).filter(([id]) => id === 1)
      expect(twins).toEqual(
        Array.from({ length: policy === 'repair' ? 1 : 2 }, () => [1, 'new', 5]),
      )
      await table.upsert([{ id: 2, name: 'later', n: 5 }], { onTargetDuplicates: policy })
      expect((await stored(table)).find(([id]) => id === 2)).toEqual([2, 'later', 5])
      await expectSound(table)
    }
  })
})

describe('unchanged rows (MG-20, MG-21)', () => {
  it('make no snapshot, unless there are properties to keep', async () => {
    const table = await tableOf()
    await table.upsert(numbered(0, 10))
    const before = table.currentSnapshot?.snapshotId
    expect(await table.upsert(numbered(0, 10))).toMatchObject({ snapshotId: null })
    expect(table.currentSnapshot?.snapshotId).toBe(before)
    const kept = await table.upsert(numbered(0, 10), { snapshotProperties: { 'my.offset': '7' } })
    expect(kept.snapshotId).not.toBeNull()
    expect(table.currentSnapshot?.summary).toMatchObject({ operation: 'append', 'my.offset': '7' })
    await expectSound(table)
  })

  it('are written when asked for, and compared by value when asked for', async () => {
    const table = await tableOf()
    await table.upsert(numbered(0, 10))
    expect((await table.upsert(numbered(0, 10), { skipUnchanged: false })).rows.updated).toBe(10)
    expect((await table.upsert(numbered(0, 10), { verifyUnchanged: true })).rows.unchanged).toBe(10)
    const one = await table.upsert([{ id: 1, name: 'old', n: null }], { verifyUnchanged: true })
    expect(one.rows).toMatchObject({ updated: 1, unchanged: 0 })
  })
})

describe('partial updates (MG-22)', () => {
  it('change the named columns alone', async () => {
    const table = await tableOf()
    await table.upsert(numbered(0, 5))
    const result = await table.upsert(
      [
        { id: 2, name: 'new' },
        { id: 3, name: 'old' },
        { id: 9, name: 'nine', n: 9 },
      ],
      {
        update: ['name'],
      },
    )
    expect(result.rows).toMatchObject({ updated: 1, unchanged: 1, inserted: 1 })
    const rows = await stored(table)
    expect(rows[2]).toEqual([2, 'new', 2])
    expect(rows[5]).toEqual([9, 'nine', 9])
    await expectSound(table)
  })

  it('keep the sequence that they had, so that older ones lose later (MG-16)', async () => {
    const table = await tableOf()
    await table.upsert([{ id: 1, name: 'first', n: 1, seq: 1 }])
    const options = { sequenceBy: ['seq'], update: ['name'] }
    await table.upsert([{ id: 1, name: 'newest', seq: 9 }], options)
    const late = await table.upsert([{ id: 1, name: 'late', seq: 5 }], options)
    expect(late.rows).toMatchObject({ updated: 0, staleDropped: 1 })
    expect(await stored(table)).toEqual([[1, 'newest', 1]])
  })

  it('keep what is stored where null is given, if asked for', async () => {
    const table = await tableOf()
    await table.upsert(numbered(0, 5))
    await table.upsert([{ id: 1, name: null, n: 100 }], { ignoreNullUpdates: true })
    expect((await stored(table))[1]).toEqual([1, 'old', 100])
    await table.upsert([{ id: 1, name: null, n: null }], { ignoreNullUpdates: ['n'] })
    expect((await stored(table))[1]).toEqual([1, null, 100])
  })

  it('count all rows of a key, one after the other', async () => {
    const table = await tableOf()
    await table.upsert(numbered(0, 2))
    const rows = [
      { id: 1, name: 'x' },
      { id: 1, n: 7 },
      { id: 5, name: 'a' },
      { id: 5, n: 3 },
    ]
    const result = await table.upsert(rows, { ignoreNullUpdates: true, onDuplicate: 'latest' })
    expect(result.rows).toMatchObject({ updated: 1, inserted: 1, staleDropped: 0 })
    expect((await stored(table)).slice(1)).toEqual([
      [1, 'x', 7],
      [5, 'a', 3],
    ])
  })

  it('add to numbers of every type, and refuse sums that do not fit', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable(
      'x.k',
      schema(
        {
          id: t.long(),
          i: t.int(),
          l: t.optional(t.long()),
          d: t.decimal(5, 2),
          f: t.double(),
          note: t.optional(t.string()),
        },
        { key: ['id'] },
      ),
    )
    const options: UpsertOptions = { increment: ['i', 'l', 'd', 'f'], update: [] }
    await table.upsert([{ id: 1, i: 1, l: null, d: '-1.50', f: 0.5, note: 'kept' }], options)
    await table.upsert(
      [
        { id: 1, i: 2, l: 2n ** 60n, d: '0.25', f: 0.25 },
        { id: 1, i: -5, l: 1n, d: '-0.25', f: 1 },
        { id: 2, i: 1, l: 1n, d: '1.00', f: 1 },
      ] as never,
      options,
    )
    const rows = await table.scan().toArray()
    expect(rows.find((r) => r.id === 1n)).toEqual({
      id: 1n,
      i: -2,
      l: 2n ** 60n + 1n,
      d: '-1.50',
      f: 1.75,
      note: 'kept',
    })
    const before = table.currentSnapshot?.snapshotId
    for (const [row, column] of [
      [{ id: 1, i: 2 ** 31 - 1, l: 0, d: '0', f: 0 }, undefined],
      [{ id: 2, i: 2 ** 31 - 1, l: 0, d: '0', f: 0 }, 'i'],
      [{ id: 2, i: 0, l: 2n ** 63n - 1n, d: '0', f: 0 }, 'l'],
      [{ id: 2, i: 0, l: 0, d: '999.99', f: 0 }, 'd'],
    ] as const) {
      const change = table.upsert([row] as never, options)
      if (column === undefined) await change
      else
        expect((await rejectionOf('VALUE_OUT_OF_RANGE', change)).context).toMatchObject({
          column,
          row: 0,
        })
    }
    expect(table.currentSnapshot?.snapshotId).not.toBe(before)
    await expectSound(table)
  })

  it('need what a new row needs', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable(
      'x.k',
      schema({ id: t.long(), need: t.string(), v: t.optional(t.long()) }, { key: ['id'] }),
    )
    await table.upsert([{ id: 1, need: 'x', v: 1 }])
    await table.upsert([{ id: 1, v: 2 }] as never, { update: ['v'] })
    const error = await rejectionOf(
      'NULL_IN_REQUIRED',
      table.upsert(
        [
          { id: 1, v: 3 },
          { id: 2, v: 3 },
        ] as never,
        { update: ['v'] },
      ),
    )
    expect(error.context).toMatchObject({ row: 1 })
    expect(await table.scan().toArray()).toEqual([{ id: 1n, need: 'x', v: 2n }])
    await rejectionOf('NULL_IN_REQUIRED', table.upsert([{ id: 1 }] as never))
  })

  it('are refused where they make no sense', async () => {
    const table = await tableOf()
    await rejectionOf('BAD_ARGUMENT', table.upsert([{ id: 1 }], { increment: ['name'] }))
    await rejectionOf(
      'BAD_ARGUMENT',
      table.upsert([{ id: 1 }], { increment: ['n'], update: ['n'] }),
    )
    const sums = { increment: ['seq'], sequenceBy: ['seq'] }
    await rejectionOf('BAD_ARGUMENT', table.upsert([{ id: 1 }], sums))
    await rejectionOf('BAD_ARGUMENT', table.upsert([{ id: 1 }], { update: ['id'] }))
    await rejectionOf('NO_SUCH_COLUMN', table.upsert([{ id: 1 }], { update: ['nothing'] }))
    await rejectionOf('BAD_ARGUMENT', table.upsert([{ id: 1 }], { ignoreColumns: ['n'] }))
    await rejectionOf('BAD_ARGUMENT', table.upsert([{ id: 1 }], { onDuplicate: 'some' as 'first' }))
  })
})

describe('input', () => {
  it('may be rows with columns to pass over, decided about by a function', async () => {
    const table = await tableOf()
    await table.upsert(numbered(0, 3))
    const changes = [
      { op: 'u', id: 1, name: 'new', n: 1 },
      { op: 'd', id: 2 },
    ]
    const options: UpsertOptions = { deleteWhen: (row) => row['op'] === 'd', ignoreColumns: ['op'] }
    expect((await table.upsert(changes as never, options)).rows).toMatchObject({
      updated: 1,
      deleted: 1,
    })
    async function* later() {
      yield changes[0]
      yield changes[1]
    }
    expect((await table.upsert(later() as never, options)).rows).toMatchObject({
      unchanged: 1,
      deleted: 0,
    })
    await rejectionOf('UNKNOWN_COLUMN', table.upsert(changes as never))
  })

  it('may have columns that only deleteWhen reads', async () => {
    const table = await tableOf()
    await table.upsert(numbered(0, 4))
    const changes = [
      { op: 'u', at: 1, id: 1, name: 'new', n: 1 },
      { op: 'd', at: 2, id: 2 },
      { op: 'd', at: null, id: 3 },
    ]
    const options: UpsertOptions = {
      deleteWhen: { op: 'd', at: { gt: 1 } },
      ignoreColumns: ['op', 'at', 'more'],
    }
    const result = await table.upsert(changes as never, options)
    expect(result.rows).toMatchObject({ updated: 2, deleted: 1 })
    expect((await stored(table)).map(([id]) => id)).toEqual([0, 1, 3])
    const bad = (deleteWhen: UpsertOptions['deleteWhen']) =>
      table.upsert(changes as never, { ...options, deleteWhen })
    await rejectionOf('BAD_EXPRESSION', bad({ op: null }))
    await rejectionOf('BAD_EXPRESSION', bad({ or: [{ op: 'd' }, { op: 1 }] }))
    await rejectionOf('NO_SUCH_COLUMN', bad({ nothing: 1 }))
    await rejectionOf('TYPE_MISMATCH', bad({ op: 1 }))
  })

  it('may be Arrow batches', async () => {
    const { tableFromArrays } = await import('apache-arrow')
    await loadArrow()
    const table = await tableOf()
    const arrow = tableFromArrays({
      id: BigInt64Array.of(1n, 2n),
      name: ['a', 'b'],
      op: ['u', 'u'],
    })
    await rejectionOf('UNKNOWN_COLUMN', table.upsert(arrow as never))
    const deleteWhen = { op: 'd' }
    expect(
      (await table.upsert(arrow as never, { ignoreColumns: ['op'], deleteWhen })).rows.inserted,
    ).toBe(2)
    await rejectionOf(
      'BAD_ARGUMENT',
      table.upsert(arrow as never, { deleteWhen: () => true, ignoreColumns: ['op'] }),
    )
    expect((await stored(table)).map(([, name]) => name)).toEqual(['a', 'b'])
  })

  it('may be empty, and is refused when it is none', async () => {
    const table = await tableOf()
    expect(await table.upsert([])).toMatchObject({ snapshotId: null, rows: { source: 0 } })
    await rejectionOf('BAD_ARGUMENT', table.upsert(7 as never))
    await rejectionOf('TYPE_MISMATCH', table.upsert([7] as never))
    await rejectionOf('ABORTED', table.upsert([{ id: 1 }], { signal: AbortSignal.abort() }))
  })

  it('reports progress of the index and of the rows', async () => {
    const store = new MemoryStore(systemRuntime)
    const table = await tableOf({ lake: await memoryLake({ store }) })
    await table.append(numbered(0, 100))
    const other = await (await memoryLake({ store })).table('x.a')
    const phases: string[] = []
    await other.upsert(numbered(0, 2, 'new'), {
      onProgress: ({ phase, rows, totalRows }) =>
        phases.push(`${phase} ${rows}/${totalRows ?? '?'}`),
    })
    expect(phases).toEqual(['rows 2/?', 'index 100/100'])
  })
})

describe('with others', () => {
  async function two(): Promise<{ a: Table; b: Table; store: MemoryStore }> {
    const store = new MemoryStore(systemRuntime)
    const a = await tableOf({ lake: await memoryLake({ store }) })
    await a.upsert(numbered(0, 20))
    const b = await (await memoryLake({ store })).table('x.a')
    return { a, b, store }
  }

  it('follows appends, deletes and upserts of other writers (MG-33)', async () => {
    const { a, b } = await two()
    await b.append(numbered(20, 25))
    await b.deleteWhere(lt('id', 5), { mode: 'merge-on-read' })
    await b.upsert(numbered(10, 12, 'theirs'))
    const result = await a.upsert([
      ...numbered(3, 6, 'mine'),
      ...numbered(11, 12, 'mine'),
      ...numbered(24, 26, 'mine'),
    ])
    expect(result.attempts).toBe(2)
    expect(result.rows).toMatchObject({ inserted: 3, updated: 3 })
    const rows = await stored(a)
    expect(rows.map(([id]) => id)).toEqual([3, 4, ...Array.from({ length: 21 }, (_, i) => i + 5)])
    expect(rows.find(([id]) => id === 10)?.[1]).toBe('theirs')
    expect(rows.find(([id]) => id === 11)?.[1]).toBe('mine')
    await expectSound(a)
  })

  it('inserts a key once, whoever comes first (P-07)', async () => {
    const { a, b } = await two()
    const results = await Promise.all([
      a.upsert([{ id: 100, name: 'a', n: 1 }]),
      b.upsert([{ id: 100, name: 'b', n: 2 }]),
    ])
    expect(results.map((r) => r.rows.inserted + r.rows.updated)).toEqual([1, 1])
    const latest = await (await b.refresh()).scan({ where: { id: 100 } }).toArray()
    expect(latest).toHaveLength(1)
    await expectSound(await b.refresh())
  })

  it('loses no increment of many at once', async () => {
    const { a, b } = await two()
    const increments = Array.from({ length: 10 }, (_, i) =>
      (i % 2 === 0 ? a : b).upsert([{ id: 1, n: 1 }], { increment: ['n'], update: [] }),
    )
    await Promise.all(increments)
    const latest = await a.refresh()
    expect((await stored(latest)).find(([id]) => id === 1)).toEqual([1, 'old', 11])
    await expectSound(latest)
  })

  it('runs with others of one process on one index', async () => {
    const lake = await memoryLake()
    const table = await tableOf({ lake })
    await table.upsert(numbered(0, 50))
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) =>
        (await lake.table('x.a')).upsert(numbered(i * 5, i * 5 + 10, `w${i}`), {
          mode: 'merge-on-read',
        }),
      ),
    )
    const latest = await lake.table('x.a')
    expect((await stored(latest)).map(([id]) => id)).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    )
    await latest.upsert(numbered(0, 50, 'end'))
    expect((await stored(latest)).every(([, name]) => name === 'end')).toBe(true)
    await expectSound(latest)
  })

  it('is done once for a commit id, and tells again what it did (MG-35, P-08)', async () => {
    const { a, b } = await two()
    const rows = [...numbered(0, 2, 'new'), ...numbered(30, 33)]
    const first = await a.upsert(rows, { commitId: 'job-1' })
    await b.refresh()
    const again = await (await b.refresh()).upsert(rows, { commitId: 'job-1' })
    expect(again).toMatchObject({
      attempts: 0,
      snapshotId: first.snapshotId,
      rows: first.rows,
      files: first.files,
    })
    expect(await stored(await b.refresh())).toEqual(await stored(a))
    // On a handle that does not know of it yet.
    const stale = await b.upsert(rows, { commitId: 'job-1' })
    expect(stale).toMatchObject({ attempts: 0, rows: first.rows })
    expect(await (await a.refresh()).scan().count()).toBe(23)
    await expectSound(await a.refresh())
  })

  it('leaves to another run of its commit id what that one did (MG-35)', async () => {
    const { b, store } = await two()
    await b.upsert([{ id: 19, name: 'b', n: 0 }])
    const stale = await (await memoryLake({ store })).table('x.a')
    await stale.upsert([{ id: 18, name: 'b', n: 0 }])
    const rows = [...numbered(0, 2, 'new'), ...numbered(30, 33)]
    const first = await b.upsert(rows, { commitId: 'job-1', mode: 'merge-on-read' })
    const before = (await files(store)).filter((path) => path.endsWith('.parquet'))
    // Its lake does not know yet what was committed, so it learns of it between two attempts.
    const again = await stale.upsert(rows, { commitId: 'job-1', mode: 'merge-on-read' })
    expect(again).toMatchObject({ attempts: 0, snapshotId: first.snapshotId, rows: first.rows })
    expect((await files(store)).filter((path) => path.endsWith('.parquet'))).toEqual(before)
    await stale.upsert(numbered(0, 33, 'end'))
    expect((await stored(stale)).map(([, name]) => name)).toEqual(Array(33).fill('end'))
    await expectSound(stale)
  })

  it('finds rows that were appended in its own transaction', async () => {
    const lake = await memoryLake()
    const table = await tableOf({ lake })
    await table.upsert(numbered(0, 2))
    const tx = lake.transaction()
    await tx.upsert(table, [{ id: 1, name: 'new', n: 1 }])
    await tx.append(table, [{ id: 7, name: 'appended', n: 7 }])
    await tx.commit()
    const latest = await table.refresh()
    const result = await latest.upsert([{ id: 7, name: 'again', n: 7 }])
    expect(result.rows).toMatchObject({ updated: 1, inserted: 0 })
    expect(await stored(latest)).toEqual([
      [0, 'old', 0],
      [1, 'new', 1],
      [7, 'again', 7],
    ])
    await expectSound(latest)
  })
})

describe('limits', () => {
  it('of the index are an error that names the option, and nothing is written', async () => {
    const store = new MemoryStore(systemRuntime)
    const lake = await memoryLake({ store, limits: { indexMemoryBytes: 8192 } })
    const table = await tableOf({ lake })
    await table.append(numbered(0, 50))
    await table.upsert(numbered(0, 2, 'new'))
    const before = table.metadataLocation
    const error = await rejectionOf('LIMIT_EXCEEDED', table.upsert(numbered(0, 2000, 'new')))
    expect(error.context).toMatchObject({ limit: 'indexMemoryBytes' })
    expect((await lake.table('x.a')).metadataLocation).toBe(before)
    await table.upsert(numbered(0, 2, 'newer'))
    await table.append(numbered(1000, 2000))
    await rejectionOf('LIMIT_EXCEEDED', table.upsert(numbered(0, 2, 'newest')))
    await expectSound(table)
  })
})
