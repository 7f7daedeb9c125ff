/**
 * Assembles a data file from row groups that exist as bytes: places their column chunks one behind the other, moves
 * every offset along, and writes page indexes and a footer of our own. What the encoder cannot say is said here:
 * names, UUID and geometry annotations, column orders, NaN counts. Does no I/O and never looks into a page.
 */
import { assert } from '../../core/errors.ts'
import { MAGIC, serializeFooterInSteps } from './footer.ts'
import { serializeOffsetIndex, shiftOffsetIndex } from './page-index.ts'
import type {
  ColumnChunk,
  ColumnMetaData,
  FileMetaData,
  KeyValue,
  OffsetIndex,
  RowGroup,
  Statistics,
} from './parquet-thrift.ts'
import type { ParquetColumn, ParquetSchema } from './schema-mapping.ts'
import type { Pause } from './thrift.ts'

/** A row group as it stands in some file. */
export interface SourceRowGroup {
  readonly rowGroup: RowGroup
  /** First byte of the column data that is copied; offsets are moved by where it ends up. */
  readonly dataOffset: number
  readonly dataLength: number
  /** Page indexes of each column; undefined where there are none. */
  readonly columnIndexes: readonly (Uint8Array | undefined)[]
  readonly offsetIndexes: readonly (OffsetIndex | undefined)[]
  /** NaNs in each float or double column, by field id, where known. */
  readonly nanCounts?: ReadonlyMap<number, number>
}

/** What a manifest needs to know of the file's layout. */
export interface AssembledFile {
  /** Page indexes and footer: what is written after the last row group. */
  readonly tail: Uint8Array
  readonly sizeBytes: number
  readonly recordCount: number
  /** Offset of the first page of each row group, ascending (item 55). */
  readonly splitOffsets: readonly number[]
  /** Compressed bytes of each leaf column by field id, without footer and indexes (item 56). */
  readonly columnSizes: ReadonlyMap<number, number>
}

export class FileAssembler {
  readonly #schema: ParquetSchema
  readonly #keyValues: readonly KeyValue[]
  readonly #createdBy: string
  readonly #withoutStatistics: ReadonlySet<number>
  readonly #rowGroups: RowGroup[] = []
  readonly #columnIndexes: (readonly (Uint8Array | undefined)[])[] = []
  readonly #offsetIndexes: (readonly (Uint8Array | undefined)[])[] = []
  #position = MAGIC.length

  /** @param withoutStatistics field ids of the columns whose statistics and column indexes are left out. */
  constructor(
    schema: ParquetSchema,
    keyValues: readonly KeyValue[],
    createdBy: string,
    withoutStatistics: ReadonlySet<number>,
  ) {
    this.#schema = schema
    this.#keyValues = keyValues
    this.#createdBy = createdBy
    this.#withoutStatistics = withoutStatistics
  }

  /** Where the data of the next row group has to be written: after the magic and all row groups so far. */
  get position(): number {
    return this.#position
  }

  get rowGroupCount(): number {
    return this.#rowGroups.length
  }

