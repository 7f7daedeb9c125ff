/** Batches are cut from what was read without a record lost, repeated or out of order, whatever the limits. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Backlog } from '../../src/stream/backlog.ts'
import { Position, rangesFromText, rangesToText } from '../../src/stream/position.ts'
import { bytesAt, type RecordChunk, RecordChunkBuilder } from '../../src/stream/record-chunk.ts'
import { errorOf } from '../support/expect-error.ts'

const all = { group: 'all', tables: 2, end: Number.POSITIVE_INFINITY }

/** Chunks of one partition that follow one another, with offsets that have no record. */
const partition = (number: number): fc.Arbitrary<RecordChunk[]> =>
  fc
    .array(
      fc.record({
        records: fc.array(fc.record({ gap: fc.nat(3), size: fc.nat(30) }), { maxLength: 8 }),
        tail: fc.nat(2),
      }),
      { maxLength: 5 },
    )
    .map((parts) => {
      let offset = 0
      return parts.map(({ records, tail }) => {
        const builder = new RecordChunkBuilder('t', number, offset)
        for (const { gap, size } of records) {
          offset += gap
          builder.append(offset, offset, null, Buffer.alloc(size, offset % 256))
          offset++
        }
        offset += tail
        return builder.finish(offset)
      })
    })

const placesOf = (chunks: readonly RecordChunk[]): string[] =>
  chunks.flatMap((c) =>
    Array.from(c.offsets, (offset, i) => {
      const value = bytesAt(c.values, i) as Uint8Array
      return `${c.partition}/${offset}/${value.length}/${value[0] ?? ''}`
    }),
  )

describe('batches cut from a backlog', () => {
  it('have every record once, in order, and cover every offset', () => {
    fc.assert(
      fc.property(
        partition(0),
        partition(1),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 90 }),
        fc.nat(20),
        (a, b, rows, bytes, cap) => {
          const backlog = new Backlog()
          backlog.add(a)
          backlog.add(b)
          const reach = (_t: string, p: number, offset: number) =>
            p === 0 && offset < cap ? { group: 'some', tables: 1, end: cap } : all
          const taken: RecordChunk[] = []
          for (let i = 0; ; i++) {
            const batch = backlog.take({ rows, bytes }, reach)
            if (batch === undefined) break
            expect(i).toBeLessThan(1000)
            const count = batch.chunks.reduce((n, c) => n + c.count, 0)
            expect(count).toBeLessThanOrEqual(rows)
            for (const c of batch.chunks) {
              if (c.partition === 0 && batch.group === 'some')
                expect(c.end).toBeLessThanOrEqual(cap)
              if (c.partition === 0 && batch.group === 'all') {
                expect(c.start).toBeGreaterThanOrEqual(Math.min(cap, a.at(-1)?.end ?? 0))
              }
            }
            taken.push(...batch.chunks)
          }
          expect([backlog.rows, backlog.bytes, backlog.memory]).toEqual([0, 0, 0])
          for (const [p, chunks] of [a, b].entries()) {
            const own = taken.filter((c) => c.partition === p)
            expect(placesOf(own)).toEqual(placesOf(chunks))
            let at = 0
            for (const c of own) {
              expect(c.start).toBe(at)
              at = c.end
            }
            expect(at).toBe(chunks.at(-1)?.end ?? 0)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('leave no partition waiting while another fills them', () => {
    const chunk = (number: number, start: number, count: number): RecordChunk => {
      const builder = new RecordChunkBuilder('t', number, start)
      for (let i = 0; i < count; i++) builder.append(start + i, 1, null, Buffer.alloc(1))
      return builder.finish(start + count)
    }
    const backlog = new Backlog()
    const limits = { rows: 10, bytes: 1000 }
    const taken: [number, number][] = []
    for (let i = 0; i < 5; i++) {
      backlog.add([chunk(0, i * 20, 20)])
      // Sent once, behind what is there.
      if (i === 0) backlog.add([chunk(1, 0, 1), chunk(2, 0, 12)])
      const batch = backlog.take(limits, () => all)
      const of = batch?.chunks.map(({ partition, count }): [number, number] => [partition, count])
      taken.push(...(of ?? []))
      const places = batch?.chunks.map(({ partition }) => partition) ?? []
      expect(places).toEqual([...places].sort())
    }
    const counts = [0, 1, 2].map((p) =>
      taken.reduce((sum, [at, count]) => sum + (at === p ? count : 0), 0),
    )
    expect(counts).toEqual([37, 1, 12])
  })
})

describe('positions and ranges', () => {
  it('are the same after a round trip as text, whatever the topic is called', () => {
    const offset = fc.record({
      topic: fc.oneof(fc.constant('a.b-c_d'), fc.string({ minLength: 1, unit: 'grapheme' })),
      partition: fc.nat(1000),
      offset: fc.maxSafeNat(),
    })
    fc.assert(
      fc.property(fc.array(offset), (offsets) => {
        const position = Position.of(offsets)
        expect(Position.fromText(position.toText()).equals(position)).toBe(true)
        const ranges = offsets.map(({ topic, partition, offset }) => ({
          topic,
          partition,
          start: Math.floor(offset / 2),
          end: offset,
        }))
        expect(rangesFromText(rangesToText(ranges))).toEqual(ranges)
      }),
    )
  })

  it('refuse texts that are none', () => {
    for (const text of [
      'a',
      'a:1',
      'a:1:x',
      'a:1:-3',
      'a:1:99999999999999999',
      ',',
      '%E0%A4%A:1:2',
    ]) {
      expect(errorOf('CORRUPT_LEDGER', () => Position.fromText(text)).code).toBe('CORRUPT_LEDGER')
    }
    for (const text of ['a:1:3', 'a:1:5-3', 'a:1:3-']) {
      expect(errorOf('CORRUPT_LEDGER', () => rangesFromText(text)).code).toBe('CORRUPT_LEDGER')
    }
  })
})
