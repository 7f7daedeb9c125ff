/**
 * SIGKILL of the pipeline's runner, at any moment, again and again: at the end every event is in Bronze once, Gold is what
 * Bronze comes to, bit by bit, and the tables are sound. `FLOE_KILLS=1000` does it more often. streaming.md §5.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { checkPipeline } from '../../examples/pipeline/check.ts'
import { EventGenerator, GENERATOR_DEFAULTS } from '../../examples/pipeline/generator.ts'
import { openLake } from '../../src/index.ts'
import { openLog } from '../../src/stream/index.ts'
import { seededRandom } from '../../src/testing/index.ts'
import { temporaryFolder } from '../support/lakes.ts'
import { KILLS } from './kill-rounds.ts'

const WORKER = fileURLToPath(new URL('../fixtures/stream-worker.js', import.meta.url))
const TOPIC = 'content_events'

it(
  `a stream whose runner is killed ${KILLS} times has every event once`,
  async () => {
    const seed = Number(process.env['FLOE_KILL_SEED'] ?? Date.now() % 1_000_000)
    console.log(`replay with: FLOE_KILL_SEED=${seed} npx vitest run test/crash/stream-kill.test.ts`)
    const random = seededRandom(seed)
    const folder = temporaryFolder()
    const args = [WORKER, `${folder}/lake`, `${folder}/log`, TOPIC]
    const log = await openLog(`${folder}/log`)
    let child: ChildProcess | undefined
    try {
      await log.createTopic(TOPIC, { partitions: 3 })
      const producer = await log.producer()
      const generator = new EventGenerator({ ...GENERATOR_DEFAULTS, seed, malformedShare: 0.05 })
      const send = async (count: number): Promise<void> => {
        await producer.send(TOPIC, generator.take(count, Date.now()))
      }
      await send(500)
      let batches = 0
      for (let kill = 0; kill < KILLS; kill++) {
        child = spawn(process.execPath, [...args, 'run'], {
          stdio: ['pipe', 'pipe', 'inherit'],
          env: { ...process.env, NODE_NO_WARNINGS: '1' },
        })
        const closed = once(child, 'close')
        const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
        const first = once(lines, 'line')
        lines.on('line', () => batches++)
        await send(200 + Math.floor(random() * 800))
        // Some are killed while they start, most once they have committed a batch.
        if (random() < 0.8) await Promise.race([first, closed])
        const until = performance.now() + random() * 400
        while (performance.now() < until) await send(1 + Math.floor(random() * 100))
        expect(child.exitCode, 'the runner must not end by itself').toBeNull()
        child.kill('SIGKILL')
        await closed
      }
      expect(batches).toBeGreaterThan(KILLS / 2)
      child = spawn(process.execPath, [...args, 'drain'], { stdio: ['pipe', 'inherit', 'inherit'] })
      expect(await once(child, 'close')).toEqual([0, null])
      const lake = await openLake(`${folder}/lake`, { workers: 1 })
      try {
        for (const { name, problems } of await checkPipeline(lake)) {
          expect(problems, `${name}, seed ${seed}`).toEqual([])
        }
        expect(await (await lake.table('bronze.raw_events')).scan().count()).toBe(
          generator.counts.events,
        )
      } finally {
        await lake.close()
      }
    } finally {
      child?.kill('SIGKILL')
      await log.close()
    }
  },
  60_000 + KILLS * 10_000,
)
