/**
 * The structs of Parquet's metadata, as parquet.thrift declares them: one interface and one table each. Enums stay
 * numbers, so that values of newer format versions survive; the names that code branches on are below.
 * Members keep the names of parquet.thrift.
 * @see https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
 */
import { type ThriftStruct, thriftStruct } from './thrift.ts'

type EmptyStruct = Readonly<Record<never, never>>

export const PhysicalType = {
  BOOLEAN: 0,
  INT32: 1,
  INT64: 2,
  INT96: 3,
  FLOAT: 4,
  DOUBLE: 5,
  BYTE_ARRAY: 6,
  FIXED_LEN_BYTE_ARRAY: 7,
} as const

export const ConvertedType = {
  UTF8: 0,
  MAP: 1,
  MAP_KEY_VALUE: 2,
  LIST: 3,
  ENUM: 4,
  DECIMAL: 5,
  DATE: 6,
  TIME_MILLIS: 7,
  TIME_MICROS: 8,
  TIMESTAMP_MILLIS: 9,
  TIMESTAMP_MICROS: 10,
  UINT_8: 11,
  UINT_16: 12,
  UINT_32: 13,
  UINT_64: 14,
  INT_8: 15,
  INT_16: 16,
  INT_32: 17,
  INT_64: 18,
  JSON: 19,
  BSON: 20,
  INTERVAL: 21,
} as const

export const Repetition = { REQUIRED: 0, OPTIONAL: 1, REPEATED: 2 } as const

export const Codec = {
  UNCOMPRESSED: 0,
  SNAPPY: 1,
  GZIP: 2,
  LZO: 3,
  BROTLI: 4,
  LZ4: 5,
  ZSTD: 6,
  LZ4_RAW: 7,
} as const

export const PageType = {
  DATA_PAGE: 0,
  INDEX_PAGE: 1,
  DICTIONARY_PAGE: 2,
  DATA_PAGE_V2: 3,
} as const

export const EdgeAlgorithm = {
  SPHERICAL: 0,
  VINCENTY: 1,
  THOMAS: 2,
  ANDOYER: 3,
  KARNEY: 4,
} as const

/** One member is set; none for a unit of a newer version. */
export interface TimeUnit {
  readonly MILLIS?: EmptyStruct | undefined
  readonly MICROS?: EmptyStruct | undefined
  readonly NANOS?: EmptyStruct | undefined
}

/** One member is set; none for a type of a newer version: then the physical type counts. */
export interface LogicalType {
  readonly STRING?: EmptyStruct | undefined
  readonly MAP?: EmptyStruct | undefined
  readonly LIST?: EmptyStruct | undefined
  readonly ENUM?: EmptyStruct | undefined
  readonly DECIMAL?: { readonly scale: number; readonly precision: number } | undefined
  readonly DATE?: EmptyStruct | undefined
  readonly TIME?: { readonly isAdjustedToUTC: boolean; readonly unit: TimeUnit } | undefined
  readonly TIMESTAMP?: { readonly isAdjustedToUTC: boolean; readonly unit: TimeUnit } | undefined
  readonly INTEGER?: { readonly bitWidth: number; readonly isSigned: boolean } | undefined
  readonly UNKNOWN?: EmptyStruct | undefined
  readonly JSON?: EmptyStruct | undefined
  readonly BSON?: EmptyStruct | undefined
  readonly UUID?: EmptyStruct | undefined
  readonly FLOAT16?: EmptyStruct | undefined
  readonly VARIANT?: { readonly specification_version?: number | undefined } | undefined
  readonly GEOMETRY?: { readonly crs?: string | undefined } | undefined
  readonly GEOGRAPHY?:
    | { readonly crs?: string | undefined; readonly algorithm?: number | undefined }
    | undefined
  readonly FILE?: EmptyStruct | undefined
}

export interface SchemaElement {
  readonly type?: number | undefined
  readonly type_length?: number | undefined
  readonly repetition_type?: number | undefined
  readonly name: string
  readonly num_children?: number | undefined
  readonly converted_type?: number | undefined
  readonly scale?: number | undefined
  readonly precision?: number | undefined
  readonly field_id?: number | undefined
  readonly logicalType?: LogicalType | undefined
}

