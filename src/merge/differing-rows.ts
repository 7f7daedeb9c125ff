/**
 * Which rows differ from others, exactly, column by column: what `skipUnchanged` asks of matched rows (merge.md MG-20).
 *
 * Null equals null, any NaN any other, −0 equals +0 (as in SQL), lists are compared by their elements in order, maps by
 * their entries in any order, structs field by field. A null struct, list or map equals no other value.
 */
import type { Data, RecordBatch } from 'apache-arrow'
import { assert } from '../core/errors.ts'
import { ARROW_TYPE } from '../iceberg/columns/arrow-type-id.ts'
import { getBit } from '../iceberg/columns/bitmap.ts'
import { takeData } from '../iceberg/columns/take.ts'
import { ownValidity } from '../iceberg/columns/validity.ts'
import { SEED_BYTES } from './column-hasher.ts'
import { wordsOf } from './column-words.ts'
import { childrenWithIds, topColumn } from './find-column.ts'
import { hashColumns } from './row-hash.ts'

/**
 * Compares row `rowsA[i]` of one batch with row `rowsB[i]` of another, over the top columns with the given field ids.
 * Each row should be named once: the cost of comparing lists grows with every naming.
 *
 * Both batches have the table's current types. Columns and fields of type unknown may be missing on one side.
 * @returns for each pair 1 if the rows differ, else 0.
 */
export function differingRows(
  a: RecordBatch,
  rowsA: Int32Array,
  b: RecordBatch,
  rowsB: Int32Array,
  fieldIds: readonly number[],
): Uint8Array {
  assert(rowsA.length === rowsB.length, 'rows are compared in pairs')
  const differs = new Uint8Array(rowsA.length)
  for (const id of fieldIds) {
    const pairs = { a: topColumn(a, id)?.data, rowsA, b: topColumn(b, id)?.data, rowsB }
    compareColumns(pairs, differs)
  }
  return differs
}

/** Pairs of rows of two columns. */
interface Pairs<Column = Data> {
  readonly a: Column
  readonly rowsA: Int32Array
  readonly b: Column
  readonly rowsB: Int32Array
}

/** Sets `differs` for the pairs of unequal values. */
function compareColumns(pairs: Pairs<Data | undefined>, differs: Uint8Array): void {
  const { a, b } = pairs
  if (isUnknown(a) && isUnknown(b)) return
  assert(
    a !== undefined && b !== undefined && a.type.typeId === b.type.typeId,
    'compared columns have the same type',
  )
  const live = compareNulls({ ...pairs, a, b }, differs)
  if (live.length > 0) compareValues({ ...pairs, a, b }, live, differs)
}

function isUnknown(data: Data | undefined): boolean {
  return data === undefined || (data.type.typeId as number) === ARROW_TYPE.Null
}

/** Sets `differs` where one value is null. Gives the pairs of two values that were not known to differ. */
function compareNulls(pairs: Pairs, differs: Uint8Array): Int32Array {
  const { rowsA, rowsB } = pairs
  const validA = ownValidity(pairs.a)
  const validB = ownValidity(pairs.b)
  const live = new Int32Array(differs.length)
  let count = 0
  for (let i = 0; i < differs.length; i++) {
    if (differs[i] !== 0) continue
    const hasA = validA === undefined || getBit(validA.bits, validA.offset + (rowsA[i] as number))
    const hasB = validB === undefined || getBit(validB.bits, validB.offset + (rowsB[i] as number))
    if (hasA !== hasB) differs[i] = 1
    else if (hasA) live[count++] = i
  }
  return live.subarray(0, count)
}

function compareValues(pairs: Pairs, live: Int32Array, differs: Uint8Array): void {
  const { a, b } = pairs
  switch (a.type.typeId as number) {
    case ARROW_TYPE.Bool:
      compareBits(pairs, live, differs)
      break
    case ARROW_TYPE.Float:
      compareFloats(pairs, live, differs)
      break
    case ARROW_TYPE.Int:
    case ARROW_TYPE.Date:
    case ARROW_TYPE.Time:
    case ARROW_TYPE.Timestamp:
    case ARROW_TYPE.Decimal:
      assert(widthOf(a) === widthOf(b), 'compared columns have values of the same width')
      compareWords(pairs, live, differs)
      break
    case ARROW_TYPE.Utf8:
    case ARROW_TYPE.Binary:
      compareBytes(pairs, live, differs)
      break
    case ARROW_TYPE.FixedSizeBinary:
      assert(a.stride === b.stride, 'compared columns have values of the same width')
      compareFixedBytes(pairs, live, differs)
      break
    case ARROW_TYPE.Struct:
      compareStructs(pairs, live, differs)
      break
    case ARROW_TYPE.List:
      compareLists(pairs, live, differs)
      break
    case ARROW_TYPE.Map:
      compareMaps(pairs, live, differs)
      break
    default:
      assert(false, 'compared columns have a type of a table', { typeId: a.type.typeId as number })
  }
}

