/** Builders of strings, binaries, fixed-length binaries and uuids. */
import { types } from 'node:util'
import type { Data, DataType } from 'apache-arrow'
import { FloeError } from '../../core/errors.ts'
import { type BuilderContext, ColumnBuilder, usedPart } from './column-builder.ts'
import { columnData } from './column-data.ts'
import { type ColumnPlace, cannotAppend, refuseSize, refuseValue } from './refuse-value.ts'
import { isWkb } from './wkb.ts'

/** Arrow's 32-bit offsets end here. */
const MAX_OFFSET = 2 ** 31 - 1
/** Up to this length a loop over the characters beats a call into the runtime's encoder. */
const SHORT_STRING = 24

/** What string and binary columns have in common: offsets into one growing buffer of bytes. */
abstract class VariableBuilder extends ColumnBuilder {
  readonly slotBytes = 4
  protected readonly context: BuilderContext
  protected bytes: Buffer = EMPTY
  /** Bytes used. */
  protected end = 0
  protected offsets: Int32Array = new Int32Array(1)
  readonly #type: DataType
  #nextBytes = 1024

  constructor(place: ColumnPlace, type: DataType, absent: unknown, context: BuilderContext) {
    super(place, absent)
    this.#type = type
    this.context = context
  }

  /** Makes room for so many more bytes. */
  protected reserve(more: number): void {
    const needed = this.end + more
    if (needed <= this.bytes.length) return
    if (needed > MAX_OFFSET) {
      throw new FloeError(
        'LIMIT_EXCEEDED',
        `${cannotAppend(this.place.table)}: column "${this.place.path}" (field ${this.place.fieldId}) ` +
          'would need more than 2 GiB in one batch of rows. Append smaller values',
        { context: { column: this.place.path, value: needed, max: MAX_OFFSET } },
      )
    }
    const doubled = Math.min(MAX_OFFSET, Math.max(this.#nextBytes, this.bytes.length * 2))
    // Not from Node's shared pool: the buffer is handed on whole, possibly to another thread.
    const larger = Buffer.from(new ArrayBuffer(Math.max(needed, doubled)))
    larger.set(this.bytes.subarray(0, this.end))
    this.bytes = larger
  }

  /** Closes the current value: its bytes lie before `end`. */
  protected closeSlot(): void {
    const length = ++this.length
    this.context.size.bytes += this.end - (this.offsets[length - 1] as number)
    this.offsets[length] = this.end
  }

  protected override skipSlot(): void {
    this.offsets[this.length + 1] = this.end
  }

  protected override resize(capacity: number): void {
    const offsets = new Int32Array(capacity + 1)
    offsets.set(this.offsets)
    this.offsets = offsets
  }

  protected override build(
    length: number,
    nullCount: number,
    validity: Uint8Array | undefined,
  ): Data {
    const { buffer, byteOffset } = this.bytes
    const values = usedPart(new Uint8Array(buffer, byteOffset, this.bytes.length), this.end)
    const offsets = usedPart(this.offsets, length + 1)
    // The next batch will need about as much.
    this.#nextBytes = Math.max(1024, Math.ceil(this.end * 1.1))
    this.bytes = EMPTY
    this.end = 0
    this.offsets = new Int32Array(1)
    return columnData(this.#type, { length, nullCount, validity, offsets, values })
  }
}

export class StringBuilder extends VariableBuilder {
  override append(value: unknown, row: number): void {
    if (typeof value !== 'string') {
      if (value === null || value === undefined) this.appendNothing(value, row)
      else throw refuseValue(this.place, row, value, { advice: 'Give a string' })
      return
    }
    if (this.length === this.capacity) this.grow()
    const chars = value.length
    if (chars > this.context.maxValueBytes) {
      throw refuseSize(this.place, row, chars, this.context.maxValueBytes)
    }
    if (chars > SHORT_STRING) this.encodeRest(value, 0, row)
    else {
      this.reserve(chars * 3)
      const bytes = this.bytes
      let end = this.end
      let at = 0
      for (; at < chars; at++) {
        const c = value.charCodeAt(at)
        if (c > 0x7f) break
        bytes[end++] = c
      }
      this.end = end
      if (at < chars) this.encodeRest(value, at, row)
    }
    this.closeSlot()
  }

  private encodeRest(value: string, from: number, row: number): void {
    if (!isWellFormed(value)) {
      throw refuseValue(this.place, row, value, {
        code: 'VALUE_OUT_OF_RANGE',
        detail: 'it has a lone surrogate, which UTF-8 cannot hold',
        advice: 'Repair the text, for example with toWellFormed()',
      })
    }
    const text = from === 0 ? value : value.slice(from)
    // UTF-8 needs at most 3 bytes for a UTF-16 unit; measuring first saves memory for long values.
    const room = text.length > 4096 ? Buffer.byteLength(text) : text.length * 3
    if (from + room > this.context.maxValueBytes) {
      const size = from + Buffer.byteLength(text)
      if (size > this.context.maxValueBytes) {
        throw refuseSize(this.place, row, size, this.context.maxValueBytes)
      }
    }
    this.reserve(room)
    this.end += this.bytes.write(text, this.end)
  }
}

/** binary, and geometry and geography as ISO WKB. */
export class BinaryBuilder extends VariableBuilder {
  override append(value: unknown, row: number): void {
    if (!types.isUint8Array(value)) {
      if (value === null || value === undefined) this.appendNothing(value, row)
      else throw refuseValue(this.place, row, value, { advice: 'Give a Uint8Array' })
      return
    }
    const { kind } = this.place.type
    if (kind !== 'binary' && !isWkb(value)) {
      throw refuseValue(this.place, row, value, {
        advice: 'Give the well-known binary form (ISO WKB) of a geometry',
      })
    }
    if (value.length > this.context.maxValueBytes) {
      throw refuseSize(this.place, row, value.length, this.context.maxValueBytes)
    }
    if (this.length === this.capacity) this.grow()
    this.reserve(value.length)
    this.bytes.set(value, this.end)
    this.end += value.length
    this.closeSlot()
  }
}

/** fixed and uuid: so many bytes for each value. */
export class FixedBuilder extends ColumnBuilder {
  readonly slotBytes: number
  readonly #type: DataType
  #bytes: Uint8Array = new Uint8Array(0)

  constructor(place: ColumnPlace, type: DataType, byteWidth: number, absent: unknown) {
    super(place, absent)
    this.#type = type
    this.slotBytes = byteWidth
  }

  override append(value: unknown, row: number): void {
    if (value === null || value === undefined) {
      this.appendNothing(value, row)
      return
    }
    const bytes = this.toBytes(value, row)
    if (bytes.length !== this.slotBytes) {
      throw refuseValue(this.place, row, value, {
        advice: `Give a Uint8Array of ${this.slotBytes} bytes`,
      })
    }
    if (this.length === this.capacity) this.grow()
    this.#bytes.set(bytes, this.length++ * this.slotBytes)
  }

  protected toBytes(value: unknown, row: number): Uint8Array {
    if (types.isUint8Array(value)) return value
    throw refuseValue(this.place, row, value, {
      advice: `Give a Uint8Array of ${this.slotBytes} bytes`,
    })
  }

  protected override skipSlot(): void {}

  protected override resize(capacity: number): void {
    const bytes = new Uint8Array(capacity * this.slotBytes)
    bytes.set(this.#bytes)
    this.#bytes = bytes
  }

  protected override build(
    length: number,
    nullCount: number,
    validity: Uint8Array | undefined,
  ): Data {
    const values = usedPart(this.#bytes, length * this.slotBytes)
    this.#bytes = new Uint8Array(0)
    return columnData(this.#type, { length, nullCount, validity, values })
  }
}

/** uuid: text 8-4-4-4-12 of either case, or 16 bytes. */
export class UuidBuilder extends FixedBuilder {
  readonly #scratch: Uint8Array = new Uint8Array(16)

  constructor(place: ColumnPlace, type: DataType, absent: unknown) {
    super(place, type, 16, absent)
  }

  protected override toBytes(value: unknown, row: number): Uint8Array {
    if (types.isUint8Array(value)) return value
    if (typeof value === 'string' && UUID.test(value)) {
      const out = this.#scratch
      for (let at = 0, i = 0; i < 16; i++) {
        if (value.charCodeAt(at) === 45) at++
        out[i] = (hexDigit(value, at) << 4) | hexDigit(value, at + 1)
        at += 2
      }
      return out
    }
    throw refuseValue(this.place, row, value, {
      advice: "Give a uuid such as 'f79c3e09-677c-4bbd-a479-3f349cb785e7' or its 16 bytes",
    })
  }
}

function hexDigit(text: string, at: number): number {
  const c = text.charCodeAt(at)
  return c <= 57 ? c - 48 : (c | 0x20) - 87
}

/** True without a lone surrogate. (The method is newer than the language level of this code.) */
function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed()
}

const EMPTY: Buffer = Buffer.alloc(0)
const UUID = /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/