export interface Statistics {
  /** Deprecated: signed order whatever the type. */
  readonly max?: Uint8Array | undefined
  readonly min?: Uint8Array | undefined
  readonly null_count?: number | undefined
  readonly distinct_count?: number | undefined
  readonly max_value?: Uint8Array | undefined
  readonly min_value?: Uint8Array | undefined
  readonly is_max_value_exact?: boolean | undefined
  readonly is_min_value_exact?: boolean | undefined
  readonly nan_count?: number | undefined
}

export interface SizeStatistics {
  readonly unencoded_byte_array_data_bytes?: number | undefined
  readonly repetition_level_histogram?: readonly number[] | undefined
  readonly definition_level_histogram?: readonly number[] | undefined
}

export interface BoundingBox {
  readonly xmin: number
  readonly xmax: number
  readonly ymin: number
  readonly ymax: number
  readonly zmin?: number | undefined
  readonly zmax?: number | undefined
  readonly mmin?: number | undefined
  readonly mmax?: number | undefined
}

export interface GeospatialStatistics {
  readonly bbox?: BoundingBox | undefined
  readonly geospatial_types?: readonly number[] | undefined
}

export interface KeyValue {
  readonly key: string
  readonly value?: string | undefined
}

export interface SortingColumn {
  readonly column_idx: number
  readonly descending: boolean
  readonly nulls_first: boolean
}

export interface PageEncodingStats {
  readonly page_type: number
  readonly encoding: number
  readonly count: number
}

export interface ColumnMetaData {
  readonly type: number
  readonly encodings: readonly number[]
  readonly path_in_schema: readonly string[]
  readonly codec: number
  readonly num_values: number
  readonly total_uncompressed_size: number
  readonly total_compressed_size: number
  readonly key_value_metadata?: readonly KeyValue[] | undefined
  readonly data_page_offset: number
  readonly index_page_offset?: number | undefined
  readonly dictionary_page_offset?: number | undefined
  readonly statistics?: Statistics | undefined
  readonly encoding_stats?: readonly PageEncodingStats[] | undefined
  readonly bloom_filter_offset?: number | undefined
  readonly bloom_filter_length?: number | undefined
  readonly size_statistics?: SizeStatistics | undefined
  readonly geospatial_statistics?: GeospatialStatistics | undefined
}

export interface ColumnCryptoMetaData {
  readonly ENCRYPTION_WITH_FOOTER_KEY?: EmptyStruct | undefined
  readonly ENCRYPTION_WITH_COLUMN_KEY?:
    | { readonly path_in_schema: readonly string[]; readonly key_metadata?: Uint8Array | undefined }
    | undefined
}

export interface ColumnChunk {
  readonly file_path?: string | undefined
  /** Some writers leave this deprecated member out. */
  readonly file_offset?: number | undefined
  readonly meta_data?: ColumnMetaData | undefined
  readonly offset_index_offset?: number | undefined
  readonly offset_index_length?: number | undefined
  readonly column_index_offset?: number | undefined
  readonly column_index_length?: number | undefined
  readonly crypto_metadata?: ColumnCryptoMetaData | undefined
  readonly encrypted_column_metadata?: Uint8Array | undefined
}

export interface RowGroup {
  readonly columns: readonly ColumnChunk[]
  readonly total_byte_size: number
  readonly num_rows: number
  readonly sorting_columns?: readonly SortingColumn[] | undefined
  readonly file_offset?: number | undefined
  readonly total_compressed_size?: number | undefined
  readonly ordinal?: number | undefined
}

/** One member is set; none for an order of a newer version: then min and max mean nothing. */
export interface ColumnOrder {
  readonly TYPE_ORDER?: EmptyStruct | undefined
  readonly IEEE_754_TOTAL_ORDER?: EmptyStruct | undefined
  readonly INT96_TIMESTAMP_ORDER?: EmptyStruct | undefined
}

export interface EncryptionAlgorithm {
  readonly AES_GCM_V1?: AesGcm | undefined
  readonly AES_GCM_CTR_V1?: AesGcm | undefined
}

export interface AesGcm {
  readonly aad_prefix?: Uint8Array | undefined
  readonly aad_file_unique?: Uint8Array | undefined
  readonly supply_aad_prefix?: boolean | undefined
}

export interface FileMetaData {
  readonly version: number
  /** Depth first; the first is the root. */
  readonly schema: readonly SchemaElement[]
  readonly num_rows: number
  readonly row_groups: readonly RowGroup[]
  readonly key_value_metadata?: readonly KeyValue[] | undefined
  readonly created_by?: string | undefined
  /** One for each leaf. */
  readonly column_orders?: readonly ColumnOrder[] | undefined
  readonly encryption_algorithm?: EncryptionAlgorithm | undefined
  readonly footer_signing_key_metadata?: Uint8Array | undefined
}

