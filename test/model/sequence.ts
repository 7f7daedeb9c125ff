/**
 * One random sequence: writers that change two tables at the same time, in rounds, and the model that says what the
 * tables must hold after each round. The order in which commits count is read from the tables' snapshots; whether each
 * commit did what it does to the rows of that moment is what the model decides.
 */
import { expect } from 'vitest'
import { isFloeError, type Lake, openLake, type Table } from '../../src/index.ts'
import { type FaultyStore, seededRandom } from '../../src/testing/index.ts'
import { type FakeRuntime, fakeRuntime } from '../support/fake-runtime.ts'
import { apply, type Change, type ModelRow } from './row-model.ts'
import { Turns } from './turns.ts'
import { FIRST_ROWS, LOCATION, lakeOf, type Shape, TABLES, type TableName } from './world.ts'
import { act, type Counter, STEP_KINDS, type Step, valuesOf, type Writer } from './writer.ts'

/** How often there are so many rounds and writers. Most bugs need two of each; the rest is for the others. */
const ROUNDS = [2, 2, 2, 4]
const WRITERS = [2, 2, 2, 3, 3, 4]

/** What is known of a table. */
interface Model {
  rows: readonly ModelRow[]
  /** Snapshots whose commits the model has made. */
  snapshots: number
  /** Ids of all rows that there ever were. */
  readonly rowIds: Set<bigint>
  readonly properties: Map<string, string>
  /** Where the table was when it was last checked. */
  location: string
}

export interface SequenceResult {
  /** Calls of all writers in their order. */
  readonly trace: readonly string[]
  readonly commits: number
  /** Steps by how they ended. */
  readonly outcomes: ReadonlyMap<string, number>
}

/** Runs the sequence of a seed. What happened is added to `log`. */
export async function runSequence(seed: number, log: string[] = []): Promise<SequenceResult> {
  const random = seededRandom(seed)
  const shape: Shape = { formatVersion: random() < 0.4 ? 2 : 3, partitioned: random() < 0.5 }
  log.push(`v${shape.formatVersion}${shape.partitioned ? ', partitioned' : ''}`)
  const runtime = fakeRuntime({ seed })
  const setup = await lakeOf(shape, runtime)
  const watcher = await openLake(LOCATION, { store: setup, runtime })
  const models = new Map<TableName, Model>()
  for (const name of TABLES) models.set(name, await firstModel(await watcher.table(name)))
  const turns = new Turns(random)
  const writers: Writer[] = []
  const writerCount = pickOf(random, WRITERS)
  for (let i = 0; i < writerCount; i++) {
    const store = setup.process(`writer ${i}`)
    const limits = random() < 0.05 ? { indexMemoryBytes: 1 } : {}
    const lake = await openLake(LOCATION, { store, runtime, limits })
    writers.push({ number: i, store, lake, handles: new Map() })
    store.plan = async ({ verb }) => {
      await turns.take()
      const writes = verb === 'put' || verb === 'putIfAbsent'
      // Others may go on between what a request does and its answer, too.
      return writes && random() < 0.5
        ? { kind: 'slow', delayMs: 0, meanwhile: () => turns.take() }
        : undefined
    }
  }
  const counter: Counter = { next: 1000 }
  const outcomes = new Map<string, number>()
  let commits = 0
  const rounds = pickOf(random, ROUNDS)
  for (let round = 0; round < rounds; round++) {
    const steps = writers.map((writer) => firstOf(writer, round, random))
    await turns.run(
      steps.map((step, i) => async () => {
        await runStep(writers[i] as Writer, step, { random, counter, shape })
      }),
    )
    for (const step of steps) {
      log.push(`${step.commitId} ${step.text} ${step.aborts ? 'aborts ' : ''}-> ${step.outcome}`)
      for (const [name, change] of step.changes) log.push(`  ${name} ${textOf(change)}`)
      outcomes.set(step.outcome, (outcomes.get(step.outcome) ?? 0) + 1)
    }
    commits += await checkRound(watcher, shape, models, steps, log)
  }
  // No snapshot expires, so that this is a check after every commit; values of all files are read now and then.
  await checkEnd(watcher, setup, runtime, random() < 0.2 ? 'all' : 'none')
  const trace = setup.trace.map((c) => `${c.process} ${c.verb} ${c.path} ${c.outcome}`)
  return { commits, outcomes, trace }
}

