/**
 * The one error class of floe: coarse kinds that say what a caller can do, stable codes that say what
 * happened, and a context of names and numbers that says where.
 *
 * Message form: what failed – where – why – what to do [CODE]. The codes are documented in
 * docs/errors.md; a test holds both lists against each other.
 */

/** What a caller can do about an error. See docs/errors.md. */
export type ErrorKind =
  | 'conflict'
  | 'unknown-outcome'
  | 'not-found'
  | 'already-exists'
  | 'invalid-argument'
  | 'invalid-data'
  | 'unsupported'
  | 'unavailable'
  | 'limit'
  | 'aborted'
  | 'closed'
  | 'internal'

/** Each stable code with its kind. A code never changes its kind and is never used for something else. */
export const ERROR_CODES = {
  COMMIT_CONFLICT: 'conflict',
  REQUIREMENT_FAILED: 'conflict',
  VALIDATION_CONFLICT: 'conflict',
  STREAM_CONFLICT: 'conflict',
  LOG_LOCKED: 'conflict',
  COMMIT_STATE_UNKNOWN: 'unknown-outcome',
  NO_SUCH_LAKE: 'not-found',
  NO_SUCH_BUCKET: 'not-found',
  NO_SUCH_NAMESPACE: 'not-found',
  NO_SUCH_TABLE: 'not-found',
  NO_SUCH_SNAPSHOT: 'not-found',
  NO_SUCH_REF: 'not-found',
  NO_SUCH_COLUMN: 'not-found',
  NO_SUCH_TOPIC: 'not-found',
  OFFSET_OUT_OF_RANGE: 'not-found',
  FILE_NOT_FOUND: 'not-found',
  TABLE_EXISTS: 'already-exists',
  BAD_ARGUMENT: 'invalid-argument',
  BAD_NAME: 'invalid-argument',
  BAD_SCHEMA: 'invalid-argument',
  BAD_SCHEMA_CHANGE: 'invalid-argument',
  BAD_PARTITION_SPEC: 'invalid-argument',
  BAD_SORT_ORDER: 'invalid-argument',
  BAD_EXPRESSION: 'invalid-argument',
  BAD_LOCATION: 'invalid-argument',
  TYPE_MISMATCH: 'invalid-argument',
  NULL_IN_REQUIRED: 'invalid-argument',
  VALUE_OUT_OF_RANGE: 'invalid-argument',
  UNKNOWN_COLUMN: 'invalid-argument',
  NULL_KEY: 'invalid-argument',
  NULL_SEQUENCE: 'invalid-argument',
  DUPLICATE_SOURCE_KEY: 'invalid-argument',
  DUPLICATE_TARGET_KEY: 'invalid-argument',
  BATCH_FUNCTION_FAILED: 'invalid-argument',
  PATH_OUTSIDE_ROOT: 'invalid-data',
  BAD_JSON: 'invalid-data',
  BAD_METADATA: 'invalid-data',
  CORRUPT_AVRO: 'invalid-data',
  CORRUPT_MANIFEST: 'invalid-data',
  CORRUPT_PARQUET: 'invalid-data',
  CORRUPT_PUFFIN: 'invalid-data',
  CORRUPT_DELETES: 'invalid-data',
  CORRUPT_CATALOG: 'invalid-data',
  CORRUPT_LEDGER: 'invalid-data',
  CORRUPT_RECORDS: 'invalid-data',
  CHECKSUM_MISMATCH: 'invalid-data',
  FORMAT_VERSION: 'unsupported',
  UNSUPPORTED_TYPE: 'unsupported',
  UNSUPPORTED_CODEC: 'unsupported',
  UNSUPPORTED_TRANSFORM: 'unsupported',
  UNSUPPORTED_FILE_FORMAT: 'unsupported',
  UNSUPPORTED_STORE: 'unsupported',
  UNSUPPORTED_OPERATION: 'unsupported',
  ENCRYPTED_FILE: 'unsupported',
  READ_ONLY: 'unsupported',
  STORE_UNAVAILABLE: 'unavailable',
  STORE_FULL: 'unavailable',
  PERMISSION_DENIED: 'unavailable',
  WORKER_FAILED: 'unavailable',
  SOURCE_UNAVAILABLE: 'unavailable',
  LISTEN_FAILED: 'unavailable',
  LIMIT_EXCEEDED: 'limit',
  RECORD_TOO_LARGE: 'limit',
  ABORTED: 'aborted',
  HANDLE_CLOSED: 'closed',
  ASSERTION_FAILED: 'internal',
} as const

/** A stable error code. */
export type ErrorCode = keyof typeof ERROR_CODES

/** Names and numbers that say where an error happened: table, file, column, row, field, attempt … */
export type ErrorContext = Readonly<Record<string, string | number | bigint | boolean>>

const BRAND: unique symbol = Symbol.for('floe.error') as never

/**
 * Every error that floe throws on purpose.
 *
 * Recognise one with {@link isFloeError} (a brand, not `instanceof`, so that two copies of the package
 * in one process understand each other) and branch on `code` or `kind`, never on the message.
 */
export class FloeError extends Error {
  override readonly name: string = 'FloeError'
  readonly code: ErrorCode
  readonly kind: ErrorKind
  readonly context: ErrorContext
  readonly retryable: boolean

  constructor(
    code: ErrorCode,
    message: string,
    options: { context?: ErrorContext; cause?: unknown; retryable?: boolean } = {},
  ) {
    super(
      `${message} [${code}]`,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.kind = ERROR_CODES[code]
    this.context = Object.freeze({ ...options.context })
    this.retryable =
      options.retryable ?? (this.kind === 'unavailable' && code !== 'PERMISSION_DENIED')
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/** True for an error of floe, also of another copy of the package; narrows to one code if given. */
export function isFloeError(error: unknown, code?: ErrorCode): error is FloeError {
  if (typeof error !== 'object' || error === null) return false
  if ((error as Record<symbol, unknown>)[BRAND] !== true) return false
  return code === undefined || (error as FloeError).code === code
}

/**
 * Checks an internal invariant; assertions stay on in production.
 * @throws ASSERTION_FAILED if the condition is false: a bug in floe, worth a report.
 */
export function assert(
  condition: unknown,
  what: string,
  context?: ErrorContext,
): asserts condition {
  if (!condition) {
    throw new FloeError('ASSERTION_FAILED', `Internal check failed: ${what}. Please report it`, {
      ...(context ? { context } : {}),
    })
  }
}

/** Throws ABORTED if the signal is aborted. Call between steps of long work. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw abortedError(signal, what)
}

/** The ABORTED error for a signal, with the signal's reason as its cause. */
export function abortedError(signal: AbortSignal, what: string): FloeError {
  return new FloeError('ABORTED', `${what} was aborted by its signal`, {
    cause: signal.reason,
    retryable: false,
  })
}
