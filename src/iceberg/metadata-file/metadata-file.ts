/**
 * Metadata files: names, and bytes from and to `TableMetadata`. Iceberg spec §Table Metadata, §Commit
 * (iceberg-writer.md items 22, 23). Reads plain, gzip and zstd files; writes plain JSON or gzip.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { FloeError } from '../../core/errors.ts'
import { encodeJson, type JsonValue, parseJsonBytes, RawJson } from '../../core/json.ts'
import { checkLimit, type Limits } from '../../core/limits.ts'
import { type Runtime, uuidV4 } from '../../core/runtime.ts'
import { zstdDecompress } from '../../core/zstd.ts'
import type { TableMetadata } from '../spec/metadata.ts'
import { type ItemJson, metadataFromJson, metadataToJson } from '../spec/metadata-json.ts'
import { type MetadataCodec, metadataCodec } from '../spec/properties.ts'
import { visitFieldIds } from '../spec/schema-checks.ts'

/**
 * Reads a metadata file. How it is compressed is told by its first bytes, whatever its name says.
 * @param what names the file in errors.
 * @throws BAD_JSON, BAD_METADATA, FORMAT_VERSION; LIMIT_EXCEEDED by limits.metadataBytes (after decompression) or
 *   limits.schemaFields.
 */
export function decodeMetadataFile(bytes: Uint8Array, what: string, limits: Limits): TableMetadata {
  checkLimit(limits, 'metadataBytes', bytes.length, `The metadata file ${what}`)
  const plain = decompressed(bytes, what, limits)
  const metadata = metadataFromJson(parseJsonBytes(plain, what, limits.nestingDepth * 2), what)
  jsonSizes.set(metadata, plain.length)
  for (const schema of metadata.schemas) {
    let fields = 0
    visitFieldIds(schema, () => fields++)
    checkLimit(limits, 'schemaFields', fields, `Schema ${schema.schemaId} of ${what}`)
  }
  return metadata
}

/** The bytes of a metadata file, compressed as the table's properties say. @throws UNSUPPORTED_CODEC */
export function encodeMetadataFile(metadata: TableMetadata): Uint8Array {
  const plain = encodeMetadataJson(metadata)
  return metadataCodec(metadata.properties) === 'gzip' ? gzipSync(plain) : plain
}

/** The JSON of metadata of version 2 or 3 in UTF-8. @throws FORMAT_VERSION for version 1 */
export function encodeMetadataJson(metadata: TableMetadata): Uint8Array {
  const json = encodeJson(metadataToJson(metadata, rememberedJson))
  jsonSizes.set(metadata, json.length)
  return json
}

/** Bytes of the JSON that metadata was read from or encoded to, before compression; undefined for metadata that was neither. */
export function metadataJsonBytes(metadata: TableMetadata): number | undefined {
  return jsonSizes.get(metadata)
}

const jsonSizes = new WeakMap<TableMetadata, number>()

/**
 * Each metadata file has the schemas, snapshots and logs of the one before, which never change: their bytes are made once.
 * Versions 2 and 3, the only ones that are written, have the same JSON for them.
 */
const encoded = new WeakMap<object, RawJson>()

const rememberedJson: ItemJson = (item, toJson) => {
  let json = encoded.get(item)
  if (json === undefined) {
    json = new RawJson(toJson(item))
    encoded.set(item, json)
  }
  return json as unknown as JsonValue
}

/**
 * The name of the version after `previous`: five digits and a random uuid; 00000 for the first. Readers decompress
 * by the name alone, so the codec must be that of the file: `.gz.metadata.json`.
 */
export function nextMetadataFileName(
  runtime: Runtime,
  previous: string | null,
  codec: MetadataCodec,
): string {
  const version = previous === null ? 0 : metadataFileVersion(previous) + 1
  const extension = codec === 'gzip' ? '.gz.metadata.json' : '.metadata.json'
  return `${String(version).padStart(5, '0')}-${uuidV4(runtime)}${extension}`
}

/** The version number in a metadata file's name (`00007-….metadata.json`, `v7.metadata.json`); −1 if none. */
export function metadataFileVersion(path: string): number {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const match = /^v?(\d{1,15})(?:-|\.)/.exec(name)
  return match === null ? -1 : Number(match[1])
}

function decompressed(bytes: Uint8Array, what: string, limits: Limits): Uint8Array {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipped(bytes, what, limits)
  if (bytes[0] !== 0x28 || bytes[1] !== 0xb5 || bytes[2] !== 0x2f || bytes[3] !== 0xfd) {
    return bytes
  }
  const plain = zstdDecompress(bytes, limits.metadataBytes)
  if (plain === 'too-large') throw tooLarge(what, limits)
  if (plain === 'corrupt') throw corrupt(what)
  return plain
}

function gunzipped(bytes: Uint8Array, what: string, limits: Limits): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: limits.metadataBytes })
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(what, limits)
    throw corrupt(what, cause)
  }
}

function tooLarge(what: string, limits: Limits): FloeError {
  return new FloeError(
    'LIMIT_EXCEEDED',
    `The metadata file ${what} decompresses to more than the limit metadataBytes = ${limits.metadataBytes}. Raise limits.metadataBytes in openLake if this is expected`,
    { context: { file: what, limit: 'metadataBytes', max: limits.metadataBytes } },
  )
}

function corrupt(what: string, cause?: unknown): FloeError {
  return new FloeError(
    'BAD_METADATA',
    `Cannot read table metadata ${what}: it does not decompress`,
    { cause, context: { file: what } },
  )
}
