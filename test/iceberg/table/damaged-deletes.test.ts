/**
 * Deletes that are damaged or contradict each other: reading and changing the rows they are about fails with an error
 * that names the file, and leaves nothing behind. Rows that were deleted never come back.
 */
import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../../src/core/errors.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { encodeDeletionVector } from '../../../src/iceberg/puffin/deletion-vector.ts'
import { PositionBitmap } from '../../../src/iceberg/puffin/position-bitmap.ts'
import { type BlobToWrite, encodePuffin } from '../../../src/iceberg/puffin/puffin-file.ts'
import { schema, type Table, t } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import {
  type EditedEntry,
  editDeletes,
  editManifests,
  type TableParts,
} from '../../support/edit-table.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { memoryLake } from '../../support/lakes.ts'
import { writePositionDeleteFile } from '../../support/position-delete-file.ts'

const columns = schema({ id: t.long(), s: t.string() })

interface Fixture extends TableParts {
  readonly deleteFile: string
  readonly dataFiles: readonly string[]
}

/** Two data files in two partitions, ten rows each; rows 1 and 3 of each are deleted. */
async function fixture(formatVersion: 2 | 3): Promise<Fixture> {
  const store = new MemoryStore(systemRuntime)
  const lake = await memoryLake({ store })
  const table = await lake.createTable('x.a', columns, { formatVersion, partitionBy: ['s'] })
  await table.append(Array.from({ length: 20 }, (_, id) => ({ id, s: id < 10 ? 'a' : 'b' })))
  await table.deleteWhere({ id: { in: [1, 3, 11, 13] } }, { mode: 'merge-on-read' })
  const parts = { store, metadataLocation: table.metadataLocation }
  const entries: EditedEntry[] = []
  await editDeletes(parts, (entry) => entries.push(entry))
  return {
    ...parts,
    deleteFile: entries[0]?.file.filePath as string,
    dataFiles: entries.map((entry) => entry.file.referencedDataFile as string),
  }
}

async function paths(store: MemoryStore): Promise<string[]> {
  const found: string[] = []
  for await (const { path } of store.list('memory://lake/')) found.push(path)
  return found.sort()
}

/** The table as another process finds it. */
async function reopen({ store }: Fixture): Promise<Table> {
  const lake = await memoryLake({ store })
  return (await lake.table('x.a')) as unknown as Table
}

/** Everything that has to know which rows are deleted fails in the same way, and writes nothing. */
async function expectRefused(f: Fixture, code: ErrorCode, file = f.deleteFile): Promise<void> {
  const before = await paths(f.store)
  const attempts: Record<string, (table: Table) => Promise<unknown>> = {
    scan: (table) => table.scan().toArray(),
    'filtered scan': (table) => table.scan({ where: { id: 2 } }).toArray(),
    count: (table) => table.scan().count(),
    'delete beside': (table) => table.deleteWhere({ id: 2 }, { mode: 'merge-on-read' }),
    'delete anew': (table) => table.deleteWhere({ id: 2 }, { mode: 'copy-on-write' }),
    upsert: (table) => table.upsert([{ id: 2, s: 'a' }], { key: ['id'] }),
  }
  const table = await reopen(f)
  for (const [name, attempt] of Object.entries(attempts)) {
    const error = await rejectionOf(code, attempt(table))
    expect(`${error.context['file']}`, name).toBe(file)
    expect(error.message, name).toContain(file)
    expect(await paths(f.store), name).toEqual(before)
  }
}

/** Writes the Puffin file anew with other blobs, where the manifest says they are or elsewhere. */
async function replacePuffin(f: Fixture, blobs: readonly Uint8Array[]): Promise<void> {
  const written = encodePuffin(
    blobs.map(
      (bytes, i): BlobToWrite => ({
        type: i < 2 ? 'deletion-vector-v1' : 'unheard-of-v7',
        fields: [2147483645],
        snapshotId: -1n,
        sequenceNumber: -1,
        properties: { 'referenced-data-file': f.dataFiles[i] ?? '', cardinality: '2' },
        bytes,
      }),
    ),
    {},
  )
  await f.store.put(f.deleteFile, written.bytes)
  await editDeletes(f, ({ file }, i) => {
    file.fileSizeBytes = written.bytes.length
    file.contentOffset = written.blobs[i]?.offset
    file.contentSizeBytes = written.blobs[i]?.length
  })
}

