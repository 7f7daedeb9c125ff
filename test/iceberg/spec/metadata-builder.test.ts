/** Every update of the REST protocol (iceberg-writer.md items 5–10, 13, 18–20, 74, 81, 113, 126, 127, 131, 136). */
import { describe, expect, it } from 'vitest'
import { stringifyJson } from '../../../src/core/json.ts'
import type {
  PartitionStatisticsFile,
  StatisticsFile,
  TableMetadata,
} from '../../../src/iceberg/spec/metadata.ts'
import { applyUpdates } from '../../../src/iceberg/spec/metadata-builder.ts'
import { metadataToJson } from '../../../src/iceberg/spec/metadata-json.ts'
import { newTableUpdates } from '../../../src/iceberg/spec/new-table.ts'
import type { PartitionSpec } from '../../../src/iceberg/spec/partition-spec.ts'
import {
  partitionSpecFromText,
  sortOrderFromText,
} from '../../../src/iceberg/spec/partition-spec-builder.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import type { NestedField } from '../../../src/iceberg/spec/types.ts'
import type { MetadataUpdate } from '../../../src/iceberg/spec/updates.ts'
import { errorOf } from '../../support/expect-error.ts'
import {
  COLUMNS,
  CREATED_MS,
  change,
  commit,
  newTable,
  nextSnapshot,
  UUID,
} from './table-fixture.ts'

const withField = (schema: Schema, ...fields: NestedField[]): Schema =>
  new Schema({
    schemaId: 0,
    fields: [...schema.fields, ...fields],
    identifierFieldIds: schema.identifierFieldIds,
  })
const int = (id: number, name: string): NestedField => ({
  id,
  name,
  required: false,
  type: { kind: 'int' },
})
const ids = (m: TableMetadata): bigint[] => m.snapshots.map((s) => s.snapshotId)
const log = (m: TableMetadata): bigint[] => m.snapshotLog.map((entry) => entry.snapshotId)

describe('creating a table', () => {
  it('makes version 2 without a snapshot (items 2, 7, 8)', () => {
    expect(newTable()).toEqual({
      formatVersion: 2,
      tableUuid: UUID,
      location: 's3://bucket/t',
      lastSequenceNumber: 0,
      lastUpdatedMs: CREATED_MS,
      lastColumnId: 4,
      currentSchemaId: 0,
      schemas: [COLUMNS],
      defaultSpecId: 0,
      partitionSpecs: [{ specId: 0, fields: [] }],
      lastPartitionId: 999,
      defaultSortOrderId: 0,
      sortOrders: [{ orderId: 0, fields: [] }],
      properties: {},
      nextRowId: 0n,
      encryptionKeys: [],
      refs: new Map(),
      snapshots: [],
      statistics: [],
      partitionStatistics: [],
      snapshotLog: [],
      metadataLog: [],
    })
  })

  it('numbers partition fields from 1000 and sort orders from 1', () => {
    const m = newTable({ formatVersion: 3, partitionBy: ['day(ts)', 'item'], sortBy: ['id desc'] })
    expect(m.formatVersion).toBe(3)
    expect(m.partitionSpecs[0]?.fields.map((f) => f.fieldId)).toEqual([1000, 1001])
    expect([m.lastPartitionId, m.defaultSortOrderId, m.nextRowId]).toEqual([1001, 1, 0n])
    expect(JSON.parse(stringifyJson(metadataToJson(m)))['next-row-id']).toBe(0)
  })

  it.each([
    'assign-uuid',
    'set-location',
    'set-current-schema',
    'set-default-spec',
    'set-default-sort-order',
  ])('is incomplete without %s', (action) => {
    const updates = newTableUpdates({
      uuid: UUID,
      formatVersion: 2,
      location: 's3://b/t',
      schema: COLUMNS,
    })
    const some = updates.filter((u) => u.action !== action)
    errorOf('BAD_METADATA', () => applyUpdates(null, some, { nowMs: 1 }))
    expect(() => applyUpdates(null, updates, { nowMs: 1 })).not.toThrow()
  })

  it('wants a schema before specs', () => {
    const spec: MetadataUpdate = { action: 'add-spec', spec: { specId: 0, fields: [] } }
    errorOf('BAD_METADATA', () => applyUpdates(null, [spec], { nowMs: 1 }))
  })

  it('does not make version 1', () => {
    const updates: MetadataUpdate[] = [{ action: 'upgrade-format-version', formatVersion: 1 }]
    errorOf('FORMAT_VERSION', () => applyUpdates(null, updates, { nowMs: 1 }))
  })
})

