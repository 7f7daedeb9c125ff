/**
 * Columns of few distinct values as dense codes: row i has the value `values[codes[i]]`, and codes are numbered in
 * order of their first rows. Grouping by several columns is then arithmetic on small integers.
 */
export interface Codes<T> {
  readonly codes: Int32Array
  readonly values: readonly T[]
}

/** Codes of 32-bit integers; null where `isNull`. */
export function codesOfInts(
  results: Int32Array,
  isNull: (row: number) => boolean,
): Codes<number | null> {
  const { length } = results
  const codes = new Int32Array(length)
  const values: (number | null)[] = []
  const known = new IntCodes(results)
  let nullCode = -1
  for (let i = 0; i < length; i++) {
    if (isNull(i)) {
      if (nullCode < 0) nullCode = values.push(null) - 1
      codes[i] = nullCode
      continue
    }
    const result = results[i] as number
    let code = known.get(result)
    if (code < 0) {
      code = values.push(result) - 1
      known.set(result, code)
    }
    codes[i] = code
  }
  return { codes, values }
}

/** The codes of two columns together. */
export function combineCodes<A, B, C>(
  left: Codes<A>,
  right: Codes<B>,
  combine: (a: A, b: B) => C,
): Codes<C> {
  const { length } = left.codes
  const width = right.values.length
  const codes = new Int32Array(length)
  const values: C[] = []
  const pairs = left.values.length * width
  const table = pairs <= 4 * length + 1024 ? new Int32Array(pairs) : undefined
  const map = new Map<number, number>()
  for (let i = 0; i < length; i++) {
    const a = left.codes[i] as number
    const b = right.codes[i] as number
    const pair = a * width + b
    let code = table === undefined ? (map.get(pair) ?? 0) : (table[pair] as number)
    if (code === 0) {
      // Codes are kept one higher, so that 0 means "not seen".
      code = values.push(combine(left.values[a] as A, right.values[b] as B))
      if (table === undefined) map.set(pair, code)
      else table[pair] = code
    }
    codes[i] = code - 1
  }
  return { codes, values }
}

/** Integer → code: an array where the integers lie close together, as days and buckets do, else a map. */
class IntCodes {
  readonly #low: number
  readonly #table: Int32Array | undefined
  readonly #map: Map<number, number> = new Map()

  constructor(results: Int32Array) {
    let low = results[0] ?? 0
    let high = low
    for (let i = 0; i < results.length; i++) {
      const value = results[i] as number
      if (value < low) low = value
      if (value > high) high = value
    }
    this.#low = low
    const range = high - low + 1
    if (range <= 4 * results.length + 1024) this.#table = new Int32Array(range).fill(-1)
  }

  get(value: number): number {
    if (this.#table !== undefined) return this.#table[value - this.#low] as number
    return this.#map.get(value) ?? -1
  }

  set(value: number, code: number): void {
    if (this.#table !== undefined) this.#table[value - this.#low] = code
    else this.#map.set(value, code)
  }
}
