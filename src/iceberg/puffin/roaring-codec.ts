/**
 * The portable serialization of roaring bitmaps of 64-bit positions: a count, then for each upper half a key and a
 * 32-bit bitmap. Roaring format specification; iceberg-writer.md item 88.
 *
 * Written run-optimised: a container becomes runs where that is smaller, as the reference implementation does it.
 */
import { FloeError } from '../../core/errors.ts'
import { checkLimit, type Limits } from '../../core/limits.ts'
import {
  type Container,
  cardinalityOf,
  containerOf,
  containerOfBits,
  MAX_ARRAY_VALUES,
  runCount,
  valuesOf,
} from './containers.ts'
import { PositionBitmap } from './position-bitmap.ts'

const COOKIE_RUNS = 12_347
const COOKIE_NO_RUNS = 12_346
/** With fewer containers than this, a bitmap with runs has no offsets. */
const NO_OFFSET_THRESHOLD = 4
const BITSET_BYTES = 8192
/** Keys of 32-bit bitmaps from here on lead to positions that are not exact as numbers. */
const KEY_END = 2 ** 21

/** A bitmap that is laid out and can be written. */
export interface RoaringLayout {
  readonly sizeBytes: number
  /** Writes it into zeros, from an offset on. */
  write(bytes: Uint8Array, at: number): void
}

/** The serialized bitmap. */
export function encodeRoaring(bitmap: PositionBitmap): Uint8Array {
  const layout = layoutRoaring(bitmap)
  const bytes = new Uint8Array(layout.sizeBytes)
  layout.write(bytes, 0)
  return bytes
}

/** Lays a bitmap out, to be written into a larger whole. */
export function layoutRoaring(bitmap: PositionBitmap): RoaringLayout {
  const groups: { key: number; parts: Part[]; size: number }[] = []
  let total = 8
  for (const [chunk, container] of bitmap.containers()) {
    const key = Math.floor(chunk / CHUNKS)
    let group = groups.at(-1)
    if (group === undefined || group.key !== key) groups.push((group = { key, parts: [], size: 0 }))
    group.parts.push(partOf(chunk % CHUNKS, container))
  }
  for (const group of groups) total += 4 + (group.size = sizeOf(group.parts))
  return {
    sizeBytes: total,
    write: (bytes, start) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      view.setUint32(start, groups.length, true)
      let at = start + 8
      for (const { key, parts, size } of groups) {
        view.setUint32(at, key, true)
        writeBitmap(view, at + 4, parts)
        at += 4 + size
      }
    },
  }
}

/** Containers of one 32-bit bitmap at most. */
const CHUNKS = 65_536

interface Part {
  readonly key: number
  readonly container: Container
  readonly cardinality: number
  /** Number of runs if it is written as runs. */
  readonly runs: number | undefined
  readonly size: number
}

function partOf(key: number, container: Container): Part {
  const cardinality = cardinalityOf(container)
  const plain = container.kind === 'array' ? cardinality * 2 : BITSET_BYTES
  // Runs are taken where 2 + 4 · runs < plain.
  const runs = runCount(container, Math.ceil((plain - 2) / 4) - 1)
  return { key, container, cardinality, runs, size: runs === undefined ? plain : 2 + 4 * runs }
}

function headerSize(count: number, hasRuns: boolean): number {
  if (!hasRuns) return 8 + 8 * count
  const offsets = count >= NO_OFFSET_THRESHOLD ? 4 * count : 0
  return 4 + ((count + 7) >>> 3) + 4 * count + offsets
}

function sizeOf(parts: readonly Part[]): number {
  const hasRuns = parts.some((p) => p.runs !== undefined)
  return parts.reduce((sum, part) => sum + part.size, headerSize(parts.length, hasRuns))
}

