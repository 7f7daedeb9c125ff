/**
 * Table metadata from and to JSON, versions 1 to 3. Iceberg spec §Table Metadata, §Appendix C
 * (iceberg-writer.md items 2–4, 9, 24, 26, 27). Reading normalises v1; writing gives v2 and v3 in the key order of
 * the reference implementation, with fields that are not known kept.
 */
import { FloeError, isFloeError } from '../../core/errors.ts'
import {
  asArray,
  asId,
  asInt,
  asObject,
  asSafeLong,
  asString,
  type JsonObject,
  type JsonValue,
  jsonObject,
} from '../../core/json.ts'
import {
  isAbsent,
  keepUnknown,
  optional,
  stringMap,
  stringMapToJson,
  withUnknown,
} from './json-fields.ts'
import type { FormatVersion, TableMetadata } from './metadata.ts'
import { FIRST_PARTITION_FIELD_ID, type PartitionSpec, UNPARTITIONED } from './partition-spec.ts'
import {
  partitionFieldsFromJson,
  partitionSpecFromJson,
  partitionSpecToJson,
} from './partition-spec-json.ts'
import type { Schema } from './schema.ts'
import { visitFieldIds } from './schema-checks.ts'
import { schemaFromJson, schemaToJson } from './schema-json.ts'
import {
  MAIN_BRANCH,
  type MetadataLogEntry,
  type Snapshot,
  type SnapshotLogEntry,
  type SnapshotRef,
} from './snapshot.ts'
import { refFromJson, refToJson, snapshotFromJson, snapshotToJson } from './snapshot-json.ts'
import { type SortOrder, UNSORTED } from './sort-order.ts'
import { sortOrderFromJson, sortOrderToJson } from './sort-order-json.ts'
import {
  encryptionKeyFromJson,
  encryptionKeyToJson,
  partitionStatisticsFromJson,
  partitionStatisticsToJson,
  statisticsFromJson,
  statisticsToJson,
} from './statistics-json.ts'

/** The highest format version that can be read and written. */
export const SUPPORTED_FORMAT_VERSION = 3

/**
 * Reads table metadata. Some writers set `last-column-id` or `last-partition-id` below an id that is in use: it is
 * raised to that, so that no id is ever given twice (item 6).
 * @param what names the file in errors.
 * @throws BAD_METADATA for metadata that contradicts itself; FORMAT_VERSION for a version above 3; BAD_JSON for
 *   fields of the wrong type. All name file and field.
 */
export function metadataFromJson(json: JsonValue, what: string): TableMetadata {
  try {
    return readMetadata(json, what)
  } catch (error) {
    if (!isFloeError(error) || error.context['file'] !== undefined) throw error
    const message = error.message.replace(/ \[[A-Z_]+\]$/, '')
    throw new FloeError(error.code, `Cannot read table metadata ${what}: ${message}`, {
      cause: error,
      context: { ...error.context, file: what },
    })
  }
}

function readMetadata(json: JsonValue, what: string): TableMetadata {
  const o = asObject(json, 'table metadata')
  const formatVersion = readFormatVersion(o, what)
  const uuid = o['table-uuid']
  if (isAbsent(uuid) && formatVersion > 1) throw bad('table-uuid', 'is missing')
  const { schemas, currentSchemaId } = readSchemas(o, formatVersion)
  const { partitionSpecs, defaultSpecId } = readSpecs(o, formatVersion)
  const { sortOrders, defaultSortOrderId } = readSortOrders(o, formatVersion)
  const currentSnapshotId = readCurrentSnapshotId(o)
  const snapshots = readSnapshots(o, formatVersion)
  const metadata: TableMetadata = {
    formatVersion,
    ...optional(uuid, 'tableUuid', (id) => asString(id, 'table-uuid')),
    location: withoutTrailingSlash(asString(o['location'], 'location')),
    lastSequenceNumber:
      formatVersion > 1 ? asSafeLong(o['last-sequence-number'], 'last-sequence-number') : 0,
    lastUpdatedMs: asSafeLong(o['last-updated-ms'], 'last-updated-ms'),
    lastColumnId: readLastColumnId(o, schemas),
    currentSchemaId,
    schemas,
    defaultSpecId,
    partitionSpecs,
    lastPartitionId: readLastPartitionId(o, partitionSpecs, formatVersion),
    defaultSortOrderId,
    sortOrders,
    properties: isAbsent(o['properties']) ? {} : stringMap(o['properties'], 'properties'),
    ...(currentSnapshotId === undefined ? {} : { currentSnapshotId }),
    nextRowId: readNextRowId(o, snapshots, formatVersion),
    encryptionKeys: readArray(o, 'encryption-keys', encryptionKeyFromJson),
    refs: readRefs(o, currentSnapshotId),
    snapshots,
    statistics: readArray(o, 'statistics', statisticsFromJson),
    partitionStatistics: readArray(o, 'partition-statistics', partitionStatisticsFromJson),
    snapshotLog: readArray(o, 'snapshot-log', snapshotLogEntryFromJson),
    metadataLog: readArray(o, 'metadata-log', metadataLogEntryFromJson),
    ...keepUnknown(o, METADATA_KEYS),
  }
  checkConsistent(metadata)
  return metadata
}