function widthOf(data: Data): number {
  return (data.values as Uint8Array).BYTES_PER_ELEMENT * data.stride
}

function compareBits(pairs: Pairs, live: Int32Array, differs: Uint8Array): void {
  const { a, rowsA, b, rowsB } = pairs
  const [bitsA, bitsB] = [a.values as Uint8Array, b.values as Uint8Array]
  for (let k = 0; k < live.length; k++) {
    const i = live[k] as number
    const bitA = getBit(bitsA, a.offset + (rowsA[i] as number))
    if (bitA !== getBit(bitsB, b.offset + (rowsB[i] as number))) differs[i] = 1
  }
}

function compareFloats(pairs: Pairs, live: Int32Array, differs: Uint8Array): void {
  const { rowsA, rowsB } = pairs
  assert(widthOf(pairs.a) === widthOf(pairs.b), 'compared columns have values of the same width')
  const [valuesA, valuesB] = [pairs.a.values as Float64Array, pairs.b.values as Float64Array]
  for (let k = 0; k < live.length; k++) {
    const i = live[k] as number
    const x = valuesA[rowsA[i] as number] as number
    const y = valuesB[rowsB[i] as number] as number
    if (x !== y && !(Number.isNaN(x) && Number.isNaN(y))) differs[i] = 1
  }
}

function compareWords(pairs: Pairs, live: Int32Array, differs: Uint8Array): void {
  const { rowsA, rowsB } = pairs
  const words = widthOf(pairs.a) / 4
  const wordsA = wordsOf(pairs.a)
  const wordsB = wordsOf(pairs.b)
  for (let k = 0; k < live.length; k++) {
    const i = live[k] as number
    const atA = words * (rowsA[i] as number)
    const atB = words * (rowsB[i] as number)
    let different = 0
    for (let w = 0; w < words; w++) {
      different |= (wordsA[atA + w] as number) ^ (wordsB[atB + w] as number)
    }
    if (different !== 0) differs[i] = 1
  }
}

function compareBytes(pairs: Pairs, live: Int32Array, differs: Uint8Array): void {
  const { rowsA, rowsB } = pairs
  const [bytesA, bytesB] = [pairs.a.values as Uint8Array, pairs.b.values as Uint8Array]
  const offsetsA = pairs.a.valueOffsets as Int32Array
  const offsetsB = pairs.b.valueOffsets as Int32Array
  for (let k = 0; k < live.length; k++) {
    const i = live[k] as number
    const rowA = rowsA[i] as number
    const rowB = rowsB[i] as number
    const atA = offsetsA[rowA] as number
    const atB = offsetsB[rowB] as number
    const length = (offsetsA[rowA + 1] as number) - atA
    const same =
      length === (offsetsB[rowB + 1] as number) - atB && sameBytes(bytesA, atA, bytesB, atB, length)
    if (!same) differs[i] = 1
  }
}

function compareFixedBytes(pairs: Pairs, live: Int32Array, differs: Uint8Array): void {
  const { rowsA, rowsB } = pairs
  const { stride } = pairs.a
  const [bytesA, bytesB] = [pairs.a.values as Uint8Array, pairs.b.values as Uint8Array]
  for (let k = 0; k < live.length; k++) {
    const i = live[k] as number
    const atA = stride * (rowsA[i] as number)
    const atB = stride * (rowsB[i] as number)
    if (!sameBytes(bytesA, atA, bytesB, atB, stride)) differs[i] = 1
  }
}

function sameBytes(
  a: Uint8Array,
  atA: number,
  b: Uint8Array,
  atB: number,
  length: number,
): boolean {
  for (let i = 0; i < length; i++) if (a[atA + i] !== b[atB + i]) return false
  return true
}

function compareStructs(pairs: Pairs, live: Int32Array, differs: Uint8Array): void {
  const { a, b } = pairs
  const rowsA = pick(pairs.rowsA, live)
  const rowsB = pick(pairs.rowsB, live)
  const found = new Uint8Array(live.length)
  const seen = new Set<number>()
  for (const { id, data } of childrenWithIds(a)) {
    seen.add(id)
    const other = childrenWithIds(b).find((child) => child.id === id)
    compareColumns({ a: data, rowsA, b: other?.data, rowsB }, found)
  }
  for (const { id, data } of childrenWithIds(b)) {
    if (!seen.has(id)) compareColumns({ a: undefined, rowsA, b: data, rowsB }, found)
  }
  for (let k = 0; k < live.length; k++) if (found[k] !== 0) differs[live[k] as number] = 1
}

function pick(rows: Int32Array, chosen: Int32Array): Int32Array {
  const picked = new Int32Array(chosen.length)
  for (let k = 0; k < chosen.length; k++) picked[k] = rows[chosen[k] as number] as number
  return picked
}

function compareLists(pairs: Pairs, live: Int32Array, differs: Uint8Array): void {
  const elements = pairElements(pairs, live, differs)
  const found = new Uint8Array(elements.owners.length)
  const [a, b] = [pairs.a.children[0] as Data, pairs.b.children[0] as Data]
  compareColumns({ a, rowsA: elements.rowsA, b, rowsB: elements.rowsB }, found)
  markOwners(elements.owners, found, differs)
}

