/** Random table metadata of versions 2 and 3, valid in itself. */
import fc from 'fast-check'
import { type JsonObject, type JsonValue, jsonObject } from '../../../src/core/json.ts'
import type {
  EncryptionKey,
  PartitionStatisticsFile,
  StatisticsFile,
  TableMetadata,
} from '../../../src/iceberg/spec/metadata.ts'
import type { PartitionSpec } from '../../../src/iceberg/spec/partition-spec.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import type { Snapshot, SnapshotRef } from '../../../src/iceberg/spec/snapshot.ts'
import type { SortOrder } from '../../../src/iceberg/spec/sort-order.ts'
import type { Transform } from '../../../src/iceberg/spec/transform.ts'
import type { NestedField, PrimitiveType, Type } from '../../../src/iceberg/spec/types.ts'
import type { Value } from '../../../src/iceberg/spec/value.ts'

/** Ids on both sides of what a double holds, and the ends of the range. */
export const arbitraryId: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }),
  fc.constantFrom(1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n),
)

const name = fc.oneof(
  fc.stringMatching(/^[a-z]{1,8}$/),
  fc.string({ minLength: 1, maxLength: 8 }),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'ünïcode 😀'),
)
const long = fc.nat({ max: 2 ** 40 })

function record(values: fc.Arbitrary<string>): fc.Arbitrary<Readonly<Record<string, string>>> {
  return fc.array(fc.tuple(name, values), { maxLength: 4 }).map((entries) => {
    const out = Object.create(null) as Record<string, string>
    for (const [key, value] of entries) out[key] = value
    return out
  })
}

const jsonValue: fc.Arbitrary<JsonValue> = fc.oneof(
  fc.constantFrom<JsonValue>(null, true, 1.5, 2n ** 63n - 1n, 'text'),
  fc.array(fc.integer(), { maxLength: 2 }),
  fc.constant(null).map(() => Object.assign(jsonObject(), { nested: [jsonObject()] })),
)
/** Fields that no version knows; their names cannot be mistaken. */
const unknown: fc.Arbitrary<{ unknown?: JsonObject }> = fc
  .option(
    fc.dictionary(
      name.map((n) => `x-${n}`),
      jsonValue,
      { minKeys: 1, maxKeys: 2 },
    ),
    { freq: 3, nil: undefined },
  )
  .map((o) => (o === undefined ? {} : { unknown: Object.assign(jsonObject(), o) }))

function maybe<K extends string, T>(
  key: K,
  value: fc.Arbitrary<T>,
): fc.Arbitrary<{ [P in K]?: T }> {
  return fc
    .option(value, { nil: undefined })
    .map((v) => (v === undefined ? {} : { [key]: v }) as { [P in K]?: T })
}

const V2_PRIMITIVES: readonly PrimitiveType[] = [
  ...(
    [
      'boolean',
      'int',
      'long',
      'float',
      'double',
      'date',
      'time',
      'timestamp',
      'timestamptz',
      'string',
      'uuid',
      'binary',
    ] as const
  ).map((kind) => ({ kind })),
  { kind: 'decimal', precision: 9, scale: 2 },
  { kind: 'decimal', precision: 38, scale: 38 },
  { kind: 'fixed', length: 16 },
]
const V3_TYPES: readonly Type[] = [
  { kind: 'timestamp_ns' },
  { kind: 'timestamptz_ns' },
  { kind: 'unknown' },
  { kind: 'variant' },
  { kind: 'geometry' },
  { kind: 'geometry', crs: 'srid:4326' },
  { kind: 'geography', crs: 'OGC:CRS84', algorithm: 'karney' },
]

/** Types with ids still to be given. */
type Shape =
  | { readonly leaf: Type }
  | { readonly list: Shape; readonly required: boolean }
  | { readonly map: readonly [Shape, Shape]; readonly required: boolean }
  | { readonly struct: readonly ShapeField[] }
interface ShapeField {
  readonly name: string
  readonly required: boolean
  readonly shape: Shape
  readonly doc: string | undefined
  readonly rest: { unknown?: JsonObject }
}

