/**
 * A pool of Parquet workers. Threads start when they are first needed and never keep the process alive while
 * they are idle. A worker is replaced when its WASM memory, which never shrinks, has grown too large, and when
 * it dies; the request that it had is then tried once more elsewhere: requests have no effects.
 */
import { Worker } from 'node:worker_threads'
import { abortedError, FloeError, throwIfAborted } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import type { Runtime } from '../../core/runtime.ts'
import { warmUp } from './warm-up.ts'
import { compileParquetWasm } from './wasm-module.ts'
import type {
  WorkerFailure,
  WorkerReply,
  WorkerRequest,
  WorkerResult,
  WorkerSetup,
} from './worker-protocol.ts'

export interface ParquetPoolOptions {
  readonly limits: Limits
  readonly runtime: Runtime
  /** Threads at most; 2 if left out. */
  readonly workers?: number | undefined
  /** Where the worker's script is, for bundlers; that of the package if left out. */
  readonly workerUrl?: URL | undefined
}

/** What readers and writers ask of the pool. */
export interface ParquetPool {
  /** Threads at most: so many requests run at once. */
  readonly size: number
  /** Largest decoded size of a row group. */
  readonly limits: Limits
  /** Where long work on the calling thread takes breaks. */
  readonly runtime: Runtime
  /**
   * Runs a request. Its bytes must not change until it is done.
   * @throws ABORTED at once when the signal aborts; WORKER_FAILED; HANDLE_CLOSED; whatever the request itself
   *   fails with, see {@link WorkerRequest}.
   */
  run<R extends WorkerRequest>(request: R, signal?: AbortSignal): Promise<WorkerResult<R>>
  /** Starts a worker and has it encode and decode a row, so that the first file does not wait. Never throws. */
  prewarm(): Promise<void>
  /** Ends all threads; requests under way fail with HANDLE_CLOSED. Idempotent. */
  close(): Promise<void>
}

export function openParquetPool(options: ParquetPoolOptions): ParquetPool {
  return new Pool(options)
}

/** Workers that run at once if nobody says otherwise. */
const DEFAULT_WORKERS = 2
/** How long an aborted request may go on before its thread is ended. */
const ABORT_GRACE_MS = 5_000
const TRIES = 2

interface Job {
  readonly request: WorkerRequest
  readonly resolve: (result: object) => void
  readonly reject: (error: unknown) => void
  readonly stopListening: () => void
  tries: number
  /** True once the caller has its answer: the result is of no use any more. */
  settled: boolean
}

interface Slot {
  readonly worker: Worker
  job: Job | undefined
  /** Aborts the wait of {@link ABORT_GRACE_MS} when the job ends by itself. */
  grace: AbortController | undefined
  gone: boolean
}

class Pool implements ParquetPool {
  readonly size: number
  readonly limits: Limits
  readonly runtime: Runtime
  readonly #workerUrl: URL | undefined
  readonly #slots: Slot[] = []
  readonly #queue: Job[] = []
  #starting = 0
  #closed = false

  constructor(options: ParquetPoolOptions) {
    this.size = options.workers ?? DEFAULT_WORKERS
    if (!Number.isSafeInteger(this.size) || this.size < 1 || this.size > MAX_WORKERS) {
      throw new FloeError(
        'BAD_ARGUMENT',
        `The number of Parquet workers must be from 1 to ${MAX_WORKERS}, not ${this.size}`,
      )
    }
    this.limits = options.limits
    this.runtime = options.runtime
    this.#workerUrl = options.workerUrl
  }

