/**
 * Every operation, stopped at every one of its store calls in every way, alone and against a rival: what was
 * acknowledged is there once, the rest is absent or whole, the table is sound, the next writer succeeds.
 * reliability.md S2; known-bugs.md 1–5, 33.
 *
 * FLOE_FAULT_REPLAY='append/17/torn/first/crash' runs one case and prints its calls. FLOE_FAULT_CASES=n runs n random
 * double faults.
 */
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { isFloeError, type Lake, schema, t } from '../../src/index.ts'
import {
  type FaultKind,
  type FaultyStore,
  faultsOf,
  seededRandom,
} from '../../src/testing/index.ts'
import { type FakeRuntime, fakeRuntime } from '../support/fake-runtime.ts'
import {
  type Content,
  contentOf,
  copyOf,
  expectSoundLake,
  LOCATION,
  makeBase,
  OTHERS,
  openAs,
  typedCode,
} from './world.ts'

vi.mock('../../src/iceberg/parquet/worker-pool.ts', async (original) => ({
  ...(await original<object>()),
  openParquetPool: (await import('./in-process-pool.ts')).inProcessPool,
}))

/** What an operation has to work with: a lake opened before, and the means to open another. */
interface Actor {
  readonly lake: Lake
  readonly open: () => Promise<Lake>
}

const ROWS = [11, 12, 13].map((id) => ({ id, by: 'op' }))
const COLUMNS = schema({ id: t.long(), by: t.string() })

/** The operations, one a line. Each may be done again after any outcome, and is done once in all. */
const OPERATIONS: Readonly<Record<string, (actor: Actor) => Promise<unknown>>> = {
  append: async ({ lake }) => (await lake.table('x.a')).append(ROWS, { commitId: 'op' }),
  'append-v3': async ({ lake }) => (await lake.table('x.b')).append(ROWS, { commitId: 'op' }),
  'open-and-append': async ({ open }) =>
    (await (await open()).table('x.a')).append(ROWS, { commitId: 'op' }),
  'multi-table': async ({ lake }) => commitToBoth(lake),
  'create-table': async ({ lake }) => lake.createTable('x.c', COLUMNS, { ifNotExists: true }),
  'set-properties': async ({ lake }) => (await lake.table('x.a')).setProperties({ mine: '1' }),
}

async function commitToBoth(lake: Lake): Promise<void> {
  const transaction = lake.transaction({ commitId: 'op' })
  try {
    await transaction.append('x.a', ROWS)
    await transaction.append('x.b', ROWS)
    await transaction.setProperties('x.b', { mine: '1' })
    await transaction.commit()
  } finally {
    await transaction.rollback()
  }
}

/**
 * When the rival commits: never, just before the call that fails, between its effect and its answer, or just before
 * the operation's first commit, so that the call that fails is one of its second attempt.
 */
const RIVALS = ['alone', 'first', 'meanwhile', 'rebase'] as const

interface Case {
  readonly operation: string
  /** Which call fails, from 0 on; several for double faults. */
  readonly at: number
  readonly kind: FaultKind
  readonly rival: (typeof RIVALS)[number]
  /** The process dies with the fault. */
  readonly crash: boolean
  /** A second fault, so many calls later. */
  readonly second?: { readonly after: number; readonly kind: FaultKind } | undefined
}

const replay = process.env['FLOE_FAULT_REPLAY']
let base: ReadonlyMap<string, Uint8Array>
let before: Content

beforeAll(async () => {
  const runtime = fakeRuntime({ seed: 1 })
  base = await makeBase(runtime, { 'commit.retry.min-wait-ms': '1' })
  before = await contentOf(await openAs(await copyOf(base, runtime), runtime))
})

for (const operation of Object.keys(OPERATIONS)) {
  describe.skipIf(replay !== undefined)(`${operation}: any call may fail`, () => {
    for (const rival of RIVALS) {
      it(rival, async () => {
        const after = await contentAfter(operation)
        expect(after.own).not.toBe(before.own)
        const failures: string[] = []
        let cases = 0
        for (const [at, verb] of (await callsOf(operation, rival)).entries()) {
          if (verb === undefined) continue
          for (const kind of faultsOf(verb)) {
            for (const crash of [true, false]) {
              cases++
              const one: Case = { operation, at, kind, rival, crash }
              await runCase(one, after).catch((error: unknown) => {
                failures.push(`FLOE_FAULT_REPLAY='${nameOf(one)}'  ${firstLine(error)}`)
              })
            }
          }
        }
        expect(failures).toEqual([])
        expect(cases).toBeGreaterThan(20)
      })
    }
  })
}

