/**
 * Predicates over columns: which rows of a batch match. Typed loops over raw buffers; null semantics are those of
 * `spec/expressions/expression.ts`.
 */
import type { Data, RecordBatch } from 'apache-arrow'
import { assert } from '../../core/errors.ts'
import type { BoundExpression, BoundRef, CompareOp } from '../spec/expressions/expression.ts'
import type { PrimitiveType } from '../spec/types.ts'
import type { PrimitiveValue } from '../spec/value.ts'
import { valueToBytes } from '../spec/value-binary.ts'
import { fieldIdOf } from './arrow-schema.ts'
import { getBit } from './bitmap.ts'

/** The matching rows in ascending order, or 'all'. */
export function matchingRows(batch: RecordBatch, filter: BoundExpression): Uint32Array | 'all' {
  if (filter.kind === 'true') return 'all'
  const { numRows } = batch
  if (filter.kind === 'false') return new Uint32Array(0)
  const mask = evaluate(batch, filter)
  let count = 0
  for (let i = 0; i < numRows; i++) count += mask[i] as number
  if (count === numRows) return 'all'
  const rows = new Uint32Array(count)
  for (let i = 0, to = 0; to < count; i++) {
    rows[to] = i
    to += mask[i] as number
  }
  return rows
}

/** One byte a row: 1 where the predicate holds. */
function evaluate(batch: RecordBatch, e: BoundExpression): Uint8Array {
  const { numRows } = batch
  switch (e.kind) {
    case 'true':
      return new Uint8Array(numRows).fill(1)
    case 'false':
      return new Uint8Array(numRows)
    case 'and':
    case 'or': {
      const left = evaluate(batch, e.left)
      const right = evaluate(batch, e.right)
      if (e.kind === 'and') {
        for (let i = 0; i < numRows; i++) left[i] = (left[i] as number) & (right[i] as number)
      } else for (let i = 0; i < numRows; i++) left[i] = (left[i] as number) | (right[i] as number)
      return left
    }
  }
  const column = findColumn(batch, e.ref)
  const mask = new Uint8Array(numRows)
  switch (e.kind) {
    case 'unary':
      evaluateUnary(e.op, column.leaf, mask)
      if (e.op === 'is-null') {
        markNulls(column, mask, 1)
        return mask
      }
      break
    case 'compare':
      evaluateCompare(e.ref.type, e.op, e.value, column.leaf, mask)
      break
    case 'set': {
      evaluateSet(e.ref.type, e.values, column.leaf, mask)
      if (e.op === 'not-in') for (let i = 0; i < numRows; i++) mask[i] = 1 - (mask[i] as number)
      break
    }
    case 'prefix': {
      const prefix = typeof e.prefix === 'string' ? new TextEncoder().encode(e.prefix) : e.prefix
      evaluatePrefix(prefix, column.leaf, mask)
      if (e.op === 'not-starts-with') {
        for (let i = 0; i < numRows; i++) mask[i] = 1 - (mask[i] as number)
      }
      break
    }
  }
  markNulls(column, mask, 0)
  return mask
}

interface FoundColumn {
  readonly leaf: Data
  /** The leaf and every struct above it: a null in any makes the value null. */
  readonly levels: readonly Data[]
}

function findColumn(batch: RecordBatch, ref: BoundRef): FoundColumn {
  const search = (data: Data, levels: readonly Data[]): FoundColumn | undefined => {
    const fields = (data.type as unknown as { children?: readonly never[] }).children ?? []
    for (let i = 0; i < fields.length; i++) {
      const child = data.children[i] as Data
      if (fieldIdOf(fields[i] as never) === ref.fieldId)
        return { leaf: child, levels: [...levels, child] }
      if (child.children.length > 0 && child.valueOffsets === undefined) {
        const found = search(child, [...levels, child])
        if (found !== undefined) return found
      }
    }
    return undefined
  }
  const found = search(batch.data as unknown as Data, [])
  assert(found !== undefined, `column ${ref.name} is in the batch`, { fieldId: ref.fieldId })
  return found
}

