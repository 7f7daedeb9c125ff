/** Child: fills an embedded log with events. Arguments: events folder. Prints the bytes of all values. */
import { openLog } from 'floe/stream'
import { EventGenerator, GENERATOR_DEFAULTS } from '../examples/pipeline/generator.js'

const [eventsText, folder] = process.argv.slice(2) as [string, string]
const events = Number(eventsText)
const TOPIC = 'content_events'
const PARTITIONS = 6
/** Events of one send. */
const PORTION = 10_000

const generator = new EventGenerator(GENERATOR_DEFAULTS)
const log = await openLog(folder)
await log.createTopic(TOPIC, { partitions: PARTITIONS })
const producer = await log.producer()
for (let made = 0; made < events; made += PORTION) {
  await producer.send(TOPIC, generator.take(Math.min(PORTION, events - made), Date.now()))
}
await log.close()
console.log(JSON.stringify({ bytes: generator.counts.bytes }))
