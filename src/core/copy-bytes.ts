/** Copies `source[start, end)` to a place: a loop for few bytes, which takes less time than to make a view of them. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  to: Uint8Array,
  at: number,
): void {
  if (end - start > FEW) {
    to.set(new Uint8Array(source.buffer, source.byteOffset + start, end - start), at)
  } else for (let i = start, j = at; i < end; i++, j++) to[j] = source[i] as number
}

const FEW = 40
