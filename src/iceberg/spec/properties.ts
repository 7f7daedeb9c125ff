/** The table properties that are honoured, with their defaults. Iceberg docs §Table properties (item 25). */
import { FloeError } from '../../core/errors.ts'
import type { RetryPolicy } from '../../core/retry.ts'
import { DEFAULT_COMMIT_RETRY } from '../../core/retry.ts'

export type Properties = Readonly<Record<string, string>>

const MIB = 1024 * 1024

/** Names of properties, as the reference implementation spells them. */
export const TableProperty = {
  DATA_PATH: 'write.data.path',
  METADATA_PATH: 'write.metadata.path',
  PARQUET_COMPRESSION: 'write.parquet.compression-codec',
  PARQUET_ROW_GROUP_BYTES: 'write.parquet.row-group-size-bytes',
  TARGET_FILE_SIZE: 'write.target-file-size-bytes',
  METADATA_COMPRESSION: 'write.metadata.compression-codec',
  METADATA_PREVIOUS_MAX: 'write.metadata.previous-versions-max',
  METADATA_DELETE_AFTER_COMMIT: 'write.metadata.delete-after-commit.enabled',
  RETRY_NUM: 'commit.retry.num-retries',
  RETRY_MIN_WAIT: 'commit.retry.min-wait-ms',
  RETRY_MAX_WAIT: 'commit.retry.max-wait-ms',
  RETRY_TOTAL: 'commit.retry.total-timeout-ms',
  MANIFEST_TARGET_SIZE: 'commit.manifest.target-size-bytes',
  MANIFEST_MIN_MERGE: 'commit.manifest.min-count-to-merge',
  MANIFEST_MERGE_ENABLED: 'commit.manifest-merge.enabled',
  NAME_MAPPING: 'schema.name-mapping.default',
  DELETE_MODE: 'write.delete.mode',
  DELETE_ISOLATION: 'write.delete.isolation-level',
  MERGE_MODE: 'write.merge.mode',
  MERGE_ISOLATION: 'write.merge.isolation-level',
  GC_ENABLED: 'gc.enabled',
  EXPIRE_MIN_SNAPSHOTS: 'history.expire.min-snapshots-to-keep',
  EXPIRE_MAX_AGE_MS: 'history.expire.max-snapshot-age-ms',
} as const

/**
 * Names that tell how to make or change a table and are never stored in it. Those of the reference implementation.
 */
export const RESERVED_PROPERTIES: ReadonlySet<string> = new Set([
  'format-version',
  'uuid',
  'snapshot-count',
  'current-snapshot-id',
  'current-snapshot-summary',
  'current-snapshot-timestamp-ms',
  'current-schema',
  'default-partition-spec',
  'default-sort-order',
])

/**
 * Checks properties before they are set, so that a bad value fails here and not in every later commit.
 * @throws BAD_ARGUMENT for a reserved name or a value that cannot be honoured; UNSUPPORTED_CODEC
 */
export function checkProperties(properties: Properties): void {
  for (const name of Object.keys(properties)) {
    if (name === 'format-version') {
      throw new FloeError(
        'BAD_ARGUMENT',
        'format-version is not a table property: give formatVersion when the table is created, or upgrade it',
        { context: { property: name } },
      )
    }
    if (RESERVED_PROPERTIES.has(name)) {
      throw new FloeError('BAD_ARGUMENT', `The table property ${name} is reserved and never set`, {
        context: { property: name },
      })
    }
  }
  targetFileSizeBytes(properties)
  previousVersionsMax(properties)
  commitRetryPolicy(properties)
  manifestMergePolicy(properties)
  metadataCodec(properties)
  boolean(properties, TableProperty.METADATA_DELETE_AFTER_COMMIT, false)
  boolean(properties, TableProperty.GC_ENABLED, true)
  snapshotRetention(properties)
  for (const change of ['delete', 'merge'] as const) {
    rowChangeMode(properties, change)
    isolationLevel(properties, change)
  }
}

/** `write.target-file-size-bytes`, default 512 MiB. */
export function targetFileSizeBytes(properties: Properties): number {
  return positiveInteger(properties, TableProperty.TARGET_FILE_SIZE, 512 * MIB)
}

/** `write.metadata.previous-versions-max`, default 100; at least 1 whatever it says, as in Java. */
export function previousVersionsMax(properties: Properties): number {
  const max = integer(properties, TableProperty.METADATA_PREVIOUS_MAX, 100, Number.MIN_SAFE_INTEGER)
  return Math.max(1, max)
}

/** Which snapshots a table asks to keep; what it does not say is left out. */
export interface SnapshotRetention {
  readonly minSnapshotsToKeep?: number
  readonly maxSnapshotAgeMs?: number
}

/** `history.expire.*`, for branches that have no settings of their own (item 127). @throws BAD_ARGUMENT */
export function snapshotRetention(properties: Properties): SnapshotRetention {
  const keep = long(properties, TableProperty.EXPIRE_MIN_SNAPSHOTS)
  const ageMs = long(properties, TableProperty.EXPIRE_MAX_AGE_MS)
  return {
    ...(keep === undefined ? {} : { minSnapshotsToKeep: keep }),
    ...(ageMs === undefined ? {} : { maxSnapshotAgeMs: ageMs }),
  }
}

/** How metadata files are compressed. */
export type MetadataCodec = 'none' | 'gzip'

