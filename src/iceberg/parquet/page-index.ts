/**
 * Page indexes: a ColumnIndex (bounds of each page) and an OffsetIndex (where each page is) for each column chunk,
 * between the column data and the footer.
 */
import { OFFSET_INDEX, type OffsetIndex } from './parquet-thrift.ts'
import { readThrift, writeThrift } from './thrift.ts'

/** @throws CORRUPT_PARQUET */
export function parseOffsetIndex(bytes: Uint8Array, what: string): OffsetIndex {
  return readThrift<OffsetIndex>(OFFSET_INDEX, bytes, `the offset index of ${what}`).value
}

export function serializeOffsetIndex(index: OffsetIndex): Uint8Array {
  return writeThrift(OFFSET_INDEX, index)
}

/** The offset index of a chunk whose bytes moved by `shift` bytes. */
export function shiftOffsetIndex(index: OffsetIndex, shift: number): OffsetIndex {
  return {
    ...index,
    page_locations: index.page_locations.map((page) => ({ ...page, offset: page.offset + shift })),
  }
}
