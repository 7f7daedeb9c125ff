/** Several columns of one type → one column. Every type that table columns have. */
import type { Data } from 'apache-arrow'
import { ARROW_TYPE } from './arrow-type-id.ts'
import { bitmapBytes, copyBits, onesBitmap } from './bitmap.ts'
import { columnData } from './column-data.ts'
import { ownValidity } from './validity.ts'

/** The values of all parts, in order. At least one part; the first gives the type. */
export function joinColumns(parts: readonly Data[]): Data {
  const [first] = parts as [Data]
  if (parts.length === 1) return first
  const { type } = first
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const nullCount = parts.reduce((sum, part) => sum + part.nullCount, 0)
  const nulls = {
    length,
    nullCount,
    validity: nullCount === 0 ? undefined : joinNulls(parts, length),
  }
  switch (type.typeId as number) {
    case ARROW_TYPE.Null:
      return columnData(type, nulls)
    case ARROW_TYPE.Bool: {
      const values = new Uint8Array(bitmapBytes(length))
      let at = 0
      for (const part of parts) {
        copyBits(part.values as Uint8Array, part.offset, values, at, part.length)
        at += part.length
      }
      return columnData(type, { ...nulls, values })
    }
    case ARROW_TYPE.Utf8:
    case ARROW_TYPE.Binary: {
      const { offsets, end } = joinOffsets(parts, length)
      const values = new Uint8Array(end)
      let at = 0
      for (const part of parts) {
        const [from, to] = extent(part)
        values.set((part.values as Uint8Array).subarray(from, to), at)
        at += to - from
      }
      return columnData(type, { ...nulls, offsets, values })
    }
    case ARROW_TYPE.List:
    case ARROW_TYPE.Map: {
      const { offsets } = joinOffsets(parts, length)
      const elements = parts.map((part) => {
        const [from, to] = extent(part)
        return (part.children[0] as Data).slice(from, to - from)
      })
      return columnData(type, { ...nulls, offsets, children: [joinColumns(elements)] })
    }
    case ARROW_TYPE.Struct: {
      const children = first.children.map((_, i) =>
        joinColumns(parts.map((part) => (part.children[i] as Data).slice(0, part.length))),
      )
      return columnData(type, { ...nulls, children })
    }
    default: {
      const like = first.values as Uint8Array
      const { stride } = first
      const values = new (like.constructor as Uint8ArrayConstructor)(length * stride)
      let at = 0
      for (const part of parts) {
        values.set((part.values as Uint8Array).subarray(0, part.length * stride), at)
        at += part.length * stride
      }
      return columnData(type, { ...nulls, values })
    }
  }
}

function joinNulls(parts: readonly Data[], length: number): Uint8Array {
  const validity = onesBitmap(length)
  let at = 0
  for (const part of parts) {
    const own = ownValidity(part)
    if (own !== undefined) copyBits(own.bits, own.offset, validity, at, part.length)
    at += part.length
  }
  return validity
}

function joinOffsets(parts: readonly Data[], length: number): { offsets: Int32Array; end: number } {
  const offsets = new Int32Array(length + 1)
  let at = 0
  let end = 0
  for (const part of parts) {
    const from = part.valueOffsets as Int32Array
    const base = end - (from[0] ?? 0)
    for (let i = 1; i <= part.length; i++) offsets[at + i] = (from[i] as number) + base
    at += part.length
    end = offsets[at] as number
  }
  return { offsets, end }
}

/** Where a column's bytes or elements begin and end. */
function extent(part: Data): [number, number] {
  const offsets = part.valueOffsets as Int32Array
  return part.length === 0 ? [0, 0] : [offsets[0] as number, offsets[part.length] as number]
}
