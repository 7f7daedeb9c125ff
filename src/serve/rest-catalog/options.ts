/** What a caller may say to a catalog server, and the same checked and with its defaults. */
import { FloeError } from '../../core/errors.ts'
import { type Runtime, systemRuntime } from '../../core/runtime.ts'
import type { Lake } from '../../iceberg/table/lake.ts'
import { isLoopbackHost } from './host-guard.ts'
import type { MetricsReport } from './metrics-report.ts'

/** What the server asks of a lake: it only reads. */
export type ServedLake = Pick<
  Lake,
  'location' | 'listNamespaces' | 'listTables' | 'metadataLocation' | 'table'
>

/** How engines reach the files of a lake on S3; sent to them with each table. */
export interface S3ClientSettings {
  /** URL of a server other than Amazon's, as the engines see it. */
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  /** The bucket as the first part of the path instead of the host. Default true with an endpoint. */
  readonly pathStyleAccess?: boolean | undefined
}

/** Keys that are handed to engines. */
export interface VendedCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

export interface ServeCatalogOptions {
  /** Stays open when the server closes. A lake that is opened with readOnly is enough. */
  readonly lake: ServedLake
  /**
   * Address to listen on. Default 127.0.0.1: this machine alone. There is no authentication: with any other address
   * whoever reaches the port can read the names, schemas and file paths of all tables.
   */
  readonly host?: string | undefined
  /** Default 0: any free port, told by the server's `url`. */
  readonly port?: number | undefined
  /** For lakes on S3. Default: nothing is sent, and engines need settings of their own. */
  readonly s3?: S3ClientSettings | undefined
  /**
   * Keys for engines that ask for them (`X-Iceberg-Access-Delegation: vended-credentials`). Only on the loopback
   * interface. Default: none; the keys of the lake itself are never handed out.
   */
  readonly vendedCredentials?: VendedCredentials | undefined
  /** Called for each report of a scan or commit that an engine sends, not waited for. Default: they are dropped. */
  readonly onReport?: ((report: MetricsReport) => void) | undefined
  /**
   * Called for what a client is only told as 500 or 503, and for what `onReport` throws. Where an answer was not there in
   * time it is called at the deadline, and again if what was waited for fails later. Default: nowhere.
   */
  readonly onError?: ((error: unknown, request: string) => void) | undefined
  /** Closes the server, as `close()` does. */
  readonly signal?: AbortSignal | undefined
  /**
   * Longest time for a request to come in whole, again for its answer, and again for each begun MiB of the answer, and
   * once more, to be taken, in milliseconds. Default 30 000, at most 24 hours.
   */
  readonly requestTimeoutMs?: number | undefined
  /** How long `close()` waits for requests under way, in milliseconds. Default 5 000, at most 24 hours. */
  readonly closeTimeoutMs?: number | undefined
  /** Connections at once; more are closed at once. Default 256. */
  readonly maxConnections?: number | undefined
  /** Request line and headers of a request, in bytes. Default 16 KiB. */
  readonly maxHeaderBytes?: number | undefined
  /** Body of a request, in bytes. Default 1 MiB. */
  readonly maxBodyBytes?: number | undefined
  /** Metadata of tables that is kept in memory as it is sent, in bytes. Default 64 MiB. */
  readonly cacheBytes?: number | undefined
  /** Clock and sleep; for tests and simulation. */
  readonly runtime?: Runtime | undefined
}

export interface ResolvedServeOptions extends ServeCatalogOptions {
  readonly host: string
  readonly port: number
  readonly requestTimeoutMs: number
  readonly closeTimeoutMs: number
  readonly maxConnections: number
  readonly maxHeaderBytes: number
  readonly maxBodyBytes: number
  readonly cacheBytes: number
  readonly runtime: Runtime
}

const KIB = 1024
const MIB = 1024 * KIB
const MAX_DURATION_MS = 24 * 3_600_000

