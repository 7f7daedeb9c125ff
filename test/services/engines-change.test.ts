/**
 * floe reads tables after Spark's and Trino's DELETE, UPDATE and MERGE: after every statement floe's rows are those of
 * the engine and of a model, and row ids are those of every engine that knows them.
 */
import { describe, expect, it } from 'vitest'
import { openTable, type Table } from '../../src/index.ts'
import { compareRows, rowsFromFloe } from './canonical.ts'
import { ENGINES, type EngineName, read } from './client.ts'
import {
  canonicalModel,
  createForeign,
  type ForeignEngine,
  type ForeignTable,
  type ModelRow,
  modelRow,
} from './foreign-tables.ts'
import { expectSection, inOrder, LABELS, type MatrixRow, matrixTable } from './matrix-page.ts'
import { engineRowIds, floeRowIds, LINEAGE_COLUMNS } from './row-ids.ts'

/** A statement, and what it does to the model. */
interface Step {
  readonly name: string
  sql(table: ForeignTable): string
  apply(rows: readonly ModelRow[]): readonly ModelRow[]
}

function insert(from: number, to: number): Step {
  const added = Array.from({ length: to - from + 1 }, (_, i) => modelRow(from + i))
  return {
    name: `insert ${from} to ${to}`,
    // One file: whole-file deletes and merged vectors depend on it.
    sql: (t) =>
      t.name.startsWith('w.')
        ? `INSERT INTO ${t.name} SELECT /*+ COALESCE(1) */ * FROM VALUES ${added.map((r) => t.literal(r)).join(', ')}`
        : `INSERT INTO ${t.name} VALUES ${added.map((r) => t.literal(r)).join(', ')}`,
    apply: (rows) => [...rows, ...added],
  }
}

function remove(condition: string, matches: (row: ModelRow) => boolean): Step {
  return {
    name: `delete where ${condition}`,
    sql: (t) => `DELETE FROM ${t.name} WHERE ${condition}`,
    apply: (rows) => rows.filter((row) => !matches(row)),
  }
}

function update(set: string, ids: readonly number[], change: (row: ModelRow) => ModelRow): Step {
  return {
    name: `update ${ids.join()} set ${set}`,
    sql: (t) => `UPDATE ${t.name} SET ${set} WHERE id IN (${ids.join(', ')})`,
    apply: (rows) => rows.map((row) => (ids.includes(row.id) ? change(row) : row)),
  }
}

/** Matched rows are updated, but the first is deleted; others are inserted. */
function merge(ids: readonly number[]): Step {
  const source = ids.map((id) => modelRow(id, { n: -id, region: id % 2 === 0 ? 'eu' : 'asia' }))
  return {
    name: `merge ${ids.join()}`,
    sql: (t) =>
      `MERGE INTO ${t.name} t USING (SELECT * FROM (VALUES ${source.map((r) => t.literal(r)).join(', ')}) AS v(id, region, n, amount, at, tags)) s ON t.id = s.id
       WHEN MATCHED AND s.id = ${ids[0]} THEN DELETE
       WHEN MATCHED THEN UPDATE SET n = s.n, region = s.region
       WHEN NOT MATCHED THEN INSERT (id, region, n, amount, at, tags) VALUES (s.id, s.region, s.n, s.amount, s.at, s.tags)`,
    apply: (rows) => {
      const present = new Set(rows.map((row) => row.id))
      return [
        ...rows
          .filter((row) => row.id !== ids[0])
          .map((row) => {
            const from = source.find((s) => s.id === row.id)
            return from === undefined ? row : { ...row, n: from.n, region: from.region }
          }),
        ...source.filter((row) => !present.has(row.id)),
      ]
    },
  }
}

