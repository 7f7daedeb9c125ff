/** Manifests: round trips of random entries, avsc as a second reader and writer, and the rules of writing. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { AvroContainer } from '../../../src/iceberg/avro/container.ts'
import type {
  ContentFile,
  ManifestEntry,
  ManifestFile,
} from '../../../src/iceberg/manifest/entry.ts'
import { ManifestCounter } from '../../../src/iceberg/manifest/manifest-counts.ts'
import {
  type ReadManifestOptions,
  readManifest,
} from '../../../src/iceberg/manifest/manifest-reader.ts'
import {
  ManifestWriter,
  toManifestFile,
  writeManifest,
} from '../../../src/iceberg/manifest/manifest-writer.ts'
import { partitionFields } from '../../../src/iceberg/manifest/partition-fields.ts'
import { UNPARTITIONED } from '../../../src/iceberg/spec/partition-spec.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import { oracleDecode } from '../avro/avsc-oracle.ts'
import { type ManifestCase, manifestCases } from './arbitrary-entries.ts'

interface Written {
  readonly bytes: Uint8Array
  readonly manifest: ManifestFile
  read(more?: Partial<ReadManifestOptions>): ManifestEntry[]
}

const SEQUENCE = 1001

function write(c: ManifestCase, more: Partial<ManifestFile> = {}): Written {
  const { bytes, summary } = writeManifest({ ...c, runtime: systemRuntime })
  const manifest: ManifestFile = {
    ...toManifestFile(
      { manifestLength: bytes.byteLength, summary },
      { manifestPath: 'test/m0.avro', sequenceNumber: SEQUENCE },
    ),
    ...more,
  }
  const partition = partitionFields(c.spec, [c.schema])
  return {
    bytes,
    manifest,
    read: (options) => [
      ...readManifest(bytes, { manifest, partition, limits: DEFAULT_LIMITS, ...options }),
    ],
  }
}

const schema = new Schema({
  schemaId: 4,
  fields: [{ id: 1, name: 'a', required: false, type: { kind: 'int' } }],
})

function dataFile(more: Partial<ContentFile> = {}): ContentFile {
  return {
    content: 'data',
    filePath: 'memory://t/a.parquet',
    fileFormat: 'PARQUET',
    specId: 0,
    partition: [],
    recordCount: 10,
    fileSizeBytes: 1000,
    ...more,
  }
}

function added(file: ContentFile = dataFile()): ManifestEntry {
  return { status: 'added', snapshotId: null, sequenceNumber: null, fileSequenceNumber: null, file }
}

const simple = (entries: ManifestEntry[], more: Partial<ManifestCase> = {}): ManifestCase => ({
  formatVersion: 3,
  schema,
  spec: UNPARTITIONED,
  content: 'data',
  snapshotId: 77n,
  entries,
  ...more,
})

describe('round trips', () => {
  it('give the entries back as they were written (items 40–44, 52)', () => {
    fc.assert(
      fc.property(manifestCases(), (c) => {
        expect(write(c).read({ inherit: false })).toEqual(c.entries)
      }),
      { numRuns: 400 },
    )
  })

  it('are read by avsc, and avsc counts and ids agree', async () => {
    await fc.assert(
      fc.asyncProperty(manifestCases(), async (c) => {
        const records = (await oracleDecode(write(c).bytes)) as Record<string, unknown>[]
        expect(
          records.map((r) => {
            const file = r['data_file'] as Record<string, unknown>
            return [
              ['existing', 'added', 'deleted'][Number(r['status'])],
              r['snapshot_id'],
              file['file_path'],
              file['record_count'],
              file['first_row_id'] ?? undefined,
              Object.keys(file['partition'] as object).length,
            ]
          }),
        ).toEqual(
          c.entries.map(({ status, snapshotId, file }) => [
            status,
            snapshotId,
            file.filePath,
            BigInt(file.recordCount),
            file.firstRowId,
            file.partition.length,
          ]),
        )
      }),
      { numRuns: 100 },
    )
  })

  it('of selected columns, no metrics or live entries are parts of the whole', () => {
    fc.assert(
      fc.property(manifestCases(), fc.uniqueArray(fc.integer({ min: 1, max: 300 })), (c, ids) => {
        const { read } = write(c)
        const all = read()
        const wanted = new Set(ids)
        const only = <T>(map: ReadonlyMap<number, T> | undefined): Map<number, T> | undefined => {
          const kept = [...(map ?? [])].filter(([id]) => wanted.has(id))
          return kept.length === 0 ? undefined : new Map(kept)
        }
        const cut = (file: ContentFile): ContentFile => ({
          ...file,
          columnSizes: only(file.columnSizes),
          valueCounts: only(file.valueCounts),
          nullValueCounts: only(file.nullValueCounts),
          nanValueCounts: only(file.nanValueCounts),
          lowerBounds: only(file.lowerBounds),
          upperBounds: only(file.upperBounds),
        })
        expect(read({ metrics: wanted })).toEqual(all.map((e) => ({ ...e, file: cut(e.file) })))
        wanted.clear()
        expect(read({ metrics: 'none' })).toEqual(all.map((e) => ({ ...e, file: cut(e.file) })))
        expect(read({ liveOnly: true })).toEqual(all.filter((e) => e.status !== 'deleted'))
        const keep = (tuple: readonly unknown[]): boolean => tuple[0] !== null
        expect(read({ keepPartition: keep })).toEqual(all.filter((e) => keep(e.file.partition)))
      }),
      { numRuns: 200 },
    )
  })
})

describe('what the manifest list says of a manifest', () => {
  it('are the counts, rows and least sequence number of its entries (items 33, 35)', () => {
    fc.assert(
      fc.property(manifestCases(), (c) => {
        const { manifest, read } = write(c)
        const counter = new ManifestCounter()
        for (const entry of read()) counter.add(entry)
        expect(manifest).toMatchObject(counter.counts())
        const live = c.entries.filter((e) => e.status !== 'deleted')
        const numbers = live.map((e) => e.sequenceNumber ?? SEQUENCE)
        expect(manifest.minSequenceNumber).toBe(Math.min(SEQUENCE, ...numbers))
        expect(manifest.addedSnapshotId).toBe(c.snapshotId)
        expect(manifest.partitionSpecId).toBe(c.spec.specId)
      }),
      { numRuns: 100 },
    )
  })
})

describe('the header', () => {
  it('has every key of item 39, the table schema among them (known-bugs.md 23)', () => {
    const { bytes } = write(simple([added()], { formatVersion: 2 }))
    const container = new AvroContainer(bytes, 'm', DEFAULT_LIMITS)
    const header = Object.fromEntries(
      [...container.metadata.keys()]
        .filter((k) => k !== 'avro.schema')
        .map((k) => [k, container.text(k)]),
    )
    expect(header).toEqual({
      schema:
        '{"type":"struct","schema-id":4,"fields":[{"id":1,"name":"a","required":false,"type":"int"}]}',
      'schema-id': '4',
      'partition-spec': '[]',
      'partition-spec-id': '0',
      'format-version': '2',
      content: 'data',
      'avro.codec': 'deflate',
    })
  })

  it('must agree with the list on the content', () => {
    const { bytes, manifest } = write(simple([added()]))
    const read = (): unknown => [
      ...readManifest(bytes, {
        manifest: { ...manifest, content: 'deletes' },
        partition: [],
        limits: DEFAULT_LIMITS,
      }),
    ]
    expect(read).toThrow(/header says that it holds "data".*\[CORRUPT_MANIFEST\]/)
  })
})

describe('inheritance', () => {
  const existing = (
    more: Partial<ManifestEntry> = {},
    file: Partial<ContentFile> = {},
  ): ManifestEntry => ({
    status: 'existing',
    snapshotId: 5n,
    sequenceNumber: 3,
    fileSequenceNumber: 4,
    file: dataFile(file),
    ...more,
  })

  it('gives added entries the snapshot and sequence numbers of the manifest (item 58)', () => {
    const entries = write(simple([added(), existing(), { ...added(), sequenceNumber: 9 }])).read()
    expect(entries.map((e) => [e.snapshotId, e.sequenceNumber, e.fileSequenceNumber])).toEqual([
      [77n, SEQUENCE, SEQUENCE],
      [5n, 3, 4],
      [77n, 9, SEQUENCE],
    ])
  })

  it('gives entries of version 1 the sequence number 0 (item 49)', () => {
    const { bytes, manifest } = write(simple([added()]))
    const [entry] = readManifest(bytes, {
      manifest: { ...manifest, sequenceNumber: 0 },
      partition: [],
      limits: DEFAULT_LIMITS,
    })
    expect(entry).toMatchObject({ sequenceNumber: 0, fileSequenceNumber: 0 })
  })

  it('gives live data files without a first row id theirs, in order (item 77: 1000 + 0, 1000 + 50)', () => {
    const c = simple([
      existing({}, { firstRowId: 925n, recordCount: 25 }),
      added(dataFile({ recordCount: 50 })),
      added(dataFile({ recordCount: 50 })),
    ])
    const ids = (more: Partial<ManifestFile>, options?: Partial<ReadManifestOptions>): unknown[] =>
      write(c, more)
        .read(options)
        .map((e) => e.file.firstRowId)
    expect(ids({ firstRowId: 1000n })).toEqual([925n, 1000n, 1050n])
    expect(ids({ firstRowId: 1000n }, { inherit: false })).toEqual([925n, undefined, undefined])
    // Before the upgrade to version 3 nothing has a row id.
    expect(ids({})).toEqual([undefined, undefined, undefined])
  })

  it('counts existing files without one, not deleted ones, and those that a filter leaves out', () => {
    const spec = {
      specId: 0,
      fields: [
        { sourceIds: [1], fieldId: 1000, name: 'a', transform: { kind: 'identity' } as const },
      ],
    }
    const deleted: ManifestEntry = {
      ...existing({ snapshotId: 77n }, { partition: [1] }),
      status: 'deleted',
    }
    const c = simple(
      [
        deleted,
        existing({}, { partition: [2], recordCount: 7 }),
        added(dataFile({ partition: [1], recordCount: 100 })),
        added(dataFile({ partition: [2] })),
      ],
      { spec },
    )
    const { read } = write(c, { firstRowId: 10n })
    const ids = (options: Partial<ReadManifestOptions>): unknown[] =>
      read(options).map((e) => e.file.firstRowId)
    expect(ids({})).toEqual([undefined, 10n, 17n, 117n])
    expect(ids({ liveOnly: true })).toEqual([10n, 17n, 117n])
    expect(ids({ keepPartition: ([a]) => a === 2 })).toEqual([10n, 117n])
  })
})

describe('rules of writing', () => {
  const refuse = (entry: ManifestEntry, more: Partial<ManifestCase> = {}): RegExp | string => {
    try {
      write(simple([entry], more))
      return 'no error'
    } catch (error) {
      return (error as Error).message
    }
  }
  const vector = dataFile({
    content: 'position-deletes',
    fileFormat: 'PUFFIN',
    referencedDataFile: 'memory://t/a.parquet',
    contentOffset: 4,
    contentSizeBytes: 40,
  })
  const deletes = { content: 'deletes' } as const

  it.each<[string, ManifestEntry, Partial<ManifestCase>, RegExp]>([
    ['another spec', added(dataFile({ specId: 1 })), {}, /item 45/],
    ['delete files among data', added(vector), {}, /item 38/],
    ['data among delete files', added(), deletes, /item 38/],
    ['another snapshot on an added entry', { ...added(), snapshotId: 1n }, {}, /item 46/],
    ['a file sequence number on an added entry', { ...added(), fileSequenceNumber: 1 }, {}, /46/],
    ['a first row id on an added file', added(dataFile({ firstRowId: 1n })), {}, /items 46, 78/],
    [
      'an existing entry without a sequence number',
      { ...added(), status: 'existing', snapshotId: 1n },
      {},
      /item 47/,
    ],
    [
      'an existing entry without a snapshot',
      { ...added(), status: 'existing', sequenceNumber: 1 },
      {},
      /item 47/,
    ],
    [
      'a deleted entry with the id of another snapshot',
      { ...added(), status: 'deleted', snapshotId: 1n, sequenceNumber: 1 },
      {},
      /known-bugs\.md 26/,
    ],
    ['equality ids on data', added(dataFile({ equalityIds: [1] })), {}, /item 57/],
    [
      'equality deletes without ids',
      added(dataFile({ content: 'equality-deletes' })),
      deletes,
      /item 57/,
    ],
    ['a deletion vector in version 2', added(vector), { ...deletes, formatVersion: 2 }, /item 84/],
    [
      'a deletion vector without its data file',
      added({ ...vector, referencedDataFile: undefined }),
      deletes,
      /item 90/,
    ],
    [
      'a deletion vector without offset',
      added({ ...vector, contentOffset: undefined }),
      deletes,
      /item 90/,
    ],
    [
      'new position delete files in version 3',
      added(dataFile({ content: 'position-deletes' })),
      deletes,
      /item 84/,
    ],
    ['a sort order on position deletes', added({ ...vector, sortOrderId: 1 }), deletes, /item 54/],
    ['split offsets behind the end', added(dataFile({ splitOffsets: [4, 1000] })), {}, /item 55/],
    ['split offsets out of order', added(dataFile({ splitOffsets: [40, 4] })), {}, /item 55/],
    ['a negative count', added(dataFile({ recordCount: -1 })), {}, /not negative/],
    ['a partition of another length', added(dataFile({ partition: [1] })), {}, /partition tuple/],
  ])('refuses %s', (_what, entry, more, rule) => {
    expect(refuse(entry, more)).toMatch(rule)
    expect(refuse(entry, more)).toContain('[ASSERTION_FAILED]')
  })

  it('refuses an empty manifest, a value of another type, and unknown transforms (items 17, 44)', () => {
    expect(() => write(simple([]))).toThrow(/at least one entry/)
    const spec = (
      transform: ManifestCase['spec']['fields'][number]['transform'],
    ): ManifestCase['spec'] => ({
      specId: 0,
      fields: [{ sourceIds: [1], fieldId: 1000, name: 'a', transform }],
    })
    const entry = added(dataFile({ partition: ['text'] }))
    expect(refuse(entry, { spec: spec({ kind: 'identity' }) })).toContain('[TYPE_MISMATCH]')
    expect(refuse(entry, { spec: spec({ kind: 'unknown', text: 'zorder' }) })).toContain(
      '[UNSUPPORTED_TRANSFORM]',
    )
  })

  it('accepts a deletion vector and an existing entry whose file sequence number is not known', () => {
    expect(write(simple([added(vector)], deletes)).read()).toHaveLength(1)
    const old: ManifestEntry = { ...added(), status: 'existing', snapshotId: 1n, sequenceNumber: 2 }
    expect(write(simple([old])).read()).toMatchObject([{ fileSequenceNumber: null }])
  })

  it('finds the source of an old spec in an older schema', () => {
    const old = new Schema({
      schemaId: 0,
      fields: [{ id: 9, name: 'gone', required: false, type: { kind: 'string' } }],
    })
    const spec = {
      specId: 0,
      fields: [
        { sourceIds: [9], fieldId: 1000, name: 'gone', transform: { kind: 'identity' } as const },
      ],
    }
    const { bytes, summary } = writeManifest({
      ...simple([added(dataFile({ partition: ['x'] }))], { spec }),
      olderSchemas: [old],
      runtime: systemRuntime,
    })
    const manifest = toManifestFile(
      { manifestLength: bytes.byteLength, summary },
      { manifestPath: 'm', sequenceNumber: 1 },
    )
    const options = { manifest, limits: DEFAULT_LIMITS }
    const tuples = [[schema, old], [schema]].map((schemas) =>
      [...readManifest(bytes, { ...options, partition: partitionFields(spec, schemas) })].map(
        (e) => e.file.partition,
      ),
    )
    // Without the old schema the type is taken from the manifest itself.
    expect(tuples).toEqual([[['x']], [['x']]])
  })
})

describe('the writer', () => {
  it('tells how large the manifest has become', () => {
    const writer = new ManifestWriter({ ...simple([]), runtime: systemRuntime })
    const empty = writer.lengthBytes
    for (let i = 0; i < 2000; i++)
      writer.add(added(dataFile({ filePath: `memory://t/${i}.parquet` })))
    expect(writer.entryCount).toBe(2000)
    const { bytes } = writer.finish()
    expect(writer.lengthBytes).toBe(bytes.byteLength)
    expect(bytes.byteLength).toBeGreaterThan(empty)
  })

  it('keeps bounds apart from the file that was read', () => {
    const bound = Uint8Array.of(1, 2, 3)
    const [entry] = write(simple([added(dataFile({ lowerBounds: new Map([[1, bound]]) }))])).read()
    expect(entry?.file.lowerBounds?.get(1)?.buffer.byteLength).toBe(3)
  })
})
