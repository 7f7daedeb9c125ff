/**
 * Compression of Avro blocks. Avro spec §Required Codecs, §Optional Codecs. Reads null, deflate, snappy and
 * zstandard; writes null and deflate (iceberg-writer.md item 51).
 */
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib'
import { FloeError } from '../../core/errors.ts'
import { zstdDecompress } from '../../core/zstd.ts'
import { snappyDecode, snappyLength } from './snappy.ts'

/** The codecs that blocks are written with. */
export type AvroWriteCodec = 'null' | 'deflate'

export interface DecompressOptions {
  /** Most bytes that may come out; more is LIMIT_EXCEEDED, before they are allocated. */
  readonly maxBytes: number
  /** The expected size, to decode in one piece. */
  readonly sizeHint: number
  /** Names the file in errors. */
  readonly file: string
  /** Offset of the block in the file. */
  readonly offset: number
}

/**
 * Refuses a codec that cannot be read, before any block is.
 * @throws UNSUPPORTED_CODEC
 */
export function checkCodec(codec: string, file: string): void {
  if (READABLE.has(codec)) return
  throw new FloeError(
    'UNSUPPORTED_CODEC',
    `Cannot read ${file}: its blocks are compressed with ${JSON.stringify(codec.slice(0, 40))}. ` +
      `Readable are ${[...READABLE].join(', ')}: write it again with one of them`,
    { context: { file, codec: codec.slice(0, 40) } },
  )
}

/**
 * Decompresses a block. The result may share memory with `data`.
 * @throws CORRUPT_AVRO, CHECKSUM_MISMATCH, LIMIT_EXCEEDED
 */
export function decompressBlock(
  codec: string,
  data: Uint8Array,
  options: DecompressOptions,
): Uint8Array {
  switch (codec) {
    case 'null':
      if (data.byteLength > options.maxBytes) throw tooLarge(options, data.byteLength)
      return data
    case 'deflate':
      return inflate(data, options)
    case 'snappy':
      return unsnap(data, options)
    case 'zstandard': {
      const result = zstdDecompress(data, options.maxBytes)
      if (result === 'too-large') throw tooLarge(options)
      if (result === 'corrupt') throw corrupt(options, 'is not valid zstandard data')
      return result
    }
    default:
      checkCodec(codec, options.file)
      throw corrupt(options, 'has no known codec')
  }
}

/** Compresses a block for writing; null shares memory with `data`. */
export function compressBlock(codec: AvroWriteCodec, data: Uint8Array): Uint8Array {
  return codec === 'null' ? data : deflateRawSync(data, { level: DEFLATE_LEVEL })
}

/**
 * Item 51 names 9, which Java writes; readers cannot tell. A manifest of 190 KB with bounds takes 2.5 ms and 65 KB with
 * 3, 16 ms and 61 KB with 9; one of deletion vectors 1.4 ms and 28.3 KB, 3.7 ms and 27.7 KB.
 */
const DEFLATE_LEVEL = 3

const READABLE: ReadonlySet<string> = new Set(['null', 'deflate', 'snappy', 'zstandard'])

function inflate(data: Uint8Array, options: DecompressOptions): Uint8Array {
  try {
    return inflateRawSync(data, {
      maxOutputLength: options.maxBytes,
      // One byte more than expected: zlib then ends without asking for a second piece to join.
      chunkSize: Math.min(
        Math.max(options.sizeHint + 1, 4096),
        4 * 1024 * 1024,
        options.maxBytes + 64,
      ),
    })
  } catch (cause) {
    const code = (cause as { code?: unknown }).code
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(options)
    throw corrupt(options, 'is not valid deflate data', cause)
  }
}

function unsnap(data: Uint8Array, options: DecompressOptions): Uint8Array {
  // The checksum of the decompressed bytes follows, big-endian.
  const size = data.byteLength - 4
  const body = data.subarray(0, Math.max(0, size))
  const length = size < 0 ? undefined : snappyLength(body)
  if (length === undefined) throw corrupt(options, 'is not valid snappy data')
  if (length > options.maxBytes) throw tooLarge(options, length)
  const out = snappyDecode(body)
  if (out === undefined) throw corrupt(options, 'is not valid snappy data')
  const stored = new DataView(data.buffer, data.byteOffset + size, 4).getUint32(0)
  if (crc32(out) !== stored) {
    throw new FloeError(
      'CHECKSUM_MISMATCH',
      `Cannot read ${options.file}: the block at offset ${options.offset} does not have the ` +
        'checksum that it states. The file is damaged',
      { context: { file: options.file, offset: options.offset } },
    )
  }
  return out
}

function tooLarge(options: DecompressOptions, size?: number): FloeError {
  return new FloeError(
    'LIMIT_EXCEEDED',
    `Cannot read ${options.file}: its block at offset ${options.offset} decompresses to ` +
      `${size === undefined ? `more than ${options.maxBytes}` : `${size}, more than ${options.maxBytes}`} ` +
      'bytes. If this is expected, raise limits.avroBlockBytes in openLake',
    {
      context: {
        file: options.file,
        offset: options.offset,
        limit: 'avroBlockBytes',
        max: options.maxBytes,
      },
    },
  )
}

function corrupt(options: DecompressOptions, why: string, cause?: unknown): FloeError {
  return new FloeError(
    'CORRUPT_AVRO',
    `Cannot read ${options.file}: the block at offset ${options.offset} ${why}. The file is damaged`,
    {
      context: { file: options.file, offset: options.offset },
      ...(cause === undefined ? {} : { cause }),
    },
  )
}