function markNulls(column: FoundColumn, mask: Uint8Array, to: 0 | 1): void {
  for (const data of column.levels) {
    if (data.type.typeId === NULL_TYPE) {
      mask.fill(to)
      continue
    }
    if (data.nullCount === 0 || data.nullBitmap.length === 0) continue
    const { nullBitmap, offset } = data
    for (let i = 0; i < mask.length; i++) if (!getBit(nullBitmap, offset + i)) mask[i] = to
  }
}

const NULL_TYPE = 1

function evaluateUnary(
  op: 'is-null' | 'not-null' | 'is-nan' | 'not-nan',
  data: Data,
  mask: Uint8Array,
): void {
  if (op === 'is-null') return
  if (op === 'not-null') {
    mask.fill(1)
    return
  }
  const values = data.values as Float64Array
  const wanted = op === 'is-nan' ? 1 : 0
  for (let i = 0; i < mask.length; i++) {
    const value = values[i] as number
    mask[i] = (Number.isNaN(value) ? 1 : 0) === wanted ? 1 : 0
  }
}

function evaluateCompare(
  type: PrimitiveType,
  op: CompareOp,
  value: PrimitiveValue,
  data: Data,
  mask: Uint8Array,
): void {
  if (typeof value === 'number') compareNumbers(op, value, data.values as Float64Array, mask)
  else if (typeof value === 'bigint' && type.kind !== 'decimal') {
    compareInt64(op, value, words(data), mask)
  } else {
    const order = orderAgainst(type, data, value)
    const accept = ACCEPTS[op]
    for (let i = 0; i < mask.length; i++) mask[i] = accept[Math.sign(order(i)) + 1] as number
  }
}

/** For each op, whether it holds when the column's value is below, equal to and above the literal. */
const ACCEPTS: Readonly<Record<CompareOp, readonly [number, number, number]>> = {
  eq: [0, 1, 0],
  'not-eq': [1, 0, 1],
  lt: [1, 0, 0],
  'lt-eq': [1, 1, 0],
  gt: [0, 0, 1],
  'gt-eq': [0, 1, 1],
}

function compareNumbers(
  op: CompareOp,
  value: number,
  values: Float64Array | Float32Array | Int32Array,
  mask: Uint8Array,
): void {
  const { length } = mask
  switch (op) {
    case 'eq':
      for (let i = 0; i < length; i++) mask[i] = values[i] === value ? 1 : 0
      return
    case 'not-eq':
      for (let i = 0; i < length; i++) mask[i] = values[i] !== value ? 1 : 0
      return
    case 'lt':
      for (let i = 0; i < length; i++) mask[i] = (values[i] as number) < value ? 1 : 0
      return
    case 'lt-eq':
      for (let i = 0; i < length; i++) mask[i] = (values[i] as number) <= value ? 1 : 0
      return
    case 'gt':
      for (let i = 0; i < length; i++) mask[i] = (values[i] as number) > value ? 1 : 0
      return
    case 'gt-eq':
      for (let i = 0; i < length; i++) mask[i] = (values[i] as number) >= value ? 1 : 0
      return
  }
}

function compareInt64(op: CompareOp, value: bigint, w: Int32Array, mask: Uint8Array): void {
  const accept = ACCEPTS[op]
  const [below, equal, above] = accept
  const high = Number(BigInt.asIntN(32, value >> 32n))
  const low = Number(BigInt.asUintN(32, value))
  for (let i = 0, at = 0; i < mask.length; i++, at += 2) {
    const h = w[at + 1] as number
    if (h !== high) {
      mask[i] = h < high ? below : above
      continue
    }
    const l = (w[at] as number) >>> 0
    mask[i] = l === low ? equal : l < low ? below : above
  }
}

