/** A writer of a sequence: a lake of its own, and handles that may be older than what others have committed. */
import type { Lake, Table, Transaction, Where } from '../../src/index.ts'
import type { FaultyStore } from '../../src/testing/index.ts'
import type { Change, Condition, Values } from './row-model.ts'
import { PARTS, type TableName } from './world.ts'

export type Mode = 'auto' | 'copy-on-write' | 'merge-on-read'

/** One operation of a writer, and how it ended. */
export interface Step {
  readonly commitId: string
  readonly writer: number
  /** What is done to each table; known after the rows to be replaced have been read. */
  readonly changes: Map<TableName, Change>
  /** A table property that is set together with it, or alone. */
  readonly property: string | undefined
  readonly text: string
  readonly aborts: boolean
  outcome: string
  /** Tables of which the result names a snapshot. */
  readonly snapshots: Set<TableName>
}

export interface Writer {
  readonly number: number
  readonly lake: Lake
  readonly store: FaultyStore
  readonly handles: Map<TableName, Table>
}

/** Numbers that no two rows share. */
export interface Counter {
  next: number
}

/** Does something at random. Says what in `step`, also if it fails. */
export async function act(
  writer: Writer,
  step: Step,
  choices: {
    readonly random: () => number
    readonly counter: Counter
    readonly formatVersion: 2 | 3
  },
  signal: AbortSignal | undefined,
): Promise<void> {
  const { random, counter, formatVersion } = choices
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const options = { commitId: step.commitId, signal }
  const mode = pick<Mode>(['auto', 'copy-on-write', 'merge-on-read'])
  const [kind, name] = step.text.split(' ') as [StepKind, TableName]
  const table = await handleOf(writer, name, random() < 0.5)
  const note = (change: Change, of = name): void => void step.changes.set(of, change)
  switch (kind) {
    case 'append': {
      const rows = freshRows(pick, counter, 1 + Math.floor(random() * 3))
      note({ kind: 'append', rows })
      const { snapshotId } = await table.append(rows, options)
      if (snapshotId !== null) step.snapshots.add(name)
      return
    }
    case 'delete': {
      const where = randomCondition(random, pick)
      note({ kind: 'delete', where })
      const { snapshotId } = await table.deleteWhere(whereOf(where), { ...options, mode })
      if (snapshotId !== null) step.snapshots.add(name)
      return
    }
    case 'upsert': {
      const rows = upsertRows(random, pick, counter)
      const deletesPart = random() < 0.3 ? 'b' : undefined
      note({ kind: 'upsert', rows, deletesPart })
      const { snapshotId } = await table.upsert(rows, {
        ...options,
        key: ['id'],
        mode,
        ...(deletesPart === undefined ? {} : { deleteWhen: { part: deletesPart } }),
      })
      if (snapshotId !== null) step.snapshots.add(name)
      return
    }
    case 'properties': {
      await table.setProperties({ [step.property as string]: step.commitId })
      return
    }
    case 'replace':
      return inTransaction(writer, step, options, async (tx) => {
        const lineage = formatVersion === 3 && random() < 0.7
        const change = await stageReplacement(tx, table, { random, pick, counter, lineage })
        note(change)
      })
    case 'both':
      return inTransaction(writer, step, options, async (tx) => {
        const rows = freshRows(pick, counter, 1)
        note({ kind: 'append', rows }, 'x.t')
        await tx.append('x.t', rows)
        const where = randomCondition(random, pick)
        note({ kind: 'delete', where }, 'x.u')
        await tx.deleteWhere('x.u', whereOf(where), { mode })
      })
  }
}

export const STEP_KINDS = ['append', 'delete', 'replace', 'both', 'properties'] as const
export type StepKind = (typeof STEP_KINDS)[number] | 'upsert'

async function handleOf(writer: Writer, name: TableName, refresh: boolean): Promise<Table> {
  const known = writer.handles.get(name)
  if (known !== undefined && !refresh) return known
  const table = await writer.lake.table(name)
  writer.handles.set(name, table)
  return table
}

async function inTransaction(
  writer: Writer,
  step: Step,
  options: { readonly commitId: string; readonly signal: AbortSignal | undefined },
  stage: (transaction: Transaction) => Promise<void>,
): Promise<void> {
  const transaction = writer.lake.transaction(options)
  try {
    await stage(transaction)
    const { tables } = await transaction.commit()
    for (const t of tables) if (t.snapshotId !== null) step.snapshots.add(t.table as TableName)
  } finally {
    await transaction.rollback()
  }
}

interface Choices {
  readonly random: () => number
  readonly pick: <T>(items: readonly T[]) => T
  readonly counter: Counter
  readonly lineage: boolean
}

/** Reads some rows of the handle's version, and stages others in their place. */
async function stageReplacement(
  transaction: Transaction,
  table: Table,
  { random, pick, counter, lineage }: Choices,
): Promise<Change> {
  const select = ['_file', '_pos', 'id', 'part', 'n', ...(lineage ? ['_row_id'] : [])]
  const found = await table.scan({ select }).toArray()
  const chosen = found.filter(() => random() < 0.3).slice(0, 3)
  const deletes = chosen.map((r) => ({ file: String(r['_file']), positions: [Number(r['_pos'])] }))
  const rows = chosen.map((row) => {
    const old = valuesOf(row)
    return { old, now: { id: old.id, part: pick(PARTS), n: counter.next++ }, id: row['_row_id'] }
  })
  await transaction.rowDelta(table, {
    rows: rows.map(({ now, id }) => (lineage ? { ...now, _row_id: id } : { ...now })),
    deletes,
    lineage,
  })
  return { kind: 'replace', rows, keepsLineage: lineage }
}

export function valuesOf(row: Readonly<Record<string, unknown>>): Values {
  return { id: Number(row['id']), part: row['part'] as string | null, n: Number(row['n']) }
}

function freshRows(
  pick: <T>(items: readonly T[]) => T,
  counter: Counter,
  count: number,
): readonly Values[] {
  return Array.from({ length: count }, () => {
    const n = counter.next++
    return { id: n, part: pick(PARTS), n }
  })
}

/** Rows of different keys, most of them those of rows that are there from the start. */
function upsertRows(
  random: () => number,
  pick: <T>(items: readonly T[]) => T,
  counter: Counter,
): readonly Values[] {
  const ids = new Set(Array.from({ length: 1 + Math.floor(random() * 3) }, () => upsertKey(random)))
  return [...ids].map((id) => ({ id, part: pick(PARTS), n: counter.next++ }))
}

/** 0 to 6 are there; from 50 on they are nobody's until an upsert inserts them. */
function upsertKey(random: () => number): number {
  const key = Math.floor(random() * 10)
  return key < 7 ? key : 50 + key
}

function randomCondition(random: () => number, pick: <T>(items: readonly T[]) => T): Condition {
  const id = Math.floor(random() * 8)
  switch (Math.floor(random() * 5)) {
    case 0:
      return { kind: 'part', is: pick(PARTS) }
    case 1:
      return { kind: 'not-part', is: 'a' }
    case 2:
      return { kind: 'either', id, part: 'b' }
    default:
      return { kind: 'ids', from: id, to: id + 1 + Math.floor(random() * 3) }
  }
}

function whereOf(condition: Condition): Where {
  switch (condition.kind) {
    case 'ids':
      return { id: { gte: condition.from, lt: condition.to } }
    case 'part':
      return { part: condition.is }
    case 'not-part':
      return { part: { ne: condition.is } }
    case 'either':
      return { or: [{ id: condition.id }, { part: condition.part }] }
  }
}
