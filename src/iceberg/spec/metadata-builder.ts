/**
 * Changes of table metadata: every update of the REST protocol as a pure function from one immutable value to the
 * next. Semantics are those of the reference implementation. Iceberg REST OpenAPI, TableUpdate
 * (iceberg-writer.md items 5–10, 13, 18–20, 74, 81, 113, 126, 131, 136).
 */
import { FloeError } from '../../core/errors.ts'
import { stringifyJson } from '../../core/json.ts'
import type { FormatVersion, TableMetadata } from './metadata.ts'
import {
  FIRST_PARTITION_FIELD_ID,
  type PartitionField,
  type PartitionSpec,
} from './partition-spec.ts'
import { checkPartitionSpec } from './partition-spec-builder.ts'
import { previousVersionsMax } from './properties.ts'
import { Schema } from './schema.ts'
import { checkSchema } from './schema-checks.ts'
import { schemaToJson } from './schema-json.ts'
import { MAIN_BRANCH, type Snapshot, type SnapshotRef } from './snapshot.ts'
import type { SortOrder } from './sort-order.ts'
import { sortOrderToJson } from './sort-order-json.ts'
import { transformText } from './transform-text.ts'
import { canTransform } from './transforms.ts'
import type { MetadataUpdate } from './updates.ts'

