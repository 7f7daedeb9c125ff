/**
 * Changes of table metadata: every update of the REST protocol as a pure function from one immutable value to the
 * next. Semantics are those of the reference implementation. Iceberg REST OpenAPI, TableUpdate
 * (iceberg-writer.md items 5–10, 13, 18–20, 74, 81, 113, 126, 131, 136).
 */
import { FloeError } from '../../core/errors.ts'
import { type Draft, keepWhere, newDraft } from './builder/draft.ts'
import { addSchema, removeSchemas, setCurrentSchema } from './builder/schema-updates.ts'
import {
  addSnapshot,
  finishSnapshotLog,
  removeRef,
  removeSnapshots,
  setRef,
} from './builder/snapshot-updates.ts'
import {
  addSortOrder,
  addSpec,
  checkSources,
  removeSpecs,
  setDefaultSortOrder,
  setDefaultSpec,
} from './builder/spec-updates.ts'
import type { EncryptionKey, FormatVersion, TableMetadata } from './metadata.ts'
import { SUPPORTED_FORMAT_VERSION, withoutTrailingSlash } from './metadata-json.ts'
import { FIRST_PARTITION_FIELD_ID } from './partition-spec.ts'
import { checkProperties, type Properties, previousVersionsMax } from './properties.ts'
import type { MetadataUpdate } from './updates.ts'

export interface UpdateContext {
  /** Wall clock; the result's `lastUpdatedMs` is at least one above the base's. */
  readonly nowMs: number
  /** File of the base, entered into the metadata log. */
  readonly previousMetadataLocation?: string
}

/**
 * Applies updates in order. A null base creates a table: the updates must then set uuid, location, schema, spec and
 * sort order, as a create request of the REST protocol does. Updates that change nothing give the base itself.
 * @throws BAD_METADATA, BAD_SCHEMA, BAD_SCHEMA_CHANGE, BAD_PARTITION_SPEC, BAD_SORT_ORDER, UNSUPPORTED_TRANSFORM,
 *   FORMAT_VERSION, NO_SUCH_SNAPSHOT, BAD_ARGUMENT: nothing changes.
 */
export function applyUpdates(
  base: TableMetadata | null,
  updates: readonly MetadataUpdate[],
  context: UpdateContext,
): TableMetadata {
  const draft = newDraft(base, EMPTY, context.nowMs)
  for (const update of updates) apply(draft, update)
  finishSnapshotLog(draft)
  const { m } = draft
  if (base !== null && isSame(base, m)) return base
  checkComplete(m)
  if (
    base?.currentSchemaId !== m.currentSchemaId ||
    base.defaultSpecId !== m.defaultSpecId ||
    base.defaultSortOrderId !== m.defaultSortOrderId
  ) {
    checkSources(draft)
  }
  m.lastUpdatedMs = draft.nowMs
  if (base !== null && context.previousMetadataLocation !== undefined) {
    const entry = {
      timestampMs: base.lastUpdatedMs,
      metadataFile: context.previousMetadataLocation,
    }
    m.metadataLog = [...base.metadataLog, entry].slice(-previousVersionsMax(m.properties))
  }
  return m
}