describe('time (item 5; known-bugs 30)', () => {
  it('never goes back, also when the clock does', () => {
    let m = newTable()
    for (const nowMs of [CREATED_MS - 10_000, CREATED_MS - 120_000, CREATED_MS]) {
      const next = applyUpdates(m, [{ action: 'set-properties', updates: { a: String(nowMs) } }], {
        nowMs,
      })
      expect(next.lastUpdatedMs).toBe(m.lastUpdatedMs + 1)
      m = next
    }
    expect(
      applyUpdates(m, [{ action: 'set-properties', updates: { a: 'x' } }], { nowMs: 2e12 })
        .lastUpdatedMs,
    ).toBe(2e12)
  })

  it('orders the snapshot log when snapshots are older or newer than the table', () => {
    let m = newTable()
    for (const [i, step] of [-120_000, 120_000, -10_000, 0].entries()) {
      const snapshot = nextSnapshot(m, BigInt(i + 1), { timestampMs: m.lastUpdatedMs + step })
      m = change(
        m,
        { action: 'add-snapshot', snapshot },
        {
          action: 'set-snapshot-ref',
          refName: 'main',
          ref: { snapshotId: snapshot.snapshotId, type: 'branch' },
        },
      )
      expect(m.lastUpdatedMs).toBeGreaterThanOrEqual(snapshot.timestampMs)
    }
    const times = m.snapshotLog.map((entry) => entry.timestampMs)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(m.lastUpdatedMs).toBe(times.at(-1))
    expect(log(m)).toEqual([1n, 2n, 3n, 4n])
  })

  it('a snapshot is found at its own timestamp: the log has the same', () => {
    const m = commit(newTable(), 7n)
    expect(m.snapshotLog).toEqual([{ timestampMs: m.snapshots[0]?.timestampMs, snapshotId: 7n }])
  })
})

describe('metadata log (item 10)', () => {
  it('appends the previous file with its own time', () => {
    const base = newTable()
    const m = commit(base, 1n)
    expect(m.metadataLog).toEqual([
      { timestampMs: CREATED_MS, metadataFile: `metadata/${CREATED_MS}.metadata.json` },
    ])
  })

  it.each([
    [undefined, 100],
    ['3', 3],
    ['1', 1],
    ['0', 1],
    ['-5', 1],
  ])('is trimmed to write.metadata.previous-versions-max = %s', (max, expected) => {
    const name = 'write.metadata.previous-versions-max'
    let m = newTable(max === undefined ? {} : { properties: { [name]: max } })
    for (let i = 1; i <= 105; i++) m = commit(m, BigInt(i))
    expect(m.metadataLog).toHaveLength(expected)
    expect(m.metadataLog.at(-1)?.metadataFile).toBe(
      `metadata/${m.lastUpdatedMs - 1000}.metadata.json`,
    )
  })

  it('can be put right when its property is not a number', () => {
    const name = 'write.metadata.previous-versions-max'
    const broken = { ...newTable(), properties: { [name]: 'many' } }
    errorOf('BAD_ARGUMENT', () => commit(broken, 1n))
    expect(
      change(broken, { action: 'set-properties', updates: { [name]: '5' } }).metadataLog,
    ).toHaveLength(1)
  })
})

