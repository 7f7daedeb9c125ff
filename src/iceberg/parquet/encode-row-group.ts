/** Worker side of writing: a table in the encoder's memory to a Parquet file of one row group. */
import type { Table } from 'parquet-wasm/esm/parquet_wasm.js'
import type { CompressionCodec } from './codecs.ts'
import type { ParquetWasm } from './parquet-wasm.ts'

export interface EncodeOptions {
  readonly codec: CompressionCodec
  readonly pageBytes: number
  readonly dictionaryBytes: number
  /** Top-level columns for which a dictionary does not pay. */
  readonly plainColumns: readonly string[]
  /** Top-level columns that get no statistics. */
  readonly withoutStatistics: readonly string[]
}

/**
 * Encodes the batches of a table, which is used up.
 * @returns the file: magic, column chunks, page indexes, footer.
 */
export function encodeRowGroup(
  wasm: ParquetWasm,
  table: Table,
  options: EncodeOptions,
): Uint8Array {
  const codec = options.codec.toUpperCase() as Uppercase<CompressionCodec>
  let builder = new wasm.WriterPropertiesBuilder()
    .setCompression(wasm.Compression[codec])
    // Rows are grouped before they come here.
    .setMaxRowGroupSize(MAX_ROWS)
    .setDataPageSizeLimit(options.pageBytes)
    .setDictionaryPageSizeLimit(options.dictionaryBytes)
    // Pages of version 1 with PLAIN and dictionary encodings are what every reader of Iceberg tables reads.
    .setWriterVersion(wasm.WriterVersion.V1)
  for (const column of options.plainColumns) {
    builder = builder.setColumnDictionaryEnabled(column, false)
  }
  for (const column of options.withoutStatistics) {
    builder = builder.setColumnStatisticsEnabled(column, wasm.EnabledStatistics.None)
  }
  // Takes the table and the properties, also when it fails.
  return wasm.writeParquet(table, builder.build())
}

const MAX_ROWS = 2 ** 31 - 1
