/** Random sequences of updates keep what must never break (iceberg-writer.md items 5–10, 13, 18, 81, 126). */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import { parseJson, stringifyJson } from '../../../src/core/json.ts'
import type { TableMetadata } from '../../../src/iceberg/spec/metadata.ts'
import { applyUpdates } from '../../../src/iceberg/spec/metadata-builder.ts'
import { metadataFromJson, metadataToJson } from '../../../src/iceberg/spec/metadata-json.ts'
import {
  partitionSpecFromText,
  sortOrderFromText,
} from '../../../src/iceberg/spec/partition-spec-builder.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import { transformText } from '../../../src/iceberg/spec/transform-text.ts'
import type { MetadataUpdate } from '../../../src/iceberg/spec/updates.ts'
import { newTable, nextSnapshot } from './table-fixture.ts'

/** What a writer does; the updates follow from the table that it finds. */
type Intent =
  | { readonly do: 'commit'; readonly branch: string; readonly skewMs: number }
  | { readonly do: 'stage' }
  | { readonly do: 'ref'; readonly name: string; readonly pick: number; readonly tag: boolean }
  | { readonly do: 'remove-ref'; readonly name: string }
  | { readonly do: 'expire'; readonly picks: readonly number[] }
  | { readonly do: 'add-column'; readonly required: boolean }
  | { readonly do: 'drop-column'; readonly pick: number }
  | { readonly do: 'spec'; readonly terms: readonly string[] }
  | { readonly do: 'order'; readonly terms: readonly string[] }
  | { readonly do: 'remove-specs' | 'remove-schemas'; readonly ids: readonly number[] }
  | { readonly do: 'properties'; readonly key: string; readonly value: string | null }
  | { readonly do: 'statistics'; readonly pick: number }
  | { readonly do: 'upgrade' }
  | { readonly do: 'nothing' }

const names = fc.constantFrom('main', 'audit', 'v1')
const terms = fc.uniqueArray(
  fc.constantFrom(
    'day(ts)',
    'hour(ts)',
    'item',
    'bucket(4, id)',
    'bucket(8, id)',
    'truncate(2, item)',
  ),
  { maxLength: 3 },
)
const intent: fc.Arbitrary<Intent> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      branch: names,
      skewMs: fc.integer({ min: -90_000, max: 90_000 }),
    }),
  },
  fc.record({ do: fc.constant('stage' as const) }),
  fc.record({ do: fc.constant('ref' as const), name: names, pick: fc.nat(), tag: fc.boolean() }),
  fc.record({ do: fc.constant('remove-ref' as const), name: names }),
  fc.record({ do: fc.constant('expire' as const), picks: fc.array(fc.nat(), { maxLength: 3 }) }),
  fc.record({ do: fc.constant('add-column' as const), required: fc.boolean() }),
  fc.record({ do: fc.constant('drop-column' as const), pick: fc.nat() }),
  fc.record({ do: fc.constant('spec' as const), terms }),
  fc.record({ do: fc.constant('order' as const), terms }),
  fc.record({
    do: fc.constantFrom('remove-specs' as const, 'remove-schemas' as const),
    ids: fc.array(fc.nat({ max: 4 }), { maxLength: 2 }),
  }),
  fc.record({
    do: fc.constant('properties' as const),
    key: fc.constantFrom('a', '__proto__', 'write.metadata.previous-versions-max'),
    value: fc.option(fc.constantFrom('1', '2', '5')),
  }),
  fc.record({ do: fc.constant('statistics' as const), pick: fc.nat() }),
  fc.record({ do: fc.constant('upgrade' as const) }),
  fc.record({ do: fc.constant('nothing' as const) }),
)

function updatesOf(m: TableMetadata, todo: Intent, fresh: bigint): MetadataUpdate[] {
  const pick = (n: number): bigint =>
    m.snapshots[n % Math.max(1, m.snapshots.length)]?.snapshotId ?? 404n
  const schema = m.schemas.find((s) => s.schemaId === m.currentSchemaId) as Schema
  switch (todo.do) {
    case 'commit': {
      const head = m.refs.get(todo.branch)?.snapshotId
      const { parentSnapshotId: _, ...snapshot } = nextSnapshot(m, fresh)
      return [
        {
          action: 'add-snapshot',
          snapshot: {
            ...snapshot,
            timestampMs: Math.max(0, snapshot.timestampMs + todo.skewMs),
            ...(head === undefined ? {} : { parentSnapshotId: head }),
          },
        },
        {
          action: 'set-snapshot-ref',
          refName: todo.branch,
          ref: { snapshotId: fresh, type: 'branch' },
        },
      ]
    }
    case 'stage':
      return [{ action: 'add-snapshot', snapshot: nextSnapshot(m, fresh) }]
    case 'ref':
      return [
        {
          action: 'set-snapshot-ref',
          refName: todo.name,
          ref: { snapshotId: pick(todo.pick), type: todo.tag ? 'tag' : 'branch' },
        },
      ]
    case 'remove-ref':
      return [{ action: 'remove-snapshot-ref', refName: todo.name }]
    case 'expire':
      return [{ action: 'remove-snapshots', snapshotIds: todo.picks.map(pick) }]
    case 'add-column': {
      const id = m.lastColumnId + 1
      const field = { id, name: `c${id}`, required: todo.required, type: { kind: 'int' as const } }
      return setSchema(schema, [...schema.fields, field])
    }
    case 'drop-column':
      return setSchema(
        schema,
        schema.fields.filter((_, i) => i !== todo.pick % schema.fields.length),
      )
    case 'spec':
      return [
        { action: 'add-spec', spec: partitionSpecFromText(todo.terms, schema) },
        { action: 'set-default-spec', specId: -1 },
      ]
    case 'order':
      return [
        { action: 'add-sort-order', sortOrder: sortOrderFromText(todo.terms, schema) },
        { action: 'set-default-sort-order', sortOrderId: -1 },
      ]
    case 'remove-specs':
      return [{ action: 'remove-partition-specs', specIds: todo.ids }]
    case 'remove-schemas':
      return [{ action: 'remove-schemas', schemaIds: todo.ids }]
    case 'properties':
      return todo.value === null
        ? [{ action: 'remove-properties', removals: [todo.key] }]
        : [{ action: 'set-properties', updates: Object.fromEntries([[todo.key, todo.value]]) }]
    case 'statistics': {
      const file = { snapshotId: pick(todo.pick), statisticsPath: 'a', fileSizeBytes: 1 }
      return [
        { action: 'set-partition-statistics', partitionStatistics: file },
        {
          action: 'set-statistics',
          statistics: { ...file, fileFooterSizeBytes: 1, blobMetadata: [] },
        },
      ]
    }
    case 'upgrade':
      return [{ action: 'upgrade-format-version', formatVersion: 3 }]
    case 'nothing':
      return []
  }
}

