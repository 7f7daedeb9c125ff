/** Snapshots and references from and to JSON. Iceberg spec §Appendix C (iceberg-writer.md items 11, 26). */
import { FloeError } from '../../core/errors.ts'
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
import type { FormatVersion } from './metadata.ts'
import type { Snapshot, SnapshotRef } from './snapshot.ts'

const SNAPSHOT_KEYS: ReadonlySet<string> = new Set([
  'snapshot-id',
  'parent-snapshot-id',
  'sequence-number',
  'timestamp-ms',
  'manifest-list',
  'manifests',
  'summary',
  'schema-id',
  'first-row-id',
  'added-rows',
  'key-id',
])

/** @throws BAD_JSON, BAD_METADATA */
export function snapshotFromJson(json: JsonValue, what: string): Snapshot {
  const o = asObject(json, what)
  const snapshotId = asId(o['snapshot-id'], `${what}.snapshot-id`)
  const at = `snapshot ${snapshotId}`
  const parent = o['parent-snapshot-id']
  const manifests = o['manifests']
  if (o['manifest-list'] === undefined && manifests === undefined) {
    throw new FloeError('BAD_METADATA', `Cannot read ${what}: ${at} has no manifest list`, {
      context: { snapshotId },
    })
  }
  const unknown = unknownKeys(o, SNAPSHOT_KEYS)
  return {
    snapshotId,
    ...(parent === undefined || parent === null || parent === -1
      ? {}
      : { parentSnapshotId: asId(parent, `${at}.parent-snapshot-id`) }),
    sequenceNumber:
      o['sequence-number'] === undefined
        ? 0
        : asSafeLong(o['sequence-number'], `${at}.sequence-number`),
    timestampMs: asSafeLong(o['timestamp-ms'], `${at}.timestamp-ms`),
    ...(o['manifest-list'] === undefined
      ? { manifests: asArray(manifests, `${at}.manifests`).map((m) => asString(m, at)) }
      : { manifestList: asString(o['manifest-list'], `${at}.manifest-list`) }),
    summary:
      o['summary'] === undefined || o['summary'] === null
        ? {}
        : stringMap(o['summary'], `${at}.summary`),
    ...(o['schema-id'] === undefined || o['schema-id'] === null
      ? {}
      : { schemaId: asInt(o['schema-id'], `${at}.schema-id`) }),
    ...(o['first-row-id'] === undefined || o['first-row-id'] === null
      ? {}
      : { firstRowId: asId(o['first-row-id'], `${at}.first-row-id`) }),
    ...(o['added-rows'] === undefined || o['added-rows'] === null
      ? {}
      : { addedRows: asId(o['added-rows'], `${at}.added-rows`) }),
    ...(o['key-id'] === undefined || o['key-id'] === null
      ? {}
      : { keyId: asString(o['key-id'], `${at}.key-id`) }),
    ...(unknown === undefined ? {} : { unknown }),
  }
}

export function snapshotToJson(s: Snapshot, formatVersion: FormatVersion): JsonObject {
  const out = jsonObject()
  if (formatVersion > 1) out['sequence-number'] = s.sequenceNumber
  out['snapshot-id'] = s.snapshotId
  if (s.parentSnapshotId !== undefined) out['parent-snapshot-id'] = s.parentSnapshotId
  out['timestamp-ms'] = s.timestampMs
  if (Object.keys(s.summary).length > 0) out['summary'] = stringMapToJson(s.summary)
  if (s.manifestList !== undefined) out['manifest-list'] = s.manifestList
  else if (s.manifests !== undefined) out['manifests'] = [...s.manifests]
  if (s.schemaId !== undefined) out['schema-id'] = s.schemaId
  if (s.firstRowId !== undefined) out['first-row-id'] = s.firstRowId
  if (s.addedRows !== undefined) out['added-rows'] = s.addedRows
  if (s.keyId !== undefined) out['key-id'] = s.keyId
  return withUnknown(out, s.unknown)
}

const REF_KEYS: ReadonlySet<string> = new Set([
  'snapshot-id',
  'type',
  'min-snapshots-to-keep',
  'max-snapshot-age-ms',
  'max-ref-age-ms',
])

/** @throws BAD_JSON, BAD_METADATA */
export function refFromJson(json: JsonValue | undefined, what: string): SnapshotRef {
  const o = asObject(json, what)
  const type = asString(o['type'], `${what}.type`).toLowerCase()
  if (type !== 'branch' && type !== 'tag') {
    throw new FloeError(
      'BAD_METADATA',
      `Cannot read ${what}: a ref is a branch or a tag, not ${type}`,
    )
  }
  const optional = (key: string, name: string): object =>
    o[key] === undefined || o[key] === null ? {} : { [name]: asSafeLong(o[key], `${what}.${key}`) }
  const unknown = unknownKeys(o, REF_KEYS)
  return {
    snapshotId: asId(o['snapshot-id'], `${what}.snapshot-id`),
    type,
    ...optional('min-snapshots-to-keep', 'minSnapshotsToKeep'),
    ...optional('max-snapshot-age-ms', 'maxSnapshotAgeMs'),
    ...optional('max-ref-age-ms', 'maxRefAgeMs'),
    ...(unknown === undefined ? {} : { unknown }),
  }
}

export function refToJson(ref: SnapshotRef): JsonObject {
  const out = jsonObject()
  out['snapshot-id'] = ref.snapshotId
  out['type'] = ref.type
  if (ref.minSnapshotsToKeep !== undefined) out['min-snapshots-to-keep'] = ref.minSnapshotsToKeep
  if (ref.maxSnapshotAgeMs !== undefined) out['max-snapshot-age-ms'] = ref.maxSnapshotAgeMs
  if (ref.maxRefAgeMs !== undefined) out['max-ref-age-ms'] = ref.maxRefAgeMs
  return withUnknown(out, ref.unknown)
}

/** A string-to-string map without a prototype; other scalars are taken as their text, as Java reads them. */
export function stringMap(
  json: JsonValue | undefined,
  what: string,
): Readonly<Record<string, string>> {
  const out = Object.create(null) as Record<string, string>
  for (const [key, value] of Object.entries(asObject(json, what))) {
    out[key] =
      typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
        ? String(value)
        : asString(value, `${what}.${key}`)
  }
  return out
}

export function stringMapToJson(map: Readonly<Record<string, string>>): JsonObject {
  const out = jsonObject()
  for (const key of Object.keys(map)) out[key] = map[key] as string
  return out
}

/** The fields that are not known, or undefined if there are none (iceberg-writer.md item 26). */
export function unknownKeys(o: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  let out: JsonObject | undefined
  for (const key of Object.keys(o)) {
    if (known.has(key)) continue
    out ??= jsonObject()
    out[key] = o[key] as JsonValue
  }
  return out
}

/** Adds kept fields that the writer did not write itself. */
export function withUnknown(out: JsonObject, unknown: JsonObject | undefined): JsonObject {
  for (const key of Object.keys(unknown ?? {})) {
    if (out[key] === undefined) out[key] = (unknown as JsonObject)[key] as JsonValue
  }
  return out
}
