/** The generator: the same bytes for a seed, and all kinds of events in the shares that were asked for. */
import { expect, it } from 'vitest'
import { EventGenerator, type GeneratorOptions } from '../../../examples/pipeline/generator.ts'
import { sha256Hex } from '../../../src/core/digest.ts'

const NOW = Date.UTC(2026, 0, 15, 12)

function digest(options: Partial<GeneratorOptions>, parts: readonly number[]): string {
  const generator = new EventGenerator(options)
  let text = ''
  for (const part of parts) {
    for (const { key, value, timestampMs } of generator.take(part, NOW)) {
      const bytes = (b: Uint8Array | null): string =>
        b === null ? '-' : Buffer.from(b).toString('hex')
      text += `${bytes(key)} ${bytes(value)} ${timestampMs}\n`
    }
  }
  return sha256Hex(text)
}

it('gives the same bytes for a seed, in whatever portions they are taken', () => {
  expect(digest({ seed: 4 }, [3000])).toBe(digest({ seed: 4 }, [1, 999, 2000]))
  expect(digest({ seed: 4 }, [3000])).not.toBe(digest({ seed: 5 }, [3000]))
})

it('gives the same events at other times, but for the times and which videos are viral', () => {
  const events = (stepMs: number): string[] => {
    const generator = new EventGenerator({ seed: 4, viralEveryMs: 100, viralForMs: 150 })
    return Array.from({ length: 2000 }, (_, i) => {
      const [record] = generator.take(1, NOW + Math.floor(i * stepMs))
      // The parts that are cut off or broken are where the lengths say.
      return Buffer.from(record?.value ?? '').toString()
    }).map((text) => /"event_id":"[^"]*","event_type":"[^"]*"/.exec(text)?.[0] ?? '')
  }
  const slow = events(1)
  const fast = events(0.1)
  expect(slow.filter((text) => text !== '').length).toBeGreaterThan(1900)
  expect(slow.filter((text, i) => text !== fast[i]).length).toBeLessThan(5)
})

it('keeps to the shares of late, repeated and broken events', () => {
  const generator = new EventGenerator({
    seed: 1,
    lateShare: 0.2,
    duplicateShare: 0.1,
    malformedShare: 0.05,
  })
  const records = generator.take(20_000, NOW)
  const { counts } = generator
  expect(counts.events).toBe(20_000)
  expect(counts.late / 20_000).toBeCloseTo(0.18, 1)
  expect(counts.duplicates / 20_000).toBeCloseTo(0.1, 2)
  expect(counts.malformed / 20_000).toBeCloseTo(0.05, 2)
  expect(counts.bytes).toBe(records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0))
  const seen = new Set<string>()
  let repeated = 0
  for (const { key, value } of records) {
    const text = `${Buffer.from(key ?? '').toString()} ${Buffer.from(value ?? '').toString('latin1')}`
    if (value !== null && seen.has(text)) repeated++
    seen.add(text)
  }
  expect(repeated).toBeGreaterThanOrEqual(counts.duplicates)
  expect(records.some(({ key }) => key === null)).toBe(true)
  expect(records.some(({ value }) => value === null)).toBe(true)
})

it('writes whole events whose key is their video, all well formed if none is to be broken', () => {
  const generator = new EventGenerator({ seed: 2, malformedShare: 0, eventsPerVersion: 1000 })
  const versions = new Set<unknown>()
  const watched = new Set<string>()
  for (const { key, value } of generator.take(6000, NOW)) {
    const event = JSON.parse(Buffer.from(value as Uint8Array).toString()) as Record<string, unknown>
    expect(Object.keys(event)).toEqual([
      'event_id',
      'event_type',
      'video_id',
      'user_id',
      'event_time',
      'schema_version',
      'payload',
    ])
    expect(event['event_id']).toMatch(
      /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
    )
    expect(event['video_id']).toBe(Buffer.from(key as Uint8Array).toString())
    const time = event['event_time'] as string | number
    expect(new Date(time).getTime()).toBeLessThanOrEqual(NOW)
    expect(new Date(time).getTime()).toBeGreaterThan(NOW - 4 * 86_400_000)
    versions.add(event['schema_version'])
    watched.add(typeof (event['payload'] as Record<string, unknown>)['watched'])
  }
  expect([...versions].sort()).toEqual([1, 2, 3, 4, 5])
  expect([...watched].sort()).toEqual(['number', 'object', 'string'])
})

it('has few popular videos, and some that go viral for a while', () => {
  const generator = new EventGenerator({
    seed: 3,
    viralEveryMs: 10_000,
    viralForMs: 5000,
    viralShare: 0.5,
  })
  const count = (nowMs: number): Map<string, number> => {
    const counts = new Map<string, number>()
    for (const { key } of generator.take(5000, nowMs)) {
      const id = Buffer.from(key ?? '').toString()
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    return counts
  }
  const calm = count(NOW)
  expect(generator.viral).toEqual([])
  const top = [...calm.values()].sort((a, b) => b - a)
  expect(top[0]).toBeGreaterThan(400)
  expect(calm.size).toBeGreaterThan(500)
  const wild = count(NOW + 3000)
  expect(generator.viral).toHaveLength(1)
  expect(wild.get(generator.viral[0] as string)).toBeGreaterThan(2000)
})
