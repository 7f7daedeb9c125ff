/** From what was metered to what a manifest says of a data file: counts, and bounds as binary single values. */
import { normalizeFloatBound, truncateLower, truncateUpper } from '../spec/bounds.ts'
import type { Schema } from '../spec/schema.ts'
import { isPrimitive, type PrimitiveType } from '../spec/types.ts'
import type { PrimitiveValue } from '../spec/value.ts'
import { uuidFromBytes, valueToBytes } from '../spec/value-binary.ts'
import type { Extreme } from './extremes.ts'
import type { FileMetrics } from './metrics.ts'
import type { MetricsMode, MetricsModes } from './metrics-mode.ts'

/** The metrics fields of a ContentFile. All by field id. */
export interface ColumnMetrics {
  readonly valueCounts: ReadonlyMap<number, number>
  readonly nullValueCounts: ReadonlyMap<number, number>
  readonly nanValueCounts: ReadonlyMap<number, number>
  readonly lowerBounds: ReadonlyMap<number, Uint8Array>
  readonly upperBounds: ReadonlyMap<number, Uint8Array>
}

/**
 * The metrics of a finished file, columns in schema order. Bounds contain every value: they are cut as the mode
 * says (item 99), are never NaN, and are −0.0 and +0.0 where they are zero (item 98).
 */
export function finishMetrics(
  metrics: FileMetrics,
  schema: Schema,
  modes: MetricsModes,
): ColumnMetrics {
  const valueCounts = new Map<number, number>()
  const nullValueCounts = new Map<number, number>()
  const nanValueCounts = new Map<number, number>()
  const lowerBounds = new Map<number, Uint8Array>()
  const upperBounds = new Map<number, Uint8Array>()
  for (const { field } of schema.entries()) {
    const leaf = metrics.columns.get(field.id)
    const mode = modes.get(field.id)
    const { type } = field
    if (leaf === undefined || mode === undefined || !isPrimitive(type)) continue
    valueCounts.set(field.id, leaf.valueCount)
    nullValueCounts.set(field.id, leaf.nullCount)
    if (type.kind === 'float' || type.kind === 'double') {
      nanValueCounts.set(field.id, leaf.nanCount)
    }
    const lower = boundOf(type, leaf.lower, mode, false)
    if (lower !== undefined) lowerBounds.set(field.id, valueToBytes(type, lower))
    const upper = boundOf(type, leaf.upper, mode, true)
    if (upper !== undefined) upperBounds.set(field.id, valueToBytes(type, upper))
  }
  return { valueCounts, nullValueCounts, nanValueCounts, lowerBounds, upperBounds }
}

function boundOf(
  type: PrimitiveType,
  extreme: Extreme | undefined,
  mode: MetricsMode,
  upper: boolean,
): PrimitiveValue | undefined {
  if (extreme === undefined) return undefined
  const value = toValue(type, extreme, upper)
  if (value === undefined || mode.kind !== 'truncate') return value
  return upper ? truncateUpper(type, value, mode.length) : truncateLower(type, value, mode.length)
}

function toValue(
  type: PrimitiveType,
  extreme: Extreme,
  upper: boolean,
): PrimitiveValue | undefined {
  switch (type.kind) {
    case 'boolean':
      return extreme === 1
    case 'float':
    case 'double':
      return normalizeFloatBound(extreme as number, upper)
    case 'uuid':
      return uuidFromBytes(extreme as Uint8Array)
    case 'string':
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
          extreme as Uint8Array,
        )
      } catch {
        // Files of other writers may hold text that is no UTF-8: it has no place in an order of code points.
        return undefined
      }
    default:
      return extreme
  }
}
