/** What a schema must be before it is written, and which type changes the format allows. Items 6, 15, 20, 21. */
import { FloeError } from '../../core/errors.ts'
import type { FormatVersion } from './metadata.ts'
import { childrenOf, type FieldEntry, type Schema } from './schema.ts'
import { MAX_TYPE_DEPTH } from './type-json.ts'
import { typeText } from './type-text.ts'
import { isPrimitive, type NestedField, type Type } from './types.ts'
import type { StructValue } from './value.ts'

/** Ids above are reserved for metadata columns. Iceberg spec §Reserved Field IDs. */
export const MAX_FIELD_ID = 2_147_483_447

/**
 * Checks a schema for a format version.
 * @param current the table's schema so far. Two of its columns whose names differ only in case may stay; new ones may
 *   not join them.
 * @throws BAD_SCHEMA naming the field; FORMAT_VERSION for a type or default of a later version.
 */
export function checkSchema(schema: Schema, formatVersion: FormatVersion, current?: Schema): void {
  const names = new Map<string, FieldEntry>()
  for (const entry of schema.entries()) {
    const { field, path } = entry
    const name = path.join('.')
    if (!Number.isInteger(field.id) || field.id < 1 || field.id > MAX_FIELD_ID) {
      throw bad(name, `has the field id ${field.id}; ids are 1 to ${MAX_FIELD_ID}`)
    }
    if (field.name === '') throw bad(name, 'has an empty name')
    if (path.length > MAX_TYPE_DEPTH) throw bad(name, `nests deeper than ${MAX_TYPE_DEPTH}`)
    const folded = name.toLowerCase()
    const other = names.get(folded)
    if (other !== undefined && !isOldPair(entry, other, current)) {
      throw bad(
        name,
        `has the name of another column, "${other.path.join('.')}" (case is ignored). Rename one of them`,
      )
    }
    names.set(folded, entry)
    checkVersion(entry, formatVersion)
    checkDefaults(entry)
  }
  for (const id of schema.identifierFieldIds) checkIdentifier(schema, id)
}

/** True for two columns of a table that had both before, under names that differ in case. */
function isOldPair(one: FieldEntry, two: FieldEntry, current: Schema | undefined): boolean {
  if (current === undefined || one.path.join('.') === two.path.join('.')) return false
  return [one, two].every(
    (entry) => current.findById(entry.field.id)?.path.join('.') === entry.path.join('.'),
  )
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

/** Item 21: what a default may be for each type. */
function checkDefaults({ field, path }: FieldEntry): void {
  const name = path.join('.')
  for (const value of [field.initialDefault, field.writeDefault]) {
    if (value === undefined) continue
    if (value === null) {
      if (field.required) throw bad(name, 'is required and cannot have null as its default')
    } else if (NULL_DEFAULT_TYPES.has(field.type.kind)) {
      throw bad(name, `is of type ${field.type.kind}, whose only default is null`)
    } else if (field.type.kind === 'struct' && Object.keys(value as StructValue).length > 0) {
      throw bad(name, 'is a struct, whose default is null or {}. Give its fields defaults instead')
    }
  }
}

function checkIdentifier(schema: Schema, id: number): void {
  const entry = schema.findById(id)
  if (entry === undefined) {
    throw new FloeError('BAD_SCHEMA', `The identifier field ${id} is not in the schema`, {
      context: { fieldId: id },
    })
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

/**
 * Passes the id of every field of a schema to `visit`, nested ones included, parents before children. Unlike
 * {@link Schema.entries} it builds no index and accepts ids that stand twice.
 */
export function visitFieldIds(schema: Schema, visit: (id: number) => void): void {
  visitIds(schema.fields, visit)
}

function visitIds(fields: readonly NestedField[], visit: (id: number) => void): void {
  for (const field of fields) {
    visit(field.id)
    if (!isPrimitive(field.type)) visitIds(childrenOf(field.type), visit)
  }
}

/**
 * True if values of one primitive type may be read as the other: the promotions of item 20. Nested types are compared
 * field by field by the caller.
 * @param formatVersion of the table: dates become timestamps, and unknown columns get a type, from version 3 on.
 */
export function canPromote(from: Type, to: Type, formatVersion: FormatVersion = 3): boolean {
  if (typeText(from) === typeText(to)) return true
  if (from.kind === 'unknown') return formatVersion >= 3
  switch (to.kind) {
    case 'long':
      return from.kind === 'int'
    case 'double':
      return from.kind === 'float'
    case 'decimal':
      return from.kind === 'decimal' && from.scale === to.scale && from.precision <= to.precision
    case 'timestamp':
    case 'timestamp_ns':
      return from.kind === 'date' && formatVersion >= 3
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
const NULL_DEFAULT_TYPES: ReadonlySet<string> = new Set([
  'unknown',
  'variant',
  'geometry',
  'geography',
])

function bad(name: string, why: string): FloeError {
  return new FloeError('BAD_SCHEMA', `Column "${name}" ${why}`, { context: { column: name } })
}
