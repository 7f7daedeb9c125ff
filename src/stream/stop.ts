/** How a run ends: it is asked to stop, and what then takes too long is ended. streaming.md §4. */
import { unlessAborted } from '../core/bounded-wait.ts'
import type { Runtime } from '../core/runtime.ts'

/** What a batch that is dropped is given to clean up after it, and to learn whether its commit was made. */
const GRACE_MS = 1000

export class Stop {
  readonly #runtime: Runtime
  readonly #timeoutMs: number
  readonly #asked = new AbortController()
  readonly #overdue = new AbortController()
  readonly #over = new AbortController()

  /** @param timeoutMs how long what is under way may go on after a stop was asked for */
  constructor(runtime: Runtime, timeoutMs: number) {
    this.#runtime = runtime
    this.#timeoutMs = timeoutMs
  }

  /** Aborted when a stop is asked for: reading and waiting end. */
  get asked(): AbortSignal {
    return this.#asked.signal
  }

  /** Aborted when a stop has taken too long: the batch under way ends. */
  get overdue(): AbortSignal {
    return this.#overdue.signal
  }

  /** Aborted shortly after that: the run ends, whatever does not answer. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  ask(): void {
    this.#asked.abort(new Error('a stop was asked for'))
  }

  /** Has the time run from when a stop is asked for. @returns what ends the watch when the run is over */
  watch(): AbortController {
    const ended = new AbortController()
    const wait = async (): Promise<void> => {
      const why = new Error(`the stop took longer than ${this.#timeoutMs} ms`)
      await this.#runtime.sleep(this.#timeoutMs, ended.signal)
      this.#overdue.abort(why)
      await this.#runtime.sleep(GRACE_MS, ended.signal)
      this.#over.abort(why)
    }
    const start = (): void => void wait().catch(() => undefined)
    if (this.asked.aborted) start()
    else this.asked.addEventListener('abort', start, { once: true, signal: ended.signal })
    return ended
  }

  /** Rejects with ABORTED when a stop has taken too long, also if the work does not heed its signal. */
  unlessOverdue<T>(work: Promise<T>): Promise<T> {
    return unlessAborted(work, this.overdue, 'A batch')
  }

  /** The same as soon as a stop is asked for: of work that no batch waits for. */
  unlessAsked<T>(work: Promise<T>): Promise<T> {
    return unlessAborted(work, this.asked, 'A batch')
  }

  /** The same once the time for cleaning up is over, too. */
  unlessOver<T>(work: Promise<T>): Promise<T> {
    return unlessAborted(work, this.over, 'A batch')
  }
}
