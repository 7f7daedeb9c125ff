/**
 * Columns as a file has them → columns as the table's schema has them now: found by field id, renamed, reordered,
 * promoted; missing ones filled with partition constants, initial defaults or nulls. Iceberg spec §Column
 * Projection, §Schema Evolution (iceberg-writer.md items 20, 21, 63).
 */
import type { Schema as ArrowSchema, Data, DataType, RecordBatch } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { DEFAULT_LIMITS } from '../../core/limits.ts'
import { Schema } from '../spec/schema.ts'
import { typeText } from '../spec/type-text.ts'
import type { NestedField, Type } from '../spec/types.ts'
import type { Value } from '../spec/value.ts'
import { arrow } from './arrow.ts'
import { toArrowField } from './arrow-schema.ts'
import { columnData } from './column-data.ts'
import { RowBatchBuilder } from './row-builder.ts'

export interface ConformOptions {
  /** Columns wanted, as the table has them. */
  readonly wanted: readonly NestedField[]
  /** Columns that the file's batches have, with the file's types, in batch order. */
  readonly found: readonly NestedField[]
  /** Values by field id for columns that the file lacks: identity partition values (item 63). */
  readonly constants: ReadonlyMap<number, Value>
  /** Names the file in errors. */
  readonly path: string
}

/** Turns batches of one file into batches of the wanted columns; made once for a file. */
export class Conformer {
  readonly schema: ArrowSchema
  readonly #columns: readonly ((batch: Data, length: number) => Data)[]

  /** @throws NULL_IN_REQUIRED for a required column that is nowhere; UNSUPPORTED_TYPE for types that do not fit. */
  constructor(options: ConformOptions) {
    const { Schema: ArrowSchemaClass } = arrow()
    this.schema = new ArrowSchemaClass(options.wanted.map((f) => toArrowField(f, 'read', [])))
    this.#columns = options.wanted.map((field, i) => {
      const at = options.found.findIndex((f) => f.id === field.id)
      const type = (this.schema.fields[i] as { type: DataType }).type
      if (at < 0) {
        const fill = missing(field, type, options)
        return (_batch, length) => fill(length)
      }
      const convert = converter(field, (options.found[at] as NestedField).type, type, options)
      return (batch) => convert(batch.children[at] as Data)
    })
  }

  conform(batch: RecordBatch): RecordBatch {
    const { RecordBatch: ArrowRecordBatch, Struct } = arrow()
    const data = batch.data as unknown as Data
    const children = this.#columns.map((column) => column(data, batch.numRows))
    const struct = columnData(new Struct(this.schema.fields), {
      length: batch.numRows,
      nullCount: 0,
      children,
    })
    return new ArrowRecordBatch(this.schema, struct as never)
  }
}

type Convert = (data: Data) => Data

function converter(
  field: NestedField,
  found: Type,
  type: DataType,
  options: ConformOptions,
): Convert {
  const wanted = field.type
  if (wanted.kind === 'struct' && found.kind === 'struct') {
    const children = wanted.fields.map((child, i) => {
      const at = found.fields.findIndex((f) => f.id === child.id)
      const childType = (type.children[i] as { type: DataType }).type
      if (at < 0) {
        const fill = missing(child, childType, options)
        return (data: Data) => fill(data.length)
      }
      const convert = converter(child, (found.fields[at] as NestedField).type, childType, options)
      return (data: Data) => convert(data.children[at] as Data)
    })
    return (data) =>
      withChildren(
        data,
        type,
        children.map((child) => child(data)),
      )
  }
  if (wanted.kind === 'list' && found.kind === 'list') {
    const element = converter(
      {
        id: wanted.elementId,
        name: 'element',
        required: wanted.elementRequired,
        type: wanted.element,
      },
      found.element,
      (type.children[0] as { type: DataType }).type,
      options,
    )
    return (data) => withChildren(data, type, [element(data.children[0] as Data)])
  }
  if (wanted.kind === 'map' && found.kind === 'map') {
    const entries = (type.children[0] as { type: DataType }).type
    const key = converter(
      { id: wanted.keyId, name: 'key', required: true, type: wanted.key },
      found.key,
      (entries.children[0] as { type: DataType }).type,
      options,
    )
    const value = converter(
      { id: wanted.valueId, name: 'value', required: wanted.valueRequired, type: wanted.value },
      found.value,
      (entries.children[1] as { type: DataType }).type,
      options,
    )
    return (data) => {
      const inner = data.children[0] as Data
      const pair = [key(inner.children[0] as Data), value(inner.children[1] as Data)]
      return withChildren(data, type, [withChildren(inner, entries, pair)])
    }
  }
  return promote(field, found, type, options)
}

