/** Requests and answers with topic ids, byte by byte. Kafka protocol guide, Metadata 10 and Fetch 13; KIP-482, KIP-516. */
import { describe, expect, it } from 'vitest'
import { decodeFetchAnswer } from '../../../../src/stream/sources/kafka/fetch-answer.ts'
import { encodeFetchById } from '../../../../src/stream/sources/kafka/fetch-request.ts'
import {
  fetchRaw,
  findTopics,
  type KafkaJsBroker,
} from '../../../../src/stream/sources/kafka/kafkajs.ts'
import {
  decodeTopicIdAnswer,
  encodeTopicIdRequest,
} from '../../../../src/stream/sources/kafka/topic-id-exchange.ts'
import { errorOf } from '../../../support/expect-error.ts'

const UUID = '000102030405060708090a0b0c0d0e0f'
const ID = Buffer.from(UUID, 'hex').toString('base64url')
const NO_UUID = '0'.repeat(32)

/** Bytes from hexadecimal parts. */
const bytes = (...parts: string[]): Buffer => Buffer.from(parts.join('').replaceAll(' ', ''), 'hex')
const text = (value: string): string =>
  (value.length + 1).toString(16).padStart(2, '0') + Buffer.from(value).toString('hex')

const METADATA = bytes(
  // Header; throttle.
  '00 00000000',
  // One broker with a rack and an unknown tagged field of 3 bytes, and one without.
  '03',
  ...['00000001', text('host'), '00002384', text('r'), '01 05 03 aabbcc'],
  ...['00000002', text('host'), '00002385', '00', '00'],
  // Cluster, controller.
  ...[text('cluster'), '00000001'],
  '04',
  // With a partition with 2 replicas, both in sync.
  ...['0000', text('a'), UUID, '00', '02'],
  ...['0000 00000000 00000001 00000007', '03 00000001 00000002 03 00000001 00000002 01', '00'],
  '80000000 00',
  // Without an id, and unknown.
  ...['0000', text('b'), NO_UUID, '00', '01', '80000000 00'],
  ...['0003', text('c'), NO_UUID, '00', '00', '80000000 00'],
  '80000000 00',
)

const FETCH = bytes(
  ...['00 00000005 0000 00000000', '03'],
  ...[UUID, '02', '00000003 0000', '0000000000000009 0000000000000008 0000000000000000'],
  // An aborted transaction; the preferred replica; four bytes; a tagged field.
  ...['02 000000000000000a 0000000000000002 00', 'ffffffff', '05 01020304', '01 00 01 ff'],
  '00',
  // A topic that nobody asked for: refused, no lists.
  ...['ff'.repeat(16), '02', '00000000 0064', 'ff'.repeat(8), 'ff'.repeat(8), 'ff'.repeat(8)],
  ...['00', 'ffffffff', '00', '00', '00'],
  '00',
)

/** A broker that knows the versions of Metadata and Fetch, gives an answer, and keeps which versions it was asked in. */
function broker(known: { metadata: number; fetch: number }, answer: Buffer) {
  const asked: number[] = []
  const exchange = {
    request: {
      apiVersion: 6,
      encode: () => Promise.resolve({ buf: Buffer.alloc(0), buffer: Buffer.alloc(0) }),
    },
    response: undefined,
  }
  type Exchange = { request: { apiVersion: number }; response: Decoding }
  type Decoding = { decode(b: Buffer): Promise<unknown>; parse(a: unknown): Promise<unknown> }
  const fake = {
    connectionPool: {
      send: async ({ request, response }: Exchange) => {
        asked.push(request.apiVersion)
        return response.parse(await response.decode(answer))
      },
    },
    apiVersions: () =>
      Promise.resolve({ 1: { maxVersion: known.fetch }, 3: { maxVersion: known.metadata } }),
    metadata(): Promise<unknown> {
      return this.connectionPool.send(exchange as unknown as Exchange)
    },
    fetch(): Promise<unknown> {
      return this.connectionPool.send(exchange as unknown as Exchange)
    },
  }
  return { asked, broker: fake as unknown as KafkaJsBroker }
}

