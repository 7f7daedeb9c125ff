/** Requirements from and to the JSON of the REST protocol. Iceberg REST OpenAPI, TableRequirement (item 113). */
import { FloeError } from '../../core/errors.ts'
import {
  asId,
  asInt,
  asObject,
  asString,
  type JsonObject,
  type JsonValue,
  jsonObject,
} from '../../core/json.ts'
import { isAbsent } from './json-fields.ts'
import type { TableRequirement } from './updates.ts'

/**
 * @param what names the requirement in errors, e.g. `requirements[0]`.
 * @throws BAD_JSON; UNSUPPORTED_OPERATION for a type that is not known or is of views: it may not be passed over.
 */
export function requirementFromJson(json: JsonValue | undefined, what: string): TableRequirement {
  const o = asObject(json, what)
  const name = asString(o['type'], `${what}.type`)
  const int = (key: string): number => asInt(o[key], `${what}.${key}`)
  const kind = name.toLowerCase() as TableRequirement['type']
  switch (kind) {
    case 'assert-create':
      return { type: kind }
    case 'assert-table-uuid':
      return { type: kind, uuid: asString(o['uuid'], `${what}.uuid`) }
    case 'assert-ref-snapshot-id':
      return {
        type: kind,
        ref: asString(o['ref'], `${what}.ref`),
        snapshotId: isAbsent(o['snapshot-id'])
          ? null
          : asId(o['snapshot-id'], `${what}.snapshot-id`),
      }
    case 'assert-last-assigned-field-id':
      return { type: kind, lastAssignedFieldId: int('last-assigned-field-id') }
    case 'assert-current-schema-id':
      return { type: kind, currentSchemaId: int('current-schema-id') }
    case 'assert-last-assigned-partition-id':
      return { type: kind, lastAssignedPartitionId: int('last-assigned-partition-id') }
    case 'assert-default-spec-id':
      return { type: kind, defaultSpecId: int('default-spec-id') }
    case 'assert-default-sort-order-id':
      return { type: kind, defaultSortOrderId: int('default-sort-order-id') }
    default: {
      kind satisfies never
      throw new FloeError(
        'UNSUPPORTED_OPERATION',
        `Cannot read ${what}: there is no requirement of tables named ${JSON.stringify(name.slice(0, 80))}`,
        { context: { field: `${what}.type` } },
      )
    }
  }
}

export function requirementToJson(requirement: TableRequirement): JsonObject {
  const out = jsonObject()
  out['type'] = requirement.type
  switch (requirement.type) {
    case 'assert-create':
      return out
    case 'assert-table-uuid':
      out['uuid'] = requirement.uuid
      return out
    case 'assert-ref-snapshot-id':
      out['ref'] = requirement.ref
      out['snapshot-id'] = requirement.snapshotId
      return out
    case 'assert-last-assigned-field-id':
      out['last-assigned-field-id'] = requirement.lastAssignedFieldId
      return out
    case 'assert-current-schema-id':
      out['current-schema-id'] = requirement.currentSchemaId
      return out
    case 'assert-last-assigned-partition-id':
      out['last-assigned-partition-id'] = requirement.lastAssignedPartitionId
      return out
    case 'assert-default-spec-id':
      out['default-spec-id'] = requirement.defaultSpecId
      return out
    case 'assert-default-sort-order-id':
      out['default-sort-order-id'] = requirement.defaultSortOrderId
      return out
  }
}
