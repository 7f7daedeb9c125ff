/**
 * Reads Avro values as values of Iceberg types, resolving fields by field id. Iceberg spec §Appendix A: Avro,
 * §Column Projection. Accepts what writers in the wild use instead of the type that the spec names: milliseconds,
 * decimals and UUIDs in other containers, types that were promoted since, nullable unions for required fields.
 */
import { FloeError } from '../../core/errors.ts'
import type { NestedField, Type } from '../spec/types.ts'
import type { StructValue, Value } from '../spec/value.ts'
import { bigintFromBytes, uuidFromBytes } from '../spec/value-binary.ts'
import type { AvroField, AvroPrimitive, AvroRecord, AvroType } from './avro-schema.ts'
import type { AvroCursor } from './cursor.ts'
import { minimumBytes } from './minimum-bytes.ts'
import { type AvroSkip, compileSkip, type SkipMemo } from './skip.ts'

export type ValueReader = (cursor: AvroCursor) => Value

export interface ValueReaderContext {
  /** Names the file in errors. */
  readonly file: string
  /**
   * The field id of a field without one, by its names from the root (a name mapping); undefined leaves the field
   * unread. Without this, fields without ids are not read.
   */
  readonly idOfName?: ((path: readonly string[]) => number | undefined) | undefined
  readonly skips: SkipMemo
}

/**
 * Compiles the function that reads one value; Avro nulls become null, whatever the type.
 * @param path names from the root, for errors and the name mapping.
 * @throws CORRUPT_AVRO if the Avro type cannot hold values of the Iceberg type; UNSUPPORTED_TYPE for variant.
 */
export function compileValueReader(
  avro: AvroType,
  type: Type,
  context: ValueReaderContext,
  path: readonly string[],
): ValueReader {
  if (avro.kind === 'union') {
    const readers = avro.branches.map((branch) =>
      branch.kind === 'null' ? readNull : compileValueReader(branch, type, context, path),
    )
    const only = readers.length
    return (cursor) => {
      const read = readers[cursor.readBranch(only)] as ValueReader
      return read(cursor)
    }
  }
  if (avro.kind === 'null') return readNull
  const reader =
    type.kind === 'struct' || type.kind === 'list' || type.kind === 'map'
      ? nestedReader(avro, type, context, path)
      : primitiveReader(avro, type, context, path)
  if (reader !== undefined) return reader
  throw new FloeError(
    'CORRUPT_AVRO',
    `Cannot read ${context.file}: column "${path.join('.')}" is ${describe(avro)} in Avro, which ` +
      `cannot hold ${type.kind}. The file does not belong to this schema`,
    { context: { file: context.file, column: path.join('.') } },
  )
}

/**
 * Compiles the function that reads a record as a struct, with the fields of the struct in its order; fields that
 * the file lacks have their initial default or null.
 * @throws CORRUPT_AVRO for a required field that the file lacks and that has no default.
 */
export function compileStructReader(
  avro: AvroRecord,
  fields: readonly NestedField[],
  context: ValueReaderContext,
  path: readonly string[],
): (cursor: AvroCursor) => StructValue {
  const { steps, absent } = compileFields(avro, fields, context, path)
  const names = fields.map((field) => field.name)
  const count = fields.length
  const mayBeEmpty = minimumBytes(avro) === 0
  return (cursor) => {
    if (mayBeEmpty) cursor.budget.takeEmptyItems(1)
    cursor.budget.enter()
    const values: Value[] = absent.slice()
    for (const step of steps) step(cursor, values)
    cursor.budget.leave()
    const struct = Object.create(null) as Record<string, Value>
    for (let i = 0; i < count; i++) struct[names[i] as string] = values[i] as Value
    return struct
  }
}

/** As `compileStructReader`, but values in an array in the order of the fields: partition tuples. */
export function compileTupleReader(
  avro: AvroRecord,
  fields: readonly NestedField[],
  context: ValueReaderContext,
): (cursor: AvroCursor) => Value[] {
  const { steps, absent } = compileFields(avro, fields, context, [])
  const mayBeEmpty = minimumBytes(avro) === 0
  return (cursor) => {
    if (mayBeEmpty && steps.length > 0) cursor.budget.takeEmptyItems(1)
    const values: Value[] = absent.slice()
    for (const step of steps) step(cursor, values)
    return values
  }
}

