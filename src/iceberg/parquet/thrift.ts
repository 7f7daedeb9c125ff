/**
 * Thrift compact protocol, driven by tables: a struct is described once (ids, names, wire types) and is read and
 * written from that description. Knows nothing of Parquet.
 *
 * Input is untrusted: every length is checked against the bytes that remain before anything is allocated, nesting
 * ends at 64 levels, and the number of objects built is bounded by the size of the input. Fields that a
 * description does not name, or that arrive with another wire type, are skipped.
 *
 * i64 values are `number`: all of Parquet's are sizes, offsets and counts; one beyond 2^52 is refused.
 * @see https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */
import { assert, FloeError } from '../../core/errors.ts'

export type ThriftType =
  | 'bool'
  | 'i8'
  | 'i16'
  | 'i32'
  | 'i64'
  | 'double'
  | 'binary'
  | 'string'
  | { readonly list: ThriftType }
  | ThriftStruct

/** Description of a struct or union. Make one with {@link thriftStruct}. */
export interface ThriftStruct {
  readonly name: string
  /** Sorted by id, ascending. */
  readonly fields: readonly ThriftField[]
  readonly byId: readonly (ThriftField | undefined)[]
}

export interface ThriftField {
  readonly id: number
  readonly name: string
  readonly type: ThriftType
  readonly required: boolean
}

/** Field id and type of each member of T; members that T requires say so with a third element. */
export type ThriftFields<T> = {
  readonly [K in keyof T]-?: undefined extends T[K]
    ? readonly [number, ThriftType]
    : readonly [number, ThriftType, 'required']
}

/** Describes a struct. A union is a struct of optional fields of which one is set. */
export function thriftStruct<T>(name: string, fields: ThriftFields<T>): ThriftStruct {
  const entries = Object.entries(fields) as [
    string,
    readonly [number, ThriftType, ...('required' | undefined)[]],
  ][]
  const list = entries
    .map(([fieldName, [id, type, required]]) => ({
      id,
      name: fieldName,
      type,
      required: required !== undefined,
    }))
    .sort((a, b) => a.id - b.id)
  const byId: (ThriftField | undefined)[] = []
  for (const field of list) byId[field.id] = field
  return { name, fields: list, byId }
}

/**
 * Reads one struct from `offset` on.
 * @param what names the file and the part of it, for errors.
 * @returns the value, with absent fields left out, and the offset after it.
 * @throws CORRUPT_PARQUET naming `what` and the offset.
 */
export function readThrift<T>(
  struct: ThriftStruct,
  bytes: Uint8Array,
  what: string,
  offset = 0,
): { readonly value: T; readonly end: number } {
  const reader = new Reader(bytes, offset, what)
  const value = reader.struct(struct, 0) as T
  return { value, end: reader.pos }
}

/** Serializes one struct. Members that are undefined are left out. */
export function writeThrift<T>(struct: ThriftStruct, value: T): Uint8Array {
  const writer = new Writer()
  writer.struct(struct, value as Readonly<Record<string, unknown>>)
  return writer.take()
}

/** Lets others run, now and then in the middle of long work. */
export type Pause = () => Promise<void>

/** As {@link readThrift} for a large struct: pauses between the elements of its lists every 128 KiB or so. */
export async function readThriftInSteps<T>(
  struct: ThriftStruct,
  bytes: Uint8Array,
  what: string,
  pause: Pause,
): Promise<T> {
  const steps = new Reader(bytes, 0, what).steps(struct)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value as T
    await pause()
  }
}

/** As {@link writeThrift} for a large struct: pauses between the elements of its lists every 128 KiB or so. */
export async function writeThriftInSteps<T>(
  struct: ThriftStruct,
  value: T,
  pause: Pause,
): Promise<Uint8Array> {
  const writer = new Writer()
  const steps = writer.steps(struct, value as Readonly<Record<string, unknown>>)
  while (steps.next().done !== true) await pause()
  return writer.take()
}

/** Bytes read or written between two pauses: a few milliseconds. */
const STEP_BYTES = 128 * 1024

const MAX_DEPTH = 64
const TRUE = 1
const FALSE = 2
const BYTE = 3
const I16 = 4
const I32 = 5
const I64 = 6
const DOUBLE = 7
const BINARY = 8
const LIST = 9
const SET = 10
const MAP = 11
const STRUCT = 12
const UUID = 13

