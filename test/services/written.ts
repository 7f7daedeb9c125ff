/**
 * The rows that were given to floe, in canonical form, without any of floe's own conversions: what engines read is
 * compared with this.
 */

import type { NestedField, Type } from '../../src/index.ts'
import type { Canonical, CanonicalRow } from './canonical.ts'
import { sortedPairs } from './canonical.ts'

export function writtenRows(
  rows: readonly Record<string, unknown>[],
  fields: readonly NestedField[],
): CanonicalRow[] {
  return rows.map((row) =>
    Object.fromEntries(fields.map((f) => [f.name, written(row[f.name], f.type)])),
  )
}

function written(value: unknown, type: Type): Canonical {
  if (value === null || value === undefined) return null
  switch (type.kind) {
    case 'boolean':
    case 'string':
      return value as Canonical
    case 'int':
    case 'long':
      return String(value as number | bigint)
    case 'float':
      return float(Math.fround(value as number))
    case 'double':
      return float(value as number)
    case 'decimal':
      return decimal(value as string, type.scale)
    case 'date':
      return typeof value === 'string' ? value : isoDate(value as number)
    case 'time':
      return padFraction(value as string, 6)
    case 'timestamp':
    case 'timestamptz':
      return timestamp(value as string | bigint, 6, type.kind === 'timestamptz')
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return timestamp(value as string | bigint, 9, type.kind === 'timestamptz_ns')
    case 'uuid':
      return (value as string).toLowerCase()
    case 'fixed':
    case 'binary':
      return Buffer.from(value as Uint8Array).toString('hex')
    case 'list':
      return (value as unknown[]).map((item) => written(item, type.element))
    case 'map': {
      const entries = value instanceof Map ? [...value] : Object.entries(value as object)
      return sortedPairs(entries.map(([k, v]) => [written(k, type.key), written(v, type.value)]))
    }
    case 'struct':
      return Object.fromEntries(
        type.fields.map((f) => [
          f.name,
          written((value as Record<string, unknown>)[f.name], f.type),
        ]),
      )
    default:
      throw new Error(`No case writes a ${type.kind}`)
  }
}

function float(value: number): Canonical {
  if (Object.is(value, -0)) return '-0'
  return Number.isFinite(value) ? value : String(value)
}

function decimal(text: string, scale: number): string {
  const [whole = '0', fraction = ''] = text.split('.')
  return scale === 0 ? whole : `${whole}.${fraction.padEnd(scale, '0')}`
}

function isoDate(days: number): string {
  return new Date(days * 86_400_000).toISOString().slice(0, 10)
}

function padFraction(text: string, digits: number): string {
  const [clock = '', fraction = ''] = text.split('.')
  return `${clock}.${fraction.padEnd(digits, '0')}`
}

/** Through `Date` for whole seconds alone, which it keeps exactly. */
function timestamp(value: string | bigint, digits: 6 | 9, utc: boolean): string {
  const suffix = utc ? '+00:00' : ''
  if (typeof value === 'bigint') {
    const perSecond = 10n ** BigInt(digits)
    const fraction = ((value % perSecond) + perSecond) % perSecond
    const seconds = (value - fraction) / perSecond
    const clock = new Date(Number(seconds) * 1000).toISOString().slice(0, 19)
    return `${clock}.${String(fraction).padStart(digits, '0')}${suffix}`
  }
  const match = /^(.{19})(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?$/.exec(value)
  if (match === null) throw new Error(`Not a timestamp of a case: ${value}`)
  const clock = new Date(`${match[1]}${match[3] ?? 'Z'}`).toISOString().slice(0, 19)
  return `${clock}.${(match[2] ?? '').padEnd(digits, '0')}${suffix}`
}