export interface UpdateContext {
  /** Wall clock; the result's `lastUpdatedMs` is at least one above the base's. */
  readonly nowMs: number
  /** File of the base, entered into the metadata log. */
  readonly previousMetadataLocation?: string
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** State while a list of updates is applied: the metadata so far and what "last added" means. */
interface Draft {
  m: Mutable<TableMetadata>
  lastAddedSchemaId: number | undefined
  lastAddedSpecId: number | undefined
  lastAddedOrderId: number | undefined
  nowMs: number
}

/**
 * Applies updates in order. A null base creates a table: the updates must then set uuid, location, schema, spec and
 * sort order, as a create request of the REST protocol does.
 * @throws BAD_METADATA, BAD_SCHEMA, BAD_SCHEMA_CHANGE, BAD_PARTITION_SPEC, FORMAT_VERSION, NO_SUCH_SNAPSHOT …: nothing changes.
 */
export function applyUpdates(
  base: TableMetadata | null,
  updates: readonly MetadataUpdate[],
  context: UpdateContext,
): TableMetadata {
  if (updates.length === 0 && base !== null) return base
  const draft: Draft = {
    m: { ...(base ?? EMPTY) },
    lastAddedSchemaId: undefined,
    lastAddedSpecId: undefined,
    lastAddedOrderId: undefined,
    nowMs: base === null ? context.nowMs : Math.max(context.nowMs, base.lastUpdatedMs + 1),
  }
  for (const update of updates) apply(draft, update)
  const { m } = draft
  m.lastUpdatedMs = draft.nowMs
  if (base !== null && context.previousMetadataLocation !== undefined) {
    const entry = {
      timestampMs: base.lastUpdatedMs,
      metadataFile: context.previousMetadataLocation,
    }
    m.metadataLog = [...base.metadataLog, entry].slice(-previousVersionsMax(m.properties))
  }
  checkComplete(m)
  return m
}

function apply(draft: Draft, update: MetadataUpdate): void {
  const { m } = draft
  switch (update.action) {
    case 'assign-uuid':
      if (m.tableUuid !== undefined && m.tableUuid !== update.uuid) {
        throw new FloeError('BAD_METADATA', `Cannot reassign the table uuid ${m.tableUuid}`)
      }
      m.tableUuid = update.uuid
      return
    case 'upgrade-format-version':
      upgrade(m, update.formatVersion)
      return
    case 'add-schema':
      addSchema(draft, update.schema)
      return
    case 'set-current-schema':
      setCurrentSchema(draft, update.schemaId)
      return
    case 'add-spec':
      addSpec(draft, update.spec)
      return
    case 'set-default-spec':
      m.defaultSpecId = resolveLast(update.specId, draft.lastAddedSpecId, 'partition spec')
      if (!m.partitionSpecs.some((s) => s.specId === m.defaultSpecId)) {
        throw new FloeError('BAD_PARTITION_SPEC', `There is no partition spec ${m.defaultSpecId}`)
      }
      return
    case 'add-sort-order':
      addSortOrder(draft, update.sortOrder)
      return
    case 'set-default-sort-order':
      m.defaultSortOrderId = resolveLast(update.sortOrderId, draft.lastAddedOrderId, 'sort order')
      if (!m.sortOrders.some((s) => s.orderId === m.defaultSortOrderId)) {
        throw new FloeError('BAD_SORT_ORDER', `There is no sort order ${m.defaultSortOrderId}`)
      }
      return
    case 'add-snapshot':
      addSnapshot(draft, update.snapshot)
      return
    case 'set-snapshot-ref':
      setRef(draft, update.refName, update.ref)
      return
    case 'remove-snapshots':
      removeSnapshots(m, new Set(update.snapshotIds))
      return
    case 'remove-snapshot-ref': {
      const refs = new Map(m.refs)
      refs.delete(update.refName)
      m.refs = refs
      if (update.refName === MAIN_BRANCH) {
        delete m.currentSnapshotId
        m.snapshotLog = []
      }
      return
    }
    case 'set-location':
      m.location = update.location.replace(/(?<=[^/:])\/+$/, '')
      return
    case 'set-properties':
      m.properties = copyProperties(m.properties, update.updates)
      return
    case 'remove-properties': {
      const properties = copyProperties(m.properties, {}) as Record<string, string>
      for (const key of update.removals) delete properties[key]
      m.properties = properties
      return
    }
    case 'set-statistics':
      m.statistics = [
        ...m.statistics.filter((s) => s.snapshotId !== update.statistics.snapshotId),
        update.statistics,
      ]
      return
    case 'remove-statistics':
      m.statistics = m.statistics.filter((s) => s.snapshotId !== update.snapshotId)
      return
    case 'set-partition-statistics':
      m.partitionStatistics = [
        ...m.partitionStatistics.filter(
          (s) => s.snapshotId !== update.partitionStatistics.snapshotId,
        ),
        update.partitionStatistics,
      ]
      return
    case 'remove-partition-statistics':
      m.partitionStatistics = m.partitionStatistics.filter(
        (s) => s.snapshotId !== update.snapshotId,
      )
      return
    case 'remove-partition-specs':
      if (update.specIds.includes(m.defaultSpecId)) {
        throw new FloeError('BAD_PARTITION_SPEC', 'Cannot remove the default partition spec')
      }
      m.partitionSpecs = m.partitionSpecs.filter((s) => !update.specIds.includes(s.specId))
      return
    case 'remove-schemas':
      if (update.schemaIds.includes(m.currentSchemaId)) {
        throw new FloeError('BAD_SCHEMA_CHANGE', 'Cannot remove the current schema')
      }
      m.schemas = m.schemas.filter((s) => !update.schemaIds.includes(s.schemaId))
      return
    case 'add-encryption-key':
      m.encryptionKeys = [
        ...m.encryptionKeys.filter((k) => k.keyId !== update.encryptionKey.keyId),
        update.encryptionKey,
      ]
      return
    case 'remove-encryption-key':
      m.encryptionKeys = m.encryptionKeys.filter((k) => k.keyId !== update.keyId)
      return
  }
}

function upgrade(m: Mutable<TableMetadata>, formatVersion: FormatVersion): void {
  if (formatVersion < m.formatVersion) {
    throw new FloeError(
      'FORMAT_VERSION',
      `Cannot downgrade a table from format version ${m.formatVersion} to ${formatVersion}`,
    )
  }
  if (formatVersion > 3) {
    throw new FloeError(
      'FORMAT_VERSION',
      `Format version ${String(formatVersion)} is not supported`,
    )
  }
  m.formatVersion = formatVersion
}

function addSchema(draft: Draft, schema: Schema): void {
  const { m } = draft
  checkSchema(schema, m.formatVersion)
  m.lastColumnId = Math.max(m.lastColumnId, schema.highestFieldId())
  const text = schemaKey(schema)
  const same = m.schemas.find((s) => schemaKey(s) === text)
  if (same !== undefined) {
    draft.lastAddedSchemaId = same.schemaId
    return
  }
  const taken = m.schemas.some((s) => s.schemaId === schema.schemaId)
  const schemaId =
    schema.schemaId >= 0 && !taken
      ? schema.schemaId
      : 1 + Math.max(-1, ...m.schemas.map((s) => s.schemaId))
  m.schemas = [
    ...m.schemas,
    new Schema({
      schemaId,
      fields: schema.fields,
      identifierFieldIds: schema.identifierFieldIds,
    }),
  ]
  draft.lastAddedSchemaId = schemaId
}

/** Equal schemas have equal keys; the id is not part of it. */
function schemaKey(schema: Schema): string {
  return stringifyJson({ ...schemaToJson(schema), 'schema-id': 0 })
}

function setCurrentSchema(draft: Draft, id: number): void {
  const { m } = draft
  const schemaId = resolveLast(id, draft.lastAddedSchemaId, 'schema')
  const schema = m.schemas.find((s) => s.schemaId === schemaId)
  if (schema === undefined) throw new FloeError('BAD_SCHEMA', `There is no schema ${schemaId}`)
  // A dropped source of the current spec or order makes the table unreadable elsewhere (item 19).
  const spec = m.partitionSpecs.find((s) => s.specId === m.defaultSpecId)
  for (const field of spec?.fields ?? []) {
    if (field.transform.kind === 'void' || field.transform.kind === 'unknown') continue
    for (const sourceId of field.sourceIds) {
      const type = schema.findById(sourceId)?.field.type
      if (type === undefined || !canTransform(field.transform, type)) {
        throw new FloeError(
          'BAD_SCHEMA_CHANGE',
          `Cannot drop or change column ${sourceId}: the partition field "${field.name}" is made from it`,
          { context: { fieldId: sourceId, partition: field.name } },
        )
      }
    }
  }
  const order = m.sortOrders.find((s) => s.orderId === m.defaultSortOrderId)
  for (const field of order?.fields ?? []) {
    for (const sourceId of field.sourceIds) {
      if (schema.findById(sourceId) === undefined) {
        throw new FloeError(
          'BAD_SCHEMA_CHANGE',
          `Cannot drop column ${sourceId}: the table is sorted by it`,
          { context: { fieldId: sourceId } },
        )
      }
    }
  }
  m.currentSchemaId = schemaId
}

function addSpec(draft: Draft, spec: PartitionSpec): void {
  const { m } = draft
  checkPartitionSpec(spec, currentSchema(m))
  const fields = spec.fields.map((field) => withStableId(m, field))
  const ids = new Set(fields.map((field) => field.fieldId))
  if (ids.size !== fields.length) {
    throw new FloeError('BAD_PARTITION_SPEC', 'Two partition fields of a spec share one field id')
  }
  const text = specKey(fields)
  const same = m.partitionSpecs.find((s) => specKey(s.fields) === text)
  m.lastPartitionId = Math.max(m.lastPartitionId, FIRST_PARTITION_FIELD_ID - 1, ...ids)
  if (same !== undefined) {
    draft.lastAddedSpecId = same.specId
    return
  }
  const taken = m.partitionSpecs.some((s) => s.specId === spec.specId)
  const specId =
    spec.specId >= 0 && !taken
      ? spec.specId
      : 1 + Math.max(-1, ...m.partitionSpecs.map((s) => s.specId))
  m.partitionSpecs = [...m.partitionSpecs, { specId, fields }]
  draft.lastAddedSpecId = specId
}

/** An equivalent field of any spec keeps its id; an id that another field has is replaced by a new one (item 18). */
function withStableId(m: TableMetadata, field: PartitionField): PartitionField {
  const key = `${field.sourceIds.join(',')}:${transformText(field.transform)}`
  for (const spec of m.partitionSpecs) {
    for (const known of spec.fields) {
      if (`${known.sourceIds.join(',')}:${transformText(known.transform)}` === key) {
        return { ...field, fieldId: known.fieldId }
      }
    }
  }
  const taken = m.partitionSpecs.some((s) => s.fields.some((f) => f.fieldId === field.fieldId))
  if (!taken && field.fieldId >= FIRST_PARTITION_FIELD_ID) return field
  return { ...field, fieldId: m.lastPartitionId + 1 }
}

function specKey(fields: readonly PartitionField[]): string {
  return JSON.stringify(
    fields.map((f) => [f.sourceIds, f.fieldId, f.name, transformText(f.transform)]),
  )
}

function addSortOrder(draft: Draft, order: SortOrder): void {
  const { m } = draft
  const schema = currentSchema(m)
  for (const field of order.fields) {
    for (const sourceId of field.sourceIds) {
      const entry = schema.findById(sourceId)
      if (entry === undefined || !canTransform(field.transform, entry.field.type)) {
        throw new FloeError(
          'BAD_SORT_ORDER',
          `Cannot sort by column ${sourceId} with ${transformText(field.transform)}`,
          { context: { fieldId: sourceId } },
        )
      }
    }
  }
  if (order.fields.length === 0) {
    if (!m.sortOrders.some((s) => s.orderId === 0)) {
      m.sortOrders = [...m.sortOrders, { orderId: 0, fields: [] }]
    }
    draft.lastAddedOrderId = 0
    return
  }
  const text = orderKey(order)
  const same = m.sortOrders.find((s) => orderKey(s) === text)
  if (same !== undefined) {
    draft.lastAddedOrderId = same.orderId
    return
  }
  const taken = m.sortOrders.some((s) => s.orderId === order.orderId)
  const orderId =
    order.orderId > 0 && !taken
      ? order.orderId
      : 1 + Math.max(0, ...m.sortOrders.map((s) => s.orderId))
  m.sortOrders = [...m.sortOrders, { orderId, fields: order.fields }]
  draft.lastAddedOrderId = orderId
}

function orderKey(order: SortOrder): string {
  return stringifyJson({ ...sortOrderToJson(order), 'order-id': 0 })
}

function addSnapshot(draft: Draft, snapshot: Snapshot): void {
  const { m } = draft
  if (m.snapshots.some((s) => s.snapshotId === snapshot.snapshotId)) {
    throw new FloeError('BAD_METADATA', `The snapshot ${snapshot.snapshotId} is already there`, {
      context: { snapshotId: snapshot.snapshotId },
    })
  }
  if (
    m.formatVersion > 1 &&
    snapshot.parentSnapshotId !== undefined &&
    snapshot.sequenceNumber <= m.lastSequenceNumber
  ) {
    throw new FloeError(
      'BAD_METADATA',
      `The sequence number ${snapshot.sequenceNumber} of a new snapshot must be above ${m.lastSequenceNumber}`,
      { context: { snapshotId: snapshot.snapshotId } },
    )
  }
  if (m.formatVersion >= 3) {
    const { firstRowId, addedRows } = snapshot
    if (firstRowId === undefined || addedRows === undefined || addedRows < 0n) {
      throw new FloeError(
        'BAD_METADATA',
        'A snapshot of a v3 table needs first-row-id and added-rows',
      )
    }
    if (firstRowId < m.nextRowId) {
      throw new FloeError(
        'BAD_METADATA',
        `The first row id ${firstRowId} of a new snapshot is below the table's next row id ${m.nextRowId}`,
        { context: { snapshotId: snapshot.snapshotId } },
      )
    }
    m.nextRowId += addedRows
  }
  m.lastSequenceNumber = Math.max(m.lastSequenceNumber, snapshot.sequenceNumber)
  m.snapshots = [...m.snapshots, snapshot]
  draft.nowMs = Math.max(draft.nowMs, snapshot.timestampMs)
}

function setRef(draft: Draft, name: string, ref: SnapshotRef): void {
  const { m } = draft
  if (!m.snapshots.some((s) => s.snapshotId === ref.snapshotId)) {
    throw new FloeError(
      'NO_SUCH_SNAPSHOT',
      `Cannot set "${name}" to the snapshot ${ref.snapshotId}, which does not exist`,
      { context: { ref: name, snapshotId: ref.snapshotId } },
    )
  }
  if (name === MAIN_BRANCH && ref.type !== 'branch') {
    throw new FloeError('BAD_ARGUMENT', 'main is a branch and cannot become a tag')
  }
  m.refs = new Map(m.refs).set(name, ref)
  if (name === MAIN_BRANCH && m.currentSnapshotId !== ref.snapshotId) {
    m.currentSnapshotId = ref.snapshotId
    const last = m.snapshotLog.at(-1)
    // A log entry is never older than the one before it, also where the clock went back (item 5).
    const timestampMs = Math.max(draft.nowMs, last?.timestampMs ?? 0)
    draft.nowMs = timestampMs
    m.snapshotLog = [...m.snapshotLog, { timestampMs, snapshotId: ref.snapshotId }]
  }
}

function removeSnapshots(m: Mutable<TableMetadata>, ids: ReadonlySet<bigint>): void {
  m.snapshots = m.snapshots.filter((s) => !ids.has(s.snapshotId))
  m.statistics = m.statistics.filter((s) => !ids.has(s.snapshotId))
  m.partitionStatistics = m.partitionStatistics.filter((s) => !ids.has(s.snapshotId))
  const refs = new Map([...m.refs].filter(([, ref]) => !ids.has(ref.snapshotId)))
  if (m.currentSnapshotId !== undefined && ids.has(m.currentSnapshotId)) delete m.currentSnapshotId
  m.refs = refs
  // The log before a removed snapshot no longer tells the whole history and goes too (item 127).
  const lastRemoved = m.snapshotLog.findLastIndex((entry) => ids.has(entry.snapshotId))
  if (lastRemoved >= 0) m.snapshotLog = m.snapshotLog.slice(lastRemoved + 1)
}

function resolveLast(id: number, lastAdded: number | undefined, what: string): number {
  if (id !== -1) return id
  if (lastAdded === undefined) {
    throw new FloeError('BAD_ARGUMENT', `−1 means the last added ${what}, but none was added`)
  }
  return lastAdded
}

/** Copies without a prototype, so that a property named `__proto__` stays a property. */
function copyProperties(
  properties: Readonly<Record<string, string>>,
  updates: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const out = Object.create(null) as Record<string, string>
  for (const key of Object.keys(properties)) out[key] = properties[key] as string
  for (const key of Object.keys(updates)) out[key] = updates[key] as string
  return out
}

function currentSchema(m: TableMetadata): Schema {
  // While a table is created the schema is added before it is made current.
  return (m.schemas.find((s) => s.schemaId === m.currentSchemaId) ?? m.schemas.at(-1)) as Schema
}

function checkComplete(m: TableMetadata): void {
  const missing =
    m.tableUuid === undefined
      ? 'a uuid'
      : m.location === ''
        ? 'a location'
        : m.currentSchemaId < 0
          ? 'a current schema'
          : m.defaultSpecId < 0
            ? 'a default partition spec'
            : m.defaultSortOrderId < 0
              ? 'a default sort order'
              : undefined
  if (missing !== undefined) {
    throw new FloeError('BAD_METADATA', `The updates leave the table without ${missing}`)
  }
}

/** The base of a table that does not exist yet; −1 marks what must be set. */
const EMPTY: TableMetadata = {
  formatVersion: 2,
  location: '',
  lastSequenceNumber: 0,
  lastUpdatedMs: 0,
  lastColumnId: 0,
  currentSchemaId: -1,
  schemas: [],
  defaultSpecId: -1,
  partitionSpecs: [],
  lastPartitionId: FIRST_PARTITION_FIELD_ID - 1,
  defaultSortOrderId: -1,
  sortOrders: [],
  properties: {},
  nextRowId: 0n,
  encryptionKeys: [],
  refs: new Map(),
  snapshots: [],
  statistics: [],
  partitionStatistics: [],
  snapshotLog: [],
  metadataLog: [],
}
