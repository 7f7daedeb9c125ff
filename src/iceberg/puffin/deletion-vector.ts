/**
 * Deletion vectors as bytes: length, magic, bitmap, CRC-32. Puffin spec §deletion-vector-v1; iceberg-writer.md
 * item 87. Lengths and the checksum are big-endian, the bitmap is little-endian.
 */
import { crc32 } from 'node:zlib'
import { assert, FloeError } from '../../core/errors.ts'
import type { PositionBitmap } from './position-bitmap.ts'
import { decodeRoaring, layoutRoaring, type RoaringSource } from './roaring-codec.ts'

/** Type of the blob in a Puffin file. */
export const DELETION_VECTOR_BLOB = 'deletion-vector-v1'

const MAGIC = 0xd1d33964
/** Length, magic and checksum. */
const FRAME_BYTES = 12

/** The blob of a vector that is not empty. */
export function encodeDeletionVector(positions: PositionBitmap): Uint8Array {
  assert(!positions.isEmpty, 'a deletion vector deletes at least one row (item 88)')
  const bitmap = layoutRoaring(positions)
  const bytes = new Uint8Array(bitmap.sizeBytes + FRAME_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, bitmap.sizeBytes + 4)
  view.setUint32(4, MAGIC)
  bitmap.write(bytes, 8)
  view.setUint32(bytes.length - 4, crc32(bytes.subarray(4, bytes.length - 4)))
  return bytes
}

/**
 * Reads a vector's blob.
 * @throws CHECKSUM_MISMATCH, CORRUPT_DELETES naming the file; LIMIT_EXCEEDED.
 */
export function decodeDeletionVector(bytes: Uint8Array, source: RoaringSource): PositionBitmap {
  const { file } = source
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < FRAME_BYTES + 8) throw corrupt(file, 'it ends early')
  const length = view.getUint32(0)
  if (length !== bytes.length - 8) {
    throw corrupt(file, `it says that it has ${length + 8} bytes and has ${bytes.length}`)
  }
  if (view.getUint32(4) !== MAGIC) throw corrupt(file, 'it does not begin as one')
  const body = bytes.subarray(4, bytes.length - 4)
  if (crc32(body) !== view.getUint32(bytes.length - 4)) {
    throw new FloeError(
      'CHECKSUM_MISMATCH',
      `The checksum of a deletion vector in ${file} does not fit its bytes. Restore the file from a copy, or read an older snapshot`,
      { context: { file } },
    )
  }
  return decodeRoaring(body.subarray(4), source)
}

function corrupt(file: string, why: string): FloeError {
  return new FloeError(
    'CORRUPT_DELETES',
    `Cannot read a deletion vector in ${file}: ${why}. Restore the file, or read an older snapshot`,
    { context: { file } },
  )
}
