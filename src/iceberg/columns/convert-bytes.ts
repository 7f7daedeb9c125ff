/** Text and bytes of a caller → 32-bit offsets over one buffer, checked. */
import { isUtf8 } from 'node:buffer'
import { FloeError } from '../../core/errors.ts'
import { ARROW_TYPE } from './arrow-type-id.ts'
import { checkedOffsets, damaged } from './convert-context.ts'
import type { LeafSource } from './leaf-source.ts'
import { refuseSize } from './refuse-value.ts'
import { isWkb } from './wkb.ts'

interface Bytes {
  readonly offsets: Int32Array
  readonly values: Uint8Array
}

const MAX_OFFSET = 2 ** 31 - 1
const VIEW_BYTES = 16
const INLINE_BYTES = 12

/** string from text, binary from bytes, geometry and geography from bytes that begin as WKB does. */
export function bytesParts(
  leaf: LeafSource,
  kind: 'string' | 'binary' | 'geometry' | 'geography',
): Bytes {
  const isText = kind === 'string'
  const bytes = plainBytes(leaf, isText)
  checkSizes(leaf, bytes)
  if (isText) return checkedText(leaf, bytes)
  if (kind !== 'binary') checkGeometries(leaf, bytes)
  return bytes
}

/** uuid and fixed, from binaries of that length. */
export function fixedValues(leaf: LeafSource, width: number): Uint8Array {
  const { type } = leaf.data
  const fits =
    (type.typeId as number) === ARROW_TYPE.FixedSizeBinary &&
    (type as unknown as { byteWidth: number }).byteWidth === width
  if (!fits) throw leaf.mismatch(`a FixedSizeBinary column of ${width} bytes`)
  return leaf.values<Uint8Array>(width)
}

function plainBytes(leaf: LeafSource, isText: boolean): Bytes {
  const { data } = leaf
  switch (data.type.typeId as number) {
    case isText ? ARROW_TYPE.Utf8 : ARROW_TYPE.Binary:
    case isText ? ARROW_TYPE.LargeUtf8 : ARROW_TYPE.LargeBinary:
      return fromOffsets(leaf)
    case isText ? ARROW_TYPE.Utf8View : ARROW_TYPE.BinaryView:
      return fromViews(leaf)
    case ARROW_TYPE.FixedSizeBinary:
      if (!isText) {
        const { byteWidth } = data.type as unknown as { byteWidth: number }
        const values = leaf.values<Uint8Array>(byteWidth)
        return {
          values,
          offsets: Int32Array.from({ length: leaf.length + 1 }, (_, i) => i * byteWidth),
        }
      }
      break
  }
  throw leaf.mismatch(isText ? 'a Utf8 column' : 'a Binary column')
}

function fromOffsets(leaf: LeafSource): Bytes {
  const all = leaf.data.values as unknown as Uint8Array
  const given = leaf.data.valueOffsets as unknown as Int32Array | BigInt64Array
  const first = Number(given?.[0] ?? 0)
  const last = Number(given?.[leaf.length] ?? 0)
  if (last - first > MAX_OFFSET) throw tooMuch(leaf, last - first)
  if (given instanceof BigInt64Array && last > MAX_OFFSET) {
    // Far into a large buffer: count from the first value on.
    if (first < 0 || last > all.length)
      throw damaged(leaf.context.table, 'an offset is out of range')
    const offsets = Int32Array.from(given.subarray(0, leaf.length + 1), (o) => Number(o) - first)
    return { offsets, values: all.subarray(first, last) }
  }
  const offsets = checkedOffsets(leaf.data, leaf.length, all.length, leaf.context)
  const start = offsets[0] as number
  const values = all.subarray(start, offsets[leaf.length])
  return { offsets: start === 0 ? offsets : offsets.map((o) => o - start), values }
}

