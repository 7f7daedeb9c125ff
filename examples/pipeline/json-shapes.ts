/**
 * What texts of JSON have looked like, all but their scalar values: a producer writes the same names in the same order
 * over and over. Where a text goes on as one before it did, its names and brackets need no reading, only a comparison,
 * four bytes at a time.
 */

/** What stands before a scalar value, or at the end of the text. */
export interface Shape {
  readonly bytes: Uint8Array
  /** The bytes as little-endian words, as far as they are whole ones. */
  readonly words: Int32Array
  /** The field that the value after it is of, or -1. */
  readonly field: number
  readonly isEnd: boolean
  /** What came after the value, the longest first: one may begin as another does. */
  readonly next: Shape[]
}

/** Most pieces that are kept. Where there are more, texts have no shape worth keeping: all begins anew. */
const MOST_PIECES = 512
const MOST_ALTERNATIVES = 8
/** Scalar values of a text that has a shape. */
const MOST_VALUES = 64

/** The scalar values of a text, in order, while it is read. */
export class Values {
  readonly starts: Int32Array = new Int32Array(MOST_VALUES)
  readonly ends: Int32Array = new Int32Array(MOST_VALUES)
  readonly fields: Int8Array = new Int8Array(MOST_VALUES)
  count = 0
  /** True once there is something that a shape cannot tell. */
  beyond = false

  clear(): void {
    this.count = 0
    this.beyond = false
  }

  add(start: number, end: number, field: number): void {
    if (this.count === MOST_VALUES) this.beyond = true
    else {
      this.starts[this.count] = start
      this.ends[this.count] = end
      this.fields[this.count] = field
      this.count++
    }
  }
}

export class JsonShapes {
  readonly first: Shape[] = []
  #pieces = 0

  /** Keeps the shape of the text `bytes[from, to)`, which is JSON with these values. */
  add(bytes: Uint8Array, from: number, to: number, values: Values): void {
    if (values.beyond) return
    let next = this.first
    let at = from
    for (let i = 0; i <= values.count; i++) {
      const isEnd = i === values.count
      const piece = bytes.subarray(at, isEnd ? to : values.starts[i])
      const field = isEnd ? -1 : (values.fields[i] as number)
      let shape = next.find(
        (each) => each.isEnd === isEnd && Buffer.compare(each.bytes, piece) === 0,
      )
      if (shape === undefined) {
        if (next.length === MOST_ALTERNATIVES || this.#pieces === MOST_PIECES) {
          this.first.length = 0
          this.#pieces = 0
          return
        }
        // A copy: to slice a Buffer makes none.
        shape = shapeOf(new Uint8Array(piece), field, isEnd)
        next.push(shape)
        next.sort((a, b) => b.bytes.length - a.bytes.length)
        this.#pieces++
      }
      if (isEnd) return
      next = shape.next
      at = values.ends[i] as number
    }
  }
}

function shapeOf(bytes: Uint8Array, field: number, isEnd: boolean): Shape {
  const view = new DataView(bytes.buffer)
  const words = Int32Array.from({ length: bytes.length >> 2 }, (_, i) => view.getInt32(i * 4, true))
  return { bytes, words, field, isEnd, next: [] }
}

/** Which of the shapes the bytes from `at` on, before `to`, have; `view` is over the same bytes. */
export function shapeAt(
  shapes: readonly Shape[],
  bytes: Uint8Array,
  view: DataView,
  at: number,
  to: number,
): Shape | undefined {
  for (let i = 0; i < shapes.length; i++) {
    const shape = shapes[i] as Shape
    if (hasShape(shape, bytes, view, at, to)) return shape
  }
  return undefined
}

function hasShape(
  { bytes: expected, words, isEnd }: Shape,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  to: number,
): boolean {
  const end = at + expected.length
  if (isEnd ? end !== to : end >= to) return false
  let next = at
  for (let i = 0; i < words.length; i++, next += 4) {
    if (view.getInt32(next, true) !== words[i]) return false
  }
  for (let i = words.length << 2; next < end; i++, next++) {
    if (bytes[next] !== expected[i]) return false
  }
  return true
}
