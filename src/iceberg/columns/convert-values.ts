/** Leaf columns of a caller → the table's type, exactly. Right types are passed on without a copy. */
import type { Data, DataType } from 'apache-arrow'
import { assert } from '../../core/errors.ts'
import { isPrimitive } from '../spec/types.ts'
import { ARROW_TYPE } from './arrow-type-id.ts'
import { copyBits } from './bitmap.ts'
import { type ColumnParts, columnData } from './column-data.ts'
import { bytesParts, fixedValues } from './convert-bytes.ts'
import type { ConvertContext, Slots, Target } from './convert-context.ts'
import { decimalValues } from './convert-decimals.ts'
import { floatValues, intValues, longValues } from './convert-numbers.ts'
import { dateValues, timestampValues, timeValues } from './convert-temporal.ts'
import { LeafSource } from './leaf-source.ts'

/**
 * The values as the column's type; nulls are the caller's business.
 * @param slots of which only valid ones are checked.
 * @throws TYPE_MISMATCH naming both types; VALUE_OUT_OF_RANGE naming row and value.
 */
export function convertValues(
  source: Data,
  target: Target,
  slots: Slots,
  context: ConvertContext,
): Data {
  const leaf = new LeafSource(source, target, slots, context)
  const parts = leafParts(leaf, target)
  return columnData(target.type as DataType, { length: slots.length, nullCount: 0, ...parts })
}

function leafParts(leaf: LeafSource, target: Target): Pick<ColumnParts, 'offsets' | 'values'> {
  const { type } = target.field
  assert(isPrimitive(type), 'nested columns are converted elsewhere')
  switch (type.kind) {
    case 'boolean':
      return { values: bits(leaf) }
    case 'int':
      return { values: intValues(leaf) }
    case 'long':
      return { values: longValues(leaf) }
    case 'float':
    case 'double':
      return { values: floatValues(leaf, type.kind === 'float') }
    case 'decimal':
      return { values: decimalValues(leaf, type) }
    case 'date':
      return { values: dateValues(leaf) }
    case 'time':
      return { values: timeValues(leaf) }
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns':
      return { values: timestampValues(leaf, type.kind) }
    case 'string':
    case 'binary':
    case 'geometry':
    case 'geography':
      return bytesParts(leaf, type.kind)
    case 'uuid':
      return { values: fixedValues(leaf, 16) }
    case 'fixed':
      return { values: fixedValues(leaf, type.length) }
    case 'unknown':
      throw leaf.mismatch('nulls')
  }
}

function bits(leaf: LeafSource): Uint8Array {
  const { data, length } = leaf
  if ((data.type.typeId as number) !== ARROW_TYPE.Bool) throw leaf.mismatch('a Bool column')
  // Slices keep all bits and begin at their offset.
  const source = leaf.exactly<Uint8Array>((data.offset + length + 7) >>> 3)
  if (data.offset === 0) return source
  const values = new Uint8Array((length + 7) >>> 3)
  copyBits(source, data.offset, values, 0, length)
  return values
}
