/** CRC-32C (Castagnoli), which Kafka keeps of each batch of records. RFC 3720 appendix B.4. */

const POLYNOMIAL = 0x82f63b78

/** Eight tables, so that a step takes eight bytes. */
const TABLES = makeTables()

/** The checksum of `bytes[from, to)`, unsigned. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = -1
  let at = from
  for (; at + 8 <= to; at += 8) {
    crc ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    crc =
      (TABLES[1792 + (crc & 255)] as number) ^
      (TABLES[1536 + ((crc >>> 8) & 255)] as number) ^
      (TABLES[1280 + ((crc >>> 16) & 255)] as number) ^
      (TABLES[1024 + (crc >>> 24)] as number) ^
      (TABLES[768 + (bytes[at + 4] as number)] as number) ^
      (TABLES[512 + (bytes[at + 5] as number)] as number) ^
      (TABLES[256 + (bytes[at + 6] as number)] as number) ^
      (TABLES[bytes[at + 7] as number] as number)
  }
  for (; at < to; at++) {
    crc = (crc >>> 8) ^ (TABLES[(crc ^ (bytes[at] as number)) & 255] as number)
  }
  return ~crc >>> 0
}

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
    tables[byte] = crc
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256] as number
    tables[i] = (before >>> 8) ^ (tables[before & 255] as number)
  }
  return tables
}