/** `write.metadata.compression-codec`, default none. @throws UNSUPPORTED_CODEC */
export function metadataCodec(properties: Properties): MetadataCodec {
  const text = properties[TableProperty.METADATA_COMPRESSION]
  const codec = text?.toLowerCase() ?? 'none'
  if (codec === 'none' || codec === 'gzip') return codec
  throw new FloeError(
    'UNSUPPORTED_CODEC',
    `Cannot write metadata with ${TableProperty.METADATA_COMPRESSION} = ${JSON.stringify(codec.slice(0, 60))}: it may be none or gzip`,
    { context: { property: TableProperty.METADATA_COMPRESSION, codec: codec.slice(0, 60) } },
  )
}

/** `commit.retry.*`; what is not set, as in `defaults`: Iceberg's own if left out. */
export function commitRetryPolicy(
  properties: Properties,
  defaults: RetryPolicy = DEFAULT_COMMIT_RETRY,
): RetryPolicy {
  return {
    numRetries: integer(properties, TableProperty.RETRY_NUM, defaults.numRetries, 0),
    minWaitMs: positiveInteger(properties, TableProperty.RETRY_MIN_WAIT, defaults.minWaitMs),
    maxWaitMs: positiveInteger(properties, TableProperty.RETRY_MAX_WAIT, defaults.maxWaitMs),
    totalTimeoutMs: positiveInteger(properties, TableProperty.RETRY_TOTAL, defaults.totalTimeoutMs),
  }
}

/** How changed rows are written: their files anew, or deletes beside them. */
export type RowChangeMode = 'copy-on-write' | 'merge-on-read'

/** `write.delete.mode`, `write.merge.mode`; undefined if not set: whichever is cheaper. @throws BAD_ARGUMENT */
export function rowChangeMode(
  properties: Properties,
  change: 'delete' | 'merge',
): RowChangeMode | undefined {
  const name = change === 'delete' ? TableProperty.DELETE_MODE : TableProperty.MERGE_MODE
  const text = properties[name]
  if (text === undefined || text === 'copy-on-write' || text === 'merge-on-read') return text
  throw bad(name, text, 'copy-on-write or merge-on-read')
}

/** Whether rows that others added meanwhile count as seen. */
export type IsolationLevel = 'serializable' | 'snapshot'

/** `write.delete.isolation-level`, `write.merge.isolation-level`, default serializable. @throws BAD_ARGUMENT */
export function isolationLevel(properties: Properties, change: 'delete' | 'merge'): IsolationLevel {
  const name = change === 'delete' ? TableProperty.DELETE_ISOLATION : TableProperty.MERGE_ISOLATION
  const text = properties[name] ?? 'serializable'
  if (text === 'serializable' || text === 'snapshot') return text
  throw bad(name, text, 'serializable or snapshot')
}

/** How manifests are merged on commit (`commit.manifest.*`). */
export interface ManifestMergePolicy {
  readonly enabled: boolean
  readonly targetSizeBytes: number
  readonly minCountToMerge: number
}

export function manifestMergePolicy(properties: Properties): ManifestMergePolicy {
  return {
    enabled: boolean(properties, TableProperty.MANIFEST_MERGE_ENABLED, true),
    targetSizeBytes: positiveInteger(properties, TableProperty.MANIFEST_TARGET_SIZE, 8 * MIB),
    minCountToMerge: positiveInteger(properties, TableProperty.MANIFEST_MIN_MERGE, 100),
  }
}

/** A boolean property. @throws BAD_ARGUMENT naming property and value. */
export function boolean(properties: Properties, name: string, fallback: boolean): boolean {
  const text = properties[name]
  if (text === undefined) return fallback
  const lower = text.toLowerCase()
  if (lower !== 'true' && lower !== 'false') throw bad(name, text, 'true or false')
  return lower === 'true'
}

function positiveInteger(properties: Properties, name: string, fallback: number): number {
  return integer(properties, name, fallback, 1)
}

function integer(properties: Properties, name: string, fallback: number, least: number): number {
  const text = properties[name]
  if (text === undefined) return fallback
  const value = Number(text)
  if (!/^\s*[+-]?\d+\s*$/.test(text) || !Number.isSafeInteger(value) || value < least) {
    throw bad(
      name,
      text,
      least === Number.MIN_SAFE_INTEGER ? 'an integer' : `an integer of at least ${least}`,
    )
  }
  return value
}

/** An amount above 0 that is compared only: the largest long, which stands for ever, need not be exact. */
function long(properties: Properties, name: string): number | undefined {
  const text = properties[name]
  if (text === undefined) return undefined
  if (!/^\s*\+?\d{1,19}\s*$/.test(text) || Number(text) === 0) {
    throw bad(name, text, 'an integer of at least 1')
  }
  return Number(text)
}

/** The error for a value of a property that is read outside this module. @param expected what the value has to be */
export function badProperty(name: string, text: string, expected: string): FloeError {
  return new FloeError(
    'BAD_ARGUMENT',
    `The table property ${name} is ${JSON.stringify(text.slice(0, 60))} but must be ${expected}`,
    { context: { property: name } },
  )
}

function bad(name: string, text: string, expected: string): FloeError {
  return new FloeError(
    'BAD_ARGUMENT',
    `The table property ${name} must be ${expected}, not ${JSON.stringify(text.slice(0, 60))}`,
    { context: { property: name } },
  )
}
