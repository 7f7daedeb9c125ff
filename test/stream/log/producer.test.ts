/** Group commit, partitions, limits, the lock, and retention of the embedded log. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { openLog } from '../../../src/stream/sources/log/embedded-log.ts'
import { logSource } from '../../../src/stream/sources/log/log-source.ts'
import { partitionOfKey } from '../../../src/stream/sources/log/partition-of-key.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { temporaryFolder } from '../../support/lakes.ts'
import { openOptions, take } from '../source-conformance.ts'
import { segments } from './segment-files.ts'

it('a log refuses a place where a file is, or below one', async () => {
  const file = `${temporaryFolder()}/file`
  writeFileSync(file, '')
  for (const place of [file, `${file}/x/y`]) {
    const error = await rejectionOf('BAD_LOCATION', openLog(place))
    expect(error.retryable).toBe(false)
    expect(error.message).toContain(`but ${file} is a file`)
  }
})

describe('a producer', () => {
  it('syncs once for the sends that arrive while a sync is under way', async () => {
    const log = await openLog(temporaryFolder())
    await log.createTopic('t', { partitions: 1 })
    const producer = await log.producer()
    const lane = async (): Promise<number[]> => {
      const offsets: number[] = []
      for (let i = 0; i < 20; i++) {
        const sent = await producer.send('t', [{ value: `${i}` }])
        offsets.push(sent[0]?.offset as number)
      }
      return offsets
    }
    const offsets = (await Promise.all(Array.from({ length: 50 }, lane))).flat()
    expect(offsets.sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i))
    const { sends, syncs, records } = producer.counts
    expect([sends, records]).toEqual([1000, 1000])
    expect(syncs).toBeLessThan(100)
    await log.close()
  })

  it('puts keys where Kafka puts them, and records without a key everywhere by turns', async () => {
    const log = await openLog(temporaryFolder(), { durability: 'os' })
    await log.createTopic('t', { partitions: 7 })
    const producer = await log.producer()
    const keys = Array.from({ length: 100 }, (_, i) => `schlüssel-${i}`)
    const sent = await producer.send(
      't',
      keys.map((key) => ({ key, value: '' })),
    )
    expect(sent.map(({ partition }) => partition)).toEqual(
      keys.map((key) => partitionOfKey(Buffer.from(key), 7)),
    )
    const turns = await producer.send(
      't',
      Array.from({ length: 14 }, () => ({ value: 'x' })),
    )
    expect(turns.map(({ partition }) => partition)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6,
    ])
    await log.close()
  })

  it('keeps the order of sends, also of those before the topic was opened', async () => {
    const log = await openLog(temporaryFolder(), { durability: 'os' })
    await log.createTopic('t', { partitions: 1 })
    const producer = await log.producer()
    const sends = Array.from({ length: 200 }, (_, i) => producer.send('t', [{ value: `${i}` }]))
    const sent = await Promise.all(sends)
    expect(sent.map(([one]) => one?.offset)).toEqual(Array.from({ length: 200 }, (_, i) => i))
    await log.close()
  })

  it('refuses what it cannot append, and appends nothing of it', async () => {
    const log = await openLog(temporaryFolder(), { durability: 'os' })
    await log.createTopic('t', { partitions: 2 })
    const producer = await log.producer({ maxRecordBytes: 10 })
    const good = { value: '0123456789', partition: 0 }
    await producer.send('t', [good])
    await rejectionOf('RECORD_TOO_LARGE', producer.send('t', [good, { value: '0123456789a' }]))
    await rejectionOf('RECORD_TOO_LARGE', producer.send('t', [{ key: 'äöüäöü', value: null }]))
    await rejectionOf('BAD_ARGUMENT', producer.send('t', [good, { value: '', partition: 2 }]))
    await rejectionOf('BAD_ARGUMENT', producer.send('t', [{ value: 5 as never }]))
    await rejectionOf('BAD_ARGUMENT', producer.send('t', [{ value: '', timestampMs: Number.NaN }]))
    await rejectionOf('NO_SUCH_TOPIC', producer.send('other', [good]))
    expect((await producer.send('t', [good]))[0]).toEqual({ partition: 0, offset: 1 })
    await log.close()
    await rejectionOf('HANDLE_CLOSED', producer.send('t', [good]))
    await rejectionOf('HANDLE_CLOSED', log.producer())
  })

  it('does not take topics of bad names or options, nor one that exists', async () => {
    const log = await openLog(temporaryFolder(), { durability: 'os' })
    for (const name of ['', '.', '..', '.lock', 'a/b', 'ü', 'x'.repeat(250)]) {
      await rejectionOf('BAD_NAME', log.createTopic(name, { partitions: 1 }))
    }
    await rejectionOf('BAD_ARGUMENT', log.createTopic('t', { partitions: 0 }))
    await rejectionOf('BAD_ARGUMENT', log.createTopic('t', { partitions: 1, retentionMs: -1 }))
    const topic = await log.createTopic('t', { partitions: 3, retentionBytes: 5 })
    await rejectionOf('BAD_ARGUMENT', log.createTopic('t', { partitions: 3 }))
    expect(await log.topics()).toEqual([topic])
    expect(readdirSync(log.folder)).toEqual(['t'])
  })

  it('wakes a reader of its process, which gives no record before its sync', async () => {
    const log = await openLog(temporaryFolder())
    await log.createTopic('t', { partitions: 1 })
    const producer = await log.producer()
    await producer.send('t', [{ value: 'first' }])
    const reader = await logSource({ log, topics: 't' }).open(openOptions())
    let acknowledged = 0
    const reading = (async () => {
      for (let seen = 0; seen < 100; ) {
        const waitMs = 60_000
        const chunks = await reader.read({ waitMs, signal: new AbortController().signal })
        for (const chunk of chunks) seen = chunk.end
        const [limit] = [log.limit('t', (await log.topics())[0]?.uuid ?? '', 0) as number]
        expect(seen).toBeLessThanOrEqual(limit)
      }
    })()
    for (let i = 1; i < 100; i++) {
      await producer.send('t', [{ value: `${i}` }])
      acknowledged = i
    }
    await reading
    expect(acknowledged).toBe(99)
    await reader.close()
    await log.close()
  })
})

describe('the lock', () => {
  it('lets one producer be, and names its process', async () => {
    const folder = temporaryFolder()
    const [log, other] = [await openLog(folder), await openLog(folder)]
    const producer = await log.producer()
    for (const each of [log, other]) {
      const error = await rejectionOf('LOG_LOCKED', each.producer())
      expect(error.context['pid']).toBe(process.pid)
      expect(error.message).toContain(`${process.pid}`)
    }
    await log.createTopic('t', { partitions: 1 })
    await rejectionOf('LOG_LOCKED', other.deleteTopic('t'))
    await producer.close()
    await (await other.producer()).close()
    await other.deleteTopic('t')
    await (await log.producer()).close()
    expect(readdirSync(`${folder}/.lock`)).toHaveLength(1)
  })

  it('of a process that is gone, or whose id another process has now, is taken over', async () => {
    const folder = temporaryFolder()
    const log = await openLog(folder)
    await (await log.producer()).close()
    const [name] = readdirSync(`${folder}/.lock`)
    for (const text of ['4194999 77', `${process.pid} 1`, '']) {
      const file = readdirSync(`${folder}/.lock`)[0] ?? name
      writeFileSync(`${folder}/.lock/${file}`, text)
      await (await log.producer()).close()
    }
  })

  it('is had by one of many that take it over at the same time', async () => {
    const folder = temporaryFolder()
    const log = await openLog(folder)
    await (await log.producer()).close()
    for (let round = 0; round < 20; round++) {
      writeFileSync(`${folder}/.lock/${readdirSync(`${folder}/.lock`)[0]}`, '4194999 77')
      const logs = await Promise.all(Array.from({ length: 8 }, () => openLog(folder)))
      const taken = await Promise.allSettled(logs.map((each) => each.producer()))
      const owners = taken.filter(({ status }) => status === 'fulfilled')
      expect(owners).toHaveLength(1)
      for (const each of logs) await each.close()
    }
  })
})

describe('retention', () => {
  it('by bytes removes oldest segments when a new one is begun', async () => {
    const log = await openLog(temporaryFolder(), { durability: 'os' })
    await log.createTopic('t', { partitions: 1, segmentBytes: 1000, retentionBytes: 3000 })
    const producer = await log.producer()
    for (let i = 0; i < 100; i++) await producer.send('t', [{ value: 'x'.repeat(100) }])
    const files = segments(`${log.folder}/t/0`)
    expect(files.length).toBeLessThanOrEqual(5)
    const earliest = Number((files[0] as string).slice(0, 20))
    expect(earliest).toBeGreaterThan(50)
    const reader = await logSource({ log, topics: 't' }).open(openOptions())
    expect((await take(reader, 100 - earliest))[0]?.offset).toBe(earliest)
    await reader.close()
    await log.close()
  })

  it('by age keeps the segment that is appended to', async () => {
    let agedMs = 0
    const runtime = { ...systemRuntime, now: () => systemRuntime.now() + agedMs }
    const log = await openLog(temporaryFolder(), { durability: 'os', runtime })
    await log.createTopic('t', { partitions: 1, segmentBytes: 1000, retentionMs: 60_000 })
    const producer = await log.producer()
    for (let i = 0; i < 50; i++) await producer.send('t', [{ value: 'x'.repeat(100) }])
    const before = segments(`${log.folder}/t/0`).length
    expect(await log.enforceRetention()).toBe(0)
    agedMs = 120_000
    expect(await log.enforceRetention()).toBe(before - 1)
    const [last] = segments(`${log.folder}/t/0`)
    expect(segments(`${log.folder}/t/0`)).toHaveLength(1)
    expect(existsSync(`${log.folder}/t/0/${last}`)).toBe(true)
    expect((await producer.send('t', [{ value: 'next' }]))[0]?.offset).toBe(50)
    await log.close()
  })
})
