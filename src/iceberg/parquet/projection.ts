/**
 * Resolves wanted table columns against the schema of one Parquet file: which column chunks to read, as what, and
 * what is not there. Iceberg spec §Column Projection.
 *
 * Fields are found by field id. A file without any ids is resolved by the table's name mapping; without that, as
 * the reference implementation does, a column by its position (the first column has id 1), but by its name
 * where the file has that name, and nested fields by name.
 *
 * Required fields that a file lacks, defaults and promotions are the business of whoever uses the columns: what
 * is absent is left out here, and types are the file's.
 */
import { FloeError } from '../../core/errors.ts'
import { canPromote } from '../spec/schema-checks.ts'
import { typeText } from '../spec/type-text.ts'
import { isPrimitive, type NestedField, type PrimitiveType, type Type } from '../spec/types.ts'
import { type FileNode, type FileSchema, isLeaf, isOptional, isRepeated } from './file-schema.ts'
import { annotationOf, type LeafConversion, leafText, readLeafAs } from './leaf-types.ts'
import type { MappedField, NameMapping } from './name-mapping.ts'
import { ConvertedType, Repetition, type SchemaElement } from './parquet-thrift.ts'

/** One decoded field: how it comes out of the decoder and what it is to become. */
export interface ProjectedField {
  /** Id and name of the table's field, type and optionality of the file's. */
  readonly field: NestedField
  readonly convert?: LeafConversion
  /** Read only to tell null structs from present ones; not part of the result. */
  readonly placeholder?: boolean
  /** Of a struct: its children in decoding order; of a list: the element; of a map: key and value. */
  readonly children: readonly ProjectedField[]
}

export interface Projection {
  /** The wanted columns that the file has, in the order wanted. */
  readonly columns: readonly ProjectedField[]
  /** Leaves of the file (indexes into a row group's columns) in the order of `elements`. */
  readonly leaves: readonly number[]
  /** Schema of a file that has the wanted columns only, root first. */
  readonly elements: readonly SchemaElement[]
  /** True if some leaf is an INT96 timestamp. */
  readonly int96: boolean
}

/**
 * Resolves `wanted` against a file.
 * @throws UNSUPPORTED_TYPE naming column and file, for a column whose type in the file does not fit or cannot be
 *   read, and for variant.
 */
export function resolveProjection(
  file: FileSchema,
  wanted: readonly NestedField[],
  options: { readonly path: string; readonly nameMapping?: NameMapping | undefined },
): Projection {
  return new Resolver(file, options.path).resolve(wanted, matcherFor(file, options.nameMapping))
}

/**
 * The leaf of the file that holds a wanted primitive, for its statistics; undefined if there is none outside
 * lists and maps.
 */
export function findLeaf(
  file: FileSchema,
  idPath: readonly NestedField[],
  nameMapping?: NameMapping,
): FileNode | undefined {
  let matcher: Matcher = matcherFor(file, nameMapping)
  let node: FileNode = file.root
  for (const field of idPath) {
    if (isLeaf(node) && node !== file.root) return undefined
    const match = matcher.child(field, node.children)
    if (match === undefined || isRepeated(match.node)) return undefined
    node = match.node
    matcher = match.below
  }
  return isLeaf(node) ? node : undefined
}

/** Finds a wanted field among the children of a group. */
interface Matcher {
  child(
    wanted: NestedField,
    children: readonly FileNode[],
  ): { readonly node: FileNode; readonly below: Matcher } | undefined
  /** The matcher for what lies in the element of a list, or the key or value of a map. */
  inside(name: 'element' | 'key' | 'value'): Matcher
}

function matcherFor(file: FileSchema, mapping: NameMapping | undefined): Matcher {
  if (hasFieldIds(file.root)) return BY_ID
  if (mapping !== undefined) return byMapping(mapping)
  return BY_POSITION
}

