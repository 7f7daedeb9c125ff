/** The header of a batch of records, format 2. Kafka documentation, "Record Batch". */
import { offsetAt } from './offset-at.ts'

/** Bytes before the records. */
export const HEADER_BYTES = 61
/** Bytes before what the length of a batch counts. */
const LENGTH_END = 12

export interface BatchHeader {
  readonly baseOffset: number
  /** Where the batch starts and ends in the bytes that hold it. */
  readonly from: number
  readonly to: number
  readonly magic: number
  readonly crc: number
  /** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
  readonly codec: number
  readonly logAppendTime: boolean
  readonly transactional: boolean
  readonly control: boolean
  /** Compaction removes records and leaves it as it was. */
  readonly lastOffset: number
  readonly baseTimestampMs: number
  readonly maxTimestampMs: number
  readonly producerId: bigint
  readonly count: number
}

/** @returns undefined if the batch is cut off. */
export function readBatchHeader(bytes: Buffer, from: number): BatchHeader | undefined {
  if (from + LENGTH_END + 5 > bytes.length) return undefined
  const to = from + LENGTH_END + Math.max(5, bytes.readInt32BE(from + 8))
  if (to > bytes.length) return undefined
  const magic = bytes.readInt8(from + 16)
  const baseOffset = offsetAt(bytes, from)
  if (magic !== 2 || to - from < HEADER_BYTES) {
    return { ...NO_HEADER, baseOffset, from, to, magic, lastOffset: baseOffset }
  }
  const attributes = bytes.readInt16BE(from + 21)
  return {
    baseOffset,
    from,
    to,
    magic,
    crc: bytes.readUInt32BE(from + 17),
    codec: attributes & 7,
    logAppendTime: (attributes & 8) !== 0,
    transactional: (attributes & 16) !== 0,
    control: (attributes & 32) !== 0,
    lastOffset: baseOffset + bytes.readInt32BE(from + 23),
    baseTimestampMs: offsetAt(bytes, from + 27),
    maxTimestampMs: offsetAt(bytes, from + 35),
    producerId: bytes.readBigInt64BE(from + 43),
    count: bytes.readInt32BE(from + 57),
  }
}

/** How many bytes the first batch says that it has, if that much of it is there. */
export function saidBatchBytes(bytes: Buffer): number | undefined {
  return bytes.length < LENGTH_END ? undefined : LENGTH_END + Math.max(5, bytes.readInt32BE(8))
}

/**
 * The headers of whole batches that follow one another, until these have so many bytes.
 * @param to where the last one ends
 */
export function readBatchHeaders(
  bytes: Buffer,
  from: number,
  to: number,
  enough: number,
): BatchHeader[] {
  const batches: BatchHeader[] = []
  for (let at = from; at < to && at - from < enough; ) {
    const batch = readBatchHeader(bytes, at)
    if (batch === undefined) break
    batches.push(batch)
    at = batch.to
  }
  return batches
}

const NO_HEADER = {
  crc: 0,
  codec: 0,
  logAppendTime: false,
  transactional: false,
  control: false,
  baseTimestampMs: 0,
  maxTimestampMs: 0,
  producerId: -1n,
  count: 0,
}
