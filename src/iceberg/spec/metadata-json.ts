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
import type {
  EncryptionKey,
  FormatVersion,
  PartitionStatisticsFile,
  StatisticsFile,
  TableMetadata,
} from './metadata.ts'
import { FIRST_PARTITION_FIELD_ID, type PartitionSpec } from './partition-spec.ts'
import {
  partitionFieldsFromJson,
  partitionSpecFromJson,
  partitionSpecToJson,
} from './partition-spec-json.ts'
import type { Schema } from './schema.ts'
import { schemaFromJson, schemaToJson } from './schema-json.ts'
import { MAIN_BRANCH, type Snapshot, type SnapshotRef } from './snapshot.ts'
import {
  refFromJson,
  refToJson,
  snapshotFromJson,
  snapshotToJson,
  stringMap,
  stringMapToJson,
  unknownKeys,
  withUnknown,
} from './snapshot-json.ts'
import type { SortOrder } from './sort-order.ts'
import { UNSORTED } from './sort-order.ts'
import { sortOrderFromJson, sortOrderToJson } from './sort-order-json.ts'

/** The highest format version that can be read and written. */
export const SUPPORTED_FORMAT_VERSION = 3

/**
 * @param what names the file in errors.
 * @throws BAD_METADATA for metadata that contradicts itself; FORMAT_VERSION for a version above 3; BAD_JSON for
 *   fields of the wrong type.
 */
export function metadataFromJson(json: JsonValue, what: string): TableMetadata {
  try {
    return readMetadata(json, what)
  } catch (error) {
    if (isFloeError(error) && error.context['file'] === undefined) {
      const message = error.message.replace(/ \[[A-Z_]+\]$/, '')
      throw new FloeError(error.code, `Cannot read table metadata ${what}: ${message}`, {
        cause: error,
        context: { ...error.context, file: what },
      })
    }
    throw error
  }
}

function readMetadata(json: JsonValue, what: string): TableMetadata {
  const o = asObject(json, 'table metadata')
  const formatVersion = asInt(o['format-version'], 'format-version')
  if (formatVersion > SUPPORTED_FORMAT_VERSION) {
    throw new FloeError(
      'FORMAT_VERSION',
      `Cannot read ${what}: it has format version ${formatVersion}, and ${SUPPORTED_FORMAT_VERSION} is the highest supported`,
      { context: { file: what, formatVersion } },
    )
  }
  if (formatVersion < 1) throw bad(`format-version ${formatVersion} does not exist`)
  const version = formatVersion as FormatVersion
  const { schemas, currentSchemaId } = readSchemas(o, version)
  const { partitionSpecs, defaultSpecId } = readSpecs(o, version)
  const { sortOrders, defaultSortOrderId } = readSortOrders(o, version)
  const snapshots =
    o['snapshots'] === undefined || o['snapshots'] === null
      ? []
      : asArray(o['snapshots'], 'snapshots').map((s) => snapshotFromJson(s, 'snapshots[]'))
  const currentSnapshotId = readCurrentSnapshotId(o)
  const refs = readRefs(o, currentSnapshotId)
  const unknown = unknownKeys(o, METADATA_KEYS)
  const uuid = o['table-uuid']
  if ((uuid === undefined || uuid === null) && version > 1) throw bad('table-uuid is missing')
  const metadata: TableMetadata = {
    formatVersion: version,
    ...(uuid === undefined || uuid === null ? {} : { tableUuid: asString(uuid, 'table-uuid') }),
    location: asString(o['location'], 'location').replace(/(?<=[^/:])\/+$/, ''),
    lastSequenceNumber:
      version > 1 ? asSafeLong(o['last-sequence-number'], 'last-sequence-number') : 0,
    lastUpdatedMs: asSafeLong(o['last-updated-ms'], 'last-updated-ms'),
    lastColumnId: asInt(o['last-column-id'], 'last-column-id'),
    currentSchemaId,
    schemas,
    defaultSpecId,
    partitionSpecs,
    lastPartitionId: readLastPartitionId(o, partitionSpecs, version),
    defaultSortOrderId,
    sortOrders,
    properties:
      o['properties'] === undefined || o['properties'] === null
        ? {}
        : stringMap(o['properties'], 'properties'),
    ...(currentSnapshotId === undefined ? {} : { currentSnapshotId }),
    nextRowId: version >= 3 ? readNextRowId(o, snapshots) : 0n,
    encryptionKeys: optionalArray(o, 'encryption-keys').map(encryptionKeyFromJson),
    refs,
    snapshots,
    statistics: optionalArray(o, 'statistics').map(statisticsFromJson),
    partitionStatistics: optionalArray(o, 'partition-statistics').map(partitionStatisticsFromJson),
    snapshotLog: optionalArray(o, 'snapshot-log').map((item) => {
      const entry = asObject(item, 'snapshot-log[]')
      return {
        timestampMs: asSafeLong(entry['timestamp-ms'], 'snapshot-log[].timestamp-ms'),
        snapshotId: asId(entry['snapshot-id'], 'snapshot-log[].snapshot-id'),
      }
    }),
    metadataLog: optionalArray(o, 'metadata-log').map((item) => {
      const entry = asObject(item, 'metadata-log[]')
      return {
        timestampMs: asSafeLong(entry['timestamp-ms'], 'metadata-log[].timestamp-ms'),
        metadataFile: asString(entry['metadata-file'], 'metadata-log[].metadata-file'),
      }
    }),
    ...(unknown === undefined ? {} : { unknown }),
  }
  checkConsistent(metadata)
  return metadata
}