export interface PageLocation {
  readonly offset: number
  readonly compressed_page_size: number
  readonly first_row_index: number
}

export interface OffsetIndex {
  readonly page_locations: readonly PageLocation[]
  readonly unencoded_byte_array_data_bytes?: readonly number[] | undefined
}

export interface ColumnIndex {
  readonly null_pages: readonly boolean[]
  readonly min_values: readonly Uint8Array[]
  readonly max_values: readonly Uint8Array[]
  readonly boundary_order: number
  readonly null_counts?: readonly number[] | undefined
  readonly repetition_level_histograms?: readonly number[] | undefined
  readonly definition_level_histograms?: readonly number[] | undefined
  readonly nan_counts?: readonly number[] | undefined
}

export interface DataPageHeader {
  readonly num_values: number
  readonly encoding: number
  readonly definition_level_encoding: number
  readonly repetition_level_encoding: number
  readonly statistics?: Statistics | undefined
}

export interface DictionaryPageHeader {
  readonly num_values: number
  readonly encoding: number
  readonly is_sorted?: boolean | undefined
}

export interface DataPageHeaderV2 {
  readonly num_values: number
  readonly num_nulls: number
  readonly num_rows: number
  readonly encoding: number
  readonly definition_levels_byte_length: number
  readonly repetition_levels_byte_length: number
  readonly is_compressed?: boolean | undefined
  readonly statistics?: Statistics | undefined
}

export interface PageHeader {
  readonly type: number
  readonly uncompressed_page_size: number
  readonly compressed_page_size: number
  readonly crc?: number | undefined
  readonly data_page_header?: DataPageHeader | undefined
  readonly index_page_header?: EmptyStruct | undefined
  readonly dictionary_page_header?: DictionaryPageHeader | undefined
  readonly data_page_header_v2?: DataPageHeaderV2 | undefined
}

const EMPTY = thriftStruct<EmptyStruct>('empty', {})

const STATISTICS = thriftStruct<Statistics>('Statistics', {
  max: [1, 'binary'],
  min: [2, 'binary'],
  null_count: [3, 'i64'],
  distinct_count: [4, 'i64'],
  max_value: [5, 'binary'],
  min_value: [6, 'binary'],
  is_max_value_exact: [7, 'bool'],
  is_min_value_exact: [8, 'bool'],
  nan_count: [9, 'i64'],
})

const TIME_UNIT = thriftStruct<TimeUnit>('TimeUnit', {
  MILLIS: [1, EMPTY],
  MICROS: [2, EMPTY],
  NANOS: [3, EMPTY],
})

const INSTANT = thriftStruct<{ isAdjustedToUTC: boolean; unit: TimeUnit }>('TimestampType', {
  isAdjustedToUTC: [1, 'bool', 'required'],
  unit: [2, TIME_UNIT, 'required'],
})

const LOGICAL_TYPE = thriftStruct<LogicalType>('LogicalType', {
  STRING: [1, EMPTY],
  MAP: [2, EMPTY],
  LIST: [3, EMPTY],
  ENUM: [4, EMPTY],
  DECIMAL: [
    5,
    thriftStruct<{ scale: number; precision: number }>('DecimalType', {
      scale: [1, 'i32', 'required'],
      precision: [2, 'i32', 'required'],
    }),
  ],
  DATE: [6, EMPTY],
  TIME: [7, INSTANT],
  TIMESTAMP: [8, INSTANT],
  INTEGER: [
    10,
    thriftStruct<{ bitWidth: number; isSigned: boolean }>('IntType', {
      bitWidth: [1, 'i8', 'required'],
      isSigned: [2, 'bool', 'required'],
    }),
  ],
  UNKNOWN: [11, EMPTY],
  JSON: [12, EMPTY],
  BSON: [13, EMPTY],
  UUID: [14, EMPTY],
  FLOAT16: [15, EMPTY],
  VARIANT: [
    16,
    thriftStruct<{ specification_version?: number | undefined }>('VariantType', {
      specification_version: [1, 'i8'],
    }),
  ],
  GEOMETRY: [
    17,
    thriftStruct<{ crs?: string | undefined }>('GeometryType', { crs: [1, 'string'] }),
  ],
  GEOGRAPHY: [
    18,
    thriftStruct<{ crs?: string | undefined; algorithm?: number | undefined }>('GeographyType', {
      crs: [1, 'string'],
      algorithm: [2, 'i32'],
    }),
  ],
  FILE: [19, EMPTY],
})

