/**
 * Metrics of columns, computed from the values (never from a file's own statistics): counts of values, nulls and
 * NaNs, and extremes. Iceberg spec §Manifests, `data_file` fields 108–128; iceberg-writer.md items 98–102.
 *
 * A file is metered batch by batch, possibly in several workers: {@link FileMetrics} is plain data that survives
 * structured cloning and merges in any order. This module has no state and needs apache-arrow for its types only.
 */
import type { Data, Field, RecordBatch } from 'apache-arrow'
import { assert } from '../../core/errors.ts'
import { compareBytes } from '../spec/value-compare.ts'
import { fieldIdOf } from './arrow-schema.ts'
import { ARROW_TYPE } from './arrow-type-id.ts'
import { countBits } from './bitmap.ts'
import {
  bitExtremes,
  bytesExtremes,
  decimalExtremes,
  type Extreme,
  type Extremes,
  fixedExtremes,
  floatExtremes,
  int32Extremes,
  int64Extremes,
} from './extremes.ts'
import type { MetricsMode, MetricsModes } from './metrics-mode.ts'
import { bothValid, liveElements, type Mask, ownValidity } from './validity.ts'

/** The metrics of a file so far. */
export interface FileMetrics {
  recordCount: number
  /** Leaf columns by field id. */
  readonly columns: Map<number, LeafMetrics>
}

/** The metrics of one leaf column so far. */
export interface LeafMetrics {
  /** Values, nulls and NaNs included; elements, inside lists and maps. */
  valueCount: number
  /** Nulls, those below a null struct included. */
  nullCount: number
  nanCount: number
  /** Undefined as long as there is no value that has an order. */
  lower: Extreme | undefined
  upper: Extreme | undefined
}

export function emptyMetrics(): FileMetrics {
  return { recordCount: 0, columns: new Map() }
}

/** Adds a batch of the table's Arrow schema for writing (with field ids) to the metrics of its file. */
export function meterBatch(metrics: FileMetrics, batch: RecordBatch, modes: MetricsModes): void {
  metrics.recordCount += batch.numRows
  const slots: Slots = { start: 0, length: batch.numRows, live: undefined, valid: undefined }
  batch.schema.fields.forEach((field, i) => {
    meterColumn(metrics, field, batch.data.children[i] as Data, slots, modes)
  })
}

/** Adds the metrics of other rows of the same file. The order of merging does not matter. */
export function mergeMetrics(into: FileMetrics, other: FileMetrics): void {
  into.recordCount += other.recordCount
  for (const [id, leaf] of other.columns) {
    const target = leafOf(into, id)
    target.valueCount += leaf.valueCount
    target.nullCount += leaf.nullCount
    target.nanCount += leaf.nanCount
    target.lower = pick(target.lower, leaf.lower, -1)
    target.upper = pick(target.upper, leaf.upper, 1)
  }
}

/** Which slots of a column count. */
interface Slots {
  readonly start: number
  readonly length: number
  /** Slots that belong to a list of a row; undefined = all. */
  readonly live: Mask | undefined
  /** Slots whose ancestors are not null (a subset of `live`); undefined = all. */
  readonly valid: Mask | undefined
}

function meterColumn(
  metrics: FileMetrics,
  field: Field,
  data: Data,
  slots: Slots,
  modes: MetricsModes,
): void {
  const valid = intersect(slots, data)
  switch (data.type.typeId as number) {
    case ARROW_TYPE.Struct:
      field.type.children.forEach((child: Field, i: number) => {
        meterColumn(metrics, child, data.children[i] as Data, { ...slots, valid }, modes)
      })
      return
    case ARROW_TYPE.List:
    case ARROW_TYPE.Map:
      meterColumn(
        metrics,
        field.type.children[0] as Field,
        data.children[0] as Data,
        elementSlots(data, { ...slots, valid }),
        modes,
      )
      return
    default: {
      const id = fieldIdOf(field)
      assert(id !== undefined, `column ${field.name} carries its field id`)
      const mode = modes.get(id)
      if (mode === undefined || mode.kind === 'none') return
      meterLeaf(leafOf(metrics, id), data, { ...slots, valid }, mode)
    }
  }
}

