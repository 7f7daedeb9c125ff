/** How engines attach to a catalog that is served: what to write where. docs/serve.md has the same with reasons. */

export interface AttachSettings {
  /** URL of the catalog. */
  readonly url: string
  /** Other machines reach it too: it listens on all addresses of this one. */
  readonly onAllAddresses?: boolean | undefined
  /** Set for lakes on S3. */
  readonly s3?:
    | {
        readonly endpoint?: string | undefined
        readonly region?: string | undefined
        readonly pathStyleAccess: boolean
        /** Keys come with each table to engines that ask. */
        readonly vended: boolean
      }
    | undefined
}

export function attachText(settings: AttachSettings): string {
  return [
    ...elsewhere(settings),
    section('Trino: etc/catalog/lake.properties', trino(settings)),
    section('Spark: --conf', spark(settings)),
    section('PyIceberg', pyiceberg(settings)),
    section('DuckDB', duckdb(settings)),
  ].join('\n')
}

/** The URL is one for this machine. */
function elsewhere({ url, onAllAddresses = false }: AttachSettings): string[] {
  if (!onAllAddresses) return []
  const host = new URL(url).hostname
  return [`On other machines write the name or address of this one in place of ${host}.\n`]
}

function section(title: string, lines: readonly string[]): string {
  return `${title}\n${lines.map((line) => `  ${line}\n`).join('')}`
}

function trino({ url, s3 }: AttachSettings): string[] {
  const lines = [
    'connector.name=iceberg',
    'iceberg.catalog.type=rest',
    `iceberg.rest-catalog.uri=${url}`,
    'iceberg.rest-catalog.nested-namespace-enabled=true',
  ]
  if (s3 === undefined) return [...lines, 'fs.native-local.enabled=true', 'local.location=/']
  return [
    ...lines,
    'fs.native-s3.enabled=true',
    ...(s3.endpoint === undefined ? [] : [`s3.endpoint=${s3.endpoint}`]),
    ...(s3.region === undefined ? [] : [`s3.region=${s3.region}`]),
    `s3.path-style-access=${s3.pathStyleAccess}`,
    // Trino takes keys from catalogs with a session token alone, so it has its own.
    's3.aws-access-key=…',
    's3.aws-secret-key=…',
  ]
}

function spark({ url, s3 }: AttachSettings): string[] {
  const catalog = 'spark.sql.catalog.lake'
  return [
    `${catalog}=org.apache.iceberg.spark.SparkCatalog`,
    `${catalog}.type=rest`,
    `${catalog}.uri=${url}`,
    // Else Spark looks at the version that it knows for half a minute.
    `${catalog}.cache-enabled=false`,
    ...(s3 === undefined
      ? []
      : [
          `${catalog}.io-impl=org.apache.iceberg.aws.s3.S3FileIO`,
          ...(s3.vended
            ? [`${catalog}.header.X-Iceberg-Access-Delegation=vended-credentials`]
            : [`${catalog}.s3.access-key-id=…`, `${catalog}.s3.secret-access-key=…`]),
        ]),
  ]
}

function pyiceberg({ url, s3 }: AttachSettings): string[] {
  const keys =
    s3 === undefined || s3.vended
      ? ''
      : ", **{'s3.access-key-id': '…', 's3.secret-access-key': '…'}"
  return [
    'from pyiceberg.catalog import load_catalog',
    `lake = load_catalog('lake', type='rest', uri='${url}'${keys})`,
  ]
}

function duckdb({ url, s3 }: AttachSettings): string[] {
  const load = 'INSTALL iceberg; LOAD iceberg; INSTALL httpfs; LOAD httpfs;'
  const attach = `ATTACH '' AS lake (TYPE iceberg, ENDPOINT '${url}', AUTHORIZATION_TYPE 'none'`
  if (s3 === undefined) return [load, `${attach});`]
  // DuckDB takes keys of catalogs too, but was seen to go to Amazon without them once (docs/serve.md): it has its own.
  const parts = ["KEY_ID '…'", "SECRET '…'"]
  if (s3.region !== undefined) parts.push(`REGION '${s3.region}'`)
  if (s3.endpoint !== undefined) {
    const { host, protocol } = new URL(s3.endpoint)
    parts.push(`ENDPOINT '${host}'`, `USE_SSL ${protocol === 'https:'}`)
  }
  if (s3.pathStyleAccess) parts.push("URL_STYLE 'path'")
  return [
    load,
    `CREATE SECRET (TYPE s3, ${parts.join(', ')});`,
    `${attach}, ACCESS_DELEGATION_MODE 'none');`,
  ]
}
