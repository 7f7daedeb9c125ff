/** fsck finds each kind of damage, by name, on tables that were sound before. */
import { describe, expect, it } from 'vitest'
import { type JsonObject, parseJsonBytes, stringifyJson } from '../../../src/core/json.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { FSCK_CHECKS, type FsckCheck, openTable, schema, t } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import { expectSound, memoryLake } from '../../support/lakes.ts'

const rows = schema({ id: t.long(), s: t.optional(t.string()) })

interface Fixture {
  readonly store: MemoryStore
  readonly metadataLocation: string
  readonly dataFile: string
}

/** A sound v3 table of two snapshots, and where its parts are. */
async function fixture(): Promise<Fixture> {
  const store = new MemoryStore(systemRuntime)
  const lake = await memoryLake({ store })
  const table = await lake.createTable('x.a', rows, {
    formatVersion: 3,
    partitionBy: ['bucket(2, id)'],
  })
  await table.append([
    { id: 1, s: 'a' },
    { id: 2, s: 'b' },
  ])
  await table.append([{ id: 3, s: 'c' }])
  await expectSound(table)
  const { tasks } = await table.scan().plan()
  return {
    store,
    metadataLocation: table.metadataLocation,
    dataFile: tasks[0]?.file.filePath as string,
  }
}

/** The checks that fail for the table as it is now in the store. */
async function failing({ store, metadataLocation }: Fixture): Promise<FsckCheck[]> {
  const table = await openTable(metadataLocation, { store, workers: 1 })
  try {
    const report = await table.fsck({ data: 'all' })
    expect(report.ok).toBe(report.problems.length === 0)
    return [...new Set(report.problems.map((p) => p.check))]
  } finally {
    await table.close()
  }
}

async function editMetadata(f: Fixture, edit: (json: JsonObject) => void): Promise<void> {
  const json = parseJsonBytes(await f.store.get(f.metadataLocation), 'metadata') as JsonObject
  edit(json)
  await f.store.put(f.metadataLocation, new TextEncoder().encode(stringifyJson(json)))
}

describe('fsck', () => {
  it('names all invariants of docs/fsck.md, (a) to (k)', () => {
    expect(Object.values(FSCK_CHECKS).map((text) => text.slice(0, 3))).toEqual(
      'abcdefghijk'.split('').map((letter) => `(${letter})`),
    )
  })

  it('(e) finds a missing file and one of another size', async () => {
    const f = await fixture()
    const bytes = await f.store.get(f.dataFile)
    await f.store.put(f.dataFile, bytes.subarray(0, bytes.length - 1))
    expect(await failing(f)).toContain('files-exist')
    await f.store.delete([f.dataFile])
    expect(await failing(f)).toContain('files-exist')
  })

  it('(e) finds a damaged manifest list and goes on with the rest', async () => {
    const f = await fixture()
    const table = await openTable(f.metadataLocation, { store: f.store })
    const list = table.snapshots()[0]?.manifestList as string
    await table.close()
    await f.store.put(list, new Uint8Array(20))
    expect(await failing(f)).toEqual(['files-exist'])
  })

  it('(d) finds totals that are wrong', async () => {
    const f = await fixture()
    await editMetadata(f, (json) => {
      const snapshot = (json['snapshots'] as JsonObject[]).at(-1) as JsonObject
      ;(snapshot['summary'] as JsonObject)['total-records'] = '4'
    })
    expect(await failing(f)).toEqual(['summary-totals'])
  })

  it('(f) finds row ids above next-row-id', async () => {
    const f = await fixture()
    await editMetadata(f, (json) => {
      json['next-row-id'] = 1
    })
    expect(await failing(f)).toEqual(['row-ids'])
  })

  it('(h) finds sequence numbers that do not rise', async () => {
    const f = await fixture()
    await editMetadata(f, (json) => {
      const [first] = json['snapshots'] as JsonObject[]
      ;(first as JsonObject)['sequence-number'] = 2
    })
    expect(await failing(f)).toContain('current-snapshot')
  })

  it('(i) finds a log out of order, but not a clock that went back a little', async () => {
    const f = await fixture()
    const shift = (ms: number) =>
      editMetadata(f, (json) => {
        const log = json['snapshot-log'] as JsonObject[]
        const last = log.at(-1) as JsonObject
        last['timestamp-ms'] = Number((log[0] as JsonObject)['timestamp-ms']) + ms
      })
    await shift(-10_000)
    expect(await failing(f)).toEqual([])
    await shift(-120_000)
    expect(await failing(f)).toEqual(['snapshot-log'])
  })

  it('(c) and (a) find a manifest list of another snapshot in place of the own one', async () => {
    const f = await fixture()
    const table = await openTable(f.metadataLocation, { store: f.store })
    const [first, second] = table.snapshots()
    await table.close()
    await f.store.put(
      first?.manifestList as string,
      await f.store.get(second?.manifestList as string),
    )
    expect(await failing(f)).toEqual(expect.arrayContaining(['manifest-counts', 'summary-totals']))
  })

  it('(g) finds a data file whose values are not those recorded', async () => {
    const f = await fixture()
    const store = new MemoryStore(systemRuntime)
    const lake = await memoryLake({ store })
    const other = await lake.createTable('y.b', rows, { formatVersion: 3 })
    await other.append([{ id: 1_000_000, s: 'zzzz' }])
    const { tasks } = await other.scan().plan()
    await f.store.put(f.dataFile, await store.get(tasks[0]?.file.filePath as string))
    expect(await failing(f)).toEqual(expect.arrayContaining(['bounds']))
  })
})