type FieldStep = (cursor: AvroCursor, values: Value[]) => void

function compileFields(
  avro: AvroRecord,
  fields: readonly NestedField[],
  context: ValueReaderContext,
  path: readonly string[],
): { steps: FieldStep[]; absent: Value[] } {
  const indexById = new Map(fields.map((field, index) => [field.id, index]))
  const found = new Set<number>()
  const steps = avro.fields.map((avroField): FieldStep => {
    const id = idOf(avroField, context, path)
    const index = id === undefined ? undefined : indexById.get(id)
    if (index === undefined || found.has(index)) {
      const skip: AvroSkip = compileSkip(avroField.type, context.skips)
      return (cursor) => skip(cursor)
    }
    found.add(index)
    return fieldStep(avroField, fields[index] as NestedField, index, context, path)
  })
  const absent = fields.map((field, index) =>
    found.has(index) ? null : defaultOf(field, context, path),
  )
  return { steps, absent }
}

function fieldStep(
  avro: AvroField,
  field: NestedField,
  index: number,
  context: ValueReaderContext,
  path: readonly string[],
): FieldStep {
  const names = [...path, field.name]
  const read = compileValueReader(avro.type, field.type, context, names)
  if (!field.required) {
    return (cursor, values) => {
      values[index] = read(cursor)
    }
  }
  return (cursor, values) => {
    const value = read(cursor)
    if (value === null) throw cursor.corrupt(`required column "${names.join('.')}" is null`)
    values[index] = value
  }
}

function idOf(
  field: AvroField,
  context: ValueReaderContext,
  path: readonly string[],
): number | undefined {
  return field.fieldId ?? context.idOfName?.([...path, field.icebergName ?? field.name])
}

function defaultOf(
  field: NestedField,
  context: ValueReaderContext,
  path: readonly string[],
): Value {
  if (field.initialDefault !== undefined) return field.initialDefault
  if (!field.required) return null
  const name = [...path, field.name].join('.')
  throw new FloeError(
    'CORRUPT_AVRO',
    `Cannot read ${context.file}: it lacks the required column "${name}" (field ${field.id}), ` +
      'which has no default. The file does not belong to this schema',
    { context: { file: context.file, column: name, fieldId: field.id } },
  )
}

const readNull: ValueReader = () => null

function nestedReader(
  avro: AvroType,
  type: Type,
  context: ValueReaderContext,
  path: readonly string[],
): ValueReader | undefined {
  if (type.kind === 'struct' && avro.kind === 'record') {
    return compileStructReader(avro, type.fields, context, path)
  }
  if (type.kind === 'list' && avro.kind === 'array' && !avro.isMap) {
    const element = compileValueReader(avro.items, type.element, context, [...path, 'element'])
    return listReader(element, minimumBytes(avro.items))
  }
  if (type.kind !== 'map') return undefined
  if (avro.kind === 'map') {
    const key = compileValueReader({ kind: 'string' }, type.key, context, [...path, 'key'])
    const value = compileValueReader(avro.values, type.value, context, [...path, 'value'])
    return mapReader([key, value], 1 + minimumBytes(avro.values), undefined)
  }
  if (avro.kind !== 'array') return undefined
  const pair = recordIn(avro.items)
  const [key, value] = pair?.fields ?? []
  if (pair === undefined || key === undefined || value === undefined || pair.fields.length !== 2) {
    return undefined
  }
  return mapReader(
    [
      compileValueReader(key.type, type.key, context, [...path, 'key']),
      compileValueReader(value.type, type.value, context, [...path, 'value']),
    ],
    minimumBytes(avro.items),
    avro.items.kind === 'union' ? avro.items.branches.indexOf(pair) : undefined,
  )
}

