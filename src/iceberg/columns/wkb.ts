/** The head of well-known binary, the form of geometries in columns. */

/** True if the bytes begin as ISO WKB does: byte order, then a type of 1–7, plus 1000 · (Z, M, ZM). */
export function isWkb(bytes: Uint8Array): boolean {
  if (bytes.length < 9) return false
  const order = bytes[0]
  if (order !== 0 && order !== 1) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const type = view.getUint32(1, order === 1)
  return type < 4000 && type % 1000 >= 1 && type % 1000 <= 7
}
