/**
 * The matrix can fail: stores and operations that break one rule of the commit protocol each are found by it.
 * reliability.md §1 rules 1, 3 and 4; known-bugs.md 1, 4, 5.
 */
import { expect, it, vi } from 'vitest'
import type { ObjectStore } from '../../src/index.ts'
import { isFloeError } from '../../src/index.ts'
import { faultsOf } from '../../src/testing/index.ts'
import { DelegatingStore } from '../support/delegating-store.ts'
import { type Case, callsOf, runCase, type Variation } from './matrix.ts'
import { OPERATIONS, type Operation } from './operations.ts'

vi.mock('../../src/iceberg/parquet/worker-pool.ts', async (original) => ({
  ...(await original<object>()),
  openParquetPool: (await import('./in-process-pool.ts')).inProcessPool,
}))

/** A version of the catalog: what a commit writes last. */
const VERSION = /\/catalog\/\d{20}\.json$/

/** Writes over what is there and says that it was created. Two writers then both win. */
class OverwritingStore extends DelegatingStore {
  override async putIfAbsent(
    ...[path, bytes, options]: Parameters<ObjectStore['putIfAbsent']>
  ): ReturnType<ObjectStore['putIfAbsent']> {
    if (!VERSION.test(path)) return this.inner.putIfAbsent(path, bytes, options)
    await this.inner.put(path, bytes, options)
    return 'created'
  }
}

/** Takes a commit whose answer was lost for a failed one, and deletes what it wrote. */
class TidyingStore extends DelegatingStore {
  #written: string[] = []

  override async put(...args: Parameters<ObjectStore['put']>): Promise<void> {
    this.#written.push(args[0])
    return this.inner.put(...args)
  }

  override async putIfAbsent(
    ...args: Parameters<ObjectStore['putIfAbsent']>
  ): ReturnType<ObjectStore['putIfAbsent']> {
    try {
      return await this.inner.putIfAbsent(...args)
    } catch (error) {
      if (VERSION.test(args[0])) await this.inner.delete(this.#written)
      throw error
    }
  }
}

/** Says that an object exists although the request only failed: a commit that never was passes for another's. */
class OptimisticStore extends DelegatingStore {
  override async putIfAbsent(
    ...[path, bytes, options]: Parameters<ObjectStore['putIfAbsent']>
  ): ReturnType<ObjectStore['putIfAbsent']> {
    return this.inner.putIfAbsent(path, bytes, options).catch((error) => {
      if (!VERSION.test(path) || !isFloeError(error)) throw error
      return 'created'
    })
  }
}

/** Cleans up nothing. */
class LitteringStore extends DelegatingStore {
  override async delete(): Promise<void> {}
}

const wrapped = (Store: new (inner: ObjectStore) => ObjectStore): Variation => ({
  wrap: (store) => new Store(store),
})

const CANARIES: Readonly<Record<string, { variation: Variation; one: Omit<Case, 'at'> }>> = {
  'a store that overwrites': {
    variation: wrapped(OverwritingStore),
    one: {
      operation: 'append',
      kind: 'slow',
      rival: { name: 'append', at: 'first' },
      crash: false,
    },
  },
  'cleanup after an unknown outcome': {
    variation: wrapped(TidyingStore),
    one: { operation: 'append', kind: 'after-lost', rival: undefined, crash: false },
  },
  'a failed put taken for a commit': {
    variation: wrapped(OptimisticStore),
    one: { operation: 'append', kind: 'before', rival: undefined, crash: false },
  },
  'no cleanup after a failure': {
    variation: wrapped(LitteringStore),
    one: { operation: 'append', kind: 'before', rival: undefined, crash: false },
  },
  'an append without an id that is done again': {
    variation: {
      operation: changed('append', async ({ lake }) =>
        (await lake.table('x.a')).append([11, 12, 13].map((id) => ({ id, by: 'op' }))),
      ),
    },
    one: { operation: 'append', kind: 'after-lost', rival: undefined, crash: true },
  },
  'a commit of two tables in two steps': {
    variation: {
      operation: changed('multi-table', async ({ lake }) => {
        const rows = [11, 12, 13].map((id) => ({ id, by: 'op' }))
        await (await lake.table('x.a')).append(rows, { commitId: 'op' })
        const b = await lake.table('x.b')
        await b.append(rows, { commitId: 'op' })
        await b.setProperties({ mine: '1' })
      }),
    },
    one: { operation: 'multi-table', kind: 'after-lost', rival: undefined, crash: true },
  },
}

for (const [name, { variation, one }] of Object.entries(CANARIES)) {
  it(`finds ${name}`, async () => {
    let found = 0
    const calls = await callsWith(one)
    for (const at of calls) await runCase({ ...one, at }, [], variation).catch(() => found++)
    expect(found).toBeGreaterThan(0)
    // Were it all of them, something else than the rule would be broken.
    expect(found).toBeLessThan(calls.length)
  })

  it(`finds nothing in the same cases without ${name}`, async () => {
    for (const at of await callsWith(one)) await runCase({ ...one, at })
  })
}

function changed(name: string, run: Operation['run']): Operation {
  return { ...(OPERATIONS[name] as Operation), run }
}

/** The calls that can fail in that way. */
async function callsWith(one: Omit<Case, 'at'>): Promise<number[]> {
  const calls = await callsOf(one.operation, one.rival)
  return calls.filter(([, verb]) => faultsOf(verb).includes(one.kind)).map(([at]) => at)
}
