/** Mutex, bounded map, ordered read-ahead; and the bounded cache. */
import { describe, expect, it } from 'vitest'
import { Mutex, parallelMap, readAhead } from '../../src/core/concurrency.ts'
import { LruCache } from '../../src/core/lru.ts'
import { rejectionOf } from '../support/expect-error.ts'

/** A promise that is settled from outside. */
function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => undefined
  const promise = new Promise<T>((resolve) => {
    open = resolve
  })
  return { promise, open }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('Mutex', () => {
  it('runs one task at a time, in order, also after a failure', async () => {
    const mutex = new Mutex()
    const events: string[] = []
    const first = gate()
    const one = mutex.run(async () => {
      events.push('one starts')
      await first.promise
      throw new Error('one failed')
    })
    const two = mutex.run(async () => {
      events.push('two')
      return 2
    })
    await turn()
    expect(events).toEqual(['one starts'])
    first.open()
    await expect(one).rejects.toThrow('one failed')
    expect(await two).toBe(2)
  })
})

describe('parallelMap', () => {
  it('keeps order and never exceeds its concurrency', async () => {
    let running = 0
    let most = 0
    const results = await parallelMap([5, 4, 3, 2, 1], 2, async (n) => {
      most = Math.max(most, ++running)
      for (let i = 0; i < n; i++) await turn()
      running--
      return n * 10
    })
    expect(results).toEqual([50, 40, 30, 20, 10])
    expect(most).toBe(2)
  })

  it('starts nothing after a failure and waits for what runs', async () => {
    const started: number[] = []
    const finished: number[] = []
    const task = async (n: number): Promise<void> => {
      started.push(n)
      if (n === 1) throw new Error('one')
      await turn()
      finished.push(n)
    }
    await expect(parallelMap([0, 1, 2, 3], 2, task)).rejects.toThrow('one')
    expect(started).toEqual([0, 1])
    expect(finished).toEqual([0])
  })
})

describe('readAhead', () => {
  const options = { concurrency: 3, budget: 10, weigh: (n: number) => n, what: 'A read' }

  it('gives results in order within concurrency and weight', async () => {
    let started = 0
    const source = [4, 4, 4, 20, 1]
    const results: number[] = []
    const most: number[] = []
    for await (const n of readAhead(source, options, async (n) => {
      started++
      return n
    })) {
      most.push(started)
      results.push(n)
    }
    expect(results).toEqual(source)
    // Two of weight 4 fit, the third waits; 20 runs alone.
    expect(most).toEqual([2, 3, 3, 4, 5])
  })

  it('ends its source when its consumer leaves', async () => {
    let ended = false
    async function* source(): AsyncGenerator<number> {
      try {
        for (let n = 0; ; n++) yield n
      } finally {
        ended = true
      }
    }
    for await (const n of readAhead(source(), { ...options, weigh: () => 1 }, async (n) => n)) {
      if (n === 5) break
    }
    expect(ended).toBe(true)
  })

  it('reports a failure in its turn, and an abort', async () => {
    const seen: number[] = []
    const read = async (): Promise<void> => {
      for await (const n of readAhead([1, 2, 3], options, async (n) => {
        if (n === 2) throw new Error('two')
        return n
      })) {
        seen.push(n)
      }
    }
    await expect(read()).rejects.toThrow('two')
    expect(seen).toEqual([1])
    const aborted = readAhead(
      [1],
      { ...options, signal: AbortSignal.abort() },
      async (n: number) => n,
    )
    await rejectionOf('ABORTED', aborted.next())
  })
})

describe('LruCache', () => {
  it('drops what was used longest ago, by weight', () => {
    const cache = new LruCache<string, number>(10)
    cache.set('a', 1, 4)
    cache.set('b', 2, 4)
    expect(cache.get('a')).toBe(1)
    cache.set('c', 3, 4)
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([1, undefined, 3])
    cache.set('d', 4, 11)
    expect(cache.get('d')).toBeUndefined()
    cache.set('a', 5, 1)
    cache.set('e', 6, 5)
    expect([cache.get('a'), cache.get('c'), cache.get('e')]).toEqual([5, 3, 6])
    cache.delete('a')
    expect(cache.get('a')).toBeUndefined()
  })
})
