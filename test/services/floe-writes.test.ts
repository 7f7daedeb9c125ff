/** floe writes, every engine reads the same rows, also under predicates that prune. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Lake, openLake, type Row, type Table } from '../../src/index.ts'
import { type CanonicalRow, compareRows, rowsFromFloe } from './canonical.ts'
import { CASES, type Case, type Predicate } from './cases.ts'
import { ENGINES, type EngineName, read, WORK } from './client.ts'
import { DEVIATIONS, limitationOf, PREDICATE_LIMITATIONS } from './matrix.ts'
import { expectSection, inOrder, matrixTable } from './matrix-page.ts'
import { writtenRows } from './written.ts'

let lake: Lake

beforeAll(async () => {
  lake = await openLake(`${WORK}/floe lake`, { durability: 'os' })
})

afterAll(async () => {
  await lake?.close()
})

/** What was measured, for the matrix. */
const measured: { feature: string; formatVersion: number; cells: Record<string, string> }[] = []

function sqlFor(engine: EngineName, predicate: Predicate): string {
  return engine === 'pyiceberg' ? (predicate.pyiceberg ?? predicate.sql) : predicate.sql
}

/** The rows that floe itself reads. */
async function floeRows(table: Table, where?: Predicate['where']): Promise<CanonicalRow[]> {
  const rows: Row[] = await table
    .scan(where === undefined ? {} : { where })
    .toArray({ form: 'json' })
  return rowsFromFloe(rows, table.schema.fields)
}

async function create(c: Case, formatVersion: 2 | 3, index: number): Promise<Table> {
  const table = (await lake.createTable(`w.t${index}_v${formatVersion}`, c.schema, {
    formatVersion,
    partitionBy: c.partitionBy ?? [],
    properties: c.properties ?? {},
  })) as unknown as Table
  for (const rows of c.appends) await table.append(rows)
  return table
}

describe.each(CASES.map((c, index) => ({ name: c.name, c, index })))('$name', ({ c, index }) => {
  for (const formatVersion of c.formatVersions) {
    describe(`v${formatVersion}`, () => {
      let table: Table
      let expected: CanonicalRow[]
      const cells: Record<string, string> = {}

      beforeAll(async () => {
        table = await create(c, formatVersion, index)
        expected = writtenRows(c.appends.flat(), table.schema.fields)
        measured.push({ feature: c.name, formatVersion, cells })
      })

      it('floe: fsck holds and all rows are there', async () => {
        expect((await table.fsck({ data: 'all' })).problems).toEqual([])
        expect(compareRows(expected, await floeRows(table))).toBeNull()
      })

      for (const engine of ENGINES) {
        const limitation = limitationOf(engine, c.name, formatVersion)
        // The engines are processes of their own, and each waits for others most of the time.
        it.concurrent(`${engine}: ${limitation === undefined ? 'reads the same rows' : limitation.why}`, async () => {
          const metadata = table.metadataLocation
          if (limitation !== undefined) {
            cells[engine] = `no: ${limitation.why}`
            await expect(read(engine, { metadata })).rejects.toThrow(limitation.error)
            return
          }
          cells[engine] = 'FAILS'
          const notes: string[] = []
          const deviation = DEVIATIONS.find((d) => d.engine === engine && d.feature.test(c.name))
          if (deviation !== undefined) notes.push(deviation.why)
          const wantedRows = deviation === undefined ? expected : expected.map(deviation.adjust)
          expect(compareRows(wantedRows, await read(engine, { metadata }))).toBeNull()
          const first = table.snapshots()[0]
          if (c.appends.length > 1 && first !== undefined) {
            const rows = await read(engine, { metadata, snapshotId: first.snapshotId })
            expect(rows).toHaveLength(c.appends[0]?.length ?? 0)
          }
          for (const predicate of c.predicates ?? []) {
            const where = sqlFor(engine, predicate)
            const failing = PREDICATE_LIMITATIONS.find(
              (p) => p.engine === engine && p.feature.test(c.name) && p.sql.test(where),
            )
            if (failing !== undefined) {
              await expect(read(engine, { metadata, where })).rejects.toThrow(failing.error)
              notes.push(failing.why)
              continue
            }
            const wanted = await floeRows(table, predicate.where)
            expect(compareRows(wanted, await read(engine, { metadata, where })), where).toBeNull()
          }
          cells[engine] = notes.length === 0 ? 'yes' : `yes, but ${notes.join('; ')}`
        })
      }

      for (const predicate of c.predicates ?? []) {
        it(`floe: ${predicate.sql} prunes nothing that matches`, async () => {
          const { where } = predicate
          const { toExpression } = await import('../../src/iceberg/spec/expressions/where.ts')
          const { bindExpression } = await import('../../src/iceberg/spec/expressions/bind.ts')
          const { evaluateExpression } = await import(
            '../../src/iceberg/spec/expressions/evaluate.ts'
          )
          const { schema } = table
          const bound = bindExpression(schema, toExpression(where))
          const all = await table.scan().toArray()
          const matching = all.filter((row) =>
            evaluateExpression(bound, (id) => {
              const field = schema.findById(id)?.field
              return field === undefined ? null : literalOf(row[field.name], field.type.kind)
            }),
          )
          const scanned = await table.scan({ where }).toArray()
          expect(scanned.length).toBe(matching.length)
          expect(matching.length).toBeGreaterThan(0)
          expect(matching.length).toBeLessThan(all.length)
        })
      }
    })
  }
})

/** Rows have decimals and dates as text; predicates compare their integers. */
function literalOf(value: unknown, kind: string): never {
  if (value === null || value === undefined) return null as never
  if (kind === 'decimal') return BigInt(String(value).replace('.', '')) as never
  if (kind === 'date') return Math.floor(Date.parse(String(value)) / 86_400_000) as never
  return value as never
}

describe('several tables in one commit', () => {
  it('all engines see both', async () => {
    const { schema, t } = await import('../../src/index.ts')
    const s = schema({ id: t.long() })
    await lake.createTable('w.multi_a', s)
    await lake.createTable('w.multi_b', s, { formatVersion: 3 })
    const tx = lake.transaction()
    await tx.append('w.multi_a', [{ id: 1 }, { id: 2 }])
    await tx.append('w.multi_b', [{ id: 3 }])
    const result = await tx.commit()
    for (const [i, ids] of [['1', '2'], ['3']].entries()) {
      const metadata = result.tables[i]?.metadataLocation as string
      for (const engine of ENGINES) {
        const rows = await read(engine, { metadata })
        expect(rows.map((r) => r['id']).sort(), engine).toEqual(ids)
      }
    }
  })
})

describe('docs/compatibility.md', () => {
  it.runIf(ENGINES.length === 4)('is what was measured', () => {
    expectSection(
      'Tables written by floe',
      matrixTable(
        'tables written by floe',
        inOrder(
          measured,
          CASES.map((c) => c.name),
        ),
      ),
    )
  })
})
