/** JSON single-value serialization: defaults and literals. Iceberg spec §Appendix D (iceberg-writer.md item 103). */
import { FloeError } from '../../core/errors.ts'
import {
  asArray,
  asBoolean,
  asInt,
  asObject,
  asString,
  type JsonValue,
  jsonObject,
} from '../../core/json.ts'
import { fitsPrecision, formatDecimal, parseDecimal } from './decimal.ts'
import {
  formatDate,
  formatTime,
  formatTimestamp,
  formatTimestampNanos,
  parseDate,
  parseTime,
  parseTimestamp,
} from './temporal.ts'
import type { Type } from './types.ts'
import type { StructValue, Value } from './value.ts'
import { bytesToHex } from './value-binary.ts'

/**
 * The JSON form of a value. Struct values are keyed by field id, maps are `{keys, values}`.
 * @throws BAD_JSON for a NaN, an infinity or a double beyond 10^79, which our JSON does not hold exactly;
 *   UNSUPPORTED_TYPE for a type without JSON values.
 */
export function valueToJson(type: Type, value: Value): JsonValue {
  if (value === null) return null
  switch (type.kind) {
    case 'boolean':
    case 'int':
    case 'long':
    case 'string':
    case 'uuid':
      return value as JsonValue
    case 'float':
    case 'double':
      return floatToJson(value as number)
    case 'decimal':
      return formatDecimal(value as bigint, type.scale)
    case 'date':
      return formatDate(value as number)
    case 'time':
      return formatTime(value as bigint)
    case 'timestamp':
    case 'timestamptz':
      return formatTimestamp(value as bigint, type.kind === 'timestamptz')
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return formatTimestampNanos(value as bigint, type.kind === 'timestamptz_ns')
    case 'fixed':
    case 'binary':
      return bytesToHex(value as Uint8Array)
    case 'struct': {
      const out = jsonObject()
      for (const field of type.fields) {
        // Own fields only: a field may be called "constructor".
        if (!Object.hasOwn(value as StructValue, field.name)) continue
        out[String(field.id)] = valueToJson(field.type, (value as StructValue)[field.name] ?? null)
      }
      return out
    }
    case 'list':
      return (value as readonly Value[]).map((item) => valueToJson(type.element, item))
    case 'map': {
      const entries = [...(value as ReadonlyMap<Value, Value>)]
      const out = jsonObject()
      out['keys'] = entries.map(([key]) => valueToJson(type.key, key))
      out['values'] = entries.map(([, item]) => valueToJson(type.value, item))
      return out
    }
    case 'geometry':
    case 'geography':
    case 'variant':
    case 'unknown':
      throw new FloeError('UNSUPPORTED_TYPE', `A ${type.kind} has no JSON single value but null`)
  }
}

/**
 * The value of a JSON form.
 * @param what names the field in errors.
 * @throws BAD_JSON if the JSON does not fit the type.
 */
export function valueFromJson(type: Type, json: JsonValue, what: string): Value {
  if (json === null) return null
  switch (type.kind) {
    case 'boolean':
      return asBoolean(json, what)
    case 'int':
      return asInt(json, what)
    case 'long':
      if (typeof json === 'number' && Number.isSafeInteger(json)) return BigInt(json)
      if (typeof json === 'bigint' && BigInt.asIntN(64, json) === json) return json
      throw bad(what, 'a 64-bit integer')
    case 'float':
    case 'double': {
      if (typeof json !== 'number' && typeof json !== 'bigint') throw bad(what, 'a number')
      const value = type.kind === 'float' ? Math.fround(Number(json)) : Number(json)
      if (!Number.isFinite(value)) throw bad(what, `a ${type.kind} within its range`)
      return value
    }
    case 'decimal': {
      const parsed = parseDecimal(asString(json, what), type.precision, type.scale)
      if ('unscaled' in parsed && fitsPrecision(parsed.unscaled, type.precision)) {
        return parsed.unscaled
      }
      throw bad(what, `a decimal(${type.precision},${type.scale})`)
    }
    case 'date':
      return parseDate(asString(json, what)) ?? fail(what, 'a date')
    case 'time':
      return parseTime(asString(json, what)) ?? fail(what, 'a time')
    case 'timestamp':
    case 'timestamptz':
      return timestampFromJson(json, type.kind === 'timestamptz', 1_000_000n, what)
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return timestampFromJson(json, type.kind === 'timestamptz_ns', 1_000_000_000n, what)
    case 'string':
      return asString(json, what)
    case 'uuid': {
      const text = asString(json, what).toLowerCase()
      if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)) throw bad(what, 'a uuid')
      return text
    }
    case 'fixed': {
      const bytes = hexBytes(asString(json, what), what)
      if (bytes.length !== type.length) throw bad(what, `${type.length} bytes of hex`)
      return bytes
    }
    case 'binary':
      return hexBytes(asString(json, what), what)
    case 'struct': {
      const object = asObject(json, what)
      const out = Object.create(null) as Record<string, Value>
      for (const field of type.fields) {
        const item = object[String(field.id)]
        if (item !== undefined) {
          out[field.name] = valueFromJson(field.type, item, `${what}.${field.name}`)
        }
      }
      return out
    }
    case 'list':
      return asArray(json, what).map((item) => valueFromJson(type.element, item, what))
    case 'map': {
      const object = asObject(json, what)
      const keys = asArray(object['keys'], `${what}.keys`)
      const values = asArray(object['values'], `${what}.values`)
      if (keys.length !== values.length) throw bad(what, 'as many keys as values')
      return new Map(
        keys.map((key, i) => [
          valueFromJson(type.key, key, what),
          valueFromJson(type.value, values[i] as JsonValue, what),
        ]),
      )
    }
    case 'geometry':
    case 'geography':
    case 'variant':
    case 'unknown':
      throw bad(what, `null, the only default of a ${type.kind}`)
  }
}

/**
 * A float as JSON: an integer beyond 2^53 goes as a bigint with its exact digits, since as a `number` it would be
 * taken for a rounded one. The parser reads integers of up to 80 digits.
 */
function floatToJson(value: number): JsonValue {
  if (!(Math.abs(value) < 1e79)) {
    throw new FloeError(
      'BAD_JSON',
      `Cannot write the number ${value} as a JSON single value. Give one between -1e79 and 1e79, or null`,
    )
  }
  return Number.isInteger(value) && Math.abs(value) > 2 ** 53 ? BigInt(value) : value
}

function timestampFromJson(json: JsonValue, utc: boolean, perSecond: bigint, what: string): bigint {
  const ticks = parseTimestamp(asString(json, what), utc, perSecond)
  if (ticks === undefined || BigInt.asIntN(64, ticks) !== ticks) {
    const zone = utc ? 'with a zone' : 'without a zone'
    throw bad(what, `a timestamp ${zone}, of ${perSecond} ticks a second, within 64 bits`)
  }
  return ticks
}

function hexBytes(text: string, what: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) throw bad(what, 'hex digits')
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  }
  return bytes
}

function fail(what: string, expected: string): never {
  throw bad(what, expected)
}

function bad(what: string, expected: string): FloeError {
  return new FloeError('BAD_JSON', `Cannot read ${what}: expected ${expected}`, {
    context: { field: what },
  })
}