/** Elements of two lists of the same length, paired in order. */
interface Elements {
  readonly rowsA: Int32Array
  readonly rowsB: Int32Array
  /** The pair of lists that each pair of elements belongs to. */
  readonly owners: Int32Array
}

/** Sets `differs` for lists of different lengths, and pairs the elements of the others. */
function pairElements(pairs: Pairs, live: Int32Array, differs: Uint8Array): Elements {
  const offsetsA = pairs.a.valueOffsets as Int32Array
  const offsetsB = pairs.b.valueOffsets as Int32Array
  let total = 0
  for (let k = 0; k < live.length; k++) {
    const i = live[k] as number
    const rowA = pairs.rowsA[i] as number
    const rowB = pairs.rowsB[i] as number
    const length = (offsetsA[rowA + 1] as number) - (offsetsA[rowA] as number)
    if (length === (offsetsB[rowB + 1] as number) - (offsetsB[rowB] as number)) total += length
    else differs[i] = 1
  }
  const rowsA = new Int32Array(total)
  const rowsB = new Int32Array(total)
  const owners = new Int32Array(total)
  for (let k = 0, to = 0; k < live.length; k++) {
    const i = live[k] as number
    if (differs[i] !== 0) continue
    const rowA = pairs.rowsA[i] as number
    const end = offsetsA[rowA + 1] as number
    let atB = offsetsB[pairs.rowsB[i] as number] as number
    for (let atA = offsetsA[rowA] as number; atA < end; atA++, atB++, to++) {
      rowsA[to] = atA
      rowsB[to] = atB
      owners[to] = i
    }
  }
  return { rowsA, rowsB, owners }
}

function markOwners(owners: Int32Array, found: Uint8Array, differs: Uint8Array): void {
  for (let e = 0; e < owners.length; e++) if (found[e] !== 0) differs[owners[e] as number] = 1
}

/** First entry by entry, as maps of one writer are; what differs so, once more in the order of the entries' hashes. */
function compareMaps(pairs: Pairs, live: Int32Array, differs: Uint8Array): void {
  const entries = pairElements(pairs, live, differs)
  const found = new Uint8Array(entries.owners.length)
  compareEntries(pairs, entries, found)
  const suspects = suspectsOf(entries, found)
  if (suspects.owners.length === 0) return
  const sorted: Elements = {
    rowsA: sortEntries(pairs.a, suspects.rowsA, suspects.owners),
    rowsB: sortEntries(pairs.b, suspects.rowsB, suspects.owners),
    owners: suspects.owners,
  }
  const different = new Uint8Array(sorted.owners.length)
  compareEntries(pairs, sorted, different)
  markOwners(sorted.owners, different, differs)
}

function compareEntries(pairs: Pairs, entries: Elements, differs: Uint8Array): void {
  const { rowsA, rowsB } = entries
  const [entriesA, entriesB] = [pairs.a.children[0] as Data, pairs.b.children[0] as Data]
  for (const child of [0, 1]) {
    compareColumns(
      { a: entriesA.children[child], rowsA, b: entriesB.children[child], rowsB },
      differs,
    )
  }
}

/** The entries of those maps that have a different one. Entries of one map stand together. */
function suspectsOf(entries: Elements, found: Uint8Array): Elements {
  const owners = new Set<number>()
  for (let e = 0; e < found.length; e++) if (found[e] !== 0) owners.add(entries.owners[e] as number)
  const keep = (_: number, e: number): boolean => owners.has(entries.owners[e] as number)
  return {
    rowsA: entries.rowsA.filter(keep),
    rowsB: entries.rowsB.filter(keep),
    owners: entries.owners.filter(keep),
  }
}

/** The entries of each map in the order of their hashes, which equal maps share. */
function sortEntries(map: Data, rows: Int32Array, owners: Int32Array): Int32Array {
  const entries = map.children[0] as Data
  const columns = entries.children.map((child) => takeData(child, rows))
  const hashes = hashColumns(columns, rows.length, ANY_SEED)
  const order = (x: number, y: number): number => {
    for (let w = 0; w < 4; w++) {
      const d = (hashes[4 * x + w] as number) - (hashes[4 * y + w] as number)
      if (d !== 0) return d
    }
    return 0
  }
  const sorted = new Int32Array(rows.length)
  for (let from = 0, to = 0; from < rows.length; from = to) {
    while (to < rows.length && owners[to] === owners[from]) to++
    const indices = Int32Array.from({ length: to - from }, (_, k) => from + k).sort(order)
    for (let k = 0; k < indices.length; k++) sorted[from + k] = rows[indices[k] as number] as number
  }
  return sorted
}

/** Two entries of one hash only make equal maps look different, so that hash need not be secret. */
const ANY_SEED: Uint8Array = new Uint8Array(SEED_BYTES)
