/** Reads values from the raw buffers of a column, independently of the code under test and of Arrow's getters. */
import type { Data, RecordBatch } from 'apache-arrow'
import { childrenOf } from '../../../src/iceberg/spec/schema.ts'
import type { NestedField, Type } from '../../../src/iceberg/spec/types.ts'
import type { Value } from '../../../src/iceberg/spec/value.ts'
import { uuidFromBytes } from '../../../src/iceberg/spec/value-binary.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Every row of a batch as values in field order; fields of type unknown are left out. */
export function readRows(batch: RecordBatch, fields: readonly NestedField[]): Value[][] {
  const stored = fields.filter((f) => f.type.kind !== 'unknown')
  return Array.from({ length: batch.numRows }, (_, row) =>
    stored.map((field, i) => readValue(batch.data.children[i] as Data, field.type, row)),
  )
}

/** The value at an index, null where the bitmap says so. */
export function readValue(data: Data, type: Type, index: number): Value {
  if (data.nullCount > 0 && !bit(data.nullBitmap, data.offset + index)) return null
  const values = data.values as never
  switch (type.kind) {
    case 'boolean':
      return bit(values, data.offset + index)
    case 'int':
    case 'date':
      return (values as Int32Array)[index] as number
    case 'float':
      return (values as Float32Array)[index] as number
    case 'double':
      return (values as Float64Array)[index] as number
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return (values as BigInt64Array)[index] as bigint
    case 'decimal': {
      let value = 0n
      for (let word = 3; word >= 0; word--) {
        value = (value << 32n) | BigInt((values as Uint32Array)[index * 4 + word] as number)
      }
      return BigInt.asIntN(128, value)
    }
    case 'string':
      return decoder.decode(slot(data, index))
    case 'binary':
    case 'geometry':
    case 'geography':
      return Uint8Array.from(slot(data, index))
    case 'fixed':
      return (values as Uint8Array).slice(index * type.length, (index + 1) * type.length)
    case 'uuid':
      return uuidFromBytes((values as Uint8Array).subarray(index * 16, (index + 1) * 16))
    case 'list': {
      const [begin, end] = range(data, index)
      const child = data.children[0] as Data
      return Array.from({ length: end - begin }, (_, i) =>
        readValue(child, type.element, begin + i),
      )
    }
    case 'map': {
      const [begin, end] = range(data, index)
      const [keys, items] = (data.children[0] as Data).children as [Data, Data]
      const map = new Map<Value, Value>()
      for (let i = begin; i < end; i++) {
        map.set(readValue(keys, type.key, i), readValue(items, type.value, i))
      }
      return map
    }
    case 'struct': {
      const out: Record<string, Value> = {}
      childrenOf(type)
        .filter((f) => f.type.kind !== 'unknown')
        .forEach((field, i) => {
          out[field.name] = readValue(data.children[i] as Data, field.type, index)
        })
      return out
    }
    default:
      throw new Error(`no reader for ${type.kind}`)
  }
}

function slot(data: Data, index: number): Uint8Array {
  const [begin, end] = range(data, index)
  return (data.values as Uint8Array).subarray(begin, end)
}

function range(data: Data, index: number): [number, number] {
  const offsets = data.valueOffsets as Int32Array
  return [offsets[index] as number, offsets[index + 1] as number]
}

function bit(bytes: Uint8Array, index: number): boolean {
  return (((bytes[index >> 3] as number) >> (index & 7)) & 1) === 1
}
