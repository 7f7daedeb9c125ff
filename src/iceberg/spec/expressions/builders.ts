/** Building predicates: `and(eq('item', 'tea'), gt('price', '3'))`. Null semantics are SQL's (expression.ts). */
import type { CompareOp, Expression, LiteralInput, PrefixOp, SetOp, UnaryOp } from './expression.ts'
import { ALWAYS_FALSE, ALWAYS_TRUE } from './expression.ts'

/** All of the predicates; true for none. */
export function and(...terms: readonly Expression[]): Expression {
  if (terms.length === 0) return ALWAYS_TRUE
  return balanced(terms, (left, right) => ({ kind: 'and', left, right }))
}

/** Any of the predicates; false for none. */
export function or(...terms: readonly Expression[]): Expression {
  if (terms.length === 0) return ALWAYS_FALSE
  return balanced(terms, (left, right) => ({ kind: 'or', left, right }))
}

export function not(child: Expression): Expression {
  return { kind: 'not', child }
}

export const eq: (column: string, value: LiteralInput) => Expression = compare('eq')
export const notEq: (column: string, value: LiteralInput) => Expression = compare('not-eq')
export const lt: (column: string, value: LiteralInput) => Expression = compare('lt')
export const ltEq: (column: string, value: LiteralInput) => Expression = compare('lt-eq')
export const gt: (column: string, value: LiteralInput) => Expression = compare('gt')
export const gtEq: (column: string, value: LiteralInput) => Expression = compare('gt-eq')

export const isNull: (column: string) => Expression = unary('is-null')
export const notNull: (column: string) => Expression = unary('not-null')
export const isNan: (column: string) => Expression = unary('is-nan')
export const notNan: (column: string) => Expression = unary('not-nan')

export const isIn: (column: string, values: readonly LiteralInput[]) => Expression = set('in')
export const notIn: (column: string, values: readonly LiteralInput[]) => Expression = set('not-in')

export const startsWith: (column: string, prefix: string) => Expression = prefixed('starts-with')
export const notStartsWith: (column: string, prefix: string) => Expression =
  prefixed('not-starts-with')

function compare(op: CompareOp) {
  return (column: string, value: LiteralInput): Expression => ({
    kind: 'compare',
    op,
    column,
    value,
  })
}

function unary(op: UnaryOp) {
  return (column: string): Expression => ({ kind: 'unary', op, column })
}

function set(op: SetOp) {
  return (column: string, values: readonly LiteralInput[]): Expression => ({
    kind: 'set',
    op,
    column,
    values: [...values],
  })
}

function prefixed(op: PrefixOp) {
  return (column: string, prefix: string): Expression => ({ kind: 'prefix', op, column, prefix })
}

/** A tree of logarithmic depth, so that a thousand terms do not nest a thousand deep. */
function balanced(
  terms: readonly Expression[],
  join: (left: Expression, right: Expression) => Expression,
): Expression {
  if (terms.length === 1) return terms[0] as Expression
  const middle = terms.length >> 1
  return join(balanced(terms.slice(0, middle), join), balanced(terms.slice(middle), join))
}
