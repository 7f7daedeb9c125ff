/** Metadata of other engines: loads, or fails for the cause that the reference implementation gives. */
import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { type ErrorCode, isFloeError } from '../../../src/core/errors.ts'
import { parseJson, parseJsonBytes, stringifyJson } from '../../../src/core/json.ts'
import { resolveLimits } from '../../../src/core/limits.ts'
import { decodeMetadataFile } from '../../../src/iceberg/metadata-file/metadata-file.ts'
import type { TableMetadata } from '../../../src/iceberg/spec/metadata.ts'
import { metadataFromJson, metadataToJson } from '../../../src/iceberg/spec/metadata-json.ts'
import { ancestorsOf } from '../../../src/iceberg/spec/refs.ts'
import { corpusIndex, corpusPath, corpusPresent, describeCorpus } from '../../support/corpus.ts'

const limits = resolveLimits()
const load = (path: string): TableMetadata =>
  decodeMetadataFile(readFileSync(corpusPath(path)), path, limits)

/** The code and the words of ours for each cause that the index gives. */
const CAUSES: ReadonlyArray<readonly [RegExp, ErrorCode, RegExp]> = [
  [/unsupported version/, 'FORMAT_VERSION', /format-version is 42/],
  [/Cannot parse type from json/, 'BAD_METADATA', /its type is not "struct"/],
  [/current-schema-id=2/, 'BAD_METADATA', /current-schema-id 2 is not among the schemas/],
  [/last-partition-id must exist/, 'BAD_METADATA', /last-partition-id is missing/],
  [/partition-specs must exist/, 'BAD_METADATA', /partition-specs is missing/],
  [/schemas must exist/, 'BAD_METADATA', /schemas is missing/],
  [/sort-orders must exist/, 'BAD_METADATA', /sort-orders is missing/],
  [/No valid schema/, 'BAD_JSON', /schema: expected an object, found nothing/],
  [/a typed metadata error/, 'BAD_JSON', /after the end of the value/],
]

/** What the index says of single files, beside that they load. */
const FACTS: Readonly<Record<string, (m: TableMetadata) => void>> = {
  'metadata-iceberg-java-tablemetadatav2valid': (m) => {
    expect(m.refs.get('main')?.snapshotId).toBe(m.currentSnapshotId)
    expect(m.schemas).toHaveLength(2)
    expect(m.schemas[1]?.identifierFieldIds).toEqual([1, 2])
    expect(m.sortOrders[0]).toMatchObject({ orderId: 3 })
  },
  'metadata-iceberg-java-tablemetadatav3validminimal': (m) => {
    expect(m.nextRowId).toBe(0n)
    expect(m.schemas[0]?.fields[0]).toMatchObject({ initialDefault: 1n, writeDefault: 1n })
  },
  'metadata-iceberg-java-tablemetadatastatisticsfiles': (m) => expect(m.statistics).toHaveLength(1),
  'metadata-iceberg-java-tablemetadatapartitionstatisticsfiles': (m) =>
    expect(m.partitionStatistics).toHaveLength(1),
  'metadata-iceberg-rust-tablemetadatav1compat': (m) => {
    expect(m).toMatchObject({
      formatVersion: 1,
      lastUpdatedMs: 1_727_773_114_005,
      currentSchemaId: 0,
    })
    expect(Object.keys(m.unknown ?? {}).sort()).toEqual([
      'partition-statistics-files',
      'statistics-files',
    ])
  },
  'metadata-iceberg-rust-tablemetadatav1partitionspecswithoutdefaultid': (m) =>
    expect(m.defaultSpecId).toBe(2),
  'metadata-iceberg-rust-tablemetadatav1schemaswithoutcurrentid': (m) =>
    expect(m.schemas.map((s) => s.fields.map((f) => f.name))).toEqual([['x', 'y', 'z']]),
  'metadata-iceberg-rust-tablemetadatav3validencryption': (m) => {
    expect(m.encryptionKeys.length).toBeGreaterThan(0)
    expect(m.snapshots[0]?.keyId).toBeDefined()
  },
  'metadata-iceberg-rust-example-table-metadata-v2-deep-history': (m) => {
    expect([...ancestorsOf(m, m.currentSnapshotId)].length).toBeGreaterThan(1)
  },
  'metadata-iceberg-rust-tablemetadatav3valid': (m) => expect(m.nextRowId).toBe(42n),
}

