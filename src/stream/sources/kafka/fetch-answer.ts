/** What brokers answer to a fetch, versions 4 to 13; the records in it are left as they are. Kafka protocol guide, Fetch. */
import { FloeError } from '../../../core/errors.ts'
import { WireReader } from './wire.ts'

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

/**
 * @param topicOf the name of a topic by its id, which is what answers name topics by from version 13 on.
 * @throws CORRUPT_RECORDS for what is no answer of this version.
 */
export function decodeFetchAnswer(
  payload: Buffer,
  version: number,
  topicOf: (id: string | undefined) => string | undefined,
): FetchAnswer {
  try {
    return decode(new WireReader(payload, version >= 12), version, topicOf)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw corruptAnswer('a fetch', version, payload, error)
  }
}

/** A broker's answer that ends too early. */
export function corruptAnswer(
  what: string,
  version: number,
  payload: Buffer,
  cause: Error,
): FloeError {
  return new FloeError(
    'CORRUPT_RECORDS',
    `A Kafka broker's answer to ${what} (version ${version}, ${payload.length} bytes) cannot be read: it ends too early. Look for a proxy that changes it`,
    { cause },
  )
}

function decode(
  reader: WireReader,
  version: number,
  topicOf: (id: string | undefined) => string | undefined,
): FetchAnswer {
  reader.tags()
  const throttleMs = reader.int32()
  let errorCode = 0
  if (version >= 7) {
    errorCode = reader.int16()
    // The session; none is asked for.
    reader.skip(4)
  }
  const partitions: FetchedPartition[] = []
  reader.list(() => {
    const topic = version >= 13 ? topicOf(reader.uuid()) : reader.string()
    reader.list(() => {
      const partition = reader.int32()
      const code = reader.int16()
      // The high watermark: what lies behind the last stable offset is not given to readers of committed records.
      reader.skip(8)
      const lastStableOffset = reader.int64()
      // The start of the log.
      if (version >= 5) reader.skip(8)
      const aborted = reader.list(() => {
        const transaction = { producerId: reader.bigInt64(), firstOffset: reader.int64() }
        reader.tags()
        return transaction
      })
      // The preferred replica: only given to readers that name their rack.
      if (version >= 11) reader.skip(4)
      const records = reader.bytes()
      reader.tags()
      // Of a topic that was not asked for: nobody waits for it.
      if (topic === undefined) return
      partitions.push({ topic, partition, errorCode: code, lastStableOffset, aborted, records })
    })
    reader.tags()
  })
  reader.tags()
  return { throttleMs, errorCode, partitions }
}
