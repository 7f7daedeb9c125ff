/** A signed 64-bit number as a double: offsets and times stay below 2^53. */
export function offsetAt(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
}
