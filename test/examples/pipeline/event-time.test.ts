/** Times of events against Date. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { microsOfIso, microsOfMillis } from '../../../examples/pipeline/event-time.ts'

const END_MS = Date.UTC(2200, 0, 1)

function micros(text: string): number {
  const bytes = Buffer.from(`<<${text}99`)
  return microsOfIso(bytes, 2, bytes.length - 2)
}

it('reads every time that Date writes, from 1970 to 2199', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: END_MS - 1 }), (ms) => {
      expect(micros(new Date(ms).toISOString())).toBe(ms * 1000)
      expect(microsOfMillis(ms)).toBe(ms * 1000)
    }),
  )
})

it.each([
  ['2026-01-02T03:04:05Z', Date.UTC(2026, 0, 2, 3, 4, 5) * 1000],
  ['2026-01-02T03:04:05.123456789Z', Date.UTC(2026, 0, 2, 3, 4, 5, 123) * 1000 + 456],
  ['2026-01-02T03:04:05.5+02:30', Date.UTC(2026, 0, 2, 0, 34, 5, 500) * 1000],
  ['2024-02-29T00:00:00-01:00', Date.UTC(2024, 1, 29, 1) * 1000],
])('reads %s', (text, expected) => {
  expect(micros(text)).toBe(expected)
})

it.each([
  '2026-01-02T03:04:05',
  '2026-02-29T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-01-02T24:00:00Z',
  '2026-01-02T03:04:05.Z',
  '2026-01-02T03:04:05.1234567890Z',
  '2026-01-02T03:04:05Zx',
  '2026-01-02 03:04:05Z',
  '2026-01-02T03:04:05+0200',
  '1969-12-31T23:59:59Z',
  '2200-01-01T00:00:00Z',
  'yesterday',
  '',
])('refuses %j', (text) => {
  expect(micros(text)).toBeNaN()
})

it('refuses milliseconds that are none', () => {
  for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY, END_MS, 1_767_225_600_000_000]) {
    expect(microsOfMillis(ms)).toBeNaN()
  }
})
