/**
 * Murmur3 x86 32-bit with seed 0, the hash of bucket transforms (iceberg-writer.md item 104). Results are signed
 * 32-bit integers.
 */

/** Hash of `bytes[start, end)`. */
export function murmur3Bytes(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  const length = end - start
  const bodyEnd = start + (length & ~3)
  let h = 0
  for (let i = start; i < bodyEnd; i += 4) {
    const k =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24)
    h = mixBody(h, k)
  }
  const tail = length & 3
  if (tail > 0) {
    let k = bytes[bodyEnd] as number
    if (tail > 1) k |= (bytes[bodyEnd + 1] as number) << 8
    if (tail > 2) k |= (bytes[bodyEnd + 2] as number) << 16
    h ^= scramble(k)
  }
  return finish(h, length)
}

/** Hash of a 64-bit integer's 8 little-endian bytes, given as its two 32-bit halves. */
export function murmur3Int64(low: number, high: number): number {
  return finish(mixBody(mixBody(0, low | 0), high | 0), 8)
}

/** Hash of a 32-bit integer, which Iceberg widens to 64 bits first. */
export function murmur3Int32(value: number): number {
  return murmur3Int64(value, value >> 31)
}

function mixBody(h: number, k: number): number {
  const x = h ^ scramble(k)
  return (Math.imul((x << 13) | (x >>> 19), 5) + 0xe6546b64) | 0
}

function scramble(k: number): number {
  const x = Math.imul(k, 0xcc9e2d51)
  return Math.imul((x << 15) | (x >>> 17), 0x1b873593)
}

function finish(hash: number, length: number): number {
  let h = hash ^ length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