describe('updates that change nothing give the base itself', () => {
  it.each<[string, (m: TableMetadata) => MetadataUpdate[]]>([
    ['none', () => []],
    ['the same uuid', () => [{ action: 'assign-uuid', uuid: UUID.toUpperCase() }]],
    ['the same version', () => [{ action: 'upgrade-format-version', formatVersion: 2 }]],
    ['an equal schema', () => [{ action: 'add-schema', schema: COLUMNS }]],
    [
      'an equal schema made current',
      () => [
        { action: 'add-schema', schema: COLUMNS },
        { action: 'set-current-schema', schemaId: -1 },
      ],
    ],
    ['an equal spec', (m) => [{ action: 'add-spec', spec: m.partitionSpecs[0] as PartitionSpec }]],
    ['the same location', () => [{ action: 'set-location', location: 's3://bucket/t/' }]],
    ['equal properties', () => [{ action: 'set-properties', updates: { a: 'b' } }]],
    ['no properties', () => [{ action: 'set-properties', updates: {} }]],
    [
      'a property that is not there',
      () => [{ action: 'remove-properties', removals: ['z', 'toString'] }],
    ],
    [
      'a ref where it is',
      () => [
        { action: 'set-snapshot-ref', refName: 'main', ref: { snapshotId: 1n, type: 'branch' } },
      ],
    ],
    ['a ref that is not there', () => [{ action: 'remove-snapshot-ref', refName: 'x' }]],
    ['snapshots that are not there', () => [{ action: 'remove-snapshots', snapshotIds: [9n] }]],
    ['statistics that are not there', () => [{ action: 'remove-statistics', snapshotId: 9n }]],
    [
      'partition statistics that are not there',
      () => [{ action: 'remove-partition-statistics', snapshotId: 9n }],
    ],
    ['specs that are not there', () => [{ action: 'remove-partition-specs', specIds: [9] }]],
    ['schemas that are not there', () => [{ action: 'remove-schemas', schemaIds: [9] }]],
    ['a key that is not there', () => [{ action: 'remove-encryption-key', keyId: 'k' }]],
  ])('%s', (_, updates) => {
    const base = commit(newTable({ partitionBy: ['day(ts)'], properties: { a: 'b' } }), 1n)
    expect(change(base, ...updates(base))).toBe(base)
  })
})

describe('uuid and version', () => {
  it('a uuid is never reassigned', () => {
    errorOf('BAD_METADATA', () => change(newTable(), { action: 'assign-uuid', uuid: 'other' }))
  })

  it('goes up, never down (items 27, 136)', () => {
    const m = change(commit(newTable(), 1n), { action: 'upgrade-format-version', formatVersion: 3 })
    expect([m.formatVersion, m.nextRowId]).toEqual([3, 0n])
    errorOf('FORMAT_VERSION', () =>
      change(m, { action: 'upgrade-format-version', formatVersion: 2 }),
    )
    errorOf('FORMAT_VERSION', () =>
      change(m, { action: 'upgrade-format-version', formatVersion: 4 as 3 }),
    )
  })

  it('gives a v1 table without a uuid one when it is upgraded (item 136)', () => {
    const { tableUuid: _, ...v1 } = { ...newTable(), formatVersion: 1 as const }
    const upgrade: MetadataUpdate = { action: 'upgrade-format-version', formatVersion: 2 }
    errorOf('BAD_METADATA', () => change(v1, upgrade))
    const m = change(v1, upgrade, { action: 'assign-uuid', uuid: UUID })
    expect(m).toMatchObject({ formatVersion: 2, tableUuid: UUID, lastSequenceNumber: 0 })
  })
})

