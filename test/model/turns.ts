/**
 * Who goes next: writers of one thread that stop before every store call, until a seeded choice lets one of them go on.
 * All that happens between two calls of a writer happens at once, so a seed repeats the whole interleaving.
 */

/** Turns of the event loop without any writer at a store call, after which they are taken for stuck. */
const PATIENCE = 10_000

export class Turns {
  readonly #random: () => number
  readonly #waiting: (() => void)[] = []

  constructor(random: () => number) {
    this.#random = random
  }

  /** Waits for its turn. */
  take(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Runs the tasks interleaved, until all have ended. They must not reject. */
  async run(tasks: readonly (() => Promise<void>)[]): Promise<void> {
    let running = tasks.length
    for (const task of tasks) void task().finally(() => running--)
    let idle = 0
    while (running > 0) {
      // One turn of the event loop is enough for everything that does not wait for its own turn.
      await new Promise((resolve) => setImmediate(resolve))
      if (this.#waiting.length === 0) {
        if (idle++ > PATIENCE) throw new Error('the writers are stuck: none of them asks the store')
        continue
      }
      idle = 0
      const [go] = this.#waiting.splice(Math.floor(this.#random() * this.#waiting.length), 1)
      go?.()
    }
  }
}
