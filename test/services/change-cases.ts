/** Changes of rows that floe makes and all engines read back. */
import { expect } from 'vitest'
import { and, gtEq, isNull, lt, schema, type Table, t } from '../../src/index.ts'
import { CASES } from './cases.ts'
import {
  append,
  type ChangeCase,
  type ChangeStep,
  deleteWhere,
  type Mode,
  type ModelRow,
  replaceByPosition,
  upsert,
} from './change-model.ts'

const o = t.optional

const orders = schema({
  id: t.long(),
  region: o(t.string()),
  amount: o(t.decimal(10, 2)),
  at: o(t.timestamptz()),
  tags: o(t.list(t.string())),
})

const REGIONS = ['north', 'south', null]

export function order(id: number, over: ModelRow = {}): ModelRow {
  return {
    id,
    region: REGIONS[id % 3],
    amount: id % 5 === 0 ? null : `${id}.50`,
    at: `2026-03-0${(id % 9) + 1}T00:00:00.00000${id % 10}Z`,
    tags: id % 4 === 0 ? null : ['a', `t${id}`],
    ...over,
  }
}

export function orderRows(from: number, to: number): ModelRow[] {
  return Array.from({ length: to - from }, (_, i) => order(from + i))
}

/** What a scan of everything has to apply. */
async function deletesOf(table: Table): Promise<{ vectors: number; files: number }> {
  const { tasks } = await table.scan().plan()
  const vectors = tasks.flatMap(({ deletes }) => (deletes?.vector ? [deletes.vector.file] : []))
  const positions = tasks.flatMap(({ deletes }) => deletes?.positions ?? [])
  return {
    vectors: vectors.length,
    files: new Set([...vectors, ...positions.map((e) => e.file)].map((f) => f.filePath)).size,
  }
}

const ids =
  (...list: number[]) =>
  (row: ModelRow): boolean =>
    list.includes(row['id'] as number)

function deleteIds(mode: Mode, list: readonly number[], check?: ChangeStep['run']): ChangeStep {
  return deleteWhere({
    name: `delete ${list.join()}`,
    where: { id: { in: [...list] } },
    matches: ids(...list),
    mode,
    check: async (outcome, context) => {
      expect(outcome.rowsDeleted).toBe(list.length)
      await check?.(context)
    },
  })
}

const MODES: readonly Mode[] = ['merge-on-read', 'copy-on-write']

/** The case of the primitive types, deleted from. */
const primitives = CASES.find((c) => c.name === 'every primitive type')
if (primitives === undefined) throw new Error('there is no case of the primitive types')

