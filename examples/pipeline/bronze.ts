/**
 * Bronze: every record of the topic as one row, "Header + Body". The header never changes, so it has typed columns; the
 * body drifts, so it stays the bytes that were received. What cannot be read becomes null, and a reason; nothing is lost
 * and nothing stops.
 */
import {
  Field as ArrowField,
  Schema as ArrowSchema,
  Binary,
  type Data,
  type DataType,
  Int32,
  Int64,
  makeData,
  RecordBatch,
  Struct,
  TimestampMicrosecond,
  Utf8,
} from 'apache-arrow'
import { type SchemaLiteral, schema, t } from 'floe'
import type { RecordChunk } from 'floe/stream'
import { BytesWriter, NumberWriter, Validity } from './columns.ts'
import { microsOfIso, microsOfMillis } from './event-time.ts'
import { Field, HeaderScanner, jsonNumber, Kind, unescapeJson, Verdict } from './header-scanner.ts'
import { Fault, faultOf, reasonText } from './reason.ts'

export const BRONZE = 'bronze.raw_events'

export const BRONZE_SCHEMA: SchemaLiteral = schema({
  event_id: t.optional(t.string()),
  event_type: t.optional(t.string()),
  video_id: t.optional(t.string()),
  user_id: t.optional(t.string()),
  event_time: t.optional(t.timestamptz()),
  schema_version: t.optional(t.int()),
  body: t.optional(t.binary()),
  message_key: t.optional(t.binary()),
  source_topic: t.optional(t.string()),
  source_partition: t.optional(t.int()),
  source_offset: t.optional(t.long()),
  source_time: t.optional(t.timestamptz()),
  reason: t.optional(t.string()),
})

export const BRONZE_PARTITIONS: readonly string[] = ['day(event_time)']

/** Nobody looks for the first body in order: bounds of bodies would be work for nothing. */
export const BRONZE_PROPERTIES: Readonly<Record<string, string>> = {
  'write.metadata.metrics.column.body': 'counts',
  'write.parquet.stats-enabled.column.body': 'false',
}

const MAX_INT = 2_147_483_647

/**
 * How far an event may be from its message. Times of all days since 1970 would be as many partitions, with a file in each
 * batch: a single producer whose times are noise would hold up all others.
 */
const MOST_LATE_MICROS = 366 * 86_400_000_000
const MOST_EARLY_MICROS = 86_400_000_000

/** Chunks of fewer bytes are joined: a batch of rows has its price, too. */
const JOINED_BYTES = 1024 * 1024

/**
 * The records of a batch as rows of Bronze, in their order. Bodies of large chunks are not copied: they share memory with
 * the batch.
 */
export function bronzeBatches(batch: { readonly chunks: readonly RecordChunk[] }): RecordBatch[] {
  const batches: RecordBatch[] = []
  let part: RecordChunk[] = []
  let bytes = 0
  for (const chunk of batch.chunks) {
    if (bytes + chunk.byteLength > JOINED_BYTES && part.length > 0) {
      batches.push(rowsOf(part))
      part = []
      bytes = 0
    }
    part.push(chunk)
    bytes += chunk.byteLength
  }
  if (part.length > 0) batches.push(rowsOf(part))
  return batches
}

function rowsOf(chunks: readonly RecordChunk[]): RecordBatch {
  const rows = chunks.reduce((sum, { count }) => sum + count, 0)
  const columns = new BronzeColumns(rows)
  for (const chunk of chunks) columns.add(chunk)
  const utf8 = new Utf8()
  const time = new TimestampMicrosecond('UTC')
  return toBatch(rows, {
    event_id: columns.eventId.finish(utf8),
    event_type: columns.eventType.finish(utf8),
    video_id: columns.videoId.finish(utf8),
    user_id: columns.userId.finish(utf8),
    event_time: columns.eventTime.finish(time),
    schema_version: columns.schemaVersion.finish(new Int32()),
    body: bytesData(chunks.map(({ values }) => values)),
    message_key: bytesData(chunks.map(({ keys }) => keys)),
    source_topic: columns.topic.finish(utf8),
    source_partition: columns.partition.finish(new Int32()),
    source_offset: columns.offset.finish(new Int64()),
    source_time: columns.sourceTime.finish(time),
    reason: columns.reason.finish(utf8),
  })
}