function hasFieldIds(node: FileNode): boolean {
  return node.children.some((child) => child.element.field_id !== undefined || hasFieldIds(child))
}

const BY_ID: Matcher = {
  child(wanted, children) {
    const node = indexed(children, idIndexes, (child) => child.element.field_id).get(wanted.id)
    return node === undefined ? undefined : { node, below: BY_ID }
  },
  inside: () => BY_ID,
}

function byMapping(fields: readonly MappedField[]): Matcher {
  return {
    child(wanted, children) {
      const mapped = fields.find((f) => f.fieldId === wanted.id)
      if (mapped === undefined) return undefined
      const node = children.find((c) => mapped.names.includes(c.element.name))
      return node === undefined ? undefined : { node, below: byMapping(mapped.fields) }
    },
    inside: (name) => byMapping(fields.find((f) => f.names.includes(name))?.fields ?? []),
  }
}

const BY_NAME: Matcher = {
  child(wanted, children) {
    const node = indexed(children, nameIndexes, (child) => child.element.name).get(wanted.name)
    return node === undefined ? undefined : { node, below: BY_NAME }
  },
  inside: () => BY_NAME,
}

const BY_POSITION: Matcher = {
  child(wanted, children) {
    const byName = BY_NAME.child(wanted, children)
    if (byName !== undefined) return byName
    const node = children[wanted.id - 1]
    return node === undefined ? undefined : { node, below: BY_NAME }
  },
  inside: () => BY_NAME,
}

const idIndexes = new WeakMap<readonly FileNode[], Map<unknown, FileNode>>()
const nameIndexes = new WeakMap<readonly FileNode[], Map<unknown, FileNode>>()

/** The children of a group by a key, the first of equals; made once for a group. */
function indexed(
  children: readonly FileNode[],
  indexes: WeakMap<readonly FileNode[], Map<unknown, FileNode>>,
  key: (child: FileNode) => unknown,
): Map<unknown, FileNode> {
  let index = indexes.get(children)
  if (index === undefined) {
    index = new Map()
    for (const child of children) if (!index.has(key(child))) index.set(key(child), child)
    indexes.set(children, index)
  }
  return index
}

class Resolver {
  private readonly file: FileSchema
  private readonly path: string
  private readonly elements: SchemaElement[] = []
  private readonly leaves: number[] = []
  private int96 = false

  constructor(file: FileSchema, path: string) {
    this.file = file
    this.path = path
  }

  resolve(wanted: readonly NestedField[], matcher: Matcher): Projection {
    this.elements.push({ name: 'table', num_children: 0 })
    const columns = this.fields(wanted, this.file.root.children, matcher, [])
    this.elements[0] = { name: 'table', num_children: columns.length }
    return { columns, leaves: this.leaves, elements: this.elements, int96: this.int96 }
  }

  private fields(
    wanted: readonly NestedField[],
    children: readonly FileNode[],
    matcher: Matcher,
    at: readonly string[],
  ): ProjectedField[] {
    const found: ProjectedField[] = []
    for (const field of wanted) {
      if (field.type.kind === 'unknown') continue
      const match = matcher.child(field, children)
      if (match === undefined) continue
      found.push(this.field(field, match.node, match.below, [...at, field.name]))
    }
    return found
  }

  private field(
    wanted: NestedField,
    node: FileNode,
    matcher: Matcher,
    at: readonly string[],
  ): ProjectedField {
    const { type } = wanted
    // A repeated field outside a list is a list of required elements, from times before lists were annotated.
    if (isRepeated(node)) {
      if (type.kind !== 'list') throw this.mismatch(at, node, type)
      const element = this.value(
        { id: type.elementId, name: wanted.name, required: true, type: type.element },
        node,
        matcher.inside('element'),
        at,
        Repetition.REPEATED,
      )
      return listOf({ ...wanted, required: true }, type, element)
    }
    const repetition = isOptional(node) ? Repetition.OPTIONAL : Repetition.REQUIRED
    return this.value(wanted, node, matcher, at, repetition)
  }

