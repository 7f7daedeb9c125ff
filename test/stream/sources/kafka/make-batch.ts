/** Batches as brokers give them, made by hand. */
import { gzipSync } from 'node:zlib'

export interface Made {
  readonly offset: number
  readonly key?: Buffer | null
  readonly value?: string
}

export interface BatchOptions {
  readonly attributes?: number
  readonly producerId?: bigint
  readonly lastOffset?: number
}

export function makeBatch(records: readonly Made[], options: BatchOptions = {}): Buffer {
  const base = records[0]?.offset ?? 0
  const attributes = options.attributes ?? 0
  const body = Buffer.concat(records.map((record) => makeRecord(record, base)))
  const stored = (attributes & 7) === 1 ? gzipSync(body) : body
  const batch = Buffer.alloc(61 + stored.length)
  batch.writeBigInt64BE(BigInt(base), 0)
  batch.writeInt8(2, 16)
  batch.writeInt16BE(attributes, 21)
  batch.writeInt32BE((options.lastOffset ?? records.at(-1)?.offset ?? base) - base, 23)
  batch.writeBigInt64BE(1_700_000_000_000n, 27)
  batch.writeBigInt64BE(1_700_000_000_000n, 35)
  batch.writeBigInt64BE(options.producerId ?? -1n, 43)
  batch.writeInt32BE(records.length, 57)
  stored.copy(batch, 61)
  return seal(batch)
}

/** The same records from another offset on, which the checksum does not cover. */
export function movedTo(offset: number, batch: Buffer): Buffer {
  const moved = Buffer.from(batch)
  moved.writeBigInt64BE(BigInt(offset), 0)
  return moved
}

/** Sets length and checksum. */
export function seal(batch: Buffer): Buffer {
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeUInt32BE(slow(batch, 21, batch.length), 17)
  return batch
}

export function makeRecord({ offset, key = null, value }: Made, base: number): Buffer {
  const field = (bytes: Buffer | null): Buffer[] =>
    bytes === null ? [varint(-1)] : [varint(bytes.length), bytes]
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(0),
    varint(offset - base),
    ...field(key),
    ...field(value === undefined ? null : Buffer.from(value)),
    varint(0),
  ])
  return Buffer.concat([varint(body.length), body])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** CRC-32C, byte by byte. */
export function slow(bytes: Buffer, from: number, to: number): number {
  let crc = -1
  for (let at = from; at < to; at++) {
    crc ^= bytes[at] as number
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}
