/** What brokers answer to a fetch, versions 4 to 11; the records in it are left as they are. Kafka protocol guide, Fetch. */
import { FloeError } from '../../../core/errors.ts'
import { offsetAt } from './offset-at.ts'

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

export interface FetchedPartition {
  readonly topic: string
  readonly partition: number
  /** 0 if all is well. */
  readonly errorCode: number
  /** The offset that comes after the last record that readers of committed records are given. */
  readonly lastStableOffset: number
  /** Of transactions that have records in the answer. */
  readonly aborted: readonly AbortedTransaction[]
  /** Batches of records; the last one may be cut off. */
  readonly records: Buffer
}

export interface FetchAnswer {
  readonly throttleMs: number
  readonly errorCode: number
  readonly partitions: readonly FetchedPartition[]
}

/** @throws CORRUPT_RECORDS for what is no answer of this version. */
export function decodeFetchAnswer(payload: Buffer, version: number): FetchAnswer {
  try {
    return decode(payload, version)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new FloeError(
      'CORRUPT_RECORDS',
      `A Kafka broker's answer to a fetch (version ${version}, ${payload.length} bytes) cannot be read: it ends too early. Look for a proxy that changes it`,
      { cause: error },
    )
  }
}

function decode(payload: Buffer, version: number): FetchAnswer {
  let at = 0
  const int16 = (): number => payload.readInt16BE((at += 2) - 2)
  const int32 = (): number => payload.readInt32BE((at += 4) - 4)
  const int64 = (): number => offsetAt(payload, (at += 8) - 8)
  const list = <T>(item: () => T): T[] => {
    const items: T[] = []
    for (let left = int32(); left > 0; left--) items.push(item())
    return items
  }
  const slice = (length: number): Buffer => {
    if (length < 0 || at + length > payload.length) throw new RangeError('past the end')
    return payload.subarray(at, (at += length))
  }
  const throttleMs = int32()
  let errorCode = 0
  if (version >= 7) {
    errorCode = int16()
    // The session; none is asked for.
    at += 4
  }
  const partitions: FetchedPartition[] = []
  list(() => {
    const topic = slice(int16()).toString('utf8')
    list(() => {
      const partition = int32()
      const code = int16()
      // The high watermark: what lies behind the last stable offset is not given to readers of committed records.
      at += 8
      const lastStableOffset = int64()
      // The start of the log.
      if (version >= 5) at += 8
      const aborted = list(() => ({
        producerId: payload.readBigInt64BE((at += 8) - 8),
        firstOffset: int64(),
      }))
      // The preferred replica: only given to readers that name their rack.
      if (version >= 11) at += 4
      const records = slice(Math.max(0, int32()))
      partitions.push({ topic, partition, errorCode: code, lastStableOffset, aborted, records })
    })
  })
  return { throttleMs, errorCode, partitions }
}