/** Leaf conversions: the promotions that the format allows. */
function promote(
  field: NestedField,
  found: Type,
  type: DataType,
  options: ConformOptions,
): Convert {
  const to = field.type.kind
  if (to === 'unknown') return (data) => nulls(type, data.length)
  if (to === found.kind) return (data) => retyped(data, type, data.values as ArrayBufferView)
  if (to === 'long' && found.kind === 'int') {
    return (data) => retyped(data, type, widen(data.values as Int32Array, data.length))
  }
  if (to === 'double' && found.kind === 'float') {
    return (data) => retyped(data, type, Float64Array.from(data.values as Float32Array))
  }
  if ((to === 'timestamp' || to === 'timestamp_ns') && found.kind === 'date') {
    const perDay = to === 'timestamp' ? 86_400_000_000n : 86_400_000_000_000n
    return (data) => {
      const days = data.values as Int32Array
      const ticks = new BigInt64Array(data.length)
      for (let i = 0; i < data.length; i++) ticks[i] = BigInt(days[i] as number) * perDay
      return retyped(data, type, ticks)
    }
  }
  throw new FloeError(
    'UNSUPPORTED_TYPE',
    `Cannot read column "${field.name}" of ${options.path}: the file has ${typeText(found)} where the table has ${typeText(field.type)}`,
    { context: { file: options.path, column: field.name } },
  )
}

/** A column that the file does not have; the same buffers serve all batches of one length. */
function missing(
  field: NestedField,
  type: DataType,
  options: ConformOptions,
): (length: number) => Data {
  const constant = options.constants.get(field.id)
  const value = constant === undefined ? (field.initialDefault ?? null) : constant
  if (value === null && field.required) {
    throw new FloeError(
      'NULL_IN_REQUIRED',
      `Cannot read column "${field.name}" (field ${field.id}) of ${options.path}: the file lacks it, and it is required without a default`,
      { context: { file: options.path, column: field.name, fieldId: field.id } },
    )
  }
  if (field.type.kind === 'unknown') return (length) => nulls(type, length)
  let cached: Data | undefined
  return (length) => {
    if (cached === undefined || cached.length < length) cached = filled(field, value, length)
    return cached.length === length ? cached : cached.slice(0, length)
  }
}

/** `length` times one value, built as rows are. */
function filled(field: NestedField, value: Value, length: number): Data {
  const column: NestedField = {
    id: field.id,
    name: field.name,
    required: false,
    type: field.type,
    ...(value === null ? {} : { writeDefault: value }),
  }
  const schema = new Schema({ schemaId: 0, fields: [column] })
  const builder = new RowBatchBuilder(schema, { limits: DEFAULT_LIMITS })
  const row = {}
  for (let i = 0; i < length; i++) builder.append(row)
  return (builder.finish().data as unknown as Data).children[0] as Data
}

function nulls(type: DataType, length: number): Data {
  return columnData(type, { length, nullCount: length, validity: new Uint8Array(0) })
}

/** The same nulls and offsets with other values and another type. */
function retyped(data: Data, type: DataType, values: ArrayBufferView): Data {
  return columnData(type, {
    length: data.length,
    nullCount: data.nullCount,
    validity: data.nullBitmap,
    offset: data.offset,
    offsets: data.valueOffsets as Int32Array | undefined,
    values,
  })
}

function withChildren(data: Data, type: DataType, children: readonly Data[]): Data {
  return columnData(type, {
    length: data.length,
    nullCount: data.nullCount,
    validity: data.nullBitmap,
    offset: data.offset,
    offsets: data.valueOffsets as Int32Array | undefined,
    children,
  })
}

/** Sign extension, by words: a bigint for each value would cost more than the rest of the scan. */
function widen(values: Int32Array, length: number): BigInt64Array {
  const out = new BigInt64Array(length)
  const words = new Int32Array(out.buffer)
  for (let i = 0; i < length; i++) {
    const value = values[i] as number
    words[2 * i] = value
    words[2 * i + 1] = value >> 31
  }
  return out
}
