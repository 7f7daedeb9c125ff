/** Passing over values of an Avro type without making anything of them. */
import type { AvroRecord, AvroType } from './avro-schema.ts'
import type { AvroCursor } from './cursor.ts'
import { minimumBytes } from './minimum-bytes.ts'

export type AvroSkip = (cursor: AvroCursor) => void

/** Records that are compiled already: schemas are graphs and may name a record many times. */
export type SkipMemo = Map<AvroRecord, AvroSkip>

/** Compiles the function that passes over one value. */
export function compileSkip(type: AvroType, memo: SkipMemo = new Map()): AvroSkip {
  switch (type.kind) {
    case 'null':
      return () => undefined
    case 'boolean':
    case 'int':
    case 'long':
    case 'enum':
      return (cursor) => cursor.skipVarints(1)
    case 'float':
      return (cursor) => void cursor.take(4)
    case 'double':
      return (cursor) => void cursor.take(8)
    case 'fixed': {
      const { size } = type
      return (cursor) => void cursor.take(size)
    }
    case 'bytes':
    case 'string':
      return (cursor) => cursor.skipBytes()
    case 'array':
      return skipArray(type.items, memo)
    case 'map':
      return skipMap(type.values, memo)
    case 'union':
      return skipUnion(type.branches, memo)
    case 'record':
      return skipRecord(type, memo)
  }
}

function skipArray(items: AvroType, memo: SkipMemo): AvroSkip {
  const itemBytes = minimumBytes(items)
  const varints = varintsOf(items)
  if (varints > 0) {
    return (cursor) => {
      for (;;) {
        const count = cursor.readCountToSkip(itemBytes)
        if (count === 0) return
        cursor.skipVarints(count * varints)
      }
    }
  }
  if (isKeyedBytes(items)) {
    return (cursor) => {
      for (;;) {
        const count = cursor.readCountToSkip(itemBytes)
        if (count === 0) return
        cursor.skipKeyedBytes(count)
      }
    }
  }
  const skipItem = compileSkip(items, memo)
  return (cursor) => {
    for (;;) {
      const count = cursor.readCountToSkip(itemBytes)
      if (count === 0) return
      for (let i = 0; i < count; i++) skipItem(cursor)
    }
  }
}

/** True for the pairs of maps of bounds, of which manifests mostly consist. */
function isKeyedBytes(type: AvroType): boolean {
  if (type.kind !== 'record' || type.fields.length !== 2) return false
  const [key, value] = type.fields
  return key?.type.kind === 'int' && value?.type.kind === 'bytes'
}

/** The number of varints that every value of the type is, or 0 if it is anything else. */
function varintsOf(type: AvroType): number {
  switch (type.kind) {
    case 'boolean':
    case 'int':
    case 'long':
    case 'enum':
      return 1
    case 'record': {
      const simple = type.fields.every((f) => f.type.kind === 'int' || f.type.kind === 'long')
      return simple ? type.fields.length : 0
    }
    default:
      return 0
  }
}

function skipMap(values: AvroType, memo: SkipMemo): AvroSkip {
  const entryBytes = 1 + minimumBytes(values)
  const skipValue = compileSkip(values, memo)
  return (cursor) => {
    for (;;) {
      const count = cursor.readCountToSkip(entryBytes)
      if (count === 0) return
      for (let i = 0; i < count; i++) {
        cursor.skipBytes()
        skipValue(cursor)
      }
    }
  }
}

function skipUnion(branches: readonly AvroType[], memo: SkipMemo): AvroSkip {
  const skips = branches.map((branch) => compileSkip(branch, memo))
  return (cursor) => {
    const skip = skips[cursor.readBranch(skips.length)] as AvroSkip
    skip(cursor)
  }
}

function skipRecord(type: AvroRecord, memo: SkipMemo): AvroSkip {
  const known = memo.get(type)
  if (known !== undefined) return known
  const skips: AvroSkip[] = []
  const mayBeEmpty = minimumBytes(type) === 0
  const skip: AvroSkip = (cursor) => {
    // Records without bytes could nest to any number of steps.
    if (mayBeEmpty) cursor.budget.takeEmptyItems(1)
    cursor.budget.enter()
    for (const field of skips) field(cursor)
    cursor.budget.leave()
  }
  memo.set(type, skip)
  for (const field of type.fields) skips.push(compileSkip(field.type, memo))
  return skip
}
