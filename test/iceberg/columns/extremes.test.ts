/** Extremes of byte strings against those found by sorting, above all where values begin alike. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesExtremes } from '../../../src/iceberg/columns/extremes.ts'

/** Values of few letters, many of them behind one of two beginnings that are longer than what bounds keep. */
const text = fc
  .tuple(
    fc.constantFrom('', 'a', '{"event_id":"01', `{"event_id":"${'0'.repeat(60)}`, 'é'.repeat(17)),
    fc.string({ unit: fc.constantFrom('a', 'b', '\0', 'é', '\u{1f600}'), maxLength: 24 }),
  )
  .map(([start, end]) => start + end)

describe('extremes of byte strings', () => {
  it('are the first and the last in order, as far as they are kept', () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(text, { nil: undefined }), { maxLength: 20 }),
        fc.constantFrom(1, 3, 17, Number.POSITIVE_INFINITY),
        fc.boolean(),
        (values, keep, utf8) => {
          const cut = (value: string): Buffer =>
            utf8
              ? Buffer.from(Array.from(value).slice(0, keep).join(''))
              : Buffer.from(value).subarray(0, keep)
          const kept = values
            .filter((v) => v !== undefined)
            .map(cut)
            .sort(Buffer.compare)
          const bits = new Uint8Array(Math.ceil(values.length / 8))
          const offsets = new Int32Array(values.length + 1)
          values.forEach((value, i) => {
            if (value !== undefined) bits[i >>> 3] = (bits[i >>> 3] ?? 0) | (1 << (i & 7))
            offsets[i + 1] = (offsets[i] ?? 0) + Buffer.byteLength(value ?? '')
          })
          const bytes = new Uint8Array(Buffer.from(values.map((v) => v ?? '').join('')))
          const found = bytesExtremes(bytes, offsets, { bits, offset: 0 }, { keep, utf8 })
          expect(
            found && [found.lower, found.upper].map((b) => Buffer.from(b as Uint8Array)),
          ).toEqual(kept.length === 0 ? undefined : [kept[0], kept.at(-1)])
        },
      ),
      { numRuns: 2000 },
    )
  })
})
