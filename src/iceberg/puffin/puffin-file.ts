/** Puffin files: blobs with a footer that describes them. Puffin spec; iceberg-writer.md items 86, 89. */
import { FloeError } from '../../core/errors.ts'
import {
  asArray,
  asId,
  asInt,
  asObject,
  asSafeLong,
  asString,
  type JsonObject,
  jsonObject,
  parseJsonBytes,
  stringifyJson,
} from '../../core/json.ts'
import { checkLimit, type Limits } from '../../core/limits.ts'
import { zstdDecompress } from '../../core/zstd.ts'

/** What the footer says of a blob. */
export interface BlobMetadata {
  readonly type: string
  /** Field ids that the blob is computed over. */
  readonly fields: readonly number[]
  /** −1 where it is inherited, as for deletion vectors. */
  readonly snapshotId: bigint
  readonly sequenceNumber: number
  readonly offset: number
  readonly length: number
  readonly compressionCodec?: string | undefined
  readonly properties: Readonly<Record<string, string>>
}

export interface PuffinFooter {
  readonly blobs: readonly BlobMetadata[]
  readonly properties: Readonly<Record<string, string>>
}

export type BlobToWrite = Omit<BlobMetadata, 'offset' | 'length' | 'compressionCodec'> & {
  readonly bytes: Uint8Array
}

const MAGIC = 0x50464131
/** Payload size, flags and the closing magic. */
const TRAILER_BYTES = 12
const FLAG_COMPRESSED = 1

/** A whole file; blobs are stored as they are. Gives back where each blob lies. */
export function encodePuffin(
  blobs: readonly BlobToWrite[],
  properties: Readonly<Record<string, string>>,
): { readonly bytes: Uint8Array; readonly blobs: readonly BlobMetadata[] } {
  let offset = 4
  const placed = blobs.map(({ bytes, ...blob }) => {
    const at = { ...blob, offset, length: bytes.length }
    offset += bytes.length
    return at
  })
  const payload = new TextEncoder().encode(
    stringifyJson(footerToJson({ blobs: placed, properties })),
  )
  const bytes = new Uint8Array(offset + 4 + payload.length + TRAILER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC)
  for (const [i, blob] of blobs.entries()) bytes.set(blob.bytes, placed[i]?.offset ?? 0)
  view.setUint32(offset, MAGIC)
  bytes.set(payload, offset + 4)
  view.setInt32(bytes.length - 12, payload.length, true)
  view.setUint32(bytes.length - 4, MAGIC)
  return { bytes, blobs: placed }
}

/**
 * Reads the footer of a file that is in memory.
 * @throws CORRUPT_PUFFIN, UNSUPPORTED_CODEC for a compressed footer; all name the file.
 */
export function decodePuffinFooter(bytes: Uint8Array, file: string): PuffinFooter {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const size = bytes.length
  if (
    size < 4 + 4 + TRAILER_BYTES ||
    view.getUint32(0) !== MAGIC ||
    view.getUint32(size - 4) !== MAGIC
  ) {
    throw corrupt(file, 'it does not begin and end as a Puffin file')
  }
  const payloadSize = view.getInt32(size - 12, true)
  const start = size - TRAILER_BYTES - payloadSize
  if (payloadSize < 0 || start < 8 || view.getUint32(start - 4) !== MAGIC) {
    throw corrupt(file, `its footer cannot have ${payloadSize} bytes`)
  }
  if ((view.getUint8(size - 8) & FLAG_COMPRESSED) !== 0) {
    throw new FloeError(
      'UNSUPPORTED_CODEC',
      `Cannot read ${file}: its footer is compressed with LZ4. Write it with an uncompressed footer`,
      { context: { file } },
    )
  }
  try {
    return footerFromJson(bytes.subarray(start, start + payloadSize), file, start - 4)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.replace(/ \[[A-Z_]+\]$/, '') : String(cause)
    throw corrupt(file, why, cause)
  }
}