const STEPS: readonly Step[] = [
  insert(1, 30),
  insert(101, 103),
  remove('id IN (3, 7, 11)', (r) => [3, 7, 11].includes(r.id)),
  // The same files again: vectors are united and replaced.
  remove('id % 5 = 0', (r) => r.id % 5 === 0),
  update('n = n + 1000', [1, 2, 8], (r) => ({ ...r, n: r.n + 1000 })),
  // Into another partition.
  update("region = 'asia'", [13, 14], (r) => ({ ...r, region: 'asia' })),
  merge([4, 6, 9, 200, 201]),
  // A row that was updated before, so that its own file gets a vector.
  update("amount = 0.50, region = 'us'", [1, 13, 200], (r) => ({
    ...r,
    amount: '0.50',
    region: 'us',
  })),
  // Whole files go, some of them with vectors.
  remove('id > 100 AND id < 200', (r) => r.id > 100 && r.id < 200),
  remove("region = 'us'", (r) => r.region === 'us'),
  remove('region IS NULL', (r) => r.region === null),
  insert(300, 302),
]

interface Setting {
  readonly engine: ForeignEngine
  readonly mode: 'merge-on-read' | 'copy-on-write'
  readonly formatVersion: 2 | 3
  readonly partitioned: boolean
}

const SETTINGS: readonly Setting[] = (['spark', 'trino'] as const).flatMap((engine) =>
  // Trino knows merge-on-read alone.
  (engine === 'spark'
    ? (['merge-on-read', 'copy-on-write'] as const)
    : (['merge-on-read'] as const)
  ).flatMap((mode) =>
    ([2, 3] as const).flatMap((formatVersion) =>
      [false, true].map((partitioned): Setting => ({ engine, mode, formatVersion, partitioned })),
    ),
  ),
)

/** Tables of one engine that another cannot read, with its own error. */
const LIMITS: readonly {
  readonly reader: EngineName
  readonly of: (setting: Setting) => boolean
  readonly error: RegExp
  readonly why: string
}[] = [
  {
    reader: 'pyiceberg',
    of: ({ engine, formatVersion }) => engine === 'trino' && formatVersion === 2,
    error: /DecodeArrow of DictAccumulator for DeltaLengthByteArrayDecoder/,
    why: 'no DELTA_LENGTH_BYTE_ARRAY paths in position deletes',
  },
]

const featureOf = ({ engine, mode, partitioned }: Setting): string =>
  `${engine === 'spark' ? 'Spark' : 'Trino'}, ${mode}, ${partitioned ? 'partitioned' : 'unpartitioned'}`

/** What was measured, for the matrix. */
const measured: MatrixRow[] = []

/** The delete files that a scan of everything has to apply, by kind. */
async function deletesInPlace(table: Table): Promise<{ vectors: number; positions: number }> {
  const { tasks } = await table.scan().plan()
  return {
    vectors: tasks.filter((task) => task.deletes?.vector !== undefined).length,
    positions: tasks.filter((task) => (task.deletes?.positions.length ?? 0) > 0).length,
  }
}

describe('floe’s rows and row ids are the engine’s after every statement', () => {
  for (const engine of ['spark', 'trino'] as const) {
    // Each engine has one statement at a time; one waits while the other works.
    const suite = ENGINES.includes(engine) ? describe.concurrent : describe.skip
    suite(engine, () => {
      for (const setting of SETTINGS.filter((each) => each.engine === engine)) {
        const { mode, formatVersion, partitioned } = setting
        const title = `v${formatVersion}, ${mode}, ${partitioned ? 'partitioned' : 'unpartitioned'}`
        it.sequential(title, () => followChanges(setting), 300_000)
      }
    })
  }
})

