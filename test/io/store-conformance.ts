/** What every store has to do, as a suite to run on each of them. */
import { expect, it } from 'vitest'
import type { ObjectStore } from '../../src/io/store.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)

/** @param make gives a store and a root in it that nothing else uses. */
export function storeConformance(make: () => Promise<{ store: ObjectStore; root: string }>): void {
  it('gives back what was put, whole and by ranges', async () => {
    const { store, root } = await make()
    const path = `${root}/a b/ü%20/x.bin`
    await store.put(path, bytes('0123456789'))
    expect(text(await store.get(path))).toBe('0123456789')
    expect(text(await store.get(path, { range: { offset: 3, length: 4 } }))).toBe('3456')
    expect(text(await store.get(path, { range: { offset: 8, length: 10 } }))).toBe('89')
    expect(await store.stat(path)).toMatchObject({ path, sizeBytes: 10 })
    await store.put(path, bytes('new'))
    expect(text(await store.get(path))).toBe('new')
    await expect(store.get(path, { maxBytes: 2 })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
  })

  it('says that a file is missing', async () => {
    const { store, root } = await make()
    await expect(store.get(`${root}/none`)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
    expect(await store.stat(`${root}/none`)).toBeNull()
    await store.delete([`${root}/none`])
  })

  it('puts if absent, once', async () => {
    const { store, root } = await make()
    const path = `${root}/once`
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, i) => store.putIfAbsent(path, bytes(`writer ${i}`))),
    )
    expect(results.filter((r) => r === 'created')).toHaveLength(1)
    expect(text(await store.get(path))).toBe(`writer ${results.indexOf('created')}`)
    expect(await store.putIfAbsent(path, bytes('later'))).toBe('exists')
  })

  it('lists in order, from a prefix and after a path, and nothing half written', async () => {
    const { store, root } = await make()
    for (const name of ['b/2', 'a/1', 'b/10', 'b/é', 'c'])
      await store.put(`${root}/${name}`, bytes(name))
    const open = await store.openWriter(`${root}/b/open`)
    await open.write(bytes('x'))
    const names = async (prefix: string, startAfter?: string): Promise<string[]> => {
      const found: string[] = []
      const options = startAfter === undefined ? {} : { startAfter: `${root}/${startAfter}` }
      for await (const o of store.list(`${root}/${prefix}`, options))
        found.push(o.path.slice(root.length + 1))
      return found
    }
    expect(await names('')).toEqual(['a/1', 'b/10', 'b/2', 'b/é', 'c'])
    expect(await names('b/')).toEqual(['b/10', 'b/2', 'b/é'])
    expect(await names('b/1')).toEqual(['b/10'])
    expect(await names('', 'b/2')).toEqual(['b/é', 'c'])
    expect(await names('nothing')).toEqual([])
    await open.close()
    expect(await names('b/o')).toEqual(['b/open'])
  })

  it('shows an object that is written in pieces only when it is closed, and never when aborted', async () => {
    const { store, root } = await make()
    const writer = await store.openWriter(`${root}/pieces`)
    await writer.write(bytes('one '))
    await writer.write(bytes('two'))
    expect(writer.sizeBytes).toBe(7)
    expect(await store.stat(`${root}/pieces`)).toBeNull()
    expect(await writer.close()).toMatchObject({ sizeBytes: 7 })
    expect(text(await store.get(`${root}/pieces`))).toBe('one two')
    const dropped = await store.openWriter(`${root}/dropped`)
    await dropped.write(bytes('x'))
    await dropped.abort()
    await dropped.abort()
    expect(await store.stat(`${root}/dropped`)).toBeNull()
    await expect(dropped.write(bytes('y'))).rejects.toMatchObject({ code: 'HANDLE_CLOSED' })
  })

  it('stops at an aborted signal', async () => {
    const { store, root } = await make()
    const signal = AbortSignal.abort()
    await expect(store.get(`${root}/x`, { signal })).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(store.put(`${root}/x`, bytes('x'), { signal })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    await expect(store.putIfAbsent(`${root}/x`, bytes('x'), { signal })).rejects.toMatchObject({
      code: 'ABORTED',
    })
  })
}