describe.skipIf(replay !== undefined)('two faults in one operation', () => {
  const count = Number(process.env['FLOE_FAULT_CASES'] ?? 300)
  it(`${count} random ones`, async () => {
    const random = seededRandom(Number(process.env['FLOE_FAULT_SEED'] ?? 1))
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
    const failures: string[] = []
    for (let i = 0; i < count; i++) {
      const operation = pick(Object.keys(OPERATIONS))
      const rival = pick(RIVALS)
      const calls = [...(await callsOf(operation, rival)).entries()].filter(([, verb]) => verb)
      const [at, verb] = pick(calls) as [number, Parameters<typeof faultsOf>[0]]
      const kind = pick(faultsOf(verb))
      const second = { after: 1 + Math.floor(random() * 12), kind: pick(SECOND_FAULTS) }
      const one: Case = { operation, at, kind, rival, crash: false, second }
      await runCase(one, await contentAfter(operation)).catch((error: unknown) => {
        failures.push(`FLOE_FAULT_REPLAY='${nameOf(one)}'  ${firstLine(error)}`)
      })
    }
    expect(failures).toEqual([])
  }, 3_600_000)
})

/** Faults that any call can have, and one that only a commit can have. */
const SECOND_FAULTS: readonly FaultKind[] = ['before', 'http-500', 'slow']

describe.runIf(replay !== undefined)('replay', () => {
  it(replay ?? '', async () => {
    const one = caseOf(replay ?? '')
    const trace: string[] = []
    try {
      await runCase(one, await contentAfter(one.operation), trace)
    } finally {
      console.log(trace.join('\n'))
    }
  })
})

/** Runs a case and holds its end against the rules. */
async function runCase(one: Case, after: Content, trace: string[] = []): Promise<void> {
  const runtime = fakeRuntime({ seed: 7 })
  const setup = await copyOf(base, runtime)
  try {
    await runIn(setup, runtime, one, after)
  } finally {
    for (const c of setup.trace) {
      trace.push(`${c.process} ${c.index} ${c.verb} ${c.path} ${c.fault ?? ''} ${c.outcome}`)
    }
  }
}

async function runIn(
  setup: FaultyStore,
  runtime: FakeRuntime,
  one: Case,
  after: Content,
): Promise<void> {
  const run = OPERATIONS[one.operation] as (actor: Actor) => Promise<unknown>
  const rivals = await startRival(setup, runtime, one)
  const victim = setup.process('victim')
  const actor = await actorOn(victim, runtime)
  const start = victim.callCount
  victim.plan = async ({ index, verb, path }) => {
    const at = index - start
    if (one.rival === 'rebase' && isCommit(verb, path)) await rivals.commit()
    if (at === one.at) {
      if (one.rival === 'first') await rivals.commit()
      const meanwhile = one.rival === 'meanwhile' ? { meanwhile: rivals.commit } : {}
      return { kind: one.kind, crash: one.crash, ...meanwhile }
    }
    if (one.second !== undefined && at === one.at + one.second.after) {
      return { kind: one.second.kind, crash: true }
    }
    return undefined
  }
  const result = await run(actor).then(
    () => 'done',
    (error: unknown) => (victim.isDead ? 'died' : typedCode(error)),
  )
  expect(victim.callCount - start, 'the call was made').toBeGreaterThan(one.at)
  victim.plan = () => undefined
  await setup.settle()
  const lake = await recover(setup, runtime, one)
  const found = await contentOf(lake)
  expect(found.others, "the rival's rows").toEqual(rivals.acknowledged)
  if (result === 'done') expect(found.own).toBe(after.own)
  else if (mayBeDone(result, one)) expect([before.own, after.own]).toContain(found.own)
  else {
    expect(found.own, `not there after ${result}`).toBe(before.own)
    if (one.rival === 'alone' && LEAVES_NOTHING.has(one.kind)) {
      expect(await leftovers(setup), `nothing is left after ${result}`).toEqual([])
    }
  }
  // Whoever lives does it again with its own handle, anybody else after a death.
  await run(victim.isDead ? { lake, open: async () => lake } : actor)
  await (await lake.table('x.a')).append([{ id: OTHERS + 9, by: 'next' }])
  const last = await contentOf(lake)
  expect(last.own, 'done again').toBe(after.own)
  expect(last.others).toEqual([...rivals.acknowledged, OTHERS + 9])
  await expectSoundLake(lake)
}

/** True if the outcome says that nobody knows; that may only be said when it is so. */
function mayBeDone(result: string, one: Case): boolean {
  if (result === 'died') return true
  if (result !== 'COMMIT_STATE_UNKNOWN') return false
  expect(['torn', 'delayed'], 'an outcome that could have been read back').toContain(one.kind)
  return true
}

/** After these, a failed operation has cleaned up behind itself. The others may hit what cleans up. */
const LEAVES_NOTHING: ReadonlySet<FaultKind> = new Set(['before', 'http-429', 'http-503', 'slow'])