function wireType(type: ThriftType): number {
  switch (type) {
    case 'bool':
      return FALSE
    case 'i8':
      return BYTE
    case 'i16':
      return I16
    case 'i32':
      return I32
    case 'i64':
      return I64
    case 'double':
      return DOUBLE
    case 'binary':
    case 'string':
      return BINARY
    default:
      return isList(type) ? LIST : STRUCT
  }
}

function isList(type: ThriftType): type is { readonly list: ThriftType } {
  return typeof type === 'object' && 'list' in type
}

class Reader {
  pos: number
  private readonly bytes: Uint8Array
  private readonly what: string
  /** Objects that may still be built: real footers spend 20 bytes and more on each. */
  private budget: number

  constructor(bytes: Uint8Array, offset: number, what: string) {
    this.bytes = bytes
    this.pos = offset
    this.what = what
    this.budget = 1_000_000 + Math.floor((bytes.length - offset) / 16)
  }

  struct(struct: ThriftStruct, depth: number): Record<string, unknown> {
    this.enter(depth)
    const value: Record<string, unknown> = {}
    let id = 0
    for (;;) {
      const header = this.byte()
      if (header === 0) break
      const wire = header & 0x0f
      const delta = header >>> 4
      id = delta === 0 ? this.zigzag() : id + delta
      this.field(struct.byId[id], wire, value, depth + 1)
    }
    this.checkRequired(struct, value)
    return value
  }

  /** Reads a struct, stopping every {@link STEP_BYTES} between elements of its own lists. */
  *steps(struct: ThriftStruct): Generator<undefined, Record<string, unknown>> {
    const value: Record<string, unknown> = {}
    let id = 0
    let stopped = this.pos
    for (;;) {
      const header = this.byte()
      if (header === 0) break
      const wire = header & 0x0f
      const delta = header >>> 4
      id = delta === 0 ? this.zigzag() : id + delta
      const field = struct.byId[id]
      if (field === undefined || !isList(field.type) || !fits(wire, field.type)) {
        this.field(field, wire, value, 1)
        continue
      }
      const element = field.type.list
      const size = this.listSize(element)
      const values: unknown[] = []
      value[field.name] = values
      for (let i = 0; i < size; i++) {
        values.push(this.value(element, 2))
        if (this.pos - stopped < STEP_BYTES) continue
        stopped = this.pos
        yield
      }
    }
    this.checkRequired(struct, value)
    return value
  }

  private field(
    field: ThriftField | undefined,
    wire: number,
    value: Record<string, unknown>,
    depth: number,
  ): void {
    if (field === undefined || !fits(wire, field.type)) this.skip(wire, depth, false)
    else if (field.type === 'bool') value[field.name] = wire === TRUE
    else value[field.name] = this.value(field.type, depth)
  }

  private checkRequired(struct: ThriftStruct, value: Readonly<Record<string, unknown>>): void {
    for (const field of struct.fields) {
      if (field.required && value[field.name] === undefined) {
        throw this.bad(`${struct.name} has no ${field.name}`)
      }
    }
  }

  private value(type: ThriftType, depth: number): unknown {
    switch (type) {
      case 'bool':
        return this.byte() === TRUE
      case 'i8':
        return (this.byte() << 24) >> 24
      case 'i16':
      case 'i32':
      case 'i64':
        return this.zigzag()
      case 'double':
        return this.double()
      case 'binary':
        return this.binary()
      case 'string':
        return this.string()
      default:
        return isList(type) ? this.list(type.list, depth) : this.struct(type, depth)
    }
  }

  private list(element: ThriftType, depth: number): unknown[] {
    this.enter(depth)
    const size = this.listSize(element)
    const values: unknown[] = []
    for (let i = 0; i < size; i++) values.push(this.value(element, depth + 1))
    return values
  }

  private listSize(element: ThriftType): number {
    const { size, wire } = this.listHeader()
    if (size > 0 && !fits(wire, element)) throw this.bad('a list of another element type')
    // A number in a list may take one byte here and eight in memory.
    this.spend(size >>> 3)
    return size
  }

  /** Every element takes at least a byte, so a size beyond the rest is a lie. */
  private listHeader(): { size: number; wire: number } {
    const header = this.byte()
    const wire = header & 0x0f
    const size = header >>> 4 === 15 ? this.varint() : header >>> 4
    if (size > this.bytes.length - this.pos) throw this.bad(`a list of ${size} elements`)
    return { size, wire }
  }

