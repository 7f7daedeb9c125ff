/** What the converters of Arrow input share: targets, slots, and the errors of input that does not fit. */
import type { Data, DataType } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { typeText } from '../spec/type-text.ts'
import type { NestedField } from '../spec/types.ts'
import { type ColumnPlace, cannotAppend } from './refuse-value.ts'
import type { Mask } from './validity.ts'

export interface ConvertContext {
  readonly table: string | undefined
  readonly maxValueBytes: number
}

/** What a column is to become. */
export interface Target {
  readonly field: NestedField
  readonly place: ColumnPlace
  /** Undefined for a column of type unknown, which is not stored. */
  readonly type: DataType | undefined
}

/** The slots to convert, from the column's first on. */
export interface Slots {
  readonly length: number
  /** Those that belong to a value; undefined = all. Others hold rubbish that nobody looks at. */
  readonly valid: Mask | undefined
  /** The caller's row of a slot, for errors. */
  readonly rowOf: (slot: number) => number
}

/** The error for input whose parts do not fit together. */
export function damaged(table: string | undefined, what: string): FloeError {
  return new FloeError(
    'BAD_ARGUMENT',
    `${cannotAppend(table)}: the Arrow data is damaged: ${what}. Build it anew or check where it was read from`,
  )
}

/** The error for an Arrow type that has no exact way to the column's. */
export function refuseType(place: ColumnPlace, source: DataType, accepted: string): FloeError {
  return new FloeError(
    'TYPE_MISMATCH',
    `${cannotAppend(place.table)}: column "${place.path}" (field ${place.fieldId}) expects ` +
      `${typeText(place.type)} but the Arrow column is ${textOf(source)}. Give ${accepted}`,
    { context: { column: place.path, fieldId: place.fieldId } },
  )
}

/** As apache-arrow writes its types: every class but their base has a text. */
function textOf(type: DataType): string {
  return (type as { toString: () => string }).toString().slice(0, 100)
}

/**
 * Offsets as 32-bit integers.
 * @throws BAD_ARGUMENT if they fall or leave [0, max].
 */
export function checkedOffsets(
  source: Data,
  length: number,
  max: number,
  context: ConvertContext,
): Int32Array {
  const given = source.valueOffsets as Int32Array | BigInt64Array | undefined
  if (given === undefined || given.length < length + 1) {
    if (length === 0) return new Int32Array(1)
    throw damaged(context.table, 'a column has fewer offsets than values')
  }
  let offsets: Int32Array
  if (given instanceof BigInt64Array) {
    offsets = new Int32Array(length + 1)
    for (let i = 0; i <= length; i++) {
      const offset = given[i] as bigint
      if (offset < 0n || offset > BigInt(max))
        throw damaged(context.table, 'an offset is out of range')
      offsets[i] = Number(offset)
    }
  } else offsets = given.subarray(0, length + 1)
  let last = offsets[0] as number
  let falling = last < 0
  for (let i = 1; i <= length; i++) {
    const offset = offsets[i] as number
    if (offset < last) falling = true
    last = offset
  }
  if (falling || last > max) throw damaged(context.table, 'an offset is out of range')
  return offsets
}
