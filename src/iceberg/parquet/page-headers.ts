/**
 * Walks the page headers of a column chunk without decoding pages: what a chunk really decompresses to is known
 * before any of it is, and checksums are compared where the writer left them.
 */
import { crc32 } from 'node:zlib'
import { FloeError } from '../../core/errors.ts'
import { notParquet } from './footer.ts'
import { PAGE_HEADER, type PageHeader, PageType } from './parquet-thrift.ts'
import { readThrift } from './thrift.ts'

export interface ChunkPages {
  /** Sum over all pages, headers included: what `total_uncompressed_size` should say. */
  readonly uncompressedBytes: number
  readonly pages: number
  /** Decompressed size of the dictionary page, 0 without one. */
  readonly dictionaryBytes: number
}

/**
 * Reads every page header of a chunk, from its first page until `numValues` values have been seen.
 * @param chunk the bytes of the chunk, and maybe more behind them.
 * @throws CORRUPT_PARQUET for a header that is malformed or points outside; CHECKSUM_MISMATCH.
 */
export function scanPages(
  chunk: Uint8Array,
  numValues: number,
  where: { readonly file: string; readonly column: string },
): ChunkPages {
  const what = `a page header of column ${where.column} in ${where.file}`
  let offset = 0
  let seen = 0
  let pages = 0
  let uncompressedBytes = 0
  let dictionaryBytes = 0
  while (seen < numValues && offset < chunk.length) {
    const { value: header, end } = readThrift<PageHeader>(PAGE_HEADER, chunk, what, offset)
    const next = end + header.compressed_page_size
    if (
      header.compressed_page_size < 0 ||
      header.uncompressed_page_size < 0 ||
      next > chunk.length
    ) {
      throw notParquet(
        where.file,
        `page ${pages} of column ${where.column} declares ${header.compressed_page_size} bytes ` +
          `where ${chunk.length - end} are left`,
      )
    }
    if (header.crc !== undefined) {
      const actual = crc32(chunk.subarray(end, next)) | 0
      if (actual !== header.crc) throw checksumMismatch(where, pages)
    }
    seen += valuesOf(header)
    if (header.type === PageType.DICTIONARY_PAGE) dictionaryBytes = header.uncompressed_page_size
    uncompressedBytes += end - offset + header.uncompressed_page_size
    offset = next
    pages++
  }
  if (seen < numValues) {
    throw notParquet(where.file, `column ${where.column} holds ${seen} of ${numValues} values`)
  }
  return { uncompressedBytes, pages, dictionaryBytes }
}

function valuesOf(header: PageHeader): number {
  if (header.type === PageType.DATA_PAGE) return header.data_page_header?.num_values ?? 0
  if (header.type === PageType.DATA_PAGE_V2) return header.data_page_header_v2?.num_values ?? 0
  return 0
}

function checksumMismatch(
  where: { readonly file: string; readonly column: string },
  page: number,
): FloeError {
  return new FloeError(
    'CHECKSUM_MISMATCH',
    `Cannot read ${where.file}: the checksum of page ${page} of column ${where.column} differs ` +
      'from its bytes. Restore the file',
    { context: { file: where.file, column: where.column, page } },
  )
}
