/** The feed of bench:sla: the latency of an event counts from when it was due, and a rate that was not held is told. */
import { expect, it } from 'vitest'
import { fedText, heldRate, pacedFeed } from '../../bench/paced-feed.ts'
import type { SinkRecord } from '../../examples/pipeline/event-sink.ts'

/** A feed on a clock of its own, into a sink that takes so long for its nth portion. */
async function fed(rate: number, seconds: number, sendMs: (portion: number) => number) {
  const startMs = 1_800_000_000_000
  let nowMs = startMs
  let portions = 0
  const timesMs: number[] = []
  const latenciesMs: number[] = []
  const result = await pacedFeed({
    rate,
    seconds,
    lateMs: 10_000,
    generator: {
      take: (count, timestampMs) =>
        Array.from({ length: count }, () => ({ key: null, value: null, timestampMs })),
    },
    sink: {
      send: async (records: readonly SinkRecord[]) => {
        nowMs += sendMs(++portions)
        for (const { timestampMs } of records) {
          timesMs.push(timestampMs - startMs)
          latenciesMs.push(nowMs - timestampMs)
        }
      },
    },
    clock: {
      nowMs: () => nowMs,
      sleep: async (ms) => {
        nowMs += ms
      },
    },
  })
  const longestMs = latenciesMs.reduce((a, b) => Math.max(a, b), 0)
  return { result, timesMs, latenciesMs, longestMs, tookMs: nowMs - startMs }
}

it('gives each event the time at which it is due, not that of its portion', async () => {
  const { timesMs } = await fed(1000, 2, () => 5)
  expect(timesMs).toEqual(Array.from({ length: 2000 }, (_, i) => i))
})

it('sends all that was due in a stall, and the stall is in their latencies', async () => {
  const { result, latenciesMs, longestMs } = await fed(10_000, 6, (portion) =>
    portion === 10 ? 3000 : 5,
  )
  expect(result).toMatchObject({ asked: 60_000, sent: 60_000, sentInTime: 60_000 })
  // Events of 3 s waited; half of them for longer than half of the stall, which is more than a second's worth.
  expect(latenciesMs.filter((ms) => ms > 1500).length).toBeGreaterThan(14_000)
  expect(longestMs).toBeGreaterThanOrEqual(3000)
  expect(result.latestMs).toBe(longestMs)
  expect(heldRate(result)).toBe(true)
  expect(fedText(result)).toMatch(
    /^sent 60,000 of 60,000 events asked for in 6\.\d s, the latest 3\.\d\d s after/,
  )
})

it('says MISSED where the sink takes less than the rate, and has the wait in the latencies', async () => {
  // 5000 events in each 600 ms at most, of 10,000 a second.
  const { result, longestMs } = await fed(10_000, 30, () => 600)
  expect(result.sent).toBe(300_000)
  expect(result.sentInTime).toBeLessThan(270_000)
  expect(longestMs).toBeGreaterThan(5000)
  expect(heldRate(result)).toBe(false)
  expect(fedText(result)).toContain('MISSED: the rate was not held')
})

it('gives up some time after the end, and says how much was not sent', async () => {
  const { result, tookMs } = await fed(10_000, 5, () => 10_000)
  expect(result.sent).toBeLessThan(50_000)
  expect(tookMs).toBeLessThanOrEqual(5000 + 10_000 + 10_000)
  expect(fedText(result)).toMatch(/sent 5,001 of 50,000 [\s\S]*MISSED/)
})

it.each([0.1, 0.4, 7, 20_000])('sends as many as asked for at %s events a second', async (rate) => {
  const { result, timesMs } = await fed(rate, 10, () => 1)
  expect(result.sent).toBe(Math.max(1, rate * 10))
  expect(timesMs).toHaveLength(result.sent)
  expect(timesMs.at(-1)).toBeLessThanOrEqual(10_000)
  expect(heldRate(result)).toBe(true)
})
