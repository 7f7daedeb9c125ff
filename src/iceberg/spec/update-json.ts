/**
 * Updates from and to the JSON of the REST protocol. Iceberg REST OpenAPI, TableUpdate (iceberg-writer.md item 113).
 * Names that early clients used for fields are still read.
 */
import { FloeError } from '../../core/errors.ts'
import {
  asArray,
  asId,
  asInt,
  asObject,
  asString,
  type JsonObject,
  type JsonValue,
  jsonObject,
} from '../../core/json.ts'
import { optional, stringMap, stringMapToJson } from './json-fields.ts'
import type { FormatVersion } from './metadata.ts'
import { partitionSpecFromJson, partitionSpecToJson } from './partition-spec-json.ts'
import { schemaFromJson, schemaToJson } from './schema-json.ts'
import {
  REF_KEYS,
  refFromJson,
  refToJson,
  snapshotFromJson,
  snapshotToJson,
} from './snapshot-json.ts'
import { sortOrderFromJson, sortOrderToJson } from './sort-order-json.ts'
import {
  encryptionKeyFromJson,
  encryptionKeyToJson,
  partitionStatisticsFromJson,
  partitionStatisticsToJson,
  statisticsFromJson,
  statisticsToJson,
} from './statistics-json.ts'
import type { MetadataUpdate } from './updates.ts'

/**
 * @param what names the update in errors, e.g. `updates[3]`.
 * @throws BAD_JSON, BAD_METADATA; UNSUPPORTED_OPERATION for an action that is not known or is of views.
 */
export function updateFromJson(json: JsonValue | undefined, what: string): MetadataUpdate {
  const o = asObject(json, what)
  const name = asString(o['action'], `${what}.action`)
  const int = (key: string): number => asInt(o[key], `${what}.${key}`)
  const ints = (key: string): readonly number[] =>
    asArray(o[key], `${what}.${key}`).map((id) => asInt(id, `${what}.${key}[]`))
  const id = (key: string): bigint => asId(o[key], `${what}.${key}`)
  const text = (key: string): string => asString(o[key], `${what}.${key}`)
  const action = name.toLowerCase() as MetadataUpdate['action']
  switch (action) {
    case 'assign-uuid':
      return { action, uuid: text('uuid') }
    case 'upgrade-format-version':
      return { action, formatVersion: int('format-version') as FormatVersion }
    case 'add-schema':
      return {
        action,
        schema: schemaFromJson(o['schema'], `${what}.schema`),
        ...optional(o['last-column-id'], 'lastColumnId', () => int('last-column-id')),
      }
    case 'set-current-schema':
      return { action, schemaId: int('schema-id') }
    case 'add-spec':
      return { action, spec: partitionSpecFromJson(o['spec'], `${what}.spec`) }
    case 'set-default-spec':
      return { action, specId: int('spec-id') }
    case 'add-sort-order':
      return { action, sortOrder: sortOrderFromJson(o['sort-order'], `${what}.sort-order`) }
    case 'set-default-sort-order':
      return { action, sortOrderId: int('sort-order-id') }
    case 'add-snapshot':
      return { action, snapshot: snapshotFromJson(o['snapshot'], `${what}.snapshot`) }
    case 'set-snapshot-ref':
      return { action, refName: text('ref-name'), ref: refFromJson(o, what, REF_UPDATE_KEYS) }
    case 'remove-snapshots':
      return {
        action,
        snapshotIds: asArray(o['snapshot-ids'], `${what}.snapshot-ids`).map((i) =>
          asId(i, `${what}.snapshot-ids[]`),
        ),
      }
    case 'remove-snapshot-ref':
      return { action, refName: text('ref-name') }
    case 'set-location':
      return { action, location: text('location') }
    case 'set-properties':
      return {
        action,
        updates: stringMap(o['updates'] ?? o['updated'], `${what}.updates`),
      }
    case 'remove-properties':
      return {
        action,
        removals: asArray(o['removals'] ?? o['removed'], `${what}.removals`).map((key) =>
          asString(key, `${what}.removals[]`),
        ),
      }
    case 'set-statistics':
      return { action, statistics: statisticsFromJson(o['statistics'], `${what}.statistics`) }
    case 'remove-statistics':
      return { action, snapshotId: id('snapshot-id') }
    case 'set-partition-statistics':
      return {
        action,
        partitionStatistics: partitionStatisticsFromJson(
          o['partition-statistics'],
          `${what}.partition-statistics`,
        ),
      }
    case 'remove-partition-statistics':
      return { action, snapshotId: id('snapshot-id') }
    case 'remove-partition-specs':
      return { action, specIds: ints('spec-ids') }
    case 'remove-schemas':
      return { action, schemaIds: ints('schema-ids') }
    case 'add-encryption-key':
      return {
        action,
        encryptionKey: encryptionKeyFromJson(o['encryption-key'], `${what}.encryption-key`),
      }
    case 'remove-encryption-key':
      return { action, keyId: text('key-id') }
    default:
      action satisfies never
      throw new FloeError(
        'UNSUPPORTED_OPERATION',
        `Cannot read ${what}: there is no update of tables named ${JSON.stringify(name.slice(0, 80))}`,
        { context: { field: `${what}.action` } },
      )
  }
}

