/** Each fault does what its description says, to the request and to what stays in the store. */
import { describe, expect, it } from 'vitest'
import { MemoryStore } from '../../src/io/memory.ts'
import {
  type Fault,
  type FaultKind,
  FaultyStore,
  ProcessDiedError,
  scriptedFaults,
} from '../../src/testing/index.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { fakeRuntime } from '../support/fake-runtime.ts'

const A = 'memory://s/a'
const B = 'memory://s/b'
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A store with a fault at its first call, and one that sees the same objects without any. */
function storeWith(fault: FaultKind | Fault): {
  store: FaultyStore
  look: MemoryStore
  runtime: ReturnType<typeof fakeRuntime>
} {
  const runtime = fakeRuntime()
  const look = new MemoryStore(runtime)
  const store = new FaultyStore(look, { plan: scriptedFaults({ 0: fault }), runtime })
  return { store, look, runtime }
}

async function textOf(store: MemoryStore, path: string): Promise<string | null> {
  if ((await store.stat(path)) === null) return null
  return new TextDecoder().decode(await store.get(path))
}

describe('a request that fails without an effect', () => {
  for (const kind of ['before', 'http-429', 'http-503'] as const) {
    it(kind, async () => {
      const { store, look } = storeWith(kind)
      const error = await rejectionOf('STORE_UNAVAILABLE', store.put(A, bytes('new')))
      expect(error.context['fault']).toBe(kind)
      expect(await textOf(look, A)).toBe(null)
      await store.put(A, bytes('new'))
      expect(await textOf(look, A)).toBe('new')
    })
  }

  it('http-409: nothing is decided about the object', async () => {
    const { store, look } = storeWith('http-409')
    await rejectionOf('STORE_UNAVAILABLE', store.putIfAbsent(A, bytes('new')))
    expect(await textOf(look, A)).toBe(null)
    expect(await store.putIfAbsent(A, bytes('new'))).toBe('created')
  })

  it('http-412: "exists", though there is nothing', async () => {
    const { store, look } = storeWith('http-412')
    expect(await store.putIfAbsent(A, bytes('new'))).toBe('exists')
    expect(await textOf(look, A)).toBe(null)
  })
})

describe('a request that is carried out although its caller is told otherwise', () => {
  for (const kind of ['after-lost', 'http-500'] as const) {
    it(kind, async () => {
      const { store, look } = storeWith(kind)
      await rejectionOf('STORE_UNAVAILABLE', store.putIfAbsent(A, bytes('new')))
      expect(await textOf(look, A)).toBe('new')
      expect(await store.putIfAbsent(A, bytes('other'))).toBe('exists')
    })
  }

  it('a delete whose answer is lost', async () => {
    const { store, look } = storeWith('after-lost')
    await look.put(A, bytes('old'))
    await rejectionOf('STORE_UNAVAILABLE', store.delete([A]))
    expect(await textOf(look, A)).toBe(null)
  })
})

describe('torn', () => {
  it('leaves the first half of the bytes', async () => {
    const { store, look } = storeWith('torn')
    await rejectionOf('STORE_UNAVAILABLE', store.putIfAbsent(A, bytes('12345678')))
    expect(await textOf(look, A)).toBe('1234')
  })

  it('leaves the first half of what a writer wrote', async () => {
    const runtime = fakeRuntime()
    const look = new MemoryStore(runtime)
    const store = new FaultyStore(look, { plan: scriptedFaults({ 2: 'torn' }), runtime })
    const writer = await store.openWriter(A)
    await writer.write(bytes('12345678'))
    await rejectionOf('STORE_UNAVAILABLE', writer.close())
    expect(await textOf(look, A)).toBe('1234')
  })

  it('deletes half of the paths', async () => {
    const { store, look } = storeWith('torn')
    await look.put(A, bytes('a'))
    await look.put(B, bytes('b'))
    await rejectionOf('STORE_UNAVAILABLE', store.delete([A, B]))
    expect([await textOf(look, A), await textOf(look, B)]).toEqual([null, 'b'])
  })

  it('lists half of the objects', async () => {
    const { store, look } = storeWith('torn')
    await look.put(A, bytes('a'))
    await look.put(B, bytes('b'))
    const seen: string[] = []
    const list = async (): Promise<void> => {
      for await (const { path } of store.list('memory://s/')) seen.push(path)
    }
    await rejectionOf('STORE_UNAVAILABLE', list())
    expect(seen).toEqual([A])
  })
})

