/** A topic of Kafka. */
import { FloeError } from 'floe'
import { kafkaSource } from 'floe/kafka'
import { CompressionTypes, Kafka, logLevel, Partitioners, type Producer } from 'kafkajs'
import type { SinkRecord } from './event-sink.ts'
import type { Topic } from './topic.ts'

/** For the first answer. kafkajs tries for a quarter of a minute, and more for brokers that are silent. */
const FIRST_ANSWER = {
  connectionTimeout: 2000,
  requestTimeout: 2000,
  retry: { initialRetryTime: 100, maxRetryTime: 500 },
} as const

export async function openKafkaTopic(options: {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly group: string
  /** Of the topic, when it is made. */
  readonly partitions: number
  /** Whether events are sent to it from here. */
  readonly sends: boolean
}): Promise<Topic> {
  const { topic, group, partitions, sends } = options
  const brokers = [...options.brokers]
  await firstAnswer(brokers)
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
  const producer = sends ? await openProducer(kafka) : undefined
  return {
    description: `topic ${topic} of Kafka at ${brokers.join(', ')}`,
    source: kafkaSource({
      brokers,
      topics: topic,
      groupId: group,
      onWarning: (text) => console.error(text),
    }),
    sink: producer && {
      send: async (records) => {
        const messages = records.map(message)
        await producer.send({ topic, messages, acks: -1, compression: CompressionTypes.GZIP })
      },
    },
    close: async () => producer?.disconnect(),
  }
}

/** @throws SOURCE_UNAVAILABLE where no broker answers */
async function firstAnswer(brokers: string[]): Promise<void> {
  // Brokers are tried by turns: each of them once at least.
  const retry = { ...FIRST_ANSWER.retry, retries: brokers.length }
  const kafka = new Kafka({ ...FIRST_ANSWER, retry, brokers, logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  try {
    await admin.connect()
    // That somebody listens there is not yet an answer.
    await admin.describeCluster()
  } catch (cause) {
    const names = brokers.join(', ')
    throw new FloeError(
      'SOURCE_UNAVAILABLE',
      `No broker of Kafka answers at ${names} (${(cause as Error).message}). Start it, or give --kafka the address where it is; without --kafka the topic is a log in a folder`,
      { cause, context: { brokers: names } },
    )
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

/** Idempotent: what is sent again after a lost answer is kept once, and in order. */
async function openProducer(kafka: Kafka): Promise<Producer> {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  return producer
}

function message({ key, value, timestampMs }: SinkRecord) {
  return {
    key: key as Buffer | null,
    value: value as Buffer | null,
    timestamp: String(timestampMs),
  }
}
