/**
 * Random sequences of concurrent changes held against a naive model of rows, in parts that run side by side.
 * known-bugs-engines.md §5; known-bugs.md 4, 9–12, 27, 28.
 *
 * FLOE_MODEL_SEED=17 runs one sequence and prints it. FLOE_MODEL_SEQUENCES and FLOE_MODEL_FIRST change how many run
 * in all parts together, and from which seed on.
 */
import { expect, it } from 'vitest'
import { runSequence } from './sequence.ts'

/** Files that call {@link testSequences}. */
const PARTS = 2

const replay = process.env['FLOE_MODEL_SEED']
const total = Number(process.env['FLOE_MODEL_SEQUENCES'] ?? 1000)
const firstOfAll = Number(process.env['FLOE_MODEL_FIRST'] ?? 1)

/** Runs the sequences of a part, from 0 on. */
export function testSequences(part: number): void {
  const first = firstOfAll + Math.floor((total * part) / PARTS)
  const end = firstOfAll + Math.floor((total * (part + 1)) / PARTS)
  it.skipIf(replay !== undefined || first === end)(
    `sequences of seeds ${first} to ${end - 1}`,
    () => runSeeds(first, end),
    3_600_000,
  )
}

/** The test of one seed, if one is asked for. */
export function testReplay(): void {
  if (replay !== undefined)
    it(`replay of seed ${replay}`, async () => {
      const log: string[] = []
      try {
        await runSequence(Number(replay), log)
      } finally {
        console.log(log.join('\n'))
      }
    })
}

export function testRepetition(): void {
  it.skipIf(replay !== undefined)(
    'a seed repeats a sequence call by call',
    async () => {
      for (const seed of [1, 2, 3, 4, 5]) {
        const { trace } = await runSequence(seed)
        expect((await runSequence(seed)).trace).toEqual(trace)
      }
    },
    600_000,
  )
}

async function runSeeds(first: number, end: number): Promise<void> {
  const count = end - first
  const failures: string[] = []
  const outcomes = new Map<string, number>()
  let commits = 0
  for (let seed = first; seed < end && failures.length < 5; seed++) {
    try {
      const result = await runSequence(seed)
      commits += result.commits
      for (const [key, n] of result.outcomes) outcomes.set(key, (outcomes.get(key) ?? 0) + n)
    } catch (error) {
      const line = String(error instanceof Error ? error.message : error).split('\n')[0]
      failures.push(
        `FLOE_MODEL_SEED=${seed} npx vitest run test/model/sequences-1.test.ts  # ${line}`,
      )
    }
  }
  expect(failures).toEqual([])
  if (count < 50) return
  // Sequences in which nothing happens would prove nothing.
  expect(commits).toBeGreaterThan(2 * count)
  expect(outcomes.get('done')).toBeGreaterThan(4 * count)
  for (const code of ['ABORTED', 'VALIDATION_CONFLICT', 'LIMIT_EXCEEDED']) {
    if (count >= 250) expect(outcomes.get(code), code).toBeGreaterThan(0)
  }
}
