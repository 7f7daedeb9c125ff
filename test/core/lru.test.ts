import { describe, expect, it } from 'vitest'
import { LruCache } from '../../src/core/lru.ts'

describe('LruCache', () => {
  it('keeps what was used last when it is full', () => {
    const cache = new LruCache<string, number>(3)
    cache.set('a', 1, 1)
    cache.set('b', 2, 1)
    cache.set('c', 3, 1)
    expect(cache.get('a')).toBe(1)
    cache.set('d', 4, 1)
    expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key))).toEqual([1, undefined, 3, 4])
  })

  it('gives up as many entries as a heavy one needs', () => {
    const cache = new LruCache<string, number>(10)
    for (const [i, key] of ['a', 'b', 'c', 'd'].entries()) cache.set(key, i, 2)
    cache.set('heavy', 9, 7)
    expect(['a', 'b', 'c', 'd', 'heavy'].map((key) => cache.get(key))).toEqual([
      undefined,
      undefined,
      undefined,
      3,
      9,
    ])
  })

  it('does not keep a value heavier than the whole, and forgets the one before it', () => {
    const cache = new LruCache<string, number>(5)
    cache.set('a', 1, 1)
    cache.set('b', 1, 1)
    cache.set('a', 2, 6)
    expect([cache.get('a'), cache.get('b')]).toEqual([undefined, 1])
  })

  it('does as a list that is searched does, in any sequence of calls', () => {
    let state = 7
    const random = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    const cache = new LruCache<number, number>(20)
    // The newest last.
    let model: { key: number; value: number; weight: number }[] = []
    for (let step = 0; step < 5000; step++) {
      const key = random(12)
      const known = model.find((e) => e.key === key)
      const others = model.filter((e) => e.key !== key)
      switch (random(4)) {
        case 0:
          cache.delete(key)
          model = others
          break
        case 1: {
          const entry = { key, value: step, weight: random(23) }
          cache.set(key, entry.value, entry.weight)
          model = entry.weight > 20 ? others : [...others, entry]
          while (model.reduce((sum, e) => sum + e.weight, 0) > 20) model.shift()
          break
        }
        default:
          expect(cache.get(key), `step ${step}`).toBe(known?.value)
          if (known !== undefined) model = [...others, known]
      }
    }
    expect(model.length).toBeGreaterThan(0)
    for (const { key, value } of model) expect(cache.get(key)).toBe(value)
  })
})
