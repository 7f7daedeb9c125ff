/**
 * A file made of parts of another: the wanted column chunks of one row group between a magic and a footer of our
 * own, small enough to be decoded in one go, with nothing in it that was not asked for.
 */
import { checkLimit, type Limits } from '../../core/limits.ts'
import { unsupportedCodec } from './codecs.ts'
import type { FileNode, FileSchema } from './file-schema.ts'
import { MAGIC, notParquet, type ParquetFooter, serializeFooter } from './footer.ts'
import type { ColumnChunk, ColumnMetaData, RowGroup } from './parquet-thrift.ts'
import { Codec, PhysicalType } from './parquet-thrift.ts'
import type { Projection } from './projection.ts'

/** Bytes to copy from the data file. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** Where a chunk stands in the assembled file: for the checks before decoding. */
export interface PlacedChunk extends ByteRange {
  readonly numValues: number
  /** Name for errors. */
  readonly column: string
}

export interface RowGroupFilePlan {
  readonly numRows: number
  /** Length of the assembled file. */
  readonly sizeBytes: number
  /** Ranges of the data file in the order of `chunks`; each is copied to the place of its chunk. */
  readonly ranges: readonly ByteRange[]
  readonly chunks: readonly PlacedChunk[]
  /** What the assembled file ends with. */
  readonly footer: Uint8Array
  /** Upper estimate of the decoded size by what the file declares, in bytes. */
  readonly declaredBytes: number
}

/**
 * Plans the file for the projected columns of a row group.
 * @param arrowSchema value of the key `ARROW:schema`, which steers the decoder; left out if undefined.
 * @throws CORRUPT_PARQUET for chunks outside the data; UNSUPPORTED_CODEC; LIMIT_EXCEEDED by limits.rowGroupBytes
 *   if the file declares more than that, before anything is read.
 */
export function planRowGroupFile(
  footer: ParquetFooter,
  schema: FileSchema,
  rowGroup: RowGroup,
  projection: Projection,
  options: {
    readonly path: string
    readonly limits: Limits
    readonly arrowSchema?: string | undefined
  },
): RowGroupFilePlan {
  const { path } = options
  const numRows = rowGroup.num_rows
  if (numRows < 0 || numRows > MAX_ROWS) {
    throw notParquet(path, `a row group declares ${numRows} rows`)
  }
  if (rowGroup.columns.length !== schema.leaves.length) {
    throw notParquet(
      path,
      `a row group has ${rowGroup.columns.length} columns, the schema ${schema.leaves.length}`,
    )
  }
  const paths = leafPaths(projection)
  const ranges: ByteRange[] = []
  const chunks: PlacedChunk[] = []
  const columns: ColumnChunk[] = []
  let offset = MAGIC.length
  let declaredBytes = 0
  let uncompressedBytes = 0
  projection.leaves.forEach((leaf, i) => {
    const node = schema.leaves[leaf] as FileNode
    const column = node.path.join('.')
    const meta = chunkMetaData(rowGroup.columns[leaf], column, path)
    if (meta.type !== node.element.type) {
      throw notParquet(path, `column ${column} is stored as another type than its schema says`)
    }
    if (node.repetitionLevel === 0 && meta.num_values !== numRows) {
      throw notParquet(path, `column ${column} has ${meta.num_values} values for ${numRows} rows`)
    }
    const range = chunkRange(meta, footer, column, path)
    declaredBytes += decodedBytes(meta, numRows)
    uncompressedBytes += meta.total_uncompressed_size
    ranges.push(range)
    chunks.push({ offset, length: range.length, numValues: meta.num_values, column })
    columns.push(moveChunk(meta, range, offset, paths[i] as string[]))
    offset += range.length
  })
  checkLimit(options.limits, 'rowGroupBytes', declaredBytes, `A row group of ${path}`)
  const footerBytes = serializeFooter({
    version: 1,
    schema: projection.elements,
    num_rows: numRows,
    row_groups: [{ columns, total_byte_size: uncompressedBytes, num_rows: numRows }],
    ...(options.arrowSchema === undefined
      ? {}
      : { key_value_metadata: [{ key: 'ARROW:schema', value: options.arrowSchema }] }),
    created_by: footer.metadata.created_by,
  })
  const sizeBytes = offset + footerBytes.length
  return { numRows, sizeBytes, ranges, chunks, footer: footerBytes, declaredBytes }
}

/** Parquet's own paths of the leaves, from the elements: the decoder checks them against the schema. */
function leafPaths(projection: Projection): string[][] {
  const paths: string[][] = []
  let next = 1
  const walk = (prefix: readonly string[], count: number): void => {
    for (let i = 0; i < count; i++) {
      const element = projection.elements[next++]
      if (element === undefined) return
      const path = [...prefix, element.name]
      if (element.num_children === undefined) paths.push(path)
      else walk(path, element.num_children)
    }
  }
  walk([], projection.elements[0]?.num_children ?? 0)
  return paths
}

