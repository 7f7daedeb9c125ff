/**
 * The parts of a roaring bitmap: up to 65,536 values that share their upper bits, as a sorted array while they are
 * few and as a bitset when they are many. Containers never change once they are made.
 */

/** Sorted, distinct values of 16 bits, at most 4,096 of them; or a bitset of 2,048 words with its cardinality. */
export type Container =
  | { readonly kind: 'array'; readonly values: Uint16Array }
  | { readonly kind: 'bits'; readonly words: Uint32Array; readonly cardinality: number }

/** More values than this are kept as a bitset, which is then no larger than the array. */
export const MAX_ARRAY_VALUES = 4096
const BITSET_WORDS = 2048

export function cardinalityOf(container: Container): number {
  return container.kind === 'array' ? container.values.length : container.cardinality
}

/** A container of sorted, distinct values. The array is kept. */
export function containerOf(values: Uint16Array): Container {
  if (values.length <= MAX_ARRAY_VALUES) return { kind: 'array', values }
  const words = new Uint32Array(BITSET_WORDS)
  for (const value of values)
    words[value >>> 5] = (words[value >>> 5] as number) | (1 << (value & 31))
  return { kind: 'bits', words, cardinality: values.length }
}

/** A container of a bitset of 2,048 words, which is kept if it is dense. */
export function containerOfBits(words: Uint32Array): Container {
  let cardinality = 0
  for (const word of words) cardinality += bitCount(word)
  const bits: Container = { kind: 'bits', words, cardinality }
  return cardinality > MAX_ARRAY_VALUES ? bits : { kind: 'array', values: valuesOf(bits) }
}

export function containerHas(container: Container, value: number): boolean {
  if (container.kind === 'bits') {
    return (((container.words[value >>> 5] as number) >>> (value & 31)) & 1) === 1
  }
  const at = lowerBound(container.values, value)
  return container.values[at] === value
}

export function unionOf(a: Container, b: Container): Container {
  if (a.kind === 'array' && b.kind === 'array') {
    const merged = new Uint16Array(a.values.length + b.values.length)
    let length = 0
    let i = 0
    let j = 0
    while (i < a.values.length || j < b.values.length) {
      const left = a.values[i] ?? 65_536
      const right = b.values[j] ?? 65_536
      merged[length++] = left < right ? left : right
      if (left <= right) i++
      if (right <= left) j++
    }
    return containerOf(merged.slice(0, length))
  }
  const words = bitsOf(a).slice()
  const other = bitsOf(b)
  for (let i = 0; i < BITSET_WORDS; i++) words[i] = (words[i] as number) | (other[i] as number)
  return containerOfBits(words)
}

export function containersIntersect(a: Container, b: Container): boolean {
  if (a.kind === 'bits' && b.kind === 'bits') {
    return a.words.some((word, i) => (word & (b.words[i] as number)) !== 0)
  }
  const [few, other] = a.kind === 'array' ? [a, b] : [b as Container & { kind: 'array' }, a]
  return few.values.some((value) => containerHas(other, value))
}

/** The values in order. */
export function valuesOf(container: Container): Uint16Array<ArrayBuffer> {
  if (container.kind === 'array') return container.values as Uint16Array<ArrayBuffer>
  const values = new Uint16Array(container.cardinality)
  let length = 0
  for (let i = 0; i < BITSET_WORDS; i++) {
    for (let word = container.words[i] as number; word !== 0; word &= word - 1) {
      values[length++] = (i << 5) | (31 - Math.clz32(word & -word))
    }
  }
  return values
}

/** The words of a bitset of the values. */
export function bitsOf(container: Container): Uint32Array {
  if (container.kind === 'bits') return container.words
  const words = new Uint32Array(BITSET_WORDS)
  for (const value of container.values) {
    words[value >>> 5] = (words[value >>> 5] as number) | (1 << (value & 31))
  }
  return words
}

/** How many runs of consecutive values there are. */
export function runCount(container: Container): number {
  if (container.kind === 'array') {
    let runs = 0
    let previous = -2
    for (const value of container.values) {
      if (value !== previous + 1) runs++
      previous = value
    }
    return runs
  }
  let runs = 0
  let carry = 0
  for (const word of container.words) {
    // A run begins at each one whose lower neighbour is zero.
    runs += bitCount(word & ~((word << 1) | carry))
    carry = word >>> 31
  }
  return runs
}

/** Index of the first value not below the given one. */
export function lowerBound(values: Uint16Array, value: number): number {
  let from = 0
  let to = values.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((values[middle] as number) < value) from = middle + 1
    else to = middle
  }
  return from
}

export function bitCount(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555)
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333)
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
