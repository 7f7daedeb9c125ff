import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { loadArrow } from '../../src/iceberg/columns/arrow.ts'
import { getBit } from '../../src/iceberg/columns/bitmap.ts'
import type { PrimitiveType, Type } from '../../src/iceberg/spec/types.ts'
import type { PrimitiveValue } from '../../src/iceberg/spec/value.ts'
import { comparatorOf } from '../../src/iceberg/spec/value-compare.ts'
import { type Deduped, dedupe } from '../../src/merge/dedupe.ts'
import { Sequence } from '../../src/merge/sequence.ts'
import { primitiveType, rowForms, valueArbitrary } from '../iceberg/columns/arbitraries.ts'
import { errorOf } from '../support/expect-error.ts'
import { batchOf, codecOf, fieldsOf, keyFields } from './batches.ts'

beforeAll(async () => {
  await loadArrow()
})

const common = { limits: DEFAULT_LIMITS, name: 't' }
const fields = fieldsOf({ k: { kind: 'string' }, s: { kind: 'long' }, o: { kind: 'int' } })
const [keyField, ...sequenceFields] = fields as [never, never, never]
const codec = codecOf([keyField])

interface Event {
  readonly k: string | null
  readonly s: number | null
  readonly o: number | null
  readonly del: boolean
}

const event = fc.record({
  k: fc.option(fc.constantFrom('a', 'b', 'c', 'd', ''), { freq: 12 }),
  s: fc.option(fc.nat(3), { freq: 12 }),
  o: fc.option(fc.nat(2), { freq: 12 }),
  del: fc.boolean(),
})

function run(events: readonly Event[], keep: 'latest' | 'first', sequenced: boolean): Deduped {
  const rows = events.map(({ k, s, o }) => ({ k, s, o }))
  const batch = batchOf(fields, rows)
  const isDelete = Uint8Array.from(events, ({ del }) => Number(del))
  const sequence = new Sequence(keyFields(sequenceFields)).of(batch)
  return dedupe(codec.encode(batch), {
    ...common,
    keep,
    isDelete,
    ...(sequenced ? { sequence } : {}),
  })
}

/** The winner of each key, by sorting. */
function model(events: readonly Event[], keep: 'latest' | 'first', sequenced: boolean): number[] {
  const sign = keep === 'latest' ? -1 : 1
  const rows = events
    .map((e, row) => ({ ...e, row }))
    .filter((e) => e.k !== null && (!sequenced || (e.s !== null && e.o !== null)))
    .sort((a, b) => {
      if (!sequenced) return sign * (a.row - b.row)
      return (
        sign * (Number(a.s) - Number(b.s)) ||
        sign * (Number(a.o) - Number(b.o)) ||
        Number(b.del) - Number(a.del) ||
        sign * (a.row - b.row)
      )
    })
  const best = new Map<string | null, number>()
  for (const { k, row } of rows) if (!best.has(k)) best.set(k, row)
  return [...best.values()].sort((a, b) => a - b)
}