describe('schemas (items 6, 19, 20)', () => {
  const added = withField(COLUMNS, int(5, 'extra'))

  it('get the next id; an equal one is reused', () => {
    const m = change(
      newTable(),
      { action: 'add-schema', schema: added },
      { action: 'set-current-schema', schemaId: -1 },
    )
    expect([m.currentSchemaId, m.lastColumnId, m.schemas.length]).toEqual([1, 5, 2])
    const back = change(
      m,
      { action: 'add-schema', schema: COLUMNS },
      { action: 'set-current-schema', schemaId: -1 },
    )
    expect([back.currentSchemaId, back.lastColumnId, back.schemas.length]).toEqual([0, 5, 2])
  })

  it('last-column-id never goes down, and follows the client where that is ahead', () => {
    const m = change(newTable(), { action: 'add-schema', schema: added, lastColumnId: 9 })
    expect(m.lastColumnId).toBe(9)
    expect(
      change(m, { action: 'add-schema', schema: withField(COLUMNS, int(6, 'x')), lastColumnId: 2 })
        .lastColumnId,
    ).toBe(9)
    errorOf('BAD_SCHEMA', () =>
      change(m, { action: 'add-schema', schema: added, lastColumnId: 2 ** 31 - 1 }),
    )
  })

  it('keep their unknown fields', () => {
    const schema = new Schema({ schemaId: 0, fields: added.fields, unknown: { 'x-y': 1 } })
    const m = change(newTable(), { action: 'add-schema', schema })
    expect(m.schemas[1]?.unknown).toEqual({ 'x-y': 1 })
  })

  it('are checked for the format version', () => {
    const nanos: NestedField = { ...int(5, 'ns'), type: { kind: 'timestamp_ns' } }
    const update: MetadataUpdate = { action: 'add-schema', schema: withField(COLUMNS, nanos) }
    errorOf('FORMAT_VERSION', () => change(newTable(), update))
    change(newTable({ formatVersion: 3 }), update)
    change(newTable(), { action: 'upgrade-format-version', formatVersion: 3 }, update)
    errorOf('BAD_SCHEMA', () =>
      change(newTable(), { action: 'add-schema', schema: withField(COLUMNS, int(5, 'ID')) }),
    )
  })

  it('−1 means the one added last, in the same list of updates', () => {
    errorOf('BAD_ARGUMENT', () =>
      change(newTable(), { action: 'set-current-schema', schemaId: -1 }),
    )
    errorOf('BAD_SCHEMA', () => change(newTable(), { action: 'set-current-schema', schemaId: 7 }))
  })

  it.each([
    ['a partition field', { partitionBy: ['bucket(4, n)'] }],
    ['the sort order', { sortBy: ['n desc'] }],
  ])('may not lose the source of %s (item 19)', (_, options) => {
    const dropped = new Schema({
      schemaId: 0,
      fields: COLUMNS.fields.filter((f) => f.name !== 'n'),
    })
    const drop: MetadataUpdate[] = [
      { action: 'add-schema', schema: dropped },
      { action: 'set-current-schema', schemaId: -1 },
    ]
    const m = newTable(options)
    const error = errorOf('BAD_SCHEMA_CHANGE', () => change(m, ...drop))
    expect(error.context['fieldId']).toBe(4)
    change(newTable(), ...drop)
    const changed = change(
      m,
      ...drop,
      { action: 'add-spec', spec: { specId: 0, fields: [] } },
      { action: 'set-default-spec', specId: -1 },
      { action: 'add-sort-order', sortOrder: { orderId: 0, fields: [] } },
      { action: 'set-default-sort-order', sortOrderId: -1 },
    )
    expect(changed.currentSchemaId).toBe(1)
    // The old spec or order is still there, but may not come back.
    const back: MetadataUpdate =
      'partitionBy' in options
        ? { action: 'set-default-spec', specId: 0 }
        : { action: 'set-default-sort-order', sortOrderId: 1 }
    errorOf('partitionBy' in options ? 'BAD_PARTITION_SPEC' : 'BAD_SORT_ORDER', () =>
      change(changed, back),
    )
  })

  it('may not change the type of a source to one that the transform does not take', () => {
    const m = newTable({ partitionBy: ['bucket(4, n)'] })
    const fields = COLUMNS.fields.map((f) =>
      f.name === 'n' ? { ...f, type: { kind: 'double' as const } } : f,
    )
    errorOf('BAD_SCHEMA_CHANGE', () =>
      change(
        m,
        { action: 'add-schema', schema: new Schema({ schemaId: 0, fields }) },
        { action: 'set-current-schema', schemaId: -1 },
      ),
    )
  })

  it('may be removed, but for the current one', () => {
    const m = change(newTable(), { action: 'add-schema', schema: added })
    expect(change(m, { action: 'remove-schemas', schemaIds: [1, 9] }).schemas).toHaveLength(1)
    errorOf('BAD_SCHEMA_CHANGE', () => change(m, { action: 'remove-schemas', schemaIds: [0, 1] }))
  })
})

