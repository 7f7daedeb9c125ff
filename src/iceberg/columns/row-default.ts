/** Column defaults in the form that rows have. */
import { formatDecimal } from '../spec/decimal.ts'
import type { NestedField, Type } from '../spec/types.ts'
import type { StructValue, Value } from '../spec/value.ts'

/** What a row that lacks the field gets: its write default (item 69), or undefined if it has none or null. */
export function rowDefault(field: NestedField): unknown {
  const value = field.writeDefault
  return value === undefined || value === null ? undefined : toRowValue(field.type, value)
}

/** Values and rows differ in decimals alone: unscaled integers in the one, text in the other. */
function toRowValue(type: Type, value: Value): unknown {
  if (value === null) return null
  switch (type.kind) {
    case 'decimal':
      return formatDecimal(value as bigint, type.scale)
    case 'list':
      return (value as readonly Value[]).map((item) => toRowValue(type.element, item))
    case 'map':
      return new Map(
        [...(value as ReadonlyMap<Value, Value>)].map(([key, item]) => [
          toRowValue(type.key, key),
          toRowValue(type.value, item),
        ]),
      )
    case 'struct': {
      const row = Object.create(null) as Record<string, unknown>
      for (const field of type.fields) {
        const item = (value as StructValue)[field.name]
        if (item !== undefined) row[field.name] = toRowValue(field.type, item)
      }
      return row
    }
    default:
      return value
  }
}