/** Columns of one length as a batch. */
export function toBatch(rows: number, columns: Record<string, Data>): RecordBatch {
  const fields = Object.entries(columns).map(
    ([name, { type }]) => new ArrowField(name, type as DataType, true),
  )
  const children = Object.values(columns)
  const type = new Struct(fields)
  const data = makeData({ type, length: rows, nullCount: 0, children } as never)
  return new RecordBatch(new ArrowSchema(fields), data as never)
}

class BronzeColumns {
  readonly eventId: BytesWriter
  readonly eventType: BytesWriter
  readonly videoId: BytesWriter
  readonly userId: BytesWriter
  readonly eventTime: NumberWriter<BigInt64Array>
  readonly schemaVersion: NumberWriter<Int32Array>
  readonly topic: BytesWriter
  readonly partition: NumberWriter<Int32Array>
  readonly offset: NumberWriter<BigInt64Array>
  readonly sourceTime: NumberWriter<BigInt64Array>
  readonly reason: BytesWriter
  readonly #scanner = new HeaderScanner()
  #row = 0

  constructor(rows: number) {
    this.eventId = new BytesWriter(rows, 40)
    this.eventType = new BytesWriter(rows, 8)
    this.videoId = new BytesWriter(rows, 12)
    this.userId = new BytesWriter(rows, 12)
    this.eventTime = new NumberWriter(new BigInt64Array(rows))
    this.schemaVersion = new NumberWriter(new Int32Array(rows))
    this.topic = new BytesWriter(rows, 16)
    this.partition = new NumberWriter(new Int32Array(rows))
    this.offset = new NumberWriter(new BigInt64Array(rows))
    this.sourceTime = new NumberWriter(new BigInt64Array(rows))
    this.reason = new BytesWriter(rows, 1)
  }

  add(chunk: RecordChunk): void {
    const topic = Buffer.from(chunk.topic)
    const { bytes, offsets, nulls } = chunk.values
    for (let i = 0; i < chunk.count; i++) {
      const row = this.#row++
      const verdict =
        nulls?.[i] === 1
          ? -1
          : this.#scanner.scan(bytes, offsets[i] as number, offsets[i + 1] as number)
      // Nothing keeps producers from sending what is no time: microseconds of it may not even fit into 64 bits.
      const sourceMicros = microsOfMillis(chunk.timestampsMs[i] as number)
      let faults = 0
      if (Number.isNaN(sourceMicros)) faults = Fault.SOURCE_TIME
      else this.sourceTime.set(row, sourceMicros)
      if (verdict === Verdict.OBJECT) faults |= this.#header(bytes, row, chunk, i, sourceMicros)
      else this.#noHeader()
      if (verdict === Verdict.OBJECT && faults === 0) this.reason.skip()
      else {
        const text = reasonText(verdict, faults)
        this.reason.copy(text, 0, text.length)
      }
      this.topic.copy(topic, 0, topic.length)
      this.partition.set(row, chunk.partition)
      this.offset.set(row, chunk.offsets[i] as number)
    }
  }

