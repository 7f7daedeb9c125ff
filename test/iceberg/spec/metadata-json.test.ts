/** Table metadata from and to JSON (iceberg-writer.md items 1–4, 9, 11, 22–27; known-bugs.md 24, 25). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type JsonObject, parseJson, stringifyJson } from '../../../src/core/json.ts'
import type { TableMetadata } from '../../../src/iceberg/spec/metadata.ts'
import {
  metadataFromJson,
  metadataToJson,
  withoutTrailingSlash,
} from '../../../src/iceberg/spec/metadata-json.ts'
import { errorOf } from '../../support/expect-error.ts'
import { arbitraryMetadata } from './arbitrary-metadata.ts'

const FILE = 's3://bucket/t/metadata/00001-a.metadata.json'
const read = (json: object): TableMetadata =>
  metadataFromJson(parseJson(JSON.stringify(json), FILE), FILE)
const write = (m: TableMetadata): string => stringifyJson(metadataToJson(m))
const again = (m: TableMetadata): TableMetadata => metadataFromJson(parseJson(write(m), FILE), FILE)

const SNAPSHOT = {
  'snapshot-id': 1,
  'sequence-number': 1,
  'timestamp-ms': 5,
  'manifest-list': 's3://bucket/t/metadata/snap-1.avro',
  summary: { operation: 'append' },
}
const V2 = {
  'format-version': 2,
  'table-uuid': '9c12d441-03fe-4693-9a96-a0705ddf69c1',
  location: 's3://bucket/t',
  'last-sequence-number': 1,
  'last-updated-ms': 5,
  'last-column-id': 2,
  'current-schema-id': 0,
  schemas: [
    {
      type: 'struct',
      'schema-id': 0,
      fields: [
        { id: 1, name: 'a', required: true, type: 'long' },
        { id: 2, name: 'b', required: false, type: 'string' },
      ],
    },
  ],
  'default-spec-id': 0,
  'partition-specs': [{ 'spec-id': 0, fields: [] }],
  'last-partition-id': 999,
  'default-sort-order-id': 0,
  'sort-orders': [{ 'order-id': 0, fields: [] }],
  'current-snapshot-id': 1,
  snapshots: [SNAPSHOT],
}
const V3 = { ...V2, 'format-version': 3, 'next-row-id': 0 }
const { schemas: _schemas, 'partition-specs': _specs, 'sort-orders': _orders, ...rest } = V2
const V1 = {
  ...rest,
  'format-version': 1,
  'current-schema-id': undefined,
  'default-spec-id': undefined,
  'default-sort-order-id': undefined,
  'last-partition-id': undefined,
  'last-sequence-number': undefined,
  'table-uuid': undefined,
  schema: V2.schemas[0],
  'partition-spec': [{ 'source-id': 1, name: 'a', transform: 'identity' }],
}

describe('round trip', () => {
  it.each([2, 3] as const)('keeps every field of version %d, unknown ones too', (version) => {
    fc.assert(
      fc.property(arbitraryMetadata(version), (m) => {
        const text = write(m)
        const back = metadataFromJson(parseJson(text, FILE), FILE)
        expect(back).toEqual(m)
        expect(write(back)).toBe(text)
      }),
      { numRuns: 60 },
    )
  })

  it('writes the keys of the reference implementation in its order (item 3)', () => {
    expect(Object.keys(metadataToJson(read(V3)))).toEqual([
      'format-version',
      'table-uuid',
      'location',
      'last-sequence-number',
      'last-updated-ms',
      'last-column-id',
      'current-schema-id',
      'schemas',
      'default-spec-id',
      'partition-specs',
      'last-partition-id',
      'default-sort-order-id',
      'sort-orders',
      'properties',
      'current-snapshot-id',
      'next-row-id',
      'refs',
      'snapshots',
      'statistics',
      'partition-statistics',
      'snapshot-log',
      'metadata-log',
    ])
    const v2 = Object.keys(metadataToJson(read(V2)))
    expect(v2).not.toContain('next-row-id')
    expect(v2).not.toContain('schema')
    const keys = [{ 'key-id': 'k', 'encrypted-key-metadata': 'AA==' }]
    const encrypted = Object.keys(metadataToJson(read({ ...V3, 'encryption-keys': keys })))
    expect(encrypted.indexOf('encryption-keys')).toBe(encrypted.indexOf('refs') - 1)
  })

  it.each([2n ** 53n + 1n, 2n ** 63n - 1n])('keeps the 64-bit id %d everywhere (item 1)', (id) => {
    const text = JSON.stringify({
      ...V3,
      'next-row-id': '#',
      'current-snapshot-id': '#',
      refs: { main: { 'snapshot-id': '#', type: 'branch' } },
      snapshots: [
        {
          ...SNAPSHOT,
          'snapshot-id': '#',
          'parent-snapshot-id': '#',
          'first-row-id': '#',
          'added-rows': '#',
        },
      ],
      'snapshot-log': [{ 'snapshot-id': '#', 'timestamp-ms': 1 }],
      'partition-statistics': [
        { 'snapshot-id': '#', 'statistics-path': 'x', 'file-size-in-bytes': 1 },
      ],
      statistics: [
        {
          'snapshot-id': '#',
          'statistics-path': 'x',
          'file-size-in-bytes': 1,
          'file-footer-size-in-bytes': 1,
          'blob-metadata': [{ type: 't', 'snapshot-id': '#', 'sequence-number': 1, fields: [] }],
        },
      ],
    }).replaceAll('"#"', String(id))
    const m = metadataFromJson(parseJson(text, FILE), FILE)
    expect(m.currentSnapshotId).toBe(id)
    expect(m.nextRowId).toBe(id)
    expect(m.snapshots[0]).toMatchObject({ snapshotId: id, parentSnapshotId: id, addedRows: id })
    expect(write(m).split(String(id))).toHaveLength(text.split(String(id)).length)
  })
})

describe('no current snapshot (item 4)', () => {
  const empty = { ...V2, snapshots: [] }
  it.each([
    ['absent', { ...empty, 'current-snapshot-id': undefined }],
    ['null', { ...empty, 'current-snapshot-id': null }],
    ['−1', { ...empty, 'current-snapshot-id': -1 }],
  ])('is read from %s', (_, json) => {
    const m = read(json)
    expect(m.currentSnapshotId).toBeUndefined()
    expect('currentSnapshotId' in m).toBe(false)
    expect(m.refs.size).toBe(0)
    expect(metadataToJson(m)['current-snapshot-id']).toBe(-1)
    expect(metadataToJson({ ...m, formatVersion: 3 })['current-snapshot-id']).toBeNull()
  })
})

describe('references (item 9)', () => {
  it('main is the current snapshot where refs are absent, null, or do not name it', () => {
    const main = { snapshotId: 1n, type: 'branch' }
    expect(read(V2).refs.get('main')).toEqual(main)
    expect(read({ ...V2, refs: null }).refs.get('main')).toEqual(main)
    const refs = { audit: { 'snapshot-id': 1, type: 'tag', 'max-ref-age-ms': 10 } }
    const m = read({ ...V2, refs })
    expect([...m.refs.keys()].sort()).toEqual(['audit', 'main'])
    expect(m.refs.get('audit')).toEqual({ snapshotId: 1n, type: 'tag', maxRefAgeMs: 10 })
  })

  it.each([
    ['main at another snapshot', { main: { 'snapshot-id': 2, type: 'branch' } }],
    ['a ref to a snapshot that does not exist', { tag: { 'snapshot-id': 3, type: 'tag' } }],
  ])('refuses %s', (_, refs) => {
    const snapshots = [SNAPSHOT, { ...SNAPSHOT, 'snapshot-id': 2, 'sequence-number': 0 }]
    errorOf('BAD_METADATA', () => read({ ...V2, snapshots, refs }))
  })

  it('refuses main where there is no current snapshot', () => {
    const refs = { main: { 'snapshot-id': 1, type: 'branch' } }
    errorOf('BAD_METADATA', () => read({ ...V2, 'current-snapshot-id': -1, refs }))
  })

  it('refuses a ref of an unknown type', () => {
    const refs = { x: { 'snapshot-id': 1, type: 'bookmark' } }
    expect(errorOf('BAD_METADATA', () => read({ ...V2, refs })).context['field']).toBe('refs.x')
  })
})

describe('v1 is normalised on read', () => {
  it('one schema and one spec become lists; ids count from 0 and 1000', () => {
    const m = read(V1)
    expect(m).toMatchObject({
      formatVersion: 1,
      currentSchemaId: 0,
      defaultSpecId: 0,
      defaultSortOrderId: 0,
      lastSequenceNumber: 0,
      lastPartitionId: 1000,
      nextRowId: 0n,
      partitionSpecs: [{ specId: 0, fields: [{ fieldId: 1000, name: 'a' }] }],
      sortOrders: [{ orderId: 0, fields: [] }],
    })
    expect(m.tableUuid).toBeUndefined()
    expect(m.schemas).toHaveLength(1)
    expect(m.refs.get('main')?.snapshotId).toBe(1n)
  })

  it('keeps inline manifests where there is no manifest list', () => {
    const snapshot = { 'snapshot-id': 1, 'timestamp-ms': 5, manifests: ['a.avro', 'b.avro'] }
    const m = read({ ...V1, snapshots: [snapshot] })
    expect(m.snapshots[0]).toEqual({
      snapshotId: 1n,
      sequenceNumber: 0,
      timestampMs: 5,
      manifests: ['a.avro', 'b.avro'],
      summary: {},
    })
  })

  it('is not written', () => {
    errorOf('FORMAT_VERSION', () => metadataToJson(read(V1)))
  })

  it('survives an upgrade and a round trip', () => {
    const m = { ...read(V1), formatVersion: 2 as const, tableUuid: V2['table-uuid'] }
    expect(again(m)).toEqual(m)
  })
})

describe('unknown JSON fields (item 26)', () => {
  it('are kept at every level', () => {
    const x = (o: object): object => ({ ...o, 'x-kept': { __proto__x: [1, null, '😀'] } })
    const json = x({
      ...V3,
      schemas: [x({ ...V2.schemas[0], fields: V2.schemas[0]?.fields.map(x) })],
      'partition-specs': [
        x({
          'spec-id': 0,
          fields: [x({ 'source-id': 1, 'field-id': 1000, name: 'a', transform: 'identity' })],
        }),
      ],
      'last-partition-id': 1000,
      'sort-orders': [
        x({
          'order-id': 0,
          fields: [
            x({
              transform: 'identity',
              'source-id': 1,
              direction: 'asc',
              'null-order': 'nulls-first',
            }),
          ],
        }),
      ],
      'encryption-keys': [x({ 'key-id': 'k', 'encrypted-key-metadata': 'AA==' })],
      refs: { main: x({ 'snapshot-id': 1, type: 'branch' }) },
      snapshots: [x(SNAPSHOT)],
      statistics: [
        x({
          'snapshot-id': 1,
          'statistics-path': 'x',
          'file-size-in-bytes': 1,
          'file-footer-size-in-bytes': 1,
          'blob-metadata': [x({ type: 't', 'snapshot-id': 1, 'sequence-number': 1, fields: [1] })],
        }),
      ],
      'partition-statistics': [
        x({ 'snapshot-id': 1, 'statistics-path': 'x', 'file-size-in-bytes': 1 }),
      ],
      'snapshot-log': [x({ 'timestamp-ms': 5, 'snapshot-id': 1 })],
      'metadata-log': [x({ 'timestamp-ms': 4, 'metadata-file': 'f' })],
    })
    const count = (text: string): number => text.split('x-kept').length - 1
    expect(count(write(read(json)))).toBe(count(JSON.stringify(json)))
    expect(count(write(again(read(json))))).toBe(16)
  })

  it('cannot overwrite what is known, nor pollute a prototype', () => {
    const text = JSON.stringify({ ...V2, properties: {} })
      .replace('{', '{"__proto__":{"polluted":1},')
      .replace('"properties":{}', '"properties":{"__proto__":"p"}')
    const m = metadataFromJson(parseJson(text, FILE), FILE)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(Object.keys(m.unknown as JsonObject)).toEqual(['__proto__'])
    expect(Object.keys(m.properties)).toEqual(['__proto__'])
    expect(write(m)).toContain('"__proto__":"p"')
    expect(write(m)).toContain('"__proto__":{"polluted":1}')
  })
})

describe('what writers leave out or get wrong, and readers must take', () => {
  it('raises last ids to those in use, so that none is given twice (item 6)', () => {
    const spec = { 'source-id': 1, 'field-id': 1007, name: 'a', transform: 'identity' }
    const m = read({
      ...V2,
      'last-column-id': 1,
      'partition-specs': [{ 'spec-id': 0, fields: [spec] }],
    })
    expect([m.lastColumnId, m.lastPartitionId]).toEqual([2, 1007])
  })

  it('takes an empty list of specs as unpartitioned, and order 0 as unsorted', () => {
    const m = read({ ...V2, 'partition-specs': [], 'sort-orders': [] })
    expect(m.partitionSpecs).toEqual([{ specId: 0, fields: [] }])
    expect(m.sortOrders).toEqual([{ orderId: 0, fields: [] }])
  })

  it('takes properties that are numbers or booleans as their text', () => {
    const m = read({ ...V2, properties: { a: 1, b: true, c: 'x' } })
    expect({ ...m.properties }).toEqual({ a: '1', b: 'true', c: 'x' })
  })

  it('takes v3 without next-row-id where no snapshot was ever made', () => {
    const { 'next-row-id': _, ...older } = V3
    expect(read({ ...older, snapshots: [], 'current-snapshot-id': -1 }).nextRowId).toBe(0n)
    errorOf('BAD_JSON', () => read(older))
  })

  it('takes null for absent optional fields', () => {
    const m = read({
      ...V2,
      properties: null,
      statistics: null,
      'snapshot-log': null,
      snapshots: [{ ...SNAPSHOT, 'parent-snapshot-id': null, 'schema-id': null, 'key-id': null }],
    })
    expect(m.snapshots[0]).toEqual({
      snapshotId: 1n,
      sequenceNumber: 1,
      timestampMs: 5,
      manifestList: SNAPSHOT['manifest-list'],
      summary: { operation: 'append' },
    })
    expect(
      read({ ...V2, snapshots: [{ ...SNAPSHOT, 'parent-snapshot-id': -1 }] }).snapshots[0],
    ).not.toHaveProperty('parentSnapshotId')
  })

  it.each([
    ['s3://b/t/', 's3://b/t'],
    ['s3://b/t///', 's3://b/t'],
    ['/', '/'],
    ['file:///', 'file://'],
    ['s3://', 's3://'],
    ['/a/b', '/a/b'],
  ])('location %s is %s (item 24)', (location, expected) => {
    expect(withoutTrailingSlash(location)).toBe(expected)
    expect(read({ ...V2, location }).location).toBe(expected)
  })
})

describe('bad metadata names file and field', () => {
  it.each<[string, string, object]>([
    ['FORMAT_VERSION', 'format-version', { ...V2, 'format-version': 4 }],
    ['BAD_METADATA', 'format-version', { ...V2, 'format-version': 0 }],
    ['BAD_JSON', 'format-version', { ...V2, 'format-version': '2' }],
    ['BAD_JSON', 'format-version', {}],
    ['BAD_METADATA', 'table-uuid', { ...V2, 'table-uuid': undefined }],
    ['BAD_JSON', 'location', { ...V2, location: undefined }],
    ['BAD_JSON', 'last-updated-ms', { ...V2, 'last-updated-ms': 1.5 }],
    ['BAD_JSON', 'last-sequence-number', { ...V2, 'last-sequence-number': undefined }],
    ['BAD_METADATA', 'last-sequence-number', { ...V2, 'last-sequence-number': 0 }],
    ['BAD_JSON', 'last-column-id', { ...V2, 'last-column-id': undefined }],
    ['BAD_METADATA', 'schemas', { ...V2, schemas: undefined }],
    ['BAD_METADATA', 'current-schema-id', { ...V2, 'current-schema-id': 1 }],
    ['BAD_METADATA', 'current-schema-id', { ...V2, schemas: [] }],
    ['BAD_METADATA', 'schemas', { ...V2, schemas: [V2.schemas[0], V2.schemas[0]] }],
    [
      'BAD_METADATA',
      'schemas',
      { ...V2, schemas: [{ ...V2.schemas[0], 'identifier-field-ids': [9] }] },
    ],
    [
      'BAD_METADATA',
      'schemas',
      {
        ...V2,
        schemas: [
          { ...V2.schemas[0], fields: [V2.schemas[0]?.fields[0], V2.schemas[0]?.fields[0]] },
        ],
      },
    ],
    ['BAD_METADATA', 'partition-specs', { ...V2, 'partition-specs': undefined }],
    ['BAD_METADATA', 'default-spec-id', { ...V2, 'default-spec-id': 7 }],
    ['BAD_METADATA', 'last-partition-id', { ...V2, 'last-partition-id': undefined }],
    ['BAD_METADATA', 'sort-orders', { ...V2, 'sort-orders': undefined }],
    ['BAD_METADATA', 'default-sort-order-id', { ...V2, 'default-sort-order-id': 7 }],
    ['BAD_METADATA', 'current-snapshot-id', { ...V2, 'current-snapshot-id': 7 }],
    ['BAD_METADATA', 'snapshots', { ...V2, snapshots: [SNAPSHOT, SNAPSHOT] }],
    [
      'BAD_METADATA',
      'snapshots[]',
      { ...V2, snapshots: [{ ...SNAPSHOT, 'manifest-list': undefined }] },
    ],
    ['BAD_JSON', 'snapshots[].snapshot-id', { ...V2, snapshots: [{}] }],
    ['BAD_JSON', 'snapshots', { ...V2, snapshots: {} }],
    ['BAD_METADATA', 'next-row-id', { ...V3, 'next-row-id': -1 }],
    ['BAD_JSON', 'next-row-id', { ...V3, 'next-row-id': 'x' }],
    ['BAD_JSON', 'refs', { ...V2, refs: [] }],
    ['BAD_JSON', 'properties.a', { ...V2, properties: { a: {} } }],
    ['BAD_JSON', 'statistics[].snapshot-id', { ...V2, statistics: [{}] }],
    ['BAD_JSON', 'metadata-log[].timestamp-ms', { ...V2, 'metadata-log': [{}] }],
    ['BAD_JSON', 'table metadata', []],
    ['BAD_JSON', 'schema', { ...V1, schema: undefined }],
  ])('%s at %s', (code, field, json) => {
    const error = errorOf(code as 'BAD_METADATA', () => read(json))
    expect(error.context).toMatchObject({ file: FILE, field })
    expect(error.message).toContain(FILE)
    expect(error.message).toContain(field)
  })

  it('never fails with anything but a typed error when fields are removed or replaced', () => {
    const base = JSON.stringify({
      ...V3,
      refs: { main: { 'snapshot-id': 1, type: 'branch' } },
      properties: { a: 'b' },
      statistics: [],
      'snapshot-log': [{ 'snapshot-id': 1, 'timestamp-ms': 5 }],
    })
    const paths: (string | number)[][] = []
    const walk = (value: unknown, path: (string | number)[]): void => {
      paths.push(path)
      if (typeof value !== 'object' || value === null) return
      for (const [key, item] of Object.entries(value)) {
        walk(item, [...path, Array.isArray(value) ? Number(key) : key])
      }
    }
    walk(JSON.parse(base), [])
    const junk = [undefined, null, -1, 1.5, 2 ** 53, '', 'x', true, [], {}, [[]], { type: 'list' }]
    fc.assert(
      fc.property(fc.constantFrom(...paths.slice(1)), fc.constantFrom(...junk), (path, value) => {
        const json = JSON.parse(base) as Record<string, unknown>
        let at: Record<string | number, unknown> = json
        for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>
        const last = path.at(-1) as string | number
        if (value === undefined && Array.isArray(at)) at.splice(last as number, 1)
        else at[last] = value
        try {
          const m = read(json)
          expect(again(m)).toEqual(m)
        } catch (error) {
          expect(error).toMatchObject({ name: 'FloeError', context: { file: FILE } })
        }
      }),
      { numRuns: 1500 },
    )
  })
})
