/**
 * Decodes values of any Avro type to plain JavaScript, by the schema they were written with.
 *
 * | Avro | JavaScript |
 * |---|---|
 * | null, boolean, string | null, boolean, string |
 * | int, float, double | number |
 * | long | bigint |
 * | bytes, fixed | Uint8Array, a copy |
 * | enum | its symbol |
 * | array, map | array, Map |
 * | record | object by field name, without a prototype |
 * | union | the value of its branch |
 *
 * Logical types are not applied; for values of Iceberg types see `value-reader.ts`.
 */
import type { AvroRecord, AvroType } from './avro-schema.ts'
import type { AvroCursor } from './cursor.ts'
import { minimumBytes } from './minimum-bytes.ts'

export type AvroValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly AvroValue[]
  | ReadonlyMap<string, AvroValue>
  | AvroObject
export interface AvroObject {
  readonly [field: string]: AvroValue
}

export type AvroDecoder = (cursor: AvroCursor) => AvroValue

/** Compiles the function that reads one value. Items are charged to the cursor's budget until it is released. */
export function compileDecoder(type: AvroType): AvroDecoder {
  return decoderOf(type, new Map())
}

type Memo = Map<AvroRecord, AvroDecoder>

function decoderOf(type: AvroType, memo: Memo): AvroDecoder {
  switch (type.kind) {
    case 'null':
      return () => null
    case 'boolean':
      return (cursor) => cursor.readBoolean()
    case 'int':
      return (cursor) => cursor.readInt()
    case 'long':
      return (cursor) => cursor.readBigLong()
    case 'float':
      return (cursor) => cursor.readFloat()
    case 'double':
      return (cursor) => cursor.readDouble()
    case 'bytes':
      return (cursor) => cursor.readBytes()
    case 'string':
      return (cursor) => cursor.readString()
    case 'fixed': {
      const { size } = type
      return (cursor) => cursor.readFixed(size)
    }
    case 'enum': {
      const { symbols } = type
      return (cursor) => {
        const index = cursor.readInt()
        const symbol = symbols[index]
        if (symbol === undefined) throw cursor.corrupt(`symbol ${index} of ${symbols.length}`)
        return symbol
      }
    }
    case 'array':
      return arrayDecoder(type.items, memo)
    case 'map':
      return mapDecoder(type.values, memo)
    case 'union': {
      const decoders = type.branches.map((branch) => decoderOf(branch, memo))
      return (cursor) => {
        const decode = decoders[cursor.readBranch(decoders.length)] as AvroDecoder
        return decode(cursor)
      }
    }
    case 'record':
      return recordDecoder(type, memo)
  }
}

function arrayDecoder(items: AvroType, memo: Memo): AvroDecoder {
  const itemBytes = minimumBytes(items)
  const decodeItem = decoderOf(items, memo)
  return (cursor) => {
    const array: AvroValue[] = []
    for (;;) {
      const count = cursor.readCount(itemBytes)
      if (count === 0) return array
      cursor.budget.takeItems(count)
      for (let i = 0; i < count; i++) array.push(decodeItem(cursor))
    }
  }
}

function mapDecoder(values: AvroType, memo: Memo): AvroDecoder {
  const entryBytes = 1 + minimumBytes(values)
  const decodeValue = decoderOf(values, memo)
  return (cursor) => {
    const map = new Map<string, AvroValue>()
    for (;;) {
      const count = cursor.readCount(entryBytes)
      if (count === 0) return map
      cursor.budget.takeItems(count)
      for (let i = 0; i < count; i++) {
        const key = cursor.readString()
        map.set(key, decodeValue(cursor))
      }
    }
  }
}

function recordDecoder(type: AvroRecord, memo: Memo): AvroDecoder {
  const known = memo.get(type)
  if (known !== undefined) return known
  const fields: { readonly name: string; readonly decode: AvroDecoder }[] = []
  const mayBeEmpty = minimumBytes(type) === 0
  const decode: AvroDecoder = (cursor) => {
    if (mayBeEmpty) cursor.budget.takeEmptyItems(1)
    cursor.budget.takeItems(1)
    cursor.budget.enter()
    const object = Object.create(null) as Record<string, AvroValue>
    for (const field of fields) object[field.name] = field.decode(cursor)
    cursor.budget.leave()
    return object
  }
  memo.set(type, decode)
  for (const field of type.fields) {
    fields.push({ name: field.name, decode: decoderOf(field.type, memo) })
  }
  return decode
}
