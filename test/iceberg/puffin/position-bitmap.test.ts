import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { PositionBitmap } from '../../../src/iceberg/puffin/position-bitmap.ts'
import { decodeRoaring, encodeRoaring } from '../../../src/iceberg/puffin/roaring-codec.ts'

const source = { file: 'test.puffin', limits: DEFAULT_LIMITS }

/** Positions in runs, dense and sparse, near container and key borders. */
const positions = fc
  .array(
    fc.record({
      start: fc.oneof(
        fc.nat(70_000),
        fc.nat(1 << 20),
        fc.constantFrom(65_535, 65_536, 131_071, 2 ** 32 - 3, 2 ** 32, 2 ** 40),
      ),
      length: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 9000 })),
      step: fc.constantFrom(1, 1, 2, 3, 17),
    }),
    { maxLength: 6 },
  )
  .map((runs) => {
    const set = new Set<number>()
    for (const { start, length, step } of runs) {
      for (let i = 0; i < length; i++) set.add(start + i * step)
    }
    return set
  })

const sorted = (set: Iterable<number>): number[] => [...set].sort((a, b) => a - b)

describe('position bitmaps', () => {
  it('hold what was put into them, and give the same after a round trip (item 88)', () => {
    fc.assert(
      fc.property(positions, (set) => {
        const bitmap = PositionBitmap.of([...set])
        expect(bitmap.cardinality).toBe(set.size)
        expect([...bitmap.positions()]).toEqual(sorted(set))
        expect(bitmap.last).toBe(sorted(set).at(-1) ?? -1)
        const again = decodeRoaring(encodeRoaring(bitmap), source)
        expect(again.toArray()).toEqual(bitmap.toArray())
        expect(again.equals(bitmap)).toBe(true)
        for (const probe of [0, 5, 65_535, 65_536, 2 ** 32]) {
          expect(again.has(probe)).toBe(set.has(probe))
        }
      }),
      { numRuns: 60 },
    )
  })

  it('unite, intersect and count as sets do', () => {
    fc.assert(
      fc.property(positions, positions, (a, b) => {
        const left = PositionBitmap.of(sorted(a))
        const right = PositionBitmap.of(sorted(b))
        const union = left.union(right)
        expect(union.toArray()).toEqual(Float64Array.from(sorted(new Set([...a, ...b]))))
        expect(left.intersects(right)).toBe([...a].some((p) => b.has(p)))
        expect(left.isSubsetOf(right)).toBe([...a].every((p) => b.has(p)))
        expect(left.countWithin(1000, 70_000)).toBe(
          [...a].filter((p) => p >= 1000 && p < 70_000).length,
        )
        expect(left.toArray()).toEqual(Float64Array.from(sorted(a)))
      }),
      { numRuns: 60 },
    )
  })

  it('tell which rows of a batch are left', () => {
    fc.assert(
      fc.property(
        positions,
        fc.nat(140_000),
        fc.integer({ min: 1, max: 70_000 }),
        (set, first, count) => {
          const bitmap = PositionBitmap.of([...set])
          const all = Array.from({ length: count }, (_, i) => i)
          const left = bitmap.rowsOutside(first, count)
          const expected = all.filter((i) => !set.has(first + i))
          expect(left === 'all' ? all : [...left]).toEqual(expected)
          const some = Uint32Array.from(all.filter((i) => i % 3 === 0))
          const fewer = bitmap.rowsOutside(first, count, some)
          expect([...(fewer as Uint32Array)]).toEqual(expected.filter((i) => i % 3 === 0))
        },
      ),
      { numRuns: 60 },
    )
  })
})
