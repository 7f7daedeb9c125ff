/**
 * What an error of the SDK means, and that as an error of floe. Nothing that the server or the SDK wrote is passed
 * on but names, numbers and ids: messages of S3 repeat access keys, signatures and the string that was signed.
 */
import { type ErrorCode, FloeError, isFloeError } from '../../core/errors.ts'
import { redactUrl } from '../../core/secret.ts'

/**
 * - `exists`: the condition of a put did not hold. `conflict`: another conditional request is in progress; nothing
 *   was decided.
 * - `damaged`: bytes were changed or cut off on the way. `transient`: no answer, or none that can be understood.
 */
export type S3FailureKind =
  | 'no-key'
  | 'no-bucket'
  | 'no-upload'
  | 'exists'
  | 'conflict'
  | 'denied'
  | 'no-credentials'
  | 'no-region'
  | 'wrong-region'
  | 'range'
  | 'unsupported'
  | 'full'
  | 'invalid'
  | 'damaged'
  | 'transient'

export interface S3Failure {
  readonly kind: S3FailureKind
  /** S3's code or the name of a local failure, e.g. `SlowDown`, `ECONNRESET`. */
  readonly name: string
  readonly status: number | undefined
  readonly requestId: string | undefined
  /** Where the bucket really lies, if the answer says so. */
  readonly region: string | undefined
}

interface SdkError {
  readonly name?: unknown
  readonly code?: unknown
  readonly message?: unknown
  readonly tryNextLink?: unknown
  readonly Region?: unknown
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string }
  readonly $response?: { readonly statusCode?: number; readonly headers?: Record<string, string> }
}

/** Reads an error of the SDK, or of anything below it. */
export function readFailure(error: unknown): S3Failure {
  const e: SdkError = typeof error === 'object' && error !== null ? error : {}
  const status = e.$metadata?.httpStatusCode ?? e.$response?.statusCode
  const name = plain(status === undefined ? (e.code ?? e.name) : (e.name ?? e.code)) ?? 'Unknown'
  return {
    kind: kindOf(name, status, e),
    name,
    status,
    requestId: plain(e.$metadata?.requestId ?? e.$response?.headers?.['x-amz-request-id']),
    region: plain(e.Region ?? e.$response?.headers?.['x-amz-bucket-region']),
  }
}

/** S3's codes that say more than the status. */
const KINDS: Readonly<Record<string, S3FailureKind>> = {
  NoSuchKey: 'no-key',
  NoSuchBucket: 'no-bucket',
  NoSuchUpload: 'no-upload',
  PermanentRedirect: 'wrong-region',
  TemporaryRedirect: 'wrong-region',
  AuthorizationHeaderMalformed: 'wrong-region',
  IllegalLocationConstraintException: 'wrong-region',
  ExpiredToken: 'denied',
  InvalidToken: 'denied',
  TokenRefreshRequired: 'denied',
  QuotaExceeded: 'full',
  StorageFull: 'full',
  XMinioStorageFull: 'full',
  XMinioAdminBucketQuotaExceeded: 'full',
  InsufficientStorage: 'full',
  NotImplemented: 'unsupported',
  BadDigest: 'damaged',
  IncompleteBody: 'damaged',
  InvalidDigest: 'damaged',
  XAmzContentSHA256Mismatch: 'damaged',
  XAmzContentChecksumMismatch: 'damaged',
  RequestTimeout: 'transient',
  SlowDown: 'transient',
}

function kindOf(name: string, status: number | undefined, error: SdkError): S3FailureKind {
  if (status === undefined) return localKind(name, error)
  const known = KINDS[name]
  if (known !== undefined && status >= 300) return known
  if (status < 300) return isChecksumMismatch(error) ? 'damaged' : 'transient'
  if (status < 400) return 'wrong-region'
  switch (status) {
    case 401:
    case 403:
      return 'denied'
    case 404:
      return 'no-key'
    case 408:
    case 429:
      return 'transient'
    case 409:
      return 'conflict'
    case 412:
      return 'exists'
    case 416:
      return 'range'
    case 405:
    case 501:
      return 'unsupported'
    case 507:
      return 'full'
    default:
      return status < 500 ? 'invalid' : 'transient'
  }
}