describe('dedupe', () => {
  it('MG-15, MG-16: keeps the row that sorting by sequence, delete and order puts first', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 30 }),
        fc.constantFrom('latest' as const, 'first' as const),
        fc.boolean(),
        (events, keep, sequenced) => {
          const result = run(events, keep, sequenced)
          expect([...result.winners]).toEqual(model(events, keep, sequenced))
          const nullKeys = events.flatMap((e, row) => (e.k === null ? [row] : []))
          const nullSequences = events.flatMap((e, row) =>
            sequenced && e.k !== null && (e.s === null || e.o === null) ? [row] : [],
          )
          expect([...result.nullKeys]).toEqual(nullKeys)
          expect([...result.nullSequences]).toEqual(nullSequences)
          const { winners, dropped } = result
          expect(winners.length + dropped + nullKeys.length + nullSequences.length).toBe(
            events.length,
          )
          expect(result.samples.length).toBe(Math.min(10, dropped))
          for (const { row, first } of result.samples) {
            expect(row).toBeGreaterThan(first)
            expect(events[row]?.k).toBe(events[first]?.k)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('MG-16: a delete beats an upsert at equal sequence only; without a sequence the later row wins', () => {
    const events = [
      { k: 'a', s: 1, o: 1, del: true },
      { k: 'a', s: 1, o: 1, del: false },
      { k: 'b', s: 1, o: 1, del: true },
      { k: 'b', s: 1, o: 2, del: false },
    ]
    expect([...run(events, 'latest', true).winners]).toEqual([0, 3])
    expect([...run(events, 'latest', false).winners]).toEqual([1, 3])
  })

  it('works through a batch of many duplicates', () => {
    const rows = Array.from({ length: 60_000 }, (_, i) => ({
      k: `k${i % 700}`,
      s: (i * 7919) % 60_000,
      o: 0,
    }))
    const batch = batchOf(fields, rows)
    const sequence = new Sequence(keyFields(sequenceFields)).of(batch)
    const result = dedupe(codec.encode(batch), { ...common, keep: 'latest', sequence })
    const best = new Map<string, number>()
    rows.forEach(({ k, s }, row) => {
      const known = best.get(k)
      if (known === undefined || s > (rows[known]?.s ?? 0)) best.set(k, row)
    })
    expect([...result.winners]).toEqual([...best.values()].sort((a, b) => a - b))
    expect(result.samples[0]).toEqual({ row: 700, first: 0 })
    expect(result.dropped).toBe(60_000 - 700)
  })

  it('counts null keys as keys where they are (null-safe)', () => {
    const batch = batchOf(fields, [{ k: null }, { k: 'a' }, { k: null }])
    const keys = codecOf([keyField], { nullSafe: true }).encode(batch)
    const result = dedupe(keys, { ...common, keep: 'latest' })
    expect([...result.winners]).toEqual([1, 2])
    expect(result.nullKeys.length).toBe(0)
  })

  it('is bounded by indexMemoryBytes', () => {
    const batch = batchOf(
      fields,
      Array.from({ length: 100 }, (_, i) => ({ k: `${i}` })),
    )
    errorOf('LIMIT_EXCEEDED', () =>
      dedupe(codec.encode(batch), {
        keep: 'first',
        limits: { ...DEFAULT_LIMITS, indexMemoryBytes: 1000 },
        name: 't',
      }),
    )
  })
})

describe('sequences', () => {
  it('MG-17: order rows of two batches as values are ordered, every orderable type', () => {
    const cases = primitiveType.chain((type) =>
      fc.tuple(fc.constant(type), fc.array(valueArbitrary(type), { minLength: 2, maxLength: 12 })),
    )
    fc.assert(
      fc.property(cases, fc.nat(3), ([type, values], from) => {
        const one = fieldsOf({ v: type })
        const sequence = new Sequence(keyFields(one))
        const batch = batchOf(
          one,
          values.map((v) => ({ v: rowForms(type, v)[0] })),
        )
        const order = sequence.of(batch).against(sequence.of(batch.slice(from)))
        const compare = comparatorOf(type as PrimitiveType)
        const zero = (v: unknown): PrimitiveValue =>
          (typeof v === 'number' ? v + 0 : v) as PrimitiveValue
        values.forEach((a, i) => {
          values.slice(from).forEach((b, j) => {
            expect(Math.sign(order(i, j))).toBe(Math.sign(compare(zero(a), zero(b))))
          })
        })
      }),
      { numRuns: 400 },
    )
  })

  it('name the rows with a null among their columns', () => {
    const batch = batchOf(fields, [
      { k: 'a', s: 1, o: null },
      { k: null, s: 1, o: 1 },
      { k: 'a', s: null, o: 1 },
      { k: 'a', s: 1, o: 1 },
    ])
    const { sequence, first } = {
      sequence: new Sequence(keyFields(sequenceFields)),
      first: codec.encode(batch).nulls,
    }
    expect([...sequence.of(batch).nullRows()]).toEqual([0, 2])
    expect([...sequence.of(batch.slice(1)).nullRows()]).toEqual([1])
    expect(getBit(first as Uint8Array, 1)).toBe(true)
  })

  it('MG-17: refuse columns without an order, before any row is read', () => {
    const types: Type[] = [
      { kind: 'unknown' },
      { kind: 'variant' },
      { kind: 'struct', fields: [] },
      { kind: 'geography' },
    ]
    for (const type of types) {
      const error = errorOf('BAD_ARGUMENT', () => new Sequence(keyFields(fieldsOf({ at: type }))))
      expect(error.context['column']).toBe('at')
    }
    errorOf('BAD_ARGUMENT', () => new Sequence([]))
  })
})
