/** A broker that goes away and comes back, or does not. streaming.md §5, row 33. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { Position } from '../../../src/stream/position.ts'
import {
  Client,
  Follower,
  HAS_KAFKA,
  KAFKA_FOLDER,
  openOptions,
  readUntil,
  source,
  WORK,
} from './broker.ts'
import { type KafkaServer, startKafka } from './start.js'

describe.runIf(HAS_KAFKA)('a broker that is lost', () => {
  let server: KafkaServer
  let client: Client
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)

  beforeAll(async () => {
    process.on('warning', onWarning)
    server = await startKafka(KAFKA_FOLDER, WORK)
    client = new Client(server.url)
    await client.connect()
  })
  afterAll(async () => {
    process.off('warning', onWarning)
    await client.disconnect()
    await server.stop()
  })

  async function produce(topic: string, from: number, to: number): Promise<void> {
    for (const partition of [0, 1]) {
      await client.producer.send({
        topic,
        messages: Array.from({ length: to - from }, (_, i) => ({
          value: `${from + i}`,
          partition,
        })),
      })
    }
  }

  for (const mode of ['assignment', 'group'] as const) {
    it(`reads on after a kill and a restart, without a gap (${mode})`, async () => {
      const topic = `lost-${mode}`
      await client.createTopic(topic, 2)
      await produce(topic, 0, 100)
      const told: string[] = []
      const reader = await source(server.url, {
        topics: topic,
        assignment: mode === 'assignment' ? { ordinal: 0, of: 1 } : 'group',
        onWarning: (message) => told.push(message),
      }).open(openOptions())
      const follower = new Follower()
      await readUntil(reader, follower, () => follower.seen.length >= 200)
      await server.kill9()
      const signal = new AbortController().signal
      // Nothing to read, and no failure.
      follower.take(await reader.read({ waitMs: 1500, signal }))
      // Advice that cannot be given stops nothing.
      await reader.committed(Position.of([{ topic, partition: 0, offset: 100 }]))
      await server.start()
      await produce(topic, 100, 200)
      await readUntil(reader, follower, () => follower.seen.length >= 400, 60_000)
      for (const partition of [0, 1]) {
        expect(
          follower.seen.filter((s) => s.partition === partition).map(({ value }) => value),
        ).toEqual(Array.from({ length: 200 }, (_, i) => `${i}`))
      }
      expect((await reader.endOffsets()).get(topic, 1)).toBe(200)
      await reader.close()
    })
  }

  for (const mode of ['assignment', 'group'] as const) {
    it(`closes while its broker stands still, and does not wait for its answers (${mode})`, async () => {
      const topic = `frozen-${mode}`
      await client.createTopic(topic, 2)
      await produce(topic, 0, 10)
      const reader = await source(server.url, {
        topics: topic,
        assignment: mode === 'assignment' ? { ordinal: 0, of: 1 } : 'group',
      }).open(openOptions())
      await readUntil(reader, new Follower(), () => true)
      server.freeze()
      try {
        // A fetch is under way.
        await systemRuntime.sleep(700)
        await reader.close()
      } finally {
        server.thaw()
      }
      // kafkajs waits for half a minute.
    }, 20_000)
  }

  it('opens when a broker that was away is back', async () => {
    const topic = 'late'
    await client.createTopic(topic, 1)
    await server.stop()
    // One try each: otherwise kafkajs alone would bridge the time.
    const opening = source(server.url, {
      topics: topic,
      assignment: { ordinal: 0, of: 1 },
      client: { retry: { retries: 0 } },
    }).open(openOptions())
    opening.catch(() => undefined)
    await systemRuntime.sleep(1000)
    await server.start()
    await (await opening).close()
  })

  it('stops with SOURCE_UNAVAILABLE when it stays away, and does not open', async () => {
    const topic = 'gone'
    await client.createTopic(topic, 1)
    const options = {
      topics: topic,
      assignment: { ordinal: 0, of: 1 },
      unavailableAfterMs: 3000,
      sasl: undefined,
    }
    const reader = await source(server.url, options).open(openOptions())
    await server.stop()
    const follower = new Follower()
    await expect(readUntil(reader, follower, () => false, 60_000)).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      retryable: true,
    })
    await reader.close()
    await expect(source(server.url, options).open(openOptions())).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
    })
    await server.start()
  })

  it('leaves no listeners that Node warns of, however often it was tried to reach', () => {
    expect(warnings.map(({ name, message }) => `${name}: ${message}`)).toEqual([])
  })
})
