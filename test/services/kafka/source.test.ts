/** The Kafka source on a real broker. streaming.md §1 I3, §2, §5. */

import { CompressionTypes } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Position } from '../../../src/stream/position.ts'
import type { RecordChunk } from '../../../src/stream/record-chunk.ts'
import { BROKER, Client, Follower, HAS_KAFKA, openOptions, readUntil, source } from './broker.ts'

const signal = new AbortController().signal
let topics = 0

describe.runIf(HAS_KAFKA)('kafkaSource', () => {
  const client = new Client(BROKER)

  beforeAll(() => client.connect())
  afterAll(() => client.disconnect())

  async function topic(partitions = 1, config: Record<string, string> = {}): Promise<string> {
    const name = `source-${++topics}-${Date.now()}`
    await client.createTopic(name, partitions, config)
    return name
  }

  async function produce(name: string, count: number, from = 0, partition = 0): Promise<void> {
    await client.producer.send({
      topic: name,
      compression: CompressionTypes.GZIP,
      messages: Array.from({ length: count }, (_, i) => ({
        key: `k${from + i}`,
        value: `v${from + i}`,
        partition,
      })),
    })
  }

  it('gives keys, values, times and headers as they are, also null and empty ones', async () => {
    const name = await topic()
    await client.producer.send({
      topic: name,
      messages: [
        { key: 'a', value: 'x', timestamp: '1700000000123', headers: { h: 'one', g: ['1', '2'] } },
        { key: null, value: 'no key' },
        { key: 'tombstone', value: null },
        { key: '', value: '' },
      ],
    })
    const reader = await source(BROKER, { topics: name, assignment: { ordinal: 0, of: 1 } }).open(
      openOptions(),
    )
    const follower = new Follower()
    const chunks: RecordChunk[] = []
    await readUntil(reader, follower, () => {
      return follower.seen.length >= 4
    })
    expect(follower.seen.map(({ key, value }) => [key, value])).toEqual([
      ['a', 'x'],
      [null, 'no key'],
      ['tombstone', null],
      ['', ''],
    ])
    await reader.close()
    const again = await source(BROKER, { topics: name, assignment: { ordinal: 0, of: 1 } }).open(
      openOptions(),
    )
    while (chunks.length === 0) chunks.push(...(await again.read({ waitMs: 500, signal })))
    await again.close()
    const [chunk] = chunks as [RecordChunk]
    expect(chunk.timestampsMs[0]).toBe(1700000000123)
    expect(
      chunk.headers?.[0]?.map(({ key, value }) => [key, Buffer.from(value ?? []).toString()]),
    ).toEqual([
      ['h', 'one'],
      ['g', '1'],
      ['g', '2'],
    ])
    expect(chunk.headers?.[1]).toEqual([])
  })

  it('reads on from the position, not from the group; warns if the group is ahead', async () => {
    const name = await topic(2)
    await produce(name, 50, 0, 0)
    await produce(name, 30, 50, 1)
    const groupId = `ahead-${name}`
    await client.admin.setOffsets({
      groupId,
      topic: name,
      partitions: [{ partition: 0, offset: '45' }],
    })
    const warnings: string[] = []
    const position = Position.of([{ topic: name, partition: 0, offset: 20 }])
    const reader = await source(BROKER, {
      topics: name,
      groupId,
      onWarning: (message) => warnings.push(message),
    }).open(openOptions({ position }))
    await reader.sharing?.resume(reader.sharing.generation, position)
    const follower = new Follower()
    await readUntil(reader, follower, () => follower.seen.length >= 60)
    expect(follower.seen.filter((s) => s.partition === 0).map((s) => s.offset)).toEqual(
      Array.from({ length: 30 }, (_, i) => 20 + i),
    )
    expect(follower.seen.filter((s) => s.partition === 1)).toHaveLength(30)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('partition 0 is 45, ahead of the tables, which go on from 20')
    expect((await reader.endOffsets()).toText()).toBe(`${name}:0:50,${name}:1:30`)
    await reader.committed(
      Position.of([
        { topic: name, partition: 0, offset: 50 },
        { topic: name, partition: 1, offset: 30 },
      ]),
    )
    await reader.close()
    const [offsets] = await client.admin.fetchOffsets({ groupId, topics: [name] })
    expect(
      offsets?.partitions
        .map((p) => [p.partition, p.offset])
        .sort((a, b) => (a[0] as number) - (b[0] as number)),
    ).toEqual([
      [0, '50'],
      [1, '30'],
    ])
  })

  it('shares out partitions for good by assignment, and finds those that are added', async () => {
    const name = await topic(3)
    for (let p = 0; p < 3; p++) await produce(name, 10, 0, p)
    const open = (ordinal: number) =>
      source(BROKER, {
        topics: name,
        assignment: { ordinal, of: 2 },
        metadataMaxAgeMs: 500,
      }).open(openOptions())
    const [even, odd] = [await open(0), await open(1)]
    const [evens, odds] = [new Follower(), new Follower()]
    await readUntil(even, evens, () => evens.seen.length >= 20)
    await readUntil(odd, odds, () => odds.seen.length >= 10)
    expect([...evens.ends.keys()].sort()).toEqual([`${name}/0`, `${name}/2`])
    expect([...odds.ends.keys()]).toEqual([`${name}/1`])
    await client.admin.createPartitions({ topicPartitions: [{ topic: name, count: 4 }] })
    await new Promise((resolve) => setTimeout(resolve, 300))
    const late = new Client(BROKER)
    await late.connect()
    await late.producer.send({ topic: name, messages: [{ value: 'late', partition: 3 }] })
    await late.disconnect()
    await readUntil(odd, odds, () => odds.values.includes('late'))
    await odd.committed(Position.of([{ topic: name, partition: 1, offset: 10 }]))
    const [offsets] = await client.admin.fetchOffsets({ groupId: `group-${name}`, topics: [name] })
    expect(offsets?.partitions.find((p) => p.partition === 1)?.offset).toBe('10')
    await Promise.all([even.close(), odd.close()])
  })

  it('moves partitions when a second member joins and leaves; a reader sees no gap and none twice', async () => {
    const name = await topic(4)
    for (let p = 0; p < 4; p++) await produce(name, 100, 0, p)
    const open = () => source(BROKER, { topics: name, sessionTimeoutMs: 3000 }).open(openOptions())
    const first = await open()
    const follower = new Follower()
    await readUntil(first, follower, () => follower.seen.length >= 400)
    const otherOpening = open()
    const other = await otherOpening
    const others = new Follower()
    await readUntil(other, others, () => others.seen.length >= 200)
    expect((await other.endOffsets()).size).toBe(2)
    await other.close()
    for (let p = 0; p < 4; p++) await produce(name, 100, 100, p)
    await readUntil(first, follower, () => follower.seen.length >= 800)
    for (let p = 0; p < 4; p++) {
      expect(follower.seen.filter((s) => s.partition === p).map((s) => s.offset)).toEqual(
        Array.from({ length: 200 }, (_, i) => i),
      )
    }
    await first.close()
  })

  it('stays in its group while nobody reads', async () => {
    const name = await topic(2)
    await produce(name, 100)
    const groupId = `idle-${name}`
    const reader = await source(BROKER, { topics: name, groupId, sessionTimeoutMs: 1500 }).open(
      openOptions({ bufferBytes: 1000 }),
    )
    const members = async (): Promise<string[]> => {
      const { groups } = await client.admin.describeGroups([groupId])
      return groups.flatMap((group) => group.members.map(({ memberId }) => memberId))
    }
    const before = await members()
    expect(before).toHaveLength(1)
    // More than two session times.
    await new Promise((resolve) => setTimeout(resolve, 4000))
    expect(await members()).toEqual(before)
    const follower = new Follower()
    await readUntil(reader, follower, () => follower.seen.length >= 100)
    await reader.close()
    expect(await members()).toEqual([])
  })

  it('leaves out aborted transactions and covers markers, also with keys that look like markers', async () => {
    const name = await topic()
    const producer = client.kafka.producer({
      transactionalId: `tx-${name}`,
      maxInFlightRequests: 1,
      idempotent: true,
    })
    await producer.connect()
    const send = async (values: string[], end: 'commit' | 'abort'): Promise<void> => {
      const transaction = await producer.transaction()
      for (const value of values) {
        await transaction.send({
          topic: name,
          messages: [{ key: Buffer.from([0, 0, 0, 0]), value }],
        })
      }
      await transaction[end]()
    }
    await send(['a', 'b'], 'commit')
    await send(['x', 'y', 'z'], 'abort')
    await send(['c'], 'commit')
    await send(['w'], 'abort')
    await producer.disconnect()
    const reader = await source(BROKER, { topics: name, assignment: { ordinal: 0, of: 1 } }).open(
      openOptions(),
    )
    const follower = new Follower()
    // 7 records, 4 markers.
    await readUntil(reader, follower, () => follower.ends.get(`${name}/0`) === 11)
    expect(follower.values).toEqual(['a', 'b', 'c'])
    expect((await reader.endOffsets()).toText()).toBe(`${name}:0:11`)
    await reader.close()
  })

  it('refuses a codec that it does not have by name and place; a plugged-in one is used', async () => {
    const name = await topic()
    await produce(name, 3)
    const { CompressionCodecs } = await import('kafkajs')
    // The broker looks into the batch, so that it has to be a real block of snappy.
    CompressionCodecs[CompressionTypes.Snappy] = () => ({
      compress: async (encoder: { buffer: Buffer }) => snappyLiteral(encoder.buffer),
      decompress: async (buffer: Buffer) => buffer,
    })
    await client.producer.send({
      topic: name,
      compression: CompressionTypes.Snappy,
      messages: [{ key: 'k3', value: 'v3', partition: 0 }],
    })
    const options = { topics: name, assignment: { ordinal: 0, of: 1 } }
    const reader = await source(BROKER, options).open(openOptions())
    const follower = new Follower()
    const reading = readUntil(reader, follower, () => false)
    await expect(reading).rejects.toMatchObject({
      code: 'UNSUPPORTED_CODEC',
      context: { topic: name, partition: 0, offset: 3 },
    })
    await expect(reader.read({ waitMs: 0, signal })).rejects.toThrow(/snappy.*codecs: \{ snappy/s)
    expect(follower.values).toEqual(['v0', 'v1', 'v2'])
    await reader.close()
    const plugged = await source(BROKER, {
      ...options,
      codecs: { snappy: () => ({ decompress: snappyUndo }) },
    }).open(openOptions())
    const all = new Follower()
    await readUntil(plugged, all, () => all.seen.length >= 4)
    expect(all.values).toEqual(['v0', 'v1', 'v2', 'v3'])
    await plugged.close()
  })

  it('does not open where records were deleted or are not yet, and starts at the first one left', async () => {
    const name = await topic()
    await produce(name, 100)
    // kafkajs knows the leaders of a topic once it was asked for its offsets.
    await client.admin.fetchTopicOffsets(name)
    await client.admin.deleteTopicRecords({
      topic: name,
      partitions: [{ partition: 0, offset: '60' }],
    })
    const options = { topics: name, assignment: { ordinal: 0, of: 1 } }
    const at = (offset: number) =>
      openOptions({ position: Position.of([{ topic: name, partition: 0, offset }]) })
    await expect(source(BROKER, options).open(at(10))).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      context: { topic: name, partition: 0, offset: 10, firstOffset: 60, endOffset: 100 },
    })
    await expect(source(BROKER, options).open(at(101))).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
    })
    // What the position lacks is read from the first record that there is.
    const fresh = await source(BROKER, options).open(openOptions())
    const follower = new Follower()
    await readUntil(fresh, follower, () => follower.seen.length >= 40)
    expect(follower.seen[0]?.offset).toBe(60)
    await fresh.close()
  })

  it('names a record that is too large, after those before it', async () => {
    const name = await topic()
    await produce(name, 2)
    await client.producer.send({
      topic: name,
      compression: CompressionTypes.GZIP,
      messages: [{ value: 'ok' }, { value: 'x'.repeat(5001) }, { value: 'after' }],
    })
    const reader = await source(BROKER, { topics: name, assignment: { ordinal: 0, of: 1 } }).open(
      openOptions({ maxRecordBytes: 5000 }),
    )
    const follower = new Follower()
    await expect(readUntil(reader, follower, () => false)).rejects.toMatchObject({
      code: 'RECORD_TOO_LARGE',
      context: { topic: name, partition: 0, offset: 3 },
    })
    expect(follower.values).toEqual(['v0', 'v1', 'ok'])
    expect(follower.ends.get(`${name}/0`)).toBe(3)
    await reader.close()
  })

  it('holds no more than its buffer and a batch, and reads all in the end', async () => {
    const name = await topic(2)
    const value = 'y'.repeat(10_000)
    for (let i = 0; i < 60; i++) {
      await client.producer.send({
        topic: name,
        messages: Array.from({ length: 10 }, () => ({ value, partition: i % 2 })),
      })
    }
    const bufferBytes = 300_000
    const reader = await source(BROKER, { topics: name, assignment: { ordinal: 0, of: 1 } }).open(
      openOptions({ bufferBytes }),
    )
    let records = 0
    let largest = 0
    while (records < 600) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      const chunks = await reader.read({ waitMs: 500, signal })
      largest = Math.max(
        largest,
        chunks.reduce((sum, { byteLength }) => sum + byteLength, 0),
      )
      records += chunks.reduce((sum, { count }) => sum + count, 0)
    }
    expect(records).toBe(600)
    expect(largest).toBeLessThanOrEqual(bufferBytes + 110_000)
    await reader.close()
  })

  it('makes few chunks of many small batches, also while what has arrived fills its buffer', async () => {
    const name = await topic()
    const value = 'y'.repeat(10_000)
    for (let i = 0; i < 200; i++) {
      await client.producer.send({ topic: name, messages: [{ value }, { value }] })
    }
    const reader = await source(BROKER, { topics: name, assignment: { ordinal: 0, of: 1 } }).open(
      openOptions({ bufferBytes: 1_600_000 }),
    )
    const sizes: number[] = []
    let records = 0
    while (records < 400) {
      for (const chunk of await reader.read({ waitMs: 500, signal })) {
        sizes.push(chunk.byteLength)
        records += chunk.count
      }
    }
    await reader.close()
    // The last of what one answer has may be small.
    expect(sizes.length).toBeLessThan(50)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(220_000)
  })

  it('refuses a topic that is not there, and makes none', async () => {
    const name = `missing-${Date.now()}`
    await expect(source(BROKER, { topics: name }).open(openOptions())).rejects.toMatchObject({
      code: 'NO_SUCH_TOPIC',
      context: { topic: JSON.stringify(name) },
    })
    expect(await client.admin.listTopics()).not.toContain(name)
  })

  it('stops when its topic is deleted, and when it is made anew and is shorter', async () => {
    const name = await topic()
    await produce(name, 20)
    const options = { topics: name, assignment: { ordinal: 0, of: 1 } }
    const reader = await source(BROKER, options).open(openOptions())
    const follower = new Follower()
    await readUntil(reader, follower, () => follower.seen.length >= 20)
    await client.admin.deleteTopics({ topics: [name] })
    await expect(readUntil(reader, follower, () => false)).rejects.toMatchObject({
      code: 'NO_SUCH_TOPIC',
    })
    await reader.close()
    await client.createTopic(name, 1)
    const position = Position.of([{ topic: name, partition: 0, offset: 20 }])
    await expect(source(BROKER, options).open(openOptions({ position }))).rejects.toThrow(
      /partition 0 at offset 20: its broker has offsets 0 to 0/,
    )
  })

  it('fetches by topic id: a topic that is made anew between two fetches gives nothing', async () => {
    const name = await topic()
    // More than the buffer, in several batches, so that nothing is fetched until something is read.
    for (let i = 0; i < 20; i++) {
      const messages = Array.from({ length: 5 }, () => ({ value: `old${'x'.repeat(20_000)}` }))
      await client.producer.send({ topic: name, messages })
    }
    const reader = await source(BROKER, { topics: name, assignment: { ordinal: 0, of: 1 } }).open(
      openOptions({ bufferBytes: 200_000 }),
    )
    const keptId = reader.topicIds.get(name)
    // A fetch that is under way has come back.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    await client.admin.deleteTopics({ topics: [name] })
    const later = new Client(BROKER)
    await later.connect()
    await later.createTopic(name, 1)
    for (let i = 0; i < 20; i++) {
      const messages = Array.from({ length: 10 }, () => ({ value: `new${'x'.repeat(2000)}` }))
      await later.producer.send({ topic: name, messages })
    }
    await later.disconnect()
    const follower = new Follower()
    await expect(readUntil(reader, follower, () => false)).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
      context: { topic: name, keptId },
    })
    expect(follower.seen.length).toBeGreaterThan(0)
    expect(follower.seen.length).toBeLessThan(100)
    expect(follower.values.filter((value) => value?.startsWith('old') !== true)).toEqual([])
    await reader.close()
  })

  it('ends a wait when its signal aborts', async () => {
    const name = await topic()
    const reader = await source(BROKER, { topics: name, assignment: { ordinal: 0, of: 1 } }).open(
      openOptions(),
    )
    const stop = new AbortController()
    const reading = reader.read({ waitMs: 60_000, signal: stop.signal })
    setTimeout(() => stop.abort(), 50)
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED' })
    await reader.close()
    await reader.close()
    await expect(reader.read({ waitMs: 0, signal })).rejects.toMatchObject({
      code: 'HANDLE_CLOSED',
    })
  })
})

/** A block of snappy with one literal; Kafka's framing for it is left out, which its Java clients allow. */
function snappyLiteral(bytes: Buffer): Buffer {
  const length: number[] = []
  for (let rest = bytes.length; ; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest)
    if (rest < 128) break
  }
  const size = bytes.length - 1
  return Buffer.concat([Buffer.from([...length, 61 << 2, size & 255, size >>> 8]), bytes])
}

function snappyUndo(bytes: Buffer): Buffer {
  let at = 0
  while ((bytes[at] as number) > 127) at++
  return bytes.subarray(at + 4)
}