describe('partition specs (items 7, 18)', () => {
  const spec = (...terms: string[]): MetadataUpdate => ({
    action: 'add-spec',
    spec: partitionSpecFromText(terms, COLUMNS),
  })
  const setLast: MetadataUpdate = { action: 'set-default-spec', specId: -1 }
  const fieldIds = (m: TableMetadata): number[] | undefined =>
    m.partitionSpecs.find((s) => s.specId === m.defaultSpecId)?.fields.map((f) => f.fieldId)

  it('get the next id; an equal one is reused', () => {
    let m = newTable({ partitionBy: ['day(ts)'] })
    m = change(m, spec('day(ts)', 'item'), setLast)
    expect([m.defaultSpecId, m.partitionSpecs.length]).toEqual([1, 2])
    m = change(m, spec('day(ts)'), setLast)
    expect([m.defaultSpecId, m.partitionSpecs.length]).toEqual([0, 2])
  })

  it('fields keep their ids over all specs, new ones count on', () => {
    let m = newTable({ partitionBy: ['day(ts)', 'bucket(4, id)'] })
    m = change(m, spec('bucket(8, id)', 'bucket(4, id) as four', 'day(ts)'), setLast)
    expect(fieldIds(m)).toEqual([1002, 1001, 1000])
    m = change(m, spec('hour(ts)', 'item', 'truncate(4, item)'), setLast)
    expect(fieldIds(m)).toEqual([1003, 1004, 1005])
    m = change(m, spec('bucket(8, id)'), setLast)
    expect(fieldIds(m)).toEqual([1002])
    expect(m.lastPartitionId).toBe(1005)
  })

  it('ids of removed specs are not given again', () => {
    let m = newTable({ partitionBy: ['day(ts)'] })
    m = change(m, spec('item'), setLast)
    m = change(m, { action: 'remove-partition-specs', specIds: [0] })
    m = change(m, spec('bucket(4, id)'), setLast)
    expect(fieldIds(m)).toEqual([1002])
    expect(m.defaultSpecId).toBe(2)
  })

  it('a field id that the client gives is kept where it is new', () => {
    const field = {
      sourceIds: [1],
      fieldId: 1005,
      name: 'x',
      transform: { kind: 'identity' } as const,
    }
    const m = change(
      newTable(),
      { action: 'add-spec', spec: { specId: 7, fields: [{ ...field, name: 'id' }] } },
      setLast,
    )
    expect([fieldIds(m), m.lastPartitionId, m.defaultSpecId]).toEqual([[1005], 1005, 1])
    const twice = [
      { ...field, name: 'id', fieldId: 2000 },
      { ...field, sourceIds: [3], name: 'item', fieldId: 2000 },
    ]
    const next = change(
      newTable(),
      { action: 'add-spec', spec: { specId: 1, fields: twice } },
      setLast,
    )
    expect(new Set(fieldIds(next)).size).toBe(2)
  })

  it('the void field that stands for a dropped one keeps its id', () => {
    const m = newTable({ partitionBy: ['day(ts)', 'item'] })
    const [day, item] = m.partitionSpecs[0]?.fields ?? []
    const fields = [{ ...day, name: 'ts_gone', transform: { kind: 'void' } }, item]
    const next = change(
      m,
      { action: 'add-spec', spec: { specId: 1, fields } as PartitionSpec },
      setLast,
    )
    expect(fieldIds(next)).toEqual([1000, 1001])
  })

  it('are refused when they cannot be written', () => {
    errorOf('BAD_PARTITION_SPEC', () => change(newTable(), setLastOf(9)))
    errorOf('BAD_ARGUMENT', () => change(newTable(), setLast))
    errorOf('BAD_PARTITION_SPEC', () =>
      change(newTable(), { action: 'remove-partition-specs', specIds: [0] }),
    )
    const unknown = {
      sourceIds: [1],
      fieldId: 1000,
      name: 'z',
      transform: { kind: 'unknown', text: 'z' } as const,
    }
    errorOf('UNSUPPORTED_TRANSFORM', () =>
      change(newTable(), { action: 'add-spec', spec: { specId: 0, fields: [unknown] } }),
    )
    errorOf('BAD_PARTITION_SPEC', () =>
      change(newTable(), {
        action: 'add-spec',
        spec: { specId: 0, fields: [{ ...unknown, sourceIds: [77], transform: { kind: 'day' } }] },
      }),
    )
  })
  const setLastOf = (specId: number): MetadataUpdate => ({ action: 'set-default-spec', specId })
})

