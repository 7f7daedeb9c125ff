/**
 * One client of the SDK with floe's own rules on top: a bounded number of requests at once, timeouts, the store's
 * clock, and repetition only where it does no harm. The SDK itself never repeats a request.
 */
import { abortedError, FloeError, isFloeError, throwIfAborted } from '../../core/errors.ts'
import { retry } from '../../core/retry.ts'
import type { Runtime } from '../../core/runtime.ts'
import type { ResolvedS3Options, S3Credentials } from './options.ts'
import { RequestSlots } from './request-slots.ts'
import { failureError, readFailure } from './s3-failure.ts'
import { loadSdk, type Sdk, type SdkClient } from './sdk.ts'
import { StoreClock } from './store-clock.ts'

/** What a request is about, for its errors: `Reading s3://…`. */
export interface RequestSubject {
  readonly doing: string
  readonly path: string
  readonly signal?: AbortSignal | undefined
}

/** What the SDK's `send` takes besides the command. */
export interface SendOptions {
  readonly abortSignal?: AbortSignal
}

export type SdkTask<T> = (client: SdkClient, sdk: Sdk, send: SendOptions) => Promise<T>

const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

export class S3Connection {
  readonly options: ResolvedS3Options
  readonly runtime: Runtime
  readonly clock: StoreClock
  readonly #slots: RequestSlots
  #loaded: Promise<{ readonly sdk: Sdk; readonly client: SdkClient }> | undefined
  #closed = false

  constructor(options: ResolvedS3Options, runtime: Runtime) {
    this.options = options
    this.runtime = runtime
    this.clock = new StoreClock(runtime)
    this.#slots = new RequestSlots(options.maxSockets)
  }

  /**
   * Sends one request, once. The error is the SDK's, for the caller to read; those of floe (ABORTED, HANDLE_CLOSED,
   * UNSUPPORTED_STORE for a missing SDK) come before anything was sent, ABORTED perhaps after.
   */
  async once<T>(subject: RequestSubject, task: SdkTask<T>): Promise<T> {
    const { doing, path, signal } = subject
    const { sdk, client } = await this.#open()
    return this.#slots.run(async () => {
      if (this.#closed) throw closed()
      throwIfAborted(signal, `${doing} ${path}`)
      try {
        return await task(client, sdk, signal === undefined ? {} : { abortSignal: signal })
      } catch (error) {
        if (signal?.aborted) throw abortedError(signal, `${doing} ${path}`)
        throw error
      }
    }, signal)
  }

  /** Sends a request that may be repeated until it is answered. @throws FloeError */
  async repeatable<T>(subject: RequestSubject, task: SdkTask<T>): Promise<T> {
    const { doing, path, signal } = subject
    try {
      return await retry(
        this.runtime,
        this.options.retry,
        isPassing,
        () => this.once(subject, task),
        signal,
      )
    } catch (error) {
      throw failureError(error, doing, path)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const loaded = await this.#loaded?.catch(() => undefined)
    loaded?.client.destroy()
  }

  #open(): Promise<{ readonly sdk: Sdk; readonly client: SdkClient }> {
    if (this.#closed) return Promise.reject(closed())
    this.#loaded ??= loadSdk().then((sdk) => ({ sdk, client: this.#newClient(sdk) }))
    return this.#loaded
  }

  #newClient(sdk: Sdk): SdkClient {
    const { region, endpoint, credentials, maxSockets } = this.options
    const client = new sdk.S3Client({
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(credentials === undefined ? {} : { credentials: forSdk(credentials.reveal()) }),
      forcePathStyle: this.options.forcePathStyle,
      maxAttempts: 1,
      requestChecksumCalculation: 'WHEN_SUPPORTED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // The extra round trip before each body is not worth it: parts are small.
      expectContinueHeader: false,
      logger: SILENT,
      requestHandler: {
        connectionTimeout: this.options.connectTimeoutMs,
        requestTimeout: this.options.requestTimeoutMs,
        throwOnRequestTimeout: true,
        socketTimeout: this.options.requestTimeoutMs,
        httpAgent: { maxSockets },
        httpsAgent: { maxSockets },
        logger: SILENT,
      },
    })
    client.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args)
        const { headers } = result.response as { headers?: Record<string, string> }
        this.clock.observe(headers?.['date'])
        return result
      },
      // Below the deserializer, which turns answers of S3 that are errors into exceptions.
      { step: 'deserialize', priority: 'low', name: 'floeStoreClock' },
    )
    return client
  }
}

/** The SDK's types want absent properties absent. */
function forSdk(
  given: S3Credentials | (() => Promise<S3Credentials>),
): SdkCredentials | (() => Promise<SdkCredentials>) {
  const convert = (c: S3Credentials): SdkCredentials => ({
    accessKeyId: c.accessKeyId,
    secretAccessKey: c.secretAccessKey,
    ...(c.sessionToken === undefined ? {} : { sessionToken: c.sessionToken }),
    ...(c.expiration === undefined ? {} : { expiration: c.expiration }),
  })
  if (typeof given !== 'function') return convert(given)
  return async () => {
    try {
      return convert(await given())
    } catch {
      // Its error is not passed on: nobody knows what such a function writes into its messages.
      throw new FloeError('PERMISSION_DENIED', 'The function given as s3.credentials failed')
    }
  }
}

interface SdkCredentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
  expiration?: Date
}

/** Failures that another try may not meet again. */
function isPassing(error: unknown): boolean {
  if (isFloeError(error)) return false
  const { kind } = readFailure(error)
  return kind === 'transient' || kind === 'damaged' || kind === 'conflict'
}

function closed(): FloeError {
  return new FloeError('HANDLE_CLOSED', 'This store is closed. Open it again')
}