/** Gives the JSON of an item that never changes, by `toJson` or from memory. */
export type ItemJson = <T extends object>(item: T, toJson: (item: T) => JsonObject) => JsonValue

const plainJson: ItemJson = (item, toJson) => toJson(item)

/**
 * Metadata of version 2 or 3 as JSON.
 * @param itemJson how schemas, snapshots and log entries become JSON, for who knows some already.
 * @throws FORMAT_VERSION for version 1, which is not written.
 */
export function metadataToJson(m: TableMetadata, itemJson: ItemJson = plainJson): JsonObject {
  if (m.formatVersion === 1) {
    throw new FloeError(
      'FORMAT_VERSION',
      'Cannot write metadata of format version 1. Upgrade the table to version 2 first',
    )
  }
  const out = jsonObject()
  out['format-version'] = m.formatVersion
  out['table-uuid'] = m.tableUuid as string
  out['location'] = m.location
  out['last-sequence-number'] = m.lastSequenceNumber
  out['last-updated-ms'] = m.lastUpdatedMs
  out['last-column-id'] = m.lastColumnId
  out['current-schema-id'] = m.currentSchemaId
  out['schemas'] = m.schemas.map((schema) => itemJson(schema, schemaToJson))
  out['default-spec-id'] = m.defaultSpecId
  out['partition-specs'] = m.partitionSpecs.map(partitionSpecToJson)
  out['last-partition-id'] = m.lastPartitionId
  out['default-sort-order-id'] = m.defaultSortOrderId
  out['sort-orders'] = m.sortOrders.map(sortOrderToJson)
  out['properties'] = stringMapToJson(m.properties)
  // Java readers of v2 expect −1, of v3 null, where there is no snapshot.
  out['current-snapshot-id'] = m.currentSnapshotId ?? (m.formatVersion >= 3 ? null : -1)
  if (m.formatVersion >= 3) out['next-row-id'] = m.nextRowId
  if (m.encryptionKeys.length > 0) {
    out['encryption-keys'] = m.encryptionKeys.map(encryptionKeyToJson)
  }
  const refs = jsonObject()
  for (const [name, ref] of m.refs) refs[name] = refToJson(ref)
  out['refs'] = refs
  out['snapshots'] = m.snapshots.map((s) =>
    itemJson(s, (item) => snapshotToJson(item, m.formatVersion)),
  )
  out['statistics'] = m.statistics.map(statisticsToJson)
  out['partition-statistics'] = m.partitionStatistics.map(partitionStatisticsToJson)
  out['snapshot-log'] = m.snapshotLog.map((entry) => itemJson(entry, snapshotLogEntryToJson))
  out['metadata-log'] = m.metadataLog.map((entry) => itemJson(entry, metadataLogEntryToJson))
  return withUnknown(out, m.unknown)
}

function snapshotLogEntryToJson(entry: SnapshotLogEntry): JsonObject {
  const item = jsonObject()
  item['timestamp-ms'] = entry.timestampMs
  item['snapshot-id'] = entry.snapshotId
  return withUnknown(item, entry.unknown)
}

