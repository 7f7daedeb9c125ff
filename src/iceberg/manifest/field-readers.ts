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
  })
}

interface ColumnValue<T> {
  readonly read: (type: AvroType) => ((cursor: AvroCursor) => T) | undefined
  /** Passes over a value, where it is not nullable. */
  readonly skip: (cursor: AvroCursor) => void
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
    const readEntry = mapEntryReader(t.items, context, columns, value)
    const wanted = columns === 'all' ? undefined : columns.size
    return (cursor) => {
      let map: Map<number, T> | undefined = wanted === undefined ? new Map() : undefined
      for (;;) {
        const count = cursor.readCount(itemBytes)
        if (count === 0) return map
        cursor.budget.takeItems(wanted === undefined ? count : Math.min(count, wanted))
        for (let i = 0; i < count; i++) map = readEntry(cursor, map)
      }
    }
  })
}

type MapEntryReader<T> = (
  cursor: AvroCursor,
  map: Map<number, T> | undefined,
) => Map<number, T> | undefined

/** Reads one pair into the map, which is made when the first wanted one is met. */
function mapEntryReader<T>(
  items: AvroType,
  context: FieldContext,
  columns: ColumnSelection,
  value: ColumnValue<T>,
): MapEntryReader<T> {
  const wants: (key: number) => boolean = columns === 'all' ? () => true : (key) => columns.has(key)
  if (items.kind === 'record' && isPlainPair(items)) {
    const [, second] = items.fields
    const read = value.read((second as AvroField).type)
    if (read === undefined) throw wrongType((second as AvroField).type, context, 'a value')
    return (cursor, map) => {
      const key = cursor.readInt()
      if (!wants(key)) {
        value.skip(cursor)
        return map
      }
      const target = map ?? new Map<number, T>()
      target.set(key, read(cursor))
      return target
    }
  }
  return looseEntryReader(items, context, wants, value)
}

/** A record of an int key and a value that is not nullable, as the specification has it. */
function isPlainPair(record: AvroRecord): boolean {
  const [key, value] = record.fields
  return record.fields.length === 2 && key?.type.kind === 'int' && value?.type.kind !== 'union'
}

/** Pairs with nullable parts or in a union themselves, as some writers have them. */
function looseEntryReader<T>(
  items: AvroType,
  context: FieldContext,
  wants: (key: number) => boolean,
  value: ColumnValue<T>,
): MapEntryReader<T> {
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
  return (cursor, map) => {
    const pair = readPair(cursor)
    if (pair === undefined || !wants(pair.key)) return map
    const target = map ?? new Map<number, T>()
    target.set(pair.key, pair.item)
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
