/** How a run ends: it is asked to stop, and what then takes too long is ended. streaming.md §4. */
import { abortedError } from '../core/errors.ts'
import type { Runtime } from '../core/runtime.ts'

export class Stop {
  readonly #runtime: Runtime
  readonly #timeoutMs: number
  readonly #asked = new AbortController()
  readonly #overdue = new AbortController()

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

  ask(): void {
    this.#asked.abort(new Error('a stop was asked for'))
  }

  /** Has the time run from when a stop is asked for. @returns what ends the watch when the run is over */
  watch(): AbortController {
    const over = new AbortController()
    const wait = async (): Promise<void> => {
      await this.#runtime.sleep(this.#timeoutMs, over.signal)
      this.#overdue.abort(new Error(`the stop took longer than ${this.#timeoutMs} ms`))
    }
    const start = (): void => void wait().catch(() => undefined)
    if (this.asked.aborted) start()
    else this.asked.addEventListener('abort', start, { once: true, signal: over.signal })
    return over
  }

  /** Rejects with ABORTED when a stop has taken too long, also if the work does not heed its signal. */
  async unlessOverdue<T>(work: Promise<T>): Promise<T> {
    const signal = this.overdue
    const over = new AbortController()
    const ended = new Promise<never>((_, reject) => {
      const end = (): void => reject(abortedError(signal, 'A batch'))
      if (signal.aborted) end()
      else signal.addEventListener('abort', end, { once: true, signal: over.signal })
    })
    work.catch(() => undefined)
    try {
      return await Promise.race([work, ended])
    } finally {
      over.abort()
    }
  }
}