function metadataLogEntryToJson(entry: MetadataLogEntry): JsonObject {
  const item = jsonObject()
  item['timestamp-ms'] = entry.timestampMs
  item['metadata-file'] = entry.metadataFile
  return withUnknown(item, entry.unknown)
}

/** A location as it is stored: without slashes at the end (item 24), but for those of `s3://`. */
export function withoutTrailingSlash(location: string): string {
  let end = location.length
  while (end > 1 && location[end - 1] === '/' && !location.startsWith('://', end - 3)) end--
  return location.slice(0, end)
}

function readFormatVersion(o: JsonObject, what: string): FormatVersion {
  const formatVersion = asInt(o['format-version'], 'format-version')
  if (formatVersion > SUPPORTED_FORMAT_VERSION) {
    throw new FloeError(
      'FORMAT_VERSION',
      `Cannot read ${what}: its format-version is ${formatVersion}, and ${SUPPORTED_FORMAT_VERSION} is the highest supported`,
      { context: { file: what, field: 'format-version', formatVersion } },
    )
  }
  if (formatVersion < 1) throw bad('format-version', `${formatVersion} does not exist`)
  return formatVersion as FormatVersion
}

/** In v1 the list may be missing, or not say which schema is current: then that is `schema`. */
function readSchemas(
  o: JsonObject,
  formatVersion: FormatVersion,
): { schemas: readonly Schema[]; currentSchemaId: number } {
  const schemas = readArray(o, 'schemas', schemaFromJson)
  if (formatVersion > 1 || (schemas.length > 0 && !isAbsent(o['current-schema-id']))) {
    if (isAbsent(o['schemas'])) throw bad('schemas', 'is missing')
    const currentSchemaId = asInt(o['current-schema-id'], 'current-schema-id')
    if (!schemas.some((s) => s.schemaId === currentSchemaId)) {
      throw bad('current-schema-id', `${currentSchemaId} is not among the schemas`)
    }
    return { schemas, currentSchemaId }
  }
  const schema = schemaFromJson(o['schema'], 'schema')
  const others = schemas.filter((s) => s.schemaId !== schema.schemaId)
  return { schemas: [...others, schema], currentSchemaId: schema.schemaId }
}

/** In v1 the list may be missing, or not say which spec is the default: then that is the newest. */
function readSpecs(
  o: JsonObject,
  formatVersion: FormatVersion,
): { partitionSpecs: readonly PartitionSpec[]; defaultSpecId: number } {
  const partitionSpecs = readArray(o, 'partition-specs', partitionSpecFromJson)
  if (formatVersion > 1 && isAbsent(o['partition-specs'])) {
    throw bad('partition-specs', 'is missing')
  }
  if (formatVersion > 1 || (partitionSpecs.length > 0 && !isAbsent(o['default-spec-id']))) {
    const defaultSpecId = asInt(o['default-spec-id'], 'default-spec-id')
    // Some catalogs list no spec where the table is not partitioned.
    const none = partitionSpecs.length === 0 && defaultSpecId === UNPARTITIONED.specId
    return { partitionSpecs: none ? [UNPARTITIONED] : partitionSpecs, defaultSpecId }
  }
  if (partitionSpecs.length > 0) {
    const defaultSpecId = partitionSpecs.reduce((id, spec) => Math.max(id, spec.specId), 0)
    return { partitionSpecs, defaultSpecId }
  }
  const fields = partitionFieldsFromJson(o['partition-spec'], 'partition-spec')
  return { partitionSpecs: [{ specId: 0, fields }], defaultSpecId: 0 }
}

