/** Values in the form of the corpus's index, on both sides of a comparison. */

import { formatDecimal, parseDecimal } from '../../src/iceberg/spec/decimal.ts'
import {
  formatTime,
  formatTimestamp,
  formatTimestampNanos,
} from '../../src/iceberg/spec/temporal.ts'
import type { NestedField, Type } from '../../src/index.ts'

/** A native row of floe as the index writes rows: a list in column order. */
export function corpusRow(row: Record<string, unknown>, fields: readonly NestedField[]): unknown[] {
  return fields.map((field) => toCorpus(row[field.name], field.type))
}

/** A value of the index, with what JSON leaves open settled. */
export function expectedValue(value: unknown, type: Type | undefined): unknown {
  if (value === null || value === undefined || type === undefined) return value ?? null
  switch (type.kind) {
    case 'float':
      return typeof value === 'number' ? Math.fround(value) : value
    case 'long':
    case 'int':
      return String(value)
    case 'list':
      return (value as unknown[]).map((v) => expectedValue(v, type.element))
    case 'map':
      return sorted(
        (value as unknown[][]).map(([k, v]) => [
          expectedValue(k, type.key),
          expectedValue(v, type.value),
        ]),
      )
    case 'struct':
      return type.fields.map((f) =>
        expectedValue((value as Record<string, unknown>)[f.name], f.type),
      )
    case 'decimal': {
      // The index has exponents where Python prints them.
      const parsed = parseDecimal(String(value), 38, type.scale)
      return 'unscaled' in parsed ? formatDecimal(parsed.unscaled, type.scale) : value
    }
    case 'uuid': {
      const hex = / \(hex\)$/.test(String(value)) ? String(value).slice(0, 32) : undefined
      return hex === undefined ? value : hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
    }
    case 'timestamp':
      return String(value).replace(/\+00$/, '')
    default:
      return value
  }
}

function toCorpus(value: unknown, type: Type): unknown {
  if (value === null || value === undefined) return null
  switch (type.kind) {
    case 'int':
    case 'long':
      return String(value)
    case 'time':
      return trimmed(formatTime(value as bigint))
    case 'timestamp':
    case 'timestamptz': {
      const text = trimmed(formatTimestamp(value as bigint, false)).replace('T', ' ')
      return type.kind === 'timestamptz' ? `${text}+00` : text
    }
    case 'timestamp_ns':
    case 'timestamptz_ns': {
      const text = trimmed(formatTimestampNanos(value as bigint, false)).replace('T', ' ')
      return type.kind === 'timestamptz_ns' ? `${text}+00` : text
    }
    case 'fixed':
    case 'binary':
      return `${Buffer.from(value as Uint8Array).toString('hex')} (hex)`
    case 'list':
      return (value as unknown[]).map((v) => toCorpus(v, type.element))
    case 'map':
      return sorted(
        [...(value as Map<unknown, unknown>)].map(([k, v]) => [
          toCorpus(k, type.key),
          toCorpus(v, type.value),
        ]),
      )
    case 'struct':
      return type.fields.map((f) => toCorpus((value as Record<string, unknown>)[f.name], f.type))
    default:
      return value
  }
}

/** The index writes no fraction where there is none. */
function trimmed(text: string): string {
  return text.replace(/\.0+$/, '')
}

function sorted(pairs: unknown[][]): unknown[][] {
  return [...pairs].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}
