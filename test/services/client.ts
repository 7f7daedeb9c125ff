/** Talks to the engines that run.js has started. */
import { queryTrino, TrinoError } from '../../bench/trino.ts'
import type { Canonical, CanonicalRow } from './canonical.ts'
import { sortedPairs } from './canonical.ts'

export type EngineName = 'trino' | 'spark' | 'pyiceberg' | 'duckdb'

const urls = JSON.parse(process.env['FLOE_ENGINES'] ?? '{}') as Partial<Record<EngineName, string>>

/** The engines of this run; `--only` may have left some out. */
export const ENGINES: readonly EngineName[] = (
  ['trino', 'spark', 'pyiceberg', 'duckdb'] as const
).filter((name) => urls[name] !== undefined)

/** Where tests put their tables; removed at the end of the run. */
export const WORK: string = process.env['FLOE_SERVICES_WORK'] ?? '/nonexistent'

export interface ReadRequest {
  /** URI or path of the metadata file. */
  readonly metadata: string
  readonly snapshotId?: bigint | undefined
  readonly columns?: readonly string[] | undefined
  /** A predicate in the engine's own SQL. */
  readonly where?: string | undefined
  /** Where the table is, if it is not in local files. */
  readonly s3?: S3Access | undefined
}

/** A server for which engines are set up as they need it. */
export interface S3Access {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** An engine's own error: its text is what tests look at. */
export class EngineError extends Error {}

/** Reads a table by its metadata location and gives its rows in canonical form. */
export async function read(engine: EngineName, request: ReadRequest): Promise<CanonicalRow[]> {
  if (engine === 'trino') return readTrino(request)
  const { s3, ...local } = request
  if (s3 !== undefined) {
    return (await post(engine, {
      op: 'read',
      ...local,
      snapshotId: request.snapshotId?.toString(),
      ...s3Settings(engine, s3),
    })) as CanonicalRow[]
  }
  const metadata =
    engine === 'duckdb' || engine === 'pyiceberg'
      ? request.metadata.replace(/^file:\/\//, '')
      : request.metadata
  return (await post(engine, {
    op: 'read',
    ...request,
    metadata,
    snapshotId: request.snapshotId?.toString(),
  })) as CanonicalRow[]
}

/** Sends a request to one of the Python servers. @throws EngineError with the engine's text */
export async function post(engine: EngineName, request: object): Promise<unknown> {
  const url = urls[engine]
  if (url === undefined) throw new Error(`${engine} is not running`)
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(request) })
  const body = (await response.json()) as { ok: boolean; result?: unknown; error?: string }
  if (!body.ok) throw new EngineError(body.error)
  return body.result
}

export function sparkSql(sql: string, conf: Record<string, string> = {}): Promise<CanonicalRow[]> {
  return post('spark', { op: 'sql', sql, conf }) as Promise<CanonicalRow[]>
}

let registered = 0

/** What a request to one of the Python servers carries for tables on S3. */
function s3Settings(engine: EngineName, s3: S3Access): object {
  const { endpoint, accessKeyId, secretAccessKey } = s3
  switch (engine) {
    case 'spark': {
      const catalog = 'spark.sql.catalog.s3'
      return {
        registerAs: `s3.read.t${process.pid}_${registered++}`,
        conf: {
          [catalog]: 'org.apache.iceberg.spark.SparkCatalog',
          [`${catalog}.type`]: 'jdbc',
          [`${catalog}.uri`]: `jdbc:sqlite:file:${WORK}/spark-s3.db`,
          [`${catalog}.jdbc.schema-version`]: 'V1',
          [`${catalog}.clients`]: '1',
          [`${catalog}.warehouse`]: 's3://unused/warehouse',
          [`${catalog}.io-impl`]: 'org.apache.iceberg.aws.s3.S3FileIO',
          [`${catalog}.s3.endpoint`]: endpoint,
          [`${catalog}.s3.path-style-access`]: 'true',
          [`${catalog}.s3.access-key-id`]: accessKeyId,
          [`${catalog}.s3.secret-access-key`]: secretAccessKey,
          [`${catalog}.client.region`]: 'us-east-1',
        },
      }
    }
    case 'pyiceberg':
      return {
        properties: {
          's3.endpoint': endpoint,
          's3.access-key-id': accessKeyId,
          's3.secret-access-key': secretAccessKey,
          's3.region': 'us-east-1',
        },
      }
    default:
      return {
        before: [
          `CREATE OR REPLACE SECRET s3 (TYPE s3, KEY_ID '${accessKeyId}', SECRET '${secretAccessKey}', REGION 'us-east-1', ENDPOINT '${endpoint.replace(/^http:\/\//, '')}', URL_STYLE 'path', USE_SSL false)`,
        ],
      }
  }
}

