/**
 * A set of row positions of one data file: what deletion vectors and position deletes come to in memory. Values never
 * change: every change gives a new bitmap, so that a reader, an index and a commit may share one.
 */
import { assert } from '../../core/errors.ts'
import {
  type Container,
  cardinalityOf,
  containerHas,
  containerOf,
  containersIntersect,
  lastOf,
  unionOf,
  valuesOf,
} from './containers.ts'

/** Values of one container share `key = floor(position / 65536)`. */
const CHUNK = 65_536

/** Positions beyond are not exact as numbers; no data file has as many rows. */
export const MAX_POSITION: number = Number.MAX_SAFE_INTEGER

export class PositionBitmap {
  readonly #keys: readonly number[]
  readonly #containers: readonly Container[]
  readonly cardinality: number

  private constructor(keys: readonly number[], containers: readonly Container[]) {
    this.#keys = keys
    this.#containers = containers
    let cardinality = 0
    for (const container of containers) cardinality += cardinalityOf(container)
    this.cardinality = cardinality
  }

  static readonly EMPTY: PositionBitmap = new PositionBitmap([], [])

  /** From containers that are not empty, by ascending key. */
  static ofContainers(
    parts: Iterable<readonly [key: number, container: Container]>,
  ): PositionBitmap {
    const keys: number[] = []
    const containers: Container[] = []
    for (const [key, container] of parts) {
      assert(keys.length === 0 || key > (keys.at(-1) as number), 'containers come by ascending key')
      if (cardinalityOf(container) === 0) continue
      keys.push(key)
      containers.push(container)
    }
    return keys.length === 0 ? PositionBitmap.EMPTY : new PositionBitmap(keys, containers)
  }

  /** From positions in any order; repeated ones count once. The array is not changed. */
  static of(positions: ArrayLike<number>): PositionBitmap {
    let ascending = true
    for (let i = 1; i < positions.length && ascending; i++) {
      ascending = (positions[i - 1] as number) < (positions[i] as number)
    }
    const sorted = ascending ? positions : Float64Array.from(positions).sort()
    const parts: [number, Container][] = []
    for (let from = 0; from < sorted.length; ) {
      const key = Math.floor((sorted[from] as number) / CHUNK)
      let to = from
      while (to < sorted.length && (sorted[to] as number) < (key + 1) * CHUNK) to++
      const values = new Uint16Array(to - from)
      let length = 0
      for (; from < to; from++) {
        const value = (sorted[from] as number) - key * CHUNK
        if (length === 0 || values[length - 1] !== value) values[length++] = value
      }
      parts.push([key, containerOf(length === values.length ? values : values.slice(0, length))])
    }
    return PositionBitmap.ofContainers(parts)
  }

  get isEmpty(): boolean {
    return this.cardinality === 0
  }

  /** The greatest position; −1 if empty. */
  get last(): number {
    const container = this.#containers.at(-1)
    if (container === undefined) return -1
    return (this.#keys.at(-1) as number) * CHUNK + lastOf(container)
  }

  has(position: number): boolean {
    const key = Math.floor(position / CHUNK)
    const at = this.#find(key)
    return (
      this.#keys[at] === key &&
      containerHas(this.#containers[at] as Container, position - key * CHUNK)
    )
  }

  union(other: PositionBitmap): PositionBitmap {
    if (other.isEmpty) return this
    if (this.isEmpty) return other
    const keys: number[] = []
    const containers: Container[] = []
    let i = 0
    let j = 0
    while (i < this.#keys.length || j < other.#keys.length) {
      const left = this.#keys[i] ?? Number.POSITIVE_INFINITY
      const right = other.#keys[j] ?? Number.POSITIVE_INFINITY
      const a = this.#containers[i] as Container
      const b = other.#containers[j] as Container
      keys.push(Math.min(left, right))
      containers.push(left === right ? unionOf(a, b) : left < right ? a : b)
      if (left <= right) i++
      if (right <= left) j++
    }
    return new PositionBitmap(keys, containers)
  }

  intersects(other: PositionBitmap): boolean {
    return this.#keys.some((key, i) => {
      const at = other.#find(key)
      return (
        other.#keys[at] === key &&
        containersIntersect(this.#containers[i] as Container, other.#containers[at] as Container)
      )
    })
  }

  /** True if every position of this bitmap is in the other. */
  isSubsetOf(other: PositionBitmap): boolean {
    return this.union(other).cardinality === other.cardinality
  }

  /** The positions in order. */
  *positions(): Generator<number, void, undefined> {
    for (const [key, container] of this.containers()) {
      for (const value of valuesOf(container)) yield key * CHUNK + value
    }
  }

  /** The positions in order, as exact numbers. */
  toArray(): Float64Array {
    const out = new Float64Array(this.cardinality)
    let i = 0
    for (const [key, container] of this.containers()) {
      for (const value of valuesOf(container)) out[i++] = key * CHUNK + value
    }
    return out
  }

  /** How many positions lie in `from` (inclusive) to `to` (exclusive). */
  countWithin(from: number, to: number): number {
    let count = 0
    this.#forEachWithin(from, to, () => count++)
    return count
  }

  /**
   * Of `count` rows from position `first` on those that are not in the set, as indices from 0 on; 'all' if none is.
   * @param rows looks only at these of the rows, ascending.
   */
  rowsOutside(
    first: number,
    count: number,
    rows: 'all' | Uint32Array | Int32Array = 'all',
  ): 'all' | Uint32Array | Int32Array {
    let deleted: Uint8Array | undefined
    this.#forEachWithin(first, first + count, (position) => {
      deleted ??= new Uint8Array(count)
      deleted[position - first] = 1
    })
    if (deleted === undefined) return rows
    const left = new Uint32Array(rows === 'all' ? count : rows.length)
    let length = 0
    if (rows === 'all') {
      for (let i = 0; i < count; i++) if (deleted[i] === 0) left[length++] = i
    } else {
      for (const i of rows) if (deleted[i] === 0) left[length++] = i
    }
    return left.subarray(0, length)
  }

  /** Of `count` rows from position `first` on those that are in the set, as ascending indices from 0 on. */
  rowsInside(first: number, count: number): Uint32Array {
    const found = new Uint32Array(this.countWithin(first, first + count))
    let length = 0
    this.#forEachWithin(first, first + count, (position) => {
      found[length++] = position - first
    })
    return found
  }

  *containers(): Generator<readonly [key: number, container: Container], void, undefined> {
    for (const [i, key] of this.#keys.entries()) yield [key, this.#containers[i] as Container]
  }

  equals(other: PositionBitmap): boolean {
    return this.cardinality === other.cardinality && this.isSubsetOf(other)
  }

  /** Index of the first container whose key is not below. */
  #find(key: number): number {
    let from = 0
    let to = this.#keys.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.#keys[middle] as number) < key) from = middle + 1
      else to = middle
    }
    return from
  }

  #forEachWithin(from: number, to: number, visit: (position: number) => void): void {
    for (let at = this.#find(Math.floor(from / CHUNK)); at < this.#keys.length; at++) {
      const base = (this.#keys[at] as number) * CHUNK
      if (base >= to) return
      const values = valuesOf(this.#containers[at] as Container)
      for (const value of values) {
        const position = base + value
        if (position >= to) return
        if (position >= from) visit(position)
      }
    }
  }
}
