/** A store that keeps to the places that it was opened for. */
import { describe, expect, it } from 'vitest'
import { systemRuntime } from '../../src/core/runtime.ts'
import { MemoryStore } from '../../src/io/memory.ts'
import { RootedStore } from '../../src/io/rooted-store.ts'
import type { ObjectStore } from '../../src/io/store.ts'

/** A store with links whose targets cannot be told for a while. */
function withLinks(inner: MemoryStore, fails: () => boolean): ObjectStore {
  return new Proxy(inner, {
    get(target, name) {
      if (name === 'scheme') return 'file'
      if (name === 'realPath') {
        return (path: string) =>
          fails() ? Promise.reject(new Error('no answer')) : Promise.resolve(path)
      }
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  }) as unknown as ObjectStore
}

describe('RootedStore', () => {
  it('fails once where links cannot be followed, leaves no failure unhandled, and tries again', async () => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown): number => unhandled.push(reason)
    process.on('unhandledRejection', listener)
    try {
      let fails = true
      const store = new RootedStore(
        withLinks(new MemoryStore(systemRuntime), () => fails),
        { roots: ['file:///lake'] },
      )
      await expect(store.put('file:///lake/a', new Uint8Array(1))).rejects.toThrow('no answer')
      await systemRuntime.sleep(10)
      expect(unhandled).toEqual([])
      fails = false
      await store.put('file:///lake/a', new Uint8Array(1))
    } finally {
      process.off('unhandledRejection', listener)
    }
  })
})