const vector = (...positions: number[]): Uint8Array =>
  encodeDeletionVector(PositionBitmap.of(positions))

describe('damaged deletion vectors of a table', () => {
  it('are read and changed as long as they are sound', async () => {
    const f = await fixture(3)
    await replacePuffin(f, [vector(1, 3), vector(1, 3)])
    const table = await reopen(f)
    expect(await table.scan().count()).toBe(16)
    await table.deleteWhere({ id: 2 }, { mode: 'merge-on-read' })
    expect(await table.scan().toArray()).toHaveLength(15)
  })

  it('blobs of unknown types beside them do not matter', async () => {
    const f = await fixture(3)
    await replacePuffin(f, [vector(1, 3), vector(1, 3), new Uint8Array(100)])
    expect(await (await reopen(f)).scan().toArray()).toHaveLength(16)
  })

  it('a blob of another type in place of a vector', async () => {
    const f = await fixture(3)
    await replacePuffin(f, [new Uint8Array(100), vector(1, 3)])
    await expectRefused(f, 'CORRUPT_DELETES')
  })

  it('another cardinality than the manifest says', async () => {
    const f = await fixture(3)
    await replacePuffin(f, [vector(1, 3, 5), vector(1, 3)])
    await expectRefused(f, 'CORRUPT_DELETES')
  })

  it('a wrong checksum', async () => {
    const f = await fixture(3)
    const damaged = vector(1, 3)
    damaged[damaged.length - 1] = (damaged.at(-1) as number) ^ 1
    await replacePuffin(f, [damaged, vector(1, 3)])
    await expectRefused(f, 'CHECKSUM_MISMATCH')
  })

  it('positions beyond the data file', async () => {
    const f = await fixture(3)
    await replacePuffin(f, [vector(1, 10), vector(1, 3)])
    await expectRefused(f, 'CORRUPT_DELETES')
  })

  it('two for one data file', async () => {
    const f = await fixture(3)
    await editDeletes(f, ({ file }) => {
      file.referencedDataFile = f.dataFiles[0]
    })
    await expectRefused(f, 'CORRUPT_DELETES')
  })

  it('of another partition than the data file', async () => {
    const f = await fixture(3)
    await editDeletes(f, ({ file }, i) => {
      if (i === 0) file.partition = ['b']
    })
    await expectRefused(f, 'CORRUPT_DELETES')
  })

  it('an offset or a length that is not the vector’s', async () => {
    const edits: ((file: EditedEntry['file']) => void)[] = [
      (file) => (file.contentOffset = (file.contentOffset as number) + 1),
      (file) => (file.contentOffset = 1_000_000),
      (file) => (file.contentSizeBytes = (file.contentSizeBytes as number) - 1),
      (file) => (file.contentSizeBytes = 4),
      (file) => (file.contentOffset = undefined),
      (file) => (file.contentSizeBytes = undefined),
      (file) => (file.referencedDataFile = undefined),
    ]
    for (const edit of edits) {
      const f = await fixture(3)
      await editDeletes(f, ({ file }, i) => {
        if (i === 0) edit(file)
      })
      await expectRefused(f, 'CORRUPT_DELETES')
    }
  })

  it('a length beyond what is allowed is refused before it is read', async () => {
    const f = await fixture(3)
    await editDeletes(f, ({ file }, i) => {
      if (i === 0) file.contentSizeBytes = 2 ** 40
    })
    const error = await rejectionOf('LIMIT_EXCEEDED', (await reopen(f)).scan().toArray())
    expect(error.message).toContain(f.deleteFile)
  })

  it('a Puffin file that ends early, is empty, or is gone', async () => {
    for (const keep of [0, 10, 30]) {
      const f = await fixture(3)
      const bytes = await f.store.get(f.deleteFile)
      await f.store.put(f.deleteFile, bytes.subarray(0, keep))
      await expectRefused(f, 'CORRUPT_DELETES')
    }
    const f = await fixture(3)
    await f.store.delete([f.deleteFile])
    await expectRefused(f, 'FILE_NOT_FOUND')
  })

  it('rows of other partitions are read and changed all the same', async () => {
    const f = await fixture(3)
    await replacePuffin(f, [vector(1, 3, 5), vector(1, 3)])
    const table = await reopen(f)
    expect(await table.scan({ where: { s: 'b' } }).toArray()).toHaveLength(8)
    await table.deleteWhere({ s: 'b', id: 12 }, { mode: 'merge-on-read' })
    expect(await table.scan({ where: { s: 'b' } }).toArray()).toHaveLength(7)
  })
})

