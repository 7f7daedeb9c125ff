/**
 * Columns of the input that the table does not have but that decide which rows delete, such as the `op` of a change
 * feed. Their types follow from what the predicate compares them with.
 */
import { FloeError } from '../../core/errors.ts'
import type { Expression, LiteralInput } from '../../iceberg/spec/expressions/expression.ts'
import type { NestedField, PrimitiveType } from '../../iceberg/spec/types.ts'

/** Above all ids that a table can have given, below those that the format reserves. */
const FIRST_ID = 2_147_400_000

/**
 * The columns among `names` that the predicate reads.
 * @throws BAD_EXPRESSION for one that is compared with values of different types, or with none.
 */
export function extraColumns(
  predicate: Expression,
  names: ReadonlySet<string>,
): readonly NestedField[] {
  const types = new Map<string, PrimitiveType['kind'] | undefined>()
  visit(predicate, (column, literals) => {
    if (!names.has(column)) return
    if (!types.has(column)) types.set(column, undefined)
    for (const literal of literals) {
      const kind = kindOf(literal)
      const before = types.get(column)
      if (before !== undefined && before !== kind) {
        throw unclear(column, `it is compared with both ${before} and ${kind} values`)
      }
      types.set(column, kind)
    }
  })
  return [...types].map(([name, kind], i): NestedField => {
    if (kind === undefined) throw unclear(name, 'it is compared with no value')
    return { id: FIRST_ID + i, name, required: false, type: { kind } as PrimitiveType }
  })
}

function visit(
  e: Expression,
  note: (column: string, literals: readonly LiteralInput[]) => void,
): void {
  switch (e.kind) {
    case 'and':
    case 'or':
      visit(e.left, note)
      visit(e.right, note)
      return
    case 'not':
      visit(e.child, note)
      return
    case 'unary':
      note(e.column, [])
      return
    case 'compare':
      note(e.column, [e.value])
      return
    case 'set':
      note(e.column, e.values)
      return
    case 'prefix':
      note(e.column, [e.prefix])
      return
    default:
  }
}

function kindOf(literal: LiteralInput): PrimitiveType['kind'] {
  switch (typeof literal) {
    case 'boolean':
      return 'boolean'
    case 'string':
      return 'string'
    case 'bigint':
      return 'long'
    case 'number':
      return Number.isSafeInteger(literal) ? 'long' : 'double'
    default:
      return literal instanceof Date ? 'timestamptz' : 'binary'
  }
}

function unclear(column: string, why: string): FloeError {
  return new FloeError(
    'BAD_EXPRESSION',
    `deleteWhen reads "${column}", which the table does not have, and its type is not clear: ${why}. Compare it with values of one type, or give a function`,
    { context: { column } },
  )
}