describe('a request that arrives late', () => {
  it('delayed: so many calls after it failed', async () => {
    const { store, look } = storeWith({ kind: 'delayed', afterCalls: 2 })
    const value = bytes('new')
    await rejectionOf('STORE_UNAVAILABLE', store.put(A, value))
    // What the caller does with its buffer afterwards is of no matter.
    value.fill(0)
    await store.stat(B)
    expect(await textOf(look, A)).toBe(null)
    await store.stat(B)
    expect(await textOf(look, A)).toBe('new')
    expect(store.trace.map((c) => c.outcome)).toEqual(['STORE_UNAVAILABLE', 'ok', 'ok', 'late ok'])
  })

  it('settle: lets it arrive at once', async () => {
    const { store, look } = storeWith({ kind: 'delayed', afterCalls: 1000 })
    await rejectionOf('STORE_UNAVAILABLE', store.put(A, bytes('new')))
    await store.settle()
    expect(await textOf(look, A)).toBe('new')
  })

  it('delayed: calls of other processes count, and the death of its own does not stop it', async () => {
    const { store, look } = storeWith({ kind: 'delayed', afterCalls: 1, crash: true })
    await expect(store.put(A, bytes('new'))).rejects.toThrow(ProcessDiedError)
    await store.process('other').stat(B)
    expect(await textOf(look, A)).toBe('new')
  })

  it('duplicate: the second answer is about the object of the first', async () => {
    const { store, look } = storeWith('duplicate')
    expect(await store.putIfAbsent(A, bytes('new'))).toBe('exists')
    expect(await textOf(look, A)).toBe('new')
  })

  it('duplicate with afterCalls: an old put comes back over a newer one', async () => {
    const { store, look } = storeWith({ kind: 'duplicate', afterCalls: 2 })
    await store.put(A, bytes('old'))
    await store.put(A, bytes('new'))
    await store.stat(B)
    expect(await textOf(look, A)).toBe('old')
  })
})

it('slow: waits on the clock of the store, then all goes well', async () => {
  const { store, look, runtime } = storeWith({ kind: 'slow', delayMs: 250 })
  await store.put(A, bytes('new'))
  expect(runtime.sleeps).toEqual([250])
  expect(await textOf(look, A)).toBe('new')
})

it('latency: each call takes it on its way there and back', async () => {
  const runtime = fakeRuntime()
  const store = new FaultyStore(undefined, { runtime, latencyMs: () => 20 })
  await store.put(A, bytes('new'))
  expect(runtime.sleeps).toEqual([20, 20])
})

it('meanwhile: happens between the effect of a call and its answer', async () => {
  const runtime = fakeRuntime()
  const look = new MemoryStore(runtime)
  let seen: string | null = ''
  const meanwhile = async (): Promise<void> => {
    seen = await textOf(look, A)
  }
  const plan = scriptedFaults({ 0: { kind: 'after-lost', meanwhile } })
  const store = new FaultyStore(look, { plan, runtime })
  await rejectionOf('STORE_UNAVAILABLE', store.put(A, bytes('new')))
  expect(seen).toBe('new')
})

describe('a process that dies', () => {
  it('reaches nothing any more, while others go on', async () => {
    const { store } = storeWith({ kind: 'before', crash: true })
    const other = store.process('other')
    await expect(store.put(A, bytes('new'))).rejects.toThrow(ProcessDiedError)
    await expect(store.get(A)).rejects.toThrow('"main" has died')
    expect([store.isDead, other.isDead]).toEqual([true, false])
    await other.put(A, bytes('theirs'))
  })

  it('after-lost and crash: it was done', async () => {
    const { store, look } = storeWith({ kind: 'after-lost', crash: true })
    await expect(store.put(A, bytes('new'))).rejects.toThrow(ProcessDiedError)
    expect(await textOf(look, A)).toBe('new')
  })

  it('never makes an unfinished object visible', async () => {
    const { store, look } = storeWith('slow')
    const writer = await store.openWriter(A)
    await writer.write(bytes('half'))
    store.kill()
    await expect(writer.close()).rejects.toThrow(ProcessDiedError)
    expect(await textOf(look, A)).toBe(null)
  })
})

it('refuses faults that a call cannot have', async () => {
  const { store } = storeWith('http-412')
  const error = await rejectionOf('BAD_ARGUMENT', store.get(A))
  expect(error.message).toContain('cannot happen to get')
})
