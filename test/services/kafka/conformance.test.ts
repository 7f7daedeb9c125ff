/** What every source has to hold, for Kafka: once by assignment and once by membership in a group. */
import { CompressionTypes } from 'kafkajs'
import { describe } from 'vitest'
import {
  describeSource,
  type ProducedRecord,
  type SourceHarness,
} from '../../stream/source-conformance.ts'
import { BROKER, Client, HAS_KAFKA, source } from './broker.ts'

let names = 0

async function makeHarness(
  assignment: { ordinal: number; of: number } | 'group',
): Promise<SourceHarness> {
  let client = new Client(BROKER)
  await client.connect()
  // A producer of kafkajs fails for all topics once one that it knows is deleted.
  const deleteTopic = async (topic: string): Promise<void> => {
    await client.admin.deleteTopics({ topics: [topic] })
    await client.disconnect()
    client = new Client(BROKER)
    await client.connect()
  }
  const produce = async (
    topic: string,
    partition: number,
    records: readonly ProducedRecord[],
  ): Promise<number> => {
    const sent = await client.producer.send({
      topic,
      compression: CompressionTypes.GZIP,
      messages: records.map(({ key, value, headers, timestampMs }) => ({
        key: key === null ? null : Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        partition,
        timestamp: String(timestampMs),
        headers: Object.fromEntries(
          (headers ?? []).map((header) => [header.key, Buffer.from(header.value ?? [])]),
        ),
      })),
    })
    return Number(sent[0]?.baseOffset)
  }
  const createTopic = async (partitions: number): Promise<string> => {
    const name = `conformance-${Date.now()}-${++names}`
    await client.createTopic(name, partitions, { 'retention.ms': '-1' })
    return name
  }
  return {
    createTopic,
    produce,
    truncate: async (topic, partition) => {
      // kafkajs knows the leaders of a topic once it was asked for its offsets.
      await client.admin.fetchTopicOffsets(topic)
      await client.admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: '110' }] })
      return 110
    },
    deleteTopic,
    recreateTopic: async (topic, partitions) => {
      await deleteTopic(topic)
      await client.createTopic(topic, partitions, { 'retention.ms': '-1' })
    },
    // A group of its own for each reader: those of a test are not meant to share partitions.
    source: (topics) =>
      source(BROKER, {
        topics: [...topics],
        groupId: `conformance-${Date.now()}-${++names}`,
        assignment,
      }),
    // A batch, as it is sent.
    wholeBytes: 600_000,
    close: () => client.disconnect(),
  }
}

describe.runIf(HAS_KAFKA)('conformance', () => {
  describeSource('kafka by assignment', () => makeHarness({ ordinal: 0, of: 1 }))
  describeSource('kafka in a group', () => makeHarness('group'))
})