function shapes(version: 2 | 3): fc.Arbitrary<Shape> {
  const leaf = fc
    .constantFrom<Type>(...V2_PRIMITIVES, ...(version === 3 ? V3_TYPES : []))
    .map((type) => ({ leaf: type }))
  return fc.letrec<{ shape: Shape; field: ShapeField }>((tie) => ({
    shape: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 4, arbitrary: leaf },
      { weight: 1, arbitrary: fc.record({ list: tie('shape'), required: fc.boolean() }) },
      {
        weight: 1,
        arbitrary: fc.record({ map: fc.tuple(leaf, tie('shape')), required: fc.boolean() }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          struct: fc.uniqueArray(tie('field'), { selector: (f) => f.name, maxLength: 3 }),
        }),
      },
    ) as fc.Arbitrary<Shape>,
    field: fc.record({
      name,
      required: fc.boolean(),
      shape: tie('shape'),
      doc: fc.option(fc.string(), { nil: undefined }),
      rest: unknown,
    }),
  })).shape
}

/** Gives ids from `next` on. */
function numbered(shape: Shape, next: () => number): Type {
  if ('leaf' in shape) return shape.leaf
  if ('list' in shape) {
    const elementId = next()
    const { required, list } = shape
    return { kind: 'list', elementId, elementRequired: required, element: numbered(list, next) }
  }
  if ('map' in shape) {
    const [keyId, valueId] = [next(), next()]
    const [key, value] = shape.map.map((s) => numbered(s, next)) as [Type, Type]
    return { kind: 'map', keyId, key, valueId, valueRequired: shape.required, value }
  }
  return { kind: 'struct', fields: shape.struct.map((f) => numberedField(f, next)) }
}

function numberedField(field: ShapeField, next: () => number): NestedField {
  const id = next()
  return {
    id,
    name: field.name,
    required: field.required,
    type: numbered(field.shape, next),
    ...(field.doc === undefined ? {} : { doc: field.doc }),
    ...field.rest,
  }
}

/** A default that the type can have; undefined where that is null alone. */
function defaultOf(type: Type): Value | undefined {
  switch (type.kind) {
    case 'boolean':
      return true
    case 'int':
    case 'date':
      return -719_162
    case 'long':
    case 'time':
      return 86_399_999_999n
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return -1n
    case 'float':
    case 'double':
      return -0.5
    case 'decimal':
      return -(10n ** BigInt(type.precision) - 1n)
    case 'string':
      return '😀'
    case 'uuid':
      return 'f79c3e09-677c-4bbd-a479-3f349cb785e7'
    case 'fixed':
      return new Uint8Array(type.length).fill(7)
    case 'binary':
      return Uint8Array.of(0, 255)
    case 'list':
      return []
    case 'map':
      return new Map()
    case 'struct':
      return Object.create(null) as { [field: string]: Value }
    default:
      return undefined
  }
}

function schemas(version: 2 | 3, schemaId: number): fc.Arbitrary<Schema> {
  const field = fc.record({
    name,
    required: fc.boolean(),
    shape: shapes(version),
    doc: fc.option(fc.string(), { nil: undefined }),
    rest: unknown,
  })
  return fc
    .record({
      first: fc.integer({ min: 1, max: 100 }),
      fields: fc.uniqueArray(field, { selector: (f) => f.name, minLength: 1, maxLength: 5 }),
      withDefaults: fc.boolean(),
      rest: unknown,
    })
    .map(({ first, fields, withDefaults, rest }) => {
      let id = first
      const made = fields.map((f) => numberedField(f, () => id++))
      const withValues = made.map((f): NestedField => {
        const value = version === 3 && withDefaults ? defaultOf(f.type) : undefined
        return value === undefined ? f : { ...f, initialDefault: value, writeDefault: value }
      })
      const key = withValues.find((f) => f.required && f.type.kind === 'string')
      return new Schema({
        schemaId,
        fields: withValues,
        identifierFieldIds: key === undefined ? [] : [key.id],
        ...rest,
      })
    })
}

const transform: fc.Arbitrary<Transform> = fc.oneof(
  fc.constantFrom<Transform>(
    { kind: 'identity' },
    { kind: 'year' },
    { kind: 'month' },
    { kind: 'day' },
    { kind: 'hour' },
    { kind: 'void' },
    { kind: 'unknown', text: 'zorder' },
  ),
  fc.integer({ min: 1, max: 2 ** 31 - 1 }).map((numBuckets) => ({ kind: 'bucket', numBuckets })),
  fc.integer({ min: 1, max: 100 }).map((width) => ({ kind: 'truncate', width })),
) as fc.Arbitrary<Transform>

