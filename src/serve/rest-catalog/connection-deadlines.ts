/** Destroys connections whose client takes too long, though it keeps them busy: idle time-outs never see those. */
import type { Duplex } from 'node:stream'
import { type Runtime, repeatedly } from '../../core/runtime.ts'

export class ConnectionDeadlines {
  readonly #runtime: Runtime
  readonly #checkingMs: number
  readonly #set = new Map<object, { readonly connection: Duplex; readonly atMs: number }>()
  /** Set while there are deadlines. */
  #stop: (() => void) | undefined

  /** @param checkingMs how late a deadline may be seen. */
  constructor(runtime: Runtime, checkingMs: number) {
    this.#runtime = runtime
    this.#checkingMs = checkingMs
  }

  /**
   * Destroys the connection after so many milliseconds, unless the deadline is lifted.
   * @param wait what is waited for; one deadline each.
   */
  set(wait: object, connection: Duplex, ms: number): void {
    this.#set.set(wait, { connection, atMs: this.#runtime.monotonicMs() + ms })
    this.#stop ??= repeatedly(this.#checkingMs, () => this.#check())
  }

  lift(wait: object): void {
    this.#set.delete(wait)
  }

  #check(): void {
    const nowMs = this.#runtime.monotonicMs()
    for (const [wait, { connection, atMs }] of this.#set) {
      if (connection.destroyed) this.#set.delete(wait)
      else if (nowMs >= atMs) connection.destroy()
    }
    if (this.#set.size > 0) return
    this.#stop?.()
    this.#stop = undefined
  }
}
