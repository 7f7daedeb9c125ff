/** Summaries of partition fields (iceberg-writer.md items 32, 96, 98; known-bugs.md 16). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FieldSummary } from '../../../src/iceberg/manifest/entry.ts'
import { PartitionSummaries } from '../../../src/iceberg/manifest/summaries.ts'
import { transformResultType } from '../../../src/iceberg/spec/transforms.ts'
import type { PrimitiveType } from '../../../src/iceberg/spec/types.ts'
import type { PrimitiveValue, Value } from '../../../src/iceberg/spec/value.ts'
import { valueFromBytes } from '../../../src/iceberg/spec/value-binary.ts'
import { comparatorOf } from '../../../src/iceberg/spec/value-compare.ts'
import { partitionShapes } from './arbitrary-entries.ts'

function summarize(type: PrimitiveType, values: readonly Value[]): FieldSummary | undefined {
  const summaries = new PartitionSummaries([{ id: 1000, name: 'p', required: false, type }])
  for (const value of values) summaries.add([value])
  return summaries.build()?.[0]
}

const hex = (summary: FieldSummary | undefined): unknown =>
  summary &&
  [summary.lowerBound, summary.upperBound].map((b) => b && Buffer.from(b).toString('hex'))

describe('partition summaries', () => {
  it('bound all values of every partition type, and have bounds whenever there is a value', () => {
    fc.assert(
      fc.property(
        fc
          .constantFrom(...partitionShapes)
          .chain((s) => fc.tuple(fc.constant(s), fc.array(fc.option(s.value), { minLength: 1 }))),
        ([shape, values]) => {
          const type = transformResultType(shape.transform, shape.source)
          const summary = summarize(type, values)
          if (summary === undefined) {
            expect(type.kind).toBe('uuid')
            return
          }
          const known = values.filter((v): v is PrimitiveValue => v !== null && !Number.isNaN(v))
          expect(summary.containsNull).toBe(values.includes(null))
          expect(summary.containsNan).toBe(values.some((v) => Number.isNaN(v)))
          expect(summary.lowerBound === undefined).toBe(known.length === 0)
          expect(summary.upperBound === undefined).toBe(known.length === 0)
          if (summary.lowerBound === undefined || summary.upperBound === undefined) return
          const compare = comparatorOf(type)
          const lower = valueFromBytes(type, summary.lowerBound)
          const upper = valueFromBytes(type, summary.upperBound)
          for (const value of known) {
            const stored = type.kind === 'float' ? Math.fround(value as number) : value
            expect(compare(lower, stored)).toBeLessThanOrEqual(0)
            expect(compare(upper, stored)).toBeGreaterThanOrEqual(0)
          }
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('are empty for an unpartitioned spec', () => {
    const summaries = new PartitionSummaries([])
    summaries.add([])
    expect(summaries.build()).toEqual([])
  })

  it('have no bounds where all values are null or NaN', () => {
    expect(summarize({ kind: 'int' }, [null, null])).toEqual({
      containsNull: true,
      containsNan: false,
    })
    expect(summarize({ kind: 'double' }, [Number.NaN])).toEqual({
      containsNull: false,
      containsNan: true,
    })
  })

  it('write zeros as −0.0 below and +0.0 above (item 32)', () => {
    const zeros = ['00000080', '00000000']
    expect(hex(summarize({ kind: 'float' }, [0]))).toEqual(zeros)
    expect(hex(summarize({ kind: 'float' }, [-0]))).toEqual(zeros)
    expect(hex(summarize({ kind: 'double' }, [0, -0]))).toEqual([
      '0000000000000080',
      '0000000000000000',
    ])
  })

  it('write decimals in the fewest bytes, big-endian (item 96)', () => {
    expect(hex(summarize({ kind: 'decimal', precision: 9, scale: 2 }, [128n, -128n]))).toEqual([
      '80',
      '0080',
    ])
    expect(hex(summarize({ kind: 'decimal', precision: 9, scale: 2 }, [0n]))).toEqual(['00', '00'])
  })

  it('order strings by code points', () => {
    expect(hex(summarize({ kind: 'string' }, ['\uffff', '😀']))).toEqual([
      Buffer.from('\uffff').toString('hex'),
      Buffer.from('😀').toString('hex'),
    ])
  })

  it('are left out for uuids that readers order differently: unsigned bytes, or signed halves', () => {
    const uuid = (first: string): string => `${first}0000000-0000-4000-8000-000000000000`
    expect(summarize({ kind: 'uuid' }, [uuid('1'), uuid('7')])).toBeDefined()
    expect(summarize({ kind: 'uuid' }, [uuid('9'), uuid('f')])).toBeDefined()
    expect(summarize({ kind: 'uuid' }, [uuid('1'), uuid('f')])).toBeUndefined()
    const low = (digit: string): string => `10000000-0000-4000-${digit}000-000000000000`
    expect(summarize({ kind: 'uuid' }, [low('1'), low('9')])).toBeUndefined()
  })
})
