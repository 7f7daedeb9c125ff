/** What remains of a predicate for the rows of one partition: parts that the tuple already decides are folded. */
import type { PartitionSpec } from '../partition-spec.ts'
import type { Schema } from '../schema.ts'
import type { Value } from '../value.ts'
import { boundAnd, boundOr } from './bind.ts'
import { evaluateExpression } from './evaluate.ts'
import { ALWAYS_FALSE, ALWAYS_TRUE, type BoundExpression } from './expression.ts'
import { projectInclusive, projectStrict } from './projection.ts'

interface Projections {
  readonly inclusive: BoundExpression
  readonly strict: BoundExpression
}

/** Computes residuals for the tuples of one spec; the projections of each leaf are made once. */
export class ResidualEvaluator {
  readonly #expression: BoundExpression
  readonly #spec: PartitionSpec
  readonly #schema: Schema
  readonly #leaves = new Map<BoundExpression, Projections>()
  readonly #index: ReadonlyMap<number, number>
  readonly #depends: boolean

  constructor(expression: BoundExpression, spec: PartitionSpec, schema: Schema) {
    this.#expression = expression
    this.#spec = spec
    this.#schema = schema
    this.#index = new Map(spec.fields.map((field, i) => [field.fieldId, i]))
    this.#depends = this.#dependsOnTuple(expression)
  }

  /** The predicate that the rows of this tuple still have to be tested with; false means none can match. */
  residualFor(partition: readonly Value[]): BoundExpression {
    if (!this.#depends) return this.#expression
    return this.#residual(this.#expression, (id) => partition[this.#index.get(id) ?? -1] ?? null)
  }

  /** True if the tuple can decide any part of the predicate. */
  #dependsOnTuple(e: BoundExpression): boolean {
    if (e.kind === 'true' || e.kind === 'false') return false
    if (e.kind === 'and' || e.kind === 'or') {
      return this.#dependsOnTuple(e.left) || this.#dependsOnTuple(e.right)
    }
    const { inclusive, strict } = this.#leaf(e)
    return inclusive.kind !== 'true' || strict.kind !== 'false'
  }

  #residual(e: BoundExpression, lookup: (fieldId: number) => Value): BoundExpression {
    switch (e.kind) {
      case 'true':
      case 'false':
        return e
      case 'and':
        return boundAnd(this.#residual(e.left, lookup), this.#residual(e.right, lookup))
      case 'or':
        return boundOr(this.#residual(e.left, lookup), this.#residual(e.right, lookup))
    }
    const { inclusive, strict } = this.#leaf(e)
    if (evaluateExpression(strict, lookup)) return ALWAYS_TRUE
    if (!evaluateExpression(inclusive, lookup)) return ALWAYS_FALSE
    return e
  }

  #leaf(e: BoundExpression): Projections {
    let leaf = this.#leaves.get(e)
    if (leaf === undefined) {
      leaf = {
        inclusive: projectInclusive(e, this.#spec, this.#schema),
        strict: projectStrict(e, this.#spec, this.#schema),
      }
      this.#leaves.set(e, leaf)
    }
    return leaf
  }
}
