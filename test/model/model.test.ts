/**
 * Random sequences of concurrent changes held against a naive model of rows. known-bugs-engines.md §5; known-bugs.md
 * 4, 9–12, 27, 28.
 *
 * FLOE_MODEL_SEED=17 runs one sequence and prints it. FLOE_MODEL_SEQUENCES and FLOE_MODEL_FIRST change how many run,
 * and from which seed on.
 */
import { expect, it, vi } from 'vitest'
import { runSequence } from './sequence.ts'

vi.mock('../../src/iceberg/parquet/worker-pool.ts', async (original) => ({
  ...(await original<object>()),
  openParquetPool: (await import('../faults/in-process-pool.ts')).inProcessPool,
}))

const replay = process.env['FLOE_MODEL_SEED']
const count = Number(process.env['FLOE_MODEL_SEQUENCES'] ?? 1000)
const first = Number(process.env['FLOE_MODEL_FIRST'] ?? 1)

it.skipIf(replay !== undefined)(
  `${count} sequences from seed ${first} on`,
  async () => {
    const failures: string[] = []
    const outcomes = new Map<string, number>()
    let commits = 0
    for (let seed = first; seed < first + count && failures.length < 5; seed++) {
      try {
        const result = await runSequence(seed)
        commits += result.commits
        for (const [key, n] of result.outcomes) outcomes.set(key, (outcomes.get(key) ?? 0) + n)
      } catch (error) {
        const line = String(error instanceof Error ? error.message : error).split('\n')[0]
        failures.push(`FLOE_MODEL_SEED=${seed} npx vitest run test/model  # ${line}`)
      }
    }
    expect(failures).toEqual([])
    // Sequences in which nothing happens would prove nothing.
    expect(commits).toBeGreaterThan(2 * count)
    expect(outcomes.get('done')).toBeGreaterThan(5 * count)
  },
  3_600_000,
)

it.runIf(replay !== undefined)(`replay of seed ${replay}`, async () => {
  const log: string[] = []
  try {
    await runSequence(Number(replay), log)
  } finally {
    console.log(log.join('\n'))
  }
})
