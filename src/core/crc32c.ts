/** CRC-32C (Castagnoli), as in iSCSI: RFC 3720 §12.1 and appendix B.4. Sixteen bytes at a time. */

/** The remainders of a byte that is followed by 0 to 15 others, one table after the other. */
const TABLES = makeTables()

/**
 * The checksum of the bytes from `start` on, before `end`.
 * @param bytes a view, where many small parts of the same bytes are checked: making one costs as much as 60 of them.
 * @param crc the checksum of what comes before them.
 */
export function crc32c(
  bytes: Uint8Array | DataView,
  start = 0,
  end: number = bytes.byteLength,
  crc = 0,
): number {
  const t = TABLES
  const view =
    bytes instanceof DataView
      ? bytes
      : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let c = ~crc
  let i = start
  for (const last = end - 16; i <= last; i += 16) {
    c ^= view.getInt32(i, true)
    const d = view.getInt32(i + 4, true)
    const e = view.getInt32(i + 8, true)
    const f = view.getInt32(i + 12, true)
    c =
      (t[3840 + (c & 0xff)] as number) ^
      (t[3584 + ((c >>> 8) & 0xff)] as number) ^
      (t[3328 + ((c >>> 16) & 0xff)] as number) ^
      (t[3072 + (c >>> 24)] as number) ^
      (t[2816 + (d & 0xff)] as number) ^
      (t[2560 + ((d >>> 8) & 0xff)] as number) ^
      (t[2304 + ((d >>> 16) & 0xff)] as number) ^
      (t[2048 + (d >>> 24)] as number) ^
      (t[1792 + (e & 0xff)] as number) ^
      (t[1536 + ((e >>> 8) & 0xff)] as number) ^
      (t[1280 + ((e >>> 16) & 0xff)] as number) ^
      (t[1024 + (e >>> 24)] as number) ^
      (t[768 + (f & 0xff)] as number) ^
      (t[512 + ((f >>> 8) & 0xff)] as number) ^
      (t[256 + ((f >>> 16) & 0xff)] as number) ^
      (t[f >>> 24] as number)
  }
  for (; i < end; i++) c = (t[(c ^ view.getUint8(i)) & 0xff] as number) ^ (c >>> 8)
  return ~c >>> 0
}

function makeTables(): Int32Array {
  const tables = new Int32Array(16 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let c = byte
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1
    tables[byte] = c
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256] as number
    tables[i] = (tables[before & 0xff] as number) ^ (before >>> 8)
  }
  return tables
}
