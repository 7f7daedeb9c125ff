/**
 * One Arrow column of a caller → the table's type: nulls, dictionaries, nested columns. Values of leaves are the
 * business of `convert-values.ts`.
 */
import type { Data, DataType, Field } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { nearestName } from '../../core/nearest-name.ts'
import { childrenOf } from '../spec/schema.ts'
import type { NestedField } from '../spec/types.ts'
import { isStored } from './arrow-schema.ts'
import { ARROW_TYPE } from './arrow-type-id.ts'
import { bitmapBytes, countBits, getBit, setBit } from './bitmap.ts'
import { columnData } from './column-data.ts'
import {
  type ConvertContext,
  checkedOffsets,
  damaged,
  refuseType,
  type Slots,
  type Target,
} from './convert-context.ts'
import { convertValues } from './convert-values.ts'
import { createBuilder } from './create-builder.ts'
import { quote } from './describe-value.ts'
import { joinColumns } from './join-columns.ts'
import { cannotAppend, placeOf, refuseNull } from './refuse-value.ts'
import { takeData } from './take.ts'
import { bothValid, copyMask, liveElements, type Mask, ownValidity } from './validity.ts'

/** The converted column, at offset 0; undefined if it is not stored. */
export function convertColumn(
  source: Data,
  target: Target,
  slots: Slots,
  context: ConvertContext,
): Data | undefined {
  const typeId = source.type.typeId as number
  if (typeId === ARROW_TYPE.Dictionary) return convertDictionary(source, target, slots, context)
  checkBitmap(source, slots.length, context)
  const own = typeId === ARROW_TYPE.Null ? nothingValid(slots.length) : ownValidity(source)
  const present = bothValid(own, slots.valid, slots.length)
  if (target.type === undefined) {
    const row = firstSet(present, slots)
    if (row === undefined) return undefined
    throw new FloeError(
      'TYPE_MISMATCH',
      `${cannotAppend(context.table)}: column "${target.place.path}" (field ${target.place.fieldId}) is of type ` +
        `unknown and holds null only, but row ${row} has a value. Give it a type with updateColumn`,
      { context: { column: target.place.path, row } },
    )
  }
  checkRequired(target, slots, own)
  if (present !== undefined && countBits(present.bits, present.offset, slots.length) === 0) {
    // Also where the types do not fit: without a value there is nothing that does not.
    return holes(target, slots.length, context)
  }
  const converted = convertPresent(source, target, { ...slots, valid: present }, context)
  return withValidity(converted, target, own, slots.length)
}

/** A column that the input does not have: write defaults, else nulls (item 69). */
export function missingColumn(
  field: NestedField,
  path: readonly string[],
  type: DataType | undefined,
  slots: Slots,
  context: ConvertContext,
): Data | undefined {
  if (!isStored(field.type, 'write')) return undefined
  const builder = createBuilder(field, type, path, { ...context, size: { bytes: 0 } })
  for (let slot = 0; slot < slots.length; slot++) {
    if (slots.valid === undefined || getBit(slots.valid.bits, slots.valid.offset + slot)) {
      builder.append(undefined, slots.rowOf(slot))
    } else builder.appendHole()
  }
  return builder.finish()
}

function convertPresent(source: Data, target: Target, slots: Slots, context: ConvertContext): Data {
  const { type } = target.field
  switch (type.kind) {
    case 'struct':
      return convertStruct(source, target, type.fields, slots, context)
    case 'list':
    case 'map':
      return convertRepeated(source, target, slots, context)
    default:
      return convertValues(source, target, slots, context)
  }
}