/** Metadata of version 2 or 3 as JSON. @throws FORMAT_VERSION for version 1, which is not written. */
export function metadataToJson(m: TableMetadata): JsonObject {
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
  out['schemas'] = m.schemas.map(schemaToJson)
  out['default-spec-id'] = m.defaultSpecId
  out['partition-specs'] = m.partitionSpecs.map(partitionSpecToJson)
  out['last-partition-id'] = m.lastPartitionId
  out['default-sort-order-id'] = m.defaultSortOrderId
  out['sort-orders'] = m.sortOrders.map(sortOrderToJson)
  out['properties'] = stringMapToJson(m.properties)
  // Java readers of v2 expect −1, of v3 null, where there is no snapshot.
  out['current-snapshot-id'] = m.currentSnapshotId ?? (m.formatVersion >= 3 ? null : -1)
  if (m.formatVersion >= 3) {
    out['next-row-id'] = m.nextRowId
    if (m.encryptionKeys.length > 0)
      out['encryption-keys'] = m.encryptionKeys.map(encryptionKeyToJson)
  }
  const refs = jsonObject()
  for (const [name, ref] of m.refs) refs[name] = refToJson(ref)
  out['refs'] = refs
  out['snapshots'] = m.snapshots.map((s) => snapshotToJson(s, m.formatVersion))
  out['statistics'] = m.statistics.map(statisticsToJson)
  out['partition-statistics'] = m.partitionStatistics.map(partitionStatisticsToJson)
  out['snapshot-log'] = m.snapshotLog.map((entry) => {
    const item = jsonObject()
    item['timestamp-ms'] = entry.timestampMs
    item['snapshot-id'] = entry.snapshotId
    return item
  })
  out['metadata-log'] = m.metadataLog.map((entry) => {
    const item = jsonObject()
    item['timestamp-ms'] = entry.timestampMs
    item['metadata-file'] = entry.metadataFile
    return item
  })
  return withUnknown(out, m.unknown)
}

function readSchemas(
  o: JsonObject,
  version: FormatVersion,
): { schemas: readonly Schema[]; currentSchemaId: number } {
  if (o['schemas'] !== undefined && o['schemas'] !== null) {
    const schemas = asArray(o['schemas'], 'schemas').map((s) => schemaFromJson(s, 'schemas[]'))
    return { schemas, currentSchemaId: asInt(o['current-schema-id'], 'current-schema-id') }
  }
  if (version > 1) throw bad('schemas is missing')
  const schema = schemaFromJson(o['schema'], 'schema')
  return { schemas: [schema], currentSchemaId: schema.schemaId }
}

function readSpecs(
  o: JsonObject,
  version: FormatVersion,
): { partitionSpecs: readonly PartitionSpec[]; defaultSpecId: number } {
  if (o['partition-specs'] !== undefined && o['partition-specs'] !== null) {
    return {
      partitionSpecs: asArray(o['partition-specs'], 'partition-specs').map((s) =>
        partitionSpecFromJson(s, 'partition-specs[]'),
      ),
      defaultSpecId: asInt(o['default-spec-id'], 'default-spec-id'),
    }
  }
  if (version > 1) throw bad('partition-specs is missing')
  return {
    partitionSpecs: [
      { specId: 0, fields: partitionFieldsFromJson(o['partition-spec'], 'partition-spec') },
    ],
    defaultSpecId: 0,
  }
}

