/** The errors of values that do not fit their column: one form for rows and for Arrow input. */
import { type ErrorCode, FloeError } from '../../core/errors.ts'
import { typeText } from '../spec/type-text.ts'
import type { NestedField, Type } from '../spec/types.ts'
import { describeValue } from './describe-value.ts'

/** The column that values are meant for, as errors name it. */
export interface ColumnPlace {
  /** Name of the table, if known. */
  readonly table: string | undefined
  /** Full name: parts joined by dots; 'element', 'key', 'value' inside lists and maps. */
  readonly path: string
  readonly fieldId: number
  readonly type: Type
  readonly required: boolean
}

/** The place of a field below the fields named by `above`. */
export function placeOf(
  field: NestedField,
  above: readonly string[],
  table: string | undefined,
): ColumnPlace {
  const { id, name, type, required } = field
  return { table, path: [...above, name].join('.'), fieldId: id, type, required }
}

/** "Cannot append to shop.orders", the beginning of every message. */
export function cannotAppend(table: string | undefined): string {
  return table === undefined ? 'Cannot append' : `Cannot append to ${table}`
}

/**
 * The error for one value.
 * @param row index in the caller's input.
 * @param detail what is wrong with the value, in brackets behind it; may be empty.
 */
export function refuseValue(
  place: ColumnPlace,
  row: number,
  value: unknown,
  options: { code?: ErrorCode; detail?: string; advice: string },
): FloeError {
  const { code = 'TYPE_MISMATCH', detail, advice } = options
  const has = describeValue(value) + (detail === undefined ? '' : ` (${detail})`)
  return new FloeError(
    code,
    `${cannotAppend(place.table)}: column "${place.path}" (field ${place.fieldId}) expects ` +
      `${typeText(place.type)} but row ${row} has ${has}. ${advice}`,
    { context: placeContext(place, row) },
  )
}

/** The error for null, or nothing, in a required column. */
export function refuseNull(place: ColumnPlace, row: number, missing: boolean): FloeError {
  return new FloeError(
    'NULL_IN_REQUIRED',
    `${cannotAppend(place.table)}: column "${place.path}" (field ${place.fieldId}) is required ` +
      `but row ${row} has ${missing ? 'no value for it' : 'null'}. ` +
      'Give a value or make the column optional with updateColumn',
    { context: placeContext(place, row) },
  )
}

/** The error for something larger than the limit `valueBytes`. */
export function refuseSize(
  place: ColumnPlace,
  row: number,
  bytes: number,
  maxBytes: number,
): FloeError {
  return new FloeError(
    'LIMIT_EXCEEDED',
    `${cannotAppend(place.table)}: column "${place.path}" (field ${place.fieldId}) has a value of ` +
      `${bytes} bytes or more in row ${row}, above the limit valueBytes = ${maxBytes}. ` +
      'Raise limits.valueBytes in openLake if this is expected',
    { context: { ...placeContext(place, row), limit: 'valueBytes', value: bytes, max: maxBytes } },
  )
}

function placeContext(place: ColumnPlace, row: number): Record<string, string | number> {
  return {
    ...(place.table === undefined ? {} : { table: place.table }),
    column: place.path,
    fieldId: place.fieldId,
    row,
  }
}
