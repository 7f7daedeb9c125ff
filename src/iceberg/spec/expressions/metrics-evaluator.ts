/**
 * What counts and bounds say about a predicate: may some row of a file match (inclusive), must all rows (strict).
 * One implementation for data files, row groups and, over partition summaries, manifests.
 *
 * Bounds may be truncated or missing. Some writers left a NaN in them, or swapped them: such bounds count as
 * missing. Whatever is not known is taken to be possible, so a file that holds a matching row is never skipped
 * (known-bugs.md 16–18, 22).
 */
import type { PrimitiveType } from '../types.ts'
import type { PrimitiveValue } from '../value.ts'
import { comparatorOf } from '../value-compare.ts'
import type { BoundExpression, BoundRef } from './expression.ts'

/** What is known of one column over a set of rows. Undefined = not known. */
export interface ColumnRange {
  /** Values, nulls and NaNs included. */
  readonly valueCount?: number | undefined
  readonly nullCount?: number | undefined
  readonly nanCount?: number | undefined
  /** No non-null, non-NaN value is below `lower` or above `upper`. Both are ignored if one is NaN or they are swapped. */
  readonly lower?: PrimitiveValue | undefined
  readonly upper?: PrimitiveValue | undefined
}

/** Gives what is known of a column; an empty object where nothing is. */
export type RangeOf = (ref: BoundRef) => ColumnRange

/** False only if no row can match. */
export function rowsMightMatch(expression: BoundExpression, rangeOf: RangeOf): boolean {
  switch (expression.kind) {
    case 'true':
      return true
    case 'false':
      return false
    case 'and':
      return rowsMightMatch(expression.left, rangeOf) && rowsMightMatch(expression.right, rangeOf)
    case 'or':
      return rowsMightMatch(expression.left, rangeOf) || rowsMightMatch(expression.right, rangeOf)
  }
  const { ref } = expression
  const range = rangeOf(ref)
  if (expression.kind === 'unary') {
    switch (expression.op) {
      case 'is-null':
        return range.nullCount !== 0
      case 'not-null':
        return !onlyNulls(range)
      case 'is-nan':
        return range.nanCount !== 0 && !onlyNulls(range)
      case 'not-nan':
        return !onlyNulls(range) && !onlyNaNs(range)
    }
  }
  if (onlyNulls(range)) return false
  const compare = comparatorOf(ref.type)
  const { lower, upper } = soundBounds(range, compare)
  switch (expression.kind) {
    case 'compare': {
      const { op, value } = expression
      if (op === 'not-eq') return true
      if (onlyNaNs(range)) return false
      const floor = floatFloor(ref.type, value)
      const ceiling = floatCeiling(value)
      switch (op) {
        case 'eq':
          return !(isAbove(compare, lower, ceiling) || isBelow(compare, upper, floor))
        case 'lt':
          return isBelow(compare, lower, floor) || lower === undefined
        case 'lt-eq':
          return !isAbove(compare, lower, ceiling)
        case 'gt':
          return isAbove(compare, upper, ceiling) || upper === undefined
        case 'gt-eq':
          return !isBelow(compare, upper, floor)
      }
      break
    }
    case 'set':
      if (expression.op === 'not-in') return true
      if (onlyNaNs(range)) return false
      return anyWithin(expression.values, ref.type, lower, upper)
    case 'prefix':
      return expression.op === 'starts-with'
        ? prefixMightMatch(expression.prefix as string, lower, upper)
        : notPrefixMightMatch(expression.prefix as string, lower, upper)
  }
  return true
}

/** True only if every row matches. Rows with a null never match a comparison. */
export function rowsMustMatch(expression: BoundExpression, rangeOf: RangeOf): boolean {
  switch (expression.kind) {
    case 'true':
      return true
    case 'false':
      return false
    case 'and':
      return rowsMustMatch(expression.left, rangeOf) && rowsMustMatch(expression.right, rangeOf)
    case 'or':
      return rowsMustMatch(expression.left, rangeOf) || rowsMustMatch(expression.right, rangeOf)
  }
  const { ref } = expression
  const range = rangeOf(ref)
  const isFloat = ref.type.kind === 'float' || ref.type.kind === 'double'
  const noNulls = ref.required || range.nullCount === 0
  if (expression.kind === 'unary') {
    switch (expression.op) {
      case 'is-null':
        return onlyNulls(range)
      case 'not-null':
        return noNulls
      case 'is-nan':
        return onlyNaNs(range) && noNulls
      case 'not-nan':
        return noNulls && range.nanCount === 0
    }
  }
  if (!noNulls) return false
  const compare = comparatorOf(ref.type)
  const { lower, upper } = soundBounds(range, compare)
  const noNaNs = !isFloat || range.nanCount === 0
  switch (expression.kind) {
    case 'compare': {
      const { op, value } = expression
      const floor = floatFloor(ref.type, value)
      const ceiling = floatCeiling(value)
      if (op === 'not-eq') return isAbove(compare, lower, ceiling) || isBelow(compare, upper, floor)
      if (!noNaNs || lower === undefined || upper === undefined) return false
      switch (op) {
        case 'eq':
          return compare(lower, floor) >= 0 && compare(upper, ceiling) <= 0
        case 'lt':
          return compare(upper, floor) < 0
        case 'lt-eq':
          return compare(upper, ceiling) <= 0
        case 'gt':
          return compare(lower, ceiling) > 0
        case 'gt-eq':
          return compare(lower, floor) >= 0
      }
      break
    }
    case 'set':
      if (expression.op === 'not-in') {
        return !anyWithin(expression.values, ref.type, lower, upper)
      }
      if (!noNaNs || lower === undefined || upper === undefined) return false
      return (
        compare(lower, upper) === 0 &&
        expression.values.some((v) => compare(v, lower) === 0 || (v === 0 && lower === 0))
      )
    case 'prefix': {
      if (lower === undefined || upper === undefined) return false
      const prefix = expression.prefix as string
      if (expression.op === 'starts-with') {
        return (lower as string).startsWith(prefix) && (upper as string).startsWith(prefix)
      }
      return !prefixMightMatch(prefix, lower, upper)
    }
  }
  return false
}