  /** Adds the fields of the header, and gives what is wrong with them. */
  #header(
    bytes: Uint8Array,
    row: number,
    chunk: RecordChunk,
    i: number,
    sourceMicros: number,
  ): number {
    const { kinds, starts, ends } = this.#scanner
    let faults = this.#text(Field.EVENT_ID, this.eventId, bytes)
    faults |= this.#text(Field.EVENT_TYPE, this.eventType, bytes)
    faults |= this.#text(Field.VIDEO_ID, this.videoId, bytes)
    faults |= this.#text(Field.USER_ID, this.userId, bytes)
    faults |= this.#time(bytes, row, sourceMicros)
    const kind = kinds[Field.SCHEMA_VERSION] as number
    if (kind === Kind.NUMBER) {
      const start = starts[Field.SCHEMA_VERSION] as number
      const version = jsonNumber(bytes, start, ends[Field.SCHEMA_VERSION] as number)
      if (Number.isInteger(version) && version >= -MAX_INT - 1 && version <= MAX_INT) {
        this.schemaVersion.set(row, version)
      } else faults |= faultOf(Field.SCHEMA_VERSION, Fault.VALUE)
    } else faults |= faultOf(Field.SCHEMA_VERSION, faultOfKind(kind))
    const video = kinds[Field.VIDEO_ID] as number
    const start = starts[Field.VIDEO_ID] as number
    const end = ends[Field.VIDEO_ID] as number
    if (video === Kind.STRING) faults |= keyFault(chunk, i, bytes, start, end)
    else if (video === Kind.ESCAPED) {
      const text = Buffer.from(unescapeJson(bytes, start, end))
      faults |= keyFault(chunk, i, text, 0, text.length)
    }
    return faults
  }

  #text(field: number, column: BytesWriter, bytes: Uint8Array): number {
    const kind = this.#scanner.kinds[field] as number
    const start = this.#scanner.starts[field] as number
    const end = this.#scanner.ends[field] as number
    if (kind === Kind.STRING) {
      column.copy(bytes, start, end)
      return 0
    }
    if (kind === Kind.ESCAPED) {
      const text = Buffer.from(unescapeJson(bytes, start, end))
      column.copy(text, 0, text.length)
      return 0
    }
    column.skip()
    return faultOf(field, faultOfKind(kind))
  }

  #time(bytes: Uint8Array, row: number, sourceMicros: number): number {
    const { kinds, starts, ends } = this.#scanner
    const kind = kinds[Field.EVENT_TIME] as number
    const start = starts[Field.EVENT_TIME] as number
    const end = ends[Field.EVENT_TIME] as number
    let micros = Number.NaN
    if (kind === Kind.STRING) micros = microsOfIso(bytes, start, end)
    else if (kind === Kind.NUMBER) micros = microsOfMillis(jsonNumber(bytes, start, end))
    else if (kind === Kind.ESCAPED) {
      const text = Buffer.from(unescapeJson(bytes, start, end))
      micros = microsOfIso(text, 0, text.length)
    } else return faultOf(Field.EVENT_TIME, faultOfKind(kind))
    if (Number.isNaN(micros)) return faultOf(Field.EVENT_TIME, Fault.VALUE)
    // False for both where there is no time to compare with.
    const isNear =
      micros >= sourceMicros - MOST_LATE_MICROS && micros <= sourceMicros + MOST_EARLY_MICROS
    if (!isNear) return Fault.FAR
    this.eventTime.set(row, micros)
    return 0
  }

  #noHeader(): void {
    this.eventId.skip()
    this.eventType.skip()
    this.videoId.skip()
    this.userId.skip()
  }
}

/** The topic is in order for each video only where its key is the video: `bytes[start, end)`. */
function keyFault(
  { keys }: RecordChunk,
  row: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (keys.nulls?.[row] === 1) return Fault.NO_KEY
  const keyStart = keys.offsets[row] as number
  const length = (keys.offsets[row + 1] as number) - keyStart
  if (length !== end - start) return Fault.OTHER_KEY
  for (let i = 0; i < length; i++) {
    if (keys.bytes[keyStart + i] !== bytes[start + i]) return Fault.OTHER_KEY
  }
  return 0
}

function faultOfKind(kind: number): number {
  return kind === Kind.ABSENT ? Fault.MISSING : Fault.TYPE
}

/** Columns of bytes one after the other. A single one is used as it is. */
function bytesData(parts: readonly RecordChunk['values'][]): Data {
  const rows = parts.reduce((sum, { offsets }) => sum + offsets.length - 1, 0)
  const only = parts.length === 1 ? parts[0] : undefined
  const validity = new Validity(rows)
  let row = 0
  for (const { nulls, offsets } of parts) {
    for (let i = 0; i < offsets.length - 1; i++, row++) if (nulls?.[i] !== 1) validity.set(row)
  }
  const { bytes, offsets } = only ?? joined(parts, rows)
  return makeData({
    type: new Binary() as never,
    length: rows,
    ...validity.finish(rows),
    valueOffsets: offsets,
    data: bytes,
  } as never)
}

function joined(
  parts: readonly RecordChunk['values'][],
  rows: number,
): { bytes: Uint8Array; offsets: Int32Array } {
  const size = parts.reduce((sum, { offsets }) => sum + spanOf(offsets), 0)
  const bytes = new Uint8Array(size)
  const offsets = new Int32Array(rows + 1)
  let row = 0
  let length = 0
  for (const part of parts) {
    const first = part.offsets[0] as number
    const move = length - first
    bytes.set(part.bytes.subarray(first, first + spanOf(part.offsets)), length)
    for (let i = 1; i < part.offsets.length; i++)
      offsets[++row] = (part.offsets[i] as number) + move
    length += spanOf(part.offsets)
  }
  return { bytes, offsets }
}

function spanOf(offsets: Int32Array): number {
  return (offsets[offsets.length - 1] as number) - (offsets[0] as number)
}
