/**
 * Metadata files: names, and bytes from and to `TableMetadata`. Iceberg spec §Table Metadata, §Commit
 * (iceberg-writer.md items 22, 23). Reads plain, gzip and zstd files; writes plain JSON.
 */
import { gunzipSync } from 'node:zlib'
import { FloeError } from '../../core/errors.ts'
import { parseJsonBytes, stringifyJson } from '../../core/json.ts'
import { checkLimit, type Limits } from '../../core/limits.ts'
import { type Runtime, uuidV4 } from '../../core/runtime.ts'
import { zstdDecompress } from '../../core/zstd.ts'
import type { TableMetadata } from '../spec/metadata.ts'
import { metadataFromJson, metadataToJson } from '../spec/metadata-json.ts'

const encoder = new TextEncoder()

/**
 * @param what names the file in errors.
 * @throws BAD_JSON, BAD_METADATA, FORMAT_VERSION, LIMIT_EXCEEDED (limits.metadataBytes, after decompression).
 */
export function decodeMetadataFile(bytes: Uint8Array, what: string, limits: Limits): TableMetadata {
  checkLimit(limits, 'metadataBytes', bytes.length, `The metadata file ${what}`)
  const plain = decompressed(bytes, what, limits)
  return metadataFromJson(parseJsonBytes(plain, what, limits.nestingDepth * 2), what)
}

export function encodeMetadataFile(metadata: TableMetadata): Uint8Array {
  return encoder.encode(stringifyJson(metadataToJson(metadata)))
}

/** The name of the version after `previous`: five digits and a random uuid; 00000 for the first. */
export function nextMetadataFileName(runtime: Runtime, previous: string | null): string {
  const version = previous === null ? 0 : metadataFileVersion(previous) + 1
  return `${String(version).padStart(5, '0')}-${uuidV4(runtime)}.metadata.json`
}

/** The version number in a metadata file's name (`00007-….metadata.json`, `v7.metadata.json`); −1 if none. */
export function metadataFileVersion(path: string): number {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const match = /^v?(\d{1,15})(?:-|\.)/.exec(name)
  return match === null ? -1 : Number(match[1])
}

function decompressed(bytes: Uint8Array, what: string, limits: Limits): Uint8Array {
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
  const isZstd = bytes[0] === 0x28 && bytes[1] === 0xb5 && bytes[2] === 0x2f && bytes[3] === 0xfd
  if (!isGzip && !isZstd) return bytes
  const plain = isGzip
    ? gunzip(bytes, limits.metadataBytes)
    : zstdDecompress(bytes, limits.metadataBytes)
  if (plain === 'too-large') {
    checkLimit(limits, 'metadataBytes', limits.metadataBytes + 1, `The metadata file ${what}`)
  }
  if (typeof plain !== 'string') return plain
  throw new FloeError('BAD_METADATA', `Cannot read table metadata ${what}: it does not decompress`, {
    context: { file: what },
  })
}

function gunzip(bytes: Uint8Array, maxBytes: number): Uint8Array | 'too-large' | 'corrupt' {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes })
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE' ? 'too-large' : 'corrupt'
  }
}
