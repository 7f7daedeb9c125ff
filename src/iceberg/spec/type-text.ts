/** The canonical text of types, as in schema JSON and messages: `decimal(9,2)`, `fixed[16]` (item 14). */
import type { Type } from './types.ts'

/** Canonical for primitives; readable for nested types, as `list<string>`. */
export function typeText(type: Type): string {
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'fixed':
      return `fixed[${type.length}]`
    case 'geometry':
      return type.crs === undefined ? 'geometry' : `geometry(${type.crs})`
    case 'geography':
      if (type.algorithm !== undefined) {
        return `geography(${type.crs ?? 'OGC:CRS84'}, ${type.algorithm})`
      }
      return type.crs === undefined ? 'geography' : `geography(${type.crs})`
    case 'list':
      return `list<${typeText(type.element)}>`
    case 'map':
      return `map<${typeText(type.key)}, ${typeText(type.value)}>`
    case 'struct':
      return `struct<${type.fields.map((f) => `${f.name}: ${typeText(f.type)}`).join(', ')}>`
    default:
      return type.kind
  }
}
