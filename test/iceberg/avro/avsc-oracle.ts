/** avsc as a second reader and writer of Avro containers. Longs are bigints; unions of null and a type are plain. */
import { Readable } from 'node:stream'
import avsc from 'avsc'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { AvroContainerWriter } from '../../../src/iceberg/avro/container-writer.ts'

const longType = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  },
  fromJSON: (value: number | string) => BigInt(value),
  toJSON: (value: bigint) => Number(value),
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
})

/** The type of a schema, for single values. */
export function oracleType(schema: unknown): avsc.Type {
  return avsc.Type.forSchema(schema as avsc.Schema, freshOptions())
}

/** A fresh registry each time: named types may be defined once in each. */
function freshOptions(): never {
  return {
    registry: { long: longType },
    // A long with attributes, such as a logical type, is not found by its name.
    typeHook: (schema: unknown) =>
      (schema as { type?: unknown } | null)?.type === 'long' ? longType : undefined,
  } as never
}

/** Records of a container, by avsc. */
export async function oracleDecode(bytes: Uint8Array): Promise<unknown[]> {
  const decoder = new avsc.streams.BlockDecoder({
    parseHook: (schema: avsc.Schema) => avsc.Type.forSchema(schema, freshOptions()),
  } as never)
  const records: unknown[] = []
  for await (const record of Readable.from([Buffer.from(bytes)]).pipe(decoder)) records.push(record)
  return records
}

/** A container, by avsc. */
export async function oracleEncode(
  schema: unknown,
  records: readonly unknown[],
  more: { codec?: 'null' | 'deflate'; blockSize?: number } = {},
): Promise<Uint8Array> {
  const encoder = new avsc.streams.BlockEncoder(
    oracleType(schema) as never,
    {
      ...more,
      writeHeader: true,
    } as never,
  )
  const chunks: Buffer[] = []
  const done = (async () => {
    for await (const chunk of encoder) chunks.push(chunk as Buffer)
  })()
  for (const record of records) encoder.write(record)
  encoder.end()
  await done
  return Buffer.concat(chunks)
}

/** A container whose records avsc encodes under a header of ours, since avsc drops attributes such as field ids. */
export function oracleRecords(schema: unknown, records: readonly unknown[]): Uint8Array {
  const writer = new AvroContainerWriter({
    schemaJson: JSON.stringify(schema),
    metadata: new Map(),
    codec: 'null',
    runtime: systemRuntime,
  })
  const type = oracleType(schema)
  for (const record of records) {
    writer.sink.writeFixed(type.toBuffer(record))
    writer.endRecord()
  }
  return writer.finish()
}

/** avsc's values as ours: Buffers as Uint8Arrays, map objects as Maps where the type says so. */
export function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return new Uint8Array(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
  }
  return value
}

/** Our values in the same form: Maps as objects. */
export function comparable(value: unknown): unknown {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, item]) => [key, comparable(item)]))
  }
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, comparable(item)]))
  }
  return value
}