function readSortOrders(
  o: JsonObject,
  formatVersion: FormatVersion,
): { sortOrders: readonly SortOrder[]; defaultSortOrderId: number } {
  if (isAbsent(o['sort-orders'])) {
    if (formatVersion > 1) throw bad('sort-orders', 'is missing')
    return { sortOrders: [UNSORTED], defaultSortOrderId: UNSORTED.orderId }
  }
  const sortOrders = readArray(o, 'sort-orders', sortOrderFromJson)
  const defaultSortOrderId = asInt(o['default-sort-order-id'], 'default-sort-order-id')
  // The id of the unsorted order is reserved, so it means that also where it is not listed.
  const listed = sortOrders.some((order) => order.orderId === UNSORTED.orderId)
  return {
    sortOrders:
      defaultSortOrderId === UNSORTED.orderId && !listed ? [...sortOrders, UNSORTED] : sortOrders,
    defaultSortOrderId,
  }
}

/** Reads the ids of all schemas, which must be unique within each. */
function readLastColumnId(o: JsonObject, schemas: readonly Schema[]): number {
  let last = asInt(o['last-column-id'], 'last-column-id')
  for (const schema of schemas) {
    const ids = new Set<number>()
    visitFieldIds(schema, (id) => {
      if (ids.has(id)) {
        throw bad('schemas', `has the field id ${id} twice in schema ${schema.schemaId}`)
      }
      ids.add(id)
      if (id > last) last = id
    })
    for (const id of schema.identifierFieldIds) {
      if (ids.has(id)) continue
      throw bad('schemas', `has no field ${id}, an identifier field of schema ${schema.schemaId}`)
    }
  }
  return last
}

function readLastPartitionId(
  o: JsonObject,
  specs: readonly PartitionSpec[],
  formatVersion: FormatVersion,
): number {
  const stored = o['last-partition-id']
  if (isAbsent(stored) && formatVersion > 1) throw bad('last-partition-id', 'is missing')
  let last = isAbsent(stored) ? FIRST_PARTITION_FIELD_ID - 1 : asInt(stored, 'last-partition-id')
  for (const spec of specs) {
    for (const field of spec.fields) last = Math.max(last, field.fieldId)
  }
  return last
}

/** Snapshots of v1 have no sequence numbers, whatever their writer put there (item 136). */
function readSnapshots(o: JsonObject, formatVersion: FormatVersion): readonly Snapshot[] {
  const snapshots = readArray(o, 'snapshots', snapshotFromJson)
  return formatVersion > 1 ? snapshots : snapshots.map((s) => ({ ...s, sequenceNumber: 0 }))
}

/** Required in v3; a table that never had a snapshot has assigned no ids, whatever its writer left out. */
function readNextRowId(
  o: JsonObject,
  snapshots: readonly Snapshot[],
  formatVersion: FormatVersion,
): bigint {
  if (formatVersion < 3) return 0n
  const stored = o['next-row-id']
  return isAbsent(stored) && snapshots.length === 0 ? 0n : asId(stored, 'next-row-id')
}

/** −1, null and absent all mean that there is none (item 4). */
function readCurrentSnapshotId(o: JsonObject): bigint | undefined {
  const value = o['current-snapshot-id']
  return isAbsent(value) || value === -1 ? undefined : asId(value, 'current-snapshot-id')
}

/** Where main is missing it is the current snapshot, as for metadata from before refs. */
function readRefs(
  o: JsonObject,
  currentSnapshotId: bigint | undefined,
): ReadonlyMap<string, SnapshotRef> {
  const refs = new Map<string, SnapshotRef>()
  if (!isAbsent(o['refs'])) {
    const json = asObject(o['refs'], 'refs')
    for (const name of Object.keys(json)) refs.set(name, refFromJson(json[name], `refs.${name}`))
  }
  if (currentSnapshotId !== undefined && !refs.has(MAIN_BRANCH)) {
    refs.set(MAIN_BRANCH, { snapshotId: currentSnapshotId, type: 'branch' })
  }
  return refs
}

function snapshotLogEntryFromJson(json: JsonValue, what: string): SnapshotLogEntry {
  const o = asObject(json, what)
  return {
    timestampMs: asSafeLong(o['timestamp-ms'], `${what}.timestamp-ms`),
    snapshotId: asId(o['snapshot-id'], `${what}.snapshot-id`),
    ...keepUnknown(o, SNAPSHOT_LOG_KEYS),
  }
}