function readSortOrders(
  o: JsonObject,
  version: FormatVersion,
): { sortOrders: readonly SortOrder[]; defaultSortOrderId: number } {
  if (o['sort-orders'] === undefined || o['sort-orders'] === null) {
    if (version > 1) throw bad('sort-orders is missing')
    return { sortOrders: [UNSORTED], defaultSortOrderId: 0 }
  }
  return {
    sortOrders: asArray(o['sort-orders'], 'sort-orders').map((s) =>
      sortOrderFromJson(s, 'sort-orders[]'),
    ),
    defaultSortOrderId: asInt(o['default-sort-order-id'], 'default-sort-order-id'),
  }
}

function readLastPartitionId(
  o: JsonObject,
  specs: readonly PartitionSpec[],
  version: FormatVersion,
): number {
  if (o['last-partition-id'] !== undefined && o['last-partition-id'] !== null) {
    return asInt(o['last-partition-id'], 'last-partition-id')
  }
  if (version > 1) throw bad('last-partition-id is missing')
  const ids = specs.flatMap((spec) => spec.fields.map((field) => field.fieldId))
  return Math.max(FIRST_PARTITION_FIELD_ID - 1, ...ids)
}

/** Required in v3; a table that never had a snapshot has assigned no ids, whatever its writer left out. */
function readNextRowId(o: JsonObject, snapshots: readonly Snapshot[]): bigint {
  if (o['next-row-id'] === undefined && snapshots.length === 0) return 0n
  return asId(o['next-row-id'], 'next-row-id')
}

function readCurrentSnapshotId(o: JsonObject): bigint | undefined {
  const value = o['current-snapshot-id']
  if (value === undefined || value === null || value === -1) return undefined
  return asId(value, 'current-snapshot-id')
}

function readRefs(
  o: JsonObject,
  currentSnapshotId: bigint | undefined,
): ReadonlyMap<string, SnapshotRef> {
  const refs = new Map<string, SnapshotRef>()
  if (o['refs'] !== undefined && o['refs'] !== null) {
    for (const [name, ref] of Object.entries(asObject(o['refs'], 'refs'))) {
      refs.set(name, refFromJson(ref, `refs.${name}`))
    }
  } else if (currentSnapshotId !== undefined) {
    refs.set(MAIN_BRANCH, { snapshotId: currentSnapshotId, type: 'branch' })
  }
  return refs
}

/** What the specification demands between fields (items 6, 9, reliability.md §1 rule 10). */
function checkConsistent(m: TableMetadata): void {
  unique('schema id', m.schemas, (s) => s.schemaId)
  unique('spec id', m.partitionSpecs, (s) => s.specId)
  unique('sort order id', m.sortOrders, (s) => s.orderId)
  const ids = unique('snapshot id', m.snapshots, (s: Snapshot) => s.snapshotId)
  if (!m.schemas.some((s) => s.schemaId === m.currentSchemaId)) {
    throw bad(`current-schema-id ${m.currentSchemaId} is not among the schemas`)
  }
  if (!m.partitionSpecs.some((s) => s.specId === m.defaultSpecId)) {
    throw bad(`default-spec-id ${m.defaultSpecId} is not among the partition specs`)
  }
  if (!m.sortOrders.some((s) => s.orderId === m.defaultSortOrderId)) {
    throw bad(`default-sort-order-id ${m.defaultSortOrderId} is not among the sort orders`)
  }
  if (m.currentSnapshotId !== undefined && !ids.has(m.currentSnapshotId)) {
    throw bad(`current-snapshot-id ${m.currentSnapshotId} is not among the snapshots`)
  }
  for (const [name, ref] of m.refs) {
    if (!ids.has(ref.snapshotId)) {
      throw bad(`ref "${name}" names the snapshot ${ref.snapshotId}, which does not exist`)
    }
  }
  const main = m.refs.get(MAIN_BRANCH)
  if (main?.snapshotId !== m.currentSnapshotId && (main !== undefined || m.refs.size > 0)) {
    throw bad(
      `current-snapshot-id ${String(m.currentSnapshotId)} differs from the branch main, ${String(main?.snapshotId)}`,
    )
  }
  for (const snapshot of m.snapshots) {
    if (m.formatVersion > 1 && snapshot.sequenceNumber > m.lastSequenceNumber) {
      throw bad(
        `snapshot ${snapshot.snapshotId} has the sequence number ${snapshot.sequenceNumber}, above last-sequence-number ${m.lastSequenceNumber}`,
      )
    }
  }
}

function unique<T, K>(what: string, items: readonly T[], key: (item: T) => K): Set<K> {
  const seen = new Set<K>()
  for (const item of items) {
    const k = key(item)
    if (seen.has(k)) throw bad(`${what} ${String(k)} stands twice`)
    seen.add(k)
  }
  return seen
}

