/**
 * Copies decoded columns out of WASM memory, straight from the structs of the Arrow C data interface that the
 * decoder exports. Runs in a worker; knows nothing of apache-arrow.
 * @see https://arrow.apache.org/docs/format/CDataInterface.html
 */
import { assert } from '../../core/errors.ts'
import type { ColumnLayout } from './column-layout.ts'

/** One batch: its buffers one after the other, and where they are. */
export interface ExportedBatch {
  readonly numRows: number
  readonly bytes: Uint8Array
  /**
   * For each array, parents before children: length, null count, then offset and length in bytes of its validity,
   * offsets and values (length 0 where it has none).
   */
  readonly arrays: Float64Array
}

/** Numbers that describe one array in {@link ExportedBatch.arrays}. */
export const ARRAY_STRIDE = 8

/**
 * Copies one batch.
 * @param array address of an ArrowArray, a struct of the columns; `schema` that of its ArrowSchema.
 * @throws ASSERTION_FAILED if the decoder delivers another layout than it was asked for; an Error for repetition levels of
 *   a damaged file that the decoder lets through.
 */
export function exportBatch(
  memory: ArrayBuffer,
  array: number,
  schema: number,
  columns: readonly ColumnLayout[],
): ExportedBatch {
  const view = new DataView(memory)
  const copies: Copy[] = []
  const described: number[] = []
  const root = readArray(view, array)
  const children = readPointers(view, root.children, root.numChildren)
  const schemas = readPointers(
    view,
    view.getUint32(schema + SCHEMA_CHILDREN, true),
    root.numChildren,
  )
  assert(children.length === columns.length, 'the decoder delivers the columns that were asked for')
  const exporter = new Exporter(view, copies, described)
  columns.forEach((layout, i) => {
    exporter.add(children[i] as number, schemas[i] as number, layout)
  })
  const bytes = new Uint8Array(exporter.size)
  for (const { from, to, length } of copies) bytes.set(new Uint8Array(memory, from, length), to)
  return { numRows: root.length, bytes, arrays: Float64Array.from(described) }
}

interface Copy {
  readonly from: number
  readonly to: number
  readonly length: number
}

interface ArrowArray {
  readonly length: number
  readonly nullCount: number
  readonly buffers: number
  readonly numBuffers: number
  readonly children: number
  readonly numChildren: number
}

/** Pointers take four bytes in WASM, lengths eight. */
const SCHEMA_CHILDREN = 32

function readArray(view: DataView, address: number): ArrowArray {
  const offset = Number(view.getBigInt64(address + 16, true))
  assert(offset === 0, 'the decoder delivers whole arrays')
  return {
    length: Number(view.getBigInt64(address, true)),
    nullCount: Number(view.getBigInt64(address + 8, true)),
    numBuffers: Number(view.getBigInt64(address + 24, true)),
    numChildren: Number(view.getBigInt64(address + 32, true)),
    buffers: view.getUint32(address + 40, true),
    children: view.getUint32(address + 44, true),
  }
}

function readPointers(view: DataView, address: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => view.getUint32(address + 4 * i, true))
}

class Exporter {
  size = 0
  private readonly view: DataView
  private readonly copies: Copy[]
  private readonly described: number[]

  constructor(view: DataView, copies: Copy[], described: number[]) {
    this.view = view
    this.copies = copies
    this.described = described
  }

  add(address: number, schema: number, layout: ColumnLayout): void {
    if (layout.kind === 'skip') return
    const format = this.cString(this.view.getUint32(schema, true))
    assert(format === layout.format, `the decoder delivers ${layout.format}, not ${format}`)
    const array = readArray(this.view, address)
    const buffers = readPointers(this.view, array.buffers, array.numBuffers)
    const { length } = array
    const at = this.described.length
    for (let i = 0; i < ARRAY_STRIDE; i++) this.described.push(0)
    // A validity bitmap that is not there means that nothing is null.
    const nulls = array.nullCount === 0 || buffers[0] === 0 ? 0 : array.nullCount
    this.described[at] = length
    this.described[at + 1] = nulls
    if (nulls !== 0) this.copy(at + 2, buffers[0] as number, (length + 7) >>> 3)
    switch (layout.kind) {
      case 'bits':
        this.copy(at + 6, buffers[1] as number, (length + 7) >>> 3)
        return
      case 'fixed':
        this.copy(at + 6, buffers[1] as number, length * layout.bytes)
        return
      case 'variable':
        this.copy(at + 6, buffers[2] as number, this.offsets(at + 4, buffers[1] as number, length))
        return
      case 'list':
        this.offsets(at + 4, buffers[1] as number, length)
        break
      case 'struct':
        break
    }
    const children = readPointers(this.view, array.children, array.numChildren)
    const schemas = readPointers(
      this.view,
      this.view.getUint32(schema + SCHEMA_CHILDREN, true),
      array.numChildren,
    )
    assert(children.length === layout.children.length, 'the decoder delivers the wanted children')
    layout.children.forEach((child, i) => {
      this.add(children[i] as number, schemas[i] as number, child)
    })
  }

  /** Plans the copy of an array's offsets. @returns the last one, the end of what they point into. */
  private offsets(slot: number, from: number, length: number): number {
    if (length === 0) return 0
    if (this.view.getInt32(from, true) !== 0) {
      // Of whole files they begin at zero.
      throw new Error('the first row of a list goes on with a row that is not there')
    }
    this.copy(slot, from, (length + 1) * 4)
    return this.view.getInt32(from + length * 4, true)
  }

  /** Buffers start at multiples of 64 bytes, as Arrow recommends; typed arrays need 8. */
  private copy(slot: number, from: number, length: number): void {
    if (length === 0) return
    this.described[slot] = this.size
    this.described[slot + 1] = length
    this.copies.push({ from, to: this.size, length })
    this.size += (length + 63) & ~63
  }

  private cString(address: number): string {
    let text = ''
    for (let at = address; ; at++) {
      const byte = this.view.getUint8(at)
      if (byte === 0) return text
      text += String.fromCharCode(byte)
    }
  }
}
