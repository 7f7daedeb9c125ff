/**
 * 64-bit hashes of the values of rows, column by column: equal for rows that `differingRows` takes for equal. Null is
 * a value equal to itself, all NaNs are one value and both zeros too, lists are equal by their elements in order,
 * maps by their entries in any order (merge.md MG-20).
 *
 * Columns that hold nothing but nulls by their type (unknown) count for nothing, since batches for writing lack them.
 */
import type { Data, RecordBatch } from 'apache-arrow'
import { ARROW_TYPE } from '../iceberg/columns/arrow-type-id.ts'
import { bothValid, type Mask, ownValidity } from '../iceberg/columns/validity.ts'
import { ColumnHasher } from './column-hasher.ts'
import { absorbColumn } from './column-words.ts'
import { topColumn } from './find-column.ts'

/**
 * The hashes of a batch's rows over the columns with the given field ids: two words for each row, lower one first.
 * Only hashes of the same columns in the same order and with the same seed may be compared.
 * @param seed `SEED_BYTES` secret bytes: nobody may choose rows of equal hashes.
 */
export function rowHashes(
  batch: RecordBatch,
  fieldIds: readonly number[],
  seed: Uint8Array,
): Uint32Array {
  const columns = fieldIds.map((id) => topColumn(batch, id)?.data)
  const words = hashColumns(columns, batch.numRows, seed)
  const hashes = new Uint32Array(batch.numRows * 2)
  for (let i = 0; i < batch.numRows; i++) {
    hashes[2 * i] = words[4 * i] as number
    hashes[2 * i + 1] = words[4 * i + 1] as number
  }
  return hashes
}

/** The full hashes of the first rows of some columns: four words for each row. Missing columns count for nothing. */
export function hashColumns(
  columns: readonly (Data | undefined)[],
  rows: number,
  seed: Uint8Array,
): Int32Array {
  const hasher = new ColumnHasher(rows, seed)
  for (const data of columns) if (data !== undefined) absorb(hasher, data, rows, undefined, seed)
  return hasher.finish()
}

/** Takes in a column of any type; rows that are not valid in `above` are null. */
function absorb(
  hasher: ColumnHasher,
  data: Data,
  rows: number,
  above: Mask | undefined,
  seed: Uint8Array,
): void {
  const typeId = data.type.typeId as number
  if (typeId === ARROW_TYPE.Null) return
  const valid = bothValid(above, ownValidity(data), rows)
  switch (typeId) {
    case ARROW_TYPE.Struct:
      // A null struct is not a struct of nulls.
      hasher.absorbWords(new Int32Array(rows).fill(1), 1, valid)
      for (const child of data.children) absorb(hasher, child, rows, valid, seed)
      return
    case ARROW_TYPE.List: {
      const { offsets, elements } = elementsOf(data, rows)
      const hashes = hashColumns([elements], elements.length, seed)
      hasher.absorbBytes(new Uint8Array(hashes.buffer), offsets, valid, 16)
      return
    }
    case ARROW_TYPE.Map: {
      const { offsets, elements } = elementsOf(data, rows)
      const hashes = hashColumns(elements.children, elements.length, seed)
      hasher.absorbWords(sumEntries(hashes, offsets, rows), 5, valid)
      return
    }
    default:
      absorbColumn(hasher, data, rows, valid)
  }
}

/** The elements of the first rows' lists, and where each list begins among them. */
function elementsOf(data: Data, rows: number): { offsets: Int32Array; elements: Data } {
  const child = data.children[0] as Data
  const from = data.valueOffsets as Int32Array
  if (rows === 0) return { offsets: new Int32Array(1), elements: child.slice(0, 0) }
  const first = from[0] as number
  const elements = child.slice(first, (from[rows] as number) - first)
  if (first === 0) return { offsets: from, elements }
  const offsets = new Int32Array(rows + 1)
  for (let i = 0; i <= rows; i++) offsets[i] = (from[i] as number) - first
  return { offsets, elements }
}

/** For each map the number of its entries and the sum of their hashes, which does not depend on their order. */
function sumEntries(hashes: Int32Array, offsets: Int32Array, rows: number): Int32Array {
  const sums = new Int32Array(rows * 5)
  for (let i = 0; i < rows; i++) {
    const from = offsets[i] as number
    const to = offsets[i + 1] as number
    const at = 5 * i
    sums[at] = to - from
    for (let e = 4 * from; e < 4 * to; e += 4) {
      for (let w = 0; w < 4; w++) {
        sums[at + 1 + w] = (sums[at + 1 + w] as number) + (hashes[e + w] as number)
      }
    }
  }
  return sums
}
