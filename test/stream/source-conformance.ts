/**
 * What every StreamSource has to hold, as tests: `describeSource(name, makeHarness)`. A harness makes topics, fills them
 * and takes records away by the means of its source; waits are for events, with time-outs that a slow broker can meet.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isFloeError } from '../../src/core/errors.ts'
import { systemRuntime } from '../../src/core/runtime.ts'
import { schema, t } from '../../src/index.ts'
import { type StreamRun, stream, type Trigger } from '../../src/stream/index.ts'
import { Position } from '../../src/stream/position.ts'
import {
  bytesAt,
  type RecordChunk,
  type RecordHeader,
  recordBytes,
} from '../../src/stream/record-chunk.ts'
import type { SourceOpenOptions, SourceReader, StreamSource } from '../../src/stream/source.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { memoryLake } from '../support/lakes.ts'

export interface ProducedRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers?: readonly RecordHeader[]
  /** Milliseconds since the epoch. */
  readonly timestampMs: number
}

export interface SourceHarness {
  /** Makes a topic of a name that no test had before, and gives the name. It can be read and written on return. */
  createTopic(partitions: number): Promise<string>
  /** Appends to a partition; gives the offset of the first record once all are there to be read. */
  produce(topic: string, partition: number, records: readonly ProducedRecord[]): Promise<number>
  /**
   * Removes oldest records of a partition, more than none and fewer than all, of 200 records of 1 KiB and more; gives
   * the first offset that is left.
   */
  truncate(topic: string, partition: number): Promise<number>
  deleteTopic(topic: string): Promise<void>
  /** Deletes the topic and makes it anew under its name. */
  recreateTopic(topic: string, partitions: number): Promise<void>
  source(topics: readonly string[]): StreamSource
  /** Bytes that the source can only take as a whole beside its buffer, as a batch of records; 0 if absent. */
  readonly wholeBytes?: number
  close(): Promise<void>
}

const TIMEOUT_MS = 120_000
const PATIENCE_MS = 60_000
const MIB = 1024 * 1024
const encoder = new TextEncoder()

export interface SeenRecord extends ProducedRecord {
  readonly partition: number
  readonly topic: string
  readonly offset: number
  readonly headers: readonly RecordHeader[]
}

