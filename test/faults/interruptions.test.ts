/**
 * What stops an operation from inside: a disk that is full, a Parquet worker that dies, a caller who has had enough.
 * At whatever moment that happens the table is as it was, nothing is left behind, and the next write succeeds.
 */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { FloeError, type ObjectStore } from '../../src/index.ts'
import type { ObjectWriter } from '../../src/io/store.ts'
import type { FaultyStore } from '../../src/testing/index.ts'
import { DelegatingStore } from '../support/delegating-store.ts'
import { fakeRuntime } from '../support/fake-runtime.ts'
import { poolHook } from './in-process-pool.ts'
import { actorOn, base, leftovers, serially } from './matrix.ts'
import { OPERATIONS, type Operation } from './operations.ts'
import { contentOf, copyOf, expectSoundLake, NEXT_ID, openAs, typedCode } from './world.ts'

vi.mock('../../src/iceberg/parquet/worker-pool.ts', async (original) => ({
  ...(await original<object>()),
  openParquetPool: (await import('./in-process-pool.ts')).inProcessPool,
}))

afterEach(() => {
  poolHook.before = undefined
})

/** A store that has room for so many writes, until there is room again. */
class FullStore extends DelegatingStore {
  room = Number.POSITIVE_INFINITY
  writes = 0

  override async put(...args: Parameters<ObjectStore['put']>): Promise<void> {
    this.#write(args[0])
    return this.inner.put(...args)
  }

  override async putIfAbsent(
    ...args: Parameters<ObjectStore['putIfAbsent']>
  ): ReturnType<ObjectStore['putIfAbsent']> {
    this.#write(args[0])
    return this.inner.putIfAbsent(...args)
  }

  override async openWriter(...args: Parameters<ObjectStore['openWriter']>): Promise<ObjectWriter> {
    const writer = await this.inner.openWriter(...args)
    const check = (): void => this.#write(args[0])
    return {
      get sizeBytes() {
        return writer.sizeBytes
      },
      write: async (chunk) => {
        check()
        await writer.write(chunk)
      },
      close: async () => {
        check()
        return writer.close()
      },
      abort: () => writer.abort(),
    }
  }

  #write(path: string): void {
    this.writes++
    if (this.room-- > 0) return
    throw new FloeError('STORE_FULL', `There is no room for ${path}, on purpose`)
  }
}

interface Interruption {
  /** Called when all is open; from then on the operation runs. */
  readonly begin: (parts: {
    readonly store: FaultyStore
    readonly full: FullStore
    readonly controller: AbortController
  }) => void
  /** What a failed operation fails with. */
  readonly code: string
}

/** Runs an operation that is interrupted, and gives how it ended. */
async function interrupt(
  name: string,
  operation: Operation,
  { begin, code }: Interruption,
): Promise<'done' | 'failed'> {
  const runtime = fakeRuntime({ seed: 7 })
  const setup = await copyOf(await base, runtime)
  const store = setup.process('victim')
  const full = new FullStore(store)
  const controller = new AbortController()
  const actor = { ...(await actorOn(full, runtime)), signal: controller.signal }
  begin({ store, full, controller })
  const result = await operation.run(actor).then(() => 'done', typedCode)
  store.plan = () => undefined
  full.room = Number.POSITIVE_INFINITY
  poolHook.before = undefined
  const lake = await openAs(setup.process('look'), runtime)
  const without = await serially([])
  const withIt = await serially([{ name, run: operation.run }])
  const { text } = await contentOf(lake, await base)
  if (result === 'done') expect(text).toBe(withIt)
  else {
    expect(result).toBe(code)
    expect(text, 'as it was').toBe(without)
    expect(await leftovers(setup), 'left behind').toEqual([])
  }
  // The same handle goes on, without the signal.
  await operation.run({ lake: actor.lake, open: actor.open })
  await (await actor.lake.table(operation.table)).append([{ id: NEXT_ID, by: 'next' }])
  const last = await contentOf(lake, await base)
  expect(last).toEqual({ text: withIt, nextRows: 1 })
  await expectSoundLake(lake, await base, setup.process('look'))
  return result === 'done' ? 'done' : 'failed'
}

