/** The default catalog: creation, conflicts, many writers, torn versions, late writers, requests. */
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { type Runtime, systemRuntime } from '../../../src/core/runtime.ts'
import { parseIdentifier } from '../../../src/iceberg/catalog/identifier.ts'
import {
  VersionedObjectCatalog,
  type VersionedObjectTuning,
} from '../../../src/iceberg/catalog/versioned-object.ts'
import { FloeError } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import type { ObjectStat, PutIfAbsentResult } from '../../../src/io/store.ts'

const location = 'memory://lake'

/** A clock that tests move. */
class TestClock {
  nowMs = 1_800_000_000_000
  readonly runtime: Runtime = {
    ...systemRuntime,
    now: () => this.nowMs,
    sleep: async () => undefined,
  }
}

function open(
  store: MemoryStore,
  options: {
    runtime?: Runtime
    tuning?: Partial<VersionedObjectTuning>
    readOnly?: boolean
    create?: boolean
  } = {},
): Promise<VersionedObjectCatalog> {
  return VersionedObjectCatalog.open({
    store,
    location,
    runtime: options.runtime ?? systemRuntime,
    limits: DEFAULT_LIMITS,
    ...options,
  })
}

const id = (name: string) => parseIdentifier(`ns.${name}`)
const put = (name: string, expected: string | null, next: string | null) => [
  { identifier: id(name), expected, next },
]

/** Counts requests. */
class CountingStore extends MemoryStore {
  requests: string[] = []
  override get(path: string, options?: object): Promise<Uint8Array> {
    this.requests.push(`get ${path}`)
    return super.get(path, options)
  }
  override putIfAbsent(path: string, bytes: Uint8Array): Promise<PutIfAbsentResult> {
    this.requests.push(`put ${path}`)
    return super.putIfAbsent(path, bytes)
  }
  override list(prefix: string, options?: object): AsyncGenerator<ObjectStat, void, undefined> {
    this.requests.push(`list ${prefix}`)
    return super.list(prefix, options)
  }
}