  private skip(wire: number, depth: number, inContainer: boolean): void {
    if (depth > MAX_DEPTH) throw this.bad(`nesting deeper than ${MAX_DEPTH}`)
    switch (wire) {
      case TRUE:
      case FALSE:
        if (inContainer) this.byte()
        return
      case BYTE:
        this.byte()
        return
      case I16:
      case I32:
      case I64:
        this.skipVarint()
        return
      case DOUBLE:
        this.advance(8)
        return
      case BINARY:
        this.advance(this.varint())
        return
      case LIST:
      case SET: {
        const { size, wire: element } = this.listHeader()
        for (let i = 0; i < size; i++) this.skip(element, depth + 1, true)
        return
      }
      case MAP: {
        const size = this.varint()
        if (size === 0) return
        if (size > this.bytes.length - this.pos) throw this.bad(`a map of ${size} entries`)
        const types = this.byte()
        for (let i = 0; i < size; i++) {
          this.skip(types >>> 4, depth + 1, true)
          this.skip(types & 0x0f, depth + 1, true)
        }
        return
      }
      case STRUCT:
        for (;;) {
          const header = this.byte()
          if (header === 0) return
          if (header >>> 4 === 0) this.skipVarint()
          this.skip(header & 0x0f, depth + 1, false)
        }
      case UUID:
        this.advance(16)
        return
      default:
        throw this.bad(`unknown wire type ${wire}`)
    }
  }

  private byte(): number {
    const byte = this.bytes[this.pos]
    if (byte === undefined) throw this.bad('it ends too early')
    this.pos++
    return byte
  }

  private advance(length: number): number {
    if (length > this.bytes.length - this.pos) throw this.bad(`a value of ${length} bytes`)
    const start = this.pos
    this.pos += length
    return start
  }

  /** An unsigned varint of at most 2^53. */
  private varint(): number {
    let result = 0
    let factor = 1
    for (let i = 0; i < 10; i++) {
      const byte = this.byte()
      result += (byte & 0x7f) * factor
      if (byte < 0x80) {
        if (result > Number.MAX_SAFE_INTEGER) break
        return result
      }
      factor *= 128
    }
    throw this.bad('an integer beyond 2^52')
  }

  private skipVarint(): void {
    for (let i = 0; i < 10; i++) if (this.byte() < 0x80) return
    throw this.bad('an integer of more than ten bytes')
  }

  private zigzag(): number {
    const first = this.bytes[this.pos] as number
    if (first < 0x80) {
      this.pos++
      return (first >>> 1) ^ -(first & 1)
    }
    const raw = this.varint()
    const half = Math.floor(raw / 2)
    return raw % 2 === 0 ? half : -half - 1
  }

  private double(): number {
    const start = this.advance(8)
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + start, 8).getFloat64(0, true)
  }

  private binary(): Uint8Array {
    const length = this.varint()
    const start = this.advance(length)
    this.spend()
    return this.bytes.subarray(start, start + length)
  }

  private string(): string {
    const length = this.varint()
    const start = this.advance(length)
    if (length > 32) return UTF8.decode(this.bytes.subarray(start, start + length))
    let text = ''
    for (let i = start; i < start + length; i++) {
      const byte = this.bytes[i] as number
      if (byte >= 0x80) return UTF8.decode(this.bytes.subarray(start, start + length))
      text += String.fromCharCode(byte)
    }
    return text
  }

  private enter(depth: number): void {
    if (depth > MAX_DEPTH) throw this.bad(`nesting deeper than ${MAX_DEPTH}`)
    this.spend()
  }

  private spend(objects = 1): void {
    this.budget -= objects
    if (this.budget < 0) throw this.bad('more objects than its size allows')
  }

  private bad(why: string): FloeError {
    return new FloeError(
      'CORRUPT_PARQUET',
      `Cannot read ${this.what}: ${why} at offset ${this.pos}`,
      {
        context: { file: this.what, offset: this.pos },
      },
    )
  }
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

function fits(wire: number, type: ThriftType): boolean {
  const expected = wireType(type)
  if (wire === expected) return true
  switch (expected) {
    case FALSE:
      return wire === TRUE
    case I16:
    case I32:
    case I64:
      // Integers of every width share one encoding.
      return wire === I16 || wire === I32 || wire === I64
    case LIST:
      return wire === SET
    default:
      return false
  }
}

