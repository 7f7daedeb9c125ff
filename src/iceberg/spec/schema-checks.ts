/** What a schema must be before it is written, and which type changes the format allows. Items 6, 15, 20, 21. */
import { FloeError } from '../../core/errors.ts'
import type { FormatVersion } from './metadata.ts'
import type { FieldEntry, Schema } from './schema.ts'
import { typeText } from './type-text.ts'
import { isPrimitive, type Type } from './types.ts'

/** Ids above are reserved for metadata columns. Iceberg spec §Reserved Field IDs. */
export const MAX_FIELD_ID = 2_147_483_447

/**
 * Checks a schema for a format version.
 * @throws BAD_SCHEMA naming the field; FORMAT_VERSION for a type or default of a later version.
 */
export function checkSchema(schema: Schema, formatVersion: FormatVersion): void {
  const names = new Map<string, string>()
  for (const entry of schema.entries()) {
    const { field, path } = entry
    const name = path.join('.')
    if (!Number.isInteger(field.id) || field.id < 1 || field.id > MAX_FIELD_ID) {
      throw bad(name, `has the field id ${field.id}; ids are 1 to ${MAX_FIELD_ID}`)
    }
    if (field.name === '') throw bad(name, 'has an empty name')
    const folded = name.toLowerCase()
    const other = names.get(folded)
    if (other !== undefined) {
      throw bad(name, `has the name of another column, "${other}" (case is ignored)`)
    }
    names.set(folded, name)
    checkVersion(entry, formatVersion)
  }
  for (const id of schema.identifierFieldIds) checkIdentifier(schema, id)
}

function checkVersion({ field, path }: FieldEntry, formatVersion: FormatVersion): void {
  const name = path.join('.')
  if (V3_TYPES.has(field.type.kind) && formatVersion < 3) {
    throw new FloeError(
      'FORMAT_VERSION',
      `Column "${name}" is of type ${typeText(field.type)}, which needs format version 3; the table has ${formatVersion}. Create it with formatVersion: 3`,
      { context: { column: name, formatVersion } },
    )
  }
  if (
    formatVersion < 3 &&
    ((field.initialDefault !== undefined && field.initialDefault !== null) ||
      (field.writeDefault !== undefined && field.writeDefault !== null))
  ) {
    throw new FloeError(
      'FORMAT_VERSION',
      `Column "${name}" has a default, which needs format version 3; the table has ${formatVersion}`,
      { context: { column: name, formatVersion } },
    )
  }
  if (field.type.kind === 'unknown' && field.required) {
    throw bad(name, 'is of type unknown and must be optional')
  }
}

function checkIdentifier(schema: Schema, id: number): void {
  const entry = schema.findById(id)
  if (entry === undefined) {
    throw new FloeError('BAD_SCHEMA', `The identifier field ${id} is not in the schema`)
  }
  const name = entry.path.join('.')
  const { type } = entry.field
  if (!isPrimitive(type)) throw bad(name, 'is nested and cannot be an identifier field')
  if (type.kind === 'float' || type.kind === 'double') {
    throw bad(name, 'is floating point and cannot be an identifier field')
  }
  if (entry.repeated) throw bad(name, 'lies in a list or map and cannot be an identifier field')
  for (const ancestor of entry.idPath) {
    if (schema.findById(ancestor)?.field.required !== true) {
      throw bad(
        name,
        'is optional, or lies in an optional struct, and cannot be an identifier field',
      )
    }
  }
}

/** True if values of one type may be read as the other: the promotions of item 20. */
export function canPromote(from: Type, to: Type): boolean {
  if (typeText(from) === typeText(to)) return true
  if (from.kind === 'unknown') return true
  switch (to.kind) {
    case 'long':
      return from.kind === 'int'
    case 'double':
      return from.kind === 'float'
    case 'decimal':
      return from.kind === 'decimal' && from.scale === to.scale && from.precision <= to.precision
    case 'timestamp':
    case 'timestamp_ns':
      return from.kind === 'date'
    default:
      return false
  }
}

const V3_TYPES: ReadonlySet<string> = new Set([
  'variant',
  'geometry',
  'geography',
  'unknown',
  'timestamp_ns',
  'timestamptz_ns',
])

function bad(name: string, why: string): FloeError {
  return new FloeError('BAD_SCHEMA', `Column "${name}" ${why}`, { context: { column: name } })
}
