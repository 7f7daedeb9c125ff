/**
 * floe changes rows, every engine reads the same rows after each commit, and the row ids that engines know are floe's.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Lake, schema, type Table, t } from '../../src/index.ts'
import { type CanonicalRow, compareRows, rowsFromFloe } from './canonical.ts'
import { CHANGE_CASES, order, orderRows } from './change-cases.ts'
import type { ChangeCase, ModelRow } from './change-model.ts'
import { CHANGE_PLACES, openPlace } from './change-places.ts'
import { ENGINES, type EngineName } from './client.ts'
import { expectSection, inOrder, type MatrixRow, matrixTable } from './matrix-page.ts'
import { engineRowIds, floeRowIds, LINEAGE_COLUMNS } from './row-ids.ts'
import { writtenRows } from './written.ts'

/** What was measured in each place, for the matrix. */
const measured: MatrixRow[][] = CHANGE_PLACES.map(() => [])

/** What floe reads is the model, and the table is sound. */
async function expectFloe(table: Table, expected: CanonicalRow[], step: string): Promise<void> {
  const rows = await table.scan().toArray({ form: 'json' })
  const difference = compareRows(expected, rowsFromFloe(rows, table.schema.fields))
  expect(difference, `floe after ${step}`).toBeNull()
  expect(await table.scan().count(), step).toBe(expected.length)
  const report = await table.fsck({ data: 'all' })
  expect([report.problems, report.warnings], step).toEqual([[], []])
}

/** Of each row by its id: its row id, its sequence number and its values. */
type Lineage = ReadonlyMap<string, { readonly row: string; readonly ids: CanonicalRow }>

/** Rows that stay keep their row id; their sequence number is that of the commit that changed them (item 80). */
function checkLineage(
  table: Table,
  before: Lineage,
  rows: readonly CanonicalRow[],
  ids: readonly CanonicalRow[],
  step: string,
): Lineage {
  const now: Lineage = new Map(
    ids.map((line) => {
      const row = rows.find((r) => r['id'] === line['id'])
      return [String(line['id']), { row: JSON.stringify(row), ids: line }]
    }),
  )
  const commit = String(table.currentSnapshot?.sequenceNumber)
  for (const [id, { row, ids: line }] of now) {
    const old = before.get(id)
    const where = `row ${id} after ${step}`
    if (old !== undefined) expect(line['_row_id'], where).toBe(old.ids['_row_id'])
    const changed = old === undefined || old.row !== row
    const expected = changed ? commit : old.ids['_last_updated_sequence_number']
    expect(line['_last_updated_sequence_number'], where).toBe(expected)
  }
  return now
}

