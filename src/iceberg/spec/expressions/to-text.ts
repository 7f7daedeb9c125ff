/** Readable text of predicates, for messages and reports. */
import { valueText } from '../transforms.ts'
import type { PrimitiveType } from '../types.ts'
import type { PrimitiveValue } from '../value.ts'
import type { BoundExpression, CompareOp } from './expression.ts'

/**
 * SQL-like text of one line: chains of one kind without inner parentheses, sets shortened after ten values, long
 * strings after 60 characters. For reading only; never parsed.
 */
export function expressionText(e: BoundExpression): string {
  switch (e.kind) {
    case 'true':
    case 'false':
      return e.kind
    case 'and':
    case 'or':
      return `(${termsOf(e).map(expressionText).join(` ${e.kind} `)})`
    case 'unary':
      return `${e.ref.name} ${e.op.replace('-', ' ')}`
    case 'compare':
      return `${e.ref.name} ${SYMBOLS[e.op]} ${literalText(e.ref.type, e.value)}`
    case 'set': {
      const shown = e.values.slice(0, SHOWN_VALUES).map((v) => literalText(e.ref.type, v))
      const more = e.values.length - shown.length
      if (more > 0) shown.push(`… ${more} more`)
      return `${e.ref.name} ${e.op === 'in' ? 'in' : 'not in'} (${shown.join(', ')})`
    }
    case 'prefix':
      return `${e.ref.name} ${e.op.replaceAll('-', ' ')} ${literalText(e.ref.type, e.prefix)}`
  }
}

const SHOWN_VALUES = 10
const SHOWN_CHARACTERS = 60
const SYMBOLS: Readonly<Record<CompareOp, string>> = {
  eq: '=',
  'not-eq': '<>',
  lt: '<',
  'lt-eq': '<=',
  gt: '>',
  'gt-eq': '>=',
}

/** The terms of a chain of one kind, left to right. */
function termsOf(root: BoundExpression & { kind: 'and' | 'or' }): BoundExpression[] {
  const terms: BoundExpression[] = []
  const open: BoundExpression[] = [root]
  for (let e = open.pop(); e !== undefined; e = open.pop()) {
    if (e.kind === root.kind) open.push(e.right, e.left)
    else terms.push(e)
  }
  return terms
}

/** Quoted, so that where a text begins and ends is plain and a line feed in it stays in its line. */
function literalText(type: PrimitiveType, value: PrimitiveValue): string {
  const text = valueText(type, value)
  const cut = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text
  if (typeof value !== 'string' || type.kind === 'uuid') return cut
  const plain = cut.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a log as they are.
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `'${plain.replaceAll("'", "''")}'`
}
