/**
 * The one form in which values of different engines are compared, exactly.
 *
 * null; booleans; int and long as decimal text; float and double as numbers, 'NaN', 'Infinity', '-Infinity', '-0';
 * decimal as text with its scale; date, time (µs), timestamp (6 or 9 digits, '+00:00' with zone) as ISO text;
 * string; uuid lower case; fixed and binary as lower-case hex; struct as object, list as array, map as pairs sorted by
 * the JSON text of their keys.
 */
import type { Type } from '../../src/iceberg/spec/types.ts'

export type Canonical =
  | null
  | boolean
  | number
  | string
  | Canonical[]
  | { [field: string]: Canonical }
export type CanonicalRow = { [column: string]: Canonical }

/** A value as floe's `rows({ form: 'json' })` gives it, in canonical form. */
export function fromFloe(value: unknown, type: Type): Canonical {
  if (value === null || value === undefined) return null
  switch (type.kind) {
    case 'int':
      return String(value)
    case 'float':
    case 'double':
      return Object.is(value, -0) ? '-0' : (value as Canonical)
    case 'time':
      return value as string
    case 'struct': {
      const out: { [field: string]: Canonical } = {}
      for (const field of type.fields) {
        out[field.name] = fromFloe((value as Record<string, unknown>)[field.name], field.type)
      }
      return out
    }
    case 'list':
      return (value as unknown[]).map((item) => fromFloe(item, type.element))
    case 'map':
      return sortedPairs(
        (value as [unknown, unknown][]).map(([k, v]) => [
          fromFloe(k, type.key),
          fromFloe(v, type.value),
        ]),
      )
    default:
      return value as Canonical
  }
}

/** Rows as floe gives them, in canonical form. */
export function rowsFromFloe(
  rows: readonly Record<string, unknown>[],
  fields: readonly { readonly name: string; readonly type: Type }[],
): CanonicalRow[] {
  return rows.map((row) =>
    Object.fromEntries(fields.map((f) => [f.name, fromFloe(row[f.name], f.type)])),
  )
}

export function sortedPairs(pairs: Canonical[][]): Canonical[][] {
  return [...pairs].sort((a, b) => (text(a[0]) < text(b[0]) ? -1 : 1))
}

/** Null if both hold the same rows, in any order; else what differs, shortened. */
export function compareRows(
  expected: readonly CanonicalRow[],
  actual: readonly CanonicalRow[],
): string | null {
  const counts = new Map<string, number>()
  for (const row of expected) counts.set(text(row), (counts.get(text(row)) ?? 0) + 1)
  const surplus: string[] = []
  for (const row of actual) {
    const key = text(row)
    const count = counts.get(key) ?? 0
    if (count === 0) surplus.push(key)
    else counts.set(key, count - 1)
  }
  const missing = [...counts].filter(([, count]) => count > 0).map(([key]) => key)
  if (missing.length === 0 && surplus.length === 0) return null
  const show = (rows: string[]): string =>
    rows
      .slice(0, 3)
      .map((r) => `  ${r.slice(0, 1500)}`)
      .join('\n')
  return (
    `${expected.length} rows expected, ${actual.length} found\n` +
    `missing (${missing.length}):\n${show(missing)}\nnot expected (${surplus.length}):\n${show(surplus)}`
  )
}

/** JSON with object keys in order, so that equal values have equal texts. */
function text(value: Canonical | undefined): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  )
}