function textOf(change: Change): string {
  return JSON.stringify(change, (_, value) => (typeof value === 'bigint' ? String(value) : value))
}

function pickOf<T>(random: () => number, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T
}

async function firstModel(table: Table): Promise<Model> {
  const scan = table.metadata.formatVersion === 3 ? await rowIdsOf(table) : new Map()
  return {
    rows: FIRST_ROWS.map((values) => ({
      ...values,
      lineage: { rowId: scan.get(values.id) },
      updatedAt: values.id < 4 ? 1 : 2,
    })),
    snapshots: table.snapshots().length,
    rowIds: new Set(scan.values()),
    properties: new Map(),
    location: table.metadataLocation,
  }
}

async function rowIdsOf(table: Table): Promise<Map<number, bigint>> {
  const rows = await table.scan({ select: ['id', '_row_id'] }).toArray()
  return new Map(rows.map((r) => [Number(r['id']), r['_row_id'] as bigint]))
}

function firstOf(writer: Writer, round: number, random: () => number): Step {
  const kind = pickOf(random, STEP_KINDS)
  return {
    commitId: `${round}-${writer.number}`,
    writer: writer.number,
    changes: new Map(),
    property: kind === 'properties' ? `writer-${writer.number}` : undefined,
    text: `${kind} ${pickOf(random, [...TABLES, 'x.t'])}`,
    aborts: random() < 0.1,
    outcome: 'done',
    snapshots: new Set(),
  }
}

async function runStep(
  writer: Writer,
  step: Step,
  choices: {
    readonly random: () => number
    readonly counter: Counter
    readonly shape: Shape
  },
): Promise<void> {
  const { random, counter, shape } = choices
  const controller = new AbortController()
  if (step.aborts) abortAfter(writer.store, Math.floor(random() * 15), controller)
  const { formatVersion } = shape
  try {
    await act(writer, step, { random, counter, formatVersion }, controller.signal)
  } catch (error) {
    if (!isFloeError(error)) throw error
    step.outcome = error.code
    // Whatever it knows may be old: a program reads anew after a conflict.
    writer.handles.clear()
  }
}

/** Aborts when the process has made so many more calls. */
function abortAfter(store: FaultyStore, calls: number, controller: AbortController): void {
  const { plan } = store
  const last = store.callCount + calls
  store.plan = (call) => {
    if (call.index >= last) {
      controller.abort()
      store.plan = plan
    }
    return plan(call)
  }
}

/** Failures that each kind of step may have; any other is a bug. */
function mayFailWith(step: Step): readonly string[] {
  return [
    ...(step.aborts ? ['ABORTED'] : []),
    ...(step.text.startsWith('replace') ? ['VALIDATION_CONFLICT'] : []),
    // Of the writers that have no memory for an index.
    ...(step.text.startsWith('upsert') ? ['LIMIT_EXCEEDED'] : []),
  ]
}

/** Holds both tables against the model. Gives how many commits there were. */
async function checkRound(
  lake: Lake,
  shape: Shape,
  models: ReadonlyMap<TableName, Model>,
  steps: readonly Step[],
  log: string[],
): Promise<number> {
  const byId = new Map(steps.map((step) => [step.commitId, step]))
  for (const step of steps) {
    if (step.outcome !== 'done') expect(mayFailWith(step)).toContain(step.outcome)
  }
  const seen = new Map<TableName, string[]>()
  let commits = 0
  for (const [name, model] of models) {
    const table = await lake.table(name)
    const ids: string[] = []
    /** What the table held at each moment of the round. */
    const moments = [model.rows]
    for (const snapshot of table.snapshots().slice(model.snapshots)) {
      const commitId = snapshot.summary['floe.commit-id'] as string
      const change = byId.get(commitId)?.changes.get(name)
      if (change === undefined) throw new Error(`a commit "${commitId}" that nobody made`)
      model.rows = apply(model.rows, change, snapshot.sequenceNumber)
      expect(model.rows, `${commitId} changed something`).not.toBe(moments.at(-1))
      moments.push(model.rows)
      ids.push(commitId)
    }
    log.push(`${name}: ${ids.join(' ')}`)
    model.snapshots = table.snapshots().length
    seen.set(name, ids)
    commits += ids.length
    checkSteps(name, steps, ids, moments)
    checkProperties(table, model, steps)
    if (table.metadataLocation === model.location) continue
    model.location = table.metadataLocation
    await checkRows(table, model, shape)
  }
  return commits
}