function convertStruct(
  source: Data,
  target: Target,
  fields: readonly NestedField[],
  slots: Slots,
  context: ConvertContext,
): Data {
  const { place } = target
  const type = target.type as DataType
  if ((source.type.typeId as number) !== ARROW_TYPE.Struct) {
    throw refuseType(place, source.type, 'a Struct')
  }
  const names = (source.type.children as Field[]).map((f) => f.name)
  const known = fields.map((f) => f.name)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    const nearest = nearestName(unknown, known)
    throw new FloeError(
      'UNKNOWN_COLUMN',
      `${cannotAppend(context.table)}: column "${place.path}" has no field ${quote(unknown)}, which the Arrow ` +
        `data has. ${nearest === undefined ? '' : `Did you mean ${quote(nearest)}? `}` +
        'Leave it out or add it with addColumn',
      { context: { column: `${place.path}.${unknown.slice(0, 200)}` } },
    )
  }
  const path = [place.path]
  const children: Data[] = []
  for (const field of fields) {
    const at = names.indexOf(field.name)
    const childType = (type.children[children.length] as Field | undefined)?.type
    const child =
      at < 0
        ? missingColumn(field, path, childType, slots, context)
        : convertColumn(
            childOf(source, at, slots.length, context),
            { field, place: placeOf(field, path, context.table), type: childType },
            slots,
            context,
          )
    if (isStored(field.type, 'write') && child !== undefined) children.push(child)
  }
  return columnData(type, { length: slots.length, nullCount: 0, children })
}

/** Lists of all kinds, and maps: plain offsets from 0 on over their converted elements. */
function convertRepeated(
  source: Data,
  target: Target,
  slots: Slots,
  context: ConvertContext,
): Data {
  const type = target.type as DataType
  const { place, field } = target
  const isMap = field.type.kind === 'map'
  const fits = isMap ? source.type.typeId === ARROW_TYPE.Map : LIST_TYPES.has(source.type.typeId)
  if (!fits) throw refuseType(place, source.type, isMap ? 'a Map' : 'a List')
  const absolute = elementOffsets(source, slots.length, context)
  const first = absolute[0] as number
  const length = (absolute[slots.length] as number) - first
  const child = childOf(source, 0, first + length, context).slice(first, length)
  const offsets = first === 0 ? absolute : absolute.map((offset) => offset - first)
  const elements: Slots = {
    length,
    valid: liveElements(offsets, slots.valid),
    rowOf: (slot) => slots.rowOf(listOf(offsets, slot)),
  }
  const path = [place.path]
  const parts = childrenOf(field.type)
  const convertPart = (part: NestedField, data: Data, partType: DataType): Data =>
    convertColumn(
      data,
      { field: part, place: placeOf(part, path, context.table), type: partType },
      elements,
      context,
    ) as Data
  let inner: Data
  const innerType = (type.children[0] as Field).type
  if (isMap) {
    const pair = parts.map((part, i) =>
      convertPart(part, childOf(child, i, length, context), (innerType.children[i] as Field).type),
    )
    inner = columnData(innerType, { length, nullCount: 0, children: pair })
  } else inner = convertPart(parts[0] as NestedField, child, innerType)
  return columnData(type, { length: slots.length, nullCount: 0, offsets, children: [inner] })
}

/** The offsets of lists as 32-bit integers, checked: rising, and within what there is. */
function elementOffsets(source: Data, length: number, context: ConvertContext): Int32Array {
  if ((source.type.typeId as number) === ARROW_TYPE.FixedSizeList) {
    return Int32Array.from({ length: length + 1 }, (_, i) => i * source.stride)
  }
  return checkedOffsets(source, length, source.children[0]?.length ?? 0, context)
}

/** Dictionary indices → plain values. Values that no row uses are not looked at. */
function convertDictionary(
  source: Data,
  target: Target,
  slots: Slots,
  context: ConvertContext,
): Data | undefined {
  const { length } = slots
  const chunks: readonly Data[] = source.dictionary?.data ?? []
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  checkBitmap(source, length, context)
  const own = ownValidity(source)
  const present = bothValid(own, slots.valid, length)
  const keys = source.values as Int32Array | BigInt64Array
  if (keys.length < length) throw damaged(context.table, 'a dictionary column is too short')
  const used = nothingValid(total)
  const slotOfValue = new Int32Array(total)
  const indices = new Int32Array(length)
  for (let i = 0; i < length; i++) {
    if (present !== undefined && !getBit(present.bits, present.offset + i)) continue
    const key = Number(keys[i])
    if (!(key >= 0 && key < total)) {
      throw damaged(context.table, 'a dictionary index is out of range')
    }
    if (!getBit(used.bits, key)) {
      setBit(used.bits, key)
      slotOfValue[key] = i
    }
    indices[i] = key
  }
  checkRequired(target, slots, own)
  const optional: Target = { ...target, field: { ...target.field, required: false } }
  const plain = convertChunks(
    chunks,
    optional,
    { length: total, valid: used, rowOf: (value) => slots.rowOf(slotOfValue[value] as number) },
    context,
  )
  if (target.type === undefined) return undefined
  if (plain === undefined || total === 0) return holes(target, length, context)
  const taken = takeData(plain, indices)
  // A null may also be a null value of the dictionary.
  const both = bothValid(ownValidity(taken), own, length)
  checkRequired(target, slots, both)
  return withValidity(taken, target, both, length)
}