describe('the catalog of a lake', () => {
  it('is created once, whoever comes first', async () => {
    const store = new MemoryStore(systemRuntime)
    const catalogs = await Promise.all(Array.from({ length: 8 }, () => open(store)))
    await Promise.all(
      catalogs.map((c, i) => c.commit(put(`t${i}`, null, `m${i}`), { commitId: `c${i}` })),
    )
    expect((await (catalogs[0] as VersionedObjectCatalog).listTables()).length).toBe(8)
    const versions: string[] = []
    for await (const o of store.list(`${location}/catalog/0`)) versions.push(o.path)
    expect(versions).toHaveLength(9)
  })

  it('rejects a change built on another pointer, and never half of a commit', async () => {
    const store = new MemoryStore(systemRuntime)
    const catalog = await open(store)
    await catalog.commit(put('a', null, 'a1'), { commitId: '1' })
    const changes = [...put('a', 'a0', 'a2'), ...put('b', null, 'b1')]
    expect(await catalog.commit(changes, { commitId: '2' })).toMatchObject({ status: 'rejected' })
    expect(await catalog.loadPointers([id('a'), id('b')])).toEqual(['a1', null])
  })

  it('opens cold in at most three requests whatever the history (decision 4)', async () => {
    const store = new CountingStore(systemRuntime)
    const catalog = await open(store)
    for (let i = 0; i < 200; i++) {
      await catalog.commit(put(`t${i}`, null, 'm'), { commitId: `${i}` })
    }
    store.requests = []
    const cold = await open(store, { readOnly: true })
    expect(store.requests.length).toBeLessThanOrEqual(3)
    expect(await cold.loadPointers([id('t199')], { cached: true })).toEqual(['m'])
  })

  it('does not count other tables’ commits as conflicts', async () => {
    const store = new MemoryStore(systemRuntime)
    const one = await open(store)
    const two = await open(store)
    await one.commit(put('a', null, 'a1'), { commitId: '1' })
    expect(await two.commit(put('b', null, 'b1'), { commitId: '2' })).toEqual({
      status: 'committed',
    })
    expect(await one.loadPointers([id('a'), id('b')])).toEqual(['a1', 'b1'])
  })

  it('loses and doubles nothing with 64 writers over a store that loses answers', async () => {
    let seed = 7
    const random = (): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      return seed / 2 ** 32
    }
    class Flaky extends MemoryStore {
      override async putIfAbsent(path: string, bytes: Uint8Array): Promise<PutIfAbsentResult> {
        if (!/\d{20}\.json$/.test(path)) return super.putIfAbsent(path, bytes)
        await new Promise((resolve) => setImmediate(resolve))
        const fault = random()
        if (fault < 0.1) throw new FloeError('STORE_UNAVAILABLE', 'lost before')
        const result = await super.putIfAbsent(path, bytes)
        if (fault > 0.9) throw new FloeError('STORE_UNAVAILABLE', 'lost after')
        return result
      }
    }
    const store = new Flaky(systemRuntime)
    const runtime: Runtime = {
      ...systemRuntime,
      sleep: async () => new Promise((r) => setImmediate(r)),
    }
    const catalogs = await Promise.all(Array.from({ length: 8 }, () => open(store, { runtime })))
    let committed = 0
    await Promise.all(
      Array.from({ length: 64 }, async (_, w) => {
        const catalog = catalogs[w % 8] as VersionedObjectCatalog
        let expected: string | null = null
        for (let n = 0; n < 5; n++) {
          const next = `w${w}-${n}`
          const outcome = await catalog.commit(put(`t${w}`, expected, next), { commitId: next })
          expect(outcome).toEqual({ status: 'committed' })
          committed++
          expected = next
        }
      }),
    )
    const final = await open(store)
    const tables = await final.listTables()
    expect(tables).toHaveLength(64)
    const pointers = await final.loadPointers(tables)
    expect(pointers.every((p) => p?.endsWith('-4'))).toBe(true)
    const versions: string[] = []
    for await (const o of store.list(`${location}/catalog/0`)) versions.push(o.path)
    expect(versions).toHaveLength(committed + 1)
  })

  it('says unknown, not rejected, when nothing can be read back', async () => {
    class Dark extends MemoryStore {
      dark = false
      override async putIfAbsent(path: string, bytes: Uint8Array): Promise<PutIfAbsentResult> {
        if (this.dark) throw new FloeError('STORE_UNAVAILABLE', 'dark')
        return super.putIfAbsent(path, bytes)
      }
    }
    const store = new Dark(systemRuntime)
    const clock = new TestClock()
    const catalog = await open(store, { runtime: clock.runtime })
    store.dark = true
    const outcome = await catalog.commit(put('a', null, 'a1'), { commitId: 'c-9' })
    expect(outcome.status).toBe('unknown')
    expect(outcome).toMatchObject({
      error: { code: 'COMMIT_STATE_UNKNOWN', context: { commitId: 'c-9' } },
    })
  })

  it('throws what is certain, such as a full store', async () => {
    class Full extends MemoryStore {
      full = false
      override async putIfAbsent(path: string, bytes: Uint8Array): Promise<PutIfAbsentResult> {
        if (this.full) throw new FloeError('STORE_FULL', 'full')
        return super.putIfAbsent(path, bytes)
      }
    }
    const store = new Full(systemRuntime)
    const catalog = await open(store)
    store.full = true
    await expect(catalog.commit(put('a', null, 'x'), { commitId: '1' })).rejects.toMatchObject({
      code: 'STORE_FULL',
    })
    store.full = false
    expect(await catalog.commit(put('a', null, 'x'), { commitId: '1' })).toEqual({
      status: 'committed',
    })
  })

  it('stays unknown when a lost answer is followed by a refusal: the first put may have landed', async () => {
    class LandsThenRefuses extends MemoryStore {
      mode: 'off' | 'full' | 'denied' = 'off'
      puts = 0
      override async putIfAbsent(path: string, bytes: Uint8Array): Promise<PutIfAbsentResult> {
        if (this.mode === 'off') return super.putIfAbsent(path, bytes)
        if (this.puts++ === 0) {
          // Lost on its way; it lands after the second try was refused.
          throw new FloeError('STORE_UNAVAILABLE', 'the connection was lost')
        }
        throw new FloeError('STORE_FULL', 'full')
      }
      override get(path: string, options?: object): Promise<Uint8Array> {
        if (this.mode === 'denied' && this.puts > 0) {
          return Promise.reject(new FloeError('PERMISSION_DENIED', 'denied'))
        }
        return super.get(path, options)
      }
    }
    for (const mode of ['full', 'denied'] as const) {
      const store = new LandsThenRefuses(systemRuntime)
      const catalog = await open(store, { runtime: new TestClock().runtime })
      store.mode = mode
      const outcome = await catalog.commit(put('a', null, 'x'), { commitId: '1' })
      expect(outcome.status, mode).toBe('unknown')
    }
  })

  it('stays unknown when a late writer cannot read the chain', async () => {
    class Blind extends MemoryStore {
      blind = false
      override get(path: string, options?: object): Promise<Uint8Array> {
        if (this.blind && /\d{20}\.json$/.test(path)) {
          return Promise.reject(new FloeError('STORE_UNAVAILABLE', 'blind'))
        }
        return super.get(path, options)
      }
    }
    const clock = new TestClock()
    const store = new Blind(clock.runtime)
    const catalog = await open(store, { runtime: clock.runtime })
    await catalog.commit(put('a', null, 'a1'), { commitId: '1' })
    clock.nowMs += 600_000
    store.blind = true
    const outcome = await catalog.commit(put('a', 'a1', 'a2'), { commitId: '2' })
    expect(outcome.status).toBe('unknown')
    store.blind = false
    expect(await (await open(store, { runtime: clock.runtime })).loadPointers([id('a')])).toEqual([
      'a2',
    ])
  })

  it('refuses a store whose put-if-absent is not atomic, 100 of 100 times', async () => {
    /** Answers single puts correctly and loses races, as S3Mock does. */
    class Racy extends MemoryStore {
      override async putIfAbsent(path: string, bytes: Uint8Array): Promise<PutIfAbsentResult> {
        const there = (await this.stat(path)) !== null
        await new Promise((resolve) => setImmediate(resolve))
        if (there) return 'exists'
        await this.put(path, bytes)
        return 'created'
      }
    }
    for (let i = 0; i < 100; i++) {
      await expect(open(new Racy(systemRuntime))).rejects.toMatchObject({
        code: 'UNSUPPORTED_STORE',
      })
    }
  })

  it('refuses to write to a store that overwrites, at each open', async () => {
    class Overwriting extends MemoryStore {
      broken = false
      override async putIfAbsent(path: string, bytes: Uint8Array): Promise<PutIfAbsentResult> {
        if (!this.broken) return super.putIfAbsent(path, bytes)
        await this.put(path, bytes)
        return 'created'
      }
    }
    const store = new Overwriting(systemRuntime)
    await open(store)
    store.broken = true
    await expect(open(store)).rejects.toMatchObject({ code: 'UNSUPPORTED_STORE' })
    await open(store, { readOnly: true })
  })

  it('never writes when opened for reading', async () => {
    const store = new CountingStore(systemRuntime)
    await expect(open(store, { readOnly: true })).rejects.toMatchObject({ code: 'NO_SUCH_LAKE' })
    await expect(open(store, { create: false })).rejects.toMatchObject({ code: 'NO_SUCH_LAKE' })
    await open(store)
    store.requests = []
    const reader = await open(store, { readOnly: true })
    await reader.loadPointers([id('a')])
    expect(store.requests.filter((r) => r.startsWith('put'))).toEqual([])
    expect(() => reader.commit(put('a', null, 'x'), { commitId: '1' })).toThrow(/READ_ONLY/)
  })
})

