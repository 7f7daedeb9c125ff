/** Random plans: what a seed says happens, again and again; rates, kinds and bounds are kept. */
import { expect, it } from 'vitest'
import { isFloeError, openLake, schema, t } from '../../src/index.ts'
import {
  type FaultKind,
  FaultyStore,
  faultsOf,
  ProcessDiedError,
  type SeededFaultsOptions,
  type StoreCall,
  type StoreVerb,
  seededFaults,
  seededRandom,
} from '../../src/testing/index.ts'
import { errorOf } from '../support/expect-error.ts'
import { fakeRuntime } from '../support/fake-runtime.ts'

const VERBS: readonly StoreVerb[] = [
  'get',
  'stat',
  'put',
  'putIfAbsent',
  'openWriter',
  'writeChunk',
  'closeWriter',
  'list',
  'delete',
  'now',
]

const calls: readonly StoreCall[] = Array.from({ length: 2000 }, (_, index) => ({
  process: 'main',
  index,
  verb: VERBS[index % VERBS.length] as StoreVerb,
  path: `memory://s/${index}`,
}))

function faultsWith(options: SeededFaultsOptions): (FaultKind | undefined)[] {
  const plan = seededFaults(options)
  return calls.map((call) => {
    const fault = plan(call)
    if (fault === undefined || 'then' in fault) return undefined
    expect(faultsOf(call.verb)).toContain(fault.kind)
    return fault.kind
  })
}

const count = (faults: readonly unknown[]): number => faults.filter((f) => f !== undefined).length

it('the same seed gives the same faults, another one others', () => {
  expect(faultsWith({ seed: 7 })).toEqual(faultsWith({ seed: 7 }))
  expect(faultsWith({ seed: 7 })).not.toEqual(faultsWith({ seed: 8 }))
})

it('rate is the share of calls that fail', () => {
  expect(count(faultsWith({ seed: 1, rate: 0 }))).toBe(0)
  expect(count(faultsWith({ seed: 1, rate: 1 }))).toBe(calls.length)
  const some = count(faultsWith({ seed: 1, rate: 0.25 }))
  expect(some).toBeGreaterThan(400)
  expect(some).toBeLessThan(600)
  expect(errorOf('BAD_ARGUMENT', () => seededFaults({ seed: 1, rate: 1.5 })).message).toContain(
    '1.5',
  )
  errorOf('BAD_ARGUMENT', () => seededFaults({ seed: 1, crashRate: Number.NaN }))
})

it('maxFaults, kinds and only bound them', () => {
  expect(count(faultsWith({ seed: 1, rate: 1, maxFaults: 3 }))).toBe(3)
  const torn = faultsWith({ seed: 1, rate: 1, kinds: ['torn'] })
  expect(new Set(torn)).toEqual(new Set(['torn', undefined]))
  const gets = faultsWith({ seed: 1, rate: 1, only: ({ verb }) => verb === 'get' })
  expect(count(gets)).toBe(calls.length / VERBS.length)
})

it('nothing is torn unless it is asked for: stores with atomic puts never do that', () => {
  expect(faultsWith({ seed: 3, rate: 1 })).not.toContain('torn')
})

it('random numbers of a seed are spread over [0, 1)', () => {
  const random = seededRandom(5)
  const numbers = Array.from({ length: 10_000 }, random)
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...numbers)).toBeLessThan(1)
  const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.02)
})

/** Creates tables while calls fail, and says which calls were made and how they ended. */
async function traceOf(seed: number): Promise<string[]> {
  const runtime = fakeRuntime({ seed })
  const store = new FaultyStore(undefined, { runtime })
  const lake = await openLake('memory://lake', { store, runtime })
  store.plan = seededFaults({ seed, rate: 0.2, crashRate: 0.02 })
  for (let i = 0; i < 20 && !store.isDead; i++) {
    try {
      await lake.createTable(`x.t${i}`, schema({ id: t.long() }))
    } catch (error) {
      if (!isFloeError(error) && !(error instanceof ProcessDiedError)) throw error
    }
  }
  return store.trace.map((c) => `${c.index} ${c.verb} ${c.path} ${c.fault ?? ''} ${c.outcome}`)
}

it('a whole run repeats itself call by call', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const trace = await traceOf(seed)
    expect(trace.length).toBeGreaterThan(10)
    expect(await traceOf(seed)).toEqual(trace)
  }
  expect(await traceOf(1)).not.toEqual(await traceOf(2))
})
