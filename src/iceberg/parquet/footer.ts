/**
 * The footer of a Parquet file: FileMetaData in Thrift compact form, its length as u32 LE, and the magic `PAR1`.
 * Reading takes one range request for most files: the last 64 KiB.
 */
import { FloeError } from '../../core/errors.ts'
import { checkLimit, type Limits } from '../../core/limits.ts'
import type { ObjectStore } from '../../io/store.ts'
import { FILE_META_DATA, type FileMetaData } from './parquet-thrift.ts'
import {
  type Pause,
  readThrift,
  readThriftInSteps,
  writeThrift,
  writeThriftInSteps,
} from './thrift.ts'

/** `PAR1`, at the start and the end of every file. */
export const MAGIC: Uint8Array = Uint8Array.of(0x50, 0x41, 0x52, 0x31)

/** A footer with where it stands in its file. */
export interface ParquetFooter {
  readonly metadata: FileMetaData
  /** Offset of the first byte of the Thrift struct: column data and indexes lie before it. */
  readonly offset: number
  readonly fileSizeBytes: number
  /** The whole file, where it is so small that reading the footer read everything. */
  readonly wholeFile?: Uint8Array
}

/**
 * Reads a file's footer from the store.
 * @param options.sizeBytes the file's size if known: saves a request.
 * @throws FILE_NOT_FOUND; CORRUPT_PARQUET; ENCRYPTED_FILE; LIMIT_EXCEEDED by limits.parquetFooterBytes.
 */
export async function readFooter(
  store: ObjectStore,
  path: string,
  options: {
    readonly sizeBytes?: number | undefined
    readonly limits: Limits
    readonly signal?: AbortSignal | undefined
    /** Called now and then while a large footer is parsed. */
    readonly pause?: Pause | undefined
  },
): Promise<ParquetFooter> {
  const request = options.signal === undefined ? {} : { signal: options.signal }
  const sizeBytes = options.sizeBytes ?? (await statSize(store, path, request))
  if (sizeBytes < MAGIC.length * 2 + 4) throw notParquet(path, `it has only ${sizeBytes} bytes`)
  const tailOffset = Math.max(0, sizeBytes - TAIL_BYTES)
  const tail = await readRange(store, path, tailOffset, sizeBytes - tailOffset, request)
  const length = footerLength(tail, path, sizeBytes)
  checkLimit(options.limits, 'parquetFooterBytes', length, `The footer of ${path}`)
  const offset = sizeBytes - 8 - length
  if (tailOffset === 0) {
    // The parsed values are views: give them bytes of their own, or a cached footer would hold the whole tail.
    const metadata = parseFooter(tail.slice(offset, sizeBytes - 8), path, options.limits)
    return { metadata, offset, fileSizeBytes: sizeBytes, wholeFile: tail }
  }
  const footer = new Uint8Array(length)
  const inTail = Math.max(0, offset - tailOffset)
  footer.set(tail.subarray(inTail, tail.length - 8), length - (tail.length - 8 - inTail))
  if (offset < tailOffset) {
    footer.set(await readRange(store, path, offset, tailOffset - offset, request))
  }
  const metadata = await readThriftInSteps<FileMetaData>(
    FILE_META_DATA,
    footer,
    footerName(path),
    options.pause ?? (() => Promise.resolve()),
  )
  return { metadata: checked(metadata, path, options.limits), offset, fileSizeBytes: sizeBytes }
}

/**
 * Parses the Thrift bytes of a footer.
 * @throws CORRUPT_PARQUET naming the file and offset; ENCRYPTED_FILE; LIMIT_EXCEEDED by limits.schemaFields.
 */
export function parseFooter(bytes: Uint8Array, path: string, limits: Limits): FileMetaData {
  const { value } = readThrift<FileMetaData>(FILE_META_DATA, bytes, footerName(path))
  return checked(value, path, limits)
}

function footerName(path: string): string {
  return `the Parquet footer of ${path}`
}