/** Parsed, written and parsed again it is the same; nothing that it said is lost. */
function expectRoundTrip(m: TableMetadata, path: string): void {
  const upgraded: TableMetadata =
    m.formatVersion === 1 ? { ...m, formatVersion: 2, tableUuid: m.tableUuid ?? 'none' } : m
  const text = stringifyJson(metadataToJson(upgraded))
  const again = metadataFromJson(parseJson(text, path), path)
  expect(again).toEqual(upgraded)
  expect(stringifyJson(metadataToJson(again))).toBe(text)
}

describeCorpus('corpus metadata (known-bugs 24, 25)', () => {
  const entries = corpusIndex().filter((entry) => entry.kind === 'metadata')

  it('has the files that the tests below name', () => {
    const ids = entries.map((entry) => entry.id)
    expect(entries.length).toBeGreaterThanOrEqual(23)
    expect(Object.keys(FACTS).filter((id) => !ids.includes(id))).toEqual([])
  })

  for (const entry of entries) {
    const expected = entry['expected_error'] as string | undefined
    if (expected === undefined) {
      it(`${entry.id} loads and round-trips`, () => {
        const m = load(entry.path)
        if (entry['format_version'] !== null) expect(m.formatVersion).toBe(entry['format_version'])
        FACTS[entry.id]?.(m)
        expectRoundTrip(m, entry.path)
      })
      continue
    }
    it(`${entry.id} fails: ${expected}`, () => {
      const cause = CAUSES.find(([pattern]) => pattern.test(expected))
      let error: unknown
      try {
        load(entry.path)
      } catch (e) {
        error = e
      }
      expect(isFloeError(error) ? error.code : error).toBe(cause?.[1])
      expect((error as Error).message).toMatch(cause?.[2] as RegExp)
      expect((error as Error).message).toContain(entry.path)
    })
  }
})

describeCorpus('corpus metadata of views', () => {
  const views = corpusIndex().filter((entry) => entry.kind === 'view-metadata')

  it('is there', () => {
    expect(views.length).toBeGreaterThan(0)
  })

  it.each(views)('$id is not taken for a table', ({ path }) => {
    let error: unknown
    try {
      load(path)
    } catch (e) {
      error = e
    }
    expect(isFloeError(error) && error.kind).toBe('invalid-data')
  })
})

describeCorpus('every metadata file of the corpus tables', () => {
  const all = corpusPresent
    ? readdirSync(corpusPath('tables'), { recursive: true, encoding: 'utf8' })
    : []
  const files = all.filter((file) => /\.metadata\.json$/.test(file)).sort()

  const PLACEHOLDER = 'duck-bigquery/metadata/v0.metadata.json'

  it('there are some two hundred', () => {
    expect(files.length).toBeGreaterThan(200)
  })

  it('but one, which its writer left without content', () => {
    let error: unknown
    try {
      load(`tables/${PLACEHOLDER}`)
    } catch (e) {
      error = e
    }
    expect(error).toMatchObject({ code: 'BAD_JSON', context: { field: 'format-version' } })
  })

  it.each(files.filter((file) => file !== PLACEHOLDER))('%s', (file) => {
    const path = `tables/${file}`
    const m = load(path)
    expectRoundTrip(m, path)
    // No 64-bit id that stands in the file is lost or rounded on the way.
    const bytes = readFileSync(corpusPath(path))
    const plain = file.endsWith('.gz.metadata.json') ? gunzipSync(bytes) : bytes
    const ids = new Set(plain.toString().match(/\b\d{16,20}\b/g))
    const version = m.formatVersion === 1 ? { formatVersion: 2 as const, tableUuid: 'none' } : {}
    const written = stringifyJson(metadataToJson({ ...m, ...version }))
    expect([...ids].filter((id) => !written.includes(id))).toEqual([])
    expect(parseJsonBytes(plain, path)).toBeTypeOf('object')
  })
})