export const CHANGE_CASES: readonly ChangeCase[] = [
  {
    name: 'rows deleted beside their files',
    schema: orders,
    steps: [
      append(orderRows(0, 40)),
      append(orderRows(40, 50)),
      deleteIds('merge-on-read', [3, 7]),
      // The same file again: its vector is replaced by the union, not added to.
      deleteIds('merge-on-read', [5, 8, 9], async ({ table, formatVersion }) => {
        const { vectors, files } = await deletesOf(table)
        expect(files).toBe(1)
        expect(vectors).toBe(formatVersion === 3 ? 1 : 0)
      }),
      // Both files: several vectors in one Puffin file.
      deleteIds('merge-on-read', [0, 39, 41, 42], async ({ table, formatVersion }) => {
        expect(await deletesOf(table)).toEqual(
          // Position deletes that are much larger than the new ones stay beside them.
          formatVersion === 3 ? { vectors: 2, files: 1 } : { vectors: 0, files: 3 },
        )
      }),
      append(orderRows(50, 55)),
      // A whole file goes, and its vector with it.
      deleteWhere({
        name: 'delete all from 40 to 49',
        where: and(gtEq('id', 40), lt('id', 50)),
        matches: (row) => (row['id'] as number) >= 40 && (row['id'] as number) < 50,
        check: async (outcome, { table, formatVersion }) => {
          expect(outcome).toMatchObject({ filesRemoved: 1, filesRead: 0, rowsDeleted: 8 })
          expect((await deletesOf(table)).files).toBe(formatVersion === 3 ? 1 : 2)
        },
      }),
    ],
  },
  {
    name: 'rows deleted by writing files anew',
    schema: orders,
    steps: [
      append(orderRows(0, 30)),
      append(orderRows(30, 40)),
      deleteIds('copy-on-write', [3, 33], async ({ table }) => {
        expect(await deletesOf(table)).toEqual({ vectors: 0, files: 0 })
      }),
      deleteIds('merge-on-read', [4, 34]),
      // What lies beside the file is worked in; the files were written anew as one before.
      deleteIds('copy-on-write', [5], async ({ table }) => {
        expect(await deletesOf(table)).toEqual({ vectors: 0, files: 0 })
      }),
    ],
  },
  {
    name: 'partitions deleted by metadata alone',
    schema: orders,
    partitionBy: ['region', 'bucket(2, id)'],
    steps: [
      append(orderRows(0, 60)),
      deleteIds('merge-on-read', [1, 2, 3, 4, 5, 6]),
      deleteWhere({
        name: 'delete the region north',
        where: { region: 'north' },
        matches: (row) => row['region'] === 'north',
        check: (outcome) =>
          expect(outcome).toMatchObject({ filesRemoved: 2, filesRead: 0, rowsDeleted: 18 }),
      }),
      deleteWhere({
        name: 'delete where there is no region',
        where: isNull('region'),
        matches: (row) => row['region'] === null,
        check: (outcome) => expect(outcome).toMatchObject({ filesRemoved: 2, filesRead: 0 }),
      }),
      append(orderRows(60, 70)),
    ],
  },
  ...MODES.map(
    (mode): ChangeCase => ({
      name: `every primitive type, rows deleted ${mode === 'merge-on-read' ? 'beside' : 'anew'}`,
      schema: primitives.schema,
      steps: [
        ...primitives.appends.map(append),
        deleteIds(mode, [0, 3]),
        deleteWhere({
          name: 'delete where b is null',
          where: isNull('b'),
          matches: (row) => (row['b'] ?? null) === null,
          mode,
        }),
      ],
    }),
  ),
  {
    name: 'rows replaced by position',
    schema: orders,
    partitionBy: ['region'],
    steps: [
      append(orderRows(0, 30)),
      replaceByPosition([1, 4, 8], (row) => ({ ...row, amount: '0.01' }), [order(100)]),
      // Into other partitions; one goes, one was replaced before.
      replaceByPosition([4, 5, 9, 10], (row) =>
        Number(row['id']) === 9 ? undefined : { ...row, region: 'west' },
      ),
      deleteIds('merge-on-read', [100, 4]),
      replaceByPosition([5, 10], (row) => ({ ...row, region: null, tags: [] })),
    ],
  },
  ...MODES.flatMap((mode): ChangeCase[] => {
    const how = mode === 'merge-on-read' ? 'beside their files' : 'by writing files anew'
    return [
      {
        name: `rows upserted ${how}`,
        schema: orders,
        steps: [
          upsert({ rows: orderRows(0, 30), mode }),
          // Inserts, updates, deletes and rows that stay as they are, in one commit.
          upsert({
            name: 'upsert of every kind',
            rows: [
              order(2, { amount: '99.99' }),
              order(5, { op: 'd' }),
              order(7),
              order(100),
              order(101, { amount: null, at: null, tags: null, region: null }),
              order(999, { op: 'd' }),
            ],
            mode,
            check: (outcome) =>
              expect(outcome).toMatchObject({
                rows: { inserted: 2, updated: 1, deleted: 1, unchanged: 1 },
              }),
          }),
          // The same file and the same rows again, and rows that an upsert wrote.
          upsert({
            rows: [order(2, { amount: '1.00' }), order(8, { tags: [] }), order(100, { op: 'd' })],
            mode,
          }),
          deleteIds(mode, [9, 10]),
          // Keys that were deleted come back as new rows.
          upsert({ rows: [order(5), order(9), order(101, { op: 'd' })], mode }),
          // All rows of the first file.
          upsert({
            name: 'upsert all rows',
            rows: orderRows(0, 30).map((row) => ({ ...row, amount: '0.07' })),
            mode,
          }),
        ],
      },
      {
        name: `upserts that move rows between partitions, ${how}`,
        schema: orders,
        partitionBy: ['region', 'bucket(2, id)'],
        steps: [
          append(orderRows(0, 40)),
          upsert({
            rows: [
              order(1, { region: 'north' }),
              order(3, { region: null }),
              order(4, { region: 'west' }),
              order(5, { op: 'd' }),
              order(50, { region: 'west' }),
            ],
            mode,
          }),
          // Back again, and a partition that is left by its last rows.
          upsert({ rows: [order(1), order(3), order(4), order(50, { op: 'd' })], mode }),
          deleteWhere({
            name: 'delete the region south',
            where: { region: 'south' },
            matches: (row) => row['region'] === 'south',
          }),
          upsert({ rows: [order(1), order(7, { amount: '5.55' }), order(2)], mode }),
        ],
      },
      {
        name: `every primitive type, upserted ${how}`,
        schema: primitives.schema,
        steps: [
          ...primitives.appends.map(append),
          upsert({
            name: 'upsert every row with the values of another',
            rows: primitives.appends.flat().map((row, i, all) => ({
              ...all[(i + 1) % all.length],
              id: row['id'],
            })),
            mode,
          }),
          upsert({ name: 'upsert the rows as they were', rows: primitives.appends.flat(), mode }),
        ],
      },
    ]
  }),
]