async function followChanges(setting: Setting): Promise<void> {
  const { engine, mode, formatVersion, partitioned } = setting
  const foreign = await createForeign(
    engine,
    `t${formatVersion}_${mode === 'merge-on-read' ? 'mor' : 'cow'}_${partitioned ? 'p' : 'u'}`,
    {
      formatVersion,
      partitioned,
      properties: Object.fromEntries(
        ['delete', 'update', 'merge'].map((verb) => [`write.${verb}.mode`, mode]),
      ),
    },
  )
  let model: readonly ModelRow[] = []
  const history: { readonly snapshotId: bigint; readonly model: readonly ModelRow[] }[] = []
  let seen = { vectors: 0, positions: 0 }
  let metadata = ''
  for (const step of STEPS) {
    await foreign.run(step.sql(foreign))
    model = step.apply(model)
    metadata = await foreign.metadata()
    const table = await openTable(metadata)
    try {
      const rows = await table.scan().toArray({ form: 'json' })
      const expected = canonicalModel(model)
      const floe = rowsFromFloe(rows, table.schema.fields)
      expect(compareRows(expected, floe), `floe after ${step.name}`).toBeNull()
      const own = await foreign.rows()
      expect(compareRows(own, floe), `${engine} after ${step.name}`).toBeNull()
      expect(await table.scan().count(), step.name).toBe(model.length)
      const some = await table
        .scan({ where: { n: { gt: 100 }, region: 'eu' }, select: ['id'] })
        .toArray()
      const wanted = model.filter((row) => row.n > 100 && row.region === 'eu')
      expect(some.map((row) => Number(row['id'])).sort(), step.name).toEqual(
        wanted.map((row) => row.id).sort(),
      )
      if (formatVersion === 3) {
        const ids = await floeRowIds(table)
        for (const other of ENGINES) {
          // Engines are slow: the others look at the end alone.
          if (LINEAGE_COLUMNS[other] === undefined) continue
          if (other !== engine && step !== STEPS.at(-1)) continue
          const theirs = await engineRowIds(other, metadata)
          expect(compareRows(theirs, ids), `ids of ${other} after ${step.name}`).toBeNull()
        }
      }
      expect((await table.fsck({ data: 'all' })).problems, step.name).toEqual([])
      const now = await deletesInPlace(table)
      seen = {
        vectors: Math.max(seen.vectors, now.vectors),
        positions: Math.max(seen.positions, now.positions),
      }
      const { currentSnapshot } = table
      if (currentSnapshot !== undefined)
        history.push({ snapshotId: currentSnapshot.snapshotId, model })
    } finally {
      await table.close()
    }
  }
  // The statements did what this test is about.
  expect(seen.vectors > 0).toBe(mode === 'merge-on-read' && formatVersion === 3)
  expect(seen.positions > 0).toBe(mode === 'merge-on-read' && formatVersion === 2)
  const table = await openTable(metadata)
  try {
    for (const { snapshotId, model: then } of history) {
      const rows = await table.scan({ snapshotId }).toArray({ form: 'json' })
      const floe = rowsFromFloe(rows, table.schema.fields)
      expect(compareRows(canonicalModel(then), floe), `snapshot ${snapshotId}`).toBeNull()
    }
  } finally {
    await table.close()
  }
  const cells: Record<string, string> = {
    floe: formatVersion === 3 ? 'yes, row ids too' : 'yes',
  }
  measured.push({ feature: featureOf(setting), formatVersion, cells })
  // And the other engines see the same.
  for (const other of ENGINES) {
    const limit = LIMITS.find((l) => l.reader === other && l.of(setting))
    if (limit !== undefined) {
      cells[other] = `no: ${limit.why}`
      await expect(read(other, { metadata }), other).rejects.toThrow(limit.error)
      continue
    }
    const rows = await read(other, { metadata })
    expect(compareRows(canonicalModel(model), rows), other).toBeNull()
    cells[other] = 'yes'
  }
}

describe('docs/compatibility.md', () => {
  it.runIf(ENGINES.length === 4)('has what was measured of changes that engines make', () => {
    expectSection(
      'Rows changed by other engines',
      matrixTable('DELETE, UPDATE and MERGE by', inOrder(measured, SETTINGS.map(featureOf)), {
        floe: 'floe',
        ...LABELS,
      }),
    )
  })
})
