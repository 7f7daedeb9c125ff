/**
 * Every operation, stopped at every one of its store calls, in parts that run side by side: what was acknowledged is
 * there once, the rest is absent or whole, the table is sound, the next writer succeeds. reliability.md S2;
 * known-bugs.md 1–5, 33.
 *
 * Complete for death × {before, after, torn} × {alone, a rival before that call, a rival before the first commit};
 * FLOE_FAULT_EXHAUSTIVE=1 for every kind of fault × every rival at every moment × death or not, of which
 * sampled-faults.test.ts takes some.
 * FLOE_FAULT_REPLAY='append/17/torn/append@first/crash' runs one case and prints its calls.
 */
import { describe, expect, it } from 'vitest'
import { type FaultKind, faultsOf } from '../../src/testing/index.ts'
import { type Case, callsOf, caseOf, failuresOf, isVisible, MOMENTS, runCase } from './matrix.ts'
import { OPERATIONS, RIVALS } from './operations.ts'

/** Files that call {@link testMatrix}. */
const PARTS = 2

const replay = process.env['FLOE_FAULT_REPLAY']
const exhaustive = process.env['FLOE_FAULT_EXHAUSTIVE'] === '1'
const DEATHS: readonly FaultKind[] = ['before', 'after-lost', 'torn']

/** Runs every {@link PARTS}th operation, beginning with the one of that number. */
export function testMatrix(part: number): void {
  describe.skipIf(replay !== undefined)('a process may die at any call', () => {
    for (const [number, operation] of Object.keys(OPERATIONS).entries()) {
      if (number % PARTS !== part) continue
      it(operation, async () => {
        expect(await isVisible(operation)).toBe(true)
        const cases = await casesOf(operation)
        expect(cases.length).toBeGreaterThan(exhaustive ? 200 : 20)
        expect(await failuresOf(cases)).toEqual([])
      }, 3_600_000)
    }
  })
}

/** The test of one case, if one is asked for. */
export function testReplay(): void {
  if (replay !== undefined)
    it(`replay of ${replay}`, async () => {
      const trace: string[] = []
      try {
        await runCase(caseOf(replay ?? ''), trace)
      } finally {
        console.log(trace.join('\n'))
      }
    })
}

async function casesOf(operation: string): Promise<Case[]> {
  const cases: Case[] = []
  for (const rival of rivalsOf(operation)) {
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

function rivalsOf(operation: string): Case['rival'][] {
  const names = Object.keys(RIVALS)
  if (exhaustive) {
    return [undefined, ...names.flatMap((name) => MOMENTS.map((at) => ({ name, at })))]
  }
  // The second attempt is one against a rival who changes the same rows, a different one for neighbours in the list.
  const [append, ...others] = names as [string, ...string[]]
  const number = Object.keys(OPERATIONS).indexOf(operation)
  const other = others[number % others.length] as string
  return [undefined, { name: append, at: 'first' }, { name: other, at: 'rebase' }]
}
