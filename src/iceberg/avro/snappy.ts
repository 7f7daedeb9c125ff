/**
 * Decodes raw Snappy (the block format, without frames). Format description: google/snappy
 * format_description.txt: the length as a varint, then literals and copies.
 */

/** The decoded size that the data declares, or undefined if it is not Snappy or cannot become so large. */
export function snappyLength(data: Uint8Array): number | undefined {
  return readHeader(data)?.length
}

/**
 * Decodes into a new array of exactly the declared size; undefined if the data is not valid. The declared size is
 * bound by that of the data (22 bytes each): check it with `snappyLength` first where that is too much.
 */
export function snappyDecode(data: Uint8Array): Uint8Array | undefined {
  const header = readHeader(data)
  if (header === undefined) return undefined
  const out = new Uint8Array(header.length)
  const end = data.byteLength
  let from = header.next
  let to = 0
  while (from < end) {
    const tag = data[from++] as number
    let length = (tag >>> 2) + 1
    if ((tag & 3) === 0) {
      if (length > 60) {
        const extra = length - 60
        if (from + extra > end) return undefined
        length = littleEndian(data, from, extra) + 1
        from += extra
      }
      if (length > end - from || length > out.length - to) return undefined
      out.set(data.subarray(from, from + length), to)
      from += length
      to += length
      continue
    }
    let offset: number
    if ((tag & 3) === 1) {
      if (from >= end) return undefined
      length = ((tag >>> 2) & 7) + 4
      offset = ((tag >>> 5) << 8) | (data[from++] as number)
    } else {
      const width = (tag & 3) === 2 ? 2 : 4
      if (from + width > end) return undefined
      offset = littleEndian(data, from, width)
      from += width
    }
    if (offset === 0 || offset > to || length > out.length - to) return undefined
    // Byte by byte: a copy may overlap what it makes.
    for (let i = 0; i < length; i++, to++) out[to] = out[to - offset] as number
  }
  return to === out.length ? out : undefined
}

function readHeader(data: Uint8Array): { length: number; next: number } | undefined {
  let length = 0
  for (let i = 0; i < 5 && i < data.byteLength; i++) {
    const byte = data[i] as number
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) {
      // Three bytes make at most 64: more cannot be honest, and is refused before it is allocated.
      return length <= 22 * data.byteLength + 64 ? { length, next: i + 1 } : undefined
    }
  }
  return undefined
}

function littleEndian(data: Uint8Array, at: number, width: number): number {
  let value = 0
  for (let i = width - 1; i >= 0; i--) value = value * 256 + (data[at + i] as number)
  return value
}
