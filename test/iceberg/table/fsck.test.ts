/** fsck finds each kind of damage, by name, on tables that were sound before. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { FSCK_CHECKS, type FsckCheck, openTable, schema, t } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import { editManifests, editMetadata } from '../../support/edit-table.ts'
import { rejectionOf } from '../../support/expect-error.ts'
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

describe('fsck', () => {
  it('names all invariants of docs/fsck.md, (a) to (k)', () => {
    const letters = Object.values(FSCK_CHECKS).map((text) => text.slice(0, 3))
    expect([...new Set(letters)]).toEqual('abcdefghijk'.split('').map((letter) => `(${letter})`))
    const page = readFileSync(new URL('../../../docs/fsck.md', import.meta.url), 'utf8')
    const documented = [...page.matchAll(/^\| (\w) \| `([\w-]+)` \|/gm)]
    expect(documented.map(([, letter, name]) => `(${letter}) ${name}`)).toEqual(
      Object.entries(FSCK_CHECKS).map(([name, text]) => `${text.slice(0, 3)} ${name}`),
    )
  })

  it('(a) finds a data file that stands twice', async () => {
    const f = await fixture()
    await editManifests(f, (manifests) => {
      const data = manifests.find((m) => m.line.content === 'data')
      const [entry] = data?.entries ?? []
      if (data !== undefined && entry !== undefined) data.entries.push(structuredClone(entry))
    })
    expect(await failing(f)).toEqual(expect.arrayContaining(['unique-files', 'summary-totals']))
  })

  it.each([
    ['addedFilesCount', 2],
    ['existingFilesCount', 1],
    ['deletedFilesCount', 1],
    ['addedRowsCount', 7],
    ['existingRowsCount', 1],
    ['deletedRowsCount', 1],
    ['minSequenceNumber', 0],
  ] as const)('(c) finds %s wrong in the list', async (field, value) => {
    const f = await fixture()
    await editManifests(f, (manifests) => {
      const [newest] = manifests
      if (newest === undefined) throw new Error('no manifest')
      newest.keepCounts = true
      expect(newest.line[field]).not.toBe(value)
      newest.line[field] = value
    })
    expect(await failing(f)).toEqual(['manifest-counts'])
  })

  it.each(['sequenceNumber', 'fileSequenceNumber'] as const)(
    '(j) finds an existing entry without its %s',
    async (field) => {
      const f = await fixture()
      await editManifests(f, (manifests) => {
        const entry = manifests.at(-1)?.entries[0]
        if (entry === undefined) throw new Error('no entry')
        Object.assign(entry, { status: 'existing', sequenceNumber: 1, fileSequenceNumber: 1 })
        entry[field] = null
      })
      const checks = await failing(f)
      // A reader cannot do without the first of them.
      expect(checks).toContain(
        field === 'fileSequenceNumber' ? 'explicit-sequence-numbers' : 'files-exist',
      )
    },
  )

  it('(k) finds a manifest of a spec that the metadata does not have', async () => {
    const f = await fixture()
    await editManifests(f, (manifests) => {
      const [first] = manifests
      if (first !== undefined) first.line.partitionSpecId = 7
    })
    expect(await failing(f)).toContain('spec-ids')
  })

  it('(h) a main that is not the current snapshot is refused before fsck can look', async () => {
    const f = await fixture()
    await editMetadata(f, (json) => {
      const [first] = json['snapshots'] as JsonObject[]
      const main = (json['refs'] as JsonObject)['main'] as JsonObject
      main['snapshot-id'] = (first as JsonObject)['snapshot-id'] as bigint
    })
    await rejectionOf('BAD_METADATA', failing(f))
  })

  it('(i) finds a log that ends with another snapshot', async () => {
    const f = await fixture()
    await editMetadata(f, (json) => {
      json['snapshot-log'] = (json['snapshot-log'] as JsonObject[]).slice(0, 1)
    })
    expect(await failing(f)).toEqual(['snapshot-log'])
  })

  it('(f) finds row id ranges that overlap', async () => {
    const f = await fixture()
    await editManifests(f, (manifests) => {
      const older = manifests.filter((m) => m.line.content === 'data')
      for (const { line } of older) line.firstRowId = 0n
    })
    expect(await failing(f)).toEqual(['row-ids'])
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
