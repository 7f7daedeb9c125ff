/** Tables that other engines wrote, read by floe as the corpus's index says. */
import { expect, it } from 'vitest'
import { isFloeError, openTable, type Table } from '../../src/index.ts'
import { corpusIndex, corpusPath, describeCorpus } from '../support/corpus.ts'
import { corpusRow, expectedValue } from './corpus-values.ts'

interface Expected {
  readonly count?: number
  readonly planning?: string
  readonly columns?: readonly string[]
  readonly rows?: readonly (readonly unknown[])[]
  readonly count_by_snapshot?: Readonly<Record<string, number>>
}

interface TableEntry {
  readonly id: string
  readonly kind: string
  readonly path: string
  readonly metadata: string
  readonly features: readonly string[]
  readonly expected_rows?: Expected | null
  readonly expected_error?: string | null
  readonly absent_files?: number | null
  readonly path_prefixes?: Readonly<Record<string, string>> | null
}

const tables = corpusIndex().filter((e) => e.kind === 'table') as unknown as TableEntry[]

/** Files of a table are where the corpus has them, whatever its metadata says. */
function open(entry: TableEntry): Promise<Table> {
  const root = corpusPath(entry.path)
  const pathMapping: Record<string, string> = {}
  for (const [prefix, folder] of Object.entries(entry.path_prefixes ?? {})) {
    const target = folder === '' || folder === '.' ? root : `${root}/${folder}`
    pathMapping[prefix] =
      `file://${target}${prefix.endsWith('/') && !target.endsWith('/') ? '/' : ''}`
  }
  return openTable(`${root}/${entry.metadata}`, { pathMapping, roots: [root] })
}

describeCorpus('corpus tables', () => {
  for (const entry of tables) {
    it(entry.id, async () => {
      let table: Table
      try {
        table = await open(entry)
      } catch (error) {
        expectTyped(error, entry)
        return
      }
      try {
        const expected = entry.expected_rows
        if (expected === undefined || expected === null) {
          expect((await table.scan().plan()).report.files).toBeGreaterThan(0)
          return
        }
        if (expected.planning !== undefined) {
          expect(entry.id).toBe('duck-generated-bounds')
          const where = { block_number: { gte: 5_000_000, lte: 5_000_100 } }
          expect((await table.scan({ where }).plan()).tasks).toEqual([])
          const some = await table
            .scan({ where: { block_number: { gte: 299_950, lt: 300_000 } } })
            .plan()
          expect(some.tasks).toHaveLength(1)
          expect((await table.scan().plan()).tasks).toHaveLength(5000)
          return
        }
        let rows: Record<string, unknown>[]
        try {
          rows = await table.scan().toArray()
        } catch (error) {
          expectTyped(error, entry)
          return
        }
        if (expected.count !== undefined) expect(rows).toHaveLength(expected.count)
        if (expected.columns !== undefined) {
          expect(table.schema.fields.map((f) => f.name)).toEqual(expected.columns)
        }
        if (expected.rows !== undefined) {
          const { fields } = table.schema
          const found = rows.map((row) => JSON.stringify(corpusRow(row, fields))).sort()
          const wanted = expected.rows
            .map((row) => JSON.stringify(row.map((v, c) => expectedValue(v, fields[c]?.type))))
            .sort()
          expect(found).toEqual(wanted)
        }
        for (const [id, count] of Object.entries(expected.count_by_snapshot ?? {})) {
          const scan = table.scan({ snapshotId: BigInt(id) })
          try {
            expect(await scan.count(), `snapshot ${id}`).toBe(count)
          } catch (error) {
            // Older snapshots may name files that the source does not hold.
            const absent = isFloeError(error, 'FILE_NOT_FOUND') && (entry.absent_files ?? 0) > 0
            if (!absent) expectTyped(error, entry)
          }
        }
      } finally {
        await table.close()
      }
    })
  }

  it('covers the tables of the index', () => {
    expect(tables.length).toBeGreaterThanOrEqual(69)
  })
})

/** Formats that floe does not read; whatever else fails has to be in the index as an error. */
function expectTyped(error: unknown, entry: TableEntry): void {
  if (!isFloeError(error)) throw error
  const has = (pattern: RegExp): boolean => entry.features.some((f) => pattern.test(f))
  const allowed =
    error.code === 'UNSUPPORTED_TYPE'
      ? has(/variant/i)
      : error.code === 'UNSUPPORTED_FILE_FORMAT'
        ? has(/orc|avro/i)
        : entry.expected_error !== undefined && entry.expected_error !== null
  if (!allowed) throw error
}