function checked(value: FileMetaData, path: string, limits: Limits): FileMetaData {
  if (value.encryption_algorithm !== undefined) throw encrypted(path)
  if (value.schema.length === 0) throw notParquet(path, 'its schema is empty')
  // Lists and maps take up to three elements for each field.
  checkLimit(limits, 'schemaFields', Math.ceil(value.schema.length / 3), `The schema of ${path}`)
  if (value.num_rows < 0) throw notParquet(path, `it declares ${value.num_rows} rows`)
  return value
}

/** The Thrift bytes of a footer with its length and the magic: what a file ends with. */
export function serializeFooter(metadata: FileMetaData): Uint8Array {
  return withLength(writeThrift(FILE_META_DATA, metadata))
}

/** As {@link serializeFooter}, with pauses while the footer is large. */
export async function serializeFooterInSteps(
  metadata: FileMetaData,
  pause: Pause,
): Promise<Uint8Array> {
  return withLength(await writeThriftInSteps(FILE_META_DATA, metadata, pause))
}

function withLength(thrift: Uint8Array): Uint8Array {
  const footer = new Uint8Array(thrift.length + 8)
  footer.set(thrift)
  new DataView(footer.buffer).setUint32(thrift.length, thrift.length, true)
  footer.set(MAGIC, thrift.length + 4)
  return footer
}

/**
 * Parses the footer of a whole file in memory.
 * @throws as {@link readFooter}.
 */
export function parseWholeFile(bytes: Uint8Array, path: string, limits: Limits): ParquetFooter {
  if (bytes.length < MAGIC.length * 2 + 4) throw notParquet(path, `it has ${bytes.length} bytes`)
  const length = footerLength(bytes, path, bytes.length)
  checkLimit(limits, 'parquetFooterBytes', length, `The footer of ${path}`)
  const offset = bytes.length - 8 - length
  const metadata = parseFooter(bytes.slice(offset, bytes.length - 8), path, limits)
  return { metadata, offset, fileSizeBytes: bytes.length, wholeFile: bytes }
}

/** Reads exactly `length` bytes. @throws CORRUPT_PARQUET if the file ends before. */
export async function readRange(
  store: ObjectStore,
  path: string,
  offset: number,
  length: number,
  request: { readonly signal?: AbortSignal },
): Promise<Uint8Array> {
  const bytes = await store.get(path, { ...request, range: { offset, length } })
  if (bytes.length === length) return bytes
  throw notParquet(path, `it ends before byte ${offset + length}, at ${offset + bytes.length}`)
}

/** The CORRUPT_PARQUET error for a file. */
export function notParquet(path: string, why: string, cause?: unknown): FloeError {
  return new FloeError(
    'CORRUPT_PARQUET',
    `Cannot read the Parquet file ${path}: ${why}. Restore the file or rewrite it from its source`,
    { context: { file: path }, cause },
  )
}

const TAIL_BYTES = 64 * 1024
const ENCRYPTED_MAGIC = 0x45524150 // 'PARE' as u32 LE
const PLAIN_MAGIC = 0x31524150

/** The declared length of the Thrift struct, from the last eight bytes. */
function footerLength(tail: Uint8Array, path: string, sizeBytes: number): number {
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength)
  const magic = view.getUint32(tail.length - 4, true)
  if (magic === ENCRYPTED_MAGIC) throw encrypted(path)
  if (magic !== PLAIN_MAGIC) {
    throw notParquet(path, `its ${sizeBytes} bytes do not end with the magic PAR1`)
  }
  const length = view.getUint32(tail.length - 8, true)
  if (length > sizeBytes - 12) {
    throw notParquet(path, `it declares a footer of ${length} bytes in a file of ${sizeBytes}`)
  }
  return length
}

async function statSize(
  store: ObjectStore,
  path: string,
  request: { readonly signal?: AbortSignal },
): Promise<number> {
  const stat = await store.stat(path, request)
  if (stat !== null) return stat.sizeBytes
  throw new FloeError('FILE_NOT_FOUND', `There is no file ${path}`, { context: { file: path } })
}

function encrypted(path: string): FloeError {
  return new FloeError(
    'ENCRYPTED_FILE',
    `Cannot read ${path}: it uses Parquet encryption, which is not supported. ` +
      'Rewrite the file without encryption',
    { context: { file: path } },
  )
}
