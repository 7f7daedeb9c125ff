/** What remains of a predicate for the rows of one partition: parts that the tuple already decides are folded. */
import type { PartitionSpec } from '../partition-spec.ts'
import type { Schema } from '../schema.ts'
import type { Value } from '../value.ts'
import { boundAnd, boundOr } from './bind.ts'
import { evaluateExpression } from './evaluate.ts'
import { ALWAYS_FALSE, ALWAYS_TRUE, type BoundExpression } from './expression.ts'
import { projectInclusive, projectStrict } from './projection.ts'

/** Computes residuals for the tuples of one spec; the projections of each leaf are made once. */
export class ResidualEvaluator {
  readonly #expression: BoundExpression
  readonly #spec: PartitionSpec
  readonly #schema: Schema
  readonly #leaves = new Map<
    BoundExpression,
    { readonly inclusive: BoundExpression; readonly strict: BoundExpression }
  >()

  constructor(expression: BoundExpression, spec: PartitionSpec, schema: Schema) {
    this.#expression = expression
    this.#spec = spec
    this.#schema = schema
  }

  /** The predicate that the rows of this tuple still have to be tested with; false means none can match. */
  residualFor(partition: readonly Value[]): BoundExpression {
    if (this.#spec.fields.length === 0) return this.#expression
    const index = new Map(this.#spec.fields.map((field, i) => [field.fieldId, i]))
    return this.#residual(this.#expression, (id) => partition[index.get(id) ?? -1] ?? null)
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
    let leaf = this.#leaves.get(e)
    if (leaf === undefined) {
      leaf = {
        inclusive: projectInclusive(e, this.#spec, this.#schema),
        strict: projectStrict(e, this.#spec, this.#schema),
      }
      this.#leaves.set(e, leaf)
    }
    if (evaluateExpression(leaf.strict, lookup)) return ALWAYS_TRUE
    if (!evaluateExpression(leaf.inclusive, lookup)) return ALWAYS_FALSE
    return e
  }
}
