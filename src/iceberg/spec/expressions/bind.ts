/** Binding predicates to a schema: names become field ids, literals become values, `not` is pushed down. */
import { FloeError } from '../../../core/errors.ts'
import type { Schema } from '../schema.ts'
import { isPrimitive } from '../types.ts'
import { isWellFormed } from '../unicode.ts'
import type { PrimitiveValue } from '../value.ts'
import { comparatorOf, partitionKey } from '../value-compare.ts'
import { coerceLiteral, type OutOfRange } from '../value-parse.ts'
import { balanced } from './builders.ts'
import {
  ALWAYS_FALSE,
  ALWAYS_TRUE,
  type BoundExpression,
  type BoundRef,
  type CompareOp,
  type Expression,
} from './expression.ts'

/**
 * Binds and simplifies. A chain of `and` or of `or` may have any length; alternations of the two nest up to 200
 * deep, which is what a plain object of 64 levels can come to.
 * @throws NO_SUCH_COLUMN, BAD_EXPRESSION (operator does not fit the type, column inside a list or map, too deep),
 *   TYPE_MISMATCH (literal of another type).
 */
export function bindExpression(schema: Schema, expression: Expression): BoundExpression {
  return bind(schema, expression, false, 0)
}

const MAX_DEPTH = 200

/** And with constants folded. */
export function boundAnd(left: BoundExpression, right: BoundExpression): BoundExpression {
  if (left.kind === 'false' || right.kind === 'false') return ALWAYS_FALSE
  if (left.kind === 'true') return right
  if (right.kind === 'true') return left
  return { kind: 'and', left, right }
}

/** Or with constants folded. */
export function boundOr(left: BoundExpression, right: BoundExpression): BoundExpression {
  if (left.kind === 'true' || right.kind === 'true') return ALWAYS_TRUE
  if (left.kind === 'false') return right
  if (right.kind === 'false') return left
  return { kind: 'or', left, right }
}

/** The field ids that a bound predicate reads. */
export function referencedFieldIds(
  expression: BoundExpression,
  into: Set<number> = new Set(),
): Set<number> {
  if (expression.kind === 'and' || expression.kind === 'or') {
    referencedFieldIds(expression.left, into)
    referencedFieldIds(expression.right, into)
  } else if ('ref' in expression) into.add(expression.ref.fieldId)
  return into
}

function bind(
  schema: Schema,
  expression: Expression,
  isNegated: boolean,
  depth: number,
): BoundExpression {
  if (depth > MAX_DEPTH) {
    throw new FloeError('BAD_EXPRESSION', `A predicate nests deeper than ${MAX_DEPTH}. Flatten it`)
  }
  let e = expression
  let negated = isNegated
  while (e.kind === 'not') {
    e = e.child
    negated = !negated
  }
  switch (e.kind) {
    case 'true':
    case 'false':
      return (e.kind === 'true') === !negated ? ALWAYS_TRUE : ALWAYS_FALSE
    case 'and':
    case 'or': {
      const terms = chainOf(e).map((term) => bind(schema, term, negated, depth + 1))
      return balanced(terms, (e.kind === 'and') === !negated ? boundAnd : boundOr)
    }
    case 'unary': {
      const ref = bindRef(schema, e.column)
      const op = negated ? NEGATED[e.op] : e.op
      if (op === 'is-nan' || op === 'not-nan') {
        if (ref.type.kind !== 'float' && ref.type.kind !== 'double') {
          throw bad(e.column, `is of type ${ref.type.kind}, which has no NaN`)
        }
      } else if (ref.required) return op === 'is-null' ? ALWAYS_FALSE : ALWAYS_TRUE
      return { kind: 'unary', op, ref }
    }
    case 'compare': {
      const ref = bindRef(schema, e.column)
      const value = coerceLiteral(ref.type, e.value, e.column)
      return bindCompare(ref, negated ? NEGATED[e.op] : e.op, value)
    }
    case 'set': {
      const ref = bindRef(schema, e.column)
      const op = negated ? NEGATED[e.op] : e.op
      const distinct = new Map<string, PrimitiveValue>()
      for (const input of e.values) {
        const value = coerceLiteral(ref.type, input, e.column)
        // A NaN equals nothing, a value out of range cannot occur: neither adds to the set.
        if (isOutOfRange(value) || Number.isNaN(value)) continue
        const normal = value === 0 ? 0 : value
        distinct.set(partitionKey([normal]), normal)
      }
      const values = [...distinct.values()].sort(comparatorOf(ref.type))
      if (values.length === 0) return op === 'in' ? ALWAYS_FALSE : notNullOf(ref)
      if (values.length === 1) {
        const value = values[0] as PrimitiveValue
        return { kind: 'compare', op: op === 'in' ? 'eq' : 'not-eq', ref, value }
      }
      return { kind: 'set', op, ref, values }
    }
    case 'prefix': {
      const ref = bindRef(schema, e.column)
      if (ref.type.kind !== 'string') {
        throw bad(e.column, `is of type ${ref.type.kind}: prefixes are for strings`)
      }
      if (typeof e.prefix !== 'string' || !isWellFormed(e.prefix)) {
        throw bad(
          e.column,
          'is compared with a prefix that is no string, or ends within a character',
        )
      }
      const op = negated ? NEGATED[e.op] : e.op
      if (e.prefix === '') return op === 'starts-with' ? notNullOf(ref) : ALWAYS_FALSE
      return { kind: 'prefix', op, ref, prefix: e.prefix }
    }
  }
}

