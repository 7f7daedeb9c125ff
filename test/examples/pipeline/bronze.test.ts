/** Bronze: every byte is kept, the header becomes columns, what is wrong has a reason. */
import { describe, expect, it } from 'vitest'
import {
  BRONZE,
  BRONZE_PARTITIONS,
  BRONZE_SCHEMA,
  bronzeBatches,
} from '../../../examples/pipeline/bronze.ts'
import { EventGenerator } from '../../../examples/pipeline/generator.ts'
import { sliceChunk } from '../../../src/stream/record-chunk.ts'
import { memoryLake } from '../../support/lakes.ts'
import { chunkOf, partitioned, TOPIC } from './chunks.ts'

const NOW = Date.UTC(2026, 0, 15, 12)

/** Rows of Bronze as the table has them. */
async function written(chunks: Parameters<typeof bronzeBatches>[0]['chunks']) {
  const lake = await memoryLake()
  const table = await lake.createTable(BRONZE, BRONZE_SCHEMA, {
    partitionBy: [...BRONZE_PARTITIONS],
  })
  await table.append(bronzeBatches({ chunks }))
  const rows = await (await lake.table(BRONZE)).scan().toArray()
  await lake.dropTable(BRONZE)
  return rows.sort(
    (a, b) =>
      Number(a['source_partition']) - Number(b['source_partition']) ||
      Number(a['source_offset']) - Number(b['source_offset']),
  )
}

const event = (change: Record<string, unknown>): string =>
  JSON.stringify({
    event_id: 'e1',
    event_type: 'view',
    video_id: 'v1',
    user_id: 'u1',
    event_time: '2026-01-15T11:59:58.250Z',
    schema_version: 3,
    payload: { a: [1, 'ü'] },
    ...change,
  })

async function rowOf(value: string | Uint8Array | null, key: string | null = 'v1') {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  const record = { key: key === null ? null : Buffer.from(key), value: bytes, timestampMs: NOW }
  return (await written([chunkOf([record], 4, 77)]))[0] as Record<string, unknown>
}