class Writer {
  private bytes = new Uint8Array(1024)
  private length = 0

  struct(struct: ThriftStruct, value: Readonly<Record<string, unknown>>): void {
    let last = 0
    for (const field of struct.fields) {
      const member = value[field.name]
      if (!this.begin(struct, field, member, last)) continue
      last = field.id
      if (field.type !== 'bool') this.value(field.type, member)
    }
    this.byte(0)
  }

  /** Writes a struct, stopping every {@link STEP_BYTES} between elements of its own lists. */
  *steps(
    struct: ThriftStruct,
    value: Readonly<Record<string, unknown>>,
  ): Generator<undefined, void> {
    let last = 0
    let stopped = 0
    for (const field of struct.fields) {
      const member = value[field.name]
      if (!this.begin(struct, field, member, last)) continue
      last = field.id
      if (!isList(field.type)) {
        if (field.type !== 'bool') this.value(field.type, member)
        continue
      }
      const values = member as readonly unknown[]
      this.listHeader(field.type.list, values.length)
      for (const element of values) {
        this.value(field.type.list, element)
        if (this.length - stopped < STEP_BYTES) continue
        stopped = this.length
        yield
      }
    }
    this.byte(0)
  }

  /** Writes the header of a field. @returns false for a member that is not set. */
  private begin(struct: ThriftStruct, field: ThriftField, member: unknown, last: number): boolean {
    if (member === undefined) {
      assert(!field.required, `${struct.name}.${field.name} is set`)
      return false
    }
    const wire = field.type === 'bool' ? (member === true ? TRUE : FALSE) : wireType(field.type)
    const delta = field.id - last
    if (delta > 0 && delta <= 15) this.byte((delta << 4) | wire)
    else {
      this.byte(wire)
      this.zigzag(field.id)
    }
    return true
  }

  take(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }

  private value(type: ThriftType, value: unknown): void {
    switch (type) {
      case 'bool':
        this.byte(value === true ? TRUE : FALSE)
        return
      case 'i8':
        this.byte((value as number) & 0xff)
        return
      case 'i16':
      case 'i32':
      case 'i64':
        this.zigzag(value as number)
        return
      case 'double':
        this.reserve(8)
        new DataView(this.bytes.buffer).setFloat64(this.length, value as number, true)
        this.length += 8
        return
      case 'binary':
        this.binary(value as Uint8Array)
        return
      case 'string':
        this.string(value as string)
        return
    }
    if (!isList(type)) {
      this.struct(type, value as Readonly<Record<string, unknown>>)
      return
    }
    const values = value as readonly unknown[]
    this.listHeader(type.list, values.length)
    for (const element of values) this.value(type.list, element)
  }

  private listHeader(element: ThriftType, size: number): void {
    const wire = wireType(element)
    if (size < 15) this.byte((size << 4) | wire)
    else {
      this.byte(0xf0 | wire)
      this.varint(size)
    }
  }

  private string(text: string): void {
    // A UTF-16 unit takes at most three bytes; the length prefix comes first, so encode before it.
    let ascii = text.length < 128
    for (let i = 0; ascii && i < text.length; i++) ascii = text.charCodeAt(i) < 0x80
    if (!ascii) {
      this.binary(ENCODER.encode(text))
      return
    }
    this.varint(text.length)
    this.reserve(text.length)
    for (let i = 0; i < text.length; i++) this.bytes[this.length++] = text.charCodeAt(i)
  }

  private binary(bytes: Uint8Array): void {
    this.varint(bytes.length)
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  private zigzag(value: number): void {
    // Twice the value has to be exact as well.
    assert(Number.isInteger(value) && Math.abs(value) <= 2 ** 52, 'a Thrift integer is exact')
    this.varint(value >= 0 ? value * 2 : -value * 2 - 1)
  }

  private varint(value: number): void {
    this.reserve(10)
    let rest = value
    while (rest >= 0x80) {
      this.bytes[this.length++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    this.bytes[this.length++] = rest
  }

  private byte(value: number): void {
    this.reserve(1)
    this.bytes[this.length++] = value
  }

  private reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
  }
}

const ENCODER = new TextEncoder()
