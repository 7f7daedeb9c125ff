/** Transactions over several tables, idempotency, conflicts, lost answers. */
import { describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { FloeError, schema, t } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import type { PutIfAbsentResult } from '../../../src/io/store.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { expectSound, memoryLake } from '../../support/lakes.ts'

const numbers = schema({ n: t.long() })

describe('transactions', () => {
  it('commit several tables as one, with one commit id', async () => {
    const lake = await memoryLake()
    const a = await lake.createTable('x.a', numbers)
    const b = await lake.createTable('x.b', numbers, { formatVersion: 3 })
    const tx = lake.transaction()
    await tx.append('x.a', [{ n: 1 }])
    await tx.append('x.b', [{ n: 2 }])
    await tx.append('x.a', [{ n: 3 }])
    await tx.setProperties('x.b', { 'my.position': '42' })
    expect(await (await a.refresh()).scan().count()).toBe(0)
    const result = await tx.commit()
    expect(result.tables.map((r) => [r.table, r.rowsAdded])).toEqual([
      ['x.a', 2],
      ['x.b', 1],
    ])
    const [ra, rb] = [await a.refresh(), await b.refresh()]
    expect(await ra.scan().count()).toBe(2)
    expect(rb.properties['my.position']).toBe('42')
    expect(ra.currentSnapshot?.summary['floe.commit-id']).toBe(result.commitId)
    expect(rb.currentSnapshot?.summary['floe.commit-id']).toBe(result.commitId)
    expect(ra.snapshots()).toHaveLength(1)
    await expectSound(ra)
    await expectSound(rb)
    await expect(tx.append('x.a', [{ n: 4 }])).rejects.toMatchObject({ code: 'HANDLE_CLOSED' })
  })

  it('leave nothing behind when rolled back', async () => {
    const store = new MemoryStore(systemRuntime)
    const lake = await memoryLake({ store })
    await lake.createTable('x.a', numbers)
    const before = await paths(store)
    const tx = lake.transaction()
    await tx.append('x.a', [{ n: 1 }])
    expect((await paths(store)).length).toBeGreaterThan(before.length)
    await tx.rollback()
    expect(await paths(store)).toEqual(before)
  })

  it('do a commit id once (MG-35, streaming.md I5)', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('x.a', numbers)
    const first = await table.append([{ n: 1 }], { commitId: 'job-7' })
    expect(first.attempts).toBe(1)
    const again = await (await lake.table('x.a')).append([{ n: 1 }], { commitId: 'job-7' })
    expect(again.attempts).toBe(0)
    const latest = await lake.table('x.a')
    expect(await latest.scan().count()).toBe(1)
    await expectSound(latest)
  })

  it('rebase an append on what another handle committed', async () => {
    const store = new MemoryStore(systemRuntime)
    const one = await memoryLake({ store })
    const two = await memoryLake({ store })
    const a = await one.createTable('x.a', numbers)
    const b = await two.table('x.a')
    await a.append([{ n: 1 }])
    const result = await b.append([{ n: 2 }])
    expect(result.attempts).toBe(2)
    expect(await b.scan().count()).toBe(2)
    await expectSound(b)
  })

  it('refuse to write to a table that was dropped and created anew', async () => {
    const lake = await memoryLake()
    const old = await lake.createTable('x.a', numbers)
    await lake.dropTable('x.a')
    await expect(old.append([{ n: 1 }])).rejects.toMatchObject({ code: 'NO_SUCH_TABLE' })
    const fresh = await lake.createTable('x.a', numbers)
    await expect(old.append([{ n: 1 }])).rejects.toMatchObject({ code: 'REQUIREMENT_FAILED' })
    expect(await fresh.scan().count()).toBe(0)
  })

  it('run out of retries with a clear error and leave no file behind', async () => {
    const store = new MemoryStore(systemRuntime)
    const one = await memoryLake({ store })
    const two = await memoryLake({ store })
    const a = await one.createTable('x.a', numbers, {
      properties: { 'commit.retry.num-retries': '0' },
    })
    const b = await two.table('x.a')
    await a.append([{ n: 1 }])
    const before = await paths(store)
    await expect(b.append([{ n: 2 }])).rejects.toMatchObject({
      code: 'COMMIT_CONFLICT',
      retryable: true,
    })
    expect(await paths(store)).toEqual(before)
  })
})

