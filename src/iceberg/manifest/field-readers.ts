/**
 * Readers of the fields of manifests and manifest lists, compiled from the Avro types that a file declares. Nullable
 * unions for required fields, wrapped records and longs for ints are accepted, since writers differ; whether a value
 * may be missing is decided where the field is used.
 */
import { FloeError } from '../../core/errors.ts'
import type { AvroField, AvroRecord, AvroType } from '../avro/avro-schema.ts'
import type { AvroCursor } from '../avro/cursor.ts'
import { minimumBytes } from '../avro/minimum-bytes.ts'
import { compileSkip, type SkipMemo } from '../avro/skip.ts'

/** Reads a value; undefined = null. */
export type FieldReader<T> = (cursor: AvroCursor) => T | undefined

/** A field of a record with the id that it has or, without ids, that its name stands for. */
export interface IdentifiedField {
  readonly id: number | undefined
  readonly field: AvroField
}

/** Gives each field its id; `idsByName` serves fields without one (files of some writers have none). */
export function identifyFields(
  record: AvroRecord,
  idsByName: ReadonlyMap<string, number>,
): IdentifiedField[] {
  return record.fields.map((field) => ({ id: field.fieldId ?? idsByName.get(field.name), field }))
}

/** Where a field stands, for errors and skipping. */
export interface FieldContext {
  readonly file: string
  readonly name: string
  readonly skips: SkipMemo
}

/** A long below 2^53, or an int. */
export function numberReader(type: AvroType, context: FieldContext): FieldReader<number> {
  return nullable(type, context, 'a number', (t) =>
    t.kind === 'long' || t.kind === 'int' ? (cursor) => cursor.readLong() : undefined,
  )
}

/** A long of any value. */
export function idReader(type: AvroType, context: FieldContext): FieldReader<bigint> {
  return nullable(type, context, 'a number', (t) =>
    t.kind === 'long' || t.kind === 'int' ? (cursor) => cursor.readId() : undefined,
  )
}

export function booleanReader(type: AvroType, context: FieldContext): FieldReader<boolean> {
  return nullable(type, context, 'a boolean', (t) =>
    t.kind === 'boolean' ? (cursor) => cursor.readBoolean() : undefined,
  )
}

export function stringReader(type: AvroType, context: FieldContext): FieldReader<string> {
  return nullable(type, context, 'a string', (t) =>
    t.kind === 'string' ? (cursor) => cursor.readString() : undefined,
  )
}

export function bytesReader(type: AvroType, context: FieldContext): FieldReader<Uint8Array> {
  return nullable(type, context, 'bytes', (t) => {
    if (t.kind === 'bytes') return (cursor) => cursor.readBytes()
    return t.kind === 'fixed' ? (cursor) => cursor.readFixed(t.size) : undefined
  })
}

/** A list of longs below 2^53, or of ints. */
export function numbersReader(type: AvroType, context: FieldContext): FieldReader<number[]> {
  return listReader(type, context, (items) => numberReader(items, context))
}

/** A list; nulls in it are an error. */
export function listReader<T>(
  type: AvroType,
  context: FieldContext,
  itemReader: (items: AvroType) => FieldReader<T>,
): FieldReader<T[]> {
  return nullable(type, context, 'a list', (t) => {
    if (t.kind !== 'array') return undefined
    const read = itemReader(t.items)
    const itemBytes = minimumBytes(t.items)
    return (cursor) => {
      const list: T[] = []
      for (;;) {
        const count = cursor.readCount(itemBytes)
        if (count === 0) return list
        cursor.budget.takeItems(count)
        for (let i = 0; i < count; i++) {
          const item = read(cursor)
          if (item === undefined) throw cursor.corrupt(`an item of ${context.name} is null`)
          list.push(item)
        }
      }
    }
  })
}

/** Which entries of the maps by column to read: all, or those of some columns. */
export type ColumnSelection = 'all' | ReadonlySet<number>

/** A map by column id of counts or sizes. With a selection of columns, a map without any of them is undefined. */
export function numbersByColumnReader(
  type: AvroType,
  context: FieldContext,
  columns: ColumnSelection,
): FieldReader<Map<number, number>> {
  return columnMapReader(type, context, columns, {
    read: (t) => (t.kind === 'long' || t.kind === 'int' ? (c) => c.readLong() : undefined),
    skip: (cursor) => cursor.skipVarints(1),
    skipPairs: (cursor, count) => cursor.skipVarints(2 * count),
  })
}

/** A map by column id of bounds; the bytes are copies of their own. */
export function bytesByColumnReader(
  type: AvroType,
  context: FieldContext,
  columns: ColumnSelection,
): FieldReader<Map<number, Uint8Array>> {
  return columnMapReader(type, context, columns, {
    read: (t) => (t.kind === 'bytes' ? (c) => c.readBytes() : undefined),
    skip: (cursor) => cursor.skipBytes(),
    skipPairs: (cursor, count) => cursor.skipKeyedBytes(count),
  })
}

interface ColumnValue<T> {
  readonly read: (type: AvroType) => ((cursor: AvroCursor) => T) | undefined
  /** Passes over a value, where it is not nullable. */
  readonly skip: (cursor: AvroCursor) => void
  /** Passes over pairs of a key and a value, where neither is nullable. */
  readonly skipPairs: (cursor: AvroCursor, count: number) => void
}

/** The columns to read of a map, and how many they are. */
interface Wanted {
  readonly count: number
  readonly has: (key: number) => boolean
}