function specs(specId: number): fc.Arbitrary<PartitionSpec> {
  const field = fc
    .tuple(
      fc.oneof(
        fc.tuple(
          fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 1 }),
          transform,
        ),
        fc.tuple(
          fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 2, maxLength: 3 }),
          fc.constant<Transform>({ kind: 'unknown', text: 'zorder' }),
        ),
      ),
      fc.record({ fieldId: fc.integer({ min: 1000, max: 2000 }), name }),
      unknown,
    )
    .map(([[sourceIds, t], rest, extra]) => ({ sourceIds, transform: t, ...rest, ...extra }))
  return fc
    .tuple(fc.uniqueArray(field, { selector: (f) => f.fieldId, maxLength: 3 }), unknown)
    .map(([fields, rest]) => ({ specId, fields, ...rest }))
}

function orders(orderId: number): fc.Arbitrary<SortOrder> {
  const field = fc
    .tuple(
      fc.record({
        sourceIds: fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 1 }),
        transform,
        direction: fc.constantFrom('asc' as const, 'desc' as const),
        nullOrder: fc.constantFrom('nulls-first' as const, 'nulls-last' as const),
      }),
      unknown,
    )
    .map(([f, rest]) => ({ ...f, ...rest }))
  return fc
    .tuple(
      fc.array(field, { minLength: orderId === 0 ? 0 : 1, maxLength: orderId === 0 ? 0 : 3 }),
      unknown,
    )
    .map(([fields, rest]) => ({ orderId, fields, ...rest }))
}

function snapshots(version: 2 | 3): fc.Arbitrary<readonly Snapshot[]> {
  const rest = fc
    .tuple(
      fc.record({ timestampMs: long, manifestList: fc.webUrl(), summary: record(fc.string()) }),
      maybe('schemaId', fc.nat({ max: 5 })),
      maybe('keyId', fc.string()),
      unknown,
    )
    .map((parts) => Object.assign({}, ...parts) as Omit<Snapshot, 'snapshotId' | 'sequenceNumber'>)
  return fc
    .tuple(
      fc.uniqueArray(arbitraryId, { maxLength: 5 }),
      fc.array(rest, { minLength: 5, maxLength: 5 }),
    )
    .map(([ids, rests]) =>
      ids.map(
        (snapshotId, i): Snapshot => ({
          ...(rests[i] as (typeof rests)[number]),
          snapshotId,
          sequenceNumber: i + 1,
          ...(i === 0 ? {} : { parentSnapshotId: ids[i - 1] as bigint }),
          ...(version === 3
            ? { firstRowId: BigInt(i) * 2n ** 60n, addedRows: 2n ** 60n - BigInt(i) }
            : {}),
        }),
      ),
    )
}

const statistics = (ids: fc.Arbitrary<bigint>): fc.Arbitrary<StatisticsFile> =>
  fc
    .tuple(
      fc.record({
        snapshotId: ids,
        statisticsPath: fc.webUrl(),
        fileSizeBytes: long,
        fileFooterSizeBytes: long,
        blobMetadata: fc.array(
          fc
            .tuple(
              fc.record({
                type: fc.string(),
                snapshotId: arbitraryId,
                sequenceNumber: long,
                fields: fc.array(fc.nat(), { maxLength: 3 }),
              }),
              maybe('properties', record(fc.string())),
              unknown,
            )
            .map(([a, b, c]) => ({ ...a, ...b, ...c })),
          { maxLength: 2 },
        ),
      }),
      maybe('keyMetadata', fc.base64String()),
      unknown,
    )
    .map(([a, b, c]) => ({ ...a, ...b, ...c }))

const partitionStatistics = (ids: fc.Arbitrary<bigint>): fc.Arbitrary<PartitionStatisticsFile> =>
  fc
    .tuple(
      fc.record({ snapshotId: ids, statisticsPath: fc.webUrl(), fileSizeBytes: long }),
      unknown,
    )
    .map(([a, b]) => ({ ...a, ...b }))

