/** What every store has to do, as a suite to run on each of them. */
import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { parallelMap } from '../../src/core/concurrency.ts'
import { isFloeError } from '../../src/core/errors.ts'
import { byteOrder } from '../../src/io/memory.ts'
import type { ObjectStore } from '../../src/io/store.ts'

const MIB = 1024 * 1024
/** More than S3's smallest part, so that stores with parts have more than one. */
const LARGE = 5 * MIB + 1_000
const FAILURE_TRIES = 25

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (data: Uint8Array): string => new TextDecoder().decode(data)
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

/** Bytes without a pattern that a shifted or repeated part could hide in. */
function noise(length: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = seed >>> 0 || 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return new Uint8Array(words.buffer, 0, length)
}

const ODD_NAMES = [
  ' leading space',
  'a b',
  'a+b',
  'a%2Fb',
  '100%',
  '%',
  'a&b<c>"d"',
  "it's",
  'name=größe',
  '日本語',
  '🎉',
  'e\u0301',
  '#frag',
  '?query=1&x',
  'star*(1)!',
  'a:b@c,d;e$f',
  '[x]{y}|z^`~',
  'trailing space ',
  'x'.repeat(200),
]

export interface ConformanceOptions {
  /** Names of tests that this store fails, each with the reason. One that passes after all fails the suite. */
  readonly expectedFailures?: Readonly<Record<string, string>>
}