function writeBitmap(view: DataView, start: number, parts: readonly Part[]): void {
  const count = parts.length
  const hasRuns = parts.some((p) => p.runs !== undefined)
  let at = start
  if (hasRuns) {
    view.setUint32(at, COOKIE_RUNS | ((count - 1) << 16), true)
    at += 4
    for (const [i, part] of parts.entries()) {
      if (part.runs === undefined) continue
      const byte = at + (i >>> 3)
      view.setUint8(byte, view.getUint8(byte) | (1 << (i & 7)))
    }
    at += (count + 7) >>> 3
  } else {
    view.setUint32(at, COOKIE_NO_RUNS, true)
    view.setUint32(at + 4, count, true)
    at += 8
  }
  for (const part of parts) {
    view.setUint16(at, part.key, true)
    view.setUint16(at + 2, part.cardinality - 1, true)
    at += 4
  }
  if (!hasRuns || count >= NO_OFFSET_THRESHOLD) {
    let offset = headerSize(count, hasRuns)
    for (const part of parts) {
      view.setUint32(at, offset, true)
      at += 4
      offset += part.size
    }
  }
  for (const part of parts) {
    writeContainer(view, at, part)
    at += part.size
  }
}

function writeContainer(view: DataView, start: number, { container, runs }: Part): void {
  if (runs === undefined) {
    // Numbers of typed arrays lie in memory as they are written: Arrow is for little-endian machines alone.
    const { buffer, byteOffset, byteLength } =
      container.kind === 'bits' ? container.words : container.values
    const target = new Uint8Array(view.buffer, view.byteOffset + start, byteLength)
    target.set(new Uint8Array(buffer, byteOffset, byteLength))
    return
  }
  const values = valuesOf(container)
  view.setUint16(start, runs, true)
  let at = start + 2
  for (let i = 0; i < values.length; ) {
    const from = i++
    while (i < values.length && values[i] === (values[i - 1] as number) + 1) i++
    view.setUint16(at, values[from] as number, true)
    view.setUint16(at + 2, i - from - 1, true)
    at += 4
  }
}

export interface RoaringSource {
  /** For errors. */
  readonly file: string
  readonly limits: Limits
}

/**
 * Reads a serialized bitmap. A few bytes of runs can stand for 8 KiB in memory: what the headers announce is held
 * against the limit before it is allocated.
 * @throws CORRUPT_DELETES naming the file and what is wrong; LIMIT_EXCEEDED.
 */
export function decodeRoaring(bytes: Uint8Array, source: RoaringSource): PositionBitmap {
  const cursor = new Cursor(bytes, source)
  const low = cursor.uint32()
  const high = cursor.uint32()
  // A key, a cookie and a count take 12 bytes at least.
  if (high !== 0 || low > bytes.length / 12) cursor.fail(`${low} bitmaps do not fit into it`)
  const parts: [number, Container][] = []
  let previous = -1
  for (let i = 0; i < low; i++) {
    const key = cursor.uint32()
    if (key <= previous) cursor.fail('its keys do not ascend')
    if (key >= KEY_END) cursor.fail(`the key ${key} leads to positions above 2^53`)
    previous = key
    for (const [chunk, container] of readBitmap(cursor)) {
      parts.push([key * CHUNKS + chunk, container])
    }
  }
  if (cursor.left !== 0) cursor.fail(`${cursor.left} bytes follow its end`)
  return PositionBitmap.ofContainers(parts)
}

/** Reads a bitmap of 32-bit positions, as one key of a 64-bit one holds it. @throws CORRUPT_DELETES, LIMIT_EXCEEDED */
export function decodeRoaring32(bytes: Uint8Array, source: RoaringSource): PositionBitmap {
  return PositionBitmap.ofContainers(readBitmap(new Cursor(bytes, source)))
}