/** The dictionary's values as one column; it has several chunks where it grew batch by batch. */
function convertChunks(
  chunks: readonly Data[],
  target: Target,
  values: Slots,
  context: ConvertContext,
): Data | undefined {
  const parts: Data[] = []
  let first = 0
  for (const chunk of chunks) {
    const start = first
    const slots: Slots = {
      length: chunk.length,
      valid: { bits: (values.valid as Mask).bits, offset: start },
      rowOf: (slot) => values.rowOf(start + slot),
    }
    const converted = convertColumn(chunk, target, slots, context)
    if (converted === undefined) return undefined
    parts.push(converted)
    first += chunk.length
  }
  return parts.length === 0 ? undefined : joinColumns(parts)
}

function childOf(source: Data, index: number, length: number, context: ConvertContext): Data {
  const child = source.children[index]
  if (child === undefined || child.length < length) {
    throw damaged(context.table, 'a nested column has fewer values than its parent')
  }
  return child.length === length ? child : child.slice(0, length)
}

/** The list that an element belongs to. */
function listOf(offsets: Int32Array, element: number): number {
  let low = 0
  let high = offsets.length - 1
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if ((offsets[middle] as number) <= element) low = middle
    else high = middle
  }
  return low
}

/** Before anything counts its bits: apache-arrow reads past the end of a short bitmap. */
function checkBitmap(source: Data, length: number, context: ConvertContext): void {
  const bits: Uint8Array | null | undefined = source.nullBitmap
  if (bits == null || bits.length === 0) return
  if (bits.length * 8 < source.offset + length) {
    throw damaged(context.table, 'a validity bitmap is too short')
  }
}

/** @throws NULL_IN_REQUIRED for the first null that is not below another null. */
function checkRequired(target: Target, slots: Slots, own: Mask | undefined): void {
  if (!target.field.required || own === undefined) return
  const { length, valid } = slots
  for (let i = 0; i < length; i++) {
    if (getBit(own.bits, own.offset + i)) continue
    if (valid !== undefined && !getBit(valid.bits, valid.offset + i)) continue
    throw refuseNull(target.place, slots.rowOf(i), false)
  }
}

/** The row of the first slot with a value. */
function firstSet(present: Mask | undefined, slots: Slots): number | undefined {
  for (let i = 0; i < slots.length; i++) {
    if (present === undefined || getBit(present.bits, present.offset + i)) return slots.rowOf(i)
  }
  return undefined
}

/** A column without values: nulls, or what stands for nothing below null parents. */
function holes(target: Target, length: number, context: ConvertContext): Data {
  const path = target.place.path.split('.').slice(0, -1)
  const builder = createBuilder(target.field, target.type, path, { ...context, size: { bytes: 0 } })
  for (let i = 0; i < length; i++) builder.appendHole()
  return builder.finish()
}

/** The column with these nulls; a required column has none, since those it has stand below other nulls. */
function withValidity(data: Data, target: Target, own: Mask | undefined, length: number): Data {
  const valid = own === undefined ? length : countBits(own.bits, own.offset, length)
  const parts = {
    length,
    offsets: data.valueOffsets as Int32Array | undefined,
    values: data.values as ArrayBufferView | undefined,
    children: data.children,
  }
  const type = target.type as DataType
  if (target.field.required || own === undefined || valid === length) {
    return columnData(type, { ...parts, nullCount: 0 })
  }
  return columnData(type, { ...parts, nullCount: length - valid, validity: copyMask(own, length) })
}

function nothingValid(length: number): Mask {
  return { bits: new Uint8Array(bitmapBytes(length)), offset: 0 }
}

const LIST_TYPES: ReadonlySet<number> = new Set([
  ARROW_TYPE.List,
  ARROW_TYPE.LargeList,
  ARROW_TYPE.FixedSizeList,
])