function metadataLogEntryFromJson(json: JsonValue, what: string): MetadataLogEntry {
  const o = asObject(json, what)
  return {
    timestampMs: asSafeLong(o['timestamp-ms'], `${what}.timestamp-ms`),
    metadataFile: asString(o['metadata-file'], `${what}.metadata-file`),
    ...keepUnknown(o, METADATA_LOG_KEYS),
  }
}

/** The decoded items of an array; none where it is absent or null. */
function readArray<T>(
  o: JsonObject,
  key: string,
  decode: (json: JsonValue, what: string) => T,
): readonly T[] {
  if (isAbsent(o[key])) return []
  return asArray(o[key], key).map((item) => decode(item, `${key}[]`))
}

/** What the specification demands between fields (items 6, 9, reliability.md §1 rule 10). */
function checkConsistent(m: TableMetadata): void {
  unique('schemas', 'the schema id', m.schemas, (s) => s.schemaId)
  const specIds = unique('partition-specs', 'the spec id', m.partitionSpecs, (s) => s.specId)
  const orderIds = unique('sort-orders', 'the order id', m.sortOrders, (s) => s.orderId)
  const snapshotIds = unique('snapshots', 'the snapshot id', m.snapshots, (s) => s.snapshotId)
  if (!specIds.has(m.defaultSpecId)) {
    throw bad('default-spec-id', `${m.defaultSpecId} is not among the partition specs`)
  }
  if (!orderIds.has(m.defaultSortOrderId)) {
    throw bad('default-sort-order-id', `${m.defaultSortOrderId} is not among the sort orders`)
  }
  if (m.currentSnapshotId !== undefined && !snapshotIds.has(m.currentSnapshotId)) {
    throw bad('current-snapshot-id', `${m.currentSnapshotId} is not among the snapshots`)
  }
  for (const [name, ref] of m.refs) {
    if (!snapshotIds.has(ref.snapshotId)) {
      throw bad('refs', `has "${name}" at the snapshot ${ref.snapshotId}, which does not exist`)
    }
  }
  const main = m.refs.get(MAIN_BRANCH)?.snapshotId
  if (main !== m.currentSnapshotId) {
    throw bad(
      'current-snapshot-id',
      `is ${String(m.currentSnapshotId ?? 'none')}, and the branch main is at ${String(main)}`,
    )
  }
  if (m.nextRowId < 0n) throw bad('next-row-id', `${m.nextRowId} is negative`)
  for (const snapshot of m.snapshots) {
    if (m.formatVersion > 1 && snapshot.sequenceNumber > m.lastSequenceNumber) {
      throw bad(
        'last-sequence-number',
        `${m.lastSequenceNumber} is below ${snapshot.sequenceNumber}, that of snapshot ${snapshot.snapshotId}`,
      )
    }
  }
}

function unique<T, K>(
  field: string,
  what: string,
  items: readonly T[],
  key: (item: T) => K,
): Set<K> {
  const seen = new Set<K>()
  for (const item of items) {
    const k = key(item)
    if (seen.has(k)) throw bad(field, `has ${what} ${String(k)} twice`)
    seen.add(k)
  }
  return seen
}

/** Known keys, those of v1 that are normalised away included. */
const METADATA_KEYS: ReadonlySet<string> = new Set([
  'format-version',
  'table-uuid',
  'location',
  'last-sequence-number',
  'last-updated-ms',
  'last-column-id',
  'schema',
  'current-schema-id',
  'schemas',
  'partition-spec',
  'default-spec-id',
  'partition-specs',
  'last-partition-id',
  'default-sort-order-id',
  'sort-orders',
  'properties',
  'current-snapshot-id',
  'next-row-id',
  'encryption-keys',
  'refs',
  'snapshots',
  'statistics',
  'partition-statistics',
  'snapshot-log',
  'metadata-log',
])
const SNAPSHOT_LOG_KEYS: ReadonlySet<string> = new Set(['timestamp-ms', 'snapshot-id'])
const METADATA_LOG_KEYS: ReadonlySet<string> = new Set(['timestamp-ms', 'metadata-file'])

function bad(field: string, why: string): FloeError {
  return new FloeError('BAD_METADATA', `${field} ${why}`, { context: { field } })
}