interface Bounds {
  readonly lower: PrimitiveValue | undefined
  readonly upper: PrimitiveValue | undefined
}

/** The bounds, or none where they cannot both be right: one is a NaN, or the lower is above the upper. */
function soundBounds(range: ColumnRange, compare: Compare): Bounds {
  const { lower, upper } = range
  if (Number.isNaN(lower) || Number.isNaN(upper)) return NO_BOUNDS
  if (lower !== undefined && upper !== undefined && compare(lower, upper) > 0) return NO_BOUNDS
  return { lower, upper }
}

const NO_BOUNDS: Bounds = { lower: undefined, upper: undefined }

type Compare = (a: PrimitiveValue, b: PrimitiveValue) => number

function isAbove(
  compare: Compare,
  bound: PrimitiveValue | undefined,
  value: PrimitiveValue,
): boolean {
  return bound !== undefined && compare(bound, value) > 0
}

function isBelow(
  compare: Compare,
  bound: PrimitiveValue | undefined,
  value: PrimitiveValue,
): boolean {
  return bound !== undefined && compare(bound, value) < 0
}

/** −0.0 for a float zero: the comparator tells the zeros apart, predicates do not. */
function floatFloor(type: PrimitiveType, value: PrimitiveValue): PrimitiveValue {
  return value === 0 && (type.kind === 'float' || type.kind === 'double') ? -0 : value
}

function floatCeiling(value: PrimitiveValue): PrimitiveValue {
  return value === 0 ? 0 : value
}

/** True if some of the sorted values lies within the bounds: a binary search, whatever the number of values. */
function anyWithin(
  values: readonly PrimitiveValue[],
  type: PrimitiveType,
  lower: PrimitiveValue | undefined,
  upper: PrimitiveValue | undefined,
): boolean {
  const compare = comparatorOf(type)
  let from = 0
  if (lower !== undefined) {
    let to = values.length
    while (from < to) {
      const middle = (from + to) >> 1
      if (compare(floatCeiling(values[middle] as PrimitiveValue), lower) < 0) from = middle + 1
      else to = middle
    }
  }
  const first = values[from]
  if (first === undefined) return false
  return upper === undefined || compare(floatFloor(type, first), upper) <= 0
}

/** Some string between the bounds may start with the prefix. */
function prefixMightMatch(
  prefix: string,
  lower: PrimitiveValue | undefined,
  upper: PrimitiveValue | undefined,
): boolean {
  if (upper !== undefined && compareText(upper as string, prefix) < 0) return false
  if (lower !== undefined) {
    const text = lower as string
    // Every string with the prefix orders below a string that is greater than the prefix without having it.
    if (compareText(text, prefix) > 0 && !text.startsWith(prefix)) return false
  }
  return true
}

/** Some string between the bounds may lack the prefix. */
function notPrefixMightMatch(
  prefix: string,
  lower: PrimitiveValue | undefined,
  upper: PrimitiveValue | undefined,
): boolean {
  if (lower === undefined || upper === undefined) return true
  return !((lower as string).startsWith(prefix) && (upper as string).startsWith(prefix))
}

const compareText = comparatorOf({ kind: 'string' }) as (a: string, b: string) => number

function onlyNulls(range: ColumnRange): boolean {
  return range.valueCount !== undefined && range.nullCount === range.valueCount
}

function onlyNaNs(range: ColumnRange): boolean {
  return (
    range.valueCount !== undefined &&
    range.nanCount !== undefined &&
    range.nanCount > 0 &&
    range.nanCount === range.valueCount - (range.nullCount ?? 0)
  )
}
