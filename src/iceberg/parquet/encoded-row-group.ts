/** Takes apart the one-row-group file that the encoder makes, for the {@link FileAssembler}. */
import { assert } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import { firstPage, type SourceRowGroup } from './file-assembler.ts'
import { MAGIC, parseWholeFile } from './footer.ts'
import { parseOffsetIndex } from './page-index.ts'
import type { ColumnMetaData } from './parquet-thrift.ts'

/** The row group of a file that the encoder made, its bytes still in place. */
export function readEncodedRowGroup(
  file: Uint8Array,
  limits: Limits,
): Omit<SourceRowGroup, 'nanCounts'> {
  const { metadata } = parseWholeFile(file, 'an encoded row group', limits)
  const rowGroup = metadata.row_groups[0]
  assert(metadata.row_groups.length === 1 && rowGroup !== undefined, 'one row group is encoded')
  let end = MAGIC.length
  for (const { meta_data: meta } of rowGroup.columns) {
    assert(meta !== undefined, 'every encoded column has metadata')
    end = Math.max(end, firstPage(meta as ColumnMetaData) + meta.total_compressed_size)
  }
  const slice = (offset: number | undefined, length: number | undefined): Uint8Array | undefined =>
    offset === undefined || length === undefined ? undefined : file.slice(offset, offset + length)
  return {
    rowGroup,
    dataOffset: MAGIC.length,
    dataLength: end - MAGIC.length,
    columnIndexes: rowGroup.columns.map((c) => slice(c.column_index_offset, c.column_index_length)),
    offsetIndexes: rowGroup.columns.map((c) => {
      const bytes = slice(c.offset_index_offset, c.offset_index_length)
      return bytes === undefined ? undefined : parseOffsetIndex(bytes, 'an encoded row group')
    }),
  }
}
