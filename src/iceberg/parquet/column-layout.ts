/**
 * How a decoded column lies in the decoder's memory: its Arrow buffers by kind. The worker copies buffers by this
 * description and the main side builds columns from them, so that neither needs to parse a format in between.
 */
import type { Type } from '../spec/types.ts'
import type { LeafConversion } from './leaf-types.ts'
import type { ProjectedField } from './projection.ts'

/**
 * `bits`: validity, bits. `fixed`: validity, values of `bytes` each. `variable`: validity, 32-bit offsets, bytes.
 * `list` (also maps): validity, offsets, one child. `struct`: validity, children. `skip`: nothing is copied.
 */
export type LayoutKind = 'bits' | 'fixed' | 'variable' | 'list' | 'struct' | 'skip'

export interface ColumnLayout {
  readonly kind: LayoutKind
  /** Format string of the Arrow C data interface that the decoder has to deliver. */
  readonly format: string
  readonly bytes: number
  readonly children: readonly ColumnLayout[]
}

/** The layout in which the decoder delivers a projected field. */
export function layoutOf(projected: ProjectedField): ColumnLayout {
  if (projected.placeholder === true) return SKIP
  const { type } = projected.field
  switch (type.kind) {
    case 'struct':
      return nested('struct', '+s', projected.children.map(layoutOf))
    case 'list':
      return nested('list', '+l', projected.children.map(layoutOf))
    case 'map':
      // A map is a list of entries, which are structs of key and value.
      return nested('list', '+m', [nested('struct', '+s', projected.children.map(layoutOf))])
    default:
      return leafLayout(type, projected.convert)
  }
}

function leafLayout(type: Type, convert: LeafConversion | undefined): ColumnLayout {
  switch (convert) {
    case 'timestamp-millis':
      return fixed(8, type.kind === 'timestamptz' ? 'tsm:UTC' : 'tsm:')
    case 'time-millis':
      return fixed(4, 'ttm')
    case 'uint32':
      return fixed(4, 'I')
    case undefined:
      return primitiveLayout(type)
  }
}

function primitiveLayout(type: Type): ColumnLayout {
  switch (type.kind) {
    case 'boolean':
      return { kind: 'bits', format: 'b', bytes: 0, children: [] }
    case 'int':
      return fixed(4, 'i')
    case 'long':
      return fixed(8, 'l')
    case 'float':
      return fixed(4, 'f')
    case 'double':
      return fixed(8, 'g')
    case 'decimal':
      return fixed(16, `d:${type.precision},${type.scale}`)
    case 'date':
      return fixed(4, 'tdD')
    case 'time':
      return fixed(8, 'ttu')
    case 'timestamp':
      return fixed(8, 'tsu:')
    case 'timestamptz':
      return fixed(8, 'tsu:UTC')
    case 'timestamp_ns':
      return fixed(8, 'tsn:')
    case 'timestamptz_ns':
      return fixed(8, 'tsn:UTC')
    case 'uuid':
      return fixed(16, 'w:16')
    case 'fixed':
      return fixed(type.length, `w:${type.length}`)
    case 'string':
      return { kind: 'variable', format: 'u', bytes: 0, children: [] }
    default:
      return { kind: 'variable', format: 'z', bytes: 0, children: [] }
  }
}

const SKIP: ColumnLayout = { kind: 'skip', format: '', bytes: 0, children: [] }

function fixed(bytes: number, format: string): ColumnLayout {
  return { kind: 'fixed', format, bytes, children: [] }
}

function nested(
  kind: 'list' | 'struct',
  format: string,
  children: readonly ColumnLayout[],
): ColumnLayout {
  return { kind, format, bytes: 0, children }
}
