/** Compression codecs by the names of the table property `write.parquet.compression-codec`. */
import { FloeError } from '../../core/errors.ts'
import { Codec } from './parquet-thrift.ts'

/** Codecs that data files are written with. */
export type CompressionCodec = 'zstd' | 'snappy' | 'gzip' | 'brotli' | 'lz4_raw' | 'uncompressed'

/**
 * The codec of a property value, in any case; `lz4` means LZ4_RAW, which the format has put in its place.
 * @throws UNSUPPORTED_CODEC listing the codecs that can be written.
 */
export function codecFromProperty(name: string): CompressionCodec {
  const lower = name.toLowerCase()
  if (lower === 'lz4') return 'lz4_raw'
  if (lower === 'none') return 'uncompressed'
  if (CODECS.has(lower)) return lower as CompressionCodec
  throw new FloeError(
    'UNSUPPORTED_CODEC',
    `Cannot write Parquet with the codec "${name}". Set write.parquet.compression-codec to one of ` +
      [...CODECS].join(', '),
    { context: { codec: name } },
  )
}

/** The error for a column chunk whose codec cannot be read. */
export function unsupportedCodec(codec: number, column: string, path: string): FloeError {
  const name = Object.entries(Codec).find(([, value]) => value === codec)?.[0] ?? String(codec)
  return new FloeError(
    'UNSUPPORTED_CODEC',
    `Cannot read column "${column}" of ${path}: the compression codec ${name} is not supported. ` +
      `Rewrite the file with one of ${[...CODECS].join(', ')}`,
    { context: { codec: name, column, file: path } },
  )
}

const CODECS: ReadonlySet<string> = new Set([
  'zstd',
  'snappy',
  'gzip',
  'brotli',
  'lz4_raw',
  'uncompressed',
])
