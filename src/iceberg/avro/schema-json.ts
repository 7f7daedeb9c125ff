/**
 * The Avro schema of an Iceberg struct, as text that readers of other engines expect: names, ids and defaults.
 * Iceberg spec §Appendix A: Avro (iceberg-writer.md items 42–44).
 */
import { FloeError } from '../../core/errors.ts'
import { type JsonObject, type JsonValue, jsonObject, stringifyJson } from '../../core/json.ts'
import { decimalFixedLength } from '../spec/decimal.ts'
import type { MapType, NestedField, PrimitiveType, Type } from '../spec/types.ts'
import { avroName } from './avro-name.ts'

/** JSON text of the record schema; nested records are called `r<field id>`. */
export function avroSchemaText(recordName: string, fields: readonly NestedField[]): string {
  return stringifyJson(recordJson(recordName, fields, new Set()))
}

/**
 * Names of the types defined so far. Avro allows each name once; a type that is needed again gets a name of its own
 * rather than a reference, which not all readers resolve (PyIceberg 0.12 does not).
 */
type Defined = Set<string>

function recordJson(name: string, fields: readonly NestedField[], defined: Defined): JsonObject {
  const record = jsonObject()
  record['type'] = 'record'
  record['name'] = name
  const names = new Set<string>()
  record['fields'] = fields.map((field) => {
    const name = avroName(field.name)
    // Two names may become one; readers go by id.
    const unique = names.has(name) ? `${name}_${field.id}` : name
    names.add(unique)
    return fieldJson(unique, field, defined)
  })
  return record
}

function fieldJson(name: string, field: NestedField, defined: Defined): JsonObject {
  const out = jsonObject()
  out['name'] = name
  const type = typeJson(field.type, field.id, defined)
  out['type'] = field.required ? type : optional(type)
  if (field.doc !== undefined) out['doc'] = field.doc
  if (!field.required) out['default'] = null
  if (name !== field.name) out['iceberg-field-name'] = field.name
  out['field-id'] = field.id
  return out
}

function optional(type: JsonValue): JsonValue {
  return type === 'null' ? type : ['null', type]
}

/** @param id the id of the field, element, key or value that has the type: names records. */
function typeJson(type: Type, id: number, defined: Defined): JsonValue {
  switch (type.kind) {
    case 'struct':
      return recordJson(`r${id}`, type.fields, defined)
    case 'list': {
      const element = typeJson(type.element, type.elementId, defined)
      const out = jsonObject()
      out['type'] = 'array'
      out['items'] = type.elementRequired ? element : optional(element)
      out['element-id'] = type.elementId
      return out
    }
    case 'map':
      return mapJson(type, defined)
    case 'variant':
      throw new FloeError('UNSUPPORTED_TYPE', 'Columns of type variant cannot be written as Avro')
    default:
      return primitiveJson(type, id, defined)
  }
}

/** A map with string keys is Avro's map; any other an array of pairs. */
function mapJson(type: MapType, defined: Defined): JsonObject {
  const out = jsonObject()
  const value = typeJson(type.value, type.valueId, defined)
  if (type.key.kind === 'string') {
    out['type'] = 'map'
    out['values'] = type.valueRequired ? value : optional(value)
    out['key-id'] = type.keyId
    out['value-id'] = type.valueId
    return out
  }
  const pair = jsonObject()
  pair['type'] = 'record'
  pair['name'] = `k${type.keyId}_v${type.valueId}`
  pair['fields'] = [
    { name: 'key', type: typeJson(type.key, type.keyId, defined), 'field-id': type.keyId },
    {
      name: 'value',
      type: type.valueRequired ? value : optional(value),
      ...(type.valueRequired ? {} : { default: null }),
      'field-id': type.valueId,
    },
  ]
  out['type'] = 'array'
  out['items'] = pair
  out['logicalType'] = 'map'
  return out
}

function primitiveJson(type: PrimitiveType, id: number, defined: Defined): JsonValue {
  const own = (name: string): string => {
    const unused = defined.has(name) ? `${name}_${id}` : name
    defined.add(unused)
    return unused
  }
  switch (type.kind) {
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'string':
      return type.kind
    case 'binary':
    case 'geometry':
    case 'geography':
      return 'bytes'
    case 'unknown':
      return 'null'
    case 'date':
      return logical('int', 'date')
    case 'time':
      return logical('long', 'time-micros')
    case 'timestamp':
      return logical('long', 'timestamp-micros', { 'adjust-to-utc': false })
    case 'timestamptz':
      return logical('long', 'timestamp-micros', { 'adjust-to-utc': true })
    case 'timestamp_ns':
      return logical('long', 'timestamp-nanos', { 'adjust-to-utc': false })
    case 'timestamptz_ns':
      return logical('long', 'timestamp-nanos', { 'adjust-to-utc': true })
    case 'uuid':
      return fixed(own('uuid_fixed'), 16, { logicalType: 'uuid' })
    case 'fixed':
      return fixed(own(`fixed_${type.length}`), type.length, {})
    case 'decimal':
      return fixed(
        own(`decimal_${type.precision}_${type.scale}`),
        decimalFixedLength(type.precision),
        { logicalType: 'decimal', precision: type.precision, scale: type.scale },
      )
  }
}

function logical(
  type: string,
  logicalType: string,
  more: Record<string, JsonValue> = {},
): JsonObject {
  return Object.assign(jsonObject(), { type, logicalType, ...more })
}

function fixed(name: string, size: number, attributes: Record<string, JsonValue>): JsonValue {
  return Object.assign(jsonObject(), { type: 'fixed', name, size, ...attributes })
}
