/** How data files are written: the table properties `write.parquet.*` with floe's defaults. */
import { badProperty } from '../spec/properties.ts'
import { type CompressionCodec, codecFromProperty } from './codecs.ts'

export interface ParquetWriteOptions {
  readonly codec: CompressionCodec
  /** A row group closes when its rows take so many bytes in memory … */
  readonly rowGroupBytes: number
  /** … or when it has so many rows. */
  readonly rowGroupRows: number
  readonly pageBytes: number
  readonly dictionaryBytes: number
  /** Columns, by the names of their path joined with dots, that get no statistics in the file. */
  readonly withoutStatistics: ReadonlySet<string>
}

/**
 * The options that a table's properties ask for. `write.parquet.row-group-size-bytes` makes row groups smaller than
 * the default, never larger: two workers and the rows under way have to fit into memory. Properties of the
 * reference implementation that this encoder has no means for (compression level, bloom filters, page row limit)
 * are advice to other writers.
 * @throws UNSUPPORTED_CODEC; BAD_ARGUMENT for a size that is no positive integer, or a switch that is neither true nor false.
 */
export function parquetWriteOptions(
  properties: Readonly<Record<string, string>>,
): ParquetWriteOptions {
  const codec = properties['write.parquet.compression-codec']
  const size = (name: string, fallback: number): number =>
    Math.min(MAX_SIZE, positiveInteger(properties, name) ?? fallback)
  return {
    codec: codec === undefined ? 'zstd' : codecFromProperty(codec),
    rowGroupBytes: Math.min(
      ROW_GROUP_BYTES,
      size('write.parquet.row-group-size-bytes', ROW_GROUP_BYTES),
    ),
    rowGroupRows: ROW_GROUP_ROWS,
    pageBytes: size('write.parquet.page-size-bytes', MIB),
    dictionaryBytes: size('write.parquet.dict-size-bytes', 2 * MIB),
    withoutStatistics: withoutStatistics(properties),
  }
}

const MIB = 1024 * 1024
const ROW_GROUP_BYTES = 16 * MIB
const ROW_GROUP_ROWS = 131_072
const MAX_SIZE = 2 ** 30

const STATISTICS_PREFIX = 'write.parquet.stats-enabled.column.'

function withoutStatistics(properties: Readonly<Record<string, string>>): Set<string> {
  const columns = new Set<string>()
  for (const [name, text] of Object.entries(properties)) {
    if (!name.startsWith(STATISTICS_PREFIX)) continue
    const value = text.toLowerCase()
    if (value === 'false') columns.add(name.slice(STATISTICS_PREFIX.length))
    else if (value !== 'true') throw badProperty(name, text, 'true or false')
  }
  return columns
}

function positiveInteger(
  properties: Readonly<Record<string, string>>,
  name: string,
): number | undefined {
  const text = properties[name]
  if (text === undefined) return undefined
  const value = /^\d{1,15}$/.test(text) ? Number(text) : 0
  if (value > 0) return value
  throw badProperty(name, text, 'a number of bytes')
}