/** Interrupts at one moment after another, until there are no more. Gives how often the operation failed. */
async function interruptAll(
  name: string,
  moments: number,
  at: (moment: number) => Interruption,
): Promise<number> {
  const failures: string[] = []
  let failed = 0
  for (let moment = 0; moment < moments; moment++) {
    try {
      const operation = OPERATIONS[name] as Operation
      if ((await interrupt(name, operation, at(moment))) === 'failed') failed++
    } catch (error) {
      failures.push(`${name} at ${moment}: ${String(error)}`)
    }
  }
  expect(failures).toEqual([])
  return failed
}

/** How many store calls, writes and Parquet requests the operation takes. */
async function measure(name: string): Promise<{ calls: number; writes: number; requests: number }> {
  const counts = { calls: 0, writes: 0, requests: 0 }
  const runtime = fakeRuntime({ seed: 7 })
  const store = await copyOf(await base, runtime)
  const full = new FullStore(store)
  const actor = await actorOn(full, runtime)
  const { callCount } = store
  const { writes } = full
  poolHook.requests = 0
  poolHook.before = () => counts.requests++
  await OPERATIONS[name]?.run(actor)
  poolHook.before = undefined
  return { ...counts, calls: store.callCount - callCount, writes: full.writes - writes }
}

/** Operations that take a signal. */
const ABORTABLE = Object.keys(OPERATIONS).filter((name) => name !== 'set-properties')

describe('a full disk', () => {
  for (const name of Object.keys(OPERATIONS)) {
    it(name, async () => {
      const { writes } = await measure(name)
      const failed = await interruptAll(name, writes, (moment) => ({
        begin: ({ full }) => {
          full.room = moment
        },
        code: 'STORE_FULL',
      }))
      // The version of the catalog is the last that a commit has to write.
      expect(failed).toBeGreaterThanOrEqual(writes - 1)
    })
  }
})

describe('a dead Parquet worker', () => {
  for (const name of Object.keys(OPERATIONS)) {
    it(name, async () => {
      const { requests } = await measure(name)
      const failed = await interruptAll(name, requests, (moment) => ({
        begin: () => {
          poolHook.requests = 0
          poolHook.before = (index) => {
            if (index < moment) return
            throw new FloeError('WORKER_FAILED', 'The worker died twice, on purpose')
          }
        },
        code: 'WORKER_FAILED',
      }))
      expect(failed).toBe(requests)
    })
  }
})

describe('a signal that aborts', () => {
  for (const name of ABORTABLE) {
    it(`before a store call of ${name}`, async () => {
      const { calls } = await measure(name)
      const failed = await interruptAll(name, calls, (moment) => ({
        begin: ({ store, controller }) => {
          const start = store.callCount
          store.plan = ({ index }) => {
            if (index === start + moment) controller.abort()
            return undefined
          }
        },
        code: 'ABORTED',
      }))
      expect(failed).toBeGreaterThan(0)
    })

    it(`after a store call of ${name}`, async () => {
      const { calls } = await measure(name)
      const failed = await interruptAll(name, calls, (moment) => ({
        begin: ({ store, controller }) => {
          const start = store.callCount
          store.plan = ({ index }) =>
            index === start + moment
              ? { kind: 'slow', delayMs: 0, meanwhile: async () => controller.abort() }
              : undefined
        },
        code: 'ABORTED',
      }))
      expect(failed).toBeGreaterThan(0)
    })

    it(`while a Parquet worker works for ${name}`, async () => {
      const { requests } = await measure(name)
      const failed = await interruptAll(name, requests, (moment) => ({
        begin: ({ controller }) => {
          poolHook.requests = 0
          poolHook.before = (index) => {
            if (index === moment) controller.abort()
          }
        },
        code: 'ABORTED',
      }))
      expect(failed).toBe(requests)
    })
  }
})
