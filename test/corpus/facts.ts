/**
 * What the sources of corpus tables state beside rows and counts: `at`, `also` and `planning` of the index, each as a
 * check. Filters run with what floe prunes by and against all rows.
 */
import { expect } from 'vitest'
import type { Table, Where } from '../../src/index.ts'
import { rejectionOf } from '../support/expect-error.ts'

/** Opens another metadata file of the table, by its path inside. */
type Open = (metadata: string) => Promise<Table>

type Fact = (table: Table, open: Open) => Promise<void>

type Rows = readonly Readonly<Record<string, unknown>>[]

/** The rows of a scan that the filter leaves, which are those that match among all rows. */
async function filtered(
  table: Table,
  where: Where,
  matches: (row: Readonly<Record<string, unknown>>) => boolean,
): Promise<Rows> {
  const all: Rows = await table.scan().toArray({ form: 'json' })
  const some: Rows = await table.scan({ where }).toArray({ form: 'json' })
  const text = (rows: Rows): string[] => rows.map((row) => JSON.stringify(row)).sort()
  expect(text(some)).toEqual(text(all.filter(matches)))
  expect(await table.scan({ where }).count()).toBe(some.length)
  return some
}

/** Rows of a snapshot as lists of plain values, sorted by the first. */
async function rowsAt(
  table: Table,
  snapshotId: bigint | undefined,
  select: readonly string[] = table.schema.fields.map((f) => f.name),
): Promise<unknown[][]> {
  const rows: Rows = await table
    .scan(snapshotId === undefined ? { select } : { snapshotId, select })
    .toArray({ form: 'json' })
  return rows
    .map((row) =>
      select.map((name) => (typeof row[name] === 'bigint' ? String(row[name]) : row[name])),
    )
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

const LINEAGE = ['_row_id', '_last_updated_sequence_number'] as const

export const FACTS: Readonly<Record<string, Fact>> = {
  'duck-generated-bounds': async (table) => {
    const where = { block_number: { gte: 5_000_000, lte: 5_000_100 } }
    expect((await table.scan({ where }).plan()).tasks).toEqual([])
    const some = await table.scan({ where: { block_number: { gte: 299_950, lt: 300_000 } } }).plan()
    expect(some.tasks).toHaveLength(1)
    expect((await table.scan().plan()).tasks).toHaveLength(5000)
  },

  'duck-lineitem-gz': async (table) => {
    const { tasks } = await table.scan().plan()
    expect(tasks.map(({ file }) => [file.fileFormat, file.recordCount])).toEqual([
      ['PARQUET', 111_968],
    ])
  },

  'duck-v1-inline-manifests': async (table) => {
    const { tasks } = await table.scan().plan()
    expect(tasks.length).toBeGreaterThan(0)
    for (const { file, sequenceNumber } of tasks) {
      expect([file.content, sequenceNumber]).toEqual(['data', 0])
    }
  },

  'duck-v1-existing-entries': async (table, open) => {
    const upgraded = await open('metadata/00004-v3-upgraded-v1-null-counts.metadata.json')
    expect(upgraded.metadata.formatVersion).toBe(3)
    expect(await rowsAt(upgraded, undefined)).toEqual(await rowsAt(table, undefined))
    // Nothing has given its rows ids yet.
    const ids = await rowsAt(upgraded, undefined, LINEAGE)
    expect(ids).toEqual(ids.map(() => [null, null]))
  },

  'duck-name-mapping': async (table, open) => {
    const snapshotId = 6597550917742534971n
    const nulls = async (of: Table, column: string, id: bigint): Promise<number> => {
      const rows: Rows = await of.scan({ snapshotId: id }).toArray()
      return rows.filter((row) => row[column] === null).length
    }
    expect(await nulls(await open('metadata/v3.metadata.json'), 'b', snapshotId)).toBe(0)
    expect(await nulls(await open('metadata/v3.1.metadata.json'), 'b', snapshotId)).toBe(10_000)
    // "a" is required and has no source: the source reads nulls, which no row of the table may have.
    const none = await open('metadata/v3.2.metadata.json')
    await rejectionOf('NULL_IN_REQUIRED', none.scan({ snapshotId }).toArray())
    expect(await nulls(await open('metadata/v4.metadata.json'), 'b', snapshotId)).toBe(0)
    expect(await nulls(await open('metadata/v4.1.metadata.json'), 'b', snapshotId)).toBe(10_000)
    expect(await nulls(table, 'b', 2651609110244230974n)).toBe(10_000)
  },

  'duck-uuid': async (table) => {
    const uuid = '1571effb-facd-42a3-90e9-0af522e9b6c2'
    expect(await filtered(table, { uuid }, (row) => row['uuid'] === uuid)).toHaveLength(1)
    const { report } = await table.scan({ where: { uuid } }).plan()
    expect([report.files, report.rows]).toEqual([1, 5])
  },

  'icebird-java-bunnies': async (table, open) => {
    const count = async (name: string): Promise<number> =>
      (await (await open(`metadata/${name}.metadata.json`)).scan().toArray()).length
    expect(await count('v2')).toBe(21)
    const v3 = await open('metadata/v3.metadata.json')
    const added: Rows = await v3.scan().toArray()
    expect(added.map((row) => row['__happy__'])).toEqual(Array(21).fill(null))
    const newZealand = {
      'Breed Name': 'New Zealand',
      'Average Weight': 4,
      'Fur Length': 2.7,
      Lifespan: '8',
      'Origin Country': 'New Zealand',
      'Ear Type': 'Erect',
      Temperament: 'Affectionate',
    }
    const find = (of: Table): Promise<Rows> =>
      filtered(of, { 'Breed Name': 'New Zealand' }, (row) => row['Breed Name'] === 'New Zealand')
    const v4 = await open('metadata/v4.metadata.json')
    expect(await v4.scan().toArray()).toHaveLength(15)
    expect(await find(v4)).toMatchObject([
      { ...newZealand, 'Popularity Rank': '21', __happy__: null },
    ])
    expect(await find(table)).toMatchObject([
      { ...newZealand, 'Popularity Rank': '0', __happy__: true },
    ])
  },

  'impala-v2-equality-delete': async (table) => {
    expect(await rowsAt(table, 3207673167795000154n)).toEqual([
      ['1', 'test_1_base'],
      ['2', 'test_2_base'],
    ])
  },

  'impala-v2-equality-nulls': async (table) => {
    expect(await rowsAt(table, 4346796256488077976n)).toEqual([
      [1, 'str1'],
      [3, 'str3'],
      [null, 'str2'],
    ])
  },

  'impala-v2-equality-multi-ids': async (table) => {
    const now = await rowsAt(table, undefined)
    expect(now).toHaveLength(5)
    expect(await rowsAt(table, 4077234998626563290n)).toEqual(now)
    expect(await rowsAt(table, 8127619959873391049n)).toEqual([
      [1, 'str1'],
      [2, 'str2'],
      [3, 'str3_updated'],
    ])
  },

  'impala-v2-pos-not-all-files': async (table) => {
    expect(await rowsAt(table, 7490459762454857930n)).toHaveLength(10)
    expect(await rowsAt(table, 752781918366351945n)).toHaveLength(9)
  },

  'impala-key-metadata': async (table) => {
    const { tasks } = await table.scan().plan()
    const keys = tasks.map(({ file }) => Buffer.from(file.keyMetadata ?? []).toString())
    expect(keys).toContain('binary_key_metadata')
  },

  'impala-airports': async (table) => {
    const abroad = await filtered(
      table,
      { country: { ne: 'USA' } },
      (row) => row['country'] !== 'USA' && row['country'] !== null,
    )
    expect(abroad.map((row) => row['iata']).sort()).toEqual(['ROP', 'ROR', 'SPN', 'YAP'])
  },

  'impala-v3-deletion-vectors': async (table) => {
    const { tasks } = await table.scan().plan()
    expect(tasks).toHaveLength(5)
    const vectors = tasks.flatMap(({ deletes }) =>
      deletes?.vector === undefined ? [] : [deletes.vector.file],
    )
    expect(vectors).toHaveLength(2)
    expect(new Set(vectors.map((file) => file.filePath)).size).toBe(1)
    expect(new Set(vectors.map((file) => file.contentOffset)).size).toBe(2)
  },

  'impala-v3-default-value': async (table) => {
    const some = await filtered(table, { j: -1 }, (row) => row['j'] === -1)
    expect(some).toMatchObject([{ i: 1, j: -1 }])
    const none = await filtered(table, { j: { isNull: true } }, (row) => row['j'] === null)
    expect(none).toEqual([])
  },

  'impala-v3-row-lineage': async (table) => {
    const ids = [
      [1, '0', '1'],
      [2, '1', '2'],
      [3, '2', '3'],
    ]
    const select = ['i', ...LINEAGE]
    // Inherited before the rewrite, stored in the rewritten file after it.
    expect(await rowsAt(table, 2872597867664652808n, select)).toEqual(ids)
    expect(await rowsAt(table, undefined, select)).toEqual(ids)
  },

  'impala-puffin-stats': async (table) => {
    const blobs = table.metadata.statistics.flatMap((s) => s.blobMetadata)
    const sketches = blobs.filter((b) => b.type === 'apache-datasketches-theta-v1')
    expect(sketches.map((b) => b.properties?.['ndv'])).toEqual(['2', '2'])
  },

  'polars-day-partition': async (table) => {
    const at = '2023-03-01T19:25:00'
    const later = (row: Readonly<Record<string, unknown>>): boolean =>
      String(row['ts']).slice(0, 19) > at
    const from = (row: Readonly<Record<string, unknown>>): boolean =>
      String(row['ts']).slice(0, 19) >= at
    const zone = table.schema.findByName('ts')?.field.type.kind === 'timestamptz' ? 'Z' : ''
    expect(await filtered(table, { ts: { gte: `${at}${zone}` } }, from)).toHaveLength(2)
    expect(await filtered(table, { ts: { gt: `${at}${zone}` } }, later)).toMatchObject([{ id: 3 }])
  },

  'dremio-products-eq-deletes': async (table) => {
    const counts: number[] = []
    for (const { snapshotId } of table.snapshots()) {
      counts.push((await table.scan({ snapshotId }).toArray()).length)
    }
    expect(counts).toEqual([200, 170, 370, 333, 933, 453, 450])
  },
}