describe('bronzeBatches', () => {
  it('makes columns of a header', async () => {
    const value = event({})
    expect(await rowOf(value)).toEqual({
      event_id: 'e1',
      event_type: 'view',
      video_id: 'v1',
      user_id: 'u1',
      event_time: BigInt(Date.UTC(2026, 0, 15, 11, 59, 58, 250)) * 1000n,
      schema_version: 3,
      body: new Uint8Array(Buffer.from(value)),
      message_key: new Uint8Array(Buffer.from('v1')),
      source_topic: TOPIC,
      source_partition: 4,
      source_offset: 77n,
      source_time: BigInt(NOW) * 1000n,
      reason: null,
    })
  })

  it.each([
    [
      'an id that is a number',
      event({ event_id: 5 }),
      'event_id is not a string',
      { event_id: null, video_id: 'v1' },
    ],
    ['no user', event({ user_id: undefined }), 'user_id is missing', { user_id: null }],
    [
      'a type that is null',
      event({ event_type: null }),
      'event_type is missing',
      { event_type: null },
    ],
    [
      'a time that is true',
      event({ event_time: true }),
      'event_time is not a string or number',
      { event_time: null },
    ],
    [
      'a time that is none',
      event({ event_time: 'yesterday' }),
      'event_time is no ISO-8601 time with a zone or milliseconds from 1970 to 2199',
      { event_time: null },
    ],
    [
      'a time with half a millisecond',
      event({ event_time: 1_767_225_600_000.5 }),
      null,
      { event_time: 1_767_225_600_000_500n },
    ],
    [
      'a version that is text',
      event({ schema_version: '3' }),
      'schema_version is not a number',
      { schema_version: null },
    ],
    [
      'a version that is too large',
      event({ schema_version: 2 ** 31 }),
      'schema_version is not a 32-bit whole number',
      {},
    ],
    [
      'the least version',
      event({ schema_version: -(2 ** 31) }),
      null,
      { schema_version: -(2 ** 31) },
    ],
    [
      'two faults',
      event({ video_id: undefined, user_id: [] }),
      'video_id is missing; user_id is not a string',
      {},
    ],
    [
      'another video than the key',
      event({ video_id: 'v2' }),
      'the key of the message is not video_id',
      { video_id: 'v2' },
    ],
    ['escapes', event({ event_id: 'a"b\n' }), null, { event_id: 'a"b\n' }],
    ['half a surrogate pair', event({ event_id: '\ud800' }), null, { event_id: '\ufffd' }],
    ['text beyond ASCII', event({ event_id: '最' }), null, { event_id: '最' }],
    [
      'a long id',
      event({ event_id: 'x'.repeat(100_000) }),
      null,
      { event_id: 'x'.repeat(100_000) },
    ],
    ['a cut text', event({}).slice(0, 40), 'the value is not JSON', { event_id: null }],
    ['nothing', '', 'the value is not JSON', { event_id: null }],
    ['an array', '[1]', 'the value is JSON, but not an object', {}],
    [
      'bytes that are not UTF-8',
      Buffer.from('{"event_id":"\xff"}', 'latin1'),
      'the value is not UTF-8',
      { event_id: null },
    ],
    [
      'deep nesting',
      `${'{"a":'.repeat(600)}1${'}'.repeat(600)}`,
      'the value is nested too deep',
      {},
    ],
    ['a tombstone', null, 'the message has no value', { body: null }],
  ])('reads %s', async (_, value, reason, columns) => {
    const row = await rowOf(value)
    const body = value === null ? null : new Uint8Array(Buffer.from(value as string))
    expect(row).toMatchObject({ reason, ...columns })
    expect(row['body']).toEqual(body)
  })

  it('takes a video with escapes for what it names', async () => {
    const value = event({}).replace('"v1"', '"\\u00761"')
    expect(await rowOf(value)).toMatchObject({ video_id: 'v1', reason: null })
    expect(await rowOf(value, 'v2')).toMatchObject({
      video_id: 'v1',
      reason: 'the key of the message is not video_id',
    })
  })

  it('says that a message has no key', async () => {
    expect(await rowOf(event({}), null)).toMatchObject({
      reason: 'the message has no key',
      message_key: null,
      video_id: 'v1',
    })
  })

  it.each([
    ['nanoseconds', NOW * 1_000_000],
    ['no time, as Kafka says it', -1],
    ['the year 2200', Date.UTC(2200, 0, 1)],
  ])('has no time of a message from %s, and says so', async (_, timestampMs) => {
    const key = Buffer.from('v1')
    const record = (value: string | null) => ({
      key,
      value: value === null ? null : Buffer.from(value),
      timestampMs,
    })
    const records = [
      record(event({})),
      record(event({ user_id: 5 })),
      record('{'),
      record(null),
      { ...record('{}'), timestampMs: Date.UTC(2200, 0, 1) - 1 },
    ]
    const rows = await written([chunkOf(records)])
    const noTime = 'the time of the message is not from 1970 to 2199'
    const all = ['event_id', 'event_type', 'video_id', 'user_id', 'event_time', 'schema_version']
    expect(rows.map((row) => [row['source_time'], row['reason']])).toEqual([
      [null, `${noTime}; event_time cannot be compared with it`],
      [null, `user_id is not a string; ${noTime}; event_time cannot be compared with it`],
      [null, `the value is not JSON; ${noTime}`],
      [null, `the message has no value; ${noTime}`],
      [
        BigInt(Date.UTC(2200, 0, 1) - 1) * 1000n,
        all.map((name) => `${name} is missing`).join('; '),
      ],
    ])
    expect(rows.map((row) => row['event_time'])).toEqual(rows.map(() => null))
  })

  it('has no time of an event that is a year before its message, or a day after it', async () => {
    const day = 86_400_000
    const times = [-366 * day, -366 * day - 1, day, day + 1, -NOW, Date.UTC(2199, 0) - NOW]
    const reason =
      'event_time is more than 366 days before the time of the message, or more than a day after it'
    const expected = [null, reason, null, reason, reason, reason]
    for (const [i, after] of times.entries()) {
      const row = await rowOf(event({ event_time: NOW + after }))
      expect(row['reason']).toBe(expected[i])
      expect(row['event_time']).toBe(expected[i] === null ? BigInt(NOW + after) * 1000n : null)
    }
  })

  it('keeps every record of several chunks, also of parts of chunks, byte for byte', async () => {
    const seed = 7
    const records = new EventGenerator({ seed, malformedShare: 0.3, videos: 50 }).take(3000, NOW)
    const lists = partitioned(records, 3)
    const chunks = lists.flatMap((list, p) => {
      const chunk = chunkOf(list, p, 1000)
      const middle = Math.floor(chunk.count / 3)
      return [sliceChunk(chunk, 0, middle), sliceChunk(chunk, middle, chunk.count)]
    })
    const rows = await written(chunks)
    expect(rows.length, `seed ${seed}`).toBe(records.length)
    const bytes = (value: Uint8Array | null): string | null =>
      value === null ? null : Buffer.from(value).toString('latin1')
    const expected = lists.flatMap((list, p) =>
      list.map(({ key, value }, i) => [p, 1000 + i, bytes(key), bytes(value)]),
    )
    expect(
      rows.map((row) => [
        row['source_partition'],
        Number(row['source_offset']),
        bytes(row['message_key'] as Uint8Array | null),
        bytes(row['body'] as Uint8Array | null),
      ]),
    ).toEqual(expected)
    const single = await written([sliceChunk(chunkOf(records), 100, 200)])
    expect(single.map((row) => bytes(row['body'] as Uint8Array | null))).toEqual(
      records.slice(100, 200).map(({ value }) => bytes(value)),
    )
  })

  it('makes no rows of no records', () => {
    expect(bronzeBatches({ chunks: [] })).toEqual([])
  })
})