export function updateToJson(update: MetadataUpdate): JsonObject {
  const out = jsonObject()
  out['action'] = update.action
  switch (update.action) {
    case 'assign-uuid':
      out['uuid'] = update.uuid
      return out
    case 'upgrade-format-version':
      out['format-version'] = update.formatVersion
      return out
    case 'add-schema':
      out['schema'] = schemaToJson(update.schema)
      if (update.lastColumnId !== undefined) out['last-column-id'] = update.lastColumnId
      return out
    case 'set-current-schema':
      out['schema-id'] = update.schemaId
      return out
    case 'add-spec':
      out['spec'] = partitionSpecToJson(update.spec)
      return out
    case 'set-default-spec':
      out['spec-id'] = update.specId
      return out
    case 'add-sort-order':
      out['sort-order'] = sortOrderToJson(update.sortOrder)
      return out
    case 'set-default-sort-order':
      out['sort-order-id'] = update.sortOrderId
      return out
    case 'add-snapshot':
      // The sequence number is written for every version; that of v1 snapshots is 0.
      out['snapshot'] = snapshotToJson(update.snapshot, 2)
      return out
    case 'set-snapshot-ref':
      out['ref-name'] = update.refName
      return Object.assign(out, refToJson(update.ref))
    case 'remove-snapshots':
      out['snapshot-ids'] = [...update.snapshotIds]
      return out
    case 'remove-snapshot-ref':
      out['ref-name'] = update.refName
      return out
    case 'set-location':
      out['location'] = update.location
      return out
    case 'set-properties':
      out['updates'] = stringMapToJson(update.updates)
      return out
    case 'remove-properties':
      out['removals'] = [...update.removals]
      return out
    case 'set-statistics':
      // Redundant, and deprecated for that; servers from before want it.
      out['snapshot-id'] = update.statistics.snapshotId
      out['statistics'] = statisticsToJson(update.statistics)
      return out
    case 'remove-statistics':
    case 'remove-partition-statistics':
      out['snapshot-id'] = update.snapshotId
      return out
    case 'set-partition-statistics':
      out['partition-statistics'] = partitionStatisticsToJson(update.partitionStatistics)
      return out
    case 'remove-partition-specs':
      out['spec-ids'] = [...update.specIds]
      return out
    case 'remove-schemas':
      out['schema-ids'] = [...update.schemaIds]
      return out
    case 'add-encryption-key':
      out['encryption-key'] = encryptionKeyToJson(update.encryptionKey)
      return out
    case 'remove-encryption-key':
      out['key-id'] = update.keyId
      return out
  }
}

const REF_UPDATE_KEYS: ReadonlySet<string> = new Set([...REF_KEYS, 'action', 'ref-name'])
