/** A table schema: a struct with an id, identifier fields, and look-up by id and by name. Iceberg spec §Schemas. */
import { FloeError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import type { NestedField, StructType, Type } from './types.ts'

/** Where a field stands in its schema. */
export interface FieldEntry {
  readonly field: NestedField
  /** Names from the root, e.g. ['address', 'city']; 'element', 'key', 'value' inside lists and maps. */
  readonly path: readonly string[]
  /** Field ids from the root down to and including this field. */
  readonly idPath: readonly number[]
  /** True if a list or map lies above: such a field cannot be an identifier or a partition source. */
  readonly repeated: boolean
}

/** Immutable. Look-ups build their index on first use. */
export class Schema {
  readonly schemaId: number
  readonly fields: readonly NestedField[]
  /** Field ids of the primary key, sorted ascending; empty if none. */
  readonly identifierFieldIds: readonly number[]
  /** JSON fields that this version does not know, kept on rewrite. */
  readonly unknown?: JsonObject
  #byId: Map<number, FieldEntry> | undefined
  #byName: Map<string, FieldEntry> | undefined

  constructor(options: {
    schemaId: number
    fields: readonly NestedField[]
    identifierFieldIds?: readonly number[]
    unknown?: JsonObject | undefined
  }) {
    this.schemaId = options.schemaId
    this.fields = options.fields
    this.identifierFieldIds = [...(options.identifierFieldIds ?? [])].sort((a, b) => a - b)
    if (options.unknown !== undefined) this.unknown = options.unknown
  }

  asStruct(): StructType {
    return { kind: 'struct', fields: this.fields }
  }

  /** Every field of the schema, nested ones included, parents before children. */
  entries(): IterableIterator<FieldEntry> {
    return this.index().values()
  }

  findById(id: number): FieldEntry | undefined {
    return this.index().get(id)
  }

  /** Finds by full name, parts joined with dots; exact case. */
  findByName(name: string): FieldEntry | undefined {
    if (this.#byName === undefined) {
      this.#byName = new Map()
      for (const entry of this.entries()) this.#byName.set(entry.path.join('.'), entry)
    }
    return this.#byName.get(name)
  }

  /** The field of a full name. @throws NO_SUCH_COLUMN listing the columns that exist. */
  requireByName(name: string): FieldEntry {
    const entry = this.findByName(name)
    if (entry !== undefined) return entry
    const known = this.fields.map((f) => f.name)
    throw new FloeError(
      'NO_SUCH_COLUMN',
      `There is no column "${name}". Columns: ${known.slice(0, 50).join(', ')}`,
      { context: { column: name } },
    )
  }

  /** The highest field id in this schema, nested ones included; 0 for an empty schema. */
  highestFieldId(): number {
    let highest = 0
    for (const entry of this.entries()) highest = Math.max(highest, entry.field.id)
    return highest
  }

  private index(): Map<number, FieldEntry> {
    if (this.#byId === undefined) {
      this.#byId = new Map()
      addFields(this.#byId, this.fields, [], [], false)
    }
    return this.#byId
  }
}

function addFields(
  index: Map<number, FieldEntry>,
  fields: readonly NestedField[],
  path: readonly string[],
  idPath: readonly number[],
  repeated: boolean,
): void {
  for (const field of fields) {
    const entry = {
      field,
      path: [...path, field.name],
      idPath: [...idPath, field.id],
      repeated,
    }
    if (index.has(field.id)) {
      throw new FloeError(
        'BAD_SCHEMA',
        `Field id ${field.id} stands twice in a schema: at "${entry.path.join('.')}" and ` +
          `"${index.get(field.id)?.path.join('.')}"`,
        { context: { fieldId: field.id } },
      )
    }
    index.set(field.id, entry)
    addFields(
      index,
      childrenOf(field.type),
      entry.path,
      entry.idPath,
      repeated || isRepeated(field.type),
    )
  }
}

/** The fields directly inside a type: of a struct, or the element, key and value of a list or map. */
export function childrenOf(type: Type): readonly NestedField[] {
  switch (type.kind) {
    case 'struct':
      return type.fields
    case 'list':
      return [
        { id: type.elementId, name: 'element', required: type.elementRequired, type: type.element },
      ]
    case 'map':
      return [
        { id: type.keyId, name: 'key', required: true, type: type.key },
        { id: type.valueId, name: 'value', required: type.valueRequired, type: type.value },
      ]
    default:
      return []
  }
}

function isRepeated(type: Type): boolean {
  return type.kind === 'list' || type.kind === 'map'
}