describe('topic ids', () => {
  it('are asked of brokers that know them, from Kafka 2.8 on', async () => {
    const old = broker({ metadata: 9, fetch: 12 }, METADATA)
    expect(await findTopics(old.broker, ['a'])).toBeUndefined()
    expect(old.asked).toEqual([])
    const newer = broker({ metadata: 10, fetch: 12 }, METADATA)
    expect((await findTopics(newer.broker, ['a']))?.[0]).toEqual({
      topic: 'a',
      errorCode: 0,
      id: ID,
    })
    expect(newer.asked).toEqual([10])
  })

  it('name topics in fetches of brokers that know that, from Kafka 3.1 on', async () => {
    const request = {
      ...{ maxWaitTime: 1, minBytes: 1, maxBytes: 1, isolationLevel: 1 },
      topics: [{ topic: 'a', partitions: [{ partition: 3, fetchOffset: '9', maxBytes: 1 }] }],
    }
    const ids = new Map([['a', ID]])
    const newer = broker({ metadata: 10, fetch: 13 }, FETCH)
    expect((await fetchRaw(newer.broker, request, ids)).partitions[0]?.topic).toBe('a')
    expect(newer.asked).toEqual([13])
    // Throttle, and no topics.
    const older = broker({ metadata: 10, fetch: 12 }, bytes('00000000 00000000'))
    await fetchRaw(older.broker, request, ids)
    const unknown = broker({ metadata: 10, fetch: 13 }, bytes('00000000 00000000'))
    await fetchRaw(unknown.broker, request, new Map([['a', undefined]]))
    expect([...older.asked, ...unknown.asked]).toEqual([6, 6])
  })

  it('are asked for by name, and no topic is made', () => {
    expect(encodeTopicIdRequest(['a', 'x'.repeat(200)]).toString('hex')).toBe(
      bytes(
        '00 03',
        ...[NO_UUID, text('a'), '00'],
        // 201 takes two bytes.
        ...[NO_UUID, 'c901', '78'.repeat(200), '00'],
        '00 00 00 00',
      ).toString('hex'),
    )
  })

  it('are read from the answer', () => {
    expect(decodeTopicIdAnswer(METADATA)).toEqual([
      { topic: 'a', errorCode: 0, id: ID },
      { topic: 'b', errorCode: 0, id: undefined },
      { topic: 'c', errorCode: 3, id: undefined },
    ])
  })

  it('name the topics of a fetch', () => {
    const partitions = [{ partition: 3, fetchOffset: '9', maxBytes: 70_000 }]
    const request = {
      maxWaitTime: 500,
      minBytes: 1,
      maxBytes: 65_536,
      isolationLevel: 1,
      topics: [{ topic: 'a', partitions }],
    }
    expect(encodeFetchById(request, new Map([['a', ID]])).toString('hex')).toBe(
      bytes(
        '00 ffffffff 000001f4 00000001 00010000 01 00000000 ffffffff',
        ...['02', UUID, '02'],
        '00000003 ffffffff 0000000000000009 ffffffff ffffffffffffffff 00011170 00',
        '00',
        '01 01 00',
      ).toString('hex'),
    )
  })

  it('name the topics of the answer to a fetch', () => {
    expect(decodeFetchAnswer(FETCH, 13, (id) => (id === ID ? 'a' : undefined))).toEqual({
      throttleMs: 5,
      errorCode: 0,
      partitions: [
        {
          topic: 'a',
          partition: 3,
          errorCode: 0,
          lastStableOffset: 8,
          aborted: [{ producerId: 10n, firstOffset: 2 }],
          records: bytes('01020304'),
        },
      ],
    })
  })

  it('are refused in answers that end too early, wherever that is', () => {
    for (let length = 0; length < METADATA.length; length++) {
      errorOf('CORRUPT_RECORDS', () => decodeTopicIdAnswer(METADATA.subarray(0, length)))
    }
    for (let length = 0; length < FETCH.length; length++) {
      errorOf('CORRUPT_RECORDS', () => decodeFetchAnswer(FETCH.subarray(0, length), 13, () => 'a'))
    }
    errorOf('CORRUPT_RECORDS', () => decodeTopicIdAnswer(Buffer.alloc(100, 255)))
  })
})
