/** The latest version of a table is kept in memory: the catalog's pointer decides whether it is used, fsck passes it over. */
import { describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { FloeError, schema, t } from '../../../src/index.ts'
import type { PutIfAbsentResult } from '../../../src/io/store.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { expectSound, memoryLake } from '../../support/lakes.ts'
import { ReadsStore } from '../../support/reads-store.ts'

const numbers = schema({ n: t.long() })

describe('the metadata of a table', () => {
  it('is read once, and not at all by the process that has committed it', async () => {
    const store = new ReadsStore(systemRuntime)
    const writer = await memoryLake({ store })
    const table = await writer.createTable('x.a', numbers)
    await table.append([{ n: 1 }])
    await (await writer.table('x.a')).append([{ n: 2 }])
    const tx = writer.transaction()
    await tx.append('x.a', [{ n: 3 }])
    await tx.commit()
    expect((await table.refresh()).snapshots()).toHaveLength(3)
    expect(store.takeMetadataReads()).toEqual([])

    const reader = await memoryLake({ store })
    const first = await reader.table('x.a')
    expect(store.takeMetadataReads()).toEqual([first.metadataLocation])
    expect((await reader.table('x.a')).metadata).toBe(first.metadata)
    expect((await first.refresh()).metadata).toBe(first.metadata)
    expect(store.takeMetadataReads()).toEqual([])
  })

  it('is read anew when another process has committed', async () => {
    const store = new ReadsStore(systemRuntime)
    const [mine, theirs] = [await memoryLake({ store }), await memoryLake({ store })]
    await mine.createTable('x.a', numbers)
    await (await theirs.table('x.a')).append([{ n: 1 }])
    store.takeMetadataReads()
    const table = await mine.table('x.a')
    expect(store.takeMetadataReads()).toEqual([table.metadataLocation])
    expect(await table.scan().count()).toBe(1)
  })

  it('is that of the new table after a drop', async () => {
    const store = new ReadsStore(systemRuntime)
    const [mine, theirs] = [await memoryLake({ store }), await memoryLake({ store })]
    const old = await mine.createTable('x.a', numbers)
    await old.append([{ n: 1 }])
    await theirs.dropTable('x.a')
    await rejectionOf('NO_SUCH_TABLE', mine.table('x.a'))
    await theirs.createTable('x.a', schema({ text: t.string() }))
    const table = await mine.table('x.a')
    expect(table.metadata.tableUuid).not.toBe(old.metadata.tableUuid)
    expect(table.schema.fields.map((f) => f.name)).toEqual(['text'])
  })

  it('is not kept by an attempt that lost or whose outcome is unknown', async () => {
    const store = new LosingStore(systemRuntime)
    const [mine, theirs] = [await memoryLake({ store }), await memoryLake({ store })]
    const table = await mine.createTable('x.a', numbers)
    const other = await theirs.table('x.a')
    // The commit is made, but nobody can say so.
    store.silent = true
    await rejectionOf('COMMIT_STATE_UNKNOWN', table.append([{ n: 1 }]))
    store.silent = false
    store.takeMetadataReads()
    const found = await mine.table('x.a')
    expect(store.takeMetadataReads()).toEqual([found.metadataLocation])
    expect(await found.scan().count()).toBe(1)
    // Its first attempt loses; what is kept then is what the second one made.
    const { attempts } = await other.append([{ n: 2 }])
    expect(attempts).toBe(2)
    store.takeMetadataReads()
    expect(await (await theirs.table('x.a')).scan().count()).toBe(2)
    expect(store.takeMetadataReads()).toEqual([])
    await expectSound(await theirs.table('x.a'))
  })

  it('is served from memory when its file is gone, which fsck and others find', async () => {
    const store = new ReadsStore(systemRuntime)
    const lake = await memoryLake({ store })
    const table = await lake.createTable('x.a', numbers)
    await table.append([{ n: 1 }])
    const file = table.metadataLocation
    const bytes = await store.get(file)
    await store.put(file, bytes.slice(0, 100))
    expect(await (await lake.table('x.a')).scan().count()).toBe(1)
    const damaged = await (await lake.table('x.a')).fsck()
    expect(damaged.problems).toMatchObject([{ check: 'files-exist', file }])
    await store.delete([file])
    const missing = await table.fsck()
    expect(missing.problems).toMatchObject([{ check: 'files-exist', file }])
    // The rest is checked all the same.
    expect(missing).toMatchObject({ snapshots: 1, manifests: 1, files: 1 })
    await rejectionOf('FILE_NOT_FOUND', (await memoryLake({ store })).table('x.a'))
    await store.put(file, bytes)
    await expectSound(table)
  })
})

/** Takes commits and, while it is silent, does not tell. */
class LosingStore extends ReadsStore {
  silent = false

  override async putIfAbsent(path: string, bytes: Uint8Array): Promise<PutIfAbsentResult> {
    const result = await super.putIfAbsent(path, bytes)
    if (this.silent && isVersion(path)) throw lost()
    return result
  }

  override get(...args: Parameters<ReadsStore['get']>): Promise<Uint8Array> {
    return this.silent && isVersion(args[0]) ? Promise.reject(lost()) : super.get(...args)
  }
}

function isVersion(path: string): boolean {
  return /\d{20}\.json$/.test(path)
}

function lost(): FloeError {
  return new FloeError('STORE_UNAVAILABLE', 'the connection was lost')
}
