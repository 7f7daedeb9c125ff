/** fsck finds each kind of damage to deletes, by name: known-bugs.md, invariant (b), and (d) and (f) where deletes matter. */
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { encodeDeletionVector } from '../../../src/iceberg/puffin/deletion-vector.ts'
import { PositionBitmap } from '../../../src/iceberg/puffin/position-bitmap.ts'
import { type BlobToWrite, encodePuffin } from '../../../src/iceberg/puffin/puffin-file.ts'
import { type FsckReport, openTable, schema, t } from '../../../src/index.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import {
  type EditedEntry,
  editDeletes,
  editManifests,
  editMetadata,
  type TableParts,
} from '../../support/edit-table.ts'
import { memoryLake } from '../../support/lakes.ts'
import { writePositionDeleteFile } from '../../support/position-delete-file.ts'

const columns = schema({ id: t.long(), s: t.optional(t.string()) })

/** A sound table of two data files in two partitions, each of ten rows, two of them deleted. */
async function fixture(formatVersion: 2 | 3): Promise<TableParts> {
  const store = new MemoryStore(systemRuntime)
  const lake = await memoryLake({ store })
  const table = await lake.createTable('x.a', columns, { formatVersion, partitionBy: ['s'] })
  await table.append(Array.from({ length: 20 }, (_, id) => ({ id, s: id < 10 ? 'a' : 'b' })))
  await table.deleteWhere({ id: { in: [1, 3, 11, 13] } }, { mode: 'merge-on-read' })
  const parts = { store, metadataLocation: table.metadataLocation }
  const report = await fsck(parts)
  expect([report.problems, report.warnings]).toEqual([[], []])
  return parts
}

async function fsck(
  { store, metadataLocation }: TableParts,
  data: 'none' | 'all' = 'all',
): Promise<FsckReport> {
  const table = await openTable(metadataLocation, { store, workers: 1 })
  try {
    return await table.fsck({ data })
  } finally {
    await table.close()
  }
}

/** The problems of a check, which has to be the only one that fails beside those allowed. */
async function problems(parts: TableParts, check: string, beside: string[] = []): Promise<string> {
  const found = (await fsck(parts)).problems
  const others = found.filter((p) => p.check !== check && !beside.includes(p.check))
  expect(others).toEqual([])
  for (const problem of found) expect(problem.file ?? problem.snapshotId).toBeDefined()
  return found
    .filter((p) => p.check === check)
    .map((p) => p.message)
    .join('\n')
}

/** Writes the Puffin file anew with other vectors or another footer, and tells the manifest where they are. */
async function replacePuffin(
  parts: TableParts,
  change: (blob: BlobToWrite, index: number) => BlobToWrite,
  also: (entry: EditedEntry, index: number) => void = () => undefined,
): Promise<void> {
  const entries: EditedEntry[] = []
  await editDeletes(parts, (entry) => entries.push(entry))
  const { bytes, blobs } = encodePuffin(
    entries.map(({ file }, i) =>
      change(
        {
          type: 'deletion-vector-v1',
          fields: [2147483645],
          snapshotId: -1n,
          sequenceNumber: -1,
          properties: {
            'referenced-data-file': file.referencedDataFile as string,
            cardinality: '2',
          },
          bytes: encodeDeletionVector(PositionBitmap.of([1, 3])),
        },
        i,
      ),
    ),
    {},
  )
  await parts.store.put(entries[0]?.file.filePath as string, bytes)
  await editDeletes(parts, (entry, i) => {
    entry.file.fileSizeBytes = bytes.length
    entry.file.contentOffset = blobs[i]?.offset
    entry.file.contentSizeBytes = blobs[i]?.length
    also(entry, i)
  })
  // The sizes of vectors are a part of a total.
  await editMetadata(parts, (json) => {
    for (const snapshot of json['snapshots'] as JsonObject[]) {
      delete (snapshot['summary'] as JsonObject)['total-files-size']
    }
  })
}

