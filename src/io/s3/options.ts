/** How an S3 store is reached: what a caller may say, and the same checked and with its defaults. */
import { FloeError } from '../../core/errors.ts'
import type { RetryPolicy } from '../../core/retry.ts'
import { redactUrl, Secret } from '../../core/secret.ts'

/** Keys that sign requests. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
  /** When to ask for new ones; only from a function. */
  readonly expiration?: Date | undefined
}

export interface S3Options {
  /** Default: what the environment says; `us-east-1` if only an endpoint is given. */
  readonly region?: string | undefined
  /** URL of a server other than Amazon's, e.g. `http://127.0.0.1:9000`. */
  readonly endpoint?: string | undefined
  /** The bucket as the first part of the path instead of the host. Default true with an endpoint, else false. */
  readonly forcePathStyle?: boolean | undefined
  /**
   * Keys, or a function that gives them and is asked again when they expire. Default: the SDK's chain (environment,
   * shared files, web identity, container, instance).
   */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>) | undefined
  /** Requests under way at once, each on a connection of its own; more wait. Default 32. */
  readonly maxSockets?: number | undefined
  /** Longest wait for an answer, and for the next bytes of it, in milliseconds. Default 30 000. */
  readonly requestTimeoutMs?: number | undefined
  /** Longest wait for a connection, in milliseconds. Default 5 000. */
  readonly connectTimeoutMs?: number | undefined
  /** Size of the parts of large uploads, at least 5 MiB; smaller objects are put whole. Default 8 MiB. */
  readonly partSizeBytes?: number | undefined
  /** Parts of one upload under way at once; with one being filled they bound its memory. Default 4. */
  readonly uploadConcurrency?: number | undefined
  /** For requests that may be repeated; conditional puts never are after an unclear answer. */
  readonly retry?: Partial<RetryPolicy> | undefined
}

export interface ResolvedS3Options {
  readonly region: string | undefined
  readonly endpoint: string | undefined
  readonly forcePathStyle: boolean
  readonly credentials: Secret<S3Credentials | (() => Promise<S3Credentials>)> | undefined
  readonly maxSockets: number
  readonly requestTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly partSizeBytes: number
  readonly uploadConcurrency: number
  readonly retry: RetryPolicy
}

const MIB = 1024 * 1024
/** Smaller parts than this are refused by S3, but for the last one. */
const MIN_PART_BYTES = 5 * MIB

/** Five retries within two minutes: longer than a usual failover, shorter than a caller's patience. */
const DEFAULT_RETRY: RetryPolicy = Object.freeze({
  numRetries: 5,
  minWaitMs: 100,
  maxWaitMs: 5_000,
  totalTimeoutMs: 120_000,
})

const NAMES: ReadonlySet<string> = new Set([
  'region',
  'endpoint',
  'forcePathStyle',
  'credentials',
  'maxSockets',
  'requestTimeoutMs',
  'connectTimeoutMs',
  'partSizeBytes',
  'uploadConcurrency',
  'retry',
] satisfies (keyof S3Options)[])

/** @throws BAD_ARGUMENT naming the option, never its value where that may be secret. */
export function resolveS3Options(options: S3Options): ResolvedS3Options {
  for (const name of Object.keys(options)) {
    if (!NAMES.has(name)) throw bad(name, `is not known. Known are ${[...NAMES].join(', ')}`)
  }
  const endpoint = options.endpoint === undefined ? undefined : checkedEndpoint(options.endpoint)
  const partSizeBytes = positive('partSizeBytes', options.partSizeBytes ?? 8 * MIB)
  if (partSizeBytes < MIN_PART_BYTES)
    throw bad('partSizeBytes', `must be ${MIN_PART_BYTES} or more`)
  return {
    region: options.region ?? (endpoint === undefined ? undefined : 'us-east-1'),
    endpoint,
    forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
    credentials:
      options.credentials === undefined
        ? undefined
        : new Secret(checkedCredentials(options.credentials)),
    maxSockets: positive('maxSockets', options.maxSockets ?? 32),
    requestTimeoutMs: positive('requestTimeoutMs', options.requestTimeoutMs ?? 30_000),
    connectTimeoutMs: positive('connectTimeoutMs', options.connectTimeoutMs ?? 5_000),
    partSizeBytes,
    uploadConcurrency: positive('uploadConcurrency', options.uploadConcurrency ?? 4),
    retry: checkedRetry(options.retry ?? {}),
  }
}

/** A policy without a bound would try for ever. */
function checkedRetry(given: Partial<RetryPolicy>): RetryPolicy {
  const policy: Record<string, number> = { ...DEFAULT_RETRY }
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(DEFAULT_RETRY, name)) {
      const known = Object.keys(DEFAULT_RETRY).join(', ')
      throw bad(`retry.${name}`, `is not known. Known are ${known}`)
    }
    if (value === undefined) continue
    if (typeof value !== 'number' || !(value >= 0)) {
      throw bad(`retry.${name}`, 'must be a number that is not negative')
    }
    policy[name] = value
  }
  return Object.freeze(policy as unknown as RetryPolicy)
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw bad(name, `must be a positive integer, not ${String(value)}`)
}

function checkedEndpoint(endpoint: string): string {
  let url: URL
  try {
    url = new URL(endpoint)
  } catch {
    throw bad('endpoint', 'is not a URL. Give one such as http://127.0.0.1:9000')
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw bad('endpoint', 'must begin with http:// or https://')
  }
  if (url.username !== '' || url.password !== '') {
    throw bad('endpoint', 'holds user info. Give keys as the option s3.credentials')
  }
  if (url.search !== '' || url.hash !== '') {
    throw bad('endpoint', `must have no query: ${redactUrl(endpoint)}`)
  }
  return endpoint
}

function checkedCredentials(
  given: S3Credentials | (() => Promise<S3Credentials>),
): S3Credentials | (() => Promise<S3Credentials>) {
  if (typeof given === 'function') return given
  for (const name of ['accessKeyId', 'secretAccessKey'] as const) {
    if (typeof given[name] !== 'string' || given[name] === '') {
      throw bad('credentials', `must have ${name}`)
    }
  }
  return given
}

function bad(name: string, why: string): FloeError {
  return new FloeError('BAD_ARGUMENT', `The option s3.${name} ${why}`, {
    context: { option: `s3.${name}` },
  })
}
