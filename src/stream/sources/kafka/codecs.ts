/** Decompresses batches of records. Gzip and Zstandard are at hand; snappy and lz4 are plugged in. */
import { promisify } from 'node:util'
import { gunzip, gunzipSync } from 'node:zlib'
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

  async #gunzip(bytes: Buffer): Promise<Decompressed> {
    if (bytes.length < 18) return 'corrupt'
    // The trailer tells the size: one piece of memory takes it all, where the default puts many together.
    const size = bytes.readUInt32LE(bytes.length - 4)
    if (size > this.#maxBytes) return 'too-large'
    const options = { chunkSize: Math.max(64, size + 1), maxOutputLength: this.#maxBytes }
    try {
      return bytes.length < SYNC_BYTES
        ? gunzipSync(bytes, options)
        : await gunzipAsync(bytes, options)
    } catch (error) {
      const { code } = error as { code?: unknown }
      return code === 'ERR_BUFFER_TOO_LARGE' ? 'too-large' : 'corrupt'
    }
  }
}
