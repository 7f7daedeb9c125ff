/**
 * Record batches → row objects, the edge of the API. Reads raw buffers: the getters of apache-arrow lose digits.
 *
 * | form | long, decimal | date | time, timestamps | binary | map |
 * |---|---|---|---|---|---|
 * | `native` | bigint, string | 'YYYY-MM-DD' | bigint µs (or ns) | Uint8Array | Map |
 * | `json` | string, string | 'YYYY-MM-DD' | ISO text | hex | list of [key, value] |
 *
 * In the `json` form NaN and infinities are the strings 'NaN', 'Infinity', '-Infinity'. A uuid is text in both.
 */
import type { Data, RecordBatch } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { formatDecimal } from '../spec/decimal.ts'
import { formatDate, formatTime, formatTimestamp, formatTimestampNanos } from '../spec/temporal.ts'
import type { NestedField, PrimitiveType, Type } from '../spec/types.ts'
import { bytesToHex, uuidFromBytes } from '../spec/value-binary.ts'
import { getBit } from './bitmap.ts'

export type RowForm = 'native' | 'json'
type Read = (row: number) => unknown
/** A row as an object with a property for each column. */
export type Row = Record<string, unknown>

/** The rows of a batch, whose columns are those of `fields` in that order. */
export function* rowsOf(
  batch: RecordBatch,
  fields: readonly NestedField[],
  form: RowForm = 'native',
): Generator<Row, void, undefined> {
  const data = batch.data as unknown as Data
  const read = structReader(data, fields, form)
  for (let row = 0; row < batch.numRows; row++) yield read(row)
}

function structReader(
  data: Data,
  fields: readonly NestedField[],
  form: RowForm,
): (row: number) => Row {
  const names = fields.map((field) => field.name)
  const readers = fields.map((field, i) => reader(data.children[i] as Data, field.type, form))
  const hostile = names.includes('__proto__')
  return (row) => {
    const out: Row = {}
    for (let i = 0; i < names.length; i++) {
      const value = (readers[i] as Read)(row)
      // Plain assignment of this one name would change the object's prototype.
      if (hostile && names[i] === '__proto__') {
        Object.defineProperty(out, '__proto__', {
          value,
          enumerable: true,
          writable: true,
          configurable: true,
        })
      } else out[names[i] as string] = value
    }
    return out
  }
}

/** Reads the values of one column by row, in the form that rows have. */
export function columnReader(data: Data, type: Type, form: RowForm): (row: number) => unknown {
  return reader(data, type, form)
}

function reader(data: Data, type: Type, form: RowForm): Read {
  if (type.kind === 'unknown') return () => null
  const read = valueReader(data, type, form)
  if (data.nullCount === 0 || data.nullBitmap.length === 0) return read
  const { nullBitmap, offset } = data
  return (row) => (getBit(nullBitmap, offset + row) ? read(row) : null)
}

function valueReader(data: Data, type: Type, form: RowForm): Read {
  switch (type.kind) {
    case 'struct':
      return structReader(data, type.fields, form)
    case 'list': {
      const offsets = data.valueOffsets as Int32Array
      const element = reader(data.children[0] as Data, type.element, form)
      return (row) => {
        const out: unknown[] = []
        for (let i = offsets[row] as number; i < (offsets[row + 1] as number); i++) {
          out.push(element(i))
        }
        return out
      }
    }
    case 'map': {
      const offsets = data.valueOffsets as Int32Array
      const [keys, values] = (data.children[0] as Data).children as [Data, Data]
      const key = reader(keys, type.key, form)
      const value = reader(values, type.value, form)
      return (row) => {
        const out: [unknown, unknown][] = []
        for (let i = offsets[row] as number; i < (offsets[row + 1] as number); i++) {
          out.push([key(i), value(i)])
        }
        return form === 'native' ? new Map(out) : out
      }
    }
    case 'variant':
      throw new FloeError('UNSUPPORTED_TYPE', 'Values of type variant cannot be read')
    default:
      return primitiveReader(data, type, form)
  }
}

function primitiveReader(data: Data, type: PrimitiveType, form: RowForm): Read {
  const json = form === 'json'
  switch (type.kind) {
    case 'boolean': {
      const bits = data.values as Uint8Array
      return (row) => getBit(bits, data.offset + row)
    }
    case 'int': {
      const values = data.values as Int32Array
      return (row) => values[row]
    }
    case 'float':
    case 'double': {
      const values = data.values as Float64Array
      if (!json) return (row) => values[row]
      return (row) => {
        const value = values[row] as number
        return Number.isFinite(value) ? value : String(value)
      }
    }
    case 'long': {
      const values = data.values as BigInt64Array
      return json ? (row) => String(values[row]) : (row) => values[row]
    }
    case 'date': {
      const values = data.values as Int32Array
      return (row) => formatDate(values[row] as number)
    }
    case 'time':
      return bigints(data, json ? formatTime : undefined)
    case 'timestamp':
    case 'timestamptz': {
      const utc = type.kind === 'timestamptz'
      return bigints(data, json ? (v) => formatTimestamp(v, utc) : undefined)
    }
    case 'timestamp_ns':
    case 'timestamptz_ns': {
      const utc = type.kind === 'timestamptz_ns'
      return bigints(data, json ? (v) => formatTimestampNanos(v, utc) : undefined)
    }
    case 'decimal':
      return decimals(data, type.scale)
    case 'string': {
      const offsets = data.valueOffsets as Int32Array
      const bytes = data.values as Uint8Array
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      return (row) => buffer.toString('utf8', offsets[row], offsets[row + 1])
    }
    case 'uuid': {
      const bytes = data.values as Uint8Array
      return (row) => uuidFromBytes(bytes.subarray(row * 16, row * 16 + 16))
    }
    case 'fixed': {
      const bytes = data.values as Uint8Array
      const { length } = type
      return binary((row) => bytes.slice(row * length, (row + 1) * length), json)
    }
    case 'binary':
    case 'geometry':
    case 'geography': {
      const offsets = data.valueOffsets as Int32Array
      const bytes = data.values as Uint8Array
      return binary((row) => bytes.slice(offsets[row], offsets[row + 1]), json)
    }
    case 'unknown':
      return () => null
  }
}

function binary(read: (row: number) => Uint8Array, json: boolean): Read {
  return json ? (row) => bytesToHex(read(row)) : read
}

function bigints(data: Data, format: ((value: bigint) => string) | undefined): Read {
  const values = data.values as BigInt64Array
  return format === undefined ? (row) => values[row] : (row) => format(values[row] as bigint)
}

/** 128-bit little-endian words. Values that fit 64 bits, nearly all, take the short way. */
function decimals(data: Data, scale: number): Read {
  const words = data.values as Uint32Array
  return (row) => {
    const at = row * 4
    const low = BigInt(words[at] as number) | (BigInt(words[at + 1] as number) << 32n)
    const high = BigInt(words[at + 2] as number) | (BigInt(words[at + 3] as number) << 32n)
    return formatDecimal(BigInt.asIntN(128, (high << 64n) | low), scale)
  }
}
