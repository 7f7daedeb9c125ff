/** Evaluating a bound predicate on one row or one partition tuple. Columns of many rows: `columns/filter.ts`. */
import type { PrimitiveValue, Value } from '../value.ts'
import { type Comparator, comparatorOf, compareBytes, compareStrings } from '../value-compare.ts'
import type { BoundExpression, CompareOp } from './expression.ts'

/** True if the predicate holds; `lookup` gives the value of a field id, null for none. */
export function evaluateExpression(
  expression: BoundExpression,
  lookup: (fieldId: number) => Value,
): boolean {
  switch (expression.kind) {
    case 'true':
      return true
    case 'false':
      return false
    case 'and':
      return (
        evaluateExpression(expression.left, lookup) && evaluateExpression(expression.right, lookup)
      )
    case 'or':
      return (
        evaluateExpression(expression.left, lookup) || evaluateExpression(expression.right, lookup)
      )
  }
  const value = lookup(expression.ref.fieldId) as PrimitiveValue | null
  switch (expression.kind) {
    case 'unary':
      switch (expression.op) {
        case 'is-null':
          return value === null
        case 'not-null':
          return value !== null
        case 'is-nan':
          return Number.isNaN(value)
        case 'not-nan':
          return value !== null && !Number.isNaN(value)
      }
      break
    case 'compare':
      return value !== null && compareHolds(expression.op, value, expression.value)
    case 'set': {
      if (value === null) return false
      const found = contains(expression.values, value, comparatorOf(expression.ref.type))
      return found === (expression.op === 'in')
    }
    case 'prefix': {
      if (value === null) return false
      const found = (value as string).startsWith(expression.prefix as string)
      return found === (expression.op === 'starts-with')
    }
  }
  return false
}

/** Binary search: a set may have thousands of values, and there is a tuple to test for each data file. */
function contains(
  sorted: readonly PrimitiveValue[],
  value: PrimitiveValue,
  compare: Comparator,
): boolean {
  // Sets hold +0.0 for both zeros; NaN is in none.
  const wanted = value === 0 ? 0 : value
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >> 1
    const order = compare(sorted[middle] as PrimitiveValue, wanted)
    if (order === 0) return true
    if (order < 0) from = middle + 1
    else to = middle
  }
  return false
}

/** `a op b` with IEEE rules for floats: only not-eq holds for NaN. */
export function compareHolds(op: CompareOp, a: PrimitiveValue, b: PrimitiveValue): boolean {
  let order: number
  if (typeof a === 'string') order = compareStrings(a, b as string)
  else if (a instanceof Uint8Array) order = compareBytes(a, b as Uint8Array)
  else if (Number.isNaN(a)) return op === 'not-eq'
  else order = a < b ? -1 : a > b ? 1 : 0
  switch (op) {
    case 'eq':
      return order === 0
    case 'not-eq':
      return order !== 0
    case 'lt':
      return order < 0
    case 'lt-eq':
      return order <= 0
    case 'gt':
      return order > 0
    case 'gt-eq':
      return order >= 0
  }
}
