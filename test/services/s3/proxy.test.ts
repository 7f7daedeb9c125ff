/**
 * Ambiguous outcomes (reliability suite S5): commits through a proxy that loses, repeats, delays and cuts, between the
 * real SDK and a real server. After each case a clean connection finds: every acknowledged change once, every other
 * one whole or not at all, sound tables, and a next writer that is not disturbed.
 *
 * `FLOE_PROXY_CASES=10000` runs more, `FLOE_PROXY_SEED=…` replays one.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import { type Lake, openLake } from '../../../src/index.ts'
import { seededRandom } from '../../../src/testing/index.ts'
import { FaultyProxy, PROXY_FAULTS, type ProxyFault } from './faulty-proxy.ts'
import {
  OPERATIONS,
  type Operation,
  type OperationInput,
  ROWS,
  type RowsTable,
  type World,
  withRows,
  worldText,
} from './operations.ts'
import { HAS_S3, newBucket, s3Options, s3Url } from './servers.ts'

const CASES = Number(process.env['FLOE_PROXY_CASES'] ?? 300)
const ONLY = process.env['FLOE_PROXY_SEED']
/** Cases mostly wait, so several run at once, each on a lake of its own. */
const LANES = 6
const OPERATIONS_PER_CASE = 3
const TIMES = { stallMs: 350, lateMs: 120, delayMs: 40 }
const REQUEST_TIMEOUT_MS = 250
const FIRST_SEED = 1

interface Lane {
  readonly proxy: FaultyProxy
  /** Through the proxy. */
  readonly faulty: Lake
  readonly clean: Lake
}

/** What the cases saw in all, so that a run that tested nothing is noticed. */
const seen = { faults: new Map<string, number>(), outcomes: new Map<string, number>() }
const count = (map: Map<string, number>, key: string): void => {
  map.set(key, (map.get(key) ?? 0) + 1)
}

async function openLane(): Promise<Lane> {
  const endpoint = s3Url('versitygw')
  const location = `s3://${await newBucket(endpoint)}/lake`
  const proxy = await FaultyProxy.start(endpoint, TIMES)
  const clean = await openLake(location, { workers: 1, s3: s3Options(endpoint) })
  const faulty = await openLake(location, {
    workers: 1,
    s3: s3Options(proxy.endpoint, {
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      connectTimeoutMs: 1_000,
      retry: { numRetries: 3, minWaitMs: 2, maxWaitMs: 20 },
    }),
  })
  return { proxy, faulty, clean }
}

async function closeLane({ proxy, faulty, clean }: Lane): Promise<void> {
  await faulty.close()
  await clean.close()
  await proxy.stop()
}

