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
  parseJsonBytes,
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
  const placed = blobs.map((blob): BlobMetadata => {
    const { type, fields, snapshotId, sequenceNumber, properties, bytes } = blob
    const length = bytes.length
    const at = { type, fields, snapshotId, sequenceNumber, offset, length, properties }
    offset += length
    return at
  })
  const payload = new TextEncoder().encode(footerText({ blobs: placed, properties }))
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

/** Bytes of a file's end that are fetched at once: the footer of most files. */
const TAIL_BYTES = 64 * 1024

/**
 * Reads the footer of a file that is in memory.
 * @throws CORRUPT_PUFFIN, UNSUPPORTED_CODEC for a compressed footer; all name the file.
 */
export function decodePuffinFooter(bytes: Uint8Array, file: string): PuffinFooter {
  checkStart(bytes, file)
  return decodeTail(bytes, bytes.length, file)
}

/**
 * Reads the footer of a file of the given size without its blobs: two or three requests.
 * @throws what `decodePuffinFooter` throws; LIMIT_EXCEEDED for a footer beyond limits.deleteFileBytes.
 */
export async function fetchPuffinFooter(source: {
  readonly file: string
  readonly sizeBytes: number
  readonly limits: Limits
  readonly read: (offset: number, length: number) => Promise<Uint8Array>
}): Promise<PuffinFooter> {
  const { file, sizeBytes } = source
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = await source.read(offset, length)
    if (bytes.length === length) return bytes
    throw corrupt(file, `it ends before the ${sizeBytes} bytes that it should have`)
  }
  checkStart(await read(0, Math.min(4, sizeBytes)), file)
  const tailBytes = Math.min(sizeBytes, TAIL_BYTES)
  let tail = await read(sizeBytes - tailBytes, tailBytes)
  const { needed } = decodeTrailer(tail, sizeBytes, file)
  if (needed > tail.length) {
    checkLimit(source.limits, 'deleteFileBytes', needed, `The footer of ${file}`)
    tail = await read(sizeBytes - needed, needed)
  }
  return decodeTail(tail, sizeBytes, file)
}

function checkStart(bytes: Uint8Array, file: string): void {
  if (bytes.length >= 4 && Buffer.from(bytes.subarray(0, 4)).readUInt32BE() === MAGIC) return
  throw corrupt(file, 'it does not begin as a Puffin file')
}

/** How many bytes the footer has, magics included. `tail` is the end of a file of `size` bytes. */
function decodeTrailer(tail: Uint8Array, size: number, file: string): { readonly needed: number } {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
  if (tail.length < 4 + TRAILER_BYTES || view.getUint32(tail.length - 4) !== MAGIC) {
    throw corrupt(file, 'it does not end as a Puffin file')
  }
  const payloadSize = view.getInt32(tail.length - 12, true)
  const needed = 4 + payloadSize + TRAILER_BYTES
  if (payloadSize < 0 || needed + 4 > size) {
    throw corrupt(file, `its footer cannot have ${payloadSize} bytes`)
  }
  if ((view.getUint8(tail.length - 8) & FLAG_COMPRESSED) !== 0) {
    throw new FloeError(
      'UNSUPPORTED_CODEC',
      `Cannot read ${file}: its footer is compressed with LZ4. Write it with an uncompressed footer`,
      { context: { file } },
    )
  }
  return { needed }
}

/** @param tail the whole footer at least. */
function decodeTail(tail: Uint8Array, size: number, file: string): PuffinFooter {
  const { needed } = decodeTrailer(tail, size, file)
  const start = tail.length - needed
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
  if (start < 0 || view.getUint32(start) !== MAGIC) {
    throw corrupt(file, `its footer cannot have ${needed - 4 - TRAILER_BYTES} bytes`)
  }
  try {
    const payload = tail.subarray(start + 4, tail.length - TRAILER_BYTES)
    return footerFromJson(payload, file, size - needed)
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

/** Written out by hand: a commit can have hundreds of vectors. */
function footerText({ blobs, properties }: PuffinFooter): string {
  return `{"blobs":[${blobs.map(blobText).join(',')}]${propertiesText(properties)}}`
}

function blobText(blob: BlobMetadata): string {
  const { type, fields, snapshotId, sequenceNumber, offset, length, compressionCodec } = blob
  const codec =
    compressionCodec === undefined ? '' : `,"compression-codec":${JSON.stringify(compressionCodec)}`
  return (
    `{"type":${JSON.stringify(type)},"fields":[${fields.join(',')}],"snapshot-id":${snapshotId},` +
    `"sequence-number":${sequenceNumber},"offset":${offset},"length":${length}${codec}` +
    `${propertiesText(blob.properties)}}`
  )
}

function propertiesText(properties: Readonly<Record<string, string>>): string {
  const keys = Object.keys(properties)
  if (keys.length === 0) return ''
  const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(properties[key])}`)
  return `,"properties":{${pairs.join(',')}}`
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
