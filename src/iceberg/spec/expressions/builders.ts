/** Building predicates: `and(eq('item', 'tea'), gt('price', '3'))`. Null semantics are SQL's (expression.ts). */
import { FloeError } from '../../../core/errors.ts'
import type { CompareOp, Expression, LiteralInput, PrefixOp, SetOp, UnaryOp } from './expression.ts'

/** All of the predicates; true for none. */
export function and(...terms: readonly Expression[]): Expression {
  return joined('and', terms)
}

/** Any of the predicates; false for none. */
export function or(...terms: readonly Expression[]): Expression {
  return joined('or', terms)
}

export function not(child: Expression): Expression {
  return built({ kind: 'not', child })
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

/** One of the values. @throws BAD_EXPRESSION if they are no array */
export const isIn: (column: string, values: readonly LiteralInput[]) => Expression = set('in')
/** None of the values, and not null. @throws BAD_EXPRESSION if they are no array */
export const notIn: (column: string, values: readonly LiteralInput[]) => Expression = set('not-in')

export const startsWith: (column: string, prefix: string) => Expression = prefixed('starts-with')
export const notStartsWith: (column: string, prefix: string) => Expression =
  prefixed('not-starts-with')

function compare(op: CompareOp) {
  return (column: string, value: LiteralInput): Expression =>
    built({ kind: 'compare', op, column, value })
}

function unary(op: UnaryOp) {
  return (column: string): Expression => built({ kind: 'unary', op, column })
}

function set(op: SetOp) {
  return (column: string, values: readonly LiteralInput[]): Expression => {
    // A string would be taken apart into characters.
    if (!Array.isArray(values)) {
      throw new FloeError('BAD_EXPRESSION', `Column "${column}": a set of values is an array`)
    }
    return built({ kind: 'set', op, column, values: [...values] })
  }
}

function prefixed(op: PrefixOp) {
  return (column: string, prefix: string): Expression =>
    built({ kind: 'prefix', op, column, prefix })
}

/** `and` or `or` of an array: a tree of logarithmic depth. @internal */
export function joined(kind: 'and' | 'or', terms: readonly Expression[]): Expression {
  if (terms.length === 0) return built({ kind: kind === 'and' ? 'true' : 'false' })
  return balanced(terms, (left, right) => built({ kind, left, right }))
}

/**
 * Joins at least one term to a tree of logarithmic depth, so that a thousand terms do not nest a thousand deep.
 * @internal
 */
export function balanced<T>(terms: readonly T[], join: (left: T, right: T) => T): T {
  if (terms.length === 1) return terms[0] as T
  const middle = terms.length >> 1
  return join(balanced(terms.slice(0, middle), join), balanced(terms.slice(middle), join))
}

/**
 * True for what a builder returned, also of another copy of the package. Told by a brand and not by its fields:
 * `{ kind: 'true' }` may as well be a condition on a column called "kind".
 * @internal
 */
export function isBuilt(value: object): value is Expression {
  return (value as { [BRAND]?: unknown })[BRAND] === true
}

const BRAND: unique symbol = Symbol.for('floe.expression') as never

function built<E extends Expression>(expression: E): E {
  return Object.defineProperty(expression, BRAND, { value: true })
}