async function leftovers(setup: FaultyStore): Promise<string[]> {
  const found: string[] = []
  for await (const { path } of setup.process('look').list(LOCATION)) {
    if (!base.has(path) && !path.startsWith(`${LOCATION}/catalog/`)) found.push(path)
  }
  return found
}

async function actorOn(store: FaultyStore, runtime: FakeRuntime): Promise<Actor> {
  return { lake: await openAs(store, runtime), open: () => openAs(store, runtime) }
}

/** Somebody who commits once to the table that the operation changes. */
async function startRival(
  setup: FaultyStore,
  runtime: FakeRuntime,
  one: Case,
): Promise<{ readonly commit: () => Promise<void>; readonly acknowledged: number[] }> {
  const acknowledged: number[] = []
  if (one.rival === 'alone') return { commit: async () => undefined, acknowledged }
  const lake = await openAs(setup.process('rival'), runtime)
  const table = await lake.table(one.operation === 'append-v3' ? 'x.b' : 'x.a')
  let isDone = false
  const commit = async (): Promise<void> => {
    if (isDone) return
    isDone = true
    try {
      await table.append([{ id: OTHERS, by: 'rival' }])
      acknowledged.push(OTHERS)
    } catch (error) {
      // A catalog version that is being written, or was cut off, cannot be told apart for a while.
      if (one.kind !== 'torn' || !isFloeError(error, 'STORE_UNAVAILABLE')) throw error
    }
  }
  return { commit, acknowledged }
}

/** Opens the lake as a new process would, which waits where a version of the catalog was torn. */
async function recover(setup: FaultyStore, runtime: FakeRuntime, one: Case): Promise<Lake> {
  const store = setup.process('recovery')
  try {
    return await openAs(store, runtime)
  } catch (error) {
    if (one.kind !== 'torn' || !isFloeError(error, 'STORE_UNAVAILABLE')) throw error
    runtime.advance(11 * 60_000)
    return openAs(store, runtime)
  }
}

function isCommit(verb: string, path: string): boolean {
  return verb === 'putIfAbsent' && /\/\d{20}\.json$/.test(path)
}

const known = new Map<string, Promise<unknown>>()

/** What the lake holds when the operation has been done, without a fault. */
function contentAfter(operation: string): Promise<Content> {
  return remember(`after ${operation}`, async () => {
    const runtime = fakeRuntime({ seed: 7 })
    const actor = await actorOn(await copyOf(base, runtime), runtime)
    await OPERATIONS[operation]?.(actor)
    return contentOf(await actor.open())
  })
}

/** The calls of an operation by their index; undefined for those that another variant covers. */
function callsOf(
  operation: string,
  rival: Case['rival'],
): Promise<readonly (Parameters<typeof faultsOf>[0] | undefined)[]> {
  return remember(`calls ${operation} ${rival}`, async () => {
    const runtime = fakeRuntime({ seed: 7 })
    const setup = await copyOf(base, runtime)
    const one: Case = { operation, at: -1, kind: 'slow', rival, crash: false }
    const rivals = await startRival(setup, runtime, one)
    const victim = setup.process('victim')
    const actor = await actorOn(victim, runtime)
    const start = victim.callCount
    let covered = rival === 'rebase' ? Number.POSITIVE_INFINITY : -1
    victim.plan = async ({ index, verb, path }) => {
      if (rival === 'rebase' && isCommit(verb, path) && covered === Number.POSITIVE_INFINITY) {
        covered = index - start
        await rivals.commit()
      }
      return undefined
    }
    await OPERATIONS[operation]?.(actor)
    return setup.trace
      .filter((c) => c.process === 'victim' && c.index >= start)
      .sort((a, b) => a.index - b.index)
      .map((c, i) => (i > covered ? c.verb : undefined))
  })
}

function remember<T>(key: string, make: () => Promise<T>): Promise<T> {
  let value = known.get(key) as Promise<T> | undefined
  if (value === undefined) {
    value = make()
    known.set(key, value)
  }
  return value
}

function nameOf(c: Case): string {
  const then = c.second === undefined ? '' : `/${c.second.after}/${c.second.kind}`
  return `${c.operation}/${c.at}/${c.kind}/${c.rival}/${c.crash ? 'crash' : 'live'}${then}`
}

function caseOf(name: string): Case {
  const [operation, at, kind, rival, crash, after, second] = name.split('/')
  return {
    operation: operation as string,
    at: Number(at),
    kind: kind as FaultKind,
    rival: rival as Case['rival'],
    crash: crash === 'crash',
    second: after === undefined ? undefined : { after: Number(after), kind: second as FaultKind },
  }
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n')[0] as string
}
