/** The fewest bytes that a value of an Avro type takes: what a declared count of items is checked against. */
import type { AvroType } from './avro-schema.ts'

/** 0 for types whose values may take no bytes at all, such as null and records without fields. */
export function minimumBytes(type: AvroType): number {
  return measure(type, new Map())
}

function measure(type: AvroType, memo: Map<AvroType, number>): number {
  switch (type.kind) {
    case 'null':
      return 0
    case 'float':
      return 4
    case 'double':
      return 8
    case 'fixed':
      return type.size
    case 'union': {
      let least = Number.POSITIVE_INFINITY
      for (const branch of type.branches) least = Math.min(least, measure(branch, memo))
      return 1 + least
    }
    case 'record': {
      const known = memo.get(type)
      if (known !== undefined) return known
      // A record inside itself counts as nothing while it is being measured.
      memo.set(type, 0)
      let sum = 0
      for (const field of type.fields) sum += measure(field.type, memo)
      memo.set(type, sum)
      return sum
    }
    default:
      return 1
  }
}
