/**
 * Predicates as plain objects: `{ price: { gt: '3' }, item: 'tea', region: { in: ['eu', 'us'] } }`.
 * Keys are column names, all of which must hold; `and`, `or` and `not` are logic. A column that is really named
 * `and`, `or` or `not` is reached through the builders.
 */
import { FloeError } from '../../../core/errors.ts'
import {
  and,
  eq,
  gt,
  gtEq,
  isIn,
  isNan,
  isNull,
  lt,
  ltEq,
  not,
  notEq,
  notIn,
  notNan,
  notNull,
  notStartsWith,
  or,
  startsWith,
} from './builders.ts'
import type { Expression, LiteralInput } from './expression.ts'

/** Conditions on one column, all of which must hold. */
export interface ColumnCondition {
  readonly eq?: LiteralInput
  readonly ne?: LiteralInput
  readonly gt?: LiteralInput
  readonly gte?: LiteralInput
  readonly lt?: LiteralInput
  readonly lte?: LiteralInput
  readonly in?: readonly LiteralInput[]
  readonly notIn?: readonly LiteralInput[]
  readonly startsWith?: string
  readonly notStartsWith?: string
  /** True: only nulls. False: no nulls. */
  readonly isNull?: boolean
  /** True: only NaNs. False: no NaNs. */
  readonly isNaN?: boolean
}

/** A value means equality; null means "is null". */
export interface WhereObject {
  readonly and?: readonly Where[]
  readonly or?: readonly Where[]
  readonly not?: Where
  readonly [column: string]:
    | LiteralInput
    | null
    | ColumnCondition
    | readonly Where[]
    | Where
    | undefined
}

/** A predicate: a plain object, or an expression from the builders. */
export type Where = WhereObject | Expression

/**
 * The expression of a predicate.
 * @throws BAD_EXPRESSION for an operator that does not exist or a condition that is not one.
 */
export function toExpression(where: Where, depth = 0): Expression {
  if (depth > 64) throw bad('A predicate nests deeper than 64')
  if (isExpression(where)) return where
  const terms: Expression[] = []
  for (const [key, value] of Object.entries(where)) {
    if (value === undefined) continue
    if (key === 'and' || key === 'or') {
      if (!Array.isArray(value)) throw bad(`"${key}" takes an array of predicates`)
      const children = (value as readonly Where[]).map((w) => toExpression(w, depth + 1))
      terms.push(key === 'and' ? and(...children) : or(...children))
    } else if (key === 'not') {
      terms.push(not(toExpression(value as Where, depth + 1)))
    } else {
      terms.push(columnTerm(key, value))
    }
  }
  return and(...terms)
}

function columnTerm(column: string, value: unknown): Expression {
  if (value === null) return isNull(column)
  if (typeof value !== 'object' || value instanceof Date || value instanceof Uint8Array) {
    return eq(column, value as LiteralInput)
  }
  if (Array.isArray(value)) {
    throw bad(`Column "${column}": an array is not a condition. Write { in: [...] }`)
  }
  const terms: Expression[] = []
  for (const [op, operand] of Object.entries(value)) {
    if (operand === undefined) continue
    const build = Object.hasOwn(OPERATORS, op) ? OPERATORS[op as keyof ColumnCondition] : undefined
    if (build === undefined) {
      throw bad(
        `Column "${column}": there is no operator "${op}". Known: ${Object.keys(OPERATORS).join(', ')}`,
      )
    }
    terms.push(build(column, operand))
  }
  if (terms.length === 0) throw bad(`Column "${column}": the condition is empty`)
  return and(...terms)
}

type Build = (column: string, operand: never) => Expression
const OPERATORS: Readonly<
  Record<keyof ColumnCondition, (column: string, operand: unknown) => Expression>
> = {
  eq: eq as Build as (c: string, o: unknown) => Expression,
  ne: notEq as Build as (c: string, o: unknown) => Expression,
  gt: gt as Build as (c: string, o: unknown) => Expression,
  gte: gtEq as Build as (c: string, o: unknown) => Expression,
  lt: lt as Build as (c: string, o: unknown) => Expression,
  lte: ltEq as Build as (c: string, o: unknown) => Expression,
  in: (column, operand) => isIn(column, list(column, operand)),
  notIn: (column, operand) => notIn(column, list(column, operand)),
  startsWith: (column, operand) => startsWith(column, text(column, operand)),
  notStartsWith: (column, operand) => notStartsWith(column, text(column, operand)),
  isNull: (column, operand) => (flag(column, operand) ? isNull(column) : notNull(column)),
  isNaN: (column, operand) => (flag(column, operand) ? isNan(column) : notNan(column)),
}

function list(column: string, operand: unknown): readonly LiteralInput[] {
  if (!Array.isArray(operand)) throw bad(`Column "${column}": in and notIn take an array`)
  return operand as readonly LiteralInput[]
}

function text(column: string, operand: unknown): string {
  if (typeof operand !== 'string') throw bad(`Column "${column}": a prefix is a string`)
  return operand
}

function flag(column: string, operand: unknown): boolean {
  if (typeof operand !== 'boolean') throw bad(`Column "${column}": isNull and isNaN take a boolean`)
  return operand
}

function isExpression(where: Where): where is Expression {
  const kind = (where as { kind?: unknown }).kind
  return (
    typeof kind === 'string' &&
    KINDS.has(kind) &&
    (SHAPE[kind] as string[]).every((k) => k in where)
  )
}

/** A row predicate on a column named "kind" has a string there too: the other keys tell them apart. */
const SHAPE: Readonly<Record<string, string[]>> = {
  true: [],
  false: [],
  and: ['left', 'right'],
  or: ['left', 'right'],
  not: ['child'],
  unary: ['op', 'column'],
  compare: ['op', 'column', 'value'],
  set: ['op', 'column', 'values'],
  prefix: ['op', 'column', 'prefix'],
}
const KINDS: ReadonlySet<string> = new Set(Object.keys(SHAPE))

function bad(message: string): FloeError {
  return new FloeError('BAD_EXPRESSION', message)
}