describe('damaged catalogs', () => {
  it('waits for a torn version at first and passes it over later', async () => {
    const clock = new TestClock()
    const store = new MemoryStore(clock.runtime)
    const catalog = await open(store, { runtime: clock.runtime })
    await catalog.commit(put('a', null, 'a1'), { commitId: '1' })
    await store.put(
      `${location}/catalog/00000000000000000003.json`,
      new TextEncoder().encode('{"form'),
    )
    const other = await open(store, { runtime: clock.runtime }).catch((e: unknown) => e)
    expect(other).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    clock.nowMs += 11 * 60_000
    const later = await open(store, { runtime: clock.runtime })
    expect(await later.commit(put('a', 'a1', 'a2'), { commitId: '2' })).toEqual({
      status: 'committed',
    })
    expect(await (await open(store, { runtime: clock.runtime })).loadPointers([id('a')])).toEqual([
      'a2',
    ])
  })

  it('names the object that is damaged', async () => {
    const clock = new TestClock()
    const store = new MemoryStore(clock.runtime)
    for (const text of [
      '',
      '{',
      '[]',
      '{"format":"other"}',
      '{"format":"floe-catalog","format-version":1}',
    ]) {
      await store.put(
        `${location}/catalog/00000000000000000001.json`,
        new TextEncoder().encode(text),
      )
      clock.nowMs += 11 * 60_000
      const error = await open(store, { runtime: clock.runtime }).catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 'CORRUPT_CATALOG' })
    }
    await store.put(
      `${location}/catalog/00000000000000000001.json`,
      new TextEncoder().encode('{"format":"floe-catalog","format-version":9}'),
    )
    await expect(open(store, { runtime: clock.runtime })).rejects.toMatchObject({
      code: 'FORMAT_VERSION',
    })
  })

  it('survives a hint that is wrong, ahead or garbage', async () => {
    const store = new MemoryStore(systemRuntime)
    const catalog = await open(store)
    await catalog.commit(put('a', null, 'a1'), { commitId: '1' })
    for (const hint of ['999', 'x', '', '1', '00000000000000000000000000000001']) {
      await store.put(`${location}/catalog/hint`, new TextEncoder().encode(hint))
      expect(await (await open(store)).loadPointers([id('a')])).toEqual(['a1'])
    }
  })
})
