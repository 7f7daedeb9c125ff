/** Retention that meets itself, a producer and readers. */
import { mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import { type EmbeddedLog, openLog } from '../../../src/stream/sources/log/embedded-log.ts'
import { logSource } from '../../../src/stream/sources/log/log-source.ts'
import { removeOldSegments } from '../../../src/stream/sources/log/segments.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { temporaryFolder } from '../../support/lakes.ts'
import { openOptions } from '../source-conformance.ts'
import { segments } from './segment-files.ts'

const SENDS = 1500

/** Reads from the first record that there is, again and again; what it is given has to go on without a gap. */
async function readAnew(
  source: ReturnType<typeof logSource>,
  ended: () => boolean,
): Promise<{ records: number; outOfRange: number }> {
  const seen = { records: 0, outOfRange: 0 }
  const { signal } = new AbortController()
  while (!ended()) {
    const reader = await source.open(openOptions())
    try {
      let next: number | undefined
      for (let i = 0; i < 20 && !ended(); i++) {
        for (const chunk of await reader.read({ waitMs: 5, signal })) {
          if (next !== undefined) expect(chunk.start).toBe(next)
          next = chunk.end
          seen.records += chunk.count
        }
        await reader.endOffsets()
      }
    } catch (error) {
      if (!isFloeError(error, 'OFFSET_OUT_OF_RANGE')) throw error
      seen.outOfRange++
    } finally {
      await reader.close()
    }
  }
  return seen
}

async function enforce(log: EmbeddedLog, ended: () => boolean): Promise<number> {
  let removed = 0
  while (!ended()) {
    removed += await log.enforceRetention()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return removed
}

describe('retention', () => {
  it('may run many times at once, beside a producer and readers', async () => {
    const folder = temporaryFolder()
    const logs = await Promise.all([1, 2, 3, 4].map(() => openLog(folder, { durability: 'os' })))
    const [log] = logs as [EmbeddedLog]
    await log.createTopic('t', { partitions: 1, segmentBytes: 1000, retentionBytes: 3000 })
    const producer = await log.producer()
    let done = false
    const ended = (): boolean => done
    const sending = (async () => {
      try {
        for (let i = 0; i < SENDS; i++) {
          const [sent] = await producer.send('t', [{ value: 'x'.repeat(300) }])
          expect(sent?.offset).toBe(i)
        }
      } finally {
        done = true
      }
    })()
    const others = logs.map((each) => enforce(each, ended))
    const readers = [logSource({ log, topics: 't' }), logSource({ folder, topics: 't' })]
    const reading = readers.map((source) => readAnew(source, ended))
    await Promise.all([sending, ...others, ...reading])
    for (const { records } of await Promise.all(reading)) expect(records).toBeGreaterThan(0)
    const passes = await Promise.all(logs.map((each) => each.enforceRetention()))
    expect(passes).toEqual([0, 0, 0, 0])
    expect(segments(`${folder}/t/0`).length).toBeLessThanOrEqual(4)
    expect(producer.counts.retentionFailures).toBe(0)
    for (const each of logs) await each.close()
  }, 30_000)

  it('passes that meet count each segment once', async () => {
    const folder = temporaryFolder()
    const log = await openLog(folder, { durability: 'os' })
    await log.createTopic('t', { partitions: 1, segmentBytes: 1000 })
    const producer = await log.producer()
    for (let i = 0; i < 200; i++) await producer.send('t', [{ value: 'x'.repeat(300) }])
    await log.close()
    const short = { ...(await log.topics())[0], retentionBytes: 2000 }
    const before = segments(`${folder}/t/0`).length
    const passes = await Promise.all(
      Array.from({ length: 8 }, () =>
        removeOldSegments(`${folder}/t/0`, { ...short, retentionMs: undefined }, 0),
      ),
    )
    const removed = passes.reduce((sum, count) => sum + count, 0)
    expect(removed).toBe(before - segments(`${folder}/t/0`).length)
    expect(removed).toBeGreaterThan(20)
  })

  it('that fails fails no send: it is counted, tried again, and told by enforceRetention', async () => {
    const log = await openLog(temporaryFolder(), { durability: 'os' })
    await log.createTopic('t', { partitions: 1, segmentBytes: 1000, retentionBytes: 3000 })
    const producer = await log.producer()
    const send = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) await producer.send('t', [{ value: 'x'.repeat(300) }])
    }
    await send(40)
    // No file, so that it cannot be removed as one.
    const stuck = `${log.folder}/t/0/${'0'.repeat(20)}.log`
    mkdirSync(stuck)
    await send(40)
    expect(producer.counts.retentionFailures).toBeGreaterThan(5)
    expect(segments(`${log.folder}/t/0`).length).toBeGreaterThan(10)
    await rejectionOf(
      process.platform === 'linux' ? 'STORE_UNAVAILABLE' : 'PERMISSION_DENIED',
      log.enforceRetention(),
    )
    rmdirSync(stuck)
    await send(4)
    expect(segments(`${log.folder}/t/0`).length).toBeLessThanOrEqual(5)
    await log.close()
  })

  describe.each(['own', 'foreign'] as const)('seen by an %s reader', (kind) => {
    /** A log of segments of 8 records each, of which two and what is begun are kept, and a reader that has got one record. */
    async function begun(retentionBytes = 2000) {
      const log = await openLog(temporaryFolder(), { durability: 'os' })
      await log.createTopic('t', { partitions: 1, segmentBytes: 1000, retentionBytes })
      const producer = await log.producer()
      const send = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) await producer.send('t', [{ value: 'x'.repeat(90) }])
      }
      await send(1)
      const source = logSource({
        ...(kind === 'own' ? { log } : { folder: log.folder }),
        topics: 't',
      })
      // Room for one record in each read, as of a stream that is slow.
      const reader = await source.open({ ...openOptions(), bufferBytes: 100 })
      const { signal } = new AbortController()
      const offsets: number[] = []
      const read = async (): Promise<void> => {
        for (const chunk of await reader.read({ waitMs: 0, signal })) offsets.push(...chunk.offsets)
      }
      await read()
      expect(offsets).toEqual([0])
      const close = async (): Promise<void> => {
        await reader.close()
        await log.close()
      }
      return { log, folder: `${log.folder}/t/0`, producer, send, read, offsets, close }
    }

    it('takes away no record of a segment that it has open, while the next one is there', async () => {
      const { folder, send, read, offsets, close } = await begun()
      let sent = 1
      for (; segments(folder)[0]?.startsWith('0'.repeat(20)) === true; sent++) await send(1)
      while (offsets.length < sent) await read()
      expect(offsets).toEqual(Array.from({ length: sent }, (_, i) => i))
      expect(readdirSync(folder).filter((name) => name.endsWith('.gone'))).toHaveLength(1)
      await close()
    })

    it('stops it where the one after that has gone, too, at the first record that is not there', async () => {
      const { folder, send, read, close } = await begun()
      await send(60)
      await rejectionOf(
        'OFFSET_OUT_OF_RANGE',
        (async () => {
          for (let i = 0; i < 60; i++) await read()
        })(),
      )
      expect(readdirSync(folder).filter((name) => name.endsWith('.gone'))).toHaveLength(1)
      await close()
    })

    it('keeps as much as it is told to: no record goes with the send that it came with', async () => {
      // Less than a segment.
      const { producer, read, offsets, close } = await begun(500)
      let sent = 1
      for (let i = 0; i < 30; i++, sent += 5) {
        await producer.send(
          't',
          Array.from({ length: 5 }, () => ({ value: 'x'.repeat(90) })),
        )
        while (offsets.length < sent + 5) await read()
      }
      expect(offsets).toEqual(Array.from({ length: sent }, (_, n) => n))
      await close()
    })
  })
})