for (const [p, place] of CHANGE_PLACES.entries()) {
  describe(`row changes on ${place.name}`, () => {
    let lake: Lake

    beforeAll(async () => {
      lake = await openPlace(place)
    })
    afterAll(async () => {
      await lake?.close()
    })

    const create = async (c: ChangeCase, name: string, formatVersion: 2 | 3): Promise<Table> =>
      (await lake.createTable(name, c.schema, {
        formatVersion,
        partitionBy: c.partitionBy ?? [],
        properties: c.properties ?? {},
      })) as unknown as Table

    for (const [index, c] of CHANGE_CASES.entries()) {
      if (!place.cases.test(c.name)) continue
      for (const formatVersion of [2, 3] as const) {
        it(`${c.name}, v${formatVersion}`, async () => {
          const name = `c.t${p}_${index}_v${formatVersion}`
          let table = await create(c, name, formatVersion)
          let model: readonly ModelRow[] = []
          const history: [bigint, CanonicalRow[]][] = []
          let before: Lineage = new Map()
          const failures: string[] = []
          const failed = new Set<string>()
          const fail = (engine: string, message: string): void => {
            failed.add(engine)
            failures.push(`${engine} ${message}`)
          }
          for (const step of c.steps) {
            await step.run({ lake, table, formatVersion })
            table = (await lake.table(name)) as unknown as Table
            model = step.model(model)
            const expected = writtenRows(model, table.schema.fields)
            await expectFloe(table, expected, step.name)
            const { currentSnapshot, metadataLocation: metadata } = table
            if (currentSnapshot !== undefined) history.push([currentSnapshot.snapshotId, expected])
            const ids = await floeRowIds(table)
            if (formatVersion === 3) before = checkLineage(table, before, expected, ids, step.name)
            const look = async (engine: EngineName): Promise<void> => {
              const difference = await place
                .read(engine, { metadata })
                .then((rows) => compareRows(expected, rows), String)
              if (difference !== null) fail(engine, `after ${step.name}: ${difference}`)
              if (formatVersion === 2 || LINEAGE_COLUMNS[engine] === undefined) return
              const theirs = await engineRowIds(engine, metadata, place.read)
              const other = compareRows(theirs, ids)
              if (other !== null) fail(engine, `row ids after ${step.name}: ${other}`)
            }
            await Promise.all(ENGINES.map(look))
          }
          // Older snapshots are what they were.
          for (const [snapshotId, expected] of history) {
            const rows = await table.scan({ snapshotId }).toArray({ form: 'json' })
            expect(compareRows(expected, rowsFromFloe(rows, table.schema.fields))).toBeNull()
          }
          const middle = history[history.length >> 1]
          const lookBack = async (engine: EngineName): Promise<void> => {
            const [snapshotId, expected] = middle as [bigint, CanonicalRow[]]
            const request = { metadata: table.metadataLocation, snapshotId }
            const difference = compareRows(expected, await place.read(engine, request))
            if (difference !== null) fail(engine, `at ${snapshotId}: ${difference}`)
          }
          if (middle !== undefined) await Promise.all(ENGINES.map(lookBack))
          const cell = (engine: EngineName): string => {
            if (failed.has(engine)) return 'FAILS'
            const ids = formatVersion === 3 && LINEAGE_COLUMNS[engine] !== undefined
            return ids ? 'yes, row ids too' : 'yes'
          }
          const cells = Object.fromEntries(ENGINES.map((e) => [e, cell(e)]))
          measured[p]?.push({ feature: c.name, formatVersion, cells })
          expect(failures).toEqual([])
        }, 300_000)
      }
    }

    it('several tables changed in one commit', async () => {
      const orders = CHANGE_CASES[0]?.schema as ChangeCase['schema']
      const names = ['added', 'deleted', 'replaced', 'upserted'].map((n) => `c.m${p}_${n}`)
      const tables: Table[] = []
      for (const [i, name] of names.entries()) {
        const formatVersion = i % 2 === 1 ? 2 : 3
        const table = (await lake.createTable(name, orders, { formatVersion })) as unknown as Table
        await table.append(orderRows(0, 10) as never)
        tables.push(table)
      }
      const [added, deleted, replaced, upserted] = tables as [Table, Table, Table, Table]
      const [row] = await replaced.scan({ select: ['_file'], limit: 1 }).toArray()
      const tx = lake.transaction()
      await tx.append(added, [order(10)] as never)
      await tx.deleteWhere(deleted, { id: { lt: 4 } }, { mode: 'merge-on-read' })
      await tx.rowDelta(replaced, {
        rows: [order(20)] as never,
        deletes: [{ file: String((row as ModelRow)['_file']), positions: [0, 9] }],
      })
      await tx.upsert(upserted, [order(3, { amount: '3.33' }), order(30)] as never, { key: ['id'] })
      const result = await tx.commit()
      const expected = [
        orderRows(0, 11),
        orderRows(4, 10),
        [...orderRows(1, 9), order(20)],
        [...orderRows(0, 3), order(3, { amount: '3.33' }), ...orderRows(4, 10), order(30)],
      ]
      expect(result.tables).toHaveLength(4)
      for (const [i, name] of names.entries()) {
        const table = (await lake.table(name)) as unknown as Table
        const rows = writtenRows(expected[i] as ModelRow[], table.schema.fields)
        await expectFloe(table, rows, name)
        for (const engine of ENGINES) {
          const read = await place.read(engine, { metadata: table.metadataLocation })
          expect(compareRows(rows, read), `${engine}, ${name}`).toBeNull()
        }
      }
    })

    it('a table of one row, deleted, is empty to every engine', async () => {
      const table = (await lake.createTable(`c.one${p}`, schema({ id: t.long() }), {
        formatVersion: 3,
      })) as unknown as Table
      await table.append([{ id: 1 }])
      await table.deleteWhere({ id: 1 }, { mode: 'merge-on-read' })
      await expectFloe(table, [], 'the delete')
      for (const engine of ENGINES) {
        const rows = await place.read(engine, { metadata: table.metadataLocation })
        expect(rows, engine).toEqual([])
      }
    })
  })
}

describe('docs/compatibility.md', () => {
  for (const [p, place] of CHANGE_PLACES.entries()) {
    it.runIf(ENGINES.length === 4)(`has what was measured on ${place.name}`, () => {
      const features = CHANGE_CASES.map((c) => c.name)
      const rows = inOrder(measured[p] as MatrixRow[], features)
      expectSection(place.section, matrixTable('changes made by floe', rows))
    })
  }
})