  run<R extends WorkerRequest>(request: R, signal?: AbortSignal): Promise<WorkerResult<R>> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw closedError()
      throwIfAborted(signal, WHAT)
      const onAbort = (): void => this.#abort(job, signal as AbortSignal)
      signal?.addEventListener('abort', onAbort, { once: true })
      const job: Job = {
        request,
        resolve: resolve as (result: object) => void,
        reject,
        stopListening: () => signal?.removeEventListener('abort', onAbort),
        tries: 0,
        settled: false,
      }
      this.#queue.push(job)
      this.#dispatch()
    })
  }

  async prewarm(): Promise<void> {
    try {
      await warmUp(this)
    } catch {
      // Whoever needs a worker will see the same failure with a reason to care.
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const jobs = [...this.#queue.splice(0), ...this.#slots.flatMap((s) => s.job ?? [])]
    for (const job of jobs) settle(job, () => job.reject(closedError()))
    await Promise.all(this.#slots.splice(0).map((slot) => this.#end(slot)))
  }

  /** Gives waiting jobs to idle workers, and starts workers while there are more jobs than workers. */
  #dispatch(): void {
    for (const slot of this.#slots) {
      if (slot.job !== undefined) continue
      const job = this.#queue.shift()
      if (job === undefined) return
      this.#give(slot, job)
    }
    const missing = Math.min(this.#queue.length, this.size - this.#slots.length) - this.#starting
    for (let i = 0; i < missing; i++) this.#start()
  }

  #start(): void {
    this.#starting++
    this.#spawn().then(
      () => {
        this.#starting--
        this.#dispatch()
      },
      (cause: unknown) => {
        this.#starting--
        const error = new FloeError(
          'WORKER_FAILED',
          'Cannot start a Parquet worker thread. Check that the package is installed completely',
          { cause },
        )
        for (const job of this.#queue.splice(0)) settle(job, () => job.reject(error))
      },
    )
  }

  async #spawn(): Promise<void> {
    const url = this.#workerUrl ?? new URL(import.meta.resolve('#parquet-worker'))
    // The thread starts while the code that it is given compiles.
    const worker = new Worker(url, {
      name: 'floe-parquet',
      execArgv: [],
      // A worker's garbage is nearly all in large buffers: a small nursery has them collected sooner.
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    })
    const slot: Slot = { worker, job: undefined, grace: undefined, gone: false }
    worker.on('message', (reply: WorkerReply) => this.#onReply(slot, reply))
    let cause: unknown
    worker.on('error', (error) => {
      cause = error
    })
    worker.on('exit', () => this.#onDeath(slot, cause))
    try {
      const maxMemoryBytes = memoryCeiling(this.limits)
      const module = await compileParquetWasm(maxMemoryBytes)
      const setup: WorkerSetup = { module, maxMemoryBytes }
      // A script that is not there ends the thread before it has a request to be retried.
      if (slot.gone) throw cause
      worker.postMessage(setup)
    } catch (error) {
      await this.#end(slot)
      throw error
    }
    if (this.#closed) {
      await this.#end(slot)
      return
    }
    // An idle worker does not keep the process alive.
    worker.unref()
    this.#slots.push(slot)
  }

  #give(slot: Slot, job: Job): void {
    slot.job = job
    job.tries++
    slot.worker.ref()
    slot.worker.postMessage(job.request)
  }

  #take(slot: Slot): Job | undefined {
    const { job } = slot
    slot.job = undefined
    slot.grace?.abort()
    slot.grace = undefined
    slot.worker.unref()
    return job
  }

  #onReply(slot: Slot, reply: WorkerReply): void {
    const job = this.#take(slot)
    const isTrap = !reply.ok && reply.failure.kind === 'trap'
    if (isTrap || reply.memoryBytes > this.limits.workerMemoryBytes) this.#replace(slot)
    if (job !== undefined) {
      if (reply.ok) settle(job, () => job.resolve(reply.result))
      else this.#onFailure(job, reply.failure)
    }
    this.#dispatch()
  }

  #onFailure(job: Job, failure: WorkerFailure): void {
    if (failure.kind === 'trap' && !failure.mayLackMemory && job.tries < TRIES && !job.settled) {
      this.#queue.unshift(job)
      return
    }
    settle(job, () => job.reject(failureError(job.request, failure, this.limits)))
  }

  #onDeath(slot: Slot, cause: unknown): void {
    if (slot.gone) return
    const job = this.#take(slot)
    this.#forget(slot)
    if (job !== undefined && !job.settled) {
      if (job.tries < TRIES) this.#queue.unshift(job)
      else settle(job, () => job.reject(deathError(cause)))
    }
    this.#dispatch()
  }

  #abort(job: Job, signal: AbortSignal): void {
    if (job.settled) return
    settle(job, () => job.reject(abortedError(signal, WHAT)))
    const waiting = this.#queue.indexOf(job)
    if (waiting >= 0) {
      this.#queue.splice(waiting, 1)
      return
    }
    // The worker cannot be interrupted: let it come to an end, but not for ever.
    const slot = this.#slots.find((s) => s.job === job)
    if (slot === undefined) return
    slot.grace = new AbortController()
    this.runtime.sleep(ABORT_GRACE_MS, slot.grace.signal).then(
      () => {
        this.#take(slot)
        this.#replace(slot)
        this.#dispatch()
      },
      () => undefined,
    )
  }

  #replace(slot: Slot): void {
    this.#forget(slot)
    this.#end(slot).catch(() => undefined)
  }

  #forget(slot: Slot): void {
    slot.gone = true
    const index = this.#slots.indexOf(slot)
    if (index >= 0) this.#slots.splice(index, 1)
  }

  async #end(slot: Slot): Promise<void> {
    slot.gone = true
    slot.grace?.abort()
    await slot.worker.terminate()
  }
}

const WHAT = 'Reading or writing Parquet'
const MAX_WORKERS = 64

/**
 * What one instance may take: a row group at the limit as stored, decoded and while it is copied out. Far above
 * what files within the limits need; there to stop the others.
 */
function memoryCeiling(limits: Limits): number {
  return Math.max(limits.workerMemoryBytes * 2, limits.rowGroupBytes * 3)
}

function settle(job: Job, answer: () => void): void {
  if (job.settled) return
  job.settled = true
  job.stopListening()
  answer()
}

function failureError(request: WorkerRequest, failure: WorkerFailure, limits: Limits): FloeError {
  if (failure.kind === 'floe') {
    return new FloeError(failure.code, failure.message, { context: failure.context })
  }
  if (request.kind !== 'decode') {
    if (failure.kind === 'trap') return deathError(failure.message)
    return new FloeError(
      'TYPE_MISMATCH',
      `Cannot encode columns as Parquet: ${failure.message}. Correct the batch. Nothing was written`,
    )
  }
  const { path } = request
  if (failure.kind === 'trap' && failure.mayLackMemory) {
    return new FloeError(
      'LIMIT_EXCEEDED',
      `A row group of ${path} does not fit into the decoder's memory. ` +
        'Raise limits.rowGroupBytes in openLake if this is expected',
      { context: { file: path, limit: 'rowGroupBytes', max: limits.rowGroupBytes } },
    )
  }
  return new FloeError(
    'CORRUPT_PARQUET',
    `Cannot decode ${path}: ${failure.kind === 'trap' ? 'the decoder broke on it' : failure.message}. ` +
      'Restore the file or rewrite it from its source',
    { context: { file: path } },
  )
}

function deathError(cause: unknown): FloeError {
  return new FloeError(
    'WORKER_FAILED',
    'A Parquet worker thread died twice over the same request. Retry; write or read smaller row ' +
      'groups if it repeats',
    { cause },
  )
}

function closedError(): FloeError {
  return new FloeError('HANDLE_CLOSED', 'The lake was closed. Open it again')
}
