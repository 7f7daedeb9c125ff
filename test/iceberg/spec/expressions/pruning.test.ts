/**
 * Pruning is sound: a file, manifest or partition that holds a matching row is never skipped, and what is said to
 * match as a whole does. Random types, values and predicates (reliability.md S7). FLOE_FUZZ_RUNS raises the runs.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { truncateLower, truncateUpper } from '../../../../src/iceberg/spec/bounds.ts'
import { bindExpression } from '../../../../src/iceberg/spec/expressions/bind.ts'
import { evaluateExpression } from '../../../../src/iceberg/spec/expressions/evaluate.ts'
import type {
  BoundExpression,
  Expression,
} from '../../../../src/iceberg/spec/expressions/expression.ts'
import {
  type ColumnRange,
  rowsMightMatch,
  rowsMustMatch,
} from '../../../../src/iceberg/spec/expressions/metrics-evaluator.ts'
import {
  projectInclusive,
  projectStrict,
} from '../../../../src/iceberg/spec/expressions/projection.ts'
import { ResidualEvaluator } from '../../../../src/iceberg/spec/expressions/residual.ts'
import { Schema } from '../../../../src/iceberg/spec/schema.ts'
import type { Transform } from '../../../../src/iceberg/spec/transform.ts'
import { applyTransform, canTransform } from '../../../../src/iceberg/spec/transforms.ts'
import type { PrimitiveType } from '../../../../src/iceberg/spec/types.ts'
import type { PrimitiveValue, Value } from '../../../../src/iceberg/spec/value.ts'
import { valueFromBytes, valueToBytes } from '../../../../src/iceberg/spec/value-binary.ts'
import { comparatorOf, compareStrings } from '../../../../src/iceberg/spec/value-compare.ts'

const numRuns = Number(process.env['FLOE_FUZZ_RUNS'] ?? 3000)

const text = fc.string({
  unit: fc.constantFrom('a', 'b', 'z', 'é', '\ud7ff', '\ue000', '\u{10ffff}', '😀'),
  maxLength: 5,
})
const values: Record<string, { type: PrimitiveType; arb: fc.Arbitrary<PrimitiveValue> }> = {
  boolean: { type: { kind: 'boolean' }, arb: fc.boolean() },
  int: { type: { kind: 'int' }, arb: fc.oneof(fc.integer({ min: -30, max: 30 }), fc.integer()) },
  long: {
    type: { kind: 'long' },
    arb: fc.oneof(fc.bigInt(-30n, 30n), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)),
  },
  double: {
    type: { kind: 'double' },
    arb: fc.oneof(fc.constantFrom(Number.NaN, -0, 0, 1, -1, Number.POSITIVE_INFINITY), fc.double()),
  },
  decimal: { type: { kind: 'decimal', precision: 9, scale: 2 }, arb: fc.bigInt(-500n, 500n) },
  date: {
    type: { kind: 'date' },
    arb: fc.oneof(
      fc.integer({ min: -70, max: 70 }),
      fc.integer({ min: -1_000_000, max: 1_000_000 }),
    ),
  },
  timestamptz: {
    type: { kind: 'timestamptz' },
    arb: fc.oneof(
      fc.bigInt(-90_000_000_000n, 90_000_000_000n),
      fc.bigInt(-(10n ** 16n), 10n ** 16n),
    ),
  },
  string: { type: { kind: 'string' }, arb: text },
  binary: { type: { kind: 'binary' }, arb: fc.uint8Array({ maxLength: 4 }) },
}

const COLUMN = 1
const schemaOf = (type: PrimitiveType): Schema =>
  new Schema({ schemaId: 0, fields: [{ id: COLUMN, name: 'c', required: false, type }] })

/** A predicate on the one column, with literals near its values. */
function predicate(kind: string, arb: fc.Arbitrary<PrimitiveValue>): fc.Arbitrary<Expression> {
  const literal = (
    kind === 'decimal' ? (arb as fc.Arbitrary<bigint>).map((v) => String(Number(v) / 100)) : arb
  ).filter((v) => !Number.isNaN(v)) as fc.Arbitrary<never>
  const column = 'c'
  const leaf = fc.oneof(
    fc.record({
      kind: fc.constant('compare' as const),
      op: fc.constantFrom('eq', 'not-eq', 'lt', 'lt-eq', 'gt', 'gt-eq') as fc.Arbitrary<'eq'>,
      column: fc.constant(column),
      value: literal,
    }),
    fc.record({
      kind: fc.constant('set' as const),
      op: fc.constantFrom('in', 'not-in') as fc.Arbitrary<'in'>,
      column: fc.constant(column),
      values: fc.array(literal, { maxLength: 4 }),
    }),
    fc.record({
      kind: fc.constant('unary' as const),
      op: (kind === 'double'
        ? fc.constantFrom('is-null', 'not-null', 'is-nan', 'not-nan')
        : fc.constantFrom('is-null', 'not-null')) as fc.Arbitrary<'is-null'>,
      column: fc.constant(column),
    }),
    ...(kind === 'string'
      ? [
          fc.record({
            kind: fc.constant('prefix' as const),
            op: fc.constantFrom('starts-with', 'not-starts-with') as fc.Arbitrary<'starts-with'>,
            column: fc.constant(column),
            prefix: text,
          }),
        ]
      : []),
  ) as fc.Arbitrary<Expression>
  const { tree } = fc.letrec<{ tree: Expression }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 2 },
      leaf,
      fc.record({ kind: fc.constant('and' as const), left: tie('tree'), right: tie('tree') }),
      fc.record({ kind: fc.constant('or' as const), left: tie('tree'), right: tie('tree') }),
      fc.record({ kind: fc.constant('not' as const), child: tie('tree') }),
    ) as fc.Arbitrary<Expression>,
  }))
  return tree
}