function columnMapReader<T>(
  type: AvroType,
  context: FieldContext,
  columns: ColumnSelection,
  value: ColumnValue<T>,
): FieldReader<Map<number, T>> {
  return nullable(type, context, 'a map by column', (t) => {
    if (t.kind !== 'array') return undefined
    const itemBytes = minimumBytes(t.items)
    const wanted: Wanted =
      columns === 'all'
        ? { count: Number.POSITIVE_INFINITY, has: () => true }
        : { count: columns.size, has: membership(columns) }
    const readPairs =
      t.items.kind === 'record' && isPlainPair(t.items)
        ? plainPairsReader(t.items, context, wanted, value)
        : loosePairsReader(t.items, context, wanted, value)
    return (cursor) => {
      let map: Map<number, T> | undefined = columns === 'all' ? new Map() : undefined
      for (;;) {
        const count = cursor.readCount(itemBytes)
        if (count === 0) return map
        cursor.budget.takeItems(Math.min(count, wanted.count))
        map = readPairs(cursor, count, map)
      }
    }
  })
}

/** Reads a block of pairs into the map, which is made when the first wanted one is met. */
type PairsReader<T> = (
  cursor: AvroCursor,
  count: number,
  map: Map<number, T> | undefined,
) => Map<number, T> | undefined

/** Pairs as the specification has them. */
function plainPairsReader<T>(
  pair: AvroRecord,
  context: FieldContext,
  wanted: Wanted,
  value: ColumnValue<T>,
): PairsReader<T> {
  const valueType = (pair.fields[1] as AvroField).type
  const read = value.read(valueType)
  if (read === undefined) throw wrongType(valueType, context, 'a value')
  const { has, count: wantedCount } = wanted
  return (cursor, count, map) => {
    let target = map
    for (let i = 0; i < count; i++) {
      if (target !== undefined && target.size === wantedCount) {
        value.skipPairs(cursor, count - i)
        return target
      }
      const key = cursor.readInt()
      if (has(key)) {
        target ??= new Map()
        target.set(key, read(cursor))
      } else {
        value.skip(cursor)
      }
    }
    return target
  }
}

/** The membership test of a set of small ints, without hashing. */
function membership(set: ReadonlySet<number>): (value: number) => boolean {
  let largest = 0
  for (const value of set) {
    if (value < 0 || value >= 1 << 16) return (candidate) => set.has(candidate)
    largest = Math.max(largest, value)
  }
  const members = new Uint8Array(largest + 1)
  for (const value of set) members[value] = 1
  return (value) => value >= 0 && value <= largest && members[value] === 1
}

/** A record of an int key and a value that is not nullable. */
function isPlainPair(record: AvroRecord): boolean {
  const [key, value] = record.fields
  return record.fields.length === 2 && key?.type.kind === 'int' && value?.type.kind !== 'union'
}

/** Pairs with nullable parts or in a union themselves, as some writers have them. */
function loosePairsReader<T>(
  items: AvroType,
  context: FieldContext,
  wanted: Wanted,
  value: ColumnValue<T>,
): PairsReader<T> {
  const readPair = nullable(items, context, 'a pair', (t) => {
    if (t.kind !== 'record') return undefined
    let key: number | undefined
    let item: T | undefined
    const steps = t.fields.map((field, index): ((cursor: AvroCursor) => void) => {
      if (index === 0) {
        const read = numberReader(field.type, context)
        return (cursor) => {
          key = read(cursor)
        }
      }
      if (index > 1) return compileSkip(field.type, context.skips)
      const read = nullable(field.type, context, 'a value', value.read)
      return (cursor) => {
        item = read(cursor)
      }
    })
    return (cursor): { key: number; item: T } | undefined => {
      key = undefined
      item = undefined
      for (const step of steps) step(cursor)
      return key === undefined || item === undefined ? undefined : { key, item }
    }
  })
  return (cursor, count, map) => {
    let target = map
    for (let i = 0; i < count; i++) {
      const pair = readPair(cursor)
      if (pair === undefined || !wanted.has(pair.key)) continue
      target ??= new Map()
      target.set(pair.key, pair.item)
    }
    return target
  }
}

/**
 * A reader that gives undefined for null, for a type or a union of it with null.
 * @param build gives the reader of the type itself, or undefined if it is not what the field needs.
 * @throws CORRUPT_MANIFEST for another type.
 */
export function nullable<T>(
  type: AvroType,
  context: FieldContext,
  expected: string,
  build: (type: AvroType) => FieldReader<T> | undefined,
): FieldReader<T> {
  if (type.kind === 'null') return () => undefined
  if (type.kind !== 'union') {
    const read = build(type)
    if (read === undefined) throw wrongType(type, context, expected)
    return read
  }
  const readers = type.branches.map((branch) => nullable(branch, context, expected, build))
  const second = readers[1]
  if (readers.length === 2 && type.branches[0]?.kind === 'null' && second !== undefined) {
    return (cursor) => (cursor.readBranch(2) === 0 ? undefined : second(cursor))
  }
  return (cursor) => (readers[cursor.readBranch(readers.length)] as FieldReader<T>)(cursor)
}

function wrongType(type: AvroType, context: FieldContext, expected: string): FloeError {
  return new FloeError(
    'CORRUPT_MANIFEST',
    `Cannot read ${context.file}: field "${context.name}" is of Avro type ${type.kind} where ` +
      `${expected} is expected. The file was written by a faulty writer`,
    { context: { file: context.file, field: context.name } },
  )
}
