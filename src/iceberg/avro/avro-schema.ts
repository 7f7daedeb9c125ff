/**
 * Avro schemas as data, with the attributes that Iceberg adds. Avro spec §Schema Declaration; Iceberg spec
 * §Appendix A: Avro.
 *
 * Named types may refer to each other, so a parsed schema is a graph: walk it with a memo, never blindly.
 */
import { FloeError } from '../../core/errors.ts'
import { type JsonObject, type JsonValue, parseJsonBytes } from '../../core/json.ts'
import { checkLimit, type Limits } from '../../core/limits.ts'

/** A logical type with its attributes; unknown ones are kept by name and have no effect. */
export interface AvroLogicalType {
  readonly name: string
  readonly precision?: number
  readonly scale?: number
  /** Iceberg: whether a timestamp has a zone. */
  readonly adjustToUtc?: boolean
}

export interface AvroPrimitive {
  readonly kind: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string'
  readonly logical?: AvroLogicalType
}
export interface AvroFixed {
  readonly kind: 'fixed'
  readonly name: string
  /** Length in bytes. */
  readonly size: number
  readonly logical?: AvroLogicalType
}
export interface AvroEnum {
  readonly kind: 'enum'
  readonly name: string
  readonly symbols: readonly string[]
}
export interface AvroArray {
  readonly kind: 'array'
  readonly items: AvroType
  /** True for Iceberg's map with keys of any type: an array of records of key and value. */
  readonly isMap: boolean
  readonly elementId?: number
}
export interface AvroMap {
  readonly kind: 'map'
  readonly values: AvroType
  readonly keyId?: number
  readonly valueId?: number
}
export interface AvroUnion {
  readonly kind: 'union'
  readonly branches: readonly AvroType[]
}
export interface AvroRecord {
  readonly kind: 'record'
  readonly name: string
  readonly fields: readonly AvroField[]
  readonly logical?: AvroLogicalType
}
export interface AvroField {
  readonly name: string
  readonly type: AvroType
  readonly fieldId?: number
  /** The name that Iceberg knows, where Avro's rules forced another one. */
  readonly icebergName?: string
}
export type AvroType =
  | AvroPrimitive
  | AvroFixed
  | AvroEnum
  | AvroArray
  | AvroMap
  | AvroUnion
  | AvroRecord

/**
 * Parses the JSON text of a schema.
 * @param file names the file in errors.
 * @throws CORRUPT_AVRO if it is not a schema, LIMIT_EXCEEDED for more than `limits.schemaFields` types and fields.
 */
export function parseAvroSchema(text: Uint8Array, file: string, limits: Limits): AvroType {
  let json: JsonValue
  try {
    json = parseJsonBytes(text, `the Avro schema of ${file}`, limits.nestingDepth)
  } catch (cause) {
    throw badSchema(file, 'it is not JSON, or nested too deeply', cause)
  }
  const schema = new SchemaParser(file, limits).parse(json, '')
  checkLimit(limits, 'nestingDepth', depthOf(schema, new Map()), `The Avro schema of ${file}`)
  return schema
}

/**
 * Levels of a type; a record inside itself counts as nothing. Definitions stand before their uses, so that walking in
 * the order of the text, as this does, finds all but enclosing records measured: the recursion is not deep.
 */
function depthOf(type: AvroType, memo: Map<AvroType, number>): number {
  switch (type.kind) {
    case 'array':
      return 1 + depthOf(type.items, memo)
    case 'map':
      return 1 + depthOf(type.values, memo)
    case 'union':
      return deepest(type.branches, memo)
    case 'record': {
      const known = memo.get(type)
      if (known !== undefined) return known
      memo.set(type, 0)
      const fieldTypes = type.fields.map((field) => field.type)
      const depth = 1 + deepest(fieldTypes, memo)
      memo.set(type, depth)
      return depth
    }
    default:
      return 0
  }
}

