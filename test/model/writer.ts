/** A writer of a sequence: a lake of its own, and handles that may be older than what others have committed. */
import type { Lake, Table, Transaction, UpsertOptions, Where } from '../../src/index.ts'
import type { FaultyStore } from '../../src/testing/index.ts'
import type { Change, Condition, UpsertRules, Values } from './row-model.ts'
import { FIRST_ROWS, PARTS, type TableName } from './world.ts'

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
      const { rows, rules } = randomUpsert(random, pick, counter)
      note({ kind: 'upsert', rows, rules })
      const input = rows.map((row) => ({ ...row }))
      const { snapshotId } = await table.upsert(input, {
        ...options,
        mode,
        ...upsertOptions(rules),
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
    case 'upserts':
      return inTransaction(writer, step, options, async (tx) => {
        const other = name === 'x.t' ? 'x.u' : 'x.t'
        const appended = freshRows(pick, counter, 1)
        note({ kind: 'append', rows: appended }, other)
        await tx.append(other, appended)
        const { rows, rules } = randomUpsert(random, pick, counter)
        note({ kind: 'upsert', rows, rules })
        await tx.upsert(name, rows, { mode, ...upsertOptions(rules) })
      })
  }
}

export const STEP_KINDS = [
  'append',
  'delete',
  'replace',
  'both',
  'properties',
  'upsert',
  'upsert',
  'upserts',
] as const
export type StepKind = (typeof STEP_KINDS)[number]

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

/** Rows and what is done with them. Most of their keys are those of rows that are there from the start. */
function randomUpsert(
  random: () => number,
  pick: <T>(items: readonly T[]) => T,
  counter: Counter,
): { readonly rows: readonly Values[]; readonly rules: UpsertRules } {
  const keeps = random() < 0.3 ? pick(['latest', 'first'] as const) : undefined
  const inSequence = random() < 0.3
  const rules: UpsertRules = {
    inSequence,
    existingWins: random() < 0.5,
    keeps,
    deletesPart: random() < 0.3 ? 'b' : undefined,
    rewrites: random() < 0.2,
    // What rows are put in sequence by cannot be added up.
    changes: random() < 0.4 ? pick(inSequence ? PARTIAL.slice(0, 3) : PARTIAL) : undefined,
  }
  const rows: Values[] = []
  const count = 1 + Math.floor(random() * (keeps === undefined ? 3 : 5))
  for (let i = 0; i < count; i++) {
    const id = keeps !== undefined && random() < 0.5 ? (rows[0]?.id ?? 0) : upsertKey(random)
    if (keeps === undefined && rows.some((row) => row.id === id)) continue
    const asItWas = random() < 0.2 ? FIRST_ROWS[id] : undefined
    rows.push(asItWas ?? { id, part: pick(PARTS), n: upsertNumber(random, id, rules, counter) })
  }
  return { rows, rules }
}

const PARTIAL = ['part', 'n', 'part, not to null', 'n, added'] as const

/** In sequence, some are older than what is there, some as old, and some of one source are equal. */
function upsertNumber(
  random: () => number,
  id: number,
  { inSequence }: UpsertRules,
  counter: Counter,
): number {
  if (!inSequence) return counter.next++
  switch (Math.floor(random() * 4)) {
    case 0:
      return counter.next - 1
    case 1:
      // That of the row that is there from the start.
      return id
    case 2:
      return Math.floor(random() * counter.next)
    default:
      return counter.next++
  }
}

function upsertOptions(rules: UpsertRules): UpsertOptions {
  const { inSequence, existingWins, keeps, deletesPart, rewrites, changes } = rules
  return {
    key: ['id'],
    ...(inSequence ? { sequenceBy: ['n'], ties: existingWins ? 'existing' : 'incoming' } : {}),
    ...(keeps === undefined ? {} : { onDuplicate: keeps }),
    ...(deletesPart === undefined ? {} : { deleteWhen: { part: deletesPart } }),
    ...(rewrites ? { skipUnchanged: false } : {}),
    ...(changes === 'part' || changes === 'n' ? { update: [changes] } : {}),
    ...(changes === 'part, not to null' ? { ignoreNullUpdates: ['part'] } : {}),
    ...(changes === 'n, added' ? { increment: ['n'] } : {}),
  }
}

/** 0 to 6 are there; from 50 on they are nobody's until an upsert inserts them. */
function upsertKey(random: () => number): number {
  const key = Math.floor(random() * 10)
  return key < 7 ? key : 50 + key
}

function randomCondition(random: () => number, pick: <T>(items: readonly T[]) => T): Condition {
  const id = Math.floor(random() * 8)
  switch (Math.floor(random() * 12)) {
    case 0:
    case 1:
      return { kind: 'part', is: pick(PARTS) }
    case 2:
      return { kind: 'not-part', is: 'a' }
    case 3:
      return { kind: 'either', id, part: 'b' }
    case 4:
      return { kind: 'neither', id, part: 'b' }
    case 5:
      return { kind: 'has-part' }
    case 6:
      return { kind: 'parts', are: ['b'], orNone: random() < 0.5 }
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
    case 'has-part':
      return { part: { isNull: false } }
    case 'parts': {
      const named = { part: { in: condition.are } }
      return condition.orNone ? { or: [named, { part: { isNull: true } }] } : named
    }
    case 'not-part':
      return { part: { ne: condition.is } }
    case 'either':
      return { or: [{ id: condition.id }, { part: condition.part }] }
    case 'neither':
      return { not: { or: [{ id: condition.id }, { part: condition.part }] } }
  }
}
