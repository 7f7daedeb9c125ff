/** Tables that other engines wrote, read by floe as the corpus's index says. */
import { expect, it } from 'vitest'
import type { ErrorCode } from '../../src/core/errors.ts'
import { openTable, type Table } from '../../src/index.ts'
import { corpusIndex, corpusPath, describeCorpus } from '../support/corpus.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { corpusRow, expectedValue } from './corpus-values.ts'
import { FACTS } from './facts.ts'

interface Expected {
  readonly count?: number
  readonly planning?: string
  readonly columns?: readonly string[]
  readonly rows?: readonly (readonly unknown[])[]
  /** Null where the source states none. */
  readonly count_by_snapshot?: Readonly<Record<string, number | null>>
  /** Facts in the source's words; each table that has some is in facts.ts. */
  readonly at?: unknown
  readonly also?: unknown
}

interface TableEntry {
  readonly id: string
  readonly kind: string
  readonly path: string
  readonly metadata: string
  readonly features: readonly string[]
  readonly expected_rows: Expected
  readonly path_prefixes?: Readonly<Record<string, string>> | null
}

const tables = corpusIndex().filter((e) => e.kind === 'table') as unknown as TableEntry[]

/** Files of a table are where the corpus has them, whatever its metadata says. */
function open(entry: TableEntry, metadata = entry.metadata): Promise<Table> {
  const root = corpusPath(entry.path)
  const pathMapping: Record<string, string> = {}
  for (const [prefix, folder] of Object.entries(entry.path_prefixes ?? {})) {
    const target = folder === '' || folder === '.' ? root : `${root}/${folder}`
    pathMapping[prefix] =
      `file://${target}${prefix.endsWith('/') && !target.endsWith('/') ? '/' : ''}`
  }
  return openTable(`${root}/${metadata}`, { pathMapping, roots: [root] })
}

/** Tables whose rows floe refuses, and why: nothing else may fail. */
const REFUSED: Readonly<Record<string, ErrorCode>> = {
  'impala-v2-no-deletes-orc': 'UNSUPPORTED_FILE_FORMAT',
  'impala-mixed-formats': 'UNSUPPORTED_FILE_FORMAT',
  'impala-v3-default-value-avro': 'UNSUPPORTED_FILE_FORMAT',
  'trino-codec-none-avro': 'UNSUPPORTED_FILE_FORMAT',
  'impala-v3-trino-variant': 'UNSUPPORTED_TYPE',
  // Planning alone: the data files do not exist and are named outside the table.
  'duck-generated-bounds': 'PATH_OUTSIDE_ROOT',
}

/** Snapshots whose manifest lists the source does not hold. */
const ABSENT_SNAPSHOTS: ReadonlySet<string> = new Set(['duck-eq-deletes/7342794868382145167'])

/** Rows as the index has them, sorted, of the columns that floe reads. */
function compare(
  table: Table,
  expected: Expected,
  rows: readonly Record<string, unknown>[],
  names: readonly string[] = table.schema.fields.map((f) => f.name),
): void {
  const { fields } = table.schema
  const kept = fields.flatMap((f, i) => (names.includes(f.name) ? [i] : []))
  const columns = kept.map((i) => fields[i] as (typeof fields)[number])
  const found = rows.map((row) => JSON.stringify(corpusRow(row, columns))).sort()
  const wanted = (expected.rows ?? [])
    .map((row) => JSON.stringify(kept.map((i) => expectedValue(row[i], fields[i]?.type))))
    .sort()
  expect(found).toEqual(wanted)
}

describeCorpus('corpus tables', () => {
  for (const entry of tables) {
    it(entry.id, async () => {
      const table = await open(entry)
      try {
        const expected = entry.expected_rows
        if (expected.columns !== undefined) {
          expect(table.schema.fields.map((f) => f.name)).toEqual(expected.columns)
        }
        const refused = REFUSED[entry.id]
        if (refused === undefined) {
          const rows = await table.scan().toArray()
          expect(rows).toHaveLength(expected.count as number)
          if (expected.rows !== undefined) compare(table, expected, rows)
        } else {
          await rejectionOf(refused, table.scan().toArray())
          if (refused === 'UNSUPPORTED_TYPE') {
            const select = table.schema.fields
              .filter((f) => f.type.kind !== 'variant')
              .map((f) => f.name)
            compare(table, expected, await table.scan({ select }).toArray(), select)
          }
        }
        // Without a filter counts need no data files: also of formats that are not read.
        if (expected.count !== undefined) {
          expect(await table.scan().count()).toBe(expected.count)
        }
        for (const [id, count] of Object.entries(expected.count_by_snapshot ?? {})) {
          const counted = table.scan({ snapshotId: BigInt(id) }).count()
          if (ABSENT_SNAPSHOTS.has(`${entry.id}/${id}`))
            await rejectionOf('FILE_NOT_FOUND', counted)
          else expect(await counted, `snapshot ${id}`).toBe(count)
        }
      } finally {
        await table.close()
      }
    })
  }

  for (const entry of tables.filter((e) => FACTS[e.id] !== undefined)) {
    it(`${entry.id}: what else its source states`, async () => {
      const opened: Table[] = []
      const openMetadata = async (metadata?: string): Promise<Table> => {
        const table = await open(entry, metadata)
        opened.push(table)
        return table
      }
      try {
        await FACTS[entry.id]?.(await openMetadata(), openMetadata)
      } finally {
        for (const table of opened) await table.close()
      }
    })
  }

  /** Tables whose deletes are not as the format wants them, and what fsck calls it. */
  const unsound: Readonly<Record<string, RegExp>> = {
    'duck-legacy-bare-dv': /^deletion-vectors .*does not begin as a Puffin file/,
    'impala-v2-null-delete-record': /^delete-files row \d+ names no file or no position/,
  }
  for (const entry of tables.filter((e) => e.features.some((f) => /delete|deletion/.test(f)))) {
    it(`${entry.id}: fsck of its deletes`, async () => {
      const table = await open(entry)
      try {
        const { problems } = await table.fsck({ data: 'all' })
        const found = problems.filter((p) => /^(deletion-vectors|delete-files)$/.test(p.check))
        const wanted = unsound[entry.id]
        if (wanted === undefined) expect(found).toEqual([])
        else expect(found.map((p) => `${p.check} ${p.message}`)[0]).toMatch(wanted)
      } finally {
        await table.close()
      }
    })
  }

  it('covers the index: all tables, all facts, nothing refused that is not there', () => {
    expect(tables.length).toBeGreaterThanOrEqual(69)
    const ids = tables.map((e) => e.id)
    const stated = tables
      .filter(({ expected_rows: e }) => [e.at, e.also, e.planning].some((f) => f !== undefined))
      .map((e) => e.id)
    expect(Object.keys(FACTS).sort()).toEqual(stated.sort())
    for (const id of Object.keys(REFUSED)) expect(ids).toContain(id)
    const unknown = tables.flatMap((e) =>
      Object.entries(e.expected_rows.count_by_snapshot ?? {}).flatMap(([id, count]) =>
        count === null ? [`${e.id}/${id}`] : [],
      ),
    )
    expect(unknown).toEqual([...ABSENT_SNAPSHOTS])
    for (const { id, expected_rows: e } of tables) {
      expect(e.count !== undefined || e.planning !== undefined, id).toBe(true)
    }
  })
})
