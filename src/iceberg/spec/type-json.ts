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
import { fieldsFromJson, fieldsToJson } from './schema-json.ts'
import { typeText } from './type-text.ts'
import type { GeographyType, PrimitiveType, SimpleType, Type } from './types.ts'

const MAX_DEPTH = 64

/** @throws BAD_METADATA for a type that does not exist; the message names `what`. */
export function typeFromJson(json: JsonValue | undefined, what: string, depth = 0): Type {
  if (depth > MAX_DEPTH) throw bad(what, `nests deeper than ${MAX_DEPTH}`)
  if (typeof json === 'string') return typeFromText(json, what)
  const object = asObject(json, what)
  switch (asString(object['type'], `${what}.type`)) {
    case 'struct':
      return { kind: 'struct', fields: fieldsFromJson(object['fields'], what, depth + 1) }
    case 'list':
      return {
        kind: 'list',
        elementId: asInt(object['element-id'], `${what}.element-id`),
        elementRequired: asBoolean(object['element-required'], `${what}.element-required`),
        element: typeFromJson(object['element'], `${what}.element`, depth + 1),
      }
    case 'map':
      return {
        kind: 'map',
        keyId: asInt(object['key-id'], `${what}.key-id`),
        key: typeFromJson(object['key'], `${what}.key`, depth + 1),
        valueId: asInt(object['value-id'], `${what}.value-id`),
        valueRequired: asBoolean(object['value-required'], `${what}.value-required`),
        value: typeFromJson(object['value'], `${what}.value`, depth + 1),
      }
    default:
      throw bad(what, `has the unknown type ${JSON.stringify(object['type'])}`)
  }
}

export function typeToJson(type: Type): JsonValue {
  const out: JsonObject = jsonObject()
  switch (type.kind) {
    case 'struct':
      out['type'] = 'struct'
      out['fields'] = fieldsToJson(type.fields)
      return out
    case 'list':
      out['type'] = 'list'
      out['element-id'] = type.elementId
      out['element'] = typeToJson(type.element)
      out['element-required'] = type.elementRequired
      return out
    case 'map':
      out['type'] = 'map'
      out['key-id'] = type.keyId
      out['key'] = typeToJson(type.key)
      out['value-id'] = type.valueId
      out['value'] = typeToJson(type.value)
      out['value-required'] = type.valueRequired
      return out
    default:
      return typeText(type)
  }
}

/** A primitive or variant from its text; spaces inside the parentheses are accepted. */
function typeFromText(text: string, what: string): Type {
  const lower = text.trim().toLowerCase()
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
  if (fixed !== null) return { kind: 'fixed', length: Number(fixed[1]) }
  return geoFromText(text.trim(), lower) ?? unknownType(text, what)
}

function geoFromText(text: string, lower: string): PrimitiveType | undefined {
  if (lower === 'geometry') return { kind: 'geometry' }
  if (lower === 'geography') return { kind: 'geography' }
  const match = /^(geometry|geography)\(([^()]*)\)$/i.exec(text)
  if (match === null) return undefined
  const [crs, algorithm, rest] = (match[2] as string).split(',').map((part) => part.trim())
  if (crs === undefined || crs === '' || rest !== undefined) return undefined
  if ((match[1] as string).toLowerCase() === 'geometry') {
    return algorithm === undefined ? { kind: 'geometry', crs } : undefined
  }
  if (algorithm === undefined) return { kind: 'geography', crs }
  const known = algorithm.toLowerCase()
  if (!ALGORITHMS.has(known)) return undefined
  return { kind: 'geography', crs, algorithm: known as NonNullable<GeographyType['algorithm']> }
}

function unknownType(text: string, what: string): never {
  throw bad(what, `has the unknown type ${JSON.stringify(text.slice(0, 80))}`)
}

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
