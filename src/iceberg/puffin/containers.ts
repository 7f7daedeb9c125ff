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
  setBits(words, values)
  return { kind: 'bits', words, cardinality: values.length }
}

/** A container of a bitset of 2,048 words, which is kept if it is dense. */
export function containerOfBits(words: Uint32Array): Container {
  let cardinality = 0
  for (let i = 0; i < BITSET_WORDS; i++) cardinality += bitCount(words[i] as number)
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
  if (a.kind === 'array' && b.kind === 'array') return containerOf(mergedValues(a.values, b.values))
  const words = bitsOf(a.kind === 'bits' ? a : b).slice()
  const other = a.kind === 'bits' ? b : a
  if (other.kind === 'bits') {
    for (let i = 0; i < BITSET_WORDS; i++)
      words[i] = (words[i] as number) | (other.words[i] as number)
    return containerOfBits(words)
  }
  const { values } = other
  let added = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    const word = words[value >>> 5] as number
    const bit = 1 << (value & 31)
    if ((word & bit) !== 0) continue
    words[value >>> 5] = word | bit
    added++
  }
  const { cardinality } = (a.kind === 'bits' ? a : b) as Container & { kind: 'bits' }
  return { kind: 'bits', words, cardinality: cardinality + added }
}

/** Few values are put between the many that are there, which are copied in stretches. */
const FEW = 16

function mergedValues(a: Uint16Array, b: Uint16Array): Uint16Array {
  const [many, few] = a.length >= b.length ? [a, b] : [b, a]
  const merged = new Uint16Array(many.length + few.length)
  let length = 0
  let from = 0
  if (few.length * FEW < many.length) {
    for (let i = 0; i < few.length; i++) {
      const value = few[i] as number
      const to = lowerBound(many, value, from)
      merged.set(many.subarray(from, to), length)
      length += to - from
      if (many[to] !== value) merged[length++] = value
      from = to
    }
  } else {
    let i = 0
    while (i < few.length && from < many.length) {
      const left = many[from] as number
      const right = few[i] as number
      merged[length++] = left < right ? left : right
      if (left <= right) from++
      if (right <= left) i++
    }
    merged.set(few.subarray(i), length)
    length += few.length - i
  }
  merged.set(many.subarray(from), length)
  length += many.length - from
  return length === merged.length ? merged : merged.slice(0, length)
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

/** The greatest value. */
export function lastOf(container: Container): number {
  if (container.kind === 'array') return container.values[container.values.length - 1] as number
  for (let i = BITSET_WORDS - 1; ; i--) {
    const word = container.words[i] as number
    if (word !== 0) return (i << 5) | (31 - Math.clz32(word))
  }
}

/** The words of a bitset of the values. */
export function bitsOf(container: Container): Uint32Array {
  if (container.kind === 'bits') return container.words
  const words = new Uint32Array(BITSET_WORDS)
  setBits(words, container.values)
  return words
}

function setBits(words: Uint32Array, values: Uint16Array): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    words[value >>> 5] = (words[value >>> 5] as number) | (1 << (value & 31))
  }
}

/** How many runs of consecutive values there are; undefined if there are more than `most`. */
export function runCount(container: Container, most: number): number | undefined {
  let runs = 0
  if (container.kind === 'array') {
    const { values } = container
    let previous = -2
    for (let i = 0; i < values.length && runs <= most; i++) {
      const value = values[i] as number
      if (value !== previous + 1) runs++
      previous = value
    }
  } else {
    const { words } = container
    let carry = 0
    for (let i = 0; i < BITSET_WORDS && runs <= most; i++) {
      const word = words[i] as number
      // A run begins at each one whose lower neighbour is zero.
      runs += bitCount(word & ~((word << 1) | carry))
      carry = word >>> 31
    }
  }
  return runs > most ? undefined : runs
}

/** Index of the first value not below the given one, from an index on. */
export function lowerBound(values: Uint16Array, value: number, start = 0): number {
  let from = start
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