export function describeSource(name: string, makeHarness: () => Promise<SourceHarness>): void {
  describe(`${name} as a source`, () => {
    let harness: SourceHarness
    const readers: SourceReader[] = []
    beforeAll(async () => {
      harness = await makeHarness()
    }, TIMEOUT_MS)
    afterAll(async () => {
      for (const reader of readers) await reader.close()
      await harness.close()
    }, TIMEOUT_MS)

    const open = async (
      topics: readonly string[],
      options: Partial<SourceOpenOptions> = {},
    ): Promise<SourceReader> => {
      const reader = await harness.source(topics).open(openOptions(options))
      readers.push(reader)
      return reader
    }
    const test = (rule: string, body: () => Promise<void>): void => it(rule, body, TIMEOUT_MS)

    test('gives keys, values, headers and timestamps as they were, null apart from empty', async () => {
      const topic = await harness.createTopic(1)
      const produced: ProducedRecord[] = [
        record('k', 'v', 1_700_000_000_000),
        record(null, 'no key', 1_700_000_000_001),
        record('', 'empty key', 1_700_000_000_002),
        record('tombstone', null, 1_700_000_000_003),
        record('empty value', '', 1_700_000_000_004),
        record(null, '', 1_700_000_000_005),
        record('time goes back', 'x', 1_600_000_000_000),
        { ...record('bytes', null, 1_700_000_000_006), value: everyByte() },
        {
          ...record('with headers', 'h', 1_700_000_000_007),
          headers: [
            { key: 'a', value: everyByte() },
            { key: 'empty', value: new Uint8Array(0) },
            { key: 'schlüssel', value: encoder.encode('☃') },
          ],
        },
        record('after headers', 'z', 1_700_000_000_008),
        { ...record('large', null, 1_700_000_000_009), value: noise(200_000, 7) },
      ]
      const first = await harness.produce(topic, 0, produced)
      const seen = await take(await open([topic]), produced.length)
      expect(seen.map(({ offset }) => offset)).toEqual(produced.map((_, i) => first + i))
      seen.forEach((got, i) => {
        expectSame(got, produced[i] as ProducedRecord)
      })
    })

    test('reads on from any offset', async () => {
      const topic = await harness.createTopic(1)
      // In several requests, so that records lie in several batches.
      const first = await harness.produce(topic, 0, numbered(0, 7))
      await harness.produce(topic, 0, numbered(7, 11))
      await harness.produce(topic, 0, numbered(11, 20))
      for (let from = 0; from < 20; from += 3) {
        const position = at(topic, 0, first + from)
        const seen = await take(await open([topic], { position }), 20 - from)
        expect(seen.map(valueText)).toEqual(numbered(from, 20).map(valueText))
        expect(seen[0]?.offset).toBe(first + from)
      }
    })

    test('waits at the end of a partition, and gives what comes after', async () => {
      const topic = await harness.createTopic(1)
      const first = await harness.produce(topic, 0, numbered(0, 5))
      const reader = await open([topic], { position: at(topic, 0, first + 5) })
      expect(records(await read(reader, 50))).toEqual([])
      const waiting = take(reader, 3)
      await harness.produce(topic, 0, numbered(5, 8))
      expect((await waiting).map(valueText)).toEqual(numbered(5, 8).map(valueText))
    })

    test('gives nothing of an empty topic, then its first records', async () => {
      const topic = await harness.createTopic(2)
      const reader = await open([topic])
      expect(records(await read(reader, 50))).toEqual([])
      const waiting = take(reader, 2)
      await harness.produce(topic, 1, numbered(0, 2))
      expect((await waiting).map(({ partition }) => partition)).toEqual([1, 1])
    })

    test('tells the ends of all partitions as of now', async () => {
      const topic = await harness.createTopic(3)
      const first = await harness.produce(topic, 1, numbered(0, 4))
      const reader = await open([topic])
      expect((await reader.endOffsets()).get(topic, 1)).toBe(first + 4)
      await harness.produce(topic, 1, numbered(4, 6))
      await harness.produce(topic, 2, numbered(0, 1))
      const ends = await reader.endOffsets()
      expect(ends.size).toBe(3)
      expect(ends.get(topic, 1)).toBe(first + 6)
      expect(ends.get(topic, 0)).toBeLessThan(ends.get(topic, 2) as number)
    })

    test('reads several topics and partitions, each in order and without a gap', async () => {
      const topics = [await harness.createTopic(3), await harness.createTopic(1)]
      const [wide, narrow] = topics as [string, string]
      for (let round = 0; round < 3; round++) {
        for (const partition of [0, 1, 2]) {
          await harness.produce(wide, partition, numbered(round * 40, round * 40 + 40))
        }
        await harness.produce(narrow, 0, numbered(round * 10, round * 10 + 10))
      }
      const reader = await open(topics)
      const seen = await take(reader, 390)
      for (const [topic, partition, count] of [
        [wide, 0, 120],
        [wide, 1, 120],
        [wide, 2, 120],
        [narrow, 0, 30],
      ] as const) {
        const mine = seen.filter((r) => r.topic === topic && r.partition === partition)
        expect(mine.map(valueText)).toEqual(numbered(0, count).map(valueText))
      }
    })

    test('takes a position of some partitions, and reads the others from their first records', async () => {
      const topic = await harness.createTopic(2)
      const first = await harness.produce(topic, 0, numbered(0, 10))
      await harness.produce(topic, 1, numbered(0, 10))
      const seen = await take(await open([topic], { position: at(topic, 0, first + 8) }), 12)
      expect(seen.filter((r) => r.partition === 0).map(valueText)).toEqual(
        numbered(8, 10).map(valueText),
      )
      expect(seen.filter((r) => r.partition === 1)).toHaveLength(10)
    })

    test('gives all of many records, with no read larger than the buffer and one record', async () => {
      const topic = await harness.createTopic(2)
      const bufferBytes = 256 * 1024
      for (const partition of [0, 1]) {
        for (let i = 0; i < 4; i++) {
          await harness.produce(topic, partition, sized(i * 50, i * 50 + 50, 10_000))
        }
      }
      const largest = 10_100
      const reader = await open([topic], { bufferBytes })
      const follow = new Follower()
      const values = new Map<number, string[]>([
        [0, []],
        [1, []],
      ])
      await until(async () => {
        const chunks = await read(reader, PATIENCE_MS)
        const bytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
        expect(bytes).toBeLessThanOrEqual(bufferBytes + largest + (harness.wholeBytes ?? 0))
        for (const got of follow.take(chunks)) values.get(got.partition)?.push(valueText(got))
        return follow.count >= 400
      })
      for (const got of values.values()) {
        expect(got).toEqual(sized(0, 200, 10_000).map(valueText))
      }
    })

    test('gives a record that is larger than the buffer', async () => {
      const topic = await harness.createTopic(1)
      const large = { ...record('large', null, 1_700_000_000_000), value: noise(300_000, 3) }
      await harness.produce(topic, 0, [...numbered(0, 2), large, ...numbered(2, 4)])
      const seen = await take(await open([topic], { bufferBytes: 64 * 1024 }), 5)
      expectSame(seen[2] as SeenRecord, large)
    })

    test('refuses a record above maxRecordBytes, after it gave those before it', async () => {
      const topic = await harness.createTopic(1)
      const maxRecordBytes = 50_000
      const largest = {
        ...record('most', null, 1_700_000_000_000),
        value: noise(maxRecordBytes, 5),
      }
      const large = {
        ...largest,
        key: encoder.encode('large'),
        value: noise(maxRecordBytes + 1, 5),
      }
      const first = await harness.produce(topic, 0, [
        ...numbered(0, 4),
        largest,
        large,
        ...numbered(4, 6),
      ])
      const reader = await open([topic], { maxRecordBytes })
      const seen = await take(reader, 5)
      expect(seen).toHaveLength(5)
      expectSame(seen[4] as SeenRecord, largest)
      const error = await rejectionOf('RECORD_TOO_LARGE', readSomething(reader))
      expect(error.context).toMatchObject({ topic, partition: 0, offset: first + 5 })
      expect(error.message).toContain(topic)
      // It does not pass.
      await rejectionOf('RECORD_TOO_LARGE', readSomething(reader))
      // Behind it the stream can go on.
      const behind = await open([topic], { maxRecordBytes, position: at(topic, 0, first + 6) })
      expect((await take(behind, 2)).map(valueText)).toEqual(numbered(4, 6).map(valueText))
    })

    test('refuses a key above maxRecordBytes', async () => {
      const topic = await harness.createTopic(1)
      const key = noise(20_001, 5)
      await harness.produce(topic, 0, [{ ...record(null, 'v', 1_700_000_000_000), key }])
      const reader = await open([topic], { maxRecordBytes: 20_000 })
      await rejectionOf('RECORD_TOO_LARGE', readSomething(reader))
    })

    test('does not open at an offset whose records are gone; without a position it reads what is left', async () => {
      const topic = await harness.createTopic(1)
      await fill(topic, 200)
      const earliest = await harness.truncate(topic, 0)
      expect(earliest).toBeGreaterThan(0)
      expect(earliest).toBeLessThan(200)
      const opened = open([topic], { position: at(topic, 0, earliest - 1) })
      const error = await rejectionOf('OFFSET_OUT_OF_RANGE', opened)
      expect(error.context).toMatchObject({ topic, partition: 0, offset: earliest - 1 })
      const reader = await open([topic])
      expect(reader.nextOffsets().get(topic, 0)).toBe(earliest)
      expect(reader.partitions?.()).toContainEqual(expect.objectContaining({ topic, partition: 0 }))
      const seen = await take(reader, 200 - earliest)
      expect(seen[0]?.offset).toBe(earliest)
      expect(reader.nextOffsets().get(topic, 0)).toBe(200)
      const exact = await open([topic], { position: at(topic, 0, earliest) })
      expect((await take(exact, 1))[0]?.offset).toBe(earliest)
    })

    test('leaves no gap when records that it would read next are removed', async () => {
      const topic = await harness.createTopic(1)
      await fill(topic, 200)
      const reader = await open([topic], { bufferBytes: 4096, position: at(topic, 0, 0) })
      const follow = new Follower()
      follow.take(await readSomething(reader))
      await harness.truncate(topic, 0)
      let failed = false
      await until(async () => {
        try {
          follow.take(await read(reader, PATIENCE_MS))
        } catch (error) {
          if (!isFloeError(error, 'OFFSET_OUT_OF_RANGE')) throw error
          expect(error.context).toMatchObject({ topic, partition: 0 })
          failed = true
        }
        return failed || follow.count === 200
      })
    })

    test('does not open beyond the end', async () => {
      const topic = await harness.createTopic(1)
      const first = await harness.produce(topic, 0, numbered(0, 3))
      const opened = open([topic], { position: at(topic, 0, first + 4) })
      const error = await rejectionOf('OFFSET_OUT_OF_RANGE', opened)
      expect(error.context).toMatchObject({ topic, partition: 0, offset: first + 4 })
    })

    test('does not open a topic that was made anew at an offset of the old one', async () => {
      const topic = await harness.createTopic(1)
      await harness.produce(topic, 0, numbered(0, 30))
      await harness.recreateTopic(topic, 1)
      await harness.produce(topic, 0, numbered(0, 3))
      await rejectionOf('OFFSET_OUT_OF_RANGE', open([topic], { position: at(topic, 0, 30) }))
    })

    test('does not open a topic that was made anew and has come past the position', async () => {
      const topic = await harness.createTopic(1)
      await harness.produce(topic, 0, numbered(0, 5))
      const { topicIds } = await open([topic])
      const keptId = topicIds.get(topic)
      expect(keptId).toMatch(/./)
      expect((await open([topic], { topicIds })).topicIds).toEqual(topicIds)
      await harness.recreateTopic(topic, 1)
      await harness.produce(topic, 0, numbered(0, 10))
      const position = at(topic, 0, 5)
      const error = await rejectionOf('OFFSET_OUT_OF_RANGE', open([topic], { topicIds, position }))
      const foundId = (await open([topic], { position })).topicIds.get(topic)
      expect(error.context).toEqual({ topic, keptId, foundId })
      for (const part of [topic, keptId, foundId]) expect(error.message).toContain(part)
    })

    // With nothing in the new one, and with more than the reader has read of the old one.
    for (const count of [0, 10]) {
      test(`gives nothing of a topic that was made anew while it was read, and filled with ${count}`, async () => {
        const topic = await harness.createTopic(1)
        await harness.produce(topic, 0, numbered(0, 5))
        const reader = await open([topic])
        await take(reader, 5)
        await harness.recreateTopic(topic, 1)
        if (count > 0) await harness.produce(topic, 0, numbered(0, count))
        await until(async () => {
          try {
            expect(records(await read(reader, 1000))).toEqual([])
            return false
          } catch (error) {
            if (isFloeError(error, 'OFFSET_OUT_OF_RANGE')) return true
            if (isFloeError(error, 'NO_SUCH_TOPIC')) return true
            throw error
          }
        })
      })
    }

    test('ends a stream whose topic was made anew, before or while it runs, with nothing of the new one', async () => {
      const topic = await harness.createTopic(1)
      await harness.produce(topic, 0, numbered(0, 5))
      const lake = await memoryLake()
      await lake.createTable('x.t', schema({ place: t.long(), value: t.string() }))
      const start = (trigger: Trigger): StreamRun =>
        stream({
          lake,
          id: 's',
          source: harness.source([topic]),
          tables: ['x.t'],
          trigger,
          foreachBatch: (batch, tx) =>
            tx.append(
              'x.t',
              [...batch.records()].map(({ offset, value }) => ({
                place: offset,
                value: Buffer.from(value as Uint8Array).toString(),
              })),
            ),
        })
      const rows = async (): Promise<unknown[]> =>
        (await (await lake.table('x.t')).scan().toArray()).map(({ value }) => value).sort()
      const running = start({ intervalMs: 100 })
      running.done.catch(() => undefined)
      await until(async () => {
        await systemRuntime.sleep(20)
        return (await rows()).length === 5
      })
      await harness.recreateTopic(topic, 1)
      await harness.produce(topic, 0, numbered(100, 110))
      const ended = await running.done.catch((error: unknown) => error)
      expect(isFloeError(ended, 'OFFSET_OUT_OF_RANGE') || isFloeError(ended, 'NO_SUCH_TOPIC')).toBe(
        true,
      )
      const again = await rejectionOf('OFFSET_OUT_OF_RANGE', start({ availableNow: true }).done)
      expect(again.context['topic']).toBe(topic)
      expect(await rows()).toEqual(numbered(0, 5).map(valueText))
    })

    test('has no topic that does not exist', async () => {
      const topic = await harness.createTopic(1)
      const missing = `${topic}-missing`
      const error = await rejectionOf('NO_SUCH_TOPIC', open([topic, missing]))
      expect(error.message).toContain(missing)
      await rejectionOf('NO_SUCH_TOPIC', open([missing]))
    })

    test('says that a topic is gone that was deleted while it was read', async () => {
      const topic = await harness.createTopic(1)
      await harness.produce(topic, 0, numbered(0, 5))
      const reader = await open([topic])
      await take(reader, 5)
      await harness.deleteTopic(topic)
      await until(async () => {
        try {
          await read(reader, 1000)
          return false
        } catch (error) {
          if (isFloeError(error, 'NO_SUCH_TOPIC')) return true
          throw error
        }
      })
    })

    test('stops waiting when a signal aborts', async () => {
      const topic = await harness.createTopic(1)
      const reader = await open([topic])
      const controller = new AbortController()
      const reading = reader.read({ waitMs: 10 * PATIENCE_MS, signal: controller.signal })
      controller.abort(new Error('enough'))
      await rejectionOf('ABORTED', reading)
      // The reader itself goes on.
      await harness.produce(topic, 0, numbered(0, 2))
      expect(await take(reader, 2)).toHaveLength(2)
      const whole = new AbortController()
      const other = await open([topic], { signal: whole.signal, position: at(topic, 0, 2) })
      const waiting = read(other, 10 * PATIENCE_MS)
      whole.abort(new Error('enough'))
      await rejectionOf('ABORTED', waiting)
    })

    test('does not open under a signal that has aborted', async () => {
      const topic = await harness.createTopic(1)
      await rejectionOf('ABORTED', open([topic], { signal: AbortSignal.abort() }))
    })

    test('ends a read that waits when it is closed, and closes twice', async () => {
      const topic = await harness.createTopic(1)
      const reader = await open([topic])
      const reading = read(reader, 10 * PATIENCE_MS).then(
        (chunks) => expect(records(chunks)).toEqual([]),
        (error: unknown) => {
          if (!isFloeError(error, 'HANDLE_CLOSED') && !isFloeError(error, 'ABORTED')) throw error
        },
      )
      await reader.close()
      await reading
      await reader.close()
      await rejectionOf('HANDLE_CLOSED', read(reader, 0))
    })

    test('takes what was committed as advice', async () => {
      const topic = await harness.createTopic(1)
      await harness.produce(topic, 0, numbered(0, 5))
      const reader = await open([topic])
      await take(reader, 5)
      await reader.committed(at(topic, 0, 3))
      await harness.produce(topic, 0, numbered(5, 6))
      expect((await take(reader, 1)).map(valueText)).toEqual(numbered(5, 6).map(valueText))
      // The position decides, not what was committed.
      const other = await open([topic], { position: at(topic, 0, 1) })
      expect((await take(other, 1))[0]?.offset).toBe(1)
    })

    test('names itself', async () => {
      const topic = await harness.createTopic(1)
      expect(harness.source([topic]).name).toContain(topic)
    })

    const fill = async (topic: string, count: number): Promise<void> => {
      for (let i = 0; i < count; i += 20) {
        await harness.produce(topic, 0, sized(i, i + 20, 1100))
      }
    }
  })
}

