/**
 * Binary single-value serialization: bounds in manifests and partition summaries. Iceberg spec §Appendix D
 * (iceberg-writer.md items 96, 101).
 */
import { FloeError } from '../../core/errors.ts'
import type { PrimitiveType } from './types.ts'
import type { PrimitiveValue } from './value.ts'

const encoder = new TextEncoder()
/** A byte order mark is a character of the value: without it, a bound would sort elsewhere. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The binary form of a value. Decimals are minimal two's complement, big-endian; all else little-endian. */
export function valueToBytes(type: PrimitiveType, value: PrimitiveValue): Uint8Array {
  switch (type.kind) {
    case 'boolean':
      return Uint8Array.of(value === true ? 1 : 0)
    case 'int':
    case 'date': {
      const bytes = new Uint8Array(4)
      new DataView(bytes.buffer).setInt32(0, value as number, true)
      return bytes
    }
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
    case 'timestamp_ns':
    case 'timestamptz_ns': {
      const bytes = new Uint8Array(8)
      new DataView(bytes.buffer).setBigInt64(0, value as bigint, true)
      return bytes
    }
    case 'float': {
      const bytes = new Uint8Array(4)
      new DataView(bytes.buffer).setFloat32(0, value as number, true)
      return bytes
    }
    case 'double': {
      const bytes = new Uint8Array(8)
      new DataView(bytes.buffer).setFloat64(0, value as number, true)
      return bytes
    }
    case 'string':
      return encoder.encode(value as string)
    case 'uuid':
      return uuidToBytes(value as string)
    case 'decimal':
      return bigintToBytes(value as bigint)
    case 'fixed':
    case 'binary':
    case 'geometry':
    case 'geography':
      return value as Uint8Array
    case 'unknown':
      throw new FloeError('UNSUPPORTED_TYPE', 'A column of type unknown has no values')
  }
}

/**
 * The value of a binary form. Accepts the shorter forms that type promotion leaves behind: 4 bytes for a long, a
 * double or a timestamp without a zone (from int, float, date), decimals of any width. Bytes are not copied.
 * @throws CORRUPT_MANIFEST for a length or content that the type cannot have.
 */
export function valueFromBytes(type: PrimitiveType, bytes: Uint8Array): PrimitiveValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = bytes.byteLength
  switch (type.kind) {
    case 'boolean':
      if (length === 1) return bytes[0] !== 0
      break
    case 'int':
    case 'date':
      if (length === 4) return view.getInt32(0, true)
      break
    case 'long':
      if (length === 8) return view.getBigInt64(0, true)
      if (length === 4) return BigInt(view.getInt32(0, true))
      break
    case 'time':
    case 'timestamptz':
    case 'timestamptz_ns':
      // No type is promoted to these: a date has no zone.
      if (length === 8) return view.getBigInt64(0, true)
      break
    case 'timestamp':
      if (length === 8) return view.getBigInt64(0, true)
      if (length === 4) return BigInt(view.getInt32(0, true)) * 86_400_000_000n
      break
    case 'timestamp_ns':
      if (length === 8) return view.getBigInt64(0, true)
      if (length === 4) return BigInt(view.getInt32(0, true)) * 86_400_000_000_000n
      break
    case 'float':
      if (length === 4) return view.getFloat32(0, true)
      break
    case 'double':
      if (length === 8) return view.getFloat64(0, true)
      if (length === 4) return view.getFloat32(0, true)
      break
    case 'string':
      try {
        return decoder.decode(bytes)
      } catch (cause) {
        throw new FloeError('CORRUPT_MANIFEST', 'A string bound is not valid UTF-8', { cause })
      }
    case 'uuid':
      if (length === 16) return uuidFromBytes(bytes)
      break
    case 'decimal':
      if (length > 0 && length <= 32) return bigintFromBytes(bytes)
      break
    case 'fixed':
      if (length <= type.length) return bytes
      break
    case 'binary':
    case 'geometry':
    case 'geography':
      return bytes
    case 'unknown':
      break
  }
  throw new FloeError(
    'CORRUPT_MANIFEST',
    `A value of type ${type.kind} cannot have ${length} bytes`,
    { context: { type: type.kind, length } },
  )
}

/** Minimal two's-complement big-endian bytes: 0 → 00, 127 → 7f, 128 → 0080, −128 → 80. */
export function bigintToBytes(value: bigint): Uint8Array {
  let length = 1
  while (BigInt.asIntN(8 * length, value) !== value) length++
  return bigintToFixedBytes(value, length)
}

/** Two's-complement big-endian bytes of a fixed length; the value must fit. */
export function bigintToFixedBytes(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let rest = value
  for (let i = length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

/** The integer of two's-complement big-endian bytes of any length. */
export function bigintFromBytes(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return BigInt.asIntN(8 * bytes.byteLength, value)
}

/** 16 big-endian bytes of a canonical lower-case UUID text. */
export function uuidToBytes(text: string): Uint8Array {
  const hex = text.replaceAll('-', '')
  const bytes = new Uint8Array(16)
  for (let i = 0; i < 16; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

/** Canonical lower-case text of 16 big-endian bytes. */
export function uuidFromBytes(bytes: Uint8Array): string {
  let hex = ''
  for (let i = 0; i < 16; i++) hex += HEX[bytes[i] as number]
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Lower-case hex of bytes. */
export function bytesToHex(bytes: Uint8Array): string {
  let hex = ''
  for (const byte of bytes) hex += HEX[byte]
  return hex
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) =>
  i.toString(16).padStart(2, '0'),
)