/** The record that a type is, or the only one in a union with null. */
function recordIn(type: AvroType): AvroRecord | undefined {
  if (type.kind === 'record') return type
  if (type.kind !== 'union') return undefined
  const records = type.branches.filter((branch) => branch.kind === 'record')
  return records.length === 1 ? records[0] : undefined
}

function listReader(element: ValueReader, itemBytes: number): ValueReader {
  return (cursor) => {
    const list: Value[] = []
    cursor.budget.enter()
    for (;;) {
      const count = cursor.readCount(itemBytes)
      if (count === 0) break
      cursor.budget.takeItems(count)
      for (let i = 0; i < count; i++) list.push(element(cursor))
    }
    cursor.budget.leave()
    return list
  }
}

/** @param branch the branch of the pairs, where they stand in a union. */
function mapReader(
  [readKey, readValue]: readonly [ValueReader, ValueReader],
  entryBytes: number,
  branch: number | undefined,
): ValueReader {
  return (cursor) => {
    const map = new Map<Value, Value>()
    cursor.budget.enter()
    for (;;) {
      const count = cursor.readCount(entryBytes)
      if (count === 0) break
      cursor.budget.takeItems(count)
      for (let i = 0; i < count; i++) {
        if (branch !== undefined && cursor.readLong() !== branch) {
          throw cursor.corrupt('an entry of a map is null')
        }
        const key = readKey(cursor)
        map.set(key, readValue(cursor))
      }
    }
    cursor.budget.leave()
    return map
  }
}

function primitiveReader(
  avro: AvroType,
  type: Type,
  context: ValueReaderContext,
  path: readonly string[],
): ValueReader | undefined {
  switch (type.kind) {
    case 'boolean':
      return avro.kind === 'boolean' ? (cursor) => cursor.readBoolean() : undefined
    case 'int':
    case 'date':
      return avro.kind === 'int' ? (cursor) => cursor.readInt() : undefined
    case 'long':
      if (avro.kind === 'int') return (cursor) => BigInt(cursor.readInt())
      return avro.kind === 'long' ? (cursor) => cursor.readBigLong() : undefined
    case 'float':
      return avro.kind === 'float' ? (cursor) => cursor.readFloat() : undefined
    case 'double':
      if (avro.kind === 'float') return (cursor) => cursor.readFloat()
      return avro.kind === 'double' ? (cursor) => cursor.readDouble() : undefined
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return timeReader(avro, 'micros')
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return timeReader(avro, 'nanos')
    case 'string':
      if (avro.kind === 'string') return internedStringReader()
      return avro.kind === 'enum' ? enumReader(avro.symbols) : undefined
    case 'uuid':
      if (avro.kind === 'fixed' && avro.size === 16) {
        return (cursor) => uuidFromBytes(cursor.readFixed(16))
      }
      return avro.kind === 'string' ? uuidTextReader() : undefined
    case 'decimal':
      return decimalReader(avro)
    case 'fixed': {
      const { length } = type
      if (avro.kind === 'fixed' && avro.size === length) return (cursor) => cursor.readFixed(length)
      return avro.kind === 'bytes' ? fixedInBytesReader(length) : undefined
    }
    case 'binary':
    case 'geometry':
    case 'geography':
      if (avro.kind === 'fixed') return fixedReader(avro.size)
      return avro.kind === 'bytes' ? (cursor) => cursor.readBytes() : undefined
    case 'variant':
      throw new FloeError(
        'UNSUPPORTED_TYPE',
        `Cannot read ${context.file}: column "${path.join('.')}" is of type variant, which is not ` +
          'decoded from Avro. Leave it out of the projection',
        { context: { file: context.file, column: path.join('.') } },
      )
    default:
      return undefined
  }
}

const MICROS_PER_DAY = 86_400_000_000n

