/** The schema of a Parquet file as a tree: the flat, depth-first list of a footer with its nesting resolved. */
import type { FloeError } from '../../core/errors.ts'
import { notParquet } from './footer.ts'
import { Repetition, type SchemaElement } from './parquet-thrift.ts'

/** A group or a leaf (without children). */
export interface FileNode {
  readonly element: SchemaElement
  /** Names from below the root down to this node. */
  readonly path: readonly string[]
  readonly children: readonly FileNode[]
  /** The leaves below (or this leaf itself) are columns `firstLeaf` to `endLeaf - 1` of a row group. */
  readonly firstLeaf: number
  readonly endLeaf: number
  /** How often repetition occurs from the root down to this node. */
  readonly repetitionLevel: number
}

export interface FileSchema {
  readonly root: FileNode
  /** In column order. */
  readonly leaves: readonly FileNode[]
}

/** True for a node with values of its own. */
export function isLeaf(node: FileNode): boolean {
  return node.element.num_children === undefined || node.element.type !== undefined
}

export function isRepeated(node: FileNode): boolean {
  return node.element.repetition_type === Repetition.REPEATED
}

export function isOptional(node: FileNode): boolean {
  return node.element.repetition_type === Repetition.OPTIONAL
}

/**
 * Builds the tree.
 * @throws CORRUPT_PARQUET if child counts do not add up or nesting is deeper than 64.
 */
export function buildFileSchema(elements: readonly SchemaElement[], file: string): FileSchema {
  const leaves: FileNode[] = []
  let next = 0
  const bad = (why: string): FloeError => notParquet(file, `in its schema, ${why}`)

  const build = (parentPath: readonly string[], parentLevel: number, depth: number): FileNode => {
    const element = elements[next++]
    if (element === undefined) throw bad('a group declares more children than there are')
    if (depth > MAX_DEPTH) throw bad(`groups nest deeper than ${MAX_DEPTH}`)
    const path = depth === 0 ? [] : [...parentPath, element.name]
    const repeated = depth > 0 && element.repetition_type === Repetition.REPEATED
    const repetitionLevel = parentLevel + (repeated ? 1 : 0)
    const firstLeaf = leaves.length
    const count = element.num_children ?? 0
    // Parquet has no empty groups but the root of a file without columns; some writers give leaves a count of 0.
    if (count > 0 && element.type !== undefined) throw bad(`column ${path.join('.')} has children`)
    if (count < 0) throw bad(`group ${path.join('.')} declares ${count} children`)
    if (count === 0 && depth > 0) {
      if (element.type === undefined) throw bad(`column ${path.join('.')} has no type`)
      const leaf: FileNode = {
        element,
        path,
        children: [],
        firstLeaf,
        endLeaf: firstLeaf + 1,
        repetitionLevel,
      }
      leaves.push(leaf)
      return leaf
    }
    const children: FileNode[] = []
    for (let i = 0; i < count; i++) children.push(build(path, repetitionLevel, depth + 1))
    return { element, path, children, firstLeaf, endLeaf: leaves.length, repetitionLevel }
  }

  const root = build([], 0, 0)
  if (next !== elements.length) throw bad(`${elements.length - next} elements belong to no group`)
  return { root, leaves }
}

const MAX_DEPTH = 64
