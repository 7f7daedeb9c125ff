/** Readable text of predicates, for messages and reports. */
import { valueText } from '../transforms.ts'
import type { BoundExpression, CompareOp } from './expression.ts'

const SYMBOLS: Readonly<Record<CompareOp, string>> = {
  eq: '=',
  'not-eq': '<>',
  lt: '<',
  'lt-eq': '<=',
  gt: '>',
  'gt-eq': '>=',
}

/** SQL-like text; sets are shortened after ten values. */
export function expressionText(e: BoundExpression): string {
  switch (e.kind) {
    case 'true':
    case 'false':
      return e.kind
    case 'and':
    case 'or':
      return `(${expressionText(e.left)} ${e.kind} ${expressionText(e.right)})`
    case 'unary':
      return `${e.ref.name} ${e.op.replace('-', ' ')}`
    case 'compare':
      return `${e.ref.name} ${SYMBOLS[e.op]} ${valueText(e.ref.type, e.value)}`
    case 'set': {
      const shown = e.values.slice(0, 10).map((v) => valueText(e.ref.type, v))
      if (e.values.length > 10) shown.push(`… ${e.values.length - 10} more`)
      return `${e.ref.name} ${e.op === 'in' ? 'in' : 'not in'} (${shown.join(', ')})`
    }
    case 'prefix':
      return `${e.ref.name} ${e.op.replaceAll('-', ' ')} ${String(e.prefix)}`
  }
}
