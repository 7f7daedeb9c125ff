/** A topic of Kafka. */
import { kafkaSource } from 'floe/kafka'
import { CompressionTypes, Kafka, logLevel, Partitioners } from 'kafkajs'
import type { SinkRecord } from './event-sink.ts'
import type { Topic } from './topic.ts'

export async function openKafkaTopic(options: {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly group: string
  /** Of the topic, when it is made. */
  readonly partitions: number
}): Promise<Topic> {
  const { topic, group, partitions } = options
  const brokers = [...options.brokers]
  const kafka = new Kafka({ clientId: 'floe-pipeline', brokers, logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  try {
    // Does nothing where there is one.
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions }],
      waitForLeaders: true,
    })
  } finally {
    await admin.disconnect()
  }
  // Idempotent: what is sent again after a lost answer is kept once, and in order.
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  return {
    description: `topic ${topic} of Kafka at ${brokers.join(', ')}`,
    source: kafkaSource({
      brokers,
      topics: topic,
      groupId: group,
      onWarning: (text) => console.error(text),
    }),
    sink: {
      send: async (records) => {
        const messages = records.map(message)
        await producer.send({ topic, messages, acks: -1, compression: CompressionTypes.GZIP })
      },
    },
    close: () => producer.disconnect(),
  }
}

function message({ key, value, timestampMs }: SinkRecord) {
  return {
    key: key as Buffer | null,
    value: value as Buffer | null,
    timestamp: String(timestampMs),
  }
}