function bindCompare(
  ref: BoundRef,
  op: CompareOp,
  value: PrimitiveValue | OutOfRange,
): BoundExpression {
  if (isOutOfRange(value)) {
    const above = value.outOfRange === 'above'
    const all =
      op === 'not-eq' || (above ? op === 'lt' || op === 'lt-eq' : op === 'gt' || op === 'gt-eq')
    return all ? notNullOf(ref) : ALWAYS_FALSE
  }
  // SQL engines differ on NaN in comparisons; here only is-nan and not-nan speak of it. A double that is no float
  // stays as it is on a float column: it has its place in the order, and comparisons are made in double precision.
  if (Number.isNaN(value)) {
    throw bad(ref.name, 'cannot be compared with NaN: use isNan')
  }
  return { kind: 'compare', op, ref, value: value === 0 ? 0 : value }
}

/** The terms of a chain of one kind, left to right, however it is nested. */
function chainOf(root: Expression & { kind: 'and' | 'or' }): readonly Expression[] {
  const terms: Expression[] = []
  const open: Expression[] = [root]
  for (let e = open.pop(); e !== undefined; e = open.pop()) {
    if (e.kind === root.kind) open.push(e.right, e.left)
    else terms.push(e)
  }
  return terms
}

function notNullOf(ref: BoundRef): BoundExpression {
  return ref.required ? ALWAYS_TRUE : { kind: 'unary', op: 'not-null', ref }
}

function bindRef(schema: Schema, column: string): BoundRef {
  const entry = schema.requireByName(column)
  const { type } = entry.field
  if (entry.repeated) throw bad(column, 'lies inside a list or map')
  if (!isPrimitive(type)) throw bad(column, `is a ${type.kind}: name one of its fields`)
  if (type.kind === 'geometry' || type.kind === 'geography') {
    throw bad(column, `is a ${type.kind}, which predicates cannot compare`)
  }
  const required = entry.idPath.every((id) => schema.findById(id)?.field.required === true)
  return { fieldId: entry.field.id, name: column, type, required }
}

function isOutOfRange(value: PrimitiveValue | OutOfRange): value is OutOfRange {
  return typeof value === 'object' && 'outOfRange' in value
}

const NEGATED = {
  eq: 'not-eq',
  'not-eq': 'eq',
  lt: 'gt-eq',
  'gt-eq': 'lt',
  gt: 'lt-eq',
  'lt-eq': 'gt',
  'is-null': 'not-null',
  'not-null': 'is-null',
  'is-nan': 'not-nan',
  'not-nan': 'is-nan',
  in: 'not-in',
  'not-in': 'in',
  'starts-with': 'not-starts-with',
  'not-starts-with': 'starts-with',
} as const

function bad(column: string, why: string): FloeError {
  return new FloeError('BAD_EXPRESSION', `Column "${column}" ${why}`, { context: { column } })
}