  /** A field or an element whose repetition is settled. */
  private value(
    wanted: NestedField,
    node: FileNode,
    matcher: Matcher,
    at: readonly string[],
    repetition: number,
  ): ProjectedField {
    const { type } = wanted
    if (isPrimitive(type)) return this.primitive(wanted, type, node, at, repetition)
    if (isLeaf(node)) throw this.mismatch(at, node, type)
    const own = { name: wanted.name, repetition_type: repetition, field_id: wanted.id }
    const required = repetition === Repetition.REQUIRED
    switch (type.kind) {
      case 'variant':
        throw this.unsupported(at, 'variant is not supported')
      case 'struct': {
        const group = this.elements.push({ ...own, num_children: 0 }) - 1
        let children = this.fields(type.fields, node.children, matcher, at)
        if (children.length === 0) children = [this.placeholder(node)]
        this.elements[group] = { ...own, num_children: children.length }
        const fields = children.filter((c) => c.placeholder !== true).map((c) => c.field)
        return { field: { ...wanted, required, type: { kind: 'struct', fields } }, children }
      }
      case 'list': {
        const repeated = node.children[0]
        if (repeated === undefined || node.children.length !== 1 || !isRepeated(repeated)) {
          throw this.mismatch(at, node, type)
        }
        this.elements.push({
          ...own,
          num_children: 1,
          converted_type: ConvertedType.LIST,
          logicalType: { LIST: {} },
        })
        const element = this.listElement(type.elementId, type.element, node, repeated, matcher, at)
        return listOf({ ...wanted, required }, type, element)
      }
      case 'map':
        return this.map({ ...wanted, required }, type, node, matcher, at, own)
    }
  }

  /** The element of a list, in three levels or, as older writers have it, in two. */
  private listElement(
    elementId: number,
    type: Type,
    list: FileNode,
    repeated: FileNode,
    matcher: Matcher,
    at: readonly string[],
  ): ProjectedField {
    const below = [...at, 'element']
    const inside = matcher.inside('element')
    if (isTwoLevel(list, repeated)) {
      // The decoder takes a repeated group of this name for the element itself.
      const wanted = { id: elementId, name: 'array', required: true, type }
      const element = this.value(wanted, repeated, inside, below, Repetition.REPEATED)
      return { ...element, field: { ...element.field, name: 'element', required: true } }
    }
    this.elements.push({ name: 'list', repetition_type: Repetition.REPEATED, num_children: 1 })
    const child = repeated.children[0] as FileNode
    return this.field(
      { id: elementId, name: 'element', required: false, type },
      child,
      inside,
      below,
    )
  }

  private map(
    wanted: NestedField,
    type: Extract<Type, { kind: 'map' }>,
    node: FileNode,
    matcher: Matcher,
    at: readonly string[],
    own: SchemaElement,
  ): ProjectedField {
    const entries = node.children[0]
    const [key, value] = entries?.children ?? []
    if (node.children.length !== 1 || entries === undefined || !isRepeated(entries)) {
      throw this.mismatch(at, node, type)
    }
    if (key === undefined || value === undefined || entries.children.length !== 2) {
      throw this.unsupported(at, 'a map without keys or values is not supported')
    }
    if (isOptional(key)) throw this.unsupported(at, 'a map with optional keys is not supported')
    this.elements.push({
      ...own,
      num_children: 1,
      converted_type: ConvertedType.MAP,
      logicalType: { MAP: {} },
    })
    this.elements.push({ name: 'key_value', repetition_type: Repetition.REPEATED, num_children: 2 })
    const keyField = { id: type.keyId, name: 'key', required: true, type: type.key }
    const valueField = { id: type.valueId, name: 'value', required: false, type: type.value }
    const readKey = this.field(keyField, key, matcher.inside('key'), [...at, 'key'])
    const readValue = this.field(valueField, value, matcher.inside('value'), [...at, 'value'])
    return {
      field: {
        ...wanted,
        type: {
          ...type,
          key: readKey.field.type,
          value: readValue.field.type,
          valueRequired: readValue.field.required,
        },
      },
      children: [readKey, readValue],
    }
  }