/** Times and timestamps in the unit that the type has, from the unit that Avro states. */
function timeReader(avro: AvroType, unit: 'micros' | 'nanos'): ValueReader | undefined {
  if (avro.kind !== 'long' && avro.kind !== 'int') return undefined
  const written = writtenUnit(avro)
  if (avro.kind === 'int' && written === undefined) return undefined
  const perMicro = unit === 'micros' ? 1n : 1000n
  switch (written) {
    case 'days':
      return scaled(MICROS_PER_DAY * perMicro)
    case 'millis':
      return scaled(1000n * perMicro)
    case 'micros':
      return scaled(perMicro)
    case 'nanos':
      return unit === 'nanos' ? scaled(1n) : undefined
    case undefined:
      return scaled(1n)
  }
}

function scaled(factor: bigint): ValueReader {
  if (factor === 1n) return (cursor) => cursor.readBigLong()
  return (cursor) => {
    const value = cursor.readBigLong() * factor
    if (BigInt.asIntN(64, value) !== value) throw cursor.corrupt('a time is out of range')
    return value
  }
}

function writtenUnit(avro: AvroPrimitive): 'days' | 'millis' | 'micros' | 'nanos' | undefined {
  switch (avro.logical?.name) {
    case 'date':
      return 'days'
    case 'time-millis':
    case 'timestamp-millis':
    case 'local-timestamp-millis':
      return 'millis'
    case 'time-micros':
    case 'timestamp-micros':
    case 'local-timestamp-micros':
      return 'micros'
    case 'timestamp-nanos':
    case 'local-timestamp-nanos':
      return 'nanos'
    default:
      return undefined
  }
}

/** Reads strings that often repeat, such as a partition: where the bytes are those of the last, so is the string. */
export function internedStringReader(): (cursor: AvroCursor) => string {
  let last = ''
  let lastBytes: Uint8Array = new Uint8Array(0)
  return (cursor) => {
    const length = cursor.readLength()
    const start = cursor.take(length)
    const { bytes } = cursor
    if (length === lastBytes.byteLength && length <= 64) {
      let i = 0
      while (i < length && bytes[start + i] === lastBytes[i]) i++
      if (i === length) return last
    }
    last = cursor.stringAt(start, start + length)
    lastBytes = length <= 64 ? Uint8Array.prototype.slice.call(bytes, start, start + length) : EMPTY
    return last
  }
}

const EMPTY = new Uint8Array(0)

function enumReader(symbols: readonly string[]): ValueReader {
  return (cursor) => {
    const index = cursor.readInt()
    const symbol = symbols[index]
    if (symbol === undefined) throw cursor.corrupt(`symbol ${index} of ${symbols.length}`)
    return symbol
  }
}

const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

function uuidTextReader(): ValueReader {
  return (cursor) => {
    const text = cursor.readString().toLowerCase()
    if (!UUID_TEXT.test(text)) throw cursor.corrupt('a UUID is not in its canonical form')
    return text
  }
}

/** Bytes of a decimal(38) and some room: longer ones are not decimals, and slow to convert. */
const MAX_DECIMAL_BYTES = 32

function decimalReader(avro: AvroType): ValueReader | undefined {
  if (avro.kind === 'fixed') {
    const { size } = avro
    if (size < 1 || size > MAX_DECIMAL_BYTES) return undefined
    return (cursor) => bigintFromBytes(cursor.readFixed(size))
  }
  if (avro.kind !== 'bytes') return undefined
  return (cursor) => {
    const length = cursor.readLength()
    if (length < 1 || length > MAX_DECIMAL_BYTES) {
      throw cursor.corrupt(`a decimal has ${length} bytes`)
    }
    return bigintFromBytes(cursor.readFixed(length))
  }
}

function fixedReader(size: number): ValueReader {
  return (cursor) => cursor.readFixed(size)
}

function fixedInBytesReader(length: number): ValueReader {
  return (cursor) => {
    const bytes = cursor.readBytes()
    if (bytes.byteLength !== length) {
      throw cursor.corrupt(`a fixed(${length}) has ${bytes.byteLength} bytes`)
    }
    return bytes
  }
}

function describe(avro: AvroType): string {
  const logical = 'logical' in avro && avro.logical !== undefined ? ` (${avro.logical.name})` : ''
  return avro.kind === 'fixed' ? `fixed[${avro.size}]${logical}` : `${avro.kind}${logical}`
}
