/** Types from and to schema JSON. Iceberg spec §Appendix C (iceberg-writer.md item 14). */
import { FloeError } from '../../core/errors.ts'
import {
  asBoolean,
  asInt,
  asObject,
  asString,
  type JsonObject,
  type JsonValue,
  jsonObject,
} from '../../core/json.ts'
import { keepUnknown, withUnknown } from './json-fields.ts'
import { fieldsFromJson, fieldsToJson } from './schema-json.ts'
import { typeText } from './type-text.ts'
import type { GeographyType, PrimitiveType, SimpleType, Type, VariantType } from './types.ts'

/** Deepest nesting of types, above what any engine writes. */
export const MAX_TYPE_DEPTH = 64

/** @throws BAD_METADATA for a type that does not exist; the message names `what`. */
export function typeFromJson(json: JsonValue | undefined, what: string, depth = 0): Type {
  if (depth > MAX_TYPE_DEPTH) throw bad(what, `nests deeper than ${MAX_TYPE_DEPTH}`)
  if (typeof json === 'string') return typeFromText(json, what)
  const object = asObject(json, what)
  const type = asString(object['type'], `${what}.type`)
  switch (type) {
    case 'struct':
      return {
        kind: 'struct',
        fields: fieldsFromJson(object['fields'], what, depth + 1),
        ...keepUnknown(object, STRUCT_KEYS),
      }
    case 'list':
      return {
        kind: 'list',
        elementId: asInt(object['element-id'], `${what}.element-id`),
        elementRequired: asBoolean(object['element-required'], `${what}.element-required`),
        element: typeFromJson(object['element'], `${what}.element`, depth + 1),
        ...keepUnknown(object, LIST_KEYS),
      }
    case 'map':
      return {
        kind: 'map',
        keyId: asInt(object['key-id'], `${what}.key-id`),
        key: typeFromJson(object['key'], `${what}.key`, depth + 1),
        valueId: asInt(object['value-id'], `${what}.value-id`),
        valueRequired: asBoolean(object['value-required'], `${what}.value-required`),
        value: typeFromJson(object['value'], `${what}.value`, depth + 1),
        ...keepUnknown(object, MAP_KEYS),
      }
    default:
      throw unknownType(type, what)
  }
}

export function typeToJson(type: Type): JsonValue {
  const out: JsonObject = jsonObject()
  switch (type.kind) {
    case 'struct':
      out['type'] = 'struct'
      out['fields'] = fieldsToJson(type.fields)
      return withUnknown(out, type.unknown)
    case 'list':
      out['type'] = 'list'
      out['element-id'] = type.elementId
      out['element'] = typeToJson(type.element)
      out['element-required'] = type.elementRequired
      return withUnknown(out, type.unknown)
    case 'map':
      out['type'] = 'map'
      out['key-id'] = type.keyId
      out['key'] = typeToJson(type.key)
      out['value-id'] = type.valueId
      out['value'] = typeToJson(type.value)
      out['value-required'] = type.valueRequired
      return withUnknown(out, type.unknown)
    default:
      return typeText(type)
  }
}

/**
 * A primitive or variant from its text, in any case and with spaces inside the parentheses: `decimal(9, 2)`.
 * @throws BAD_METADATA for a type that does not exist; the message names `what`.
 */
export function typeFromText(text: string, what: string): PrimitiveType | VariantType {
  const trimmed = text.trim()
  const lower = trimmed.toLowerCase()
  if (SIMPLE.has(lower)) return { kind: lower as SimpleType['kind'] }
  if (lower === 'variant') return { kind: 'variant' }
  const decimal = /^decimal\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$/.exec(lower)
  if (decimal !== null) {
    const precision = Number(decimal[1])
    const scale = Number(decimal[2])
    if (precision < 1 || precision > 38 || scale > precision) {
      throw bad(
        what,
        `has the impossible type ${text}: precision is 1 to 38, scale at most precision`,
      )
    }
    return { kind: 'decimal', precision, scale }
  }
  const fixed = /^fixed\[\s*(\d{1,10})\s*\]$/.exec(lower)
  if (fixed !== null && Number(fixed[1]) <= MAX_FIXED_LENGTH) {
    return { kind: 'fixed', length: Number(fixed[1]) }
  }
  return geoFromText(trimmed) ?? unknownType(text, what)
}

/** `geometry`, `geometry(crs)`, `geography`, `geography(crs)`, `geography(crs, algorithm)`. */
function geoFromText(text: string): PrimitiveType | undefined {
  const match = /^(geometry|geography)\s*(?:\(([^()]*)\))?$/i.exec(text)
  if (match === null) return undefined
  const kind = (match[1] as string).toLowerCase() as 'geometry' | 'geography'
  const parameters = match[2]?.trim()
  if (parameters === undefined) return { kind }
  if (parameters === '') return undefined
  if (kind === 'geometry') return { kind, crs: parameters }
  const comma = parameters.indexOf(',')
  if (comma < 0) return { kind, crs: parameters }
  const crs = parameters.slice(0, comma).trim()
  const algorithm = parameters
    .slice(comma + 1)
    .trim()
    .toLowerCase()
  if (crs === '' || !ALGORITHMS.has(algorithm)) return undefined
  return { kind, crs, algorithm: algorithm as NonNullable<GeographyType['algorithm']> }
}

function unknownType(text: string, what: string): never {
  throw bad(what, `has the unknown type ${JSON.stringify(text.slice(0, 80))}`)
}

const MAX_FIXED_LENGTH = 2 ** 31 - 1
const STRUCT_KEYS: ReadonlySet<string> = new Set(['type', 'fields'])
const LIST_KEYS: ReadonlySet<string> = new Set([
  'type',
  'element-id',
  'element',
  'element-required',
])
const MAP_KEYS: ReadonlySet<string> = new Set([
  'type',
  'key-id',
  'key',
  'value-id',
  'value',
  'value-required',
])
const SIMPLE: ReadonlySet<string> = new Set([
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'timestamp_ns',
  'timestamptz_ns',
  'string',
  'uuid',
  'binary',
  'unknown',
])
const ALGORITHMS: ReadonlySet<string> = new Set([
  'spherical',
  'vincenty',
  'thomas',
  'andoyer',
  'karney',
])

function bad(what: string, why: string): FloeError {
  return new FloeError('BAD_METADATA', `Cannot read ${what}: it ${why}`, {
    context: { field: what },
  })
}