  /** Takes note of a row group whose data the caller writes at {@link position}. */
  addRowGroup(source: SourceRowGroup): void {
    const { rowGroup, dataOffset, dataLength } = source
    const { columns } = this.#schema
    assert(rowGroup.columns.length === columns.length, 'a row group has the columns of its file')
    const shift = this.#position - dataOffset
    const ordinal = this.#rowGroups.length
    const moved = rowGroup.columns.map((chunk, i) => {
      const column = columns[i] as ParquetColumn
      const nanCount = source.nanCounts?.get(column.fieldId)
      const statistics = this.#withoutStatistics.has(column.fieldId)
        ? undefined
        : statisticsOf(chunk.meta_data?.statistics, column, nanCount)
      return moveChunk(chunk, column, shift, statistics)
    })
    const starts = moved.map((chunk) => firstPage(chunk.meta_data as ColumnMetaData))
    this.#rowGroups.push({
      columns: moved,
      total_byte_size: rowGroup.total_byte_size,
      num_rows: rowGroup.num_rows,
      sorting_columns: rowGroup.sorting_columns,
      file_offset: Math.min(...starts),
      total_compressed_size: moved.reduce(
        (sum, chunk) => sum + (chunk.meta_data as ColumnMetaData).total_compressed_size,
        0,
      ),
      // The format gives it 16 bits.
      ...(ordinal < 2 ** 15 ? { ordinal } : {}),
    })
    this.#columnIndexes.push(
      source.columnIndexes.map((index, i) => {
        const column = columns[i] as ParquetColumn
        return hasOrder(column) && !this.#withoutStatistics.has(column.fieldId) ? index : undefined
      }),
    )
    this.#offsetIndexes.push(
      source.offsetIndexes.map((index) =>
        index === undefined ? undefined : serializeOffsetIndex(shiftOffsetIndex(index, shift)),
      ),
    )
    this.#position += dataLength
  }

  /**
   * Everything after the last row group. Nothing may be added afterwards.
   * @param pause is called now and then while a file of many row groups and columns is described.
   */
  async finish(pause: Pause): Promise<AssembledFile> {
    const parts: Uint8Array[] = []
    let position = this.#position
    const place = (bytes: Uint8Array | undefined): Place | undefined => {
      if (bytes === undefined) return undefined
      parts.push(bytes)
      const offset = position
      position += bytes.length
      return { offset, length: bytes.length }
    }
    // All column indexes, then all offset indexes: a reader fetches either kind in one range.
    const columnPlaces = this.#columnIndexes.map((row) => row.map(place))
    const offsetPlaces = this.#offsetIndexes.map((row) => row.map(place))
    const rowGroups: RowGroup[] = []
    let described = 0
    for (const [g, rowGroup] of this.#rowGroups.entries()) {
      const columns = rowGroup.columns.map((chunk, c) =>
        withIndexes(chunk, columnPlaces[g]?.[c], offsetPlaces[g]?.[c]),
      )
      rowGroups.push({ ...rowGroup, columns })
      described += columns.length
      if (described < CHUNKS_A_STEP) continue
      described = 0
      await pause()
    }
    const metadata: FileMetaData = {
      version: 1,
      schema: this.#schema.elements,
      num_rows: rowGroups.reduce((sum, g) => sum + g.num_rows, 0),
      row_groups: rowGroups,
      key_value_metadata: this.#keyValues,
      created_by: this.#createdBy,
      // Item 67: without it the bounds mean nothing to readers.
      column_orders: this.#schema.columns.map(() => ({ TYPE_ORDER: {} })),
    }
    place(await serializeFooterInSteps(metadata, pause))
    return {
      tail: concat(parts, position - this.#position),
      sizeBytes: position,
      recordCount: metadata.num_rows,
      splitOffsets: rowGroups.map((g) => g.file_offset as number),
      columnSizes: this.columnSizes(),
    }
  }

  private columnSizes(): Map<number, number> {
    const sizes = new Map<number, number>()
    this.#schema.columns.forEach((column, c) => {
      let bytes = 0
      for (const rowGroup of this.#rowGroups) {
        bytes += rowGroup.columns[c]?.meta_data?.total_compressed_size ?? 0
      }
      sizes.set(column.fieldId, bytes)
    })
    return sizes
  }
}

/** The offset of a chunk's first page. */
export function firstPage(meta: ColumnMetaData): number {
  return Math.min(meta.dictionary_page_offset ?? meta.data_page_offset, meta.data_page_offset)
}

interface Place {
  readonly offset: number
  readonly length: number
}

const CHUNKS_A_STEP = 2000

function withIndexes(
  chunk: ColumnChunk,
  columnIndex: Place | undefined,
  offsetIndex: Place | undefined,
): ColumnChunk {
  return {
    ...chunk,
    column_index_offset: columnIndex?.offset,
    column_index_length: columnIndex?.length,
    offset_index_offset: offsetIndex?.offset,
    offset_index_length: offsetIndex?.length,
  }
}

function moveChunk(
  chunk: ColumnChunk,
  column: ParquetColumn,
  shift: number,
  statistics: Statistics | undefined,
): ColumnChunk {
  const meta = chunk.meta_data
  assert(
    meta !== undefined && meta.type === column.physicalType,
    `column ${column.path.join('.')} is stored as its type says`,
  )
  const dictionary = meta.dictionary_page_offset
  return {
    file_offset: 0,
    meta_data: {
      type: meta.type,
      encodings: meta.encodings,
      path_in_schema: column.path,
      codec: meta.codec,
      num_values: meta.num_values,
      total_uncompressed_size: meta.total_uncompressed_size,
      total_compressed_size: meta.total_compressed_size,
      data_page_offset: meta.data_page_offset + shift,
      dictionary_page_offset: dictionary === undefined ? undefined : dictionary + shift,
      statistics,
      encoding_stats: meta.encoding_stats,
      // Bloom filters lie outside the column data and are not copied.
      size_statistics: meta.size_statistics,
      geospatial_statistics: meta.geospatial_statistics,
    },
  }
}

function statisticsOf(
  statistics: Statistics | undefined,
  column: ParquetColumn,
  nanCount: number | undefined,
): Statistics | undefined {
  if (statistics === undefined) return undefined
  if (!hasOrder(column)) return { null_count: statistics.null_count }
  if (nanCount === undefined) return statistics
  return { ...statistics, nan_count: nanCount }
}

/** The order of geometries is undefined: bounds in it must not be written. */
function hasOrder(column: ParquetColumn): boolean {
  return column.type.kind !== 'geometry' && column.type.kind !== 'geography'
}

function concat(parts: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
