/** A topic of the embedded log: a folder in place of a broker. */
import { logSource, openLog } from 'floe/stream'
import type { Topic } from './topic.ts'

export async function openEmbeddedTopic(options: {
  readonly folder: string
  readonly topic: string
  /** Of the topic, when it is made. */
  readonly partitions: number
  /** Whether events are sent to it from here: a log has one producer, which then is not left to others. */
  readonly sends: boolean
}): Promise<Topic> {
  const { folder, topic, partitions, sends } = options
  const log = await openLog(folder)
  try {
    const known = (await log.topics()).some(({ name }) => name === topic)
    if (!known) await log.createTopic(topic, { partitions })
    const producer = sends ? await log.producer() : undefined
    return {
      description: `topic ${topic} of the embedded log in ${folder}`,
      source: logSource({ log, topics: topic }),
      sink: producer && { send: async (records) => void (await producer.send(topic, records)) },
      // Closes the producer, too.
      close: () => log.close(),
    }
  } catch (error) {
    await log.close()
    throw error
  }
}
