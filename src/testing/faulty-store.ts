/**
 * A store that fails on purpose: any `ObjectStore` as one or several processes see it, each with a plan of faults, and
 * with a death of its own. Deterministic: the same plan over the same calls does the same.
 */
import { FloeError } from '../core/errors.ts'
import { type Runtime, systemRuntime } from '../core/runtime.ts'
import { MemoryStore } from '../io/memory.ts'
import type {
  ObjectStat,
  ObjectStore,
  ObjectWriter,
  PutIfAbsentResult,
  PutOptions,
  RequestOptions,
} from '../io/store.ts'
import { checkFault, type Fault, type FaultKind, type FaultPlan, type StoreCall } from './fault.ts'
import { ProcessDiedError } from './process-died.ts'
import { outcomeOf, SharedState, type TracedCall } from './shared-state.ts'

export interface FaultyStoreOptions {
  /** Name of the process, for the trace. Default `main`. */
  readonly name?: string
  /** Which calls fail, and how. Default: none. */
  readonly plan?: FaultPlan
  /** Time that a call takes on its way there, and again on the way back, in milliseconds. Default: none. */
  readonly latencyMs?: (call: StoreCall) => number
  /** What waits are made with. Default: the real clock. */
  readonly runtime?: Runtime
}

/**
 * One process's view of a store. Further processes on the same store are made with {@link FaultyStore.process}; late
 * requests and the trace are common to all.
 */
export class FaultyStore implements ObjectStore {
  readonly scheme: string
  readonly name: string
  readonly realPath?: (path: string) => Promise<string>
  /** The plan from the next call on; may be replaced at any time. */
  plan: FaultPlan
  readonly #inner: ObjectStore
  readonly #runtime: Runtime
  readonly #latencyMs: ((call: StoreCall) => number) | undefined
  readonly #writers = new Set<ObjectWriter>()
  #shared = new SharedState()
  #calls = 0
  #dead = false