/** Failures without an answer. */
function localKind(name: string, error: SdkError): S3FailureKind {
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError') return 'no-credentials'
  if (error.tryNextLink !== undefined) return 'no-credentials'
  const message = typeof error.message === 'string' ? error.message : ''
  if (message === 'Region is missing') return 'no-region'
  if (/credential/i.test(message)) return 'no-credentials'
  return isChecksumMismatch(error) ? 'damaged' : 'transient'
}

function isChecksumMismatch(error: SdkError): boolean {
  return typeof error.message === 'string' && error.message.startsWith('Checksum mismatch')
}

/** A name or id that can hold nothing but itself; anything longer or stranger is dropped. */
function plain(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(value) ? value : undefined
}

/** The failure as an error of floe, for a request about `path`. Errors of floe pass. */
export function failureError(error: unknown, doing: string, path: string): FloeError {
  if (isFloeError(error)) return error
  const failure = readFailure(error)
  const { kind, name, status, requestId, region } = failure
  const file = redactUrl(path)
  const answer = status === undefined ? name : `${name}, HTTP ${status}`
  const { code, message, retryable } = words(failure, `${doing} ${file}`, answer, file)
  return new FloeError(code, message, {
    cause: scrubbed(failure),
    context: {
      file,
      s3: name,
      ...(status === undefined ? {} : { status }),
      ...(requestId === undefined ? {} : { requestId }),
      ...(kind === 'wrong-region' && region !== undefined ? { region } : {}),
    },
    ...(retryable === undefined ? {} : { retryable }),
  })
}

function words(
  failure: S3Failure,
  doing: string,
  answer: string,
  file: string,
): { code: ErrorCode; message: string; retryable?: boolean } {
  switch (failure.kind) {
    case 'no-key':
      return { code: 'FILE_NOT_FOUND', message: `There is no file ${file}` }
    case 'no-bucket':
      return {
        code: 'NO_SUCH_BUCKET',
        message: `${doing} failed: there is no such bucket. Create it, or check its name and the option s3.endpoint`,
      }
    case 'denied':
      return {
        code: 'PERMISSION_DENIED',
        message: `${doing} was refused (${answer}). Check the credentials and their rights: docs/s3.md lists those needed${failure.name === 'RequestTimeTooSkewed' ? '. The clock of this machine is wrong' : ''}`,
      }
    case 'no-credentials':
      return {
        code: 'PERMISSION_DENIED',
        message: `${doing} failed: there are no credentials (${answer}). Set them in the environment or as the option s3.credentials`,
      }
    case 'no-region':
      return {
        code: 'BAD_ARGUMENT',
        message: `${doing} failed: the region is not known. Set AWS_REGION or the option s3.region`,
      }
    case 'wrong-region':
      return {
        code: 'BAD_ARGUMENT',
        message: `${doing} failed: the bucket lies in another region or at another endpoint (${answer}). Set the option s3.region${failure.region === undefined ? '' : ` to ${failure.region}`}`,
      }
    case 'unsupported':
      return {
        code: 'UNSUPPORTED_STORE',
        message: `${doing} failed: the server does not offer this request (${answer}). Use another store: docs/s3.md names those tested`,
      }
    case 'full':
      return {
        code: 'STORE_FULL',
        message: `${doing} failed: no space is left (${answer})`,
        retryable: false,
      }
    case 'invalid':
      return {
        code: 'STORE_UNAVAILABLE',
        message: `${doing} failed: the server does not accept the request (${answer})`,
        retryable: false,
      }
    case 'damaged':
      return {
        code: 'CHECKSUM_MISMATCH',
        message: `${doing} failed: the bytes were changed or cut off on the way, or the object is damaged (${answer})`,
      }
    default:
      return {
        code: 'STORE_UNAVAILABLE',
        message: `${doing} failed: the store gave no usable answer (${answer})`,
      }
  }
}

/** Stands in for the SDK's error, whose properties lead to the request with its Authorization header. */
function scrubbed(failure: S3Failure): Error {
  const { name, status, requestId } = failure
  const error = new Error(
    `${name}${status === undefined ? '' : ` (HTTP ${status})`}${requestId === undefined ? '' : `, request ${requestId}`}`,
  )
  error.name = 'S3Error'
  return error
}
