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
import {
  isAbsent,
  keepUnknown,
  optional,
  stringMap,
  stringMapToJson,
  withUnknown,
} from './json-fields.ts'
import type { FormatVersion } from './metadata.ts'
import type { Snapshot, SnapshotRef } from './snapshot.ts'

/** @throws BAD_JSON, BAD_METADATA */
export function snapshotFromJson(json: JsonValue | undefined, what: string): Snapshot {
  const o = asObject(json, what)
  const snapshotId = asId(o['snapshot-id'], `${what}.snapshot-id`)
  const at = `snapshot ${snapshotId}`
  const parent = o['parent-snapshot-id']
  const list = o['manifest-list']
  const manifests = o['manifests']
  if (isAbsent(list) && isAbsent(manifests)) {
    throw new FloeError('BAD_METADATA', `Cannot read ${what}: ${at} has no manifest list`, {
      context: { field: what, snapshotId },
    })
  }
  return {
    snapshotId,
    // −1 is how some writers say that there is no parent.
    ...(parent === -1
      ? {}
      : optional(parent, 'parentSnapshotId', (id) => asId(id, `${at}.parent-snapshot-id`))),
    sequenceNumber: isAbsent(o['sequence-number'])
      ? 0
      : asSafeLong(o['sequence-number'], `${at}.sequence-number`),
    timestampMs: asSafeLong(o['timestamp-ms'], `${at}.timestamp-ms`),
    ...(isAbsent(list)
      ? {
          manifests: asArray(manifests, `${at}.manifests`).map((path) =>
            asString(path, `${at}.manifests[]`),
          ),
        }
      : { manifestList: asString(list, `${at}.manifest-list`) }),
    summary: isAbsent(o['summary']) ? {} : stringMap(o['summary'], `${at}.summary`),
    ...optional(o['schema-id'], 'schemaId', (id) => asInt(id, `${at}.schema-id`)),
    ...optional(o['first-row-id'], 'firstRowId', (id) => asId(id, `${at}.first-row-id`)),
    ...optional(o['added-rows'], 'addedRows', (rows) => asId(rows, `${at}.added-rows`)),
    ...optional(o['key-id'], 'keyId', (id) => asString(id, `${at}.key-id`)),
    ...keepUnknown(o, SNAPSHOT_KEYS),
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

/** @throws BAD_JSON, BAD_METADATA */
export function refFromJson(
  json: JsonValue | undefined,
  what: string,
  known: ReadonlySet<string> = REF_KEYS,
): SnapshotRef {
  const o = asObject(json, what)
  const type = asString(o['type'], `${what}.type`).toLowerCase()
  if (type !== 'branch' && type !== 'tag') {
    throw new FloeError(
      'BAD_METADATA',
      `Cannot read ${what}: a ref is a branch or a tag, not ${type}`,
      { context: { field: what } },
    )
  }
  const long = (key: string) => (value: JsonValue) => asSafeLong(value, `${what}.${key}`)
  return {
    snapshotId: asId(o['snapshot-id'], `${what}.snapshot-id`),
    type,
    ...optional(o['min-snapshots-to-keep'], 'minSnapshotsToKeep', long('min-snapshots-to-keep')),
    ...optional(o['max-snapshot-age-ms'], 'maxSnapshotAgeMs', long('max-snapshot-age-ms')),
    ...optional(o['max-ref-age-ms'], 'maxRefAgeMs', long('max-ref-age-ms')),
    ...keepUnknown(o, known),
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

/** The fields of a ref. */
export const REF_KEYS: ReadonlySet<string> = new Set([
  'snapshot-id',
  'type',
  'min-snapshots-to-keep',
  'max-snapshot-age-ms',
  'max-ref-age-ms',
])