describe('(b) deletion vectors', () => {
  it('finds nothing in a Puffin file that was written anew as it should be', async () => {
    const parts = await fixture(3)
    await replacePuffin(parts, (blob) => blob)
    expect((await fsck(parts)).problems).toEqual([])
  })

  it('two for one data file', async () => {
    const parts = await fixture(3)
    await editDeletes(parts, (entry, i) => {
      if (i === 0) return
      entry.file.referencedDataFile = 'replaced below'
    })
    let first = ''
    await editDeletes(parts, ({ file }, i) => {
      if (i === 0) first = file.referencedDataFile as string
      else file.referencedDataFile = first
    })
    expect(await problems(parts, 'deletion-vectors')).toContain('two deletion vectors')
  })

  it('of another partition', async () => {
    const parts = await fixture(3)
    await editDeletes(parts, (entry, i) => {
      if (i === 0) entry.file.partition = ['c']
    })
    expect(await problems(parts, 'deletion-vectors')).toContain('another partition')
  })

  it('older than the data file', async () => {
    const parts = await fixture(3)
    await editManifests(parts, (manifests) => {
      for (const { line, entries } of manifests) {
        if (line.content !== 'deletes') continue
        line.minSequenceNumber = 0
        for (const entry of entries) entry.sequenceNumber = 0
      }
    })
    expect(await problems(parts, 'deletion-vectors')).toContain('older than the file')
  })

  it('without offset, without data file, of no rows, or in a file of another format', async () => {
    const edits: [string, (file: EditedEntry['file']) => void][] = [
      ['no offset or no size', (file) => (file.contentSizeBytes = undefined)],
      ['does not say which data file', (file) => (file.referencedDataFile = undefined)],
      ['deletes 0 rows', (file) => (file.recordCount = 0)],
      ['not of one of format PARQUET', (file) => (file.fileFormat = 'PARQUET')],
    ]
    for (const [message, edit] of edits) {
      const parts = await fixture(3)
      await editDeletes(parts, (entry) => edit(entry.file))
      expect(await problems(parts, 'deletion-vectors', ['summary-totals'])).toContain(message)
    }
  })

  it('with more rows than the data file has', async () => {
    const parts = await fixture(3)
    await editDeletes(parts, (entry, i) => {
      if (i === 0) entry.file.recordCount = 11
    })
    expect(await problems(parts, 'deletion-vectors', ['summary-totals'])).toContain(
      'deletes more rows than there are',
    )
  })

  it('another cardinality than the footer and the vector itself', async () => {
    const parts = await fixture(3)
    await editDeletes(parts, (entry, i) => {
      if (i === 0) entry.file.recordCount = 3
    })
    const found = await problems(parts, 'deletion-vectors', ['summary-totals'])
    expect(found).toContain('deletes 2 rows, its manifest says 3')
    expect(found).toMatch(/the footer says that the vector .* deletes 2 rows/)
    // The footer is read even when data is not.
    const cheap = await fsck(parts, 'none')
    expect(cheap.problems.map((p) => p.check)).toContain('deletion-vectors')
  })

  it('an offset that the footer does not have', async () => {
    const parts = await fixture(3)
    await editDeletes(parts, (entry, i) => {
      if (i === 0) entry.file.contentOffset = 5
    })
    expect(await problems(parts, 'deletion-vectors')).toContain('the footer has no blob of')
  })

  it('a blob of an unknown type, compressed, or said to be of another file', async () => {
    const edits: [string, (blob: BlobToWrite) => BlobToWrite][] = [
      ['is a something-v9', (blob) => ({ ...blob, type: 'something-v9' })],
      [
        'is that of file:///other.parquet',
        (blob) => ({
          ...blob,
          properties: { ...blob.properties, 'referenced-data-file': 'file:///other.parquet' },
        }),
      ],
      ['is that of no file', (blob) => ({ ...blob, properties: { cardinality: '2' } })],
    ]
    for (const [message, edit] of edits) {
      const parts = await fixture(3)
      await replacePuffin(parts, (blob, i) => (i === 0 ? edit(blob) : blob))
      expect(await problems(parts, 'deletion-vectors')).toContain(message)
    }
  })

  it('positions beyond the data file', async () => {
    const parts = await fixture(3)
    await replacePuffin(parts, (blob) => ({
      ...blob,
      bytes: encodeDeletionVector(PositionBitmap.of([1, 10])),
    }))
    expect(await problems(parts, 'deletion-vectors')).toContain('deletes row 10 of')
  })

  it('a wrong checksum, and a Puffin file that ends early', async () => {
    const parts = await fixture(3)
    await replacePuffin(parts, (blob) => {
      const bytes = blob.bytes.slice()
      bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
      return { ...blob, bytes }
    })
    expect(await problems(parts, 'deletion-vectors')).toContain('CHECKSUM_MISMATCH')
    let path = ''
    await editDeletes(parts, ({ file }) => {
      path = file.filePath
    })
    const whole = await parts.store.get(path)
    await parts.store.put(path, whole.subarray(0, whole.length - 3))
    expect(await problems(parts, 'deletion-vectors', ['files-exist'])).toContain('CORRUPT_PUFFIN')
  })

  it('in a table of version 2', async () => {
    const parts = await fixture(2)
    await editDeletes(parts, ({ file }) => {
      file.fileFormat = 'PUFFIN'
    })
    expect(await problems(parts, 'deletion-vectors')).toContain(
      'a table of version 2 has no deletion vectors',
    )
  })

  it('warns of one whose data file is gone', async () => {
    const parts = await fixture(3)
    await editDeletes(parts, (entry, i) => {
      if (i === 0) entry.file.referencedDataFile = 'memory://lake/gone.parquet'
    })
    const report = await fsck(parts, 'none')
    expect(report.warnings).toMatchObject([{ check: 'deletion-vectors' }])
    expect(report.warnings[0]?.message).toContain('memory://lake/gone.parquet of a vector is gone')
    // The footer has another opinion.
    expect(report.problems.map((p) => p.check)).toEqual(['deletion-vectors'])
  })
})

