/**
 * `schema.name-mapping.default`: field ids for data files that have none, by the names of their columns.
 * Iceberg spec §Name Mapping Serialization.
 */
import { FloeError } from '../../core/errors.ts'
import { type JsonValue, parseJson } from '../../core/json.ts'

/** Names that stand for a field at one level of nesting, and what lies below it. */
export interface MappedField {
  /** Undefined: the names are known but belong to no field. */
  readonly fieldId?: number
  readonly names: readonly string[]
  readonly fields: readonly MappedField[]
}

export type NameMapping = readonly MappedField[]

/** Parses the value of the table property. @throws BAD_METADATA; BAD_JSON */
export function parseNameMapping(text: string): NameMapping {
  return fieldsOf(parseJson(text, PROPERTY))
}

const PROPERTY = 'table property schema.name-mapping.default'

function fieldsOf(json: JsonValue): MappedField[] {
  if (!Array.isArray(json)) throw bad('it is not a list')
  return json.map((item) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) {
      throw bad('an entry is not an object')
    }
    const id = item['field-id']
    const names = item['names']
    const fields = item['fields']
    if (id !== undefined && !Number.isSafeInteger(id)) throw bad('a field-id is not an integer')
    if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) {
      throw bad('the names of an entry are not a list of strings')
    }
    return {
      ...(id === undefined ? {} : { fieldId: id as number }),
      names: names as string[],
      fields: fields === undefined ? [] : fieldsOf(fields),
    }
  })
}

function bad(why: string): FloeError {
  return new FloeError('BAD_METADATA', `Cannot use ${PROPERTY}: ${why}. Correct the property`)
}
