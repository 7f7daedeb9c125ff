/** Partition specs from and to JSON. Iceberg spec §Appendix C (iceberg-writer.md items 8, 16). */
import { FloeError } from '../../core/errors.ts'
import {
  asArray,
  asInt,
  asObject,
  asString,
  type JsonObject,
  type JsonValue,
  jsonObject,
} from '../../core/json.ts'
import { isAbsent, keepUnknown, withUnknown } from './json-fields.ts'
import {
  FIRST_PARTITION_FIELD_ID,
  type PartitionField,
  type PartitionSpec,
} from './partition-spec.ts'
import type { Transform } from './transform.ts'
import { transformFromText, transformText } from './transform-text.ts'

/** @throws BAD_METADATA, BAD_JSON */
export function partitionSpecFromJson(json: JsonValue | undefined, what: string): PartitionSpec {
  const object = asObject(json, what)
  return {
    specId: isAbsent(object['spec-id']) ? 0 : asInt(object['spec-id'], `${what}.spec-id`),
    fields: partitionFieldsFromJson(object['fields'], what),
    ...keepUnknown(object, SPEC_KEYS),
  }
}

/** The fields of a spec; v1 specs without field ids get them from 1000 on, in order. */
export function partitionFieldsFromJson(
  json: JsonValue | undefined,
  what: string,
): readonly PartitionField[] {
  return asArray(json, `${what}.fields`).map((item, i) => {
    const object = asObject(item, `${what}.fields[]`)
    const sourceIds = sourceIdsFromJson(object, `${what}.fields[]`)
    return {
      sourceIds,
      fieldId: isAbsent(object['field-id'])
        ? FIRST_PARTITION_FIELD_ID + i
        : asInt(object['field-id'], `${what}.fields[].field-id`),
      name: asString(object['name'], `${what}.fields[].name`),
      transform: transformOf(
        asString(object['transform'], `${what}.fields[].transform`),
        sourceIds,
      ),
      ...keepUnknown(object, FIELD_KEYS),
    }
  })
}

export function partitionSpecToJson(spec: PartitionSpec): JsonObject {
  const out = jsonObject()
  out['spec-id'] = spec.specId
  out['fields'] = partitionFieldsToJson(spec.fields)
  return withUnknown(out, spec.unknown)
}

export function partitionFieldsToJson(fields: readonly PartitionField[]): JsonValue[] {
  return fields.map((field) => {
    const out = jsonObject()
    sourceIdsToJson(out, field.sourceIds)
    out['field-id'] = field.fieldId
    out['name'] = field.name
    out['transform'] = transformText(field.transform)
    return withUnknown(out, field.unknown)
  })
}

/** `source-id`, or `source-ids` for multi-argument transforms (v3). */
export function sourceIdsFromJson(object: JsonObject, what: string): readonly number[] {
  if (isAbsent(object['source-ids'])) return [asInt(object['source-id'], `${what}.source-id`)]
  const ids = asArray(object['source-ids'], `${what}.source-ids`)
  if (ids.length === 0) {
    throw new FloeError('BAD_METADATA', `Cannot read ${what}: source-ids is empty`, {
      context: { field: what },
    })
  }
  return ids.map((id) => asInt(id, `${what}.source-ids[]`))
}

export function sourceIdsToJson(out: JsonObject, ids: readonly number[]): void {
  if (ids.length === 1) out['source-id'] = ids[0] as number
  else out['source-ids'] = [...ids]
}

/** A known transform of several columns is one that this version does not know: it may not be applied to the first. */
export function transformOf(text: string, sourceIds: readonly number[]): Transform {
  const transform = transformFromText(text)
  return sourceIds.length === 1 || transform.kind === 'void' ? transform : { kind: 'unknown', text }
}

const SPEC_KEYS: ReadonlySet<string> = new Set(['spec-id', 'fields'])
const FIELD_KEYS: ReadonlySet<string> = new Set([
  'source-id',
  'source-ids',
  'field-id',
  'name',
  'transform',
])