const NAMES: ReadonlySet<string> = new Set([
  'lake',
  'host',
  'port',
  's3',
  'vendedCredentials',
  'onReport',
  'onError',
  'signal',
  'requestTimeoutMs',
  'closeTimeoutMs',
  'maxConnections',
  'maxHeaderBytes',
  'maxBodyBytes',
  'cacheBytes',
  'runtime',
] satisfies (keyof ServeCatalogOptions)[])

const S3_NAMES: ReadonlySet<string> = new Set([
  'endpoint',
  'region',
  'pathStyleAccess',
] satisfies (keyof S3ClientSettings)[])

/** @throws BAD_ARGUMENT naming the option */
export function resolveServeOptions(options: ServeCatalogOptions): ResolvedServeOptions {
  checkNames(options, NAMES, '')
  const host = options.host ?? '127.0.0.1'
  if (typeof host !== 'string' || host === '') throw bad('host', 'must be an address or a name')
  const port = options.port ?? 0
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw bad('port', `must be an integer from 0 to 65535, not ${String(port)}`)
  }
  if (typeof options.lake?.metadataLocation !== 'function') {
    throw bad('lake', 'must be a lake, as openLake gives it')
  }
  checkS3(options, isLoopbackHost(host))
  return {
    ...options,
    host,
    port,
    requestTimeoutMs: duration('requestTimeoutMs', options.requestTimeoutMs ?? 30_000),
    closeTimeoutMs: duration('closeTimeoutMs', options.closeTimeoutMs ?? 5_000),
    maxConnections: positive('maxConnections', options.maxConnections ?? 256),
    maxHeaderBytes: positive('maxHeaderBytes', options.maxHeaderBytes ?? 16 * KIB),
    maxBodyBytes: positive('maxBodyBytes', options.maxBodyBytes ?? MIB),
    cacheBytes: positive('cacheBytes', options.cacheBytes ?? 64 * MIB),
    runtime: options.runtime ?? systemRuntime,
  }
}

function checkS3(options: ServeCatalogOptions, loopbackOnly: boolean): void {
  const { lake, s3, vendedCredentials } = options
  const onS3 = lake.location.startsWith('s3://')
  if (s3 !== undefined) {
    if (!onS3) throw bad('s3', `is for lakes on S3, and this one is at ${lake.location}`)
    checkNames(s3, S3_NAMES, 's3.')
    for (const name of ['endpoint', 'region'] as const) {
      const value = s3[name]
      if (value !== undefined && (typeof value !== 'string' || value === '')) {
        throw bad(`s3.${name}`, 'must be a text that is not empty')
      }
    }
  }
  if (vendedCredentials === undefined) return
  if (!onS3) {
    throw bad('vendedCredentials', `is for lakes on S3, and this one is at ${lake.location}`)
  }
  if (!loopbackOnly) {
    throw bad(
      'vendedCredentials',
      'is only for the loopback interface: without authentication, whoever reaches the port would get the keys. Give the engines keys of their own',
    )
  }
  for (const name of ['accessKeyId', 'secretAccessKey'] as const) {
    if (typeof vendedCredentials[name] !== 'string' || vendedCredentials[name] === '') {
      throw bad('vendedCredentials', `must have ${name}`)
    }
  }
}

function checkNames(given: object, known: ReadonlySet<string>, prefix: string): void {
  for (const name of Object.keys(given)) {
    if (!known.has(name)) {
      throw bad(`${prefix}${name}`, `is not known. Known are ${[...known].join(', ')}`)
    }
  }
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw bad(name, `must be a positive integer, not ${String(value)}`)
}

/** Timers fire at once where they are given more than 2^31 ms, and some here run for several of these. */
function duration(name: string, ms: number): number {
  if (positive(name, ms) <= MAX_DURATION_MS) return ms
  throw bad(name, `must be at most 24 hours, not ${ms} ms`)
}

function bad(name: string, why: string): FloeError {
  return new FloeError('BAD_ARGUMENT', `serveCatalog: the option ${name} ${why}`, {
    context: { option: name },
  })
}