/** @param make gives a store and a root in it that nothing else uses. */
export function storeConformance(
  make: () => Promise<{ store: ObjectStore; root: string }>,
  options: ConformanceOptions = {},
): void {
  const failures = new Map(Object.entries(options.expectedFailures ?? {}))
  const rule = (name: string, run: () => Promise<void>): void => {
    const reason = failures.get(name)
    failures.delete(name)
    if (reason === undefined) {
      it(name, run)
      return
    }
    // A race is not lost each time: it counts as passed after all only when it never is.
    it.fails(`${name} (expected to fail: ${reason})`, async () => {
      for (let i = 0; i < FAILURE_TRIES; i++) await run()
    })
  }

  rule('gives back what was put, whole and by ranges', async () => {
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
    expect(text(await store.get(path, { maxBytes: 3 }))).toBe('new')
  })

  rule('says that a file is missing', async () => {
    const { store, root } = await make()
    const missing = { code: 'FILE_NOT_FOUND' }
    await expect(store.get(`${root}/none`)).rejects.toMatchObject(missing)
    for (const range of [
      { offset: 0, length: 4 },
      { offset: 10, length: 0 },
    ]) {
      await expect(store.get(`${root}/none`, { range })).rejects.toMatchObject(missing)
    }
    expect(await store.stat(`${root}/none`)).toBeNull()
    await store.delete([`${root}/none`])
    await store.delete([`${root}/none`, `${root}/none too`])
    await store.delete([])
  })

  rule('keeps every byte value, and objects without bytes', async () => {
    const { store, root } = await make()
    const all = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) & 0xff)
    await store.put(`${root}/all`, all)
    expect(sha256(await store.get(`${root}/all`))).toBe(sha256(all))
    await store.put(`${root}/empty`, new Uint8Array(0))
    expect(await store.putIfAbsent(`${root}/empty too`, new Uint8Array(0))).toBe('created')
    expect(await store.putIfAbsent(`${root}/empty too`, bytes('x'))).toBe('exists')
    const writer = await store.openWriter(`${root}/empty as well`)
    expect(await writer.close()).toMatchObject({ sizeBytes: 0 })
    for (const name of ['empty', 'empty too', 'empty as well']) {
      expect((await store.get(`${root}/${name}`)).length).toBe(0)
      expect(await store.stat(`${root}/${name}`)).toMatchObject({ sizeBytes: 0 })
      const range = { offset: 0, length: 10 }
      expect((await store.get(`${root}/${name}`, { range })).length).toBe(0)
    }
  })

  rule('gives what there is of a range, and nothing beyond the end', async () => {
    const { store, root } = await make()
    const path = `${root}/ten`
    await store.put(path, bytes('0123456789'))
    const range = async (offset: number, length: number): Promise<string> =>
      text(await store.get(path, { range: { offset, length } }))
    expect(await range(0, 10)).toBe('0123456789')
    expect(await range(0, 1)).toBe('0')
    expect(await range(9, 1)).toBe('9')
    expect(await range(9, 100)).toBe('9')
    expect(await range(10, 1)).toBe('')
    expect(await range(11, 5)).toBe('')
    expect(await range(2 ** 40, 5)).toBe('')
    expect(await range(3, 0)).toBe('')
    // What is given belongs to the caller: changing it changes nothing stored.
    const mine = await store.get(path)
    mine.fill(0)
    expect(await range(0, 3)).toBe('012')
  })

  rule('keeps 20 MiB that come in uneven pieces', async () => {
    const { store, root } = await make()
    const whole = noise(20 * MIB)
    const path = `${root}/large`
    const writer = await store.openWriter(path)
    const sizes = [1, 3 * MIB + 7, 64 * 1024, 8 * MIB, 5]
    for (let offset = 0, i = 0; offset < whole.length; i++) {
      const size = sizes[i % sizes.length] as number
      await writer.write(whole.subarray(offset, offset + size))
      offset += size
      expect(writer.sizeBytes).toBe(Math.min(offset, whole.length))
    }
    expect(await store.stat(path)).toBeNull()
    expect(await writer.close()).toMatchObject({ path, sizeBytes: whole.length })
    expect(await store.stat(path)).toMatchObject({ sizeBytes: whole.length })
    expect(sha256(await store.get(path))).toBe(sha256(whole))
    for (const offset of [0, 5 * MIB - 10, 8 * MIB - 1, 16 * MIB, 20 * MIB - 20]) {
      const part = await store.get(path, { range: { offset, length: 20 } })
      expect(sha256(part), `at ${offset}`).toBe(sha256(whole.subarray(offset, offset + 20)))
    }
  })

  rule('replaces a large object by a small one and back', async () => {
    const { store, root } = await make()
    const path = `${root}/x`
    const large = noise(LARGE, 3)
    for (const content of [large, bytes('small'), large]) {
      await store.put(path, content)
      expect(sha256(await store.get(path))).toBe(sha256(content))
    }
  })

  rule('takes any name literally', async () => {
    const { store, root } = await make()
    const paths = ODD_NAMES.map((name) => `${root}/odd/${name}`)
    for (const [i, path] of paths.entries()) {
      expect(await store.putIfAbsent(path, bytes(`content ${i}`)), path).toBe('created')
    }
    for (const [i, path] of paths.entries()) {
      expect(text(await store.get(path)), path).toBe(`content ${i}`)
      expect(await store.stat(path), path).toMatchObject({ path })
      expect(await store.putIfAbsent(path, bytes('again')), path).toBe('exists')
    }
    const listed: string[] = []
    for await (const object of store.list(`${root}/odd/`)) listed.push(object.path)
    expect(listed).toEqual(paths.toSorted(byteOrder))
    await store.delete(paths.slice(1))
    await store.delete(paths.slice(0, 1))
    for (const path of paths) expect(await store.stat(path), path).toBeNull()
  })

  rule('puts if absent, once, also when many race', async () => {
    const { store, root } = await make()
    for (let round = 0; round < 12; round++) {
      const path = `${root}/once-${round}`
      const results = await Promise.all(
        Array.from({ length: 16 }, (_, i) => store.putIfAbsent(path, noise(16_384, i + 1))),
      )
      expect(results.filter((r) => r === 'created')).toHaveLength(1)
      const winner = noise(16_384, results.indexOf('created') + 1)
      expect(sha256(await store.get(path))).toBe(sha256(winner))
      expect(await store.putIfAbsent(path, bytes('later'))).toBe('exists')
    }
  })

  rule('puts large objects if absent, once, also when some race', async () => {
    const { store, root } = await make()
    for (let round = 0; round < 3; round++) {
      const path = `${root}/large-once-${round}`
      const results = await Promise.all(
        Array.from({ length: 6 }, (_, i) => store.putIfAbsent(path, noise(LARGE, i + 1))),
      )
      expect(results.filter((r) => r === 'created')).toHaveLength(1)
      const winner = noise(LARGE, results.indexOf('created') + 1)
      expect(sha256(await store.get(path))).toBe(sha256(winner))
    }
  })

  rule('refuses to put large objects where one exists', async () => {
    const { store, root } = await make()
    const path = `${root}/there`
    await store.put(path, bytes('first'))
    expect(await store.putIfAbsent(path, noise(LARGE))).toBe('exists')
    expect(text(await store.get(path))).toBe('first')
  })

  rule('lists in order, from a prefix and after a path, and nothing half written', async () => {
    const { store, root } = await make()
    for (const name of ['b/2', 'a/1', 'b/10', 'b/é', 'c'])
      await store.put(`${root}/${name}`, bytes(name))
    const open = await store.openWriter(`${root}/b/open`)
    await open.write(bytes('x'))
    const names = async (prefix: string, startAfter?: string): Promise<string[]> => {
      const found: string[] = []
      const after = startAfter === undefined ? {} : { startAfter: `${root}/${startAfter}` }
      for await (const o of store.list(`${root}/${prefix}`, after))
        found.push(o.path.slice(root.length + 1))
      return found
    }
    expect(await names('')).toEqual(['a/1', 'b/10', 'b/2', 'b/é', 'c'])
    expect(await names('b/')).toEqual(['b/10', 'b/2', 'b/é'])
    expect(await names('b/1')).toEqual(['b/10'])
    expect(await names('', 'b/2')).toEqual(['b/é', 'c'])
    expect(await names('', 'b/11')).toEqual(['b/2', 'b/é', 'c'])
    expect(await names('nothing')).toEqual([])
    await open.close()
    expect(await names('b/o')).toEqual(['b/open'])
  })

  rule('lists by bytes, not by folders', async () => {
    const { store, root } = await make()
    const names = ['a/x', 'a-b/x', 'a.c', 'a', 'a0', 'B', '\u{1f389}', '\uff5e']
      // A file system has no file and folder of one name; floe never needs it.
      .filter((name) => name !== 'a')
    for (const name of names) await store.put(`${root}/${name}`, bytes(name))
    const found: string[] = []
    for await (const o of store.list(`${root}/`)) found.push(o.path.slice(root.length + 1))
    expect(found).toEqual(names.toSorted(byteOrder))
  })

  rule('lists and deletes more than a thousand objects', async () => {
    const { store, root } = await make()
    const count = 1_050
    const paths = Array.from({ length: count }, (_, i) => `${root}/n/${String(i).padStart(5, '0')}`)
    await parallelMap(paths, 16, (path) => store.put(path, bytes(path), { durability: 'os' }))
    const list = async (startAfter?: string): Promise<string[]> => {
      const found: string[] = []
      const after = startAfter === undefined ? {} : { startAfter }
      for await (const object of store.list(`${root}/n/`, after)) found.push(object.path)
      return found
    }
    expect(await list()).toEqual(paths)
    expect(await list(paths[20])).toEqual(paths.slice(21))
    expect(await list(`${paths[999]}x`)).toEqual(paths.slice(1_000))
    expect(await list(paths.at(-1))).toEqual([])
    for await (const object of store.list(`${root}/n/`)) {
      // Leaving a listing early is no error.
      expect(object.path).toBe(paths[0])
      break
    }
    const kept = paths[500] as string
    await store.delete([...paths.filter((path) => path !== kept), `${root}/n/never was`])
    expect(await list()).toEqual([kept])
  })

  rule('shows an object in pieces only when it is closed, and never when aborted', async () => {
    const { store, root } = await make()
    const writer = await store.openWriter(`${root}/pieces`)
    await writer.write(bytes('one '))
    await writer.write(bytes('two'))
    expect(writer.sizeBytes).toBe(7)
    expect(await store.stat(`${root}/pieces`)).toBeNull()
    expect(await writer.close()).toMatchObject({ sizeBytes: 7 })
    expect(text(await store.get(`${root}/pieces`))).toBe('one two')
    for (const content of [bytes('x'), noise(2 * LARGE)]) {
      const dropped = await store.openWriter(`${root}/dropped`)
      await dropped.write(content)
      await dropped.abort()
      await dropped.abort()
      expect(await store.stat(`${root}/dropped`)).toBeNull()
      await expect(dropped.write(bytes('y'))).rejects.toMatchObject({ code: 'HANDLE_CLOSED' })
      await expect(dropped.close()).rejects.toMatchObject({ code: 'HANDLE_CLOSED' })
    }
    await expect(writer.close()).rejects.toMatchObject({ code: 'HANDLE_CLOSED' })
  })

  rule('stops at an aborted signal', async () => {
    const { store, root } = await make()
    const signal = AbortSignal.abort()
    const aborted = { code: 'ABORTED' }
    await expect(store.get(`${root}/x`, { signal })).rejects.toMatchObject(aborted)
    await expect(store.put(`${root}/x`, bytes('x'), { signal })).rejects.toMatchObject(aborted)
    await expect(store.openWriter(`${root}/x`, { signal })).rejects.toMatchObject(aborted)
    await expect(store.putIfAbsent(`${root}/x`, bytes('x'), { signal })).rejects.toMatchObject(
      aborted,
    )
    expect(await store.stat(`${root}/x`)).toBeNull()
  })

  rule('ends or is done when the signal aborts on the way', async () => {
    const { store, root } = await make()
    const content = noise(4 * LARGE)
    await store.put(`${root}/there`, content)
    for (const task of [
      (signal: AbortSignal) => store.put(`${root}/new`, content, { signal }),
      (signal: AbortSignal) => store.get(`${root}/there`, { signal }),
      (signal: AbortSignal) => store.putIfAbsent(`${root}/if absent`, content, { signal }),
    ]) {
      for (const turns of [0, 1, 3]) {
        const controller = new AbortController()
        const result = task(controller.signal).catch((error: unknown) => error)
        for (let i = 0; i < turns; i++) await new Promise((resolve) => setTimeout(resolve, 2))
        controller.abort()
        const outcome = await result
        if (outcome instanceof Error) expect(isFloeError(outcome, 'ABORTED')).toBe(true)
      }
    }
    // Whole or not there at all.
    for (const name of ['new', 'if absent']) {
      const stat = await store.stat(`${root}/${name}`)
      if (stat !== null) expect(sha256(await store.get(stat.path))).toBe(sha256(content))
    }
  })

  rule('tells the time', async () => {
    const { store, root } = await make()
    await store.put(`${root}/x`, bytes('x'))
    const { lastModifiedMs } = (await store.stat(`${root}/x`)) ?? { lastModifiedMs: 0 }
    for (const time of [await store.now(), lastModifiedMs]) {
      expect(Math.abs(time - Date.now())).toBeLessThan(30_000)
    }
  })

  it('names only rules that exist as expected failures', () => {
    expect([...failures.keys()]).toEqual([])
  })
}