describe('sort orders (item 8)', () => {
  const order = (...terms: string[]): MetadataUpdate => ({
    action: 'add-sort-order',
    sortOrder: sortOrderFromText(terms, COLUMNS),
  })
  const setLast: MetadataUpdate = { action: 'set-default-sort-order', sortOrderId: -1 }

  it('count from 1; 0 is unsorted; an equal one is reused', () => {
    let m = change(newTable(), order('id'), setLast)
    expect(m.defaultSortOrderId).toBe(1)
    m = change(m, order('id desc'), setLast)
    expect(m.defaultSortOrderId).toBe(2)
    m = change(m, order('id'), setLast)
    expect([m.defaultSortOrderId, m.sortOrders.length]).toEqual([1, 3])
    expect(change(m, order(), setLast).defaultSortOrderId).toBe(0)
  })

  it('are refused when they cannot be sorted by', () => {
    errorOf('BAD_ARGUMENT', () => change(newTable(), setLast))
    errorOf('BAD_SORT_ORDER', () =>
      change(newTable(), { action: 'set-default-sort-order', sortOrderId: 5 }),
    )
    const field = {
      sourceIds: [1],
      transform: { kind: 'hour' } as const,
      direction: 'asc' as const,
      nullOrder: 'nulls-first' as const,
    }
    errorOf('BAD_SORT_ORDER', () =>
      change(newTable(), { action: 'add-sort-order', sortOrder: { orderId: 1, fields: [field] } }),
    )
    errorOf('BAD_SORT_ORDER', () =>
      change(newTable(), {
        action: 'add-sort-order',
        sortOrder: { orderId: 1, fields: [{ ...field, sourceIds: [77] }] },
      }),
    )
  })
})

describe('snapshots (items 11–13, 74, 81)', () => {
  const add = (m: TableMetadata, rest: object): TableMetadata =>
    change(m, { action: 'add-snapshot', snapshot: { ...nextSnapshot(m, 5n), ...rest } })

  it('set the last sequence number with them', () => {
    const m = add(newTable(), { sequenceNumber: 7 })
    expect(m.lastSequenceNumber).toBe(7)
    expect(m.currentSnapshotId).toBeUndefined()
    expect(m.snapshotLog).toEqual([])
  })

  it.each([
    ['an id that is there', { snapshotId: 1n }],
    ['an id that is not positive', { snapshotId: 0n }],
    ['an id beyond 63 bits', { snapshotId: 2n ** 63n }],
    ['a sequence number that is not above the last', { sequenceNumber: 1 }],
    ['no manifest list', { manifestList: undefined, manifests: ['a'] }],
    ['no operation', { summary: {} }],
    ['an operation that is not one', { summary: { operation: 'merge' } }],
  ])('are refused with %s', (_, rest) => {
    errorOf('BAD_METADATA', () => add(commit(newTable(), 1n), rest))
  })

  it('without a parent they may follow a commit that they replace', () => {
    const m = commit(newTable(), 1n)
    const { parentSnapshotId: _, ...snapshot } = nextSnapshot(m, 5n, { sequenceNumber: 1 })
    expect(change(m, { action: 'add-snapshot', snapshot }).lastSequenceNumber).toBe(1)
  })

  it('v3: advance next-row-id by the rows that they add', () => {
    let m = commit(newTable({ formatVersion: 3 }), 1n)
    expect(m.nextRowId).toBe(10n)
    m = add(m, { addedRows: 0n })
    expect(m.nextRowId).toBe(10n)
    m = change(m, {
      action: 'add-snapshot',
      snapshot: nextSnapshot(m, 6n, { firstRowId: 100n, addedRows: 5n }),
    })
    expect(m.nextRowId).toBe(105n)
  })

  it.each([
    ['no first-row-id', { firstRowId: undefined }],
    ['no added-rows', { addedRows: undefined }],
    ['negative added-rows', { addedRows: -1n }],
    ['a first-row-id behind the table', { firstRowId: 9n }],
    ['row ids beyond a long', { addedRows: 2n ** 63n }],
  ])('v3: are refused with %s', (_, rest) => {
    const m = commit(newTable({ formatVersion: 3 }), 1n)
    errorOf('BAD_METADATA', () => add(m, rest))
  })
})