  /** @param inner the store; one in memory if left out. It is never closed from here. */
  constructor(inner?: ObjectStore, options: FaultyStoreOptions = {}) {
    this.#runtime = options.runtime ?? systemRuntime
    this.#inner = inner ?? new MemoryStore(this.#runtime)
    this.scheme = this.#inner.scheme
    this.name = options.name ?? 'main'
    this.plan = options.plan ?? (() => undefined)
    this.#latencyMs = options.latencyMs
    if (this.#inner.realPath !== undefined) {
      this.realPath = (path) => (this.#inner.realPath as (path: string) => Promise<string>)(path)
    }
  }

  /** Another process on the same store. It goes on when this one dies. */
  process(name: string, options: Omit<FaultyStoreOptions, 'name'> = {}): FaultyStore {
    const other = new FaultyStore(this.#inner, { runtime: this.#runtime, ...options, name })
    other.#shared = this.#shared
    return other
  }

  /** Calls that this process has made; the index of its next one. */
  get callCount(): number {
    return this.#calls
  }

  get isDead(): boolean {
    return this.#dead
  }

  /** Calls of all processes in the order in which they began; the last 100,000 of them. */
  get trace(): readonly TracedCall[] {
    return this.#shared.trace
  }

  /** Kills the process: none of its calls does anything from now on. Requests that are on their way still arrive. */
  kill(): void {
    this.#dead = true
    // The system closes what a process had open; unfinished objects were never visible.
    for (const writer of this.#writers) void writer.abort()
    this.#writers.clear()
  }

  /** Lets every late request arrive now. */
  async settle(): Promise<void> {
    await this.#shared.arrive(Number.POSITIVE_INFINITY)
  }

  get(path: string, options?: Parameters<ObjectStore['get']>[1]): Promise<Uint8Array> {
    return this.#call('get', path, { apply: () => this.#inner.get(path, options) })
  }

  stat(path: string, options?: RequestOptions): Promise<ObjectStat | null> {
    return this.#call('stat', path, { apply: () => this.#inner.stat(path, options) })
  }

  now(options?: RequestOptions): Promise<number> {
    return this.#call('now', '', { apply: () => this.#inner.now(options) })
  }

  put(path: string, bytes: Uint8Array, options?: PutOptions): Promise<void> {
    return this.#call('put', path, {
      apply: () => this.#inner.put(path, bytes, options),
      hold: () => {
        const copy = bytes.slice()
        return () => this.#inner.put(path, copy, withoutSignal(options))
      },
      tear: () => this.#inner.put(path, firstHalf(bytes)),
    })
  }

  putIfAbsent(path: string, bytes: Uint8Array, options?: PutOptions): Promise<PutIfAbsentResult> {
    return this.#call<PutIfAbsentResult>('putIfAbsent', path, {
      apply: () => this.#inner.putIfAbsent(path, bytes, options),
      hold: () => {
        const copy = bytes.slice()
        return () => this.#inner.putIfAbsent(path, copy, withoutSignal(options))
      },
      tear: () => this.#inner.putIfAbsent(path, firstHalf(bytes)),
      refused: 'exists',
    })
  }

  delete(paths: readonly string[], options?: RequestOptions): Promise<void> {
    return this.#call('delete', paths[0] ?? '', {
      apply: () => this.#inner.delete(paths, options),
      hold: () => () => this.#inner.delete([...paths]),
      tear: () => this.#inner.delete(paths.slice(0, Math.ceil(paths.length / 2))),
    })
  }

  async *list(
    prefix: string,
    options?: RequestOptions & { readonly startAfter?: string },
  ): AsyncGenerator<ObjectStat, void, undefined> {
    let torn = false
    try {
      await this.#call('list', prefix, {
        apply: async () => undefined,
        tear: async () => {
          torn = true
        },
      })
    } catch (error) {
      if (torn) yield* await this.#firstHalfOfList(prefix, options)
      throw error
    }
    for await (const object of this.#inner.list(prefix, options)) {
      this.#checkAlive()
      yield object
    }
  }

  async openWriter(path: string, options?: RequestOptions): Promise<ObjectWriter> {
    const inner = await this.#call('openWriter', path, {
      apply: () => this.#inner.openWriter(path, options),
    })
    this.#writers.add(inner)
    return this.#writer(path, inner)
  }

  /** The store below belongs to whoever made it. */
  async close(): Promise<void> {
    this.#writers.clear()
  }

  #writer(path: string, inner: ObjectWriter): ObjectWriter {
    let isOnItsWay = false
    const end = (): void => {
      this.#writers.delete(inner)
    }
    return {
      get sizeBytes() {
        return inner.sizeBytes
      },
      write: (chunk) => this.#call('writeChunk', path, { apply: () => inner.write(chunk) }),
      close: async () => {
        const stat = await this.#call('closeWriter', path, {
          apply: () => inner.close().finally(end),
          hold: () => {
            isOnItsWay = true
            end()
            return () => inner.close()
          },
          tear: async () => {
            await inner.close().finally(end)
            await this.#inner.put(path, firstHalf(await this.#inner.get(path)))
          },
        })
        return stat
      },
      abort: async () => {
        if (isOnItsWay) return
        end()
        await inner.abort()
      },
    }
  }

  async #call<T>(verb: StoreCall['verb'], path: string, request: Request<T>): Promise<T> {
    this.#checkAlive()
    const call: StoreCall = { process: this.name, index: this.#calls++, verb, path }
    const line = this.#shared.record(call)
    try {
      await this.#travel(call)
      await this.#shared.arrive(++this.#shared.calls)
      const fault = await this.plan(call)
      // Whoever dies while a request is about to leave does not send it.
      this.#checkAlive()
      if (fault !== undefined) {
        checkFault(fault, call)
        line.fault = fault.kind
      }
      const answer = await this.#carryOut(call, fault, request)
      await this.#travel(call)
      this.#checkAlive()
      line.outcome = typeof answer === 'string' ? answer : 'ok'
      return answer
    } catch (error) {
      line.outcome = outcomeOf(error)
      throw error
    }
  }

  async #carryOut<T>(call: StoreCall, fault: Fault | undefined, request: Request<T>): Promise<T> {
    if (fault === undefined) return request.apply()
    let answer: Answer<T> = { ok: false }
    switch (fault.kind) {
      case 'slow':
        await this.#runtime.sleep(fault.delayMs ?? DEFAULT_DELAY_MS)
        answer = { ok: true, value: await request.apply() }
        break
      case 'after-lost':
      case 'http-500':
        // Whatever the answer was, it is lost.
        await request.apply().catch(() => undefined)
        break
      case 'torn':
        await request.tear?.()
        break
      case 'delayed':
        this.#shared.later(call, fault, request.hold)
        break
      case 'duplicate':
        answer = { ok: true, value: await request.apply() }
        if (fault.afterCalls === undefined) answer = { ok: true, value: await request.apply() }
        else this.#shared.later(call, fault, request.hold)
        break
      case 'http-412':
        answer = { ok: true, value: request.refused as T }
        break
      case 'before':
      case 'http-409':
      case 'http-429':
      case 'http-503':
        break
    }
    await fault.meanwhile?.()
    if (fault.crash === true) this.kill()
    this.#checkAlive()
    if (answer.ok) return answer.value
    throw unavailable(call, fault.kind)
  }

  async #travel(call: StoreCall): Promise<void> {
    if (this.#latencyMs !== undefined) await this.#runtime.sleep(this.#latencyMs(call))
  }

  async #firstHalfOfList(
    prefix: string,
    options: Parameters<ObjectStore['list']>[1],
  ): Promise<readonly ObjectStat[]> {
    const found: ObjectStat[] = []
    for await (const object of this.#inner.list(prefix, options)) found.push(object)
    return found.slice(0, Math.floor(found.length / 2))
  }

  #checkAlive(): void {
    if (this.#dead) throw new ProcessDiedError(this.name)
  }
}

const DEFAULT_DELAY_MS = 100

/** What a call asks of the store below. */
interface Request<T> {
  readonly apply: () => Promise<T>
  /** Takes the request out of the caller's hands, to be carried out later. */
  readonly hold?: () => () => Promise<unknown>
  /** Does half of it. */
  readonly tear?: () => Promise<unknown>
  /** The answer that says that nothing was done because something is there already. */
  readonly refused?: T
}

type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false }

function unavailable(call: StoreCall, kind: FaultKind): FloeError {
  const status = /^http-(\d+)$/.exec(kind)?.[1]
  const why = status === undefined ? kind : `the store answered ${status}`
  return new FloeError(
    'STORE_UNAVAILABLE',
    `The request ${call.verb} ${call.path} failed – ${why}, on purpose. Try again`,
    { context: { file: call.path, fault: kind, ...(status ? { status: Number(status) } : {}) } },
  )
}

function firstHalf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, bytes.length >> 1)
}

function withoutSignal(options: PutOptions | undefined): PutOptions {
  return options?.durability === undefined ? {} : { durability: options.durability }
}