/** A store whose answers to commits can be lost. */
class LossyStore extends MemoryStore {
  lose: 'none' | 'after' | 'before' | 'always' = 'none'

  override async putIfAbsent(path: string, bytes: Uint8Array): Promise<PutIfAbsentResult> {
    if (!/\d{20}\.json$/.test(path) || this.lose === 'none') return super.putIfAbsent(path, bytes)
    const mode = this.lose
    if (mode !== 'always') this.lose = 'none'
    if (mode === 'after') await super.putIfAbsent(path, bytes)
    throw new FloeError('STORE_UNAVAILABLE', 'the connection was lost')
  }

  override async get(path: string, options?: object): Promise<Uint8Array> {
    if (this.lose === 'always' && /\d{20}\.json$/.test(path)) {
      throw new FloeError('STORE_UNAVAILABLE', 'the connection was lost')
    }
    return super.get(path, options)
  }
}

describe('after a commit', () => {
  it('housekeeping that fails does not pass for a failure of the commit', async () => {
    class NoDeletes extends MemoryStore {
      override delete(): Promise<void> {
        return Promise.reject(new TypeError('no deletes today'))
      }
    }
    const lake = await memoryLake({ store: new NoDeletes(systemRuntime) })
    const table = await lake.createTable('x.a', numbers, {
      properties: {
        'write.metadata.delete-after-commit.enabled': 'true',
        'write.metadata.previous-versions-max': '1',
      },
    })
    for (let n = 0; n < 4; n++) await table.append([{ n }])
    await expect(
      table.setProperties({ 'write.metadata.delete-after-commit.enabled': 'perhaps' }),
    ).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    const latest = await lake.table('x.a')
    expect(await latest.scan().count()).toBe(4)
    await expectSound(latest)
  })

  it('properties that cannot be honoured are refused when they are set, not by the next write', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('x.a', numbers)
    for (const [name, value, code] of [
      ['write.parquet.compression-codec', 'lzo', 'UNSUPPORTED_CODEC'],
      ['write.parquet.page-size-bytes', 'many', 'BAD_ARGUMENT'],
      ['write.parquet.stats-enabled.column.n', 'perhaps', 'BAD_ARGUMENT'],
      ['write.metadata.metrics.default', 'most', 'BAD_ARGUMENT'],
      ['write.metadata.metrics.column.n', 'some', 'BAD_ARGUMENT'],
      ['write.metadata.metrics.max-inferred-column-defaults', '-1', 'BAD_ARGUMENT'],
    ] as const) {
      const properties = { [name]: value }
      await rejectionOf(code, table.setProperties(properties))
      await rejectionOf(code, lake.createTable('x.b', numbers, { properties }))
    }
    expect(await lake.listTables()).toEqual(['x.a'])
    await (await lake.table('x.a')).append([{ n: 1 }])
  })

  it('old metadata files go where the table asks for that, and stay otherwise (item 10)', async () => {
    for (const enabled of ['true', 'false']) {
      const store = new MemoryStore(systemRuntime)
      const lake = await memoryLake({ store })
      const table = await lake.createTable('x.a', numbers, {
        properties: {
          'write.metadata.delete-after-commit.enabled': enabled,
          'write.metadata.previous-versions-max': '2',
        },
      })
      for (let n = 0; n < 6; n++) await table.append([{ n }])
      const files = (await paths(store)).filter((p) => p.endsWith('.metadata.json'))
      expect(files).toHaveLength(enabled === 'true' ? 3 : 7)
      expect(table.metadata.metadataLog).toHaveLength(2)
      await expectSound(table)
    }
  })

  it('small manifests are merged, so that their number stays bounded (item 25)', async () => {
    const lake = await memoryLake()
    for (const formatVersion of [2, 3] as const) {
      const table = await lake.createTable(`x.m${formatVersion}`, numbers, {
        formatVersion,
        properties: { 'commit.manifest.min-count-to-merge': '5' },
      })
      for (let n = 0; n < 23; n++) await table.append([{ n }])
      const { report } = await table.scan().plan()
      expect(report.manifests).toBeLessThanOrEqual(5)
      expect(report.files).toBe(23)
      const found = await table.scan().toArray()
      expect(found.map((r) => Number(r.n))).toEqual(Array.from({ length: 23 }, (_, n) => n))
      await expectSound(table)
    }
  })
})

