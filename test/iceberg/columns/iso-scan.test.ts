import fc from 'fast-check'
import { expect, it } from 'vitest'
import { scanIsoTimestamp } from '../../../src/iceberg/columns/iso-scan.ts'
import { parseTimestamp } from '../../../src/iceberg/spec/temporal.ts'

function scan(text: string): bigint | undefined {
  const out = { seconds: 0, nanos: 0, zoned: false }
  if (!scanIsoTimestamp(text, out)) return undefined
  return BigInt(out.seconds) * 1_000_000_000n + BigInt(out.nanos)
}

const two = (max: number): fc.Arbitrary<string> =>
  fc.integer({ min: 0, max }).map((n) => String(n).padStart(2, '0'))

const timestamp = fc
  .tuple(
    fc.integer({ min: 0, max: 9999 }).map((n) => String(n).padStart(4, '0')),
    two(13),
    two(32),
    fc.constantFrom('T', ' ', 't'),
    two(25),
    two(61),
    two(61),
    fc.oneof(fc.constant(''), fc.stringMatching(/^\.\d{0,10}$/)),
    fc.constantFrom('', 'Z', 'z', '+05:45', '-18:00', '+19:00', '+0530', '-00:60', '+5:00', 'ZZ'),
  )
  .map(([y, mo, d, t, h, mi, s, f, z]) => `${y}-${mo}-${d}${t}${h}:${mi}:${s}${f}${z}`)

it('reads what the definition of timestamps reads, and nothing that it refuses', () => {
  fc.assert(
    fc.property(timestamp, (text) => {
      const fast = scan(text)
      const zoned = /(Z|[+-]\d\d:\d\d)$/.test(text)
      if (fast !== undefined) expect(fast).toBe(parseTimestamp(text, zoned, 1_000_000_000n))
    }),
    { numRuns: 3000 },
  )
})

it('reads the common forms itself', () => {
  for (const text of [
    '2026-01-31T23:59:59Z',
    '2024-02-29 00:00:00.1',
    '1969-12-31T23:59:59.999999999+00:00',
    '0000-01-01T00:00:00-12:30',
    new Date(0).toISOString(),
  ]) {
    expect(scan(text)).toBeDefined()
  }
})

it('survives any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      expect(scan(text)).toBeUndefined()
    }),
  )
})
