/**
 * Random cases of the matrix that crash-matrix.ts leaves out: all kinds of faults, rivals at any moment, processes
 * that go on after a fault, and those that die of a second one. reliability.md S2, S5.
 *
 * FLOE_FAULT_CASES and FLOE_FAULT_SEED change how many, and which.
 */
import { expect, it, vi } from 'vitest'
import { type FaultKind, faultsOf, seededRandom } from '../../src/testing/index.ts'
import { type Case, callsOf, failuresOf, MOMENTS } from './matrix.ts'
import { OPERATIONS, RIVALS } from './operations.ts'

vi.mock('../../src/iceberg/parquet/worker-pool.ts', async (original) => ({
  ...(await original<object>()),
  openParquetPool: (await import('./in-process-pool.ts')).inProcessPool,
}))

const count = Number(process.env['FLOE_FAULT_CASES'] ?? 300)
const random = seededRandom(Number(process.env['FLOE_FAULT_SEED'] ?? 1))

/** Faults that any call can have. */
const SECOND_FAULTS: readonly FaultKind[] = ['before', 'http-500', 'slow']

it.skipIf(process.env['FLOE_FAULT_REPLAY'] !== undefined)(
  `${count} random cases, a third of them with two faults`,
  async () => {
    const cases: Case[] = []
    while (cases.length < count) {
      const one = await randomCase()
      if (one !== undefined) cases.push(one)
    }
    expect(await failuresOf(cases)).toEqual([])
  },
  3_600_000,
)

/** Undefined if there is nothing that could fail: no second attempt, say. */
async function randomCase(): Promise<Case | undefined> {
  const operation = pick(Object.keys(OPERATIONS))
  const rival = random() < 0.25 ? undefined : { name: pick(Object.keys(RIVALS)), at: pick(MOMENTS) }
  const calls = await callsOf(operation, rival)
  if (calls.length === 0) return undefined
  const [at, verb] = pick(calls)
  const kind = pick(faultsOf(verb))
  if (random() < 2 / 3) return { operation, at, kind, rival, crash: random() < 0.3 }
  const second = { after: 1 + Math.floor(random() * 12), kind: pick(SECOND_FAULTS) }
  return { operation, at, kind, rival, crash: false, second }
}

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T
}