/** The catalog of a server; Trino takes them while it runs. */
async function trinoCatalog(s3: S3Access | undefined): Promise<string> {
  if (s3 === undefined) return 'floe'
  const properties = {
    'iceberg.catalog.type': 'jdbc',
    'iceberg.jdbc-catalog.catalog-name': 'floe_s3',
    'iceberg.jdbc-catalog.driver-class': 'org.sqlite.JDBC',
    'iceberg.jdbc-catalog.connection-url': `jdbc:sqlite:${WORK}/trino/catalog.db`,
    'iceberg.jdbc-catalog.default-warehouse-dir': 's3://unused/warehouse',
    'iceberg.jdbc-catalog.schema-version': 'V1',
    'iceberg.register-table-procedure.enabled': 'true',
    'fs.native-s3.enabled': 'true',
    's3.endpoint': s3.endpoint,
    's3.region': 'us-east-1',
    's3.path-style-access': 'true',
    's3.aws-access-key': s3.accessKeyId,
    's3.aws-secret-key': s3.secretAccessKey,
  }
  const list = Object.entries(properties).map(([key, value]) => `"${key}" = '${value}'`)
  await trino(`CREATE CATALOG IF NOT EXISTS floe_s3 USING iceberg WITH (${list.join(', ')})`)
  return 'floe_s3'
}

async function readTrino(request: ReadRequest): Promise<CanonicalRow[]> {
  const path = request.metadata.replace(/^\//, 'file:///')
  const file = path.slice(path.lastIndexOf('/') + 1)
  const location = path.slice(0, path.lastIndexOf('/metadata/'))
  const name = `t${process.pid}_${registered++}`
  const catalog = await trinoCatalog(request.s3)
  await trino(`CREATE SCHEMA IF NOT EXISTS ${catalog}.read`)
  await trino(
    `CALL ${catalog}.system.register_table(schema_name => 'read', table_name => '${name}', table_location => '${location}', metadata_file_name => '${file}')`,
  )
  try {
    const columns = request.columns?.map((c) => `"${c}"`).join(', ') ?? '*'
    const version =
      request.snapshotId === undefined ? '' : ` FOR VERSION AS OF ${request.snapshotId}`
    const where = request.where === undefined ? '' : ` WHERE ${request.where}`
    return await trino(`SELECT ${columns} FROM ${catalog}.read.${name}${version}${where}`)
  } finally {
    await trino(
      `CALL ${catalog}.system.unregister_table(schema_name => 'read', table_name => '${name}')`,
    )
  }
}

/** Runs a statement on Trino and gives its rows in canonical form. @throws EngineError */
export async function trino(sql: string): Promise<CanonicalRow[]> {
  const url = urls.trino
  if (url === undefined) throw new Error('trino is not running')
  const { columns, rows } = await queryTrino(url, sql).catch((error: unknown) => {
    throw error instanceof TrinoError ? new EngineError(error.message) : error
  })
  const types = columns.map(({ type }) => parseTrinoType(type))
  return rows.map((row) =>
    Object.fromEntries(
      columns.map(({ name }, i) => [name, trinoValue(row[i], types[i] as TrinoType)]),
    ),
  )
}

type TrinoType =
  | { readonly base: string; readonly args: readonly string[] }
  | { readonly base: 'array'; readonly element: TrinoType }
  | { readonly base: 'map'; readonly key: TrinoType; readonly value: TrinoType }
  | {
      readonly base: 'row'
      readonly fields: readonly { readonly name: string; readonly type: TrinoType }[]
    }

function parseTrinoType(text: string): TrinoType {
  const open = text.indexOf('(')
  const base = (open < 0 ? text : text.slice(0, open)).trim()
  const close = text.lastIndexOf(')')
  const inner = open < 0 ? '' : text.slice(open + 1, close)
  const suffix = open < 0 ? '' : text.slice(close + 1)
  const parts = splitTop(inner)
  if (base === 'array') return { base, element: parseTrinoType(parts[0] ?? '') }
  if (base === 'map') {
    return { base, key: parseTrinoType(parts[0] ?? ''), value: parseTrinoType(parts[1] ?? '') }
  }
  if (base === 'row') {
    const fields = parts.map((part) => {
      const match = /^\s*"?([^"\s]+)"?\s+(.*)$/.exec(part)
      return { name: match?.[1] ?? '', type: parseTrinoType(match?.[2] ?? '') }
    })
    return { base, fields }
  }
  return { base: base + suffix, args: parts }
}

function splitTop(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++
    else if (text[i] === ')') depth--
    else if (text[i] === ',' && depth === 0) {
      parts.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  if (text.trim() !== '') parts.push(text.slice(start).trim())
  return parts
}

function trinoValue(value: unknown, type: TrinoType): Canonical {
  if (value === null || value === undefined) return null
  if ('element' in type) return (value as unknown[]).map((v) => trinoValue(v, type.element))
  if ('key' in type) {
    return sortedPairs(
      Object.entries(value as object).map(([k, v]) => [
        trinoValue(k, type.key),
        trinoValue(v, type.value),
      ]),
    )
  }
  if ('fields' in type) {
    return Object.fromEntries(
      type.fields.map((f, i) => [f.name, trinoValue((value as unknown[])[i], f.type)]),
    )
  }
  switch (type.base) {
    case 'integer':
    case 'bigint':
      return String(value)
    case 'double':
    case 'real': {
      const n = Number(value)
      if (Number.isNaN(n)) return 'NaN'
      if (!Number.isFinite(n)) return n > 0 ? 'Infinity' : '-Infinity'
      // Trino prints floats with float digits.
      return Object.is(n, -0) ? '-0' : type.base === 'real' ? Math.fround(n) : n
    }
    case 'varbinary':
      return Buffer.from(value as string, 'base64').toString('hex')
    case 'timestamp':
      return (value as string).replace(' ', 'T')
    case 'timestamp with time zone':
      return (value as string).replace(' ', 'T').replace(' UTC', '+00:00')
    default:
      return value as Canonical
  }
}
