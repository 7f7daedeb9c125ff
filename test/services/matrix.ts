/** The engine × feature matrix of tables that floe writes: what each cell is expected to be. */
import type { CanonicalRow } from './canonical.ts'
import type { EngineName } from './client.ts'

/** What an engine cannot do, with a part of its own error text; anything else has to work. */
interface Limitation {
  readonly engine: EngineName
  /** Of the case's name. */
  readonly feature: RegExp
  readonly formatVersion?: 2 | 3
  readonly error: RegExp
  readonly why: string
}

export const LIMITATIONS: readonly Limitation[] = [
  {
    engine: 'spark',
    feature: /time of day/,
    error: /Spark does not support time|Not a supported type|time/i,
    why: 'no time type',
  },
  {
    engine: 'spark',
    feature: /timestamp(tz)?_ns/,
    error: /not supported|unsupported|nano/i,
    why: 'no nanosecond timestamps',
  },
  {
    engine: 'duckdb',
    feature: /timestamptz_ns/,
    error: /Unrecognized primitive type: timestamptz_ns/,
    why: 'no timestamptz_ns',
  },
]

/** A predicate that an engine fails on, with its own error, whoever wrote the table. */
export const PREDICATE_LIMITATIONS: readonly {
  readonly engine: EngineName
  readonly feature: RegExp
  readonly sql: RegExp
  readonly error: RegExp
  readonly why: string
}[] = [
  {
    engine: 'trino',
    feature: /^partitioned by (identity|truncate)$/,
    sql: / IN \(/,
    error: /Invalid object: null/,
    why: 'IN on a partition column that has nulls fails, on Spark’s tables too',
  },
]

/** A value that an engine gives back otherwise than it was written, whoever wrote the table. */
export const DEVIATIONS: readonly {
  readonly engine: EngineName
  readonly feature: RegExp
  readonly adjust: (row: CanonicalRow) => CanonicalRow
  readonly why: string
}[] = [
  {
    engine: 'pyiceberg',
    feature: /^nested types$/,
    adjust: (row) => ({ ...row, deep: row['deep'] ?? [] }),
    why: 'a null list of structs comes back empty, from Spark’s tables too',
  },
]

export function limitationOf(
  engine: EngineName,
  feature: string,
  formatVersion: 2 | 3,
): Limitation | undefined {
  return LIMITATIONS.find(
    (l) =>
      l.engine === engine &&
      l.feature.test(feature) &&
      (l.formatVersion === undefined || l.formatVersion === formatVersion),
  )
}