const SCHEMA_ELEMENT = thriftStruct<SchemaElement>('SchemaElement', {
  type: [1, 'i32'],
  type_length: [2, 'i32'],
  repetition_type: [3, 'i32'],
  name: [4, 'string', 'required'],
  num_children: [5, 'i32'],
  converted_type: [6, 'i32'],
  scale: [7, 'i32'],
  precision: [8, 'i32'],
  field_id: [9, 'i32'],
  logicalType: [10, LOGICAL_TYPE],
})

const KEY_VALUE = thriftStruct<KeyValue>('KeyValue', {
  key: [1, 'string', 'required'],
  value: [2, 'string'],
})

const COLUMN_META_DATA = thriftStruct<ColumnMetaData>('ColumnMetaData', {
  type: [1, 'i32', 'required'],
  encodings: [2, { list: 'i32' }, 'required'],
  path_in_schema: [3, { list: 'string' }, 'required'],
  codec: [4, 'i32', 'required'],
  num_values: [5, 'i64', 'required'],
  total_uncompressed_size: [6, 'i64', 'required'],
  total_compressed_size: [7, 'i64', 'required'],
  key_value_metadata: [8, { list: KEY_VALUE }],
  data_page_offset: [9, 'i64', 'required'],
  index_page_offset: [10, 'i64'],
  dictionary_page_offset: [11, 'i64'],
  statistics: [12, STATISTICS],
  encoding_stats: [
    13,
    {
      list: thriftStruct<PageEncodingStats>('PageEncodingStats', {
        page_type: [1, 'i32', 'required'],
        encoding: [2, 'i32', 'required'],
        count: [3, 'i32', 'required'],
      }),
    },
  ],
  bloom_filter_offset: [14, 'i64'],
  bloom_filter_length: [15, 'i32'],
  size_statistics: [
    16,
    thriftStruct<SizeStatistics>('SizeStatistics', {
      unencoded_byte_array_data_bytes: [1, 'i64'],
      repetition_level_histogram: [2, { list: 'i64' }],
      definition_level_histogram: [3, { list: 'i64' }],
    }),
  ],
  geospatial_statistics: [
    17,
    thriftStruct<GeospatialStatistics>('GeospatialStatistics', {
      bbox: [
        1,
        thriftStruct<BoundingBox>('BoundingBox', {
          xmin: [1, 'double', 'required'],
          xmax: [2, 'double', 'required'],
          ymin: [3, 'double', 'required'],
          ymax: [4, 'double', 'required'],
          zmin: [5, 'double'],
          zmax: [6, 'double'],
          mmin: [7, 'double'],
          mmax: [8, 'double'],
        }),
      ],
      geospatial_types: [2, { list: 'i32' }],
    }),
  ],
})

const COLUMN_CHUNK = thriftStruct<ColumnChunk>('ColumnChunk', {
  file_path: [1, 'string'],
  file_offset: [2, 'i64'],
  meta_data: [3, COLUMN_META_DATA],
  offset_index_offset: [4, 'i64'],
  offset_index_length: [5, 'i32'],
  column_index_offset: [6, 'i64'],
  column_index_length: [7, 'i32'],
  crypto_metadata: [
    8,
    thriftStruct<ColumnCryptoMetaData>('ColumnCryptoMetaData', {
      ENCRYPTION_WITH_FOOTER_KEY: [1, EMPTY],
      ENCRYPTION_WITH_COLUMN_KEY: [
        2,
        thriftStruct<{
          path_in_schema: readonly string[]
          key_metadata?: Uint8Array | undefined
        }>('EncryptionWithColumnKey', {
          path_in_schema: [1, { list: 'string' }, 'required'],
          key_metadata: [2, 'binary'],
        }),
      ],
    }),
  ],
  encrypted_column_metadata: [9, 'binary'],
})

