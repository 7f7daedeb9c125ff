/** Bounds the requests under way, so that the time that a request waits for its turn is not taken for the store's. */
import { abortedError, throwIfAborted } from '../../core/errors.ts'

export class RequestSlots {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    this.#free = count
  }

  /** @throws ABORTED while it waits. */
  async run<T>(task: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    await this.#take(signal)
    try {
      return await task()
    } finally {
      this.#give()
    }
  }

  async #take(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal, 'A request')
    if (this.#free > 0) {
      this.#free--
      return
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(turn)
        reject(abortedError(signal as AbortSignal, 'A request'))
      }
      const turn = (): void => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      this.#waiting.add(turn)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Hands the slot to whoever waits longest. */
  #give(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free++
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