describe('references and the snapshot log (items 9, 131)', () => {
  const set = (refName: string, snapshotId: bigint, rest: object = {}): MetadataUpdate => ({
    action: 'set-snapshot-ref',
    refName,
    ref: { snapshotId, type: 'branch', ...rest },
  })

  it('main and the current snapshot change together, with a log entry', () => {
    let m = commit(commit(newTable(), 1n), 2n)
    expect([m.currentSnapshotId, m.refs.get('main')?.snapshotId]).toEqual([2n, 2n])
    m = change(m, set('main', 1n))
    expect(m.currentSnapshotId).toBe(1n)
    expect(log(m)).toEqual([1n, 2n, 1n])
    expect(m.snapshotLog.at(-1)?.timestampMs).toBe(m.lastUpdatedMs)
  })

  it('other branches and tags leave main alone', () => {
    let m = commit(newTable(), 1n)
    m = commit(m, 2n, 'audit')
    m = change(m, set('v1', 1n, { type: 'tag', maxRefAgeMs: 5 }))
    expect(m.currentSnapshotId).toBe(1n)
    expect(log(m)).toEqual([1n])
    expect(m.refs.get('v1')).toEqual({ snapshotId: 1n, type: 'tag', maxRefAgeMs: 5 })
    expect(change(m, { action: 'remove-snapshot-ref', refName: 'v1' }).refs.has('v1')).toBe(false)
  })

  it('new retention of main is no new entry', () => {
    const m = change(commit(newTable(), 1n), set('main', 1n, { minSnapshotsToKeep: 3 }))
    expect(m.refs.get('main')?.minSnapshotsToKeep).toBe(3)
    expect(log(m)).toEqual([1n])
  })

  it('a snapshot that was the head only within the commit was never current', () => {
    const base = commit(newTable(), 1n)
    const first = nextSnapshot(base, 2n)
    const second = {
      ...nextSnapshot(base, 3n),
      sequenceNumber: first.sequenceNumber + 1,
      parentSnapshotId: 2n,
    }
    const m = change(
      base,
      { action: 'add-snapshot', snapshot: first },
      set('main', 2n),
      { action: 'add-snapshot', snapshot: second },
      set('main', 3n),
    )
    expect(log(m)).toEqual([1n, 3n])
    expect(ids(m)).toEqual([1n, 2n, 3n])
  })

  it('without main there is no current snapshot, and the history stays', () => {
    const m = change(commit(newTable(), 1n), { action: 'remove-snapshot-ref', refName: 'main' })
    expect('currentSnapshotId' in m).toBe(false)
    expect(log(m)).toEqual([1n])
    expect(log(commit(m, 2n))).toEqual([1n, 2n])
  })

  it.each([
    ['NO_SUCH_SNAPSHOT', set('main', 9n)],
    ['BAD_ARGUMENT', set('main', 1n, { type: 'tag' })],
    ['BAD_ARGUMENT', set('', 1n)],
    ['BAD_ARGUMENT', set('t', 1n, { type: 'tag', minSnapshotsToKeep: 1 })],
    ['BAD_ARGUMENT', set('t', 1n, { type: 'tag', maxSnapshotAgeMs: 1 })],
    ['BAD_ARGUMENT', set('b', 1n, { maxRefAgeMs: 0 })],
    ['BAD_ARGUMENT', set('b', 1n, { minSnapshotsToKeep: -1 })],
  ] as const)('%s: a ref that cannot be', (code, update) => {
    errorOf(code, () => change(commit(newTable(), 1n), update))
  })
})

describe('removing snapshots (items 126, 127)', () => {
  const statistics = (snapshotId: bigint): StatisticsFile => ({
    snapshotId,
    statisticsPath: 'a.puffin',
    fileSizeBytes: 10,
    fileFooterSizeBytes: 5,
    blobMetadata: [],
  })
  const partitionStatistics = (snapshotId: bigint): PartitionStatisticsFile => ({
    snapshotId,
    statisticsPath: 'a.parquet',
    fileSizeBytes: 10,
  })
  const history = (): TableMetadata => {
    let m = newTable()
    for (const id of [1n, 2n, 3n, 4n]) m = commit(m, id)
    return change(
      m,
      { action: 'set-snapshot-ref', refName: 'old', ref: { snapshotId: 2n, type: 'tag' } },
      ...[2n, 4n].flatMap((id): MetadataUpdate[] => [
        { action: 'set-statistics', statistics: statistics(id) },
        { action: 'set-partition-statistics', partitionStatistics: partitionStatistics(id) },
      ]),
    )
  }

  it('removes refs to them, their statistics, and the log up to them', () => {
    const m = change(history(), { action: 'remove-snapshots', snapshotIds: [2n] })
    expect(ids(m)).toEqual([1n, 3n, 4n])
    expect([...m.refs.keys()]).toEqual(['main'])
    expect(m.statistics.map((s) => s.snapshotId)).toEqual([4n])
    expect(m.partitionStatistics.map((s) => s.snapshotId)).toEqual([4n])
    expect(log(m)).toEqual([3n, 4n])
  })

  it('removing the current snapshot removes main', () => {
    const m = change(history(), { action: 'remove-snapshots', snapshotIds: [4n] })
    expect(m.currentSnapshotId).toBeUndefined()
    expect([...m.refs.keys()]).toEqual(['old'])
    expect(log(m)).toEqual([])
  })

  it('lets a rollback and an expiry go in one commit', () => {
    const m = change(
      history(),
      { action: 'set-snapshot-ref', refName: 'main', ref: { snapshotId: 3n, type: 'branch' } },
      { action: 'remove-snapshots', snapshotIds: [4n] },
    )
    expect([m.currentSnapshotId, log(m)]).toEqual([3n, [3n]])
  })

  it('statistics: one file of a kind per snapshot (items 124, 125)', () => {
    const m = change(
      history(),
      { action: 'set-statistics', statistics: { ...statistics(4n), fileSizeBytes: 99 } },
      { action: 'remove-statistics', snapshotId: 2n },
      {
        action: 'set-partition-statistics',
        partitionStatistics: { ...partitionStatistics(4n), fileSizeBytes: 98 },
      },
      { action: 'remove-partition-statistics', snapshotId: 2n },
    )
    expect(m.statistics.map((s) => s.fileSizeBytes)).toEqual([99])
    expect(m.partitionStatistics.map((s) => s.fileSizeBytes)).toEqual([98])
  })
})

