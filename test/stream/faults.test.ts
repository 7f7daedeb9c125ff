/**
 * Streams over a store that loses requests and answers and kills the process: whatever happens, each offset is in both
 * tables once. FLOE_STREAM_FAULTS=N runs so many seeds, FLOE_STREAM_FAULT_SEED=N one of them. streaming.md §5.
 */
import { describe, expect, it } from 'vitest'
import { isFloeError } from '../../src/core/errors.ts'
import { type Runtime, systemRuntime } from '../../src/core/runtime.ts'
import { openLake } from '../../src/index.ts'
import { stream } from '../../src/stream/index.ts'
import { type FaultPlan, FaultyStore, seededFaults, seededRandom } from '../../src/testing/index.ts'
import { expectExact, fill, job, options, tables } from './job.ts'
import { MemorySource } from './memory-source.ts'

const one = process.env['FLOE_STREAM_FAULT_SEED']
const count = Number(process.env['FLOE_STREAM_FAULTS'] ?? 10)
const seeds = one === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(one)]

/** Waits of retries take no time. */
const runtime: Runtime = {
  ...systemRuntime,
  sleep: (ms, signal) => systemRuntime.sleep(Math.min(ms, 1), signal),
}

interface Outcome {
  readonly failures: number
  readonly deaths: number
  readonly conflicts: number
  readonly retries: number
}

/** Now and then the answer of the deciding put is lost, and the store is away for a while after it: nobody knows. */
function outages(random: () => number, others: FaultPlan): FaultPlan {
  let away = 0
  return (call) => {
    if (away > 0) {
      away--
      return { kind: 'before' }
    }
    if (call.verb === 'putIfAbsent' && random() < 0.15) {
      away = Math.floor(random() * 40)
      return { kind: 'after-lost' }
    }
    return others(call)
  }
}

async function runSeed(seed: number): Promise<Outcome> {
  const random = seededRandom(seed)
  const origin = new FaultyStore(undefined, { name: 'setup', runtime })
  const setup = await openLake('memory://lake', { store: origin, workers: 1, runtime })
  await tables(setup)
  const source = new MemorySource(3)
  source.chunkRows = 1 + Math.floor(random() * 40)
  let failures = 0
  let deaths = 0
  let conflicts = 0
  let retries = 0
  let pushed = 0
  const total = 60
  try {
    for (let process = 1; ; process++) {
      expect(process, `seed ${seed} comes to no end`).toBeLessThan(200)
      const next = Math.min(total, pushed + 1 + Math.floor(random() * 30))
      fill(source, pushed, next)
      pushed = next
      // Faults become fewer, so that the stream ends.
      const rate = process < 60 ? 0.08 : 0
      const seeded = seededFaults({ seed: seed * 1000 + process, rate, crashRate: 0.25 })
      // Every third process has a twin that believes to be the only one.
      const twins = process % 3 === 0 && rate > 0 ? 2 : 1
      const runs = Array.from({ length: twins }, async (_, twin) => {
        const plan = rate === 0 ? seeded : outages(random, seeded)
        const store = origin.process(`p${process}.${twin}`, { plan, runtime })
        let lake: Awaited<ReturnType<typeof openLake>> | undefined
        try {
          lake = await openLake('memory://lake', { store, workers: 1, runtime })
          const maxBatchRows = 1 + Math.floor(random() * 25)
          await stream(
            options(lake, source, {
              foreachBatch: job(),
              maxBatchRows,
              runtime,
              retryTimeoutMs: 2000,
              onEvent: (event) => {
                if (event.type === 'retrying') retries++
              },
            }),
          ).done
          return true
        } catch (error) {
          failures++
          if (store.isDead) deaths++
          if (isFloeError(error, 'STREAM_CONFLICT')) conflicts++
          return false
        } finally {
          store.kill()
          await lake?.close()
        }
      })
      if ((await Promise.all(runs)).some(Boolean) && pushed === total) break
    }
    await origin.settle()
    const fresh = await openLake('memory://lake', {
      store: origin.process('check'),
      workers: 1,
      runtime,
    })
    await expectExact(fresh, source)
    await fresh.close()
  } finally {
    await setup.close()
  }
  return { failures, deaths, conflicts, retries }
}

describe('a stream over a store that fails', () => {
  const outcomes: Outcome[] = []

  it.each(seeds)('takes every offset once, seed %i', async (seed) => {
    outcomes.push(await runSeed(seed))
  })

  it.runIf(one === undefined)(
    'has met failures, deaths, repeated batches and other runners',
    () => {
      const sum = (of: keyof Outcome): number => outcomes.reduce((n, o) => n + o[of], 0)
      expect(sum('failures')).toBeGreaterThan(count)
      expect(sum('deaths')).toBeGreaterThan(count / 4)
      expect(sum('retries')).toBeGreaterThan(count / 4)
      expect(sum('conflicts')).toBeGreaterThan(0)
    },
  )
})
