/** Manifest lists: round trips, avsc as a second reader, older versions, and the rules of writing. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS, resolveLimits } from '../../../src/core/limits.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { AvroContainer } from '../../../src/iceberg/avro/container.ts'
import type {
  FieldSummary,
  ManifestContent,
  ManifestFile,
} from '../../../src/iceberg/manifest/entry.ts'
import { readManifestList } from '../../../src/iceberg/manifest/manifest-list-reader.ts'
import {
  type ManifestListOptions,
  writeManifestList,
} from '../../../src/iceberg/manifest/manifest-list-writer.ts'
import { oracleDecode, oracleRecords } from '../avro/avsc-oracle.ts'
import { snapshotIds } from './arbitrary-entries.ts'

const read = (bytes: Uint8Array, limits = DEFAULT_LIMITS): ManifestFile[] =>
  readManifestList(bytes, { file: 'snap-1.avro', limits })

const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined })
const summaries: fc.Arbitrary<FieldSummary> = fc.record({
  containsNull: fc.boolean(),
  containsNan: maybe(fc.boolean()),
  lowerBound: maybe(fc.uint8Array({ maxLength: 20 })),
  upperBound: maybe(fc.uint8Array({ maxLength: 20 })),
})

function manifests(version: 2 | 3): fc.Arbitrary<ManifestFile> {
  return fc.constantFrom<ManifestContent>('data', 'deletes').chain((content) =>
    fc.record({
      manifestPath: fc.uuid().map((id) => `s3://bucket/metadata/${id}-m0.avro`),
      manifestLength: fc.integer({ min: 1, max: 2 ** 50 }),
      partitionSpecId: fc.nat(),
      content: fc.constant(content),
      sequenceNumber: fc.integer({ min: 5, max: 9 }),
      minSequenceNumber: fc.nat(5),
      addedSnapshotId: snapshotIds,
      addedFilesCount: fc.nat(),
      existingFilesCount: fc.nat(),
      deletedFilesCount: fc.nat(),
      addedRowsCount: fc.nat(2 ** 50),
      existingRowsCount: fc.nat(2 ** 50),
      deletedRowsCount: fc.nat(2 ** 50),
      partitions: maybe(fc.array(summaries, { maxLength: 3 })),
      keyMetadata: maybe(fc.uint8Array({ maxLength: 5 })),
      firstRowId: version === 3 && content === 'data' ? snapshotIds : fc.constant(undefined),
    }),
  )
}

const lists: fc.Arbitrary<ManifestListOptions> = fc
  .constantFrom<2 | 3>(2, 3)
  .chain((formatVersion) =>
    fc.record({
      formatVersion: fc.constant(formatVersion),
      snapshotId: fc.constant(0n),
      parentSnapshotId: maybe(snapshotIds),
      sequenceNumber: fc.constant(10),
      firstRowId: formatVersion === 3 ? snapshotIds : fc.constant(undefined),
      manifests: fc.array(manifests(formatVersion), { maxLength: 6 }),
      runtime: fc.constant(systemRuntime),
      codec: fc.constantFrom('null', 'deflate' as const),
    }),
  )

const line = (more: Partial<ManifestFile> = {}): ManifestFile => ({
  manifestPath: 'memory://t/m0.avro',
  manifestLength: 100,
  partitionSpecId: 0,
  content: 'data',
  sequenceNumber: 10,
  minSequenceNumber: 10,
  addedSnapshotId: 1n,
  addedFilesCount: 1,
  existingFilesCount: 0,
  deletedFilesCount: 0,
  addedRowsCount: 1,
  existingRowsCount: 0,
  deletedRowsCount: 0,
  partitions: [],
  firstRowId: 0n,
  ...more,
})

const write = (list: ManifestFile[], more: Partial<ManifestListOptions> = {}): Uint8Array =>
  writeManifestList({
    formatVersion: 3,
    snapshotId: 1n,
    sequenceNumber: 10,
    firstRowId: 0n,
    manifests: list,
    runtime: systemRuntime,
    ...more,
  })

describe('manifest lists', () => {
  it('give their lines back (item 30)', () => {
    fc.assert(
      fc.property(lists, (options) => {
        expect(read(writeManifestList(options))).toEqual(options.manifests)
      }),
      { numRuns: 300 },
    )
  })

  it('are read by avsc', async () => {
    await fc.assert(
      fc.asyncProperty(lists, async (options) => {
        const records = (await oracleDecode(writeManifestList(options))) as Record<
          string,
          unknown
        >[]
        expect(
          records.map((r) => [
            r['manifest_path'],
            r['content'],
            r['added_snapshot_id'],
            r['deleted_rows_count'],
            r['first_row_id'] ?? undefined,
            (r['partitions'] as unknown[] | null)?.length,
          ]),
        ).toEqual(
          options.manifests.map((m) => [
            m.manifestPath,
            m.content === 'data' ? 0 : 1,
            m.addedSnapshotId,
            BigInt(m.deletedRowsCount ?? -1),
            m.firstRowId,
            m.partitions?.length,
          ]),
        )
      }),
      { numRuns: 100 },
    )
  })

  it('have every header key of item 29', () => {
    const header = (bytes: Uint8Array): Record<string, string | undefined> => {
      const container = new AvroContainer(bytes, 'list', DEFAULT_LIMITS)
      const keys = [...container.metadata.keys()].filter((key) => !/schema/.test(key))
      return Object.fromEntries(keys.map((key) => [key, container.text(key)]))
    }
    const common = { 'avro.codec': 'deflate', 'sequence-number': '10', 'snapshot-id': '1' }
    expect(header(write([line()], { parentSnapshotId: 2n ** 63n - 1n, firstRowId: 5n }))).toEqual({
      ...common,
      'format-version': '3',
      'parent-snapshot-id': '9223372036854775807',
      'first-row-id': '5',
    })
    const two = { formatVersion: 2, firstRowId: undefined } as const
    expect(header(write([line({ firstRowId: undefined })], two))).toEqual({
      ...common,
      'format-version': '2',
      'parent-snapshot-id': 'null',
    })
  })

  it('are in the order given (item 36)', () => {
    const paths = ['z', 'a', 'm'].map((name) => `memory://t/${name}.avro`)
    const bytes = write(paths.map((manifestPath) => line({ manifestPath })))
    expect(read(bytes).map((m) => m.manifestPath)).toEqual(paths)
  })
})

describe('lists of others', () => {
  const field = (name: string, type: unknown, id?: number): object => ({
    name,
    type,
    ...(id === undefined ? {} : { 'field-id': id }),
  })
  const record = (fields: object[]): object => ({ type: 'record', name: 'manifest_file', fields })
  const one = {
    manifest_path: 'm.avro',
    manifest_length: 5n,
    partition_spec_id: 0,
    added_snapshot_id: 7n,
  }
  const required = [
    field('manifest_path', 'string', 500),
    field('manifest_length', 'long', 501),
    field('partition_spec_id', 'int', 502),
    field('added_snapshot_id', ['null', 'long'], 503),
  ]

  it('of version 1 get content data, sequence number 0 and unknown counts (item 49)', () => {
    expect(read(oracleRecords(record(required), [one]))).toEqual([
      {
        manifestPath: 'm.avro',
        manifestLength: 5,
        partitionSpecId: 0,
        addedSnapshotId: 7n,
        content: 'data',
        sequenceNumber: 0,
        minSequenceNumber: 0,
      },
    ])
  })

  it('without field ids are read by name, old names of counts among them', () => {
    const schema = record([
      field('manifest_path', 'string'),
      field('manifest_length', 'long'),
      field('partition_spec_id', 'int'),
      field('added_snapshot_id', 'long'),
      field('added_data_files_count', 'int'),
      field('existing_files_count', ['null', 'int']),
    ])
    const row = { ...one, added_data_files_count: 3, existing_files_count: null }
    expect(read(oracleRecords(schema, [row]))).toMatchObject([
      { manifestPath: 'm.avro', addedFilesCount: 3 },
    ])
  })

  it('go by field id where names mislead', () => {
    const schema = record([
      ...required,
      field('deleted_files_count', 'int', 504),
      field('other', 'string', 9999),
    ])
    const row = { ...one, deleted_files_count: 3, other: 'passed over' }
    const [manifest] = read(oracleRecords(schema, [row]))
    expect([manifest?.addedFilesCount, manifest?.deletedFilesCount]).toEqual([3, undefined])
  })

  it.each([
    ['no path', required.slice(1), { ...one }, /manifest_path/],
    ['no snapshot', required, { ...one, added_snapshot_id: null }, /added_snapshot_id/],
    ['a negative length', required, { ...one, manifest_length: -5n }, /negative/],
    ['content 2', [...required, field('content', 'int', 517)], { ...one, content: 2 }, /content 2/],
    [
      'a path that is a number',
      [field('manifest_path', 'int', 500), ...required.slice(1)],
      { ...one, manifest_path: 5 },
      /a string is expected/,
    ],
  ])('with %s are corrupt', (_what, fields, row, why) => {
    const bytes = oracleRecords(record(fields as object[]), [row])
    expect(() => read(bytes)).toThrow(why as RegExp)
    expect(() => read(bytes)).toThrow(/snap-1\.avro.*\[CORRUPT_MANIFEST\]/)
  })

  it('larger than limits.manifestBytes are refused', () => {
    const bytes = write([line()])
    const limits = resolveLimits({ manifestBytes: bytes.byteLength - 1 })
    expect(() => read(bytes, limits)).toThrow(/manifestBytes.*\[LIMIT_EXCEEDED\]/)
  })
})

describe('rules of writing lists', () => {
  it.each<[string, Partial<ManifestFile>, Partial<ManifestListOptions>, RegExp]>([
    [
      'a new manifest with another sequence number',
      { sequenceNumber: 9, minSequenceNumber: 9 },
      {},
      /item 33/,
    ],
    [
      'a carried manifest from the future',
      { addedSnapshotId: 2n, sequenceNumber: 11 },
      {},
      /item 33/,
    ],
    ['a least sequence number above the own', { minSequenceNumber: 11 }, {}, /item 33/],
    ['no length', { manifestLength: 0 }, {}, /item 31/],
    ['unknown counts', { addedFilesCount: undefined }, {}, /items 30, 35/],
    ['data without a first row id in version 3', { firstRowId: undefined }, {}, /item 75/],
    ['deletes with a first row id', { content: 'deletes' }, {}, /item 75/],
    ['a first row id in version 2', {}, { formatVersion: 2, firstRowId: undefined }, /item 75/],
    ['version 3 without a first row id', {}, { firstRowId: undefined }, /item 29/],
    ['version 2 with a first row id', { firstRowId: undefined }, { formatVersion: 2 }, /item 29/],
  ])('refuse %s', (_what, manifest, options, rule) => {
    expect(() => write([line(manifest)], options)).toThrow(rule)
    expect(() => write([line(manifest)], options)).toThrow(/ASSERTION_FAILED/)
  })

  it('refuse a manifest that stands twice', () => {
    expect(() => write([line(), line()])).toThrow(/stands once/)
  })
})