  private primitive(
    wanted: NestedField,
    type: PrimitiveType,
    node: FileNode,
    at: readonly string[],
    repetition: number,
  ): ProjectedField {
    if (!isLeaf(node)) throw this.mismatch(at, node, type)
    const reading = readLeafAs(node.element, type)
    if (typeof reading === 'string') throw this.unsupported(at, reading)
    if (!canPromote(reading.type, type)) throw this.mismatch(at, node, type)
    this.elements.push({
      ...reading.element,
      name: wanted.name,
      repetition_type: repetition,
      field_id: wanted.id,
    })
    this.leaves.push(node.firstLeaf)
    if (reading.int96 === true) this.int96 = true
    return {
      field: {
        id: wanted.id,
        name: wanted.name,
        required: repetition !== Repetition.OPTIONAL,
        type: reading.type,
      },
      ...(reading.convert === undefined ? {} : { convert: reading.convert }),
      children: [],
    }
  }

  /**
   * One leaf of a group of which no wanted field is there: its levels say which of the structs are null. The
   * groups on the way to it are taken without annotations, as plain structs, since nobody looks at the values.
   */
  private placeholder(group: FileNode): ProjectedField {
    let node = cheapestChild(group)
    const field: NestedField = { id: 0, name: node.element.name, required: false, type: BINARY }
    for (; !isLeaf(node); node = cheapestChild(node)) {
      const { name, repetition_type } = node.element
      this.elements.push({ name, repetition_type, num_children: 1 })
    }
    const { type, type_length, name, repetition_type } = node.element
    this.elements.push({ type, type_length, name, repetition_type })
    this.leaves.push(node.firstLeaf)
    return { field, placeholder: true, children: [] }
  }

  private mismatch(at: readonly string[], node: FileNode, type: Type): FloeError {
    const has = isLeaf(node) ? leafText(node.element) : 'a group'
    return this.unsupported(at, `the table says ${typeText(type)}, the file has ${has}`)
  }

  private unsupported(at: readonly string[], why: string): FloeError {
    const column = at.join('.')
    return new FloeError(
      'UNSUPPORTED_TYPE',
      `Cannot read column "${column}" of ${this.path}: ${why}. Leave the column out of the projection`,
      { context: { column, file: this.path } },
    )
  }
}

const BINARY: PrimitiveType = { kind: 'binary' }

/** A child without repetition if there is one, a leaf rather than a group. */
function cheapestChild(group: FileNode): FileNode {
  const single = group.children.filter((child) => !isRepeated(child))
  return (single.find(isLeaf) ?? single[0] ?? group.children[0]) as FileNode
}

/**
 * The rules of Parquet's LogicalTypes.md for older lists: the repeated node is the element itself if it is a leaf,
 * has several children, or is named so.
 */
function isTwoLevel(list: FileNode, repeated: FileNode): boolean {
  if (isLeaf(repeated) || repeated.children.length !== 1) return true
  const { name } = repeated.element
  if (name === 'array' || name === `${list.element.name}_tuple`) return true
  if (repeated.children.some(isRepeated)) return true
  // A group that is annotated itself is an element, not the middle level of a list.
  return Object.keys(annotationOf(repeated.element)).length > 0
}

function listOf(
  wanted: NestedField,
  type: Extract<Type, { kind: 'list' }>,
  element: ProjectedField,
): ProjectedField {
  return {
    field: {
      ...wanted,
      type: { ...type, element: element.field.type, elementRequired: element.field.required },
    },
    children: [element],
  }
}