async function runCase(lane: Lane, seed: number): Promise<void> {
  const random = seededRandom(seed)
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const { proxy, faulty, clean } = lane
  const names = { a: `p.a${seed}`, b: `p.b${seed}` }
  await clean.createTable(names.a, ROWS)
  await clean.createTable(names.b, ROWS)
  let nextId = 1n
  const newRows = (n: number): { id: bigint; v: string }[] =>
    Array.from({ length: n }, () => ({ id: nextId++, v: `seed ${seed}` }))
  const open = async (lake: Lake, name: string): Promise<RowsTable> =>
    (await lake.table(name)) as unknown as RowsTable

  const input = { a: await open(faulty, names.a), b: await open(faulty, names.b) }
  const rate = pick([0.05, 0.2, 0.5])
  const commitRate = pick([0.2, 0.5, 0.9])
  const rivalry = random() < 0.4
  // Some cases have one kind of fault alone, which random mixtures hardly ever show.
  const kinds: readonly ProxyFault[] = random() < 0.5 ? [pick(PROXY_FAULTS)] : PROXY_FAULTS
  proxy.faults.length = 0
  proxy.choose = ({ url }) => {
    const p = /\/catalog\/\d{20}\.json/.test(url) ? commitRate : rate
    return random() < p ? pick(kinds) : undefined
  }

  const empty: World = new Map([
    [names.a, []],
    [names.b, []],
  ])
  // Every world that the outcomes so far allow.
  let worlds: World[] = [empty]
  const created: string[] = []
  const rivalRows: bigint[] = []
  for (let n = 0; n < OPERATIONS_PER_CASE; n++) {
    const operation: Operation = pick(OPERATIONS)
    const given: OperationInput = {
      ...input,
      lake: faulty,
      newName: `p.new${seed}x${n}`,
      rows: newRows(1 + Math.floor(random() * 3)),
    }
    created.push(given.newName)
    const faultsBefore = proxy.faults.length
    const rival = rivalry ? appendAsRival(clean, names.a, BigInt(1_000_000 + n)) : undefined
    const outcome = await operation.run(given).then(
      () => 'done' as const,
      (error: unknown) => error,
    )
    if (rival !== undefined && (await rival)) rivalRows.push(BigInt(1_000_000 + n))
    const applied = worlds.map((world) => operation.apply(world, given))
    if (outcome === 'done') {
      worlds = applied
      count(seen.outcomes, 'committed')
      continue
    }
    if (!isFloeError(outcome)) throw outcome
    count(seen.outcomes, outcome.code)
    if (outcome.code === 'COMMIT_STATE_UNKNOWN') {
      // Each of four puts of the version must have gone wrong before nobody can tell.
      const commits = proxy.faults
        .slice(faultsBefore)
        .filter(({ request }) => /\/catalog\/\d{20}\.json/.test(request.url))
      expect(commits.length, 'unknown although decidable').toBeGreaterThanOrEqual(4)
      worlds = [...worlds, ...applied]
    }
    // Any other error says that nothing was committed: the worlds stay as they are.
    expect(outcome.code).toMatch(/^(COMMIT_STATE_UNKNOWN|COMMIT_CONFLICT|STORE_UNAVAILABLE)$/)
  }
  for (const { fault } of proxy.faults) count(seen.faults, fault)
  proxy.choose = () => undefined
  // Late requests arrive now, after everything was decided.
  await proxy.settled()

  const found = await readWorld(clean, [names.a, names.b, ...created])
  const rivals = rivalRows.map((id) => ({ id, v: 'rival' }))
  const allowed = worlds.map((world) => worldText(withRows(world, names.a, rivals)))
  expect(allowed, 'rows').toContain(worldText(found))
  for (const name of found.keys()) {
    const report = await (await open(clean, name)).fsck({ data: 'all' })
    expect(report.problems, name).toEqual([])
  }
  // The next writers, on a clean connection and on the one that had the faults.
  const after = newRows(2)
  await (await open(clean, names.a)).append([after[0] as { id: bigint; v: string }])
  await (await open(faulty, names.a)).append([after[1] as { id: bigint; v: string }])
  expect(worldText(await readWorld(clean, [...found.keys()]))).toBe(
    worldText(withRows(found, names.a, after)),
  )
}

/** True if the row was appended; a conflict is a definite no. */
async function appendAsRival(lake: Lake, name: string, id: bigint): Promise<boolean> {
  const table = (await lake.table(name)) as unknown as RowsTable
  try {
    await table.append([{ id, v: 'rival' }])
    return true
  } catch (error) {
    if (isFloeError(error, 'COMMIT_CONFLICT')) return false
    throw error
  }
}

async function readWorld(lake: Lake, names: readonly string[]): Promise<World> {
  const existing = new Set(await lake.listTables())
  let world: World = new Map()
  for (const name of names.filter((n) => existing.has(n))) {
    const table = (await lake.table(name)) as unknown as RowsTable
    world = withRows(world, name, await table.scan().toArray())
  }
  return world
}

describe.runIf(HAS_S3)('commits through a faulty proxy', () => {
  const lanes: Lane[] = []
  beforeAll(async () => {
    for (let i = 0; i < (ONLY === undefined ? LANES : 1); i++) lanes.push(await openLane())
  })
  afterAll(() => Promise.all(lanes.map(closeLane)))

  const seeds =
    ONLY === undefined
      ? Array.from({ length: CASES }, (_, i) => FIRST_SEED + i)
      : [Number.parseInt(ONLY, 10)]

  it(
    `are done once or not at all, in ${seeds.length} cases`,
    async () => {
      const left = [...seeds]
      const started = performance.now()
      const run = async (lane: Lane): Promise<void> => {
        for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
          try {
            await runCase(lane, seed)
          } catch (error) {
            left.length = 0
            throw new Error(
              `replay with: FLOE_PROXY_SEED=${seed} npm run test:services -- --only s3 test/services/s3/proxy.test.ts\n${String((error as Error).stack)}`,
              { cause: error },
            )
          }
        }
      }
      const ends = await Promise.allSettled(lanes.map(run))
      for (const end of ends) if (end.status === 'rejected') throw end.reason
      console.log(
        `${seeds.length} cases in ${((performance.now() - started) / 1000).toFixed(1)} s`,
        Object.fromEntries(seen.outcomes),
        Object.fromEntries(seen.faults),
      )
      if (seeds.length >= 100) {
        expect([...seen.faults.keys()].sort()).toEqual([...PROXY_FAULTS].sort())
        expect([...seen.outcomes.keys()]).toContain('COMMIT_STATE_UNKNOWN')
        expect(seen.outcomes.get('committed')).toBeGreaterThan(seeds.length)
      }
    },
    Math.max(600_000, seeds.length * 5_000),
  )
})
