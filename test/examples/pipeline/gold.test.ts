/** Gold: the fold by definition, and that cuts into batches leave no trace. */
import { describe, expect, it } from 'vitest'
import { bronzeBatches } from '../../../examples/pipeline/bronze.ts'
import type { SinkRecord } from '../../../examples/pipeline/event-sink.ts'
import { exp2 } from '../../../examples/pipeline/exp2.ts'
import { EventGenerator } from '../../../examples/pipeline/generator.ts'
import {
  foldEvents,
  GOLD,
  GOLD_SCHEMA,
  goldBatch,
  VIRALITY,
  type VideoState,
  videoState,
} from '../../../examples/pipeline/gold.ts'
import { type RecordChunk, sliceChunk } from '../../../src/stream/record-chunk.ts'
import { seededRandom } from '../../../src/testing/index.ts'
import { memoryLake } from '../../support/lakes.ts'
import { chunkOf, partitioned } from './chunks.ts'

const NOW = Date.UTC(2026, 0, 15, 12)
const HOUR = 3_600_000

function event(video: string, type: string, timeMs: number, extra: object = {}): SinkRecord {
  const text = JSON.stringify({ video_id: video, event_type: type, event_time: timeMs, ...extra })
  return { key: Buffer.from(video), value: Buffer.from(text), timestampMs: NOW }
}

/** Folds batches of chunks one after the other, as the job does: states are replaced, not changed. */
function fold(batches: readonly (readonly RecordChunk[])[]): Map<string, VideoState> {
  const states = new Map<string, VideoState>()
  for (const chunks of batches) {
    const before = structuredClone(states)
    const changed = new Map<string, VideoState>()
    foldEvents(
      {
        get: (id) => changed.get(id) ?? states.get(id),
        set: (id, state) => changed.set(id, state),
      },
      bronzeBatches({ chunks }),
    )
    expect(states).toEqual(before)
    for (const [id, state] of changed) states.set(id, state)
  }
  return states
}

const foldOf = (records: readonly SinkRecord[]): Map<string, VideoState> =>
  fold([[chunkOf(records, 2, 10)]])

describe('foldEvents', () => {
  it('counts by type, and halves what is a half-life old', () => {
    const { scoreHalfLifeMs: half, weights } = VIRALITY
    const [view, like, share] = weights as [number, number, number]
    const state = foldOf([
      event('v', 'view', NOW - half),
      event('v', 'like', NOW),
      // Late: it has faded already.
      event('v', 'share', NOW - 2 * half),
    ]).get('v')
    expect(state).toMatchObject({
      counts: [1, 1, 1, 0, 0],
      score: view / 2 + like + share / 4,
      firstMicros: (NOW - 2 * half) * 1000,
      lastMicros: NOW * 1000,
      partition: 2,
      offset: 12,
    })
    expect(state?.velocity).toBeCloseTo(like, 10)
  })

  it('follows the definition for random events', () => {
    const seed = 3
    const random = seededRandom(seed)
    const events = Array.from({ length: 500 }, () => {
      const type = Math.floor(random() * 5)
      return { type, timeMs: NOW - Math.floor(random() ** 3 * 40 * HOUR) }
    })
    const names = ['view', 'like', 'share', 'comment', 'completion']
    const state = foldOf(events.map((e) => event('v', names[e.type] as string, e.timeMs))).get('v')
    const last = Math.max(...events.map(({ timeMs }) => timeMs))
    const sum = (half: number): number =>
      events.reduce(
        (total, { type, timeMs }) =>
          total + (VIRALITY.weights[type] as number) * 2 ** ((timeMs - last) / half),
        0,
      )
    const { scoreHalfLifeMs, velocityHalfLifeMs } = VIRALITY
    expect(Math.abs((state?.score as number) / sum(scoreHalfLifeMs) - 1)).toBeLessThan(1e-12)
    expect(Math.abs((state?.velocity as number) / sum(velocityHalfLifeMs) - 1)).toBeLessThan(1e-12)
  })

  it('passes over, and counts, what it cannot place', () => {
    const states = new Map<string, VideoState>()
    const records = [
      event('v', 'view', NOW),
      event('v', 'seen', NOW),
      event('v', 'view', NOW + VIRALITY.mostAheadMs + 1),
      event('v', 'view', NOW, { event_time: 'yesterday' }),
      event('v', 'view', NOW, { event_type: 1 }),
      event('v', 'view', NOW, { video_id: null }),
      { ...event('v', 'view', NOW), key: null },
      { ...event('v', 'view', NOW), key: Buffer.from('w') },
      { ...event('v', 'view', NOW), value: null },
      event('v', 'view', NOW + VIRALITY.mostAheadMs),
      // Nothing says whether this one is from the future.
      { ...event('v', 'view', NOW), timestampMs: NOW * 1_000_000 },
    ]
    const counts = foldEvents(states, bronzeBatches({ chunks: [chunkOf(records)] }))
    expect(counts).toEqual({ folded: 2, ignored: 8, ahead: 1 })
    expect([...states.keys()]).toEqual(['v'])
    expect(states.get('v')).toMatchObject({ counts: [2, 0, 0, 0, 0], offset: 9 })
  })

  it('gives the same bits however the records are cut into batches', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = seededRandom(seed)
      const generator = new EventGenerator({
        seed,
        videos: 40,
        lateShare: 0.2,
        malformedShare: 0.1,
      })
      const records = [0, 1, 2, 3].flatMap((i) => generator.take(500, NOW + i * 700))
      const partitions = partitioned(records, 3).map((list, p) => chunkOf(list, p, p * 5))
      const whole = fold([partitions])
      for (let round = 0; round < 4; round++) {
        const at = partitions.map(() => 0)
        const batches: RecordChunk[][] = []
        while (at.some((from, p) => from < (partitions[p] as RecordChunk).count)) {
          batches.push(
            partitions.flatMap((chunk, p) => {
              const from = at[p] as number
              const to = Math.min(chunk.count, from + Math.floor(random() * 200))
              at[p] = to
              return to > from ? [sliceChunk(chunk, from, to)] : []
            }),
          )
        }
        const sorted = (states: Map<string, VideoState>) => [...states].sort()
        expect(sorted(fold(batches)), `seed ${seed}`).toEqual(sorted(whole))
      }
    }
  })

  it('comes back from the table bit by bit', async () => {
    const records = new EventGenerator({ seed: 5, videos: 30 }).take(2000, NOW)
    const states = foldOf(records)
    const lake = await memoryLake()
    const table = await lake.createTable(GOLD, GOLD_SCHEMA, { formatVersion: 3 })
    await table.upsert(goldBatch(states))
    const rows = await (await lake.table(GOLD)).scan().toArray()
    expect(new Map(rows.map((row) => [row['video_id'], videoState(row)]))).toEqual(states)
  })
})

it('exp2 is within a few units of the last place, and exact for whole numbers', () => {
  for (let i = 0; i <= 1022; i++) expect(exp2(-i)).toBe(2 ** -i)
  const random = seededRandom(11)
  for (let i = 0; i < 20_000; i++) {
    const x = -random() * (i % 2 === 0 ? 1 : 1000)
    expect(Math.abs(exp2(x) / 2 ** x - 1)).toBeLessThan(1e-15)
  }
  expect(exp2(-0)).toBe(1)
  expect(exp2(-5000.5)).toBe(0)
})
