/** Builds record batches from the buffers that a worker copied out of the decoder. */
import type { Data, DataType, RecordBatch, Schema } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { arrow } from '../columns/arrow.ts'
import { columnData } from '../columns/column-data.ts'
import { ARRAY_STRIDE, type ExportedBatch } from './export-columns.ts'
import type { LeafConversion } from './leaf-types.ts'
import type { ProjectedField } from './projection.ts'

/**
 * The batch of the projected columns.
 * @param schema the Arrow schema of the columns, in the types of their `field`s.
 * @throws VALUE_OUT_OF_RANGE naming the column, for a millisecond timestamp beyond 64-bit microseconds.
 */
export function buildBatch(
  exported: ExportedBatch,
  columns: readonly ProjectedField[],
  schema: Schema,
): RecordBatch {
  const { RecordBatch: ArrowRecordBatch, Struct } = arrow()
  const builder = new Builder(exported)
  const children = columns.map((column, i) =>
    builder.column(column, schema.fields[i]?.type as DataType),
  )
  const type = new Struct(schema.fields)
  const data = columnData(type, { length: exported.numRows, nullCount: 0, children })
  return new ArrowRecordBatch(schema, data as Data<typeof type>)
}

class Builder {
  private readonly exported: ExportedBatch
  private next = 0

  constructor(exported: ExportedBatch) {
    this.exported = exported
  }

  column(projected: ProjectedField, type: DataType): Data {
    const at = this.next
    this.next += ARRAY_STRIDE
    const length = this.exported.arrays[at] as number
    const nullCount = this.exported.arrays[at + 1] as number
    const validity = nullCount === 0 ? undefined : this.bytes(at + 2)
    const parts = { length, nullCount, validity }
    switch (projected.field.type.kind) {
      case 'struct': {
        const kept = projected.children.filter((child) => child.placeholder !== true)
        const children = kept.map((child, i) => this.column(child, childType(type, i)))
        return columnData(type, { ...parts, children })
      }
      case 'list': {
        const offsets = this.offsets(at + 4)
        const element = this.column(projected.children[0] as ProjectedField, childType(type, 0))
        return columnData(type, { ...parts, offsets, children: [element] })
      }
      case 'map':
        return columnData(type, {
          ...parts,
          offsets: this.offsets(at + 4),
          children: [this.entries(projected, childType(type, 0))],
        })
      case 'string':
      case 'binary':
      case 'geometry':
      case 'geography':
        return columnData(type, {
          ...parts,
          offsets: this.offsets(at + 4),
          values: this.bytes(at + 6),
        })
      default:
        return columnData(type, { ...parts, values: this.values(projected, type, at, parts) })
    }
  }

  private entries(map: ProjectedField, type: DataType): Data {
    const length = this.exported.arrays[this.next] as number
    this.next += ARRAY_STRIDE
    const children = map.children.map((child, i) => this.column(child, childType(type, i)))
    return columnData(type, { length, nullCount: 0, children })
  }

  private values(
    projected: ProjectedField,
    type: DataType,
    at: number,
    column: { readonly length: number; readonly validity: Uint8Array | undefined },
  ): ArrayBufferView {
    const bytes = this.bytes(at + 6)
    const { buffer, byteOffset } = bytes
    const convert: LeafConversion | undefined = projected.convert
    switch (convert) {
      case 'timestamp-millis':
        return millisToMicros(
          new BigInt64Array(buffer, byteOffset, column.length),
          column.validity,
          projected.field.name,
        )
      case 'time-millis':
        return timeToMicros(new Int32Array(buffer, byteOffset, column.length))
      case 'uint32':
        return widenUint32(new Uint32Array(buffer, byteOffset, column.length))
      case undefined: {
        const { ArrayType: Values } = type as { ArrayType: TypedArrayClass }
        return new Values(buffer, byteOffset, bytes.byteLength / Values.BYTES_PER_ELEMENT)
      }
    }
  }

  private offsets(slot: number): Int32Array {
    const bytes = this.bytes(slot)
    if (bytes.byteLength === 0) return new Int32Array(1)
    return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  }

  private bytes(slot: number): Uint8Array {
    const offset = this.exported.arrays[slot] as number
    const length = this.exported.arrays[slot + 1] as number
    return this.exported.bytes.subarray(offset, offset + length)
  }
}

type TypedArrayClass = (new (
  buffer: ArrayBufferLike,
  offset: number,
  length: number,
) => ArrayBufferView) & { readonly BYTES_PER_ELEMENT: number }

function childType(type: DataType, index: number): DataType {
  return type.children[index]?.type as DataType
}

/** Milliseconds to microseconds. Null slots may hold anything: they wrap. */
function millisToMicros(
  millis: BigInt64Array,
  validity: Uint8Array | undefined,
  column: string,
): BigInt64Array {
  const micros = new BigInt64Array(millis.length)
  for (let i = 0; i < millis.length; i++) {
    const value = (millis[i] as bigint) * 1000n
    micros[i] = value
    const isNull = validity !== undefined && ((validity[i >>> 3] as number) & (1 << (i & 7))) === 0
    if (micros[i] !== value && !isNull) {
      throw new FloeError(
        'VALUE_OUT_OF_RANGE',
        `Cannot read column "${column}": the timestamp of ${millis[i]} ms does not fit into 64-bit ` +
          'microseconds. Leave the column out of the projection',
        { context: { column } },
      )
    }
  }
  return micros
}

function timeToMicros(millis: Int32Array): BigInt64Array {
  const micros = new BigInt64Array(millis.length)
  for (let i = 0; i < millis.length; i++) micros[i] = BigInt(millis[i] as number) * 1000n
  return micros
}

function widenUint32(values: Uint32Array): BigInt64Array {
  const wide = new Uint32Array(values.length * 2)
  for (let i = 0; i < values.length; i++) wide[2 * i] = values[i] as number
  return new BigInt64Array(wide.buffer)
}
