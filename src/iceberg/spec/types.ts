/**
 * The types of the format as data. Iceberg spec §Schemas and Data Types (v2 and v3).
 *
 * Type text, JSON and schema building live in `type-json.ts` and `schema.ts`; how a value of each type looks
 * in memory is `Value` in `value.ts`. `unknown` holds JSON fields that this version does not know (item 26).
 */
import type { JsonObject } from '../../core/json.ts'
import type { Value } from './value.ts'

export interface DecimalType {
  readonly kind: 'decimal'
  /** Digits, 1 to 38. */
  readonly precision: number
  /** Digits after the point, 0 to precision. */
  readonly scale: number
}
export interface FixedType {
  readonly kind: 'fixed'
  /** Length in bytes. */
  readonly length: number
}
export interface GeometryType {
  readonly kind: 'geometry'
  /** Coordinate reference system; undefined means the default, OGC:CRS84. */
  readonly crs?: string
}
export interface GeographyType {
  readonly kind: 'geography'
  readonly crs?: string
  readonly algorithm?: 'spherical' | 'vincenty' | 'thomas' | 'andoyer' | 'karney'
}
export interface SimpleType {
  readonly kind:
    | 'boolean'
    | 'int'
    | 'long'
    | 'float'
    | 'double'
    | 'date'
    | 'time'
    | 'timestamp'
    | 'timestamptz'
    | 'timestamp_ns'
    | 'timestamptz_ns'
    | 'string'
    | 'uuid'
    | 'binary'
    | 'unknown'
}
export type PrimitiveType = SimpleType | DecimalType | FixedType | GeometryType | GeographyType

/** A semi-structured value (v3): neither primitive nor nested; described and read past, not decoded. */
export interface VariantType {
  readonly kind: 'variant'
}
export interface ListType {
  readonly kind: 'list'
  readonly elementId: number
  readonly elementRequired: boolean
  readonly element: Type
  readonly unknown?: JsonObject
}
export interface MapType {
  readonly kind: 'map'
  readonly keyId: number
  readonly key: Type
  readonly valueId: number
  readonly valueRequired: boolean
  readonly value: Type
  readonly unknown?: JsonObject
}
export interface StructType {
  readonly kind: 'struct'
  readonly fields: readonly NestedField[]
  readonly unknown?: JsonObject
}
export type NestedType = ListType | MapType | StructType
export type Type = PrimitiveType | VariantType | NestedType
export type TypeKind = Type['kind']

/** A field of a struct. `initialDefault` and `writeDefault` are v3; undefined means "not set". */
export interface NestedField {
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: Type
  readonly doc?: string
  readonly initialDefault?: Value
  readonly writeDefault?: Value
  readonly unknown?: JsonObject
}

/** True for a type without children that has single values (so not variant). */
export function isPrimitive(type: Type): type is PrimitiveType {
  return (
    type.kind !== 'struct' && type.kind !== 'list' && type.kind !== 'map' && type.kind !== 'variant'
  )
}