/** Checks that chunks of a partition follow one another, and that records lie in what their chunk covers. */
export class Follower {
  count = 0
  readonly #ends = new Map<string, number>()

  take(chunks: readonly RecordChunk[]): SeenRecord[] {
    for (const chunk of chunks) {
      const of = `${chunk.topic}:${chunk.partition}`
      const end = this.#ends.get(of)
      if (end !== undefined) expect(chunk.start).toBe(end)
      expect(chunk.end).toBeGreaterThanOrEqual(chunk.start)
      expect(chunk.offsets).toHaveLength(chunk.count)
      let before = chunk.start - 1
      for (const offset of chunk.offsets) {
        expect(offset).toBeGreaterThan(before)
        before = offset
      }
      expect(before).toBeLessThan(Math.max(chunk.end, chunk.start + 1))
      let bytes = 0
      for (let row = 0; row < chunk.count; row++) {
        bytes += recordBytes(chunk, row)
        for (const { key, value } of chunk.headers?.[row] ?? []) {
          bytes += key.length + (value?.length ?? 0)
        }
      }
      expect(chunk.byteLength).toBe(bytes)
      this.#ends.set(of, chunk.end)
    }
    const seen = records(chunks)
    this.count += seen.length
    return seen
  }
}

/** Reads until there are as many records; fails if there are more. */
export async function take(reader: SourceReader, count: number): Promise<SeenRecord[]> {
  const follow = new Follower()
  const seen: SeenRecord[] = []
  await until(async () => {
    seen.push(...follow.take(await read(reader, PATIENCE_MS)))
    return seen.length >= count
  })
  return seen
}