function evaluateSet(
  type: PrimitiveType,
  values: readonly PrimitiveValue[],
  data: Data,
  mask: Uint8Array,
): void {
  if (typeof values[0] === 'number') {
    const set = new Set(values as readonly number[])
    const column = data.values as Float64Array
    // A Set takes both zeros for one, as predicates do.
    for (let i = 0; i < mask.length; i++) mask[i] = set.has(column[i] as number) ? 1 : 0
    return
  }
  const orders = values.map((value) => orderAgainst(type, data, value))
  for (let i = 0; i < mask.length; i++) {
    let from = 0
    let to = orders.length
    while (from < to) {
      const middle = (from + to) >> 1
      const order = (orders[middle] as (row: number) => number)(i)
      if (order === 0) {
        mask[i] = 1
        break
      }
      if (order > 0) from = middle + 1
      else to = middle
    }
  }
}

/** A function that gives the order of a row's value against the literal: negative, zero or positive. */
function orderAgainst(
  type: PrimitiveType,
  data: Data,
  value: PrimitiveValue,
): (row: number) => number {
  switch (type.kind) {
    case 'boolean': {
      const bits = data.values as Uint8Array
      const literal = value === true ? 1 : 0
      return (row) => (getBit(bits, data.offset + row) ? 1 : 0) - literal
    }
    case 'int':
    case 'date':
    case 'float':
    case 'double': {
      const column = data.values as Float64Array
      return (row) => (column[row] as number) - (value as number)
    }
    case 'string':
    case 'binary': {
      const bytes = valueToBytes(type, value)
      const offsets = data.valueOffsets as Int32Array
      const column = data.values as Uint8Array
      return (row) =>
        compareRange(column, offsets[row] as number, offsets[row + 1] as number, bytes)
    }
    case 'uuid':
    case 'fixed': {
      const bytes = valueToBytes(type, value)
      const column = data.values as Uint8Array
      const width = data.stride
      return (row) => compareRange(column, row * width, (row + 1) * width, bytes)
    }
    case 'decimal':
      return orderOfWords(words(data), 4, value as bigint)
    default:
      return orderOfWords(words(data), 2, value as bigint)
  }
}

/** Order of two's-complement integers of several little-endian words. */
function orderOfWords(w: Int32Array, count: number, value: bigint): (row: number) => number {
  const literal = new Int32Array(count)
  for (let i = 0; i < count; i++) literal[i] = Number(BigInt.asIntN(32, value >> BigInt(32 * i)))
  return (row) => {
    const at = row * count
    const top = count - 1
    const high = w[at + top] as number
    const literalHigh = literal[top] as number
    if (high !== literalHigh) return high < literalHigh ? -1 : 1
    for (let i = top - 1; i >= 0; i--) {
      const a = (w[at + i] as number) >>> 0
      const b = (literal[i] as number) >>> 0
      if (a !== b) return a < b ? -1 : 1
    }
    return 0
  }
}

function evaluatePrefix(prefix: Uint8Array, data: Data, mask: Uint8Array): void {
  const offsets = data.valueOffsets as Int32Array
  const bytes = data.values as Uint8Array
  for (let i = 0; i < mask.length; i++) {
    const start = offsets[i] as number
    if ((offsets[i + 1] as number) - start < prefix.length) continue
    let same = 1
    for (let b = 0; b < prefix.length; b++) {
      if (bytes[start + b] !== prefix[b]) {
        same = 0
        break
      }
    }
    mask[i] = same
  }
}

function compareRange(bytes: Uint8Array, start: number, end: number, literal: Uint8Array): number {
  const length = Math.min(end - start, literal.length)
  for (let i = 0; i < length; i++) {
    const order = (bytes[start + i] as number) - (literal[i] as number)
    if (order !== 0) return order
  }
  return end - start - literal.length
}

/** The column's values as 32-bit words; copied only where they are not aligned. */
function words(data: Data): Int32Array {
  const values = data.values as ArrayBufferView
  if (values.byteOffset % 4 === 0) {
    return new Int32Array(values.buffer, values.byteOffset, values.byteLength >> 2)
  }
  const copy = new Uint8Array(values.byteLength)
  copy.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  return new Int32Array(copy.buffer)
}