/**
 * The content of a blob of a file that is in memory.
 * @throws UNSUPPORTED_CODEC, CORRUPT_PUFFIN, LIMIT_EXCEEDED
 */
export function readBlob(
  bytes: Uint8Array,
  blob: BlobMetadata,
  options: { readonly file: string; readonly limits: Limits },
): Uint8Array {
  const stored = bytes.subarray(blob.offset, blob.offset + blob.length)
  checkLimit(options.limits, 'deleteFileBytes', stored.length, `A blob of ${options.file}`)
  switch (blob.compressionCodec) {
    case undefined:
    case 'none':
      return stored
    case 'zstd': {
      const plain = zstdDecompress(stored, options.limits.deleteFileBytes)
      if (plain === 'corrupt') throw corrupt(options.file, 'a compressed blob is damaged')
      if (plain === 'too-large') {
        const most = options.limits.deleteFileBytes
        checkLimit(options.limits, 'deleteFileBytes', most + 1, `A blob of ${options.file}`)
      }
      return plain as Uint8Array
    }
    default:
      throw new FloeError(
        'UNSUPPORTED_CODEC',
        `Cannot read a blob of ${options.file}: its codec ${blob.compressionCodec.slice(0, 40)} is not known`,
        { context: { file: options.file } },
      )
  }
}

function footerToJson(footer: PuffinFooter): JsonObject {
  const out = jsonObject()
  out['blobs'] = footer.blobs.map((blob) => {
    const o = jsonObject()
    o['type'] = blob.type
    o['fields'] = [...blob.fields]
    o['snapshot-id'] = blob.snapshotId
    o['sequence-number'] = blob.sequenceNumber
    o['offset'] = blob.offset
    o['length'] = blob.length
    if (blob.compressionCodec !== undefined) o['compression-codec'] = blob.compressionCodec
    if (Object.keys(blob.properties).length > 0) o['properties'] = toJson(blob.properties)
    return o
  })
  if (Object.keys(footer.properties).length > 0) out['properties'] = toJson(footer.properties)
  return out
}

function footerFromJson(payload: Uint8Array, file: string, blobsEnd: number): PuffinFooter {
  const o = asObject(parseJsonBytes(payload, file, 8), 'the footer')
  return {
    blobs: asArray(o['blobs'], 'blobs').map((item) => {
      const b = asObject(item, 'blobs[]')
      const offset = asSafeLong(b['offset'], 'offset')
      const length = asSafeLong(b['length'], 'length')
      if (offset < 4 || length < 0 || offset + length > blobsEnd) {
        throw corrupt(file, `a blob of ${length} bytes at ${offset} lies outside`)
      }
      const codec = b['compression-codec']
      return {
        type: asString(b['type'], 'type'),
        fields: asArray(b['fields'], 'fields').map((f) => asInt(f, 'fields[]')),
        snapshotId: asId(b['snapshot-id'], 'snapshot-id'),
        sequenceNumber: asSafeLong(b['sequence-number'], 'sequence-number'),
        offset,
        length,
        ...(codec === undefined || codec === null
          ? {}
          : { compressionCodec: asString(codec, 'compression-codec') }),
        properties: fromJson(b['properties']),
      }
    }),
    properties: fromJson(o['properties']),
  }
}

function toJson(properties: Readonly<Record<string, string>>): JsonObject {
  return Object.assign(jsonObject(), properties)
}

function fromJson(value: JsonObject[string] | undefined): Readonly<Record<string, string>> {
  const out = Object.create(null) as Record<string, string>
  if (value === undefined || value === null) return out
  for (const [key, item] of Object.entries(asObject(value, 'properties'))) {
    out[key] = asString(item, 'properties')
  }
  return out
}

function corrupt(file: string, why: string, cause?: unknown): FloeError {
  return new FloeError(
    'CORRUPT_PUFFIN',
    `Cannot read the Puffin file ${file}: ${why}. Restore the file, or read an older snapshot`,
    { cause, context: { file } },
  )
}
