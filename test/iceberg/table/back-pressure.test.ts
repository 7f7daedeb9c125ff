/** Scans read ahead within bounds and no further, and stop when their consumer does. */
import { describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { schema, t } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import { memoryLake } from '../../support/lakes.ts'

class WatchedStore extends MemoryStore {
  readonly dataFiles = new Set<string>()
  override get(path: string, options?: object): Promise<Uint8Array> {
    if (path.endsWith('.parquet')) this.dataFiles.add(path)
    return super.get(path, options)
  }
}

const FILES = 40

async function tableOfManyFiles(store: WatchedStore) {
  const lake = await memoryLake({ store })
  const table = await lake.createTable('x.a', schema({ n: t.long() }))
  for (let file = 0; file < FILES; file++) await table.append([{ n: file }])
  store.dataFiles.clear()
  return table
}

describe('back-pressure', () => {
  it('a consumer that waits holds the reads back', async () => {
    const store = new WatchedStore(systemRuntime)
    const table = await tableOfManyFiles(store)
    const rows = table.scan().rows()
    expect((await rows.next()).value).toEqual({ n: 0n })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(store.dataFiles.size).toBeLessThan(FILES / 2)
    let count = 1
    for await (const row of rows) expect(row).toEqual({ n: BigInt(count++) })
    expect(count).toBe(FILES)
    expect(store.dataFiles.size).toBe(FILES)
  })

  it('a consumer that leaves, or has its limit, ends the reads', async () => {
    const store = new WatchedStore(systemRuntime)
    const table = await tableOfManyFiles(store)
    for await (const row of table.scan().rows()) if (row.n === 2n) break
    const read = store.dataFiles.size
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(store.dataFiles.size).toBe(read)
    expect(read).toBeLessThan(FILES / 2)
    store.dataFiles.clear()
    expect(await table.scan({ limit: 3 }).toArray()).toHaveLength(3)
    expect(store.dataFiles.size).toBeLessThan(FILES / 2)
  })

  it('a signal ends a scan that is under way', async () => {
    const store = new WatchedStore(systemRuntime)
    const table = await tableOfManyFiles(store)
    const stop = new AbortController()
    let count = 0
    await expect(async () => {
      for await (const _ of table.scan({ signal: stop.signal }).rows())
        if (++count === 3) stop.abort()
    }).rejects.toMatchObject({ code: 'ABORTED' })
    expect(store.dataFiles.size).toBeLessThan(FILES / 2)
  })
})
