/**
 * Which columns are better off without a dictionary. The encoder starts every column with one and gives it up when
 * it has grown too large; for a column of mostly different values all of that work is lost, half of the time of
 * encoding and a quarter of the file's size. A small sample tells.
 */
import type { Data, RecordBatch } from 'apache-arrow'

/** Names of the top-level columns whose sampled values hardly repeat. */
export function columnsWithoutDictionary(batch: RecordBatch): string[] {
  const names: string[] = []
  batch.schema.fields.forEach((field, i) => {
    const data = batch.data.children[i] as Data
    if (data.children.length === 0 && !repeats(data)) names.push(field.name)
  })
  return names
}

/** Values looked at: so many neighbours, and so many spread over the batch. */
const SAMPLE = 2048
/** A dictionary pays below this share of distinct values in the sample. */
const MAX_DISTINCT = 0.9

/** True if values repeat among neighbours (sorted or clustered columns) or over the batch (few values). */
function repeats(data: Data): boolean {
  const { length } = data
  const hash = hasherOf(data)
  if (hash === undefined) return true
  const count = Math.min(length, SAMPLE)
  const start = Math.floor((length - count) / 2)
  const step = length / count
  if (mostlyEqual(data, count, hash, (i) => start + i)) return true
  // Of a small batch both samples are the whole.
  return count < length && mostlyEqual(data, count, hash, (i) => Math.floor(i * step))
}

type Hasher = (index: number) => number

/** A hash of the value at an index, by its bytes; undefined for booleans and empty columns. */
function hasherOf(data: Data): Hasher | undefined {
  const values = data.values as ArrayBufferView | undefined
  if (values === undefined || data.length === 0) return undefined
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const offsets = data.valueOffsets as Int32Array | undefined
  if (offsets !== undefined && offsets.length > data.length) {
    return (i) => hashBytes(bytes, offsets[i] as number, offsets[i + 1] as number)
  }
  // The width of booleans comes out as 0, but for a few bits as 1: those repeat either way.
  const width = Math.floor(bytes.length / data.length)
  if (width === 0) return undefined
  return (i) => hashBytes(bytes, i * width, (i + 1) * width)
}

/** FNV-1a over the length, the first and the last bytes: long values differ in one of them. */
function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = Math.imul(0x811c9dc5 ^ (end - start), 0x01000193)
  const head = Math.min(end, start + 32)
  for (let i = start; i < head; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193)
  for (let i = Math.max(head, end - 32); i < end; i++) {
    hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193)
  }
  return hash ^ (hash >>> 15)
}

/** True if the non-null values at the sampled places repeat; counts hashes by open addressing. */
function mostlyEqual(
  data: Data,
  count: number,
  hash: Hasher,
  place: (sample: number) => number,
): boolean {
  const nulls = data.nullCount > 0 ? data.nullBitmap : undefined
  const table = new Int32Array(2 ** Math.ceil(Math.log2(count * 4)))
  const mask = table.length - 1
  let sampled = 0
  let distinct = 0
  for (let i = 0; i < count; i++) {
    const index = place(i)
    const bit = data.offset + index
    if (nulls !== undefined && ((nulls[bit >>> 3] as number) & (1 << (bit & 7))) === 0) continue
    sampled++
    // Zero marks an empty slot.
    const value = hash(index) | 1
    let slot = (value >>> 1) & mask
    while (table[slot] !== 0 && table[slot] !== value) slot = (slot + 1) & mask
    if (table[slot] === 0) {
      table[slot] = value
      distinct++
    }
  }
  return distinct < MAX_DISTINCT * sampled
}