function deepest(types: readonly AvroType[], memo: Map<AvroType, number>): number {
  let depth = 0
  for (const type of types) depth = Math.max(depth, depthOf(type, memo))
  return depth
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** The depth of recursion is that of the JSON text, which the JSON parser has bounded. */
class SchemaParser {
  private readonly named = new Map<string, AvroType>()
  private readonly file: string
  private readonly limits: Limits
  private nodes = 0

  constructor(file: string, limits: Limits) {
    this.file = file
    this.limits = limits
  }

  parse(json: JsonValue | undefined, namespace: string): AvroType {
    checkLimit(this.limits, 'schemaFields', ++this.nodes, `The Avro schema of ${this.file}`)
    if (typeof json === 'string') return this.byName(json, namespace, undefined)
    if (Array.isArray(json)) return this.union(json, namespace)
    if (typeof json !== 'object' || json === null)
      throw this.bad('a type is neither name nor object')
    const type = json['type']
    // {"type": {"type": "int"}} is legal: the outer object only wraps the type.
    if (typeof type === 'object' && type !== null) return this.parse(type, namespace)
    if (typeof type !== 'string') throw this.bad('a type has no "type"')
    switch (type) {
      case 'record':
      case 'error':
        return this.record(json, namespace)
      case 'enum':
        return this.enumeration(json, namespace)
      case 'fixed':
        return this.fixed(json, namespace)
      case 'array':
        return this.array(json, namespace)
      case 'map':
        return {
          kind: 'map',
          values: this.parse(json['values'], namespace),
          ...idAttribute(json, 'key-id', 'keyId'),
          ...idAttribute(json, 'value-id', 'valueId'),
        }
      default:
        return this.byName(type, namespace, logicalType(json))
    }
  }

  private byName(name: string, namespace: string, logical: AvroLogicalType | undefined): AvroType {
    if (PRIMITIVES.has(name)) {
      const kind = name as AvroPrimitive['kind']
      return logical === undefined ? { kind } : { kind, logical }
    }
    const found = this.named.get(fullName(name, namespace)) ?? this.named.get(name)
    if (found === undefined) throw this.bad(`type ${quoted(name)} is not defined`)
    return found
  }

  private union(json: JsonValue[], namespace: string): AvroUnion {
    if (json.length === 0) throw this.bad('a union is empty')
    return {
      kind: 'union',
      branches: json.map((branch) => {
        if (Array.isArray(branch)) throw this.bad('a union stands directly inside a union')
        return this.parse(branch, namespace)
      }),
    }
  }

  private record(json: JsonObject, namespace: string): AvroRecord {
    const { name, inner } = this.nameOf(json, namespace)
    const fields: AvroField[] = []
    const logical = logicalType(json)
    const record: Mutable<AvroRecord> = { kind: 'record', name, fields }
    if (logical !== undefined) record.logical = logical
    // Known before its fields are parsed: they may refer to it.
    this.define(name, record)
    const list = json['fields']
    if (!Array.isArray(list)) throw this.bad(`record ${quoted(name)} has no fields`)
    for (const item of list) {
      if (typeof item !== 'object' || item === null || Array.isArray(item)) {
        throw this.bad(`a field of record ${quoted(name)} is not an object`)
      }
      const fieldName = item['name']
      if (typeof fieldName !== 'string') throw this.bad(`a field of ${quoted(name)} has no name`)
      const icebergName = item['iceberg-field-name']
      fields.push({
        name: fieldName,
        type: this.parse(item['type'], inner),
        ...idAttribute(item, 'field-id', 'fieldId'),
        ...(typeof icebergName === 'string' ? { icebergName } : {}),
      })
    }
    return record
  }

  private enumeration(json: JsonObject, namespace: string): AvroEnum {
    const { name } = this.nameOf(json, namespace)
    const symbols = json['symbols']
    if (!Array.isArray(symbols) || !symbols.every((s) => typeof s === 'string')) {
      throw this.bad(`enum ${quoted(name)} has no list of symbols`)
    }
    return this.define(name, { kind: 'enum', name, symbols })
  }

  private fixed(json: JsonObject, namespace: string): AvroFixed {
    const { name } = this.nameOf(json, namespace)
    const size = json['size']
    if (typeof size !== 'number' || !Number.isInteger(size) || size < 0) {
      throw this.bad(`fixed ${quoted(name)} has no size`)
    }
    const logical = logicalType(json)
    return this.define(name, {
      kind: 'fixed',
      name,
      size,
      ...(logical === undefined ? {} : { logical }),
    })
  }

  private array(json: JsonObject, namespace: string): AvroArray {
    return {
      kind: 'array',
      items: this.parse(json['items'], namespace),
      isMap: json['logicalType'] === 'map',
      ...idAttribute(json, 'element-id', 'elementId'),
    }
  }

  private nameOf(json: JsonObject, namespace: string): { name: string; inner: string } {
    const name = json['name']
    if (typeof name !== 'string' || name === '') throw this.bad('a named type has no name')
    const own = json['namespace']
    const full = fullName(name, typeof own === 'string' ? own : namespace)
    const dot = full.lastIndexOf('.')
    return { name: full, inner: dot < 0 ? '' : full.slice(0, dot) }
  }

  private define<T extends AvroType>(name: string, type: T): T {
    if (this.named.has(name)) throw this.bad(`type ${quoted(name)} is defined twice`)
    this.named.set(name, type)
    return type
  }

  private bad(why: string): FloeError {
    return badSchema(this.file, why)
  }
}

const PRIMITIVES: ReadonlySet<string> = new Set([
  'null',
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'bytes',
  'string',
])

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
}

function logicalType(json: JsonObject): AvroLogicalType | undefined {
  const name = json['logicalType']
  if (typeof name !== 'string') return undefined
  const { precision, scale } = json
  const adjust = json['adjust-to-utc']
  return {
    name,
    ...(typeof precision === 'number' ? { precision } : {}),
    ...(typeof scale === 'number' ? { scale } : {}),
    ...(typeof adjust === 'boolean' ? { adjustToUtc: adjust } : {}),
  }
}

function idAttribute<K extends string>(
  json: JsonObject,
  attribute: string,
  key: K,
): { [P in K]?: number } {
  const id = json[attribute]
  return typeof id === 'number' && Number.isInteger(id)
    ? ({ [key]: id } as { [P in K]: number })
    : {}
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 80))
}

function badSchema(file: string, why: string, cause?: unknown): FloeError {
  return new FloeError(
    'CORRUPT_AVRO',
    `Cannot read ${file}: its Avro schema is not valid: ${why}. The file is damaged or not Avro`,
    { context: { file }, ...(cause === undefined ? {} : { cause }) },
  )
}
