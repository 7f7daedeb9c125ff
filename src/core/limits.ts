/**
 * Bounds on everything that grows with input: one place, with units, defaults and the name of the
 * option that raises each. Table contents are untrusted: a declared size is checked here first.
 */
import { FloeError } from './errors.ts'

/** All limits of a lake. Every one can be set in `openLake(location, { limits: { … } })`. */
export interface Limits {
  /** Largest metadata.json, catalog object or REST body read, in bytes (after decompression). */
  readonly metadataBytes: number
  /** Largest manifest or manifest list read, in bytes, as stored. */
  readonly manifestBytes: number
  /** Largest decompressed Avro block, in bytes. */
  readonly avroBlockBytes: number
  /** Deepest nesting of JSON, Avro, Thrift or schema types read. */
  readonly nestingDepth: number
  /** Most fields (nested ones included) of a schema. */
  readonly schemaFields: number
  /** Largest Parquet footer read, in bytes. */
  readonly parquetFooterBytes: number
  /** Largest decoded size of one row group's projected columns, in bytes, by the file's own declaration. */
  readonly rowGroupBytes: number
  /** Largest delete file or deletion vector read, in bytes as stored, and of one file's deleted positions decoded. */
  readonly deleteFileBytes: number
  /** Largest single value (string, binary) accepted for writing, in bytes. */
  readonly valueBytes: number
  /** Data bytes buffered for writing over all open partitions of one write, in bytes. */
  readonly writeBufferBytes: number
  /** Partitions with an open file at once in one write; the fullest is closed beyond it. */
  readonly openPartitions: number
  /** Concurrent store requests of one operation. */
  readonly concurrentRequests: number
  /** Memory of one Parquet worker's WASM instance after which it is replaced, in bytes. */
  readonly workerMemoryBytes: number
  /** Decoded bytes that a scan reads ahead of its consumer. */
  readonly scanBufferBytes: number
  /** Memory of one table's primary-key index, in bytes: 16 to 64 for a key, free slots included, and 8 for each row of files that store row ids. */
  readonly indexMemoryBytes: number
}

const MIB = 1024 * 1024

/** The defaults, sized for a small server process. */
export const DEFAULT_LIMITS: Limits = Object.freeze({
  metadataBytes: 256 * MIB,
  manifestBytes: 256 * MIB,
  avroBlockBytes: 64 * MIB,
  nestingDepth: 64,
  schemaFields: 10_000,
  parquetFooterBytes: 64 * MIB,
  rowGroupBytes: 512 * MIB,
  deleteFileBytes: 256 * MIB,
  valueBytes: 64 * MIB,
  writeBufferBytes: 64 * MIB,
  openPartitions: 64,
  concurrentRequests: 16,
  workerMemoryBytes: 256 * MIB,
  scanBufferBytes: 64 * MIB,
  indexMemoryBytes: 1024 * MIB,
})

/**
 * The defaults with the given limits changed.
 * @throws BAD_ARGUMENT if a name is unknown or a value is not a positive safe integer.
 */
export function resolveLimits(overrides: Partial<Limits> = {}): Limits {
  for (const [name, value] of Object.entries(overrides)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      throw new FloeError(
        'BAD_ARGUMENT',
        `Unknown limit "${name}": known are ${Object.keys(DEFAULT_LIMITS).join(', ')}`,
      )
    }
    if (!Number.isSafeInteger(value) || value <= 0) {
      throw new FloeError(
        'BAD_ARGUMENT',
        `Limit ${name} must be a positive integer, not ${String(value)}`,
      )
    }
  }
  return Object.freeze({ ...DEFAULT_LIMITS, ...overrides })
}

/**
 * Checks a size against a limit before anything of that size is allocated.
 * @throws LIMIT_EXCEEDED naming the limit, the value and the option that raises it.
 */
export function checkLimit(limits: Limits, name: keyof Limits, value: number, what: string): void {
  if (value <= limits[name]) return
  throw new FloeError(
    'LIMIT_EXCEEDED',
    `${what} needs ${value}, more than the limit ${name} = ${limits[name]}. ` +
      `Raise limits.${name} in openLake if this is expected`,
    { context: { limit: name, value, max: limits[name] } },
  )
}
