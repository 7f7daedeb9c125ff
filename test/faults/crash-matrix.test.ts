/**
 * Every operation, stopped at every one of its store calls: what was acknowledged is there once, the rest is absent or
 * whole, the table is sound, the next writer succeeds. reliability.md S2; known-bugs.md 1–5, 33.
 *
 * Complete for death × {before, after, torn} × {alone, each rival}; FLOE_FAULT_EXHAUSTIVE=1 for every kind of fault ×
 * every moment of the rival × death or not, of which sampled-faults.test.ts takes some.
 * FLOE_FAULT_REPLAY='append/17/torn/append@first/crash' runs one case and prints its calls.
 */
import { describe, expect, it, vi } from 'vitest'
import { type FaultKind, faultsOf } from '../../src/testing/index.ts'
import { type Case, callsOf, caseOf, failuresOf, isVisible, MOMENTS, runCase } from './matrix.ts'
import { OPERATIONS, RIVALS } from './operations.ts'

vi.mock('../../src/iceberg/parquet/worker-pool.ts', async (original) => ({
  ...(await original<object>()),
  openParquetPool: (await import('./in-process-pool.ts')).inProcessPool,
}))

const replay = process.env['FLOE_FAULT_REPLAY']
const exhaustive = process.env['FLOE_FAULT_EXHAUSTIVE'] === '1'
const DEATHS: readonly FaultKind[] = ['before', 'after-lost', 'torn']

describe.skipIf(replay !== undefined)('a process may die at any call', () => {
  for (const operation of Object.keys(OPERATIONS)) {
    it(operation, async () => {
      expect(await isVisible(operation)).toBe(true)
      const cases = await casesOf(operation)
      expect(cases.length).toBeGreaterThan(exhaustive ? 200 : 20)
      expect(await failuresOf(cases)).toEqual([])
    }, 3_600_000)
  }
})

async function casesOf(operation: string): Promise<Case[]> {
  const cases: Case[] = []
  for (const rival of rivals()) {
    for (const [at, verb] of await callsOf(operation, rival)) {
      for (const kind of faultsOf(verb)) {
        if (exhaustive) cases.push({ operation, at, kind, rival, crash: false })
        if (exhaustive || DEATHS.includes(kind)) {
          cases.push({ operation, at, kind, rival, crash: true })
        }
      }
    }
  }
  return cases
}

function rivals(): Case['rival'][] {
  const names = Object.keys(RIVALS)
  if (exhaustive) {
    return [undefined, ...names.flatMap((name) => MOMENTS.map((at) => ({ name, at })))]
  }
  return [
    undefined,
    { name: 'append', at: 'first' },
    // Another append changes less than these do: it is among the sampled ones.
    ...names.filter((name) => name !== 'append').map((name) => ({ name, at: 'rebase' as const })),
  ]
}

describe.runIf(replay !== undefined)('replay', () => {
  it(replay ?? '', async () => {
    const trace: string[] = []
    try {
      await runCase(caseOf(replay ?? ''), trace)
    } finally {
      console.log(trace.join('\n'))
    }
  })
})