describe('lost answers (known-bugs.md 1, 2)', () => {
  it('a commit that landed is found and counted once', async () => {
    const store = new LossyStore(systemRuntime)
    const lake = await memoryLake({ store })
    const table = await lake.createTable('x.a', numbers)
    store.lose = 'after'
    expect(await table.append([{ n: 1 }])).toMatchObject({ attempts: 1 })
    expect(table.snapshots()).toHaveLength(1)
    await expectSound(table)
  })

  it('a commit that did not land is sent again', async () => {
    const store = new LossyStore(systemRuntime)
    const lake = await memoryLake({ store })
    const table = await lake.createTable('x.a', numbers)
    store.lose = 'before'
    await table.append([{ n: 1 }])
    expect(await (await lake.table('x.a')).scan().count()).toBe(1)
    await expectSound(table)
  })

  it('what cannot be decided is COMMIT_STATE_UNKNOWN and deletes nothing', async () => {
    const store = new LossyStore(systemRuntime)
    const lake = await memoryLake({ store })
    const table = await lake.createTable('x.a', numbers)
    store.lose = 'always'
    const before = (await paths(store)).length
    const error = await table.append([{ n: 1 }], { commitId: 'c-1' }).catch((e: unknown) => e)
    expect(error).toMatchObject({
      code: 'COMMIT_STATE_UNKNOWN',
      kind: 'unknown-outcome',
      context: { commitId: 'c-1' },
    })
    expect((await paths(store)).length).toBe(before + 4)
    store.lose = 'none'
    const retried = await (await lake.table('x.a')).append([{ n: 1 }], { commitId: 'c-1' })
    expect(retried.rows).toBe(1)
    expect(await (await lake.table('x.a')).scan().count()).toBe(1)
  })
})

async function paths(store: MemoryStore): Promise<string[]> {
  const found: string[] = []
  for await (const object of store.list('memory://')) found.push(object.path)
  return found
}

describe('what is still being staged', () => {
  it('when the transaction ends is refused and leaves no file', async () => {
    for (const end of ['commit', 'rollback'] as const) {
      const store = new MemoryStore(systemRuntime)
      const lake = await memoryLake({ store })
      const table = await lake.createTable('x.a', numbers)
      const tx = lake.transaction()
      let release: () => void = () => undefined
      const ended = new Promise<void>((resolve) => {
        release = resolve
      })
      const slow = (async function* () {
        yield { n: 2 }
        await ended
        yield { n: 3 }
      })()
      const late = tx.append(table, slow)
      await tx.append(table, [{ n: 1 }])
      await tx[end]()
      release()
      await rejectionOf('HANDLE_CLOSED', late)
      const left = end === 'commit' ? 1 : 0
      expect(await (await table.refresh()).scan().count()).toBe(left)
      expect((await paths(store)).filter((p) => p.endsWith('.parquet'))).toHaveLength(left)
    }
  })

  it('when another change of the same table was staged leaves no file', async () => {
    const store = new MemoryStore(systemRuntime)
    const lake = await memoryLake({ store })
    const table = await lake.createTable('x.a', numbers)
    const tx = lake.transaction()
    const staged = await Promise.allSettled(
      [1, 2].map((n) => tx.upsert(table, [{ n }], { key: ['n'] })),
    )
    expect(staged.map((s) => s.status).sort()).toEqual(['fulfilled', 'rejected'])
    await tx.commit()
    expect(await (await table.refresh()).scan().count()).toBe(1)
    expect((await paths(store)).filter((p) => p.endsWith('.parquet'))).toHaveLength(1)
  })
})
