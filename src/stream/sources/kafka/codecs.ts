/** Decompresses batches of records. Gzip and Zstandard are at hand; snappy and lz4 are plugged in. */
import { promisify } from 'node:util'
import { crc32, gunzip, gunzipSync } from 'node:zlib'
import { zstdDecompress } from '../../../core/zstd.ts'

/** A codec as kafkajs has them: `CompressionCodecs[CompressionTypes.Snappy] = codec`. */
export type KafkaCodec = () => {
  decompress(bytes: Buffer): Promise<Uint8Array> | Uint8Array
}

export type KafkaCodecName = 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** By the number that batches have. */
export const CODEC_NAMES: readonly (KafkaCodecName | undefined)[] = [
  undefined,
  'gzip',
  'snappy',
  'lz4',
  'zstd',
]

export type Decompressed = Buffer | 'too-large' | 'corrupt' | 'unsupported'

const gunzipAsync = promisify(gunzip)

/** Header and trailer. */
const LEAST_GZIP = 18

/** Below it, handing bytes to another thread costs more than it saves. */
const SYNC_BYTES = 16 * 1024

export class Codecs {
  readonly #plugged: Partial<Record<KafkaCodecName, KafkaCodec>>
  readonly #maxBytes: number

  /** @param maxBytes most bytes that a batch may have when decompressed. */
  constructor(plugged: Partial<Record<KafkaCodecName, KafkaCodec>>, maxBytes: number) {
    this.#plugged = plugged
    this.#maxBytes = maxBytes
  }

  async decompress(name: KafkaCodecName, bytes: Buffer): Promise<Decompressed> {
    const plugged = this.#plugged[name]
    if (plugged !== undefined) {
      const result = await plugged().decompress(bytes)
      if (result.byteLength > this.#maxBytes) return 'too-large'
      return Buffer.from(result.buffer, result.byteOffset, result.byteLength)
    }
    if (name === 'gzip') return this.#gunzip(bytes)
    if (name !== 'zstd') return 'unsupported'
    const result = zstdDecompress(bytes, this.#maxBytes)
    if (typeof result === 'string') return result
    return Buffer.from(result.buffer, result.byteOffset, result.byteLength)
  }

  /** What a gzip batch says that it has when decompressed, if gzip is not plugged in; undefined for what is no gzip. */
  gunzippedBytes(bytes: Buffer): number | undefined {
    if (this.#plugged.gzip !== undefined || bytes.length < LEAST_GZIP) return undefined
    const size = bytes.readUInt32LE(bytes.length - 4)
    return size > this.#maxBytes ? undefined : size
  }

  /**
   * Decompresses batches into one piece of memory: members of gzip may follow each other (RFC 1952, section 2.2).
   * @param sizes as {@link gunzippedBytes} gives them
   * @returns undefined if one of them is damaged or more than one member, or is not what its trailer says. Then each has
   *   to be decompressed by itself.
   */
  async gunzipTogether(
    batches: readonly Buffer[],
    sizes: readonly number[],
  ): Promise<Buffer | undefined> {
    const size = sizes.reduce((sum, each) => sum + each, 0)
    const bytes = batches.length === 1 ? (batches[0] as Buffer) : Buffer.concat(batches)
    const result = await gunzipTo(bytes, size, size)
    // What follows zeros behind a member is passed over, without an error.
    if (typeof result === 'string' || result.read !== bytes.length) return undefined
    const { buffer } = result
    if (buffer.length !== size) return undefined
    let end = 0
    for (const [i, batch] of batches.entries()) {
      const start = end
      end += sizes[i] as number
      // A batch must not get what another one has, whatever the trailers say of their sizes.
      if (crc32(buffer.subarray(start, end)) !== batch.readUInt32LE(batch.length - 8)) {
        return undefined
      }
    }
    return buffer
  }

  async #gunzip(bytes: Buffer): Promise<Decompressed> {
    if (bytes.length < LEAST_GZIP) return 'corrupt'
    const size = bytes.readUInt32LE(bytes.length - 4)
    if (size > this.#maxBytes) return 'too-large'
    const result = await gunzipTo(bytes, size, this.#maxBytes)
    return typeof result === 'string' ? result : result.buffer
  }
}

/**
 * @param size expected: one piece of memory takes it all, where the default puts many together.
 * @returns also how many bytes were read
 */
async function gunzipTo(
  bytes: Buffer,
  size: number,
  most: number,
): Promise<{ readonly buffer: Buffer; readonly read: number } | 'too-large' | 'corrupt'> {
  const options = {
    chunkSize: Math.max(64, size + 1),
    maxOutputLength: Math.max(1, most),
    info: true,
  }
  try {
    const result =
      bytes.length < SYNC_BYTES ? gunzipSync(bytes, options) : await gunzipAsync(bytes, options)
    const { buffer, engine } = result as unknown as WithInfo
    return { buffer, read: engine.bytesWritten }
  } catch (error) {
    const { code } = error as { code?: unknown }
    return code === 'ERR_BUFFER_TOO_LARGE' ? 'too-large' : 'corrupt'
  }
}

/** What zlib gives with the option `info`. */
interface WithInfo {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}