const ROW_GROUP = thriftStruct<RowGroup>('RowGroup', {
  columns: [1, { list: COLUMN_CHUNK }, 'required'],
  total_byte_size: [2, 'i64', 'required'],
  num_rows: [3, 'i64', 'required'],
  sorting_columns: [
    4,
    {
      list: thriftStruct<SortingColumn>('SortingColumn', {
        column_idx: [1, 'i32', 'required'],
        descending: [2, 'bool', 'required'],
        nulls_first: [3, 'bool', 'required'],
      }),
    },
  ],
  file_offset: [5, 'i64'],
  total_compressed_size: [6, 'i64'],
  ordinal: [7, 'i16'],
})

const AES_GCM = thriftStruct<AesGcm>('AesGcmV1', {
  aad_prefix: [1, 'binary'],
  aad_file_unique: [2, 'binary'],
  supply_aad_prefix: [3, 'bool'],
})

export const FILE_META_DATA: ThriftStruct = thriftStruct<FileMetaData>('FileMetaData', {
  version: [1, 'i32', 'required'],
  schema: [2, { list: SCHEMA_ELEMENT }, 'required'],
  num_rows: [3, 'i64', 'required'],
  row_groups: [4, { list: ROW_GROUP }, 'required'],
  key_value_metadata: [5, { list: KEY_VALUE }],
  created_by: [6, 'string'],
  column_orders: [
    7,
    {
      list: thriftStruct<ColumnOrder>('ColumnOrder', {
        TYPE_ORDER: [1, EMPTY],
        IEEE_754_TOTAL_ORDER: [2, EMPTY],
        INT96_TIMESTAMP_ORDER: [3, EMPTY],
      }),
    },
  ],
  encryption_algorithm: [
    8,
    thriftStruct<EncryptionAlgorithm>('EncryptionAlgorithm', {
      AES_GCM_V1: [1, AES_GCM],
      AES_GCM_CTR_V1: [2, AES_GCM],
    }),
  ],
  footer_signing_key_metadata: [9, 'binary'],
})

export const OFFSET_INDEX: ThriftStruct = thriftStruct<OffsetIndex>('OffsetIndex', {
  page_locations: [
    1,
    {
      list: thriftStruct<PageLocation>('PageLocation', {
        offset: [1, 'i64', 'required'],
        compressed_page_size: [2, 'i32', 'required'],
        first_row_index: [3, 'i64', 'required'],
      }),
    },
    'required',
  ],
  unencoded_byte_array_data_bytes: [2, { list: 'i64' }],
})

export const COLUMN_INDEX: ThriftStruct = thriftStruct<ColumnIndex>('ColumnIndex', {
  null_pages: [1, { list: 'bool' }, 'required'],
  min_values: [2, { list: 'binary' }, 'required'],
  max_values: [3, { list: 'binary' }, 'required'],
  boundary_order: [4, 'i32', 'required'],
  null_counts: [5, { list: 'i64' }],
  repetition_level_histograms: [6, { list: 'i64' }],
  definition_level_histograms: [7, { list: 'i64' }],
  nan_counts: [8, { list: 'i64' }],
})

export const PAGE_HEADER: ThriftStruct = thriftStruct<PageHeader>('PageHeader', {
  type: [1, 'i32', 'required'],
  uncompressed_page_size: [2, 'i32', 'required'],
  compressed_page_size: [3, 'i32', 'required'],
  crc: [4, 'i32'],
  data_page_header: [
    5,
    thriftStruct<DataPageHeader>('DataPageHeader', {
      num_values: [1, 'i32', 'required'],
      encoding: [2, 'i32', 'required'],
      definition_level_encoding: [3, 'i32', 'required'],
      repetition_level_encoding: [4, 'i32', 'required'],
      statistics: [5, STATISTICS],
    }),
  ],
  index_page_header: [6, EMPTY],
  dictionary_page_header: [
    7,
    thriftStruct<DictionaryPageHeader>('DictionaryPageHeader', {
      num_values: [1, 'i32', 'required'],
      encoding: [2, 'i32', 'required'],
      is_sorted: [3, 'bool'],
    }),
  ],
  data_page_header_v2: [
    8,
    thriftStruct<DataPageHeaderV2>('DataPageHeaderV2', {
      num_values: [1, 'i32', 'required'],
      num_nulls: [2, 'i32', 'required'],
      num_rows: [3, 'i32', 'required'],
      encoding: [4, 'i32', 'required'],
      definition_levels_byte_length: [5, 'i32', 'required'],
      repetition_levels_byte_length: [6, 'i32', 'required'],
      is_compressed: [7, 'bool'],
      statistics: [8, STATISTICS],
    }),
  ],
})
