/**
 * One case of the matrix: an operation whose n-th store call fails in one way, alone or against a rival, and what must
 * be true in the end. What operations and rivals do is not known here: the allowed ends are those of doing them one
 * after the other without a fault.
 */
import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { isFloeError, type Lake, type ObjectStore } from '../../src/index.ts'
import type { FaultKind, FaultyStore, StoreVerb } from '../../src/testing/index.ts'
import { type FakeRuntime, fakeRuntime } from '../support/fake-runtime.ts'
import { type Actor, OPERATIONS, type Operation, RIVALS } from './operations.ts'
import {
  type Base,
  contentOf,
  copyOf,
  expectSoundLake,
  LOCATION,
  makeBase,
  NEXT_ID,
  openAs,
  typedCode,
} from './world.ts'

/**
 * When the rival commits: just before the call that fails, between its effect and its answer, or just before the
 * operation's first commit, so that the call that fails is one of its second attempt.
 */
export const MOMENTS = ['first', 'meanwhile', 'rebase'] as const

export interface Case {
  readonly operation: string
  /** Which call fails, from 0 on. */
  readonly at: number
  readonly kind: FaultKind
  /** Undefined if nobody else is there. */
  readonly rival: { readonly name: string; readonly at: (typeof MOMENTS)[number] } | undefined
  /** The process dies with the fault. */
  readonly crash: boolean
  /** A second fault, so many calls later, with which the process dies. */
  readonly second?: { readonly after: number; readonly kind: FaultKind } | undefined
}

/** Variations that tests of the matrix itself use. */
export interface Variation {
  readonly operation?: Operation
  /** What stands between the operation and its store. */
  readonly wrap?: (store: ObjectStore) => ObjectStore
}

export const base: Promise<Base> = makeBase(fakeRuntime({ seed: 1 }), {
  'commit.retry.min-wait-ms': '1',
})

/** What dead processes left behind and was found good: what comes after is a function of these bytes alone. */
const goodRemains = new Set<string>()

