/** Schemas from and to JSON. Iceberg spec §Appendix C, §Schemas (iceberg-writer.md items 14, 21, 103). */
import { FloeError } from '../../core/errors.ts'
import {
  asArray,
  asBoolean,
  asInt,
  asObject,
  asString,
  type JsonObject,
  type JsonValue,
  jsonObject,
} from '../../core/json.ts'
import { isAbsent, keepUnknown, optional, withUnknown } from './json-fields.ts'
import { Schema } from './schema.ts'
import { typeFromJson, typeToJson } from './type-json.ts'
import type { NestedField } from './types.ts'
import { valueFromJson, valueToJson } from './value-json.ts'

/** A schema; the id defaults to 0 where old metadata has none. @throws BAD_METADATA, BAD_JSON */
export function schemaFromJson(json: JsonValue | undefined, what: string): Schema {
  const object = asObject(json, what)
  if (object['type'] !== 'struct') {
    throw new FloeError('BAD_METADATA', `Cannot read ${what}: its type is not "struct"`, {
      context: { field: what },
    })
  }
  const ids = object['identifier-field-ids']
  return new Schema({
    schemaId: isAbsent(object['schema-id']) ? 0 : asInt(object['schema-id'], `${what}.schema-id`),
    fields: fieldsFromJson(object['fields'], what, 0),
    identifierFieldIds: isAbsent(ids)
      ? []
      : asArray(ids, `${what}.identifier-field-ids`).map((id) =>
          asInt(id, `${what}.identifier-field-ids[]`),
        ),
    ...keepUnknown(object, SCHEMA_KEYS),
  })
}

export function schemaToJson(schema: Schema): JsonObject {
  const out = jsonObject()
  out['type'] = 'struct'
  out['schema-id'] = schema.schemaId
  if (schema.identifierFieldIds.length > 0) {
    out['identifier-field-ids'] = [...schema.identifierFieldIds]
  }
  out['fields'] = fieldsToJson(schema.fields)
  return withUnknown(out, schema.unknown)
}

/** The fields of a struct. */
export function fieldsFromJson(
  json: JsonValue | undefined,
  what: string,
  depth: number,
): readonly NestedField[] {
  return asArray(json, `${what}.fields`).map((item) => {
    const object = asObject(item, `${what}.fields[]`)
    const name = asString(object['name'], `${what}.fields[].name`)
    const path = `${what}.${name}`
    const type = typeFromJson(object['type'], path, depth)
    const initial = object['initial-default']
    const write = object['write-default']
    return {
      id: asInt(object['id'], `${path}.id`),
      name,
      required: asBoolean(object['required'], `${path}.required`),
      type,
      ...optional(object['doc'], 'doc', (doc) => asString(doc, `${path}.doc`)),
      // A default of null is not the same as no default: both are kept as they are.
      ...(initial === undefined
        ? {}
        : { initialDefault: valueFromJson(type, initial, `${path}.initial-default`) }),
      ...(write === undefined
        ? {}
        : { writeDefault: valueFromJson(type, write, `${path}.write-default`) }),
      ...keepUnknown(object, FIELD_KEYS),
    }
  })
}

export function fieldsToJson(fields: readonly NestedField[]): JsonValue[] {
  return fields.map((field) => {
    const out = jsonObject()
    out['id'] = field.id
    out['name'] = field.name
    out['required'] = field.required
    out['type'] = typeToJson(field.type)
    if (field.doc !== undefined) out['doc'] = field.doc
    if (field.initialDefault !== undefined) {
      out['initial-default'] = valueToJson(field.type, field.initialDefault)
    }
    if (field.writeDefault !== undefined) {
      out['write-default'] = valueToJson(field.type, field.writeDefault)
    }
    return withUnknown(out, field.unknown)
  })
}

const SCHEMA_KEYS: ReadonlySet<string> = new Set([
  'type',
  'schema-id',
  'identifier-field-ids',
  'fields',
])
const FIELD_KEYS: ReadonlySet<string> = new Set([
  'id',
  'name',
  'required',
  'type',
  'doc',
  'initial-default',
  'write-default',
])
