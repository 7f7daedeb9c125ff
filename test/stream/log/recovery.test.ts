/** What a crash or a disk has done to segment files: a torn tail is cut off, other damage is never skipped. */
import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { openLog } from '../../../src/stream/sources/log/embedded-log.ts'
import { logSource } from '../../../src/stream/sources/log/log-source.ts'
import { rejectionOf } from '../../support/expect-error.ts'
import { temporaryFolder } from '../../support/lakes.ts'
import { openOptions, valuesThere } from '../source-conformance.ts'

const FILE = '00000000000000000000.log'

/** A log of one partition whose records have values 0, 1 … of some bytes each. */
async function written(count: number, segmentBytes = 1_000_000): Promise<string> {
  const folder = temporaryFolder()
  const log = await openLog(folder, { durability: 'os' })
  await log.createTopic('t', { partitions: 1, segmentBytes })
  const producer = await log.producer()
  for (let i = 0; i < count; i++) await producer.send('t', [{ key: `k${i}`, value: `value ${i}` }])
  await log.close()
  return folder
}

/** Values from an offset on, to the end as another process sees it. */
async function valuesOf(folder: string, offset?: number): Promise<string[]> {
  const { Position } = await import('../../../src/stream/position.ts')
  const position =
    offset === undefined ? Position.EMPTY : Position.of([{ topic: 't', partition: 0, offset }])
  const reader = await logSource({ folder, topics: 't' }).open(openOptions({ position }))
  try {
    return await valuesThere(reader)
  } finally {
    await reader.close()
  }
}

async function append(folder: string, value: string): Promise<number | undefined> {
  const log = await openLog(folder, { durability: 'os' })
  const producer = await log.producer()
  try {
    return (await producer.send('t', [{ value }]))[0]?.offset
  } finally {
    await log.close()
  }
}

const values = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `value ${from + i}`)

describe('a torn tail', () => {
  it('of any length is not read, and is cut off by the next producer', async () => {
    const folder = await written(4)
    const path = `${folder}/t/0/${FILE}`
    const whole = readFileSync(path)
    const frame = whole.length / 4
    for (let left = 0; left < frame; left++) {
      writeFileSync(path, whole.subarray(0, 3 * frame + left))
      expect(await valuesOf(folder)).toEqual(values(0, 3))
      expect(await append(folder, 'next')).toBe(3)
      expect(await valuesOf(folder)).toEqual([...values(0, 3), 'next'])
    }
  })

  it('is cut off where any bit of the last record is another', async () => {
    const folder = await written(3)
    const path = `${folder}/t/0/${FILE}`
    const whole = readFileSync(path)
    const frame = whole.length / 3
    for (let byte = 2 * frame; byte < whole.length; byte++) {
      const damaged = Buffer.from(whole)
      damaged[byte] = (damaged[byte] as number) ^ (1 << (byte % 8))
      writeFileSync(path, damaged)
      expect(await valuesOf(folder)).toEqual(values(0, 2))
      expect(await append(folder, 'next')).toBe(2)
      expect(await valuesOf(folder)).toEqual([...values(0, 2), 'next'])
    }
  })

  it('of zeros, as a file system leaves them, is cut off', async () => {
    const folder = await written(3)
    appendFileSync(`${folder}/t/0/${FILE}`, new Uint8Array(5000))
    expect(await valuesOf(folder)).toEqual(values(0, 3))
    expect(await append(folder, 'next')).toBe(3)
    expect(await valuesOf(folder)).toEqual([...values(0, 3), 'next'])
  })
})

describe('damage', () => {
  it('that records follow is never skipped, whichever byte it is', async () => {
    const folder = await written(4)
    const path = `${folder}/t/0/${FILE}`
    const whole = readFileSync(path)
    const frame = whole.length / 4
    for (let byte = frame; byte < 2 * frame; byte++) {
      const damaged = Buffer.from(whole)
      damaged[byte] = (damaged[byte] as number) ^ (1 << (byte % 8))
      writeFileSync(path, damaged)
      const produced = await rejectionOf('CORRUPT_RECORDS', append(folder, 'next'))
      expect(produced.context).toMatchObject({ topic: 't', partition: 0, offset: 1 })
      expect(readFileSync(path).equals(damaged)).toBe(true)
      const error = await rejectionOf('CORRUPT_RECORDS', valuesOf(folder))
      expect(error.context).toMatchObject({ topic: 't', partition: 0, offset: 1, position: frame })
    }
  })

  it('in a segment that others follow is never skipped, also at its end', async () => {
    const folder = await written(40, 400)
    const files = readdirSync(`${folder}/t/0`).sort()
    expect(files.length).toBeGreaterThan(3)
    const second = Number((files[1] as string).slice(0, 20))
    const path = `${folder}/t/0/${files[0]}`
    truncateSync(path, readFileSync(path).length - 1)
    const error = await rejectionOf('CORRUPT_RECORDS', valuesOf(folder))
    expect(error.context).toMatchObject({ topic: 't', partition: 0, offset: second - 1 })
    // Behind it a stream can go on.
    expect(await valuesOf(folder, second)).toEqual(values(second, 40))
  })

  it('of a whole segment that is missing is never skipped', async () => {
    const folder = await written(40, 400)
    const { rmSync } = await import('node:fs')
    const files = readdirSync(`${folder}/t/0`).sort()
    rmSync(`${folder}/t/0/${files[1]}`)
    const second = Number((files[1] as string).slice(0, 20))
    const error = await rejectionOf('CORRUPT_RECORDS', valuesOf(folder))
    expect(error.context).toMatchObject({ offset: second })
  })
})

describe('a topic', () => {
  it('that was made anew gives nothing to a reader that waits for its first record', async () => {
    for (const looks of [0, 1]) {
      const folder = temporaryFolder()
      const log = await openLog(folder, { durability: 'os' })
      await log.createTopic('t', { partitions: 1 })
      const sources = [logSource({ folder, topics: 't' }), logSource({ log, topics: 't' })]
      const readers = await Promise.all(sources.map((source) => source.open(openOptions())))
      for (const reader of readers) if (looks > 0) expect(await valuesThere(reader)).toEqual([])
      await log.deleteTopic('t')
      await log.createTopic('t', { partitions: 1 })
      const producer = await log.producer()
      await producer.send('t', [{ value: 'of another topic' }])
      for (const reader of readers) {
        const { signal } = new AbortController()
        await rejectionOf('OFFSET_OUT_OF_RANGE', reader.read({ waitMs: 0, signal }))
        await reader.close()
      }
      await log.close()
    }
  })

  it('of a newer format is refused, and one without a format is damaged', async () => {
    const folder = await written(2)
    const path = `${folder}/t/topic.json`
    const topic = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    writeFileSync(path, JSON.stringify({ ...topic, 'format-version': 2 }))
    const context = { topic: 't', file: path }
    const newer = await rejectionOf('FORMAT_VERSION', valuesOf(folder))
    expect(newer.context).toEqual(context)
    await rejectionOf('FORMAT_VERSION', append(folder, 'x'))
    for (const version of [undefined, 0, -3]) {
      writeFileSync(path, JSON.stringify({ ...topic, 'format-version': version }))
      const damaged = await rejectionOf('CORRUPT_RECORDS', valuesOf(folder))
      expect(damaged.context).toEqual(context)
    }
    writeFileSync(path, JSON.stringify(topic))
    expect(await valuesOf(folder)).toEqual(values(0, 2))
  })
})
