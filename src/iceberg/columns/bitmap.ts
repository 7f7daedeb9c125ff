/** Bits of validity bitmaps and boolean columns: least significant bit first, as Arrow lays them out. */

/** Bytes that hold so many bits. */
export function bitmapBytes(bits: number): number {
  return (bits + 7) >>> 3
}

/** True if bit `index` is one. */
export function getBit(bitmap: Uint8Array, index: number): boolean {
  return ((bitmap[index >>> 3] as number) & (1 << (index & 7))) !== 0
}

/** Sets bit `index` to one. */
export function setBit(bitmap: Uint8Array, index: number): void {
  bitmap[index >>> 3] = (bitmap[index >>> 3] as number) | (1 << (index & 7))
}

/** Sets bit `index` to zero. */
export function clearBit(bitmap: Uint8Array, index: number): void {
  bitmap[index >>> 3] = (bitmap[index >>> 3] as number) & ~(1 << (index & 7))
}

/** A bitmap of so many ones; the padding bits of its last byte are zero. */
export function onesBitmap(bits: number): Uint8Array {
  const bitmap = new Uint8Array(bitmapBytes(bits)).fill(255)
  if ((bits & 7) !== 0) bitmap[bits >>> 3] = (1 << (bits & 7)) - 1
  return bitmap
}

/** How many of the `length` bits from `start` on are one. */
export function countBits(bitmap: Uint8Array, start: number, length: number): number {
  let count = 0
  let bit = start
  const end = start + length
  while (bit < end && (bit & 7) !== 0) count += getBit(bitmap, bit++) ? 1 : 0
  const lastByte = end >>> 3
  for (let byte = bit >>> 3; byte < lastByte; byte++) {
    count += POPCOUNT[bitmap[byte] as number] as number
  }
  for (bit = Math.max(bit, lastByte << 3); bit < end; bit++) count += getBit(bitmap, bit) ? 1 : 0
  return count
}

/** Copies `length` bits from any bit position to any other; the other bits of `target` stay as they are. */
export function copyBits(
  source: Uint8Array,
  sourceStart: number,
  target: Uint8Array,
  targetStart: number,
  length: number,
): void {
  let from = sourceStart
  let to = targetStart
  const end = targetStart + length
  for (; to < end && (to & 7) !== 0; from++, to++) copyBit(source, from, target, to)
  const shift = from & 7
  const lastByte = end >>> 3
  for (let byte = to >>> 3; byte < lastByte; byte++, from += 8, to += 8) {
    const at = from >>> 3
    const low = (source[at] as number) >>> shift
    target[byte] = shift === 0 ? low : low | ((source[at + 1] as number) << (8 - shift))
  }
  for (; to < end; from++, to++) copyBit(source, from, target, to)
}

function copyBit(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
  if (getBit(source, from)) setBit(target, to)
  else clearBit(target, to)
}

const POPCOUNT: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  let ones = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) ones++
  return ones
})