function readBitmap(cursor: Cursor): [number, Container][] {
  const cookie = cursor.uint32()
  const hasRuns = (cookie & 0xffff) === COOKIE_RUNS
  if (!hasRuns && cookie !== COOKIE_NO_RUNS) cursor.fail(`it has no roaring cookie but ${cookie}`)
  const count = hasRuns ? (cookie >>> 16) + 1 : cursor.uint32()
  if (count > CHUNKS) cursor.fail(`it claims ${count} containers`)
  const runFlags = hasRuns ? cursor.take((count + 7) >>> 3) : undefined
  const header = cursor.take(4 * count)
  cursor.allocate(count, (i) => uint16(header, 4 * i + 2) + 1)
  if (!hasRuns || count >= NO_OFFSET_THRESHOLD) cursor.take(4 * count)
  const parts: [number, Container][] = []
  let previous = -1
  for (let i = 0; i < count; i++) {
    const key = uint16(header, 4 * i)
    const cardinality = uint16(header, 4 * i + 2) + 1
    if (key <= previous) cursor.fail('its containers do not ascend')
    previous = key
    const isRun = runFlags !== undefined && ((runFlags[i >>> 3] as number) & (1 << (i & 7))) !== 0
    const container = isRun
      ? readRuns(cursor)
      : cardinality > MAX_ARRAY_VALUES
        ? readBits(cursor)
        : readArray(cursor, cardinality)
    if (cardinalityOf(container) !== cardinality) {
      cursor.fail(
        `a container has ${cardinalityOf(container)} values, its header says ${cardinality}`,
      )
    }
    parts.push([key, container])
  }
  return parts
}

function readArray(cursor: Cursor, cardinality: number): Container {
  const bytes = cursor.take(2 * cardinality)
  const values = new Uint16Array(cardinality)
  for (let i = 0; i < cardinality; i++) {
    values[i] = uint16(bytes, 2 * i)
    if (i > 0 && (values[i] as number) <= (values[i - 1] as number)) {
      cursor.fail('the values of a container do not ascend')
    }
  }
  return containerOf(values)
}

function readBits(cursor: Cursor): Container {
  const bytes = cursor.take(BITSET_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const words = new Uint32Array(BITSET_BYTES / 4)
  for (let i = 0; i < words.length; i++) words[i] = view.getUint32(4 * i, true)
  return containerOfBits(words)
}

function readRuns(cursor: Cursor): Container {
  const runs = cursor.take(4 * cursor.uint16())
  const words = new Uint32Array(BITSET_BYTES / 4)
  let end = -1
  for (let at = 0; at < runs.length; at += 4) {
    const start = uint16(runs, at)
    if (start <= end) cursor.fail('the runs of a container do not ascend')
    end = start + uint16(runs, at + 2)
    if (end > 0xffff) cursor.fail('a run leaves its container')
    for (let v = start; v <= end; v++) words[v >>> 5] = (words[v >>> 5] as number) | (1 << (v & 31))
  }
  return containerOfBits(words)
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
}

class Cursor {
  readonly #bytes: Uint8Array
  readonly #source: RoaringSource
  #at = 0
  #allocated = 0

  constructor(bytes: Uint8Array, source: RoaringSource) {
    this.#bytes = bytes
    this.#source = source
  }

  /** Accounts for the memory of containers. */
  allocate(count: number, cardinality: (index: number) => number): void {
    for (let i = 0; i < count; i++) {
      this.#allocated += 64 + Math.min(BITSET_BYTES, 2 * cardinality(i))
    }
    const { file, limits } = this.#source
    checkLimit(limits, 'deleteFileBytes', this.#allocated, `The deleted positions in ${file}`)
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  take(length: number): Uint8Array {
    if (length > this.left) this.fail('it ends early')
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }

  uint16(): number {
    return uint16(this.take(2), 0)
  }

  uint32(): number {
    const bytes = this.take(4)
    return (uint16(bytes, 0) | (uint16(bytes, 2) << 16)) >>> 0
  }

  fail(why: string): never {
    const { file } = this.#source
    throw new FloeError(
      'CORRUPT_DELETES',
      `Cannot read the bitmap of deleted positions in ${file}: ${why}. Restore the file, or read an older snapshot`,
      { context: { file } },
    )
  }
}
