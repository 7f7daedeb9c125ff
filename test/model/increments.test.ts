/**
 * Serializability where it hurts: several writers count on the same row. Every acknowledged increment is in the end
 * result, in whatever way it was made, and of blind writes the last one in the order of commits is there.
 */
import { expect, it, vi } from 'vitest'
import { isFloeError, type Lake, openLake } from '../../src/index.ts'
import { seededRandom } from '../../src/testing/index.ts'
import { fakeRuntime } from '../support/fake-runtime.ts'
import { Turns } from './turns.ts'
import { LOCATION, lakeOf, type Shape } from './world.ts'

vi.mock('../../src/iceberg/parquet/worker-pool.ts', async (original) => ({
  ...(await original<object>()),
  openParquetPool: (await import('../faults/in-process-pool.ts')).inProcessPool,
}))

const SEEDS = Number(process.env['FLOE_MODEL_INCREMENTS'] ?? 7)
const TIMEOUT_MS = 600_000

const KEY = { key: ['id'] }

/** Ways to add one to `n` of row 3. */
const INCREMENTS: Readonly<Record<string, (lake: Lake) => Promise<void>>> = {
  'upserts that increment': async (lake) => {
    const table = await lake.table('x.t')
    await table.upsert([{ id: 3, part: 'a', n: 1 }], { ...KEY, increment: ['n'] })
  },
  'rows that are read and replaced': async (lake) => {
    for (;;) {
      const table = await lake.table('x.t')
      const select = ['_file', '_pos', 'n', 'part']
      const [row] = await table.scan({ where: { id: 3 }, select }).toArray()
      const transaction = lake.transaction()
      try {
        await transaction.rowDelta(table, {
          rows: [{ id: 3, part: row?.['part'], n: Number(row?.['n']) + 1 }],
          deletes: [{ file: String(row?.['_file']), positions: [Number(row?.['_pos'])] }],
        })
        await transaction.commit()
        return
      } catch (error) {
        // Somebody else has counted since it was read: a program reads it again.
        if (!isFloeError(error, 'VALIDATION_CONFLICT')) throw error
      } finally {
        await transaction.rollback()
      }
    }
  },
}

for (const [name, increment] of Object.entries(INCREMENTS)) {
  it(
    `no increment is lost: ${name}`,
    async () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        await inTurns(
          seed,
          async (lake) => {
            await increment(lake)
            await increment(lake)
          },
          async (lake, writers) => {
            const table = await lake.table('x.t')
            const rows = await table.scan({ where: { id: 3 } }).toArray()
            expect(
              rows.map((r) => Number(r['n'])),
              `seed ${seed}`,
            ).toEqual([3 + 2 * writers])
          },
        )
      }
    },
    TIMEOUT_MS,
  )
}

it(
  'of upserts of the same keys, the last in the order of commits wins as a whole',
  async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      await inTurns(
        seed,
        async (lake, writer) => {
          const rows = [0, 3, 50].map((id) => ({ id, part: 'a', n: 100 + writer }))
          await (await lake.table('x.t')).upsert(rows, { ...KEY, commitId: `writer ${writer}` })
        },
        async (lake, writers) => {
          const table = await lake.table('x.t')
          const commits = table.snapshots().map((s) => s.summary['floe.commit-id'] ?? '')
          const order = commits.filter((id) => id.startsWith('writer '))
          expect(order.length, `seed ${seed}`).toBe(writers)
          const rows = await table.scan({ where: { id: { in: [0, 3, 50] } } }).toArray()
          const last = 100 + Number(order.at(-1)?.slice('writer '.length))
          expect(
            rows.map((r) => Number(r['n'])),
            `seed ${seed}`,
          ).toEqual([last, last, last])
        },
      )
    }
  },
  TIMEOUT_MS,
)

/** Runs writers interleaved, then a check, and fsck. */
async function inTurns(
  seed: number,
  write: (lake: Lake, writer: number) => Promise<void>,
  check: (lake: Lake, writers: number) => Promise<void>,
): Promise<void> {
  const random = seededRandom(seed)
  const shape: Shape = { formatVersion: seed % 2 === 0 ? 2 : 3, partitioned: random() < 0.5 }
  const runtime = fakeRuntime({ seed })
  const setup = await lakeOf(shape, runtime)
  const turns = new Turns(random)
  const lakes: Lake[] = []
  for (let i = 0; i < 3; i++) {
    const store = setup.process(`writer ${i}`)
    lakes.push(await openLake(LOCATION, { store, runtime }))
    store.plan = async () => {
      await turns.take()
      return undefined
    }
  }
  const errors: unknown[] = []
  await turns.run(
    lakes.map((lake, i) => () => write(lake, i).catch((error: unknown) => void errors.push(error))),
  )
  expect(errors, `seed ${seed}`).toEqual([])
  const watcher = await openLake(LOCATION, { store: setup, runtime })
  await check(watcher, lakes.length)
  const report = await (await watcher.table('x.t')).fsck({ data: 'all' })
  expect(report.problems, `seed ${seed}`).toEqual([])
}