function setSchema(schema: Schema, fields: Schema['fields']): MetadataUpdate[] {
  const identifierFieldIds = schema.identifierFieldIds
  return [
    { action: 'add-schema', schema: new Schema({ schemaId: 0, fields, identifierFieldIds }) },
    { action: 'set-current-schema', schemaId: -1 },
  ]
}

/** What holds between two versions. */
function expectStep(before: TableMetadata, after: TableMetadata): void {
  expect(after.lastUpdatedMs).toBeGreaterThan(before.lastUpdatedMs)
  expect(after.lastColumnId).toBeGreaterThanOrEqual(before.lastColumnId)
  expect(after.lastPartitionId).toBeGreaterThanOrEqual(before.lastPartitionId)
  expect(after.lastSequenceNumber).toBeGreaterThanOrEqual(before.lastSequenceNumber)
  expect(after.nextRowId >= before.nextRowId).toBe(true)
  expect(after.formatVersion).toBeGreaterThanOrEqual(before.formatVersion)
  expect(after.tableUuid).toBe(before.tableUuid)
  if (
    after.currentSnapshotId !== before.currentSnapshotId &&
    after.currentSnapshotId !== undefined
  ) {
    expect(after.snapshotLog.at(-1)).toEqual({
      timestampMs: after.lastUpdatedMs,
      snapshotId: after.currentSnapshotId,
    })
  }
}

/** What holds in each version. */
function expectSound(m: TableMetadata, fieldsOfPartitionId: Map<number, string>): void {
  const text = stringifyJson(metadataToJson(m))
  expect(metadataFromJson(parseJson(text, 'm'), 'm')).toEqual(m)
  expect(m.refs.get('main')?.snapshotId).toBe(m.currentSnapshotId)
  const times = m.snapshotLog.map((entry) => entry.timestampMs)
  expect(times).toEqual([...times].sort((a, b) => a - b))
  expect(times.at(-1) ?? 0).toBeLessThanOrEqual(m.lastUpdatedMs)
  const snapshots = new Set(m.snapshots.map((s) => s.snapshotId))
  for (const entry of m.snapshotLog) expect(snapshots.has(entry.snapshotId)).toBe(true)
  for (const files of [m.statistics, m.partitionStatistics]) {
    expect(new Set(files.map((f) => f.snapshotId)).size).toBe(files.length)
  }
  for (const s of m.schemas) expect(s.highestFieldId()).toBeLessThanOrEqual(m.lastColumnId)
  for (const spec of m.partitionSpecs) {
    for (const field of spec.fields) {
      expect(field.fieldId).toBeLessThanOrEqual(m.lastPartitionId)
      const meaning = `${field.sourceIds.join()} ${transformText(field.transform)}`
      expect(fieldsOfPartitionId.get(field.fieldId) ?? meaning).toBe(meaning)
      fieldsOfPartitionId.set(field.fieldId, meaning)
    }
  }
  const schema = m.schemas.find((s) => s.schemaId === m.currentSchemaId)
  for (const field of m.partitionSpecs.find((s) => s.specId === m.defaultSpecId)?.fields ?? []) {
    for (const id of field.sourceIds) expect(schema?.findById(id)).toBeDefined()
  }
  const max = Number(m.properties['write.metadata.previous-versions-max'] ?? 100)
  // A new bound holds from the commit on that sets it.
  expect(m.metadataLog.length).toBeLessThanOrEqual(max)
}

it('each version is sound, follows from the one before, and leaves that as it was', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(intent, fc.integer({ min: -60_000, max: 60_000 })), {
        minLength: 1,
        maxLength: 30,
        size: 'max',
      }),
      fc.constantFrom(2 as const, 3 as const),
      (steps, formatVersion) => {
        let m = newTable({ formatVersion, partitionBy: ['day(ts)'] })
        const meanings = new Map<number, string>()
        expectSound(m, meanings)
        let fresh = 2n ** 63n - 1n
        for (const [todo, stepMs] of steps) {
          const before = stringifyJson(metadataToJson(m))
          let next: TableMetadata
          try {
            next = applyUpdates(m, updatesOf(m, todo, fresh--), {
              nowMs: m.lastUpdatedMs + stepMs,
              previousMetadataLocation: `${m.lastUpdatedMs}.json`,
            })
          } catch (error) {
            if (!isFloeError(error)) throw error
            expect(stringifyJson(metadataToJson(m))).toBe(before)
            continue
          }
          expect(stringifyJson(metadataToJson(m))).toBe(before)
          if (next === m) continue
          expectStep(m, next)
          expectSound(next, meanings)
          m = next
        }
      },
    ),
    { numRuns: 80 },
  )
})