export function openOptions(options: Partial<SourceOpenOptions> = {}): SourceOpenOptions {
  return {
    position: Position.EMPTY,
    topicIds: new Map(),
    maxRecordBytes: MIB,
    bufferBytes: 8 * MIB,
    runtime: systemRuntime,
    signal: new AbortController().signal,
    ...options,
  }
}

/** The values, as texts, of all records that are there now. */
export async function valuesThere(reader: SourceReader): Promise<string[]> {
  const values: string[] = []
  for (;;) {
    const chunks = await reader.read({ waitMs: 0, signal: new AbortController().signal })
    if (chunks.length === 0) return values
    values.push(...records(chunks).map(({ value }) => Buffer.from(value ?? []).toString()))
  }
}

/** The records of chunks, copied. */
export function records(chunks: readonly RecordChunk[]): SeenRecord[] {
  return chunks.flatMap((chunk) =>
    Array.from({ length: chunk.count }, (_, row) => ({
      topic: chunk.topic,
      partition: chunk.partition,
      offset: chunk.offsets[row] as number,
      timestampMs: chunk.timestampsMs[row] as number,
      key: bytesAt(chunk.keys, row)?.slice() ?? null,
      value: bytesAt(chunk.values, row)?.slice() ?? null,
      headers: chunk.headers?.[row] ?? [],
    })),
  )
}