describe('(b) delete files', () => {
  /** Replaces the first delete file by one of the given rows; `$0` and `$1` stand for the data files. */
  async function withRows(
    rows: readonly (readonly [path: string | null, position: number])[],
    edit: (entry: EditedEntry) => void = () => undefined,
  ): Promise<TableParts> {
    const parts = await fixture(2)
    const targets: string[] = []
    let path = ''
    await editDeletes(parts, ({ file }, i) => {
      targets.push(file.referencedDataFile as string)
      if (i === 0) path = file.filePath
    })
    const named = rows.map(
      ([p, at]) => [p?.startsWith('$') ? (targets[Number(p.slice(1))] as string) : p, at] as const,
    )
    const sizeBytes = await writePositionDeleteFile(parts.store, path, named)
    await editDeletes(parts, (entry, i) => {
      if (i !== 0) return
      Object.assign(entry.file, {
        recordCount: rows.length,
        fileSizeBytes: sizeBytes,
        splitOffsets: undefined,
        lowerBounds: undefined,
        upperBounds: undefined,
      })
      edit(entry)
    })
    await editMetadata(parts, (json) => {
      const snapshot = (json['snapshots'] as JsonObject[]).at(-1) as JsonObject
      const summary = snapshot['summary'] as JsonObject
      delete summary['total-files-size']
      summary['total-position-deletes'] = String(rows.length + 2)
    })
    return parts
  }

  it('finds nothing in one that was written anew as it should be', async () => {
    const parts = await withRows([
      ['$0', 1],
      ['$0', 3],
    ])
    const report = await fsck(parts)
    expect([report.problems, report.warnings]).toEqual([[], []])
  })

  it('positions out of order', async () => {
    const parts = await withRows([
      ['$0', 3],
      ['$0', 1],
    ])
    expect(await problems(parts, 'delete-files')).toContain('not in the order of positions')
  })

  it('the same position twice', async () => {
    const parts = await withRows([
      ['$0', 1],
      ['$0', 1],
    ])
    expect(await problems(parts, 'delete-files')).toContain('deletes position 1 of')
  })

  it('files out of order', async () => {
    const free = (entry: EditedEntry): void => {
      entry.file.referencedDataFile = undefined
    }
    const sorted = await withRows(
      [
        ['memory://lake/gone/a', 9],
        ['memory://lake/gone/b', 1],
      ],
      free,
    )
    expect((await fsck(sorted)).problems).toEqual([])
    const parts = await withRows(
      [
        ['memory://lake/gone/b', 1],
        ['memory://lake/gone/a', 9],
      ],
      free,
    )
    expect(await problems(parts, 'delete-files')).toContain('not in the order of files')
  })

  it('positions out of range', async () => {
    for (const position of [10, -1]) {
      const parts = await withRows([['$0', position]])
      expect(await problems(parts, 'delete-files')).toContain(`deletes position ${position} of`)
    }
  })

  it('a row of no file', async () => {
    const parts = await withRows([
      ['$0', 1],
      [null, 3],
    ])
    expect(await problems(parts, 'delete-files')).toContain('names no file or no position')
  })

  it('rows of another file than the manifest says, and of another partition', async () => {
    const parts = await withRows([['$1', 1]])
    const found = await problems(parts, 'delete-files')
    expect(found).toContain('the manifest says')
    expect(found).toContain('which has another partition')
  })

  it('another number of rows than the manifest says', async () => {
    const parts = await withRows([['$0', 1]], (entry) => {
      entry.file.recordCount = 2
    })
    expect(await problems(parts, 'delete-files', ['summary-totals'])).toContain(
      'the file has 1 rows, its manifest says 2',
    )
  })

  it('of another partition by the manifest alone', async () => {
    const parts = await fixture(2)
    await editDeletes(parts, (entry, i) => {
      if (i === 0) entry.file.partition = ['c']
    })
    expect((await fsck(parts, 'none')).problems).toMatchObject([{ check: 'delete-files' }])
  })

  it('added by a snapshot of version 3; older ones stay valid', async () => {
    const parts = await fixture(2)
    await editMetadata(parts, (json) => {
      json['format-version'] = 3
      json['next-row-id'] = 0
    })
    expect((await fsck(parts)).problems).toEqual([])
    await editMetadata(parts, (json) => {
      const snapshot = (json['snapshots'] as JsonObject[]).at(-1) as JsonObject
      snapshot['first-row-id'] = 0
      snapshot['added-rows'] = 0
    })
    expect(await problems(parts, 'delete-files')).toContain('adds a position delete file')
  })

  it('equality deletes by no column, or by one that no schema has', async () => {
    for (const [ids, message] of [
      [[], 'name no columns'],
      [[99], 'field 99'],
    ] as const) {
      const parts = await fixture(2)
      await editDeletes(parts, ({ file }) => {
        Object.assign(file, {
          content: 'equality-deletes',
          equalityIds: [...ids],
          referencedDataFile: undefined,
        })
      })
      expect(await problems(parts, 'delete-files', ['summary-totals'])).toContain(message)
    }
  })

  it('warns of those whose data file is gone, or is newer', async () => {
    const gone = await fixture(2)
    await editDeletes(gone, (entry, i) => {
      if (i === 0) entry.file.referencedDataFile = 'memory://lake/gone.parquet'
    })
    expect((await fsck(gone, 'none')).warnings).toMatchObject([{ check: 'delete-files' }])
    const older = await fixture(2)
    await editManifests(older, (manifests) => {
      for (const { line, entries } of manifests) {
        if (line.content !== 'deletes') continue
        line.minSequenceNumber = 0
        for (const entry of entries) entry.sequenceNumber = 0
      }
    })
    const report = await fsck(older)
    expect(report.problems).toEqual([])
    expect(report.warnings.map((w) => w.check)).toEqual(['delete-files', 'delete-files'])
  })
})