/** What a writer would record, with bounds cut to `length` and anything possibly missing. */
function rangeOf(
  type: PrimitiveType,
  column: readonly Value[],
  length: number,
  drop: number,
): ColumnRange {
  const compare = comparatorOf(type)
  const present = column.filter(
    (v): v is PrimitiveValue => v !== null && !Number.isNaN(v),
  ) as PrimitiveValue[]
  const sorted = [...present].sort(compare)
  const low = sorted[0]
  const high = sorted.at(-1)
  const through = (v: PrimitiveValue): PrimitiveValue => valueFromBytes(type, valueToBytes(type, v))
  const lower =
    low === undefined || drop & 1
      ? undefined
      : through(truncateLower(type, low === 0 ? -0 : low, length))
  const cut =
    high === undefined || drop & 2 ? undefined : truncateUpper(type, high === 0 ? 0 : high, length)
  return {
    ...(drop & 4
      ? {}
      : { valueCount: column.length, nullCount: column.filter((v) => v === null).length }),
    ...(drop & 8 ? {} : { nanCount: column.filter((v) => Number.isNaN(v)).length }),
    ...(lower === undefined ? {} : { lower }),
    ...(cut === undefined ? {} : { upper: through(cut) }),
  }
}

const holds = (e: BoundExpression, value: Value): boolean => evaluateExpression(e, () => value)

describe.each(Object.entries(values))('%s', (kind, { type, arb }) => {
  const schema = schemaOf(type)
  const column = fc.array(fc.option(arb, { freq: 5 }), { minLength: 1, maxLength: 8 })

  it('metrics: no matching row is pruned, no other is promised', () => {
    fc.assert(
      fc.property(
        predicate(kind, arb),
        column,
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 15 }),
        (e, rows, length, drop) => {
          const bound = bindExpression(schema, e)
          const range = rangeOf(type, rows, length, drop)
          const matches = rows.map((v) => holds(bound, v))
          if (matches.some(Boolean)) expect(rowsMightMatch(bound, () => range)).toBe(true)
          if (rowsMustMatch(bound, () => range)) expect(matches.every(Boolean)).toBe(true)
        },
      ),
      { numRuns },
    )
  })

  const transforms: Transform[] = (
    [
      { kind: 'identity' },
      { kind: 'bucket', numBuckets: 3 },
      { kind: 'truncate', width: 2 },
      { kind: 'truncate', width: 10 },
      { kind: 'year' },
      { kind: 'month' },
      { kind: 'day' },
      { kind: 'hour' },
      { kind: 'void' },
    ] as Transform[]
  ).filter((t) => canTransform(t, type))

  it('projections: a partition with a matching row is kept; strict ones promise rightly; residuals agree', () => {
    fc.assert(
      fc.property(
        predicate(kind, arb),
        fc.constantFrom(...transforms),
        fc.option(arb, { freq: 8 }),
        (e, transform, value) => {
          const bound = bindExpression(schema, e)
          const spec = {
            specId: 0,
            fields: [{ sourceIds: [COLUMN], fieldId: 1000, name: 'p', transform }],
          }
          let tuple: Value
          try {
            tuple = applyTransform(transform, type, value)
          } catch {
            return // Near the type's minimum truncation is refused.
          }
          const matches = holds(bound, value)
          if (matches) expect(holds(projectInclusive(bound, spec, schema), tuple)).toBe(true)
          if (holds(projectStrict(bound, spec, schema), tuple)) expect(matches).toBe(true)
          const residual = new ResidualEvaluator(bound, spec, schema).residualFor([tuple])
          expect(holds(residual, value)).toBe(matches)
        },
      ),
      { numRuns },
    )
  })
})

describe('string order and bounds (item 99, known-bugs.md 18)', () => {
  it('compare as UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), text, (a, b) => {
        expect(Math.sign(compareStrings(a, b))).toBe(
          Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))),
        )
      }),
    )
  })

  it('truncated bounds stay bounds and never split a surrogate pair', () => {
    const type: PrimitiveType = { kind: 'string' }
    expect(truncateUpper(type, 'ab\ud7ffx', 3)).toBe('ab\ue000')
    expect(truncateUpper(type, 'a\u{10ffff}\u{10ffff}x', 3)).toBe('b')
    expect(truncateUpper(type, '\u{10ffff}\u{10ffff}', 1)).toBeUndefined()
    expect(truncateUpper(type, 'a'.repeat(16), 16)).toBe('a'.repeat(16))
    expect(truncateUpper(type, 'a'.repeat(17), 16)).toBe(`${'a'.repeat(15)}b`)
    expect(truncateUpper({ kind: 'binary' }, Uint8Array.of(255, 255, 1), 2)).toBeUndefined()
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 12 }),
        fc.integer({ min: 1, max: 6 }),
        (s, length) => {
          const lower = truncateLower(type, s, length) as string
          const upper = truncateUpper(type, s, length) as string | undefined
          expect(compareStrings(lower, s)).toBeLessThanOrEqual(0)
          if (upper !== undefined) expect(compareStrings(upper, s)).toBeGreaterThanOrEqual(0)
          for (const bound of [lower, upper ?? ''])
            expect(bound === Buffer.from(bound).toString()).toBe(true)
        },
      ),
    )
  })
})