describe('location, properties, encryption keys', () => {
  it('a location has no slash at its end (item 24)', () => {
    expect(change(newTable(), { action: 'set-location', location: 's3://b/x//' }).location).toBe(
      's3://b/x',
    )
  })

  it('properties are set and removed, hostile names too', () => {
    const updates = JSON.parse('{"__proto__":"p","a":"1","toString":"s"}') as Record<string, string>
    const m = change(newTable(), { action: 'set-properties', updates })
    expect(Object.keys(m.properties).sort()).toEqual(['__proto__', 'a', 'toString'])
    const less = change(m, { action: 'remove-properties', removals: ['a', '__proto__'] })
    expect(Object.keys(less.properties)).toEqual(['toString'])
    expect(change(newTable(), { action: 'remove-properties', removals: ['x'] }).properties).toEqual(
      {},
    )
  })

  it('reserved and impossible properties are refused (item 25)', () => {
    for (const updates of [
      { 'format-version': '3' },
      { uuid: 'x' },
      { 'write.target-file-size-bytes': '512MB' },
      { 'write.metadata.compression-codec': 'zstd' },
    ]) {
      expect(() => change(newTable(), { action: 'set-properties', updates })).toThrow()
    }
  })

  it('encryption keys are of version 3', () => {
    const key = { keyId: 'k', encryptedKeyMetadata: 'AA==' }
    const update: MetadataUpdate = { action: 'add-encryption-key', encryptionKey: key }
    errorOf('FORMAT_VERSION', () => change(newTable(), update))
    let m = change(newTable({ formatVersion: 3 }), update)
    expect(m.encryptionKeys).toEqual([key])
    m = change(m, { action: 'add-encryption-key', encryptionKey: { ...key, encryptedById: 'r' } })
    expect(m.encryptionKeys).toHaveLength(1)
    expect(change(m, { action: 'remove-encryption-key', keyId: 'k' }).encryptionKeys).toEqual([])
  })
})

describe('purity', () => {
  it('a failure in the middle changes nothing', () => {
    const base = commit(newTable({ partitionBy: ['day(ts)'] }), 1n)
    const before = stringifyJson(metadataToJson(base))
    errorOf('NO_SUCH_SNAPSHOT', () =>
      change(
        base,
        { action: 'set-properties', updates: { a: 'b' } },
        { action: 'add-snapshot', snapshot: nextSnapshot(base, 2n) },
        { action: 'remove-snapshots', snapshotIds: [1n] },
        { action: 'set-snapshot-ref', refName: 'x', ref: { snapshotId: 9n, type: 'tag' } },
      ),
    )
    expect(stringifyJson(metadataToJson(base))).toBe(before)
  })

  it('keeps unknown fields of what it changes (item 26)', () => {
    const base = { ...commit(newTable(), 1n), unknown: { 'x-a': 1 } }
    expect(commit(base, 2n).unknown).toEqual({ 'x-a': 1 })
  })
})