describe('(d) totals of deletes', () => {
  it.each(['total-delete-files', 'total-position-deletes', 'total-equality-deletes'])(
    'finds %s wrong',
    async (key) => {
      const parts = await fixture(3)
      await editMetadata(parts, (json) => {
        const snapshot = (json['snapshots'] as JsonObject[]).at(-1) as JsonObject
        const summary = snapshot['summary'] as JsonObject
        expect(summary[key]).toBeDefined()
        summary[key] = '9'
      })
      expect(await problems(parts, 'summary-totals')).toContain(`${key} is 9`)
    },
  )
})

describe('(f) row ids that files store', () => {
  /** A table with a file that was written anew, so that it stores the ids of its rows. */
  async function rewritten(): Promise<TableParts> {
    const store = new MemoryStore(systemRuntime)
    const lake = await memoryLake({ store })
    const table = await lake.createTable('x.a', columns, { formatVersion: 3 })
    await table.append([0, 1, 2, 3].map((id) => ({ id, s: 'a' })))
    await table.append([4, 5, 6, 7].map((id) => ({ id, s: 'b' })))
    await table.deleteWhere({ id: 5 }, { mode: 'copy-on-write' })
    const parts = { store, metadataLocation: table.metadataLocation }
    expect((await fsck(parts)).problems).toEqual([])
    return parts
  }

  it('finds one that another row has', async () => {
    const parts = await rewritten()
    await editManifests(parts, (manifests) => {
      // The rows of the first append now have the ids that the rewritten file stores.
      for (const { line, entries } of manifests) {
        if (line.content !== 'data' || entries.some((e) => e.status !== 'added')) continue
        if (line.firstRowId === 0n) line.firstRowId = 4n
      }
    })
    expect(await problems(parts, 'row-ids')).toMatch(/the row id \d is that of two rows/)
  })

  it('finds one beyond next-row-id, and a row that is newer than its file', async () => {
    const parts = await rewritten()
    await editMetadata(parts, (json) => {
      json['next-row-id'] = 5
    })
    expect(await problems(parts, 'row-ids')).toContain('a row has the id 7')
    const newer = await rewritten()
    await editManifests(newer, (manifests) => {
      for (const { line, entries } of manifests) {
        if (line.firstRowId === 0n || entries.some((e) => e.status !== 'added')) continue
        line.minSequenceNumber = 1
        for (const entry of entries) entry.sequenceNumber = 1
      }
    })
    expect(await problems(newer, 'row-ids')).toContain('was last updated by the commit 2')
  })
})