function meterLeaf(leaf: LeafMetrics, data: Data, slots: Slots, mode: MetricsMode): void {
  const { length, live, valid } = slots
  const values = live === undefined ? length : countBits(live.bits, live.offset, length)
  const present = valid === undefined ? values : countBits(valid.bits, valid.offset, length)
  leaf.valueCount += values
  leaf.nullCount += values - present
  if (present === 0) return
  const isFloat = (data.type.typeId as number) === ARROW_TYPE.Float
  if (mode.kind === 'counts' && !isFloat) return
  const found = extremesOf(data, slots, mode)
  if (found === undefined) return
  leaf.nanCount += found.nans ?? 0
  if (mode.kind === 'counts') return
  leaf.lower = pick(leaf.lower, found.lower, -1)
  leaf.upper = pick(leaf.upper, found.upper, 1)
}

function extremesOf(data: Data, slots: Slots, mode: MetricsMode): Extremes | undefined {
  const { start, length, valid } = slots
  const end = start + length
  const keep = mode.kind === 'truncate' ? mode.length + 1 : Number.POSITIVE_INFINITY
  const values = data.values as unknown
  switch (data.type.typeId as number) {
    case ARROW_TYPE.Bool: {
      const bits = { bits: values as Uint8Array, offset: data.offset + start }
      return bitExtremes(bits, length, valid)
    }
    case ARROW_TYPE.Int:
    case ARROW_TYPE.Date:
    case ARROW_TYPE.Time:
    case ARROW_TYPE.Timestamp:
      if (values instanceof Int32Array) return int32Extremes(values.subarray(start, end), valid)
      return int64Extremes((values as BigInt64Array).subarray(start, end), valid)
    case ARROW_TYPE.Float:
      return floatExtremes((values as Float64Array).subarray(start, end), valid)
    case ARROW_TYPE.Decimal:
      return decimalExtremes((values as Uint32Array).subarray(start * 4, end * 4), valid)
    case ARROW_TYPE.Utf8:
    case ARROW_TYPE.Binary: {
      const offsets = (data.valueOffsets as Int32Array).subarray(start, end + 1)
      const utf8 = (data.type.typeId as number) === ARROW_TYPE.Utf8
      return bytesExtremes(values as Uint8Array, offsets, valid, { keep, utf8 })
    }
    case ARROW_TYPE.FixedSizeBinary: {
      const width = data.stride
      const bytes = (values as Uint8Array).subarray(start * width, end * width)
      return fixedExtremes(bytes, width, valid)
    }
    default:
      return undefined
  }
}

/** The slots of a list's or map's elements: those of lists that are there, in rows that are there. */
function elementSlots(data: Data, slots: Slots): Slots {
  if (slots.length === 0) return { start: 0, length: 0, live: undefined, valid: undefined }
  const { start, length } = slots
  const offsets = (data.valueOffsets as Int32Array).subarray(start, start + length + 1)
  const live = liveElements(offsets, slots.valid)
  const first = offsets[0] as number
  return { start: first, length: (offsets[length] as number) - first, live, valid: live }
}

/** The valid slots of a column: those of its ancestors that are not null in itself. */
function intersect(slots: Slots, data: Data): Mask | undefined {
  return bothValid(ownValidity(data, slots.start), slots.valid, slots.length)
}

function leafOf(metrics: FileMetrics, id: number): LeafMetrics {
  let leaf = metrics.columns.get(id)
  if (leaf === undefined) {
    leaf = { valueCount: 0, nullCount: 0, nanCount: 0, lower: undefined, upper: undefined }
    metrics.columns.set(id, leaf)
  }
  return leaf
}

/** The smaller (sign −1) or larger (sign 1) of two extremes. */
function pick(a: Extreme | undefined, b: Extreme | undefined, sign: 1 | -1): Extreme | undefined {
  if (a === undefined) return b
  if (b === undefined) return a
  const order =
    a instanceof Uint8Array ? compareBytes(a, b as Uint8Array) : a < (b as number) ? -1 : 1
  return order * sign < 0 ? b : a
}
