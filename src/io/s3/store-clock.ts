/**
 * The store's clock as its answers tell it: the Date of the last one, carried on by this machine's monotonic clock.
 * Date has whole seconds, so the value is up to a second late. The monotonic clock may stand while a machine sleeps,
 * which makes the value late as well; an old one is therefore not used at all.
 */
import type { Runtime } from '../../core/runtime.ts'

/** How long one Date is carried on. The protocol bounds writers to 5 minutes, so staleness is noticed there first. */
const MAX_AGE_MS = 15 * 60_000

export class StoreClock {
  readonly #runtime: Runtime
  #last: { readonly dateMs: number; readonly atMs: number } | undefined

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** Takes the Date header of an answer, of an error too. */
  observe(date: string | undefined): void {
    if (date === undefined) return
    const dateMs = Date.parse(date)
    if (Number.isNaN(dateMs)) return
    this.#last = { dateMs, atMs: this.#runtime.monotonicMs() }
  }

  /** Milliseconds since the epoch, or undefined if there was no answer lately. */
  read(): number | undefined {
    if (this.#last === undefined) return undefined
    const age = this.#runtime.monotonicMs() - this.#last.atMs
    return age > MAX_AGE_MS ? undefined : Math.floor(this.#last.dateMs + age)
  }
}
