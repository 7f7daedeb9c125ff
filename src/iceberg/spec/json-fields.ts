/**
 * What the JSON readers and writers of this folder share: optional fields, string maps, and the fields that this
 * version does not know, which are kept on rewrite (iceberg-writer.md item 26).
 */
import { asObject, asString, type JsonObject, type JsonValue, jsonObject } from '../../core/json.ts'

/** `{ [name]: decode(value) }`, or `{}` where the field is absent or null: for spreading into a result. */
export function optional<K extends string, T>(
  json: JsonValue | undefined,
  name: K,
  decode: (json: JsonValue) => T,
): { readonly [P in K]?: T } {
  if (json === undefined || json === null) return {}
  return { [name]: decode(json) } as { readonly [P in K]?: T }
}

/** True where a field is missing or null, which mean the same. */
export function isAbsent(json: JsonValue | undefined): json is undefined | null {
  return json === undefined || json === null
}

/** A string-to-string map without a prototype; other scalars are taken as their text, as Java reads them. */
export function stringMap(
  json: JsonValue | undefined,
  what: string,
): Readonly<Record<string, string>> {
  const out = Object.create(null) as Record<string, string>
  const object = asObject(json, what)
  for (const key of Object.keys(object)) {
    const value = object[key]
    out[key] =
      typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
        ? String(value)
        : asString(value, `${what}.${key}`)
  }
  return out
}

export function stringMapToJson(map: Readonly<Record<string, string>>): JsonObject {
  const out = jsonObject()
  for (const key of Object.keys(map)) out[key] = map[key] as string
  return out
}

/** `{ unknown }` with the fields whose names are not known, or `{}`: for spreading into a result. */
export function keepUnknown(
  json: JsonObject,
  known: ReadonlySet<string>,
): { readonly unknown?: JsonObject } {
  let unknown: JsonObject | undefined
  for (const key of Object.keys(json)) {
    if (known.has(key)) continue
    unknown ??= jsonObject()
    unknown[key] = json[key] as JsonValue
  }
  return unknown === undefined ? {} : { unknown }
}

/** Adds kept fields behind those that the writer wrote itself. */
export function withUnknown(out: JsonObject, unknown: JsonObject | undefined): JsonObject {
  if (unknown === undefined) return out
  for (const key of Object.keys(unknown)) {
    if (out[key] === undefined) out[key] = unknown[key] as JsonValue
  }
  return out
}
