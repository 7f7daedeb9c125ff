/**
 * Predicates as data. Unbound ones name columns and carry whatever the caller wrote; bound ones name field ids
 * and carry `PrimitiveValue`s of the column's type. Building: `builders.ts`; binding: `bind.ts`.
 *
 * Null semantics are SQL's: a comparison with a null column is never true, also for `not-eq`, `not-in` and
 * `not-starts-with`; `not` of a predicate is the predicate's complement over the values that are neither null nor NaN.
 * Floats compare as IEEE 754 says: −0.0 = +0.0; a NaN in the column is matched by `is-nan`, `not-eq`, `not-in` and
 * `not-null`, by no other comparison (as in Trino and Arrow; bounds leave NaN out, so pruning agrees).
 */
import type { PrimitiveType } from '../types.ts'
import type { PrimitiveValue } from '../value.ts'

export type UnaryOp = 'is-null' | 'not-null' | 'is-nan' | 'not-nan'
export type CompareOp = 'eq' | 'not-eq' | 'lt' | 'lt-eq' | 'gt' | 'gt-eq'
export type SetOp = 'in' | 'not-in'
export type PrefixOp = 'starts-with' | 'not-starts-with'

/** What a caller may write as a literal; converted to the column's type when bound. */
export type LiteralInput = boolean | number | bigint | string | Date | Uint8Array

export type Expression =
  | { readonly kind: 'true' }
  | { readonly kind: 'false' }
  | { readonly kind: 'and'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'not'; readonly child: Expression }
  | { readonly kind: 'unary'; readonly op: UnaryOp; readonly column: string }
  | {
      readonly kind: 'compare'
      readonly op: CompareOp
      readonly column: string
      readonly value: LiteralInput
    }
  | {
      readonly kind: 'set'
      readonly op: SetOp
      readonly column: string
      readonly values: readonly LiteralInput[]
    }
  | {
      readonly kind: 'prefix'
      readonly op: PrefixOp
      readonly column: string
      readonly prefix: string
    }

/** A column of a schema, or a field of a partition tuple (then `fieldId` is the partition field id). */
export interface BoundRef {
  readonly fieldId: number
  /** Full name, for messages. */
  readonly name: string
  readonly type: PrimitiveType
  /** True if the column can hold no null (required all the way up). */
  readonly required: boolean
}

/** Bound, with every `not` pushed into the predicates. Sets hold distinct values, sorted ascending. */
export type BoundExpression =
  | { readonly kind: 'true' }
  | { readonly kind: 'false' }
  | { readonly kind: 'and'; readonly left: BoundExpression; readonly right: BoundExpression }
  | { readonly kind: 'or'; readonly left: BoundExpression; readonly right: BoundExpression }
  | { readonly kind: 'unary'; readonly op: UnaryOp; readonly ref: BoundRef }
  | {
      readonly kind: 'compare'
      readonly op: CompareOp
      readonly ref: BoundRef
      readonly value: PrimitiveValue
    }
  | {
      readonly kind: 'set'
      readonly op: SetOp
      readonly ref: BoundRef
      readonly values: readonly PrimitiveValue[]
    }
  | {
      readonly kind: 'prefix'
      readonly op: PrefixOp
      readonly ref: BoundRef
      readonly prefix: string | Uint8Array
    }

export const ALWAYS_TRUE: { readonly kind: 'true' } = Object.freeze({ kind: 'true' })
export const ALWAYS_FALSE: { readonly kind: 'false' } = Object.freeze({ kind: 'false' })