/** Each acknowledged step is there once, or had nothing to do; a failed one is not there. */
function checkSteps(
  name: TableName,
  steps: readonly Step[],
  ids: readonly string[],
  moments: readonly (readonly ModelRow[])[],
): void {
  for (const step of steps) {
    const change = step.changes.get(name)
    const count = ids.filter((id) => id === step.commitId).length
    const what = `${step.commitId} in ${name}`
    if (step.outcome !== 'done') expect(count, `${what} after ${step.outcome}`).toBe(0)
    else if (change === undefined) expect(count, what).toBe(0)
    else if (step.snapshots.has(name)) expect(count, what).toBe(1)
    else {
      expect(count, what).toBe(0)
      const idle = moments.some((rows) => apply(rows, change, 0) === rows)
      expect(idle, `${what} had nothing to do`).toBe(true)
    }
  }
}

function checkProperties(table: Table, model: Model, steps: readonly Step[]): void {
  for (const { property, text, outcome, commitId } of steps) {
    if (property === undefined || !text.endsWith(` ${table.name}`)) continue
    if (outcome === 'done') model.properties.set(property, commitId)
  }
  for (const [key, value] of model.properties) expect(table.properties[key], key).toBe(value)
}

async function checkRows(table: Table, model: Model, { formatVersion }: Shape): Promise<void> {
  const lineage = formatVersion === 3 ? ['_row_id', '_last_updated_sequence_number'] : []
  const found = await table.scan({ select: ['id', 'part', 'n', ...lineage] }).toArray()
  const line = (r: ReturnType<typeof valuesOf>): string => `${r.id} ${r.part} ${r.n}`
  expect(found.map((r) => line(valuesOf(r))).sort()).toEqual(model.rows.map(line).sort())
  if (formatVersion !== 3) return
  const byLine = new Map(model.rows.map((r) => [line(r), r]))
  const ids = new Set<bigint>()
  for (const row of found) {
    const known = byLine.get(line(valuesOf(row))) as ModelRow
    const rowId = row['_row_id'] as bigint
    const what = `row ${line(known)}`
    expect(ids.has(rowId), `${what} has an id of its own`).toBe(false)
    ids.add(rowId)
    if (known.lineage.rowId === undefined) {
      expect(model.rowIds.has(rowId), `${what} has an id that no row had before`).toBe(false)
      model.rowIds.add(rowId)
      known.lineage.rowId = rowId
    }
    expect(rowId, `${what} keeps its id`).toBe(known.lineage.rowId)
    expect(row['_last_updated_sequence_number'], what).toBe(BigInt(known.updatedAt))
  }
}

/** Everything is sound, and there is no file that nothing refers to. */
async function checkEnd(
  lake: Lake,
  setup: FaultyStore,
  runtime: FakeRuntime,
  data: 'all' | 'none',
): Promise<void> {
  const reader = setup.process('fsck')
  const fresh = await openLake(LOCATION, { store: reader, runtime, readOnly: true })
  const expected = new Set<string>()
  for (const name of TABLES) {
    const table = await fresh.table(name)
    expected.add(table.metadataLocation)
    for (const { metadataFile } of table.metadata.metadataLog) expected.add(metadataFile)
    const report = await table.fsck({ data })
    expect(report.problems, name).toEqual([])
  }
  // What fsck has looked at is what the tables refer to.
  for (const call of setup.trace) if (call.process === 'fsck') expected.add(call.path)
  const left: string[] = []
  for await (const { path } of setup.list(`${LOCATION}/x/`))
    if (!expected.has(path)) left.push(path)
  expect(left, 'files that nothing refers to').toEqual([])
  await lake.close()
}