function chunkMetaData(
  chunk: ColumnChunk | undefined,
  column: string,
  path: string,
): ColumnMetaData {
  if (chunk?.meta_data === undefined) {
    throw notParquet(path, `column ${column} has no metadata`)
  }
  if (chunk.file_path !== undefined && chunk.file_path !== '') {
    throw notParquet(path, `column ${column} says that it lies in another file`)
  }
  if (!READABLE_CODECS.has(chunk.meta_data.codec)) {
    throw unsupportedCodec(chunk.meta_data.codec, column, path)
  }
  return chunk.meta_data
}

/** The bytes of a chunk: from its dictionary page, if it has one, or its first data page on. */
function chunkRange(
  meta: ColumnMetaData,
  footer: ParquetFooter,
  column: string,
  path: string,
): ByteRange {
  const dictionary = meta.dictionary_page_offset
  const hasDictionary = dictionary !== undefined && dictionary >= MAGIC.length
  const offset = hasDictionary ? Math.min(dictionary, meta.data_page_offset) : meta.data_page_offset
  let length = meta.total_compressed_size
  const isInside = offset >= MAGIC.length && length >= 0 && offset + length <= footer.offset
  if (!isInside || meta.num_values < 0 || meta.total_uncompressed_size < 0) {
    throw notParquet(
      path,
      `column ${column} declares bytes ${offset} to ${offset + length} of ${footer.offset}, ` +
        `${meta.num_values} values and ${meta.total_uncompressed_size} bytes decompressed`,
    )
  }
  if (forgetsDictionaryHeader(footer.metadata.created_by)) {
    length = Math.min(length + MAX_HEADER_BYTES, footer.offset - offset)
  }
  return { offset, length }
}

/** parquet-mr before 1.2.9 left the header of the dictionary page out of the chunk's size (PARQUET-816). */
function forgetsDictionaryHeader(createdBy: string | undefined): boolean {
  if (createdBy === undefined || !createdBy.startsWith('parquet-mr')) return false
  const match = /^parquet-mr version (\d+)\.(\d+)\.(\d+)/.exec(createdBy)
  if (match === null) return !createdBy.includes('version')
  const [major, minor, patch] = match.slice(1).map(Number) as [number, number, number]
  return major < 1 || (major === 1 && (minor < 2 || (minor === 2 && patch < 9)))
}

/**
 * What a chunk may take in memory: what it declares to decompress to, or, where a run or a dictionary stands for
 * many values, so many values of the least width.
 */
function decodedBytes(meta: ColumnMetaData, numRows: number): number {
  const values = Math.max(meta.num_values, numRows)
  return Math.max(meta.total_uncompressed_size, values * (VALUE_BYTES[meta.type] ?? 4))
}

/** The metadata of a chunk that was moved to `offset`. */
function moveChunk(
  meta: ColumnMetaData,
  range: ByteRange,
  offset: number,
  path: readonly string[],
): ColumnChunk {
  const shift = offset - range.offset
  const dictionary = meta.dictionary_page_offset
  const hasDictionary = dictionary !== undefined && dictionary >= MAGIC.length
  return {
    file_offset: 0,
    meta_data: {
      type: meta.type,
      encodings: meta.encodings,
      path_in_schema: path,
      codec: meta.codec,
      num_values: meta.num_values,
      total_uncompressed_size: meta.total_uncompressed_size,
      total_compressed_size: range.length,
      data_page_offset: meta.data_page_offset + shift,
      ...(hasDictionary ? { dictionary_page_offset: dictionary + shift } : {}),
    },
  }
}

const MAX_HEADER_BYTES = 100
/** No reader counts the rows of one row group in more than 31 bits. */
const MAX_ROWS = 2 ** 31 - 1

const READABLE_CODECS: ReadonlySet<number> = new Set([
  Codec.UNCOMPRESSED,
  Codec.SNAPPY,
  Codec.GZIP,
  Codec.BROTLI,
  Codec.LZ4,
  Codec.ZSTD,
  Codec.LZ4_RAW,
])

/** Bytes that one value takes in an Arrow column at least. */
const VALUE_BYTES: Readonly<Record<number, number>> = {
  [PhysicalType.BOOLEAN]: 0.125,
  [PhysicalType.INT32]: 4,
  [PhysicalType.INT64]: 8,
  [PhysicalType.INT96]: 8,
  [PhysicalType.FLOAT]: 4,
  [PhysicalType.DOUBLE]: 8,
  [PhysicalType.BYTE_ARRAY]: 4,
  [PhysicalType.FIXED_LEN_BYTE_ARRAY]: 1,
}
