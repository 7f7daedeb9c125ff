/** Steps that change a floe table, each with what it does to a model of its rows. */
import type {
  Expression,
  Lake,
  Row,
  SchemaLiteral,
  Table,
  TableUpsertOptions,
  Where,
} from '../../src/index.ts'

export type ModelRow = Readonly<Record<string, unknown>>
export type Mode = 'copy-on-write' | 'merge-on-read'

export interface ChangeContext {
  readonly lake: Lake
  readonly table: Table
  readonly formatVersion: 2 | 3
}

export interface ChangeStep {
  readonly name: string
  /** Changes the table; may hold what came of it against what should. */
  run(context: ChangeContext): Promise<void>
  model(rows: readonly ModelRow[]): readonly ModelRow[]
}

export interface ChangeCase {
  readonly name: string
  readonly schema: SchemaLiteral
  readonly partitionBy?: readonly string[]
  readonly properties?: Readonly<Record<string, string>>
  /** Each is one commit; after each every engine reads the table. */
  readonly steps: readonly ChangeStep[]
}

export function append(rows: readonly ModelRow[]): ChangeStep {
  return {
    name: `append ${rows.length} rows`,
    run: async ({ table }) => {
      await table.append(rows as Row[])
    },
    model: (before) => [...before, ...rows],
  }
}

export interface DeleteStep {
  readonly name: string
  readonly where: Where | Expression
  readonly matches: (row: ModelRow) => boolean
  readonly mode?: Mode
  /** Told of the outcome. */
  readonly check?: (
    outcome: Awaited<ReturnType<Table['deleteWhere']>>,
    context: ChangeContext,
  ) => Promise<void> | void
}

export function deleteWhere(step: DeleteStep): ChangeStep {
  return {
    name: step.name,
    run: async (context) => {
      const { mode } = step
      const outcome = await context.table.deleteWhere(
        step.where,
        mode === undefined ? {} : { mode },
      )
      await step.check?.(outcome, context)
    },
    model: (rows) => rows.filter((row) => !step.matches(row)),
  }
}

/** Replaces the rows of the given ids by position, and adds rows, in one commit. */
export function replaceByPosition(
  ids: readonly number[],
  change: (row: ModelRow) => ModelRow | undefined,
  added: readonly ModelRow[] = [],
): ChangeStep {
  return {
    name: `rows ${ids.join()} by position`,
    run: async ({ lake, table, formatVersion }) => {
      const lineage = formatVersion === 3
      const columns = table.schema.fields.map((field) => field.name)
      const found = await table
        .scan({
          select: [...columns, '_file', '_pos', ...(lineage ? ['_row_id'] : [])],
          where: { id: { in: [...ids] } },
        })
        .toArray()
      const positions = new Map<string, number[]>()
      const rows: Row[] = []
      for (const { _file, _pos, _row_id, ...row } of found as ModelRow[]) {
        const file = String(_file)
        positions.set(file, [...(positions.get(file) ?? []), Number(_pos)])
        const changed = change(row)
        if (changed !== undefined) rows.push({ ...changed, ...(lineage ? { _row_id } : {}) } as Row)
      }
      for (const row of added) rows.push(row as Row)
      const tx = lake.transaction()
      await tx.rowDelta(table, {
        rows,
        lineage,
        deletes: [...positions].map(([file, list]) => ({ file, positions: list })),
      })
      await tx.commit()
    },
    model: (rows) => [
      ...rows.flatMap((row) => {
        if (!ids.includes(row['id'] as number)) return [row]
        const changed = change(row)
        return changed === undefined ? [] : [changed]
      }),
      ...added,
    ],
  }
}

export interface UpsertStep {
  readonly name?: string
  /** Whole rows; with `op` "d" a row deletes its key. */
  readonly rows: readonly ModelRow[]
  readonly mode?: Mode
  readonly options?: Omit<TableUpsertOptions, 'key' | 'mode'>
  readonly check?: (
    outcome: Awaited<ReturnType<Table['upsert']>>,
    context: ChangeContext,
  ) => Promise<void> | void
}

/** Rows by the key `id`. */
export function upsert(step: UpsertStep): ChangeStep {
  const { rows, mode } = step
  return {
    name: step.name ?? `upsert ${rows.map((row) => row['id']).join()}`,
    run: async (context) => {
      const outcome = await context.table.upsert(rows as Row[], {
        key: ['id'],
        deleteWhen: (row) => row['op'] === 'd',
        ignoreColumns: ['op'],
        ...(mode === undefined ? {} : { mode }),
        ...step.options,
      })
      await step.check?.(outcome, context)
    },
    model: (before) => {
      const left = new Map(before.map((row) => [Number(row['id']), row]))
      for (const { op, ...row } of rows) {
        const id = Number(row['id'])
        if (op === 'd') left.delete(id)
        else left.set(id, row)
      }
      return [...left.values()]
    },
  }
}