describe('damaged position delete files of a table', () => {
  async function withRows(
    rows: (f: Fixture) => readonly (readonly [path: string | null, position: number])[],
    recordCount?: number,
  ): Promise<Fixture> {
    const f = await fixture(2)
    const written = rows(f)
    const sizeBytes = await writePositionDeleteFile(f.store, f.deleteFile, written)
    await editDeletes(f, ({ file }, i) => {
      if (i !== 0) return
      file.recordCount = recordCount ?? written.length
      file.fileSizeBytes = sizeBytes
      file.splitOffsets = undefined
    })
    return f
  }

  it('positions out of order or twice delete their rows', async () => {
    const f = await withRows(({ dataFiles: [a] }) => [
      [a as string, 3],
      [a as string, 1],
      [a as string, 3],
    ])
    const table = await reopen(f)
    expect(await table.scan().count()).toBe(16)
    // Enough of them to be written together with the old ones.
    await table.deleteWhere({ id: { in: [2, 4] } }, { mode: 'merge-on-read' })
    const left = (await table.scan({ select: ['id'], where: { s: 'a' } }).toArray()).map((row) =>
      Number(row['id']),
    )
    expect(left.sort()).toEqual([0, 5, 6, 7, 8, 9])
    // What floe wrote in its place is in order.
    const { problems } = await table.fsck({ data: 'all', allSnapshots: false })
    expect(problems.filter((p) => p.check !== 'summary-totals')).toEqual([])
  })

  it('positions out of range', async () => {
    for (const position of [10, -1]) {
      const f = await withRows(({ dataFiles: [a] }) => [[a as string, position]])
      await expectRefused(f, 'CORRUPT_DELETES')
    }
  })

  it('another number of rows than the manifest says', async () => {
    const f = await withRows(({ dataFiles: [a] }) => [[a as string, 1]], 2)
    await expectRefused(f, 'CORRUPT_DELETES')
  })

  it('a file that ends early or is gone', async () => {
    const f = await fixture(2)
    const bytes = await f.store.get(f.deleteFile)
    await f.store.put(f.deleteFile, bytes.subarray(0, bytes.length - 20))
    await expectRefused(f, 'CORRUPT_PARQUET')
    await f.store.delete([f.deleteFile])
    await expectRefused(f, 'FILE_NOT_FOUND')
  })
})

describe('a data file that stands twice in a snapshot', () => {
  it('is not changed in one place and lost in the other (item 50)', async () => {
    const f = await fixture(3)
    await editManifests(f, (manifests) => {
      const data = manifests.find((m) => m.line.content === 'data')
      const [entry] = data?.entries ?? []
      if (data !== undefined && entry !== undefined) data.entries.push(structuredClone(entry))
    })
    const table = await reopen(f)
    const before = await paths(f.store)
    await rejectionOf('CORRUPT_MANIFEST', table.deleteWhere({ id: 2 }))
    await rejectionOf('CORRUPT_MANIFEST', table.upsert([{ id: 2, s: 'a' }], { key: ['id'] }))
    expect(await paths(f.store)).toEqual(before)
  })
})
