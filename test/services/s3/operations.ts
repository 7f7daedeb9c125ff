/**
 * What is done to tables while requests are lost or writers killed, each with what it means for the rows. Add an
 * operation by adding an entry.
 */
import { type Lake, schema, type Table, t } from '../../../src/index.ts'

export const ROWS = schema({ id: t.long(), v: t.string() })

export type RowsTable = Table<{ id: bigint; v: string | null }, { id: bigint; v: string }>

/** Rows by table, those of a table by id, each as often as it is there. A table that is not there has no entry. */
export type World = ReadonlyMap<string, readonly string[]>

export interface OperationInput {
  /** Through the faulty connection. */
  readonly lake: Lake
  /** Two tables that exist. */
  readonly a: RowsTable
  readonly b: RowsTable
  /** Name for a table that does not exist. */
  readonly newName: string
  /** Rows with ids of their own. */
  readonly rows: readonly { readonly id: bigint; readonly v: string }[]
}

export interface Operation {
  readonly name: string
  run(input: OperationInput): Promise<unknown>
  /** The world after it was done, as a whole. */
  apply(world: World, input: OperationInput): World
}

export const OPERATIONS: readonly Operation[] = [
  {
    name: 'append',
    run: ({ a, rows }) => a.append(rows),
    apply: (world, { a, rows }) => withRows(world, a.name, rows),
  },
  {
    name: 'multi-table commit',
    run: async ({ lake, a, b, rows }) => {
      const transaction = lake.transaction()
      try {
        await transaction.append(a.name, rows)
        await transaction.append(b.name, rows)
        await transaction.commit()
      } finally {
        await transaction.rollback()
      }
    },
    apply: (world, { a, b, rows }) => withRows(withRows(world, a.name, rows), b.name, rows),
  },
  {
    name: 'upsert, merge-on-read',
    run: ({ a, rows }) => a.upsert(counted(rows), { key: ['id'], mode: 'merge-on-read' }),
    apply: (world, { a, rows }) => withUpserted(world, a.name, counted(rows)),
  },
  {
    name: 'upsert, copy-on-write',
    run: ({ b, rows }) => b.upsert(counted(rows), { key: ['id'], mode: 'copy-on-write' }),
    apply: (world, { b, rows }) => withUpserted(world, b.name, counted(rows)),
  },
  {
    name: 'delete by predicate',
    run: ({ a }) => a.deleteWhere({ id: COUNTER }, { mode: 'merge-on-read' }),
    apply: (world, { a }) => withoutId(world, a.name, COUNTER),
  },
  {
    name: 'append to one table and upsert into another',
    run: async ({ lake, a, b, rows }) => {
      const transaction = lake.transaction()
      try {
        await transaction.append(a.name, rows)
        await transaction.upsert(b.name, counted(rows), { key: ['id'] })
        await transaction.commit()
      } finally {
        await transaction.rollback()
      }
    },
    apply: (world, { a, b, rows }) =>
      withUpserted(withRows(world, a.name, rows), b.name, counted(rows)),
  },
  {
    name: 'create table',
    run: ({ lake, newName }) => lake.createTable(newName, ROWS),
    apply: (world, { newName }) => withRows(world, newName, []),
  },
]

/** A row that operations change again and again, in each table. */
const COUNTER = -1n

/** New rows, and the row that everybody changes. */
function counted(rows: OperationInput['rows']): OperationInput['rows'] {
  return [...rows, { id: COUNTER, v: `changed with ${rows[0]?.id}` }]
}

function withUpserted(world: World, table: string, rows: OperationInput['rows']): World {
  return withRows(
    rows.reduce((before, { id }) => withoutId(before, table, id), world),
    table,
    rows,
  )
}

function withoutId(world: World, table: string, id: bigint): World {
  const left = (world.get(table) ?? []).filter((row) => !row.startsWith(`${id}:`))
  return new Map(world).set(table, left)
}

/** Adds rows to a table, which comes into being if it is not there. */
export function withRows(
  world: World,
  table: string,
  rows: readonly { readonly id: bigint; readonly v: string | null }[],
): World {
  const added = rows.map((row) => `${row.id}:${row.v}`)
  return new Map(world).set(table, [...(world.get(table) ?? []), ...added].sort())
}

/** A world as text, to compare. */
export function worldText(world: World): string {
  return JSON.stringify([...world].sort(([a], [b]) => (a < b ? -1 : 1)))
}