function optionalArray(o: JsonObject, key: string): JsonValue[] {
  return o[key] === undefined || o[key] === null ? [] : asArray(o[key], key)
}

export function statisticsFromJson(json: JsonValue | undefined): StatisticsFile {
  const o = asObject(json, 'statistics[]')
  return {
    snapshotId: asId(o['snapshot-id'], 'statistics[].snapshot-id'),
    statisticsPath: asString(o['statistics-path'], 'statistics[].statistics-path'),
    fileSizeBytes: asSafeLong(o['file-size-in-bytes'], 'statistics[].file-size-in-bytes'),
    fileFooterSizeBytes: asSafeLong(
      o['file-footer-size-in-bytes'],
      'statistics[].file-footer-size-in-bytes',
    ),
    ...(typeof o['key-metadata'] === 'string' ? { keyMetadata: o['key-metadata'] } : {}),
    blobMetadata: asArray(o['blob-metadata'], 'statistics[].blob-metadata').map((item) => {
      const blob = asObject(item, 'blob-metadata[]')
      return {
        type: asString(blob['type'], 'blob-metadata[].type'),
        snapshotId: asId(blob['snapshot-id'], 'blob-metadata[].snapshot-id'),
        sequenceNumber: asSafeLong(blob['sequence-number'], 'blob-metadata[].sequence-number'),
        fields: asArray(blob['fields'], 'blob-metadata[].fields').map((f) => asInt(f, 'fields[]')),
        ...(blob['properties'] === undefined || blob['properties'] === null
          ? {}
          : { properties: stringMap(blob['properties'], 'blob-metadata[].properties') }),
      }
    }),
  }
}

export function statisticsToJson(s: StatisticsFile): JsonObject {
  const out = jsonObject()
  out['snapshot-id'] = s.snapshotId
  out['statistics-path'] = s.statisticsPath
  out['file-size-in-bytes'] = s.fileSizeBytes
  out['file-footer-size-in-bytes'] = s.fileFooterSizeBytes
  if (s.keyMetadata !== undefined) out['key-metadata'] = s.keyMetadata
  out['blob-metadata'] = s.blobMetadata.map((blob) => {
    const item = jsonObject()
    item['type'] = blob.type
    item['snapshot-id'] = blob.snapshotId
    item['sequence-number'] = blob.sequenceNumber
    item['fields'] = [...blob.fields]
    if (blob.properties !== undefined) item['properties'] = stringMapToJson(blob.properties)
    return item
  })
  return out
}

export function partitionStatisticsFromJson(json: JsonValue | undefined): PartitionStatisticsFile {
  const o = asObject(json, 'partition-statistics[]')
  return {
    snapshotId: asId(o['snapshot-id'], 'partition-statistics[].snapshot-id'),
    statisticsPath: asString(o['statistics-path'], 'partition-statistics[].statistics-path'),
    fileSizeBytes: asSafeLong(o['file-size-in-bytes'], 'partition-statistics[].file-size-in-bytes'),
  }
}

export function partitionStatisticsToJson(s: PartitionStatisticsFile): JsonObject {
  const out = jsonObject()
  out['snapshot-id'] = s.snapshotId
  out['statistics-path'] = s.statisticsPath
  out['file-size-in-bytes'] = s.fileSizeBytes
  return out
}

export function encryptionKeyFromJson(json: JsonValue | undefined): EncryptionKey {
  const o = asObject(json, 'encryption-keys[]')
  return {
    keyId: asString(o['key-id'], 'encryption-keys[].key-id'),
    encryptedKeyMetadata: asString(
      o['encrypted-key-metadata'],
      'encryption-keys[].encrypted-key-metadata',
    ),
    ...(typeof o['encrypted-by-id'] === 'string' ? { encryptedById: o['encrypted-by-id'] } : {}),
    ...(o['properties'] === undefined || o['properties'] === null
      ? {}
      : { properties: stringMap(o['properties'], 'encryption-keys[].properties') }),
  }
}

export function encryptionKeyToJson(key: EncryptionKey): JsonObject {
  const out = jsonObject()
  out['key-id'] = key.keyId
  out['encrypted-key-metadata'] = key.encryptedKeyMetadata
  if (key.encryptedById !== undefined) out['encrypted-by-id'] = key.encryptedById
  if (key.properties !== undefined) out['properties'] = stringMapToJson(key.properties)
  return out
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

function bad(why: string): FloeError {
  return new FloeError('BAD_METADATA', why)
}
