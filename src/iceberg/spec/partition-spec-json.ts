/** Partition specs and sort orders from and to JSON. Iceberg spec §Appendix C (iceberg-writer.md items 8, 16). */
import {
  asArray,
  asInt,
  asObject,
  asString,
  type JsonObject,
  type JsonValue,
  jsonObject,
} from '../../core/json.ts'
import {
  FIRST_PARTITION_FIELD_ID,
  type PartitionField,
  type PartitionSpec,
} from './partition-spec.ts'
import { transformFromText, transformText } from './transform-text.ts'

export function partitionSpecFromJson(json: JsonValue | undefined, what: string): PartitionSpec {
  const object = asObject(json, what)
  return {
    specId: object['spec-id'] === undefined ? 0 : asInt(object['spec-id'], `${what}.spec-id`),
    fields: partitionFieldsFromJson(object['fields'], what),
  }
}

/** The fields of a spec; v1 specs without field ids get them from 1000 on, in order. */
export function partitionFieldsFromJson(
  json: JsonValue | undefined,
  what: string,
): readonly PartitionField[] {
  return asArray(json, `${what}.fields`).map((item, i) => {
    const object = asObject(item, `${what}.fields[]`)
    return {
      sourceIds: sourceIdsFromJson(object, what),
      fieldId:
        object['field-id'] === undefined
          ? FIRST_PARTITION_FIELD_ID + i
          : asInt(object['field-id'], `${what}.fields[].field-id`),
      name: asString(object['name'], `${what}.fields[].name`),
      transform: transformFromText(asString(object['transform'], `${what}.fields[].transform`)),
    }
  })
}

export function partitionSpecToJson(spec: PartitionSpec): JsonObject {
  const out = jsonObject()
  out['spec-id'] = spec.specId
  out['fields'] = partitionFieldsToJson(spec.fields)
  return out
}

export function partitionFieldsToJson(fields: readonly PartitionField[]): JsonValue[] {
  return fields.map((field) => {
    const out = jsonObject()
    sourceIdsToJson(out, field.sourceIds)
    out['field-id'] = field.fieldId
    out['name'] = field.name
    out['transform'] = transformText(field.transform)
    return out
  })
}

/** `source-id`, or `source-ids` for multi-argument transforms (v3). */
export function sourceIdsFromJson(object: JsonObject, what: string): readonly number[] {
  if (object['source-ids'] !== undefined) {
    return asArray(object['source-ids'], `${what}.source-ids`).map((id) => asInt(id, what))
  }
  return [asInt(object['source-id'], `${what}.source-id`)]
}

export function sourceIdsToJson(out: JsonObject, ids: readonly number[]): void {
  if (ids.length === 1) out['source-id'] = ids[0] as number
  else out['source-ids'] = [...ids]
}
