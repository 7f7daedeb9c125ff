/** Tables that Spark or Trino make and change by SQL, with rows from a model. */
import { readFileSync } from 'node:fs'
import type { CanonicalRow } from './canonical.ts'
import { read, sparkSql, trino, WORK } from './client.ts'

/** A row of the model. */
export interface ModelRow {
  readonly id: number
  readonly region: string | null
  readonly n: number
  /** With two digits. */
  readonly amount: string
  /** ISO text with six digits, UTC without a suffix. */
  readonly at: string
  readonly tags: readonly string[]
}

export function modelRow(id: number, over: Partial<ModelRow> = {}): ModelRow {
  const day = String((id % 28) + 1).padStart(2, '0')
  return {
    id,
    region: ['eu', 'us', null][id % 3] as string | null,
    n: id * 10,
    amount: `${id}.25`,
    at: `2026-02-${day}T01:02:03.${String(id).padStart(6, '0')}`,
    tags: id % 4 === 0 ? [] : ['a', `t${id}`],
    ...over,
  }
}

export function canonicalModel(rows: Iterable<ModelRow>): CanonicalRow[] {
  return [...rows].map((row) => ({
    ...row,
    id: String(row.id),
    n: String(row.n),
    at: `${row.at}+00:00`,
    tags: [...row.tags],
  }))
}

export interface ForeignOptions {
  readonly formatVersion: 2 | 3
  readonly partitioned: boolean
  readonly properties?: Readonly<Record<string, string>>
}

/** One table of one engine. */
export interface ForeignTable {
  /** In the engine's SQL. */
  readonly name: string
  /** A row as a list of literals, in parentheses. */
  literal(row: ModelRow): string
  run(sql: string): Promise<unknown>
  /** URI of the current metadata file. */
  metadata(): Promise<string>
  /** The rows that the engine itself reads now. */
  rows(): Promise<CanonicalRow[]>
}

/** Of this process: the engines may outlive it. */
const SCHEMA = `changes${process.pid}`

export type ForeignEngine = 'spark' | 'trino'

export function createForeign(
  engine: ForeignEngine,
  table: string,
  options: ForeignOptions,
): Promise<ForeignTable> {
  return engine === 'spark' ? createInSpark(table, options) : createInTrino(table, options)
}

async function createInSpark(table: string, options: ForeignOptions): Promise<ForeignTable> {
  const name = `w.${SCHEMA}.${table}`
  const folder = `${WORK}/spark-wh/${SCHEMA}/${table}/metadata`
  const properties = {
    'format-version': String(options.formatVersion),
    'write.distribution-mode': 'none',
    ...options.properties,
  }
  const list = Object.entries(properties).map(([k, v]) => `'${k}'='${v}'`)
  await sparkSql(
    `CREATE TABLE ${name} (id bigint, region string, n int, amount decimal(10,2), at timestamp, tags array<string>) USING iceberg
     ${options.partitioned ? 'PARTITIONED BY (region)' : ''} TBLPROPERTIES (${list.join(', ')})`,
    {
      'spark.sql.catalog.w': 'org.apache.iceberg.spark.SparkCatalog',
      'spark.sql.catalog.w.type': 'hadoop',
      'spark.sql.catalog.w.warehouse': `file://${WORK}/spark-wh`,
      'spark.sql.catalog.w.cache-enabled': 'false',
    },
  )
  const metadata = (): Promise<string> => {
    const version = readFileSync(`${folder}/version-hint.text`, 'utf8').trim()
    return Promise.resolve(`file://${folder}/v${version}.metadata.json`)
  }
  return {
    name,
    literal: (row) =>
      `(${row.id}L, ${text(row.region)}, ${row.n}, ${row.amount}BD, timestamp'${row.at}Z', cast(array(${row.tags.map(text).join(', ')}) as array<string>))`,
    run: (sql) => sparkSql(sql),
    metadata,
    rows: async () => read('spark', { metadata: await metadata() }),
  }
}

async function createInTrino(table: string, options: ForeignOptions): Promise<ForeignTable> {
  await trino(
    `CREATE SCHEMA IF NOT EXISTS floe.${SCHEMA} WITH (location = 'file://${WORK}/trino-wh/${SCHEMA}')`,
  )
  const name = `floe.${SCHEMA}.${table}`
  await trino(
    `CREATE TABLE ${name} (id bigint, region varchar, n integer, amount decimal(10,2), at timestamp(6) with time zone, tags array(varchar))
     WITH (format = 'PARQUET', format_version = ${options.formatVersion}${options.partitioned ? ", partitioning = ARRAY['region']" : ''})`,
  )
  return {
    name,
    literal: (row) =>
      `(bigint '${row.id}', ${row.region === null ? 'cast(null as varchar)' : text(row.region)}, ${row.n}, decimal '${row.amount}', timestamp '${row.at.replace('T', ' ')} UTC', cast(ARRAY[${row.tags.map(text).join(', ')}] as array(varchar)))`,
    run: trino,
    metadata: async () => {
      const [log] = await trino(
        `SELECT file FROM floe.${SCHEMA}."${table}$metadata_log_entries" ORDER BY timestamp DESC, file DESC LIMIT 1`,
      )
      return String(log?.['file'])
    },
    rows: () => trino(`SELECT * FROM ${name}`),
  }
}

function text(value: string | null): string {
  return value === null ? 'null' : `'${value.replaceAll("'", "''")}'`
}
