/** The conformance suite on the stores that there are, and what is special to local files. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { systemRuntime } from '../../src/core/runtime.ts'
import { LocalStore } from '../../src/io/local.ts'
import { MemoryStore } from '../../src/io/memory.ts'
import { openStore } from '../../src/io/open-store.ts'
import { openLake } from '../../src/open.ts'
import { storeConformance } from './store-conformance.ts'

const folders: string[] = []
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'floe-store-'))
  folders.push(path)
  return path
}
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true, force: true })
})

describe('memory', () => {
  storeConformance(async () => ({
    store: new MemoryStore(systemRuntime),
    root: 'memory://test/root',
  }))
})

for (const durability of ['fsync', 'os'] as const) {
  describe(`local, durability ${durability}`, () => {
    storeConformance(async () => ({
      store: new LocalStore({ runtime: systemRuntime, durability }),
      root: `file://${folder()}`,
    }))
  })
}

describe('local files', () => {
  it('leave no temporary file behind', async () => {
    const root = folder()
    const store = new LocalStore({ runtime: systemRuntime, durability: 'os' })
    await store.put(`file://${root}/a`, new Uint8Array(3))
    await store.putIfAbsent(`file://${root}/b`, new Uint8Array(3))
    await store.putIfAbsent(`file://${root}/b`, new Uint8Array(3))
    const writer = await store.openWriter(`file://${root}/c`)
    await writer.abort()
    expect(readdirSync(root).sort()).toEqual(['a', 'b'])
  })

  it('say that a file is where a folder is wanted, which no retry changes', async () => {
    const root = folder()
    writeFileSync(`${root}/file`, '')
    const store = new LocalStore({ runtime: systemRuntime, durability: 'os' })
    for (const path of [`file://${root}/file/a`, `file://${root}/file/b/c`]) {
      await expect(store.put(path, new Uint8Array(1))).rejects.toMatchObject({
        code: 'BAD_LOCATION',
        retryable: false,
        context: { file: `${root}/file` },
      })
      await expect(store.get(path)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' })
    }
  })
})

describe('openLake', () => {
  it('refuses a place where a file is, or below one', async () => {
    const root = folder()
    const file = `${root}/file`
    writeFileSync(file, '')
    for (const [place, name] of [
      [file, file],
      [`file://${file}/x/y`, file],
      ['/dev/null', '/dev/null'],
    ] as const) {
      for (const options of [{}, { readOnly: true }]) {
        await expect(openLake(place, options)).rejects.toMatchObject({
          code: 'BAD_LOCATION',
          retryable: false,
          message: expect.stringContaining(`but ${name} is a file`),
        })
      }
    }
    await (await openLake(`${root}/new/lake`)).close()
  })
})

describe('openStore', () => {
  it('names the schemes that have none', async () => {
    await expect(
      openStore('gs://bucket', { runtime: systemRuntime, durability: 'fsync' }),
    ).rejects.toMatchObject({ code: 'UNSUPPORTED_STORE' })
  })

  it('refuses options of S3 for another store', async () => {
    await expect(
      openStore('/data', { runtime: systemRuntime, durability: 'fsync', s3: {} }),
    ).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  })
})
