/**
 * How one value of each primitive type looks in memory, everywhere below the API edge:
 * partition tuples, literals of predicates, bounds, defaults.
 *
 * | type | JavaScript |
 * |---|---|
 * | boolean | boolean |
 * | int, date (days since 1970-01-01) | number |
 * | long, time (µs), timestamp/timestamptz (µs), timestamp_ns/timestamptz_ns (ns) | bigint |
 * | float, double | number |
 * | decimal(P,S) | bigint, the unscaled value |
 * | string | string |
 * | uuid | string, lower case, 8-4-4-4-12 |
 * | fixed, binary, geometry, geography | Uint8Array |
 *
 * Struct, list and map values appear only as column defaults and in rows (`rows()`), never in bounds or tuples.
 */
export type PrimitiveValue = boolean | number | bigint | string | Uint8Array
export type Value =
  | null
  | PrimitiveValue
  | StructValue
  | readonly Value[]
  | ReadonlyMap<Value, Value>
/** A struct value by field name; no prototype. */
export interface StructValue {
  readonly [field: string]: Value
}
