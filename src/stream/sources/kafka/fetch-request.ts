/**
 * A fetch that names topics by their ids, which kafkajs does not: brokers from Kafka 3.1 on know it, and refuse it for a
 * topic that was deleted and made anew. KIP-516; Kafka protocol guide, Fetch.
 */
import type { FetchRequest } from './kafkajs.ts'
import { WireWriter } from './wire.ts'

export const FETCH_BY_ID_VERSION = 13

const NO_REPLICA = -1
const NO_EPOCH = -1
const NO_SESSION = [0, -1] as const
const NO_OFFSET = -1n

/** The request, from behind the client id on. @param ids of all its topics. */
export function encodeFetchById(request: FetchRequest, ids: ReadonlyMap<string, string>): Buffer {
  const writer = new WireWriter()
  const [sessionId, sessionEpoch] = NO_SESSION
  return (
    writer
      .tags()
      .int32(NO_REPLICA)
      .int32(request.maxWaitTime)
      .int32(request.minBytes)
      .int32(request.maxBytes)
      .int8(request.isolationLevel)
      .int32(sessionId)
      .int32(sessionEpoch)
      .list(request.topics, ({ topic, partitions }) =>
        writer
          .uuid(ids.get(topic))
          .list(partitions, ({ partition, fetchOffset, maxBytes }) =>
            writer
              .int32(partition)
              .int32(NO_EPOCH)
              .int64(BigInt(fetchOffset))
              .int32(NO_EPOCH)
              .int64(NO_OFFSET)
              .int32(maxBytes)
              .tags(),
          )
          .tags(),
      )
      // Topics to leave out of the session, and the reader's rack.
      .list([], () => undefined)
      .string('')
      .tags()
      .finish()
  )
}
