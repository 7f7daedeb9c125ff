/**
 * Which metrics each column of a table gets: the table properties `write.metadata.metrics.*` (item 102 of
 * iceberg-writer.md).
 */
import { badProperty } from '../spec/properties.ts'
import { childrenOf, type Schema } from '../spec/schema.ts'
import type { SortOrder } from '../spec/sort-order.ts'
import { preservesOrder } from '../spec/transforms.ts'
import { isPrimitive, type NestedField } from '../spec/types.ts'

/** Plain data, so that it can be sent to a worker. `none` means not even counts. */
export type MetricsMode =
  | { readonly kind: 'none' | 'counts' | 'full' }
  /** Bounds of at most so many code points or bytes. */
  | { readonly kind: 'truncate'; readonly length: number }

/** The mode of every leaf column by field id. Leaves inside lists and maps get counts at most. */
export type MetricsModes = ReadonlyMap<number, MetricsMode>

const PREFIX = 'write.metadata.metrics.'
const DEFAULT_PROPERTY = `${PREFIX}default`
const COLUMN_PREFIX = `${PREFIX}column.`
const INFERRED_PROPERTY = `${PREFIX}max-inferred-column-defaults`
const DEFAULT_INFERRED = 100
const DEFAULT_MODE: MetricsMode = { kind: 'truncate', length: 16 }
const NONE: MetricsMode = { kind: 'none' }
const COUNTS: MetricsMode = { kind: 'counts' }

/**
 * The modes that the properties and the sort order of a table ask for.
 *
 * Without a default, the first 100 leaves get truncate(16) and the rest nothing. Sort columns get bounds in any case
 * unless their own property says otherwise.
 * @throws BAD_ARGUMENT for a property that is no mode or number.
 */
export function resolveMetricsModes(
  schema: Schema,
  properties: Readonly<Record<string, string>>,
  sortOrder: SortOrder,
): MetricsModes {
  const given = properties[DEFAULT_PROPERTY]
  const everywhere = given === undefined ? undefined : parseMode(DEFAULT_PROPERTY, given)
  const inferred = everywhere === undefined ? firstLeaves(schema, inferredCount(properties)) : null
  const sorted = new Set(
    sortOrder.fields.filter((f) => preservesOrder(f.transform)).flatMap((f) => f.sourceIds),
  )
  const modes = new Map<number, MetricsMode>()
  for (const { field, path, repeated } of schema.entries()) {
    if (!isPrimitive(field.type) || field.type.kind === 'unknown') continue
    let mode = everywhere ?? (inferred?.has(field.id) ? DEFAULT_MODE : NONE)
    if (sorted.has(field.id) && (mode.kind === 'none' || mode.kind === 'counts')) {
      mode = DEFAULT_MODE
    }
    const property = COLUMN_PREFIX + path.join('.')
    const own = properties[property]
    if (own !== undefined) mode = parseMode(property, own)
    modes.set(field.id, hasBounds(field, repeated) || mode.kind === 'none' ? mode : COUNTS)
  }
  return modes
}

/** @throws BAD_ARGUMENT for a property of metrics that is no mode or number, whatever columns there are. */
export function checkMetricsProperties(properties: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(properties)) {
    if (name === DEFAULT_PROPERTY || name.startsWith(COLUMN_PREFIX)) parseMode(name, text)
  }
  inferredCount(properties)
}

/** Bounds of geometries are boxes, which nothing here computes: to have none is allowed (item 97). */
function hasBounds(field: NestedField, repeated: boolean): boolean {
  return !repeated && field.type.kind !== 'geometry' && field.type.kind !== 'geography'
}

/** The ids of the first leaves: those of a struct itself before those of the structs inside it. */
function firstLeaves(schema: Schema, limit: number): Set<number> {
  const ids = new Set<number>()
  const visit = (fields: readonly NestedField[]): void => {
    for (const field of fields) {
      if (ids.size >= limit) return
      if (isPrimitive(field.type) && field.type.kind !== 'unknown') ids.add(field.id)
    }
    for (const field of fields) {
      if (ids.size >= limit) return
      visit(childrenOf(field.type))
    }
  }
  visit(schema.fields)
  return ids
}

function inferredCount(properties: Readonly<Record<string, string>>): number {
  const text = properties[INFERRED_PROPERTY]
  if (text === undefined) return DEFAULT_INFERRED
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw badProperty(INFERRED_PROPERTY, text, 'a number of columns. Set it to one of these')
}

function parseMode(property: string, text: string): MetricsMode {
  const mode = text.trim().toLowerCase()
  if (mode === 'none' || mode === 'counts' || mode === 'full') return { kind: mode }
  const match = /^truncate\((\d{1,9})\)$/.exec(mode)
  if (match !== null && Number(match[1]) > 0) {
    return { kind: 'truncate', length: Number(match[1]) }
  }
  throw badProperty(
    property,
    text,
    'none, counts, full or truncate(<length>). Set it to one of these',
  )
}