function read(reader: SourceReader, waitMs: number): Promise<readonly RecordChunk[]> {
  return reader.read({ waitMs, signal: new AbortController().signal })
}

/** Reads until there is something. */
async function readSomething(reader: SourceReader): Promise<readonly RecordChunk[]> {
  let chunks: readonly RecordChunk[] = []
  await until(async () => {
    chunks = await read(reader, PATIENCE_MS)
    return records(chunks).length > 0
  })
  return chunks
}

async function until(step: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!(await step())) {
    if (performance.now() > end) throw new Error('what was waited for did not happen')
  }
}

function at(topic: string, partition: number, offset: number): Position {
  return Position.of([{ topic, partition, offset }])
}

function record(key: string | null, value: string | null, timestampMs: number): ProducedRecord {
  return {
    key: key === null ? null : encoder.encode(key),
    value: value === null ? null : encoder.encode(value),
    timestampMs,
  }
}

function numbered(from: number, to: number): ProducedRecord[] {
  return Array.from({ length: to - from }, (_, i) =>
    record(`k${from + i}`, `value ${from + i}`, 1_700_000_000_000 + from + i),
  )
}

/** Numbered, with values of some bytes that do not compress. */
function sized(from: number, to: number, bytes: number): ProducedRecord[] {
  return numbered(from, to).map((r, i) => ({ ...r, value: noise(bytes, from + i + 1) }))
}

function noise(bytes: number, seed: number): Uint8Array {
  const result = new Uint8Array(bytes)
  let state = seed * 2654435761
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    result[i] = state >>> 24
  }
  return result
}

function everyByte(): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, i) => i)
}

function valueText(of: ProducedRecord): string {
  return of.value === null ? 'null' : Buffer.from(of.value).toString('latin1')
}

function expectSame(got: SeenRecord, wanted: ProducedRecord): void {
  expect(got.timestampMs).toBe(wanted.timestampMs)
  expect(bytesText(got.key)).toBe(bytesText(wanted.key))
  expect(bytesText(got.value)).toBe(bytesText(wanted.value))
  const headers = (of: readonly RecordHeader[]): unknown[] =>
    of.map(({ key, value }) => [key, bytesText(value)])
  expect(headers(got.headers)).toEqual(headers(wanted.headers ?? []))
}

/** Large values are compared as texts: a comparison of arrays of bytes takes long. */
function bytesText(bytes: Uint8Array | null): string {
  return bytes === null ? 'null' : `${Buffer.from(bytes).toString('hex')}.`
}
