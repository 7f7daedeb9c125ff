/**
 * Predicates as plain objects: `{ price: { gt: '3' }, item: 'tea', region: { in: ['eu', 'us'] } }`.
 * Keys are full column names, all of which must hold; `and`, `or` and `not` are logic. A column that is really named
 * `and`, `or` or `not` is reached through the builders: `eq('or', 1)`. Every other name is a column's, also
 * `__proto__` (as an own key) and `kind`.
 */
import { FloeError } from '../../../core/errors.ts'
import {
  eq,
  gt,
  gtEq,
  isBuilt,
  isIn,
  isNan,
  isNull,
  joined,
  lt,
  ltEq,
  not,
  notEq,
  notIn,
  notNan,
  notNull,
  notStartsWith,
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

/** Nesting of plain objects. */
const MAX_DEPTH = 64

/**
 * The expression of a predicate.
 * @throws BAD_EXPRESSION for an operator that does not exist, a condition that is not one (undefined among them: a
 *   value that is missing by mistake must not widen the predicate) or nesting deeper than 64.
 */
export function toExpression(where: Where): Expression {
  return convert(where, 0, 'The predicate')
}

function convert(where: unknown, depth: number, what: string): Expression {
  if (depth > MAX_DEPTH) throw bad(`A predicate nests deeper than ${MAX_DEPTH}`)
  if (typeof where === 'object' && where !== null && isBuilt(where)) return where
  if (!isPlainObject(where)) {
    throw bad(`${what} must be a plain object or an expression from the builders (eq, and, …)`)
  }
  const terms: Expression[] = []
  for (const [key, value] of Object.entries(where)) {
    if (key === 'and' || key === 'or') {
      if (!Array.isArray(value)) throw bad(`"${key}" takes an array of predicates`)
      const each = `Each predicate in "${key}"`
      const children = Array.from(value, (child) => convert(child, depth + 1, each))
      terms.push(joined(key, children))
    } else if (key === 'not') terms.push(not(convert(value, depth + 1, '"not"')))
    else terms.push(columnTerm(key, value))
  }
  return joined('and', terms)
}

function columnTerm(column: string, value: unknown): Expression {
  if (value === null) return isNull(column)
  if (value === undefined) throw missing(column, 'the condition')
  if (typeof value !== 'object' || value instanceof Date || value instanceof Uint8Array) {
    return eq(column, value as LiteralInput)
  }
  if (Array.isArray(value)) {
    throw bad(`Column "${column}": an array is not a condition. Write { in: [...] }`)
  }
  if (!isPlainObject(value)) {
    throw bad(`Column "${column}": a condition is a value or a plain object such as { gt: 3 }`)
  }
  const terms: Expression[] = []
  for (const [op, operand] of Object.entries(value)) {
    const build = Object.hasOwn(OPERATORS, op) ? OPERATORS[op as keyof ColumnCondition] : undefined
    if (build === undefined) {
      throw bad(
        `Column "${column}": there is no operator "${op}". Known: ${Object.keys(OPERATORS).join(', ')}`,
      )
    }
    if (operand === undefined) throw missing(column, `"${op}"`)
    terms.push(build(column, operand))
  }
  if (terms.length === 0) throw bad(`Column "${column}": the condition is empty`)
  return joined('and', terms)
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

/** True for `{…}`, also of another realm: what an object inherits would be passed over in silence. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype = Object.getPrototypeOf(value) as object | null
  if (prototype === null) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

function missing(column: string, what: string): FloeError {
  return bad(`Column "${column}": ${what} is undefined. Leave it out, or write null for "is null"`)
}

function bad(message: string): FloeError {
  return new FloeError('BAD_EXPRESSION', message)
}