const encryptionKey: fc.Arbitrary<EncryptionKey> = fc
  .tuple(
    fc.record({ keyId: fc.string(), encryptedKeyMetadata: fc.base64String() }),
    maybe('encryptedById', fc.string()),
    maybe('properties', record(fc.string())),
    unknown,
  )
  .map(([a, b, c, d]) => ({ ...a, ...b, ...c, ...d }))

function refs(ids: readonly bigint[]): fc.Arbitrary<ReadonlyMap<string, SnapshotRef>> {
  if (ids.length === 0) return fc.constant(new Map())
  const ref = fc
    .tuple(
      fc.record({
        snapshotId: fc.constantFrom(...ids),
        type: fc.constantFrom('branch' as const, 'tag' as const),
      }),
      maybe('minSnapshotsToKeep', fc.integer({ min: 1, max: 10 })),
      maybe('maxSnapshotAgeMs', long),
      maybe('maxRefAgeMs', long),
      unknown,
    )
    .map((parts) => Object.assign({}, ...parts) as SnapshotRef)
  return fc
    .tuple(
      ref,
      fc.array(
        fc.tuple(
          name.filter((n) => n !== 'main'),
          ref,
        ),
        { maxLength: 3 },
      ),
    )
    .map(([main, others]) => new Map([...others, ['main', { ...main, type: 'branch' as const }]]))
}

/** Everything that a reader accepts: also specs and orders whose sources are not columns of any schema. */
export function arbitraryMetadata(version: 2 | 3): fc.Arbitrary<TableMetadata> {
  return fc
    .tuple(snapshots(version), fc.nat({ max: 2 }), fc.nat({ max: 2 }), fc.nat({ max: 2 }))
    .chain(([snaps, schemaCount, specCount, orderCount]) => {
      const ids = snaps.map((s) => s.snapshotId)
      const anyId = ids.length === 0 ? arbitraryId : fc.constantFrom(...ids)
      const upTo = (n: number): number[] => Array.from({ length: n + 1 }, (_, i) => i)
      return fc
        .record({
          schemas: fc.tuple(...upTo(schemaCount).map((id) => schemas(version, id))),
          partitionSpecs: fc.tuple(...upTo(specCount).map(specs)),
          sortOrders: fc.tuple(...upTo(orderCount).map(orders)),
          properties: record(fc.string()),
          refs: refs(ids),
          tableUuid: fc.uuid(),
          lastUpdatedMs: long,
          statistics: fc.array(statistics(anyId), { maxLength: 2 }),
          partitionStatistics: fc.array(partitionStatistics(anyId), { maxLength: 2 }),
          encryptionKeys: fc.array(encryptionKey, { maxLength: version === 3 ? 2 : 0 }),
          snapshotLog: fc.array(
            fc
              .tuple(fc.record({ timestampMs: long, snapshotId: arbitraryId }), unknown)
              .map(([a, b]) => ({ ...a, ...b })),
            { maxLength: 3 },
          ),
          metadataLog: fc.array(
            fc
              .tuple(fc.record({ timestampMs: long, metadataFile: fc.webUrl() }), unknown)
              .map(([a, b]) => ({ ...a, ...b })),
            { maxLength: 3 },
          ),
          rest: unknown,
          pick: fc.nat(),
        })
        .map(({ rest, pick, ...parts }): TableMetadata => {
          const current = parts.refs.get('main')?.snapshotId
          const at = <T>(items: readonly T[]): T => items[pick % items.length] as T
          const fieldIds = parts.schemas.map((s) => s.highestFieldId())
          const partitionIds = parts.partitionSpecs.flatMap((s) => s.fields.map((f) => f.fieldId))
          return {
            ...parts,
            formatVersion: version,
            location: 's3://bucket/table',
            lastSequenceNumber: snaps.length,
            lastColumnId: Math.max(...fieldIds),
            currentSchemaId: at(parts.schemas).schemaId,
            defaultSpecId: at(parts.partitionSpecs).specId,
            lastPartitionId: Math.max(999, ...partitionIds),
            defaultSortOrderId: at(parts.sortOrders).orderId,
            ...(current === undefined ? {} : { currentSnapshotId: current }),
            nextRowId: version === 3 ? BigInt(snaps.length) * 2n ** 60n : 0n,
            snapshots: snaps,
            ...rest,
          }
        })
    })
}
