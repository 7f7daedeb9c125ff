/** Statistics files and encryption keys from and to JSON. Iceberg spec §Table Statistics (items 124, 125). */
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
import { keepUnknown, optional, stringMap, stringMapToJson, withUnknown } from './json-fields.ts'
import type {
  EncryptionKey,
  PartitionStatisticsFile,
  StatisticsBlob,
  StatisticsFile,
} from './metadata.ts'

/** @throws BAD_JSON */
export function statisticsFromJson(json: JsonValue | undefined, what: string): StatisticsFile {
  const o = asObject(json, what)
  return {
    snapshotId: asId(o['snapshot-id'], `${what}.snapshot-id`),
    statisticsPath: asString(o['statistics-path'], `${what}.statistics-path`),
    fileSizeBytes: asSafeLong(o['file-size-in-bytes'], `${what}.file-size-in-bytes`),
    fileFooterSizeBytes: asSafeLong(
      o['file-footer-size-in-bytes'],
      `${what}.file-footer-size-in-bytes`,
    ),
    ...optional(o['key-metadata'], 'keyMetadata', (key) => asString(key, `${what}.key-metadata`)),
    blobMetadata: asArray(o['blob-metadata'], `${what}.blob-metadata`).map((blob) =>
      blobFromJson(blob, `${what}.blob-metadata[]`),
    ),
    ...keepUnknown(o, STATISTICS_KEYS),
  }
}

function blobFromJson(json: JsonValue, what: string): StatisticsBlob {
  const o = asObject(json, what)
  return {
    type: asString(o['type'], `${what}.type`),
    snapshotId: asId(o['snapshot-id'], `${what}.snapshot-id`),
    sequenceNumber: asSafeLong(o['sequence-number'], `${what}.sequence-number`),
    fields: asArray(o['fields'], `${what}.fields`).map((id) => asInt(id, `${what}.fields[]`)),
    ...optional(o['properties'], 'properties', (map) => stringMap(map, `${what}.properties`)),
    ...keepUnknown(o, BLOB_KEYS),
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
    return withUnknown(item, blob.unknown)
  })
  return withUnknown(out, s.unknown)
}

/** @throws BAD_JSON */
export function partitionStatisticsFromJson(
  json: JsonValue | undefined,
  what: string,
): PartitionStatisticsFile {
  const o = asObject(json, what)
  return {
    snapshotId: asId(o['snapshot-id'], `${what}.snapshot-id`),
    statisticsPath: asString(o['statistics-path'], `${what}.statistics-path`),
    fileSizeBytes: asSafeLong(o['file-size-in-bytes'], `${what}.file-size-in-bytes`),
    ...keepUnknown(o, PARTITION_STATISTICS_KEYS),
  }
}

export function partitionStatisticsToJson(s: PartitionStatisticsFile): JsonObject {
  const out = jsonObject()
  out['snapshot-id'] = s.snapshotId
  out['statistics-path'] = s.statisticsPath
  out['file-size-in-bytes'] = s.fileSizeBytes
  return withUnknown(out, s.unknown)
}

/** @throws BAD_JSON */
export function encryptionKeyFromJson(json: JsonValue | undefined, what: string): EncryptionKey {
  const o = asObject(json, what)
  return {
    keyId: asString(o['key-id'], `${what}.key-id`),
    encryptedKeyMetadata: asString(o['encrypted-key-metadata'], `${what}.encrypted-key-metadata`),
    ...optional(o['encrypted-by-id'], 'encryptedById', (id) =>
      asString(id, `${what}.encrypted-by-id`),
    ),
    ...optional(o['properties'], 'properties', (map) => stringMap(map, `${what}.properties`)),
    ...keepUnknown(o, KEY_KEYS),
  }
}

export function encryptionKeyToJson(key: EncryptionKey): JsonObject {
  const out = jsonObject()
  out['key-id'] = key.keyId
  out['encrypted-key-metadata'] = key.encryptedKeyMetadata
  if (key.encryptedById !== undefined) out['encrypted-by-id'] = key.encryptedById
  if (key.properties !== undefined) out['properties'] = stringMapToJson(key.properties)
  return withUnknown(out, key.unknown)
}

const STATISTICS_KEYS: ReadonlySet<string> = new Set([
  'snapshot-id',
  'statistics-path',
  'file-size-in-bytes',
  'file-footer-size-in-bytes',
  'key-metadata',
  'blob-metadata',
])
const BLOB_KEYS: ReadonlySet<string> = new Set([
  'type',
  'snapshot-id',
  'sequence-number',
  'fields',
  'properties',
])
const PARTITION_STATISTICS_KEYS: ReadonlySet<string> = new Set([
  'snapshot-id',
  'statistics-path',
  'file-size-in-bytes',
])
const KEY_KEYS: ReadonlySet<string> = new Set([
  'key-id',
  'encrypted-key-metadata',
  'encrypted-by-id',
  'properties',
])
