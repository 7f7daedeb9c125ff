import { describe, expect, it } from 'vitest'
import { bindExpression } from '../../../../src/iceberg/spec/expressions/bind.ts'
import { and, eq, isIn, not, or } from '../../../../src/iceberg/spec/expressions/builders.ts'
import { evaluateExpression } from '../../../../src/iceberg/spec/expressions/evaluate.ts'
import type { Expression } from '../../../../src/iceberg/spec/expressions/expression.ts'
import {
  rowsMightMatch,
  rowsMustMatch,
} from '../../../../src/iceberg/spec/expressions/metrics-evaluator.ts'
import { expressionText } from '../../../../src/iceberg/spec/expressions/to-text.ts'
import { toExpression } from '../../../../src/iceberg/spec/expressions/where.ts'
import { assignFreshIds, schema, t } from '../../../../src/iceberg/spec/schema-literal.ts'
import { errorOf } from '../../../support/expect-error.ts'

const table = assignFreshIds(schema({ id: t.long(), kind: t.string(), n: t.int(), d: t.double() }))

describe('predicates', () => {
  it('bind chains of any length, and refuse what nests too deep', () => {
    let chain: Expression = eq('id', 0)
    for (let i = 1; i < 100_000; i++) chain = { kind: 'or', left: chain, right: eq('id', i) }
    const bound = bindExpression(table, chain)
    expect(evaluateExpression(bound, () => 99_999n)).toBe(true)
    expect(evaluateExpression(bound, () => 100_000n)).toBe(false)
    let deep: Expression = eq('id', 0)
    for (let i = 0; i < 500; i++) deep = i % 2 === 0 ? and(deep, eq('n', i)) : or(deep, eq('n', i))
    errorOf('BAD_EXPRESSION', () => bindExpression(table, deep))
    let negated: Expression = eq('id', 1)
    for (let i = 0; i < 100_001; i++) negated = not(negated)
    expect(evaluateExpression(bindExpression(table, negated), () => 1n)).toBe(false)
  })

  it('a condition that is undefined by mistake does not widen the predicate', () => {
    errorOf('BAD_EXPRESSION', () => toExpression({ id: undefined } as never))
    errorOf('BAD_EXPRESSION', () => toExpression({ id: { gt: undefined } } as never))
    errorOf('BAD_EXPRESSION', () => toExpression(new Map() as never))
    errorOf('BAD_EXPRESSION', () => toExpression({ id: new Map() } as never))
    errorOf('BAD_EXPRESSION', () => isIn('kind', 'tea' as never))
  })

  it('a column called "kind" is told from an expression', () => {
    const bound = bindExpression(table, toExpression({ kind: 'true' }))
    expect(expressionText(bound)).toBe("kind = 'true'")
  })

  it('bounds that are NaN or swapped count as missing', () => {
    const bound = bindExpression(table, toExpression({ d: 5 }))
    for (const range of [
      { lower: Number.NaN, upper: 1, nullCount: 0, nanCount: 0 },
      { lower: 9, upper: 1, nullCount: 0, nanCount: 0 },
    ]) {
      expect(rowsMightMatch(bound, () => range)).toBe(true)
      expect(rowsMustMatch(bound, () => range)).toBe(false)
    }
  })

  it('sets are searched by order, both zeros are one value', () => {
    const values = Array.from({ length: 1001 }, (_, i) => i * 3 - 1500)
    const bound = bindExpression(table, isIn('d', values))
    for (const probe of [-1500, 0, -0, 1500]) {
      expect(evaluateExpression(bound, () => probe)).toBe(true)
    }
    for (const probe of [-1501, 1, Number.NaN]) {
      expect(evaluateExpression(bound, () => probe)).toBe(false)
    }
  })

  it('texts keep to one line', () => {
    const bound = bindExpression(table, and(eq('kind', "it's\n"), eq('n', 1), eq('id', 2)))
    expect(expressionText(bound)).toBe("(kind = 'it''s\\u000a' and n = 1 and id = 2)")
  })
})