/** Runs a case and holds its end against the rules. Calls are added to the trace. */
export async function runCase(
  one: Case,
  trace: string[] = [],
  variation: Variation = {},
): Promise<void> {
  const runtime = fakeRuntime({ seed: 7 })
  const setup = await copyOf(await base, runtime)
  try {
    await runIn(setup, runtime, one, variation)
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
  variation: Variation,
): Promise<void> {
  const operation = variation.operation ?? operationOf(one.operation)
  const rival = await startRival(setup, one, operation)
  const victim = setup.process('victim')
  const actor = await actorOn(variation.wrap?.(victim) ?? victim, runtime)
  const start = victim.callCount
  victim.plan = async ({ index, verb, path }) => {
    const at = index - start
    if (one.rival?.at === 'rebase' && isCommit(verb, path)) await rival.commit()
    if (at === one.at) {
      if (one.rival?.at === 'first') await rival.commit()
      const meanwhile = one.rival?.at === 'meanwhile' ? { meanwhile: rival.commit } : {}
      return { kind: one.kind, crash: one.crash, ...meanwhile }
    }
    if (one.second !== undefined && at === one.at + one.second.after) {
      return { kind: one.second.kind, crash: true }
    }
    return undefined
  }
  const result = await operation.run(actor).then(
    () => 'done',
    (error: unknown) => (victim.isDead ? 'died' : typedCode(error)),
  )
  expect(victim.callCount - start, 'the call was made').toBeGreaterThan(one.at)
  victim.plan = () => undefined
  await setup.settle()
  const remains = result === 'died' ? await fingerprint(setup, one, rival) : undefined
  if (remains !== undefined && goodRemains.has(remains)) return
  const lake = await recover(setup, runtime, one)
  const found = await contentOf(lake, await base)
  const without = await endsOf(operation, one, { done: false, rival: rival.isDone() })
  const withIt = await endsOf(operation, one, { done: true, rival: rival.isDone() })
  if (result === 'done') expect(withIt).toContain(found.text)
  else if (mayBeDone(result, one)) expect([...without, ...withIt]).toContain(found.text)
  else {
    expect(without, `not there after ${result}`).toContain(found.text)
    if (one.second === undefined && LEAVES_NOTHING.has(one.kind)) {
      expect(await leftovers(setup), `left after ${result}`).toEqual([])
    }
  }
  // Whoever lives does it again with its own handle, anybody else after a death.
  await operation.run(victim.isDead ? { lake, open: async () => lake } : actor)
  await (await lake.table(operation.table)).append([{ id: NEXT_ID, by: 'next' }])
  const last = await contentOf(lake, await base)
  if (without.includes(found.text)) expect(withIt, 'done again').toContain(last.text)
  else expect(last.text, 'not done again').toBe(found.text)
  expect(last.nextRows).toBe(1)
  await expectSoundLake(lake, await base, setup.process('look'))
  if (remains !== undefined && variation.operation === undefined) goodRemains.add(remains)
}

/** Everything that the checks of a case depend on once its process has died. */
async function fingerprint(setup: FaultyStore, one: Case, rival: Rival): Promise<string> {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([one.operation, one.rival?.name, rival.isDone(), one.kind === 'torn']))
  const store = setup.process('look')
  for await (const { path, sizeBytes } of store.list(LOCATION)) {
    hash.update(`\n${path} ${sizeBytes}\n`)
    hash.update(await store.get(path))
  }
  return hash.digest('hex')
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

/** Files that neither the base nor the rival has. */
export async function leftovers(setup: FaultyStore): Promise<string[]> {
  const { objects } = await base
  const others = new Set(setup.trace.filter((c) => c.process === 'rival').map((c) => c.path))
  const found: string[] = []
  for await (const { path } of setup.process('look').list(LOCATION)) {
    if (objects.has(path) || others.has(path) || path.startsWith(`${LOCATION}/catalog/`)) continue
    found.push(path)
  }
  return found
}

export async function actorOn(store: ObjectStore, runtime: FakeRuntime): Promise<Actor> {
  return { lake: await openAs(store, runtime), open: () => openAs(store, runtime) }
}

interface Rival {
  /** Does it, the first time. */
  readonly commit: () => Promise<void>
  readonly isDone: () => boolean
}

/** Somebody who commits once to the table that the operation changes. */
async function startRival(setup: FaultyStore, one: Case, operation: Operation): Promise<Rival> {
  if (one.rival === undefined) return { commit: async () => undefined, isDone: () => false }
  const act = RIVALS[one.rival.name]
  if (act === undefined) throw new Error(`no rival ${one.rival.name}`)
  // Ids of its own, so that it writes the same whenever it comes.
  const lake = await openAs(setup.process('rival'), fakeRuntime({ seed: 8 }))
  let state: 'waits' | 'failed' | 'done' = 'waits'
  const commit = async (): Promise<void> => {
    if (state !== 'waits') return
    state = 'failed'
    try {
      await act(lake, operation.table)
      state = 'done'
    } catch (error) {
      // A catalog version that is being written, or was cut off, cannot be told apart for a while.
      if (one.kind !== 'torn' || !isFloeError(error, 'STORE_UNAVAILABLE')) throw error
    }
  }
  return { commit, isDone: () => state === 'done' }
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

function remember<T>(key: string, make: () => Promise<T>): Promise<T> {
  let value = known.get(key) as Promise<T> | undefined
  if (value === undefined) {
    value = make()
    known.set(key, value)
  }
  return value
}

/** What the lake may hold in the end: what it holds after doing the same things one after the other. */
async function endsOf(
  operation: Operation,
  one: Case,
  did: { readonly done: boolean; readonly rival: boolean },
): Promise<readonly string[]> {
  const own = { name: one.operation, run: operation.run }
  const act = RIVALS[one.rival?.name ?? '']
  const rival = {
    name: `rival ${one.rival?.name} ${operation.table}`,
    run: ({ lake }: Actor) => act?.(lake, operation.table) ?? Promise.resolve(),
  }
  if (did.done && did.rival) return Promise.all([serially([own, rival]), serially([rival, own])])
  return [await serially([...(did.done ? [own] : []), ...(did.rival ? [rival] : [])])]
}

export function serially(
  steps: readonly { readonly name: string; readonly run: Operation['run'] }[],
): Promise<string> {
  return remember(`after ${steps.map((s) => s.name).join(', then ')}`, async () => {
    const runtime = fakeRuntime({ seed: 7 })
    const store = await copyOf(await base, runtime)
    for (const { run } of steps) await run(await actorOn(store, runtime))
    return (await contentOf(await openAs(store, runtime), await base)).text
  })
}

/** True if the operation, done alone, can be seen. */
export async function isVisible(name: string): Promise<boolean> {
  const own = { name, run: operationOf(name).run }
  return (await serially([own])) !== (await serially([]))
}

/** The calls of an operation that a case can be about: index and verb, those that no other moment covers. */
export function callsOf(
  operation: string,
  rival: Case['rival'],
): Promise<readonly (readonly [number, StoreVerb])[]> {
  return remember(`calls ${operation} ${rival?.name} ${rival?.at}`, async () => {
    const runtime = fakeRuntime({ seed: 7 })
    const setup = await copyOf(await base, runtime)
    const one: Case = { operation, at: -1, kind: 'slow', rival, crash: false }
    const rivals = await startRival(setup, one, operationOf(operation))
    const victim = setup.process('victim')
    const actor = await actorOn(victim, runtime)
    const start = victim.callCount
    let covered = rival?.at === 'rebase' ? Number.POSITIVE_INFINITY : -1
    victim.plan = async ({ index, verb, path }) => {
      if (covered === Number.POSITIVE_INFINITY && isCommit(verb, path)) {
        covered = index - start
        await rivals.commit()
      }
      return undefined
    }
    await operationOf(operation).run(actor)
    return setup.trace
      .filter((c) => c.process === 'victim' && c.index - start > covered && c.index >= start)
      .sort((a, b) => a.index - b.index)
      .map((c) => [c.index - start, c.verb] as const)
  })
}

function operationOf(name: string): Operation {
  const operation = OPERATIONS[name]
  if (operation === undefined) throw new Error(`no operation ${name}`)
  return operation
}

/** As FLOE_FAULT_REPLAY takes it. */
export function nameOf(c: Case): string {
  const rival = c.rival === undefined ? 'alone' : `${c.rival.name}@${c.rival.at}`
  const then = c.second === undefined ? '' : `/${c.second.after}/${c.second.kind}`
  return `${c.operation}/${c.at}/${c.kind}/${rival}/${c.crash ? 'crash' : 'live'}${then}`
}

export function caseOf(name: string): Case {
  const [operation, at, kind, rival, crash, after, second] = name.split('/')
  const [rivalName, moment] = (rival as string).split('@')
  return {
    operation: operation as string,
    at: Number(at),
    kind: kind as FaultKind,
    rival:
      moment === undefined
        ? undefined
        : { name: rivalName as string, at: moment as (typeof MOMENTS)[number] },
    crash: crash === 'crash',
    second: after === undefined ? undefined : { after: Number(after), kind: second as FaultKind },
  }
}

const RUN = 'npx vitest run test/faults/crash-matrix-1.test.ts'

/** Runs cases and gives a line for each that failed, with which it can be repeated. */
export async function failuresOf(cases: Iterable<Case>): Promise<string[]> {
  const failures: string[] = []
  for (const one of cases) {
    await runCase(one).catch((error: unknown) => {
      const line = String(error instanceof Error ? error.message : error).split('\n')[0]
      failures.push(`FLOE_FAULT_REPLAY='${nameOf(one)}' ${RUN}  # ${line}`)
    })
  }
  return failures
}
