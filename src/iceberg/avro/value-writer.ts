/** Writes values of Iceberg's primitive types as Avro, as `schema-json.ts` declares them. */
import { FloeError } from '../../core/errors.ts'
import { decimalFixedLength, fitsPrecision } from '../spec/decimal.ts'
import type { PrimitiveType } from '../spec/types.ts'
import type { Value } from '../spec/value.ts'
import { bigintToFixedBytes, uuidToBytes } from '../spec/value-binary.ts'
import type { AvroSink } from './sink.ts'

export type ValueWriter = (sink: AvroSink, value: Value) => void

/**
 * Compiles the function that writes one nullable value: the union's branch, then the value.
 * @param name names the field in errors.
 * @throws TYPE_MISMATCH (from the function) for a value that is not of the type.
 */
export function compileOptionalWriter(type: PrimitiveType, name: string): ValueWriter {
  if (type.kind === 'unknown') {
    // The Avro type is null, not a union.
    return (_sink, value) => {
      if (value !== null) throw mismatch(type, name, value)
    }
  }
  const write = writerOf(type, name)
  return (sink, value) => {
    if (value === null) {
      sink.writeLong(0)
      return
    }
    sink.writeLong(1)
    write(sink, value)
  }
}

function writerOf(type: PrimitiveType, name: string): ValueWriter {
  const check = (condition: boolean, value: Value): void => {
    if (!condition) throw mismatch(type, name, value)
  }
  switch (type.kind) {
    case 'boolean':
      return (sink, value) => {
        check(typeof value === 'boolean', value)
        sink.writeBoolean(value as boolean)
      }
    case 'int':
    case 'date':
      return (sink, value) => {
        check(typeof value === 'number' && (value | 0) === value, value)
        sink.writeLong(value as number)
      }
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return (sink, value) => {
        check(typeof value === 'bigint', value)
        sink.writeBigLong(value as bigint)
      }
    case 'float':
      return (sink, value) => {
        check(typeof value === 'number', value)
        sink.writeFloat(value as number)
      }
    case 'double':
      return (sink, value) => {
        check(typeof value === 'number', value)
        sink.writeDouble(value as number)
      }
    case 'string':
      return (sink, value) => {
        check(typeof value === 'string', value)
        sink.writeString(value as string)
      }
    case 'uuid':
      return (sink, value) => {
        check(typeof value === 'string' && UUID.test(value), value)
        sink.writeFixed(uuidToBytes(value as string))
      }
    case 'fixed':
      return (sink, value) => {
        check(value instanceof Uint8Array && value.byteLength === type.length, value)
        sink.writeFixed(value as Uint8Array)
      }
    case 'decimal': {
      const size = decimalFixedLength(type.precision)
      return (sink, value) => {
        check(typeof value === 'bigint' && fitsPrecision(value, type.precision), value)
        sink.writeFixed(bigintToFixedBytes(value as bigint, size))
      }
    }
    case 'binary':
    case 'geometry':
    case 'geography':
      return (sink, value) => {
        check(value instanceof Uint8Array, value)
        sink.writeBytes(value as Uint8Array)
      }
    case 'unknown':
      return (_sink, value) => {
        throw mismatch(type, name, value)
      }
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

function mismatch(type: PrimitiveType, name: string, value: Value): FloeError {
  return new FloeError(
    'TYPE_MISMATCH',
    `Cannot write field "${name}": ${typeof value} ${typeof value === 'object' ? '' : String(value).slice(0, 40)} is not a value of ` +
      `type ${type.kind}`,
    { context: { field: name, type: type.kind } },
  )
}