function apply(draft: Draft, update: MetadataUpdate): void {
  const { m } = draft
  switch (update.action) {
    case 'assign-uuid':
      assignUuid(draft, update.uuid)
      return
    case 'upgrade-format-version':
      upgrade(draft, update.formatVersion)
      return
    case 'add-schema':
      addSchema(draft, update.schema, update.lastColumnId)
      return
    case 'set-current-schema':
      setCurrentSchema(draft, update.schemaId)
      return
    case 'add-spec':
      addSpec(draft, update.spec)
      return
    case 'set-default-spec':
      setDefaultSpec(draft, update.specId)
      return
    case 'add-sort-order':
      addSortOrder(draft, update.sortOrder)
      return
    case 'set-default-sort-order':
      setDefaultSortOrder(draft, update.sortOrderId)
      return
    case 'add-snapshot':
      addSnapshot(draft, update.snapshot)
      return
    case 'set-snapshot-ref':
      setRef(draft, update.refName, update.ref)
      return
    case 'remove-snapshots':
      removeSnapshots(draft, update.snapshotIds)
      return
    case 'remove-snapshot-ref':
      removeRef(draft, update.refName)
      return
    case 'set-location':
      m.location = withoutTrailingSlash(update.location)
      return
    case 'set-properties':
      checkProperties(update.updates)
      m.properties = withProperties(m.properties, update.updates, [])
      return
    case 'remove-properties':
      m.properties = withProperties(m.properties, {}, update.removals)
      return
    case 'set-statistics':
      m.statistics = replaced(m.statistics, update.statistics)
      return
    case 'remove-statistics':
      m.statistics = keepWhere(m.statistics, (s) => s.snapshotId !== update.snapshotId)
      return
    case 'set-partition-statistics':
      m.partitionStatistics = replaced(m.partitionStatistics, update.partitionStatistics)
      return
    case 'remove-partition-statistics':
      m.partitionStatistics = keepWhere(
        m.partitionStatistics,
        (s) => s.snapshotId !== update.snapshotId,
      )
      return
    case 'remove-partition-specs':
      removeSpecs(draft, update.specIds)
      return
    case 'remove-schemas':
      removeSchemas(draft, update.schemaIds)
      return
    case 'add-encryption-key':
      addEncryptionKey(draft, update.encryptionKey)
      return
    case 'remove-encryption-key':
      m.encryptionKeys = keepWhere(m.encryptionKeys, (k) => k.keyId !== update.keyId)
      return
  }
}

/** A uuid is given once: it is how a table is told from another of its name. */
function assignUuid({ m }: Draft, uuid: string): void {
  if (m.tableUuid !== undefined && m.tableUuid.toLowerCase() !== uuid.toLowerCase()) {
    throw new FloeError('BAD_METADATA', `The table has the uuid ${m.tableUuid}, which stays`)
  }
  m.tableUuid ??= uuid
}

/** Row lineage begins with version 3: `nextRowId` is 0 in older versions (item 136). */
function upgrade({ m, base }: Draft, formatVersion: FormatVersion): void {
  if (base === null && formatVersion < m.formatVersion) {
    throw new FloeError('FORMAT_VERSION', 'Tables are created with format version 2 or 3')
  }
  if (formatVersion < m.formatVersion) {
    throw new FloeError(
      'FORMAT_VERSION',
      `Cannot downgrade a table from format version ${m.formatVersion} to ${formatVersion}`,
    )
  }
  if (formatVersion > SUPPORTED_FORMAT_VERSION) {
    throw new FloeError(
      'FORMAT_VERSION',
      `Format version ${String(formatVersion)} is not supported; the highest is ${SUPPORTED_FORMAT_VERSION}`,
    )
  }
  m.formatVersion = formatVersion
}

/** At most one statistics file of a kind belongs to a snapshot (items 124, 125). */
function replaced<T extends { readonly snapshotId: bigint }>(
  files: readonly T[],
  file: T,
): readonly T[] {
  return [...files.filter((f) => f.snapshotId !== file.snapshotId), file]
}

function addEncryptionKey({ m }: Draft, key: EncryptionKey): void {
  if (m.formatVersion < 3) {
    throw new FloeError(
      'FORMAT_VERSION',
      `Encryption keys need format version 3; the table has ${m.formatVersion}`,
    )
  }
  m.encryptionKeys = [...m.encryptionKeys.filter((k) => k.keyId !== key.keyId), key]
}

/** The changed properties, or the same ones if that changes nothing; no prototype, so `__proto__` is a property. */
function withProperties(
  properties: Properties,
  updates: Properties,
  removals: readonly string[],
): Properties {
  const changes =
    Object.keys(updates).some((key) => read(properties, key) !== updates[key]) ||
    removals.some((key) => Object.hasOwn(properties, key))
  if (!changes) return properties
  const out = Object.create(null) as Record<string, string>
  for (const key of Object.keys(properties)) out[key] = properties[key] as string
  for (const key of Object.keys(updates)) out[key] = updates[key] as string
  for (const key of removals) delete out[key]
  return out
}

function read(properties: Properties, key: string): string | undefined {
  return Object.hasOwn(properties, key) ? properties[key] : undefined
}

function isSame(base: TableMetadata, m: TableMetadata): boolean {
  const keys = new Set([...Object.keys(base), ...Object.keys(m)]) as Set<keyof TableMetadata>
  for (const key of keys) if (base[key] !== m[key]) return false
  return true
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