/** Views: 4 bytes of length, then the value if it is short, else prefix, buffer and offset. */
function fromViews(leaf: LeafSource): Bytes {
  const { data, length } = leaf
  const views = leaf.values<Uint8Array>(VIEW_BYTES)
  const view = new DataView(views.buffer, views.byteOffset, views.byteLength)
  const offsets = new Int32Array(length + 1)
  let total = 0
  for (let i = 0; i < length; i++) {
    if (leaf.has(i)) total += view.getUint32(i * VIEW_BYTES, true)
    if (total > MAX_OFFSET) throw tooMuch(leaf, total)
    offsets[i + 1] = total
  }
  // The sum of declared lengths is believed only as far as there are bytes for each.
  checkViews(leaf, view)
  const values = new Uint8Array(total)
  for (let i = 0; i < length; i++) {
    if (!leaf.has(i)) continue
    const size = view.getUint32(i * VIEW_BYTES, true)
    const at = i * VIEW_BYTES
    if (size <= INLINE_BYTES) values.set(views.subarray(at + 4, at + 4 + size), offsets[i])
    else {
      const buffer = data.variadicBuffers[view.getInt32(at + 8, true)] as Uint8Array
      const from = view.getInt32(at + 12, true)
      values.set(buffer.subarray(from, from + size), offsets[i])
    }
  }
  return { offsets, values }
}

function checkViews(leaf: LeafSource, view: DataView): void {
  for (let i = 0; i < leaf.length; i++) {
    if (!leaf.has(i)) continue
    const at = i * VIEW_BYTES
    const size = view.getUint32(at, true)
    if (size <= INLINE_BYTES) continue
    const buffer = leaf.data.variadicBuffers[view.getInt32(at + 8, true)]
    const from = view.getInt32(at + 12, true)
    if (buffer === undefined || from < 0 || from + size > buffer.length) {
      throw damaged(leaf.context.table, `column "${leaf.place.path}" has a view out of range`)
    }
  }
}

function checkSizes(leaf: LeafSource, { offsets }: Bytes): void {
  const max = leaf.context.maxValueBytes
  for (let i = 0; i < leaf.length; i++) {
    const size = (offsets[i + 1] as number) - (offsets[i] as number)
    if (size > max && leaf.has(i)) throw refuseSize(leaf.place, leaf.rowOf(i), size, max)
  }
}

function checkGeometries(leaf: LeafSource, { offsets, values }: Bytes): void {
  for (let i = 0; i < leaf.length; i++) {
    if (!leaf.has(i)) continue
    const value = values.subarray(offsets[i], offsets[i + 1])
    if (!isWkb(value)) {
      throw leaf.refuse(i, value, 'not ISO WKB', 'Give the well-known binary form of a geometry')
    }
  }
}

/** Text is valid if the whole is and no value begins inside a character; only else is each looked at. */
function checkedText(leaf: LeafSource, bytes: Bytes): Bytes {
  const { offsets, values } = bytes
  let whole = isUtf8(values)
  for (let i = 1; whole && i < leaf.length; i++) {
    if (((values[offsets[i] as number] ?? 0) & 0xc0) === 0x80) whole = false
  }
  if (whole) return bytes
  const clean = new Int32Array(leaf.length + 1)
  for (let i = 0; i < leaf.length; i++) {
    clean[i + 1] = clean[i] as number
    if (!leaf.has(i)) continue
    const value = values.subarray(offsets[i], offsets[i + 1])
    if (!isUtf8(value)) {
      const advice = 'Repair the text or use a binary column'
      throw leaf.refuse(i, value, 'not valid UTF-8', advice)
    }
    clean[i + 1] = (clean[i] as number) + value.length
  }
  // What is not valid lies below nulls: leave it out, since whoever reads the column checks it as a whole.
  const kept = new Uint8Array(clean[leaf.length] as number)
  for (let i = 0; i < leaf.length; i++) {
    if (leaf.has(i)) kept.set(values.subarray(offsets[i], offsets[i + 1]), clean[i])
  }
  return { offsets: clean, values: kept }
}

function tooMuch(leaf: LeafSource, bytes: number): FloeError {
  return new FloeError(
    'LIMIT_EXCEEDED',
    `Cannot append column "${leaf.place.path}": ${bytes} bytes in one batch of rows are more than 2 GiB. ` +
      'Give smaller batches',
    { context: { column: leaf.place.path, value: bytes, max: MAX_OFFSET } },
  )
}
