/**
 * Asks a broker for the ids of topics, which kafkajs does not: a Metadata request of version 10, which brokers know from
 * Kafka 2.8 on. KIP-516; Kafka protocol guide, Metadata.
 */
import { corruptAnswer } from './fetch-answer.ts'
import { WireReader, WireWriter } from './wire.ts'

export const METADATA_VERSION = 10

export interface FoundTopic {
  readonly topic: string
  /** 0 if all is well. */
  readonly errorCode: number
  /** Undefined in a cluster that has been upgraded, and has not given its topics ids yet. */
  readonly id: string | undefined
}

/** The request, from behind the client id on. */
export function encodeTopicIdRequest(topics: readonly string[]): Buffer {
  const writer = new WireWriter()
  const [no, unknown] = [0, undefined]
  return (
    writer
      .tags()
      .list(topics, (topic) => writer.uuid(unknown).string(topic).tags())
      // Whether topics are to be made, and rights to be told.
      .int8(no)
      .int8(no)
      .int8(no)
      .tags()
      .finish()
  )
}

/** @throws CORRUPT_RECORDS for what is no answer of this version. */
export function decodeTopicIdAnswer(payload: Buffer): FoundTopic[] {
  try {
    return decode(new WireReader(payload, true))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw corruptAnswer('a request for topic ids', METADATA_VERSION, payload, error)
  }
}

function decode(reader: WireReader): FoundTopic[] {
  reader.tags()
  // The time of a throttling.
  reader.skip(4)
  reader.list(() => {
    // Node, host, port, rack.
    reader.skip(4)
    reader.string()
    reader.skip(4)
    reader.string()
    reader.tags()
  })
  // Cluster and controller.
  reader.string()
  reader.skip(4)
  const topics = reader.list(() => {
    const errorCode = reader.int16()
    const topic = reader.string()
    const id = reader.uuid()
    // Whether it is an internal one.
    reader.skip(1)
    reader.list(() => {
      // Error code, number, leader, its epoch; replicas, those in sync, those that are away.
      reader.skip(14)
      for (let i = 0; i < 3; i++) reader.list(() => reader.skip(4))
      reader.tags()
    })
    // Rights.
    reader.skip(4)
    reader.tags()
    return { topic, errorCode, id }
  })
  reader.skip(4)
  reader.tags()
  return topics
}
