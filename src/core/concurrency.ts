/** Bounded concurrency: a mutex, a parallel map over an array, and an ordered read-ahead over a sequence. */
import { throwIfAborted } from './errors.ts'

/** Runs tasks one after the other, in the order of their calls. A failed task does not stop the next. */
export class Mutex {
  #tail: Promise<unknown> = Promise.resolve()

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task)
    this.#tail = result.catch(() => undefined)
    return result
  }
}

/**
 * Maps an array with at most `concurrency` calls under way; results are in the order of the items. After the
 * first failure no further call starts, and it rejects with that failure once the running ones have ended.
 */
export async function parallelMap<T, R>(
  items: readonly T[],
  concurrency: number,
  task: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length)
  let next = 0
  let failed = false
  const lane = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next++
      try {
        results[index] = await task(items[index] as T, index)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const lanes = Array.from({ length: Math.min(concurrency, items.length) }, lane)
  for (const outcome of await Promise.allSettled(lanes)) {
    if (outcome.status === 'rejected') throw outcome.reason
  }
  return results
}

/**
 * Maps a sequence in order while up to `concurrency` tasks run ahead of the consumer. `weigh` gives the cost of
 * an item before it runs; no new task starts while the started, unconsumed ones weigh more than `budget`, except
 * that one always may. Leaving the loop early ends the source and drops results still under way.
 * @throws ABORTED when the signal aborts.
 */
export async function* readAhead<T, R>(
  source: AsyncIterable<T> | Iterable<T>,
  options: {
    concurrency: number
    budget: number
    weigh: (item: T) => number
    signal?: AbortSignal | undefined
    what: string
  },
  task: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  const running: { readonly result: Promise<R>; readonly weight: number }[] = []
  let weight = 0
  let pending: T | undefined
  let exhausted = false
  try {
    for (;;) {
      while (!exhausted && running.length < options.concurrency) {
        throwIfAborted(options.signal, options.what)
        if (pending === undefined) {
          const next = await iterator.next()
          if (next.done === true) {
            exhausted = true
            break
          }
          pending = next.value
        }
        const cost = options.weigh(pending)
        if (running.length > 0 && weight + cost > options.budget) break
        const result = task(pending)
        // A failure is reported when its turn comes; until then it must not count as unhandled.
        result.catch(() => undefined)
        running.push({ result, weight: cost })
        weight += cost
        pending = undefined
      }
      const first = running.shift()
      if (first === undefined) return
      const value = await first.result
      weight -= first.weight
      throwIfAborted(options.signal, options.what)
      yield value
    }
  } finally {
    await iterator.return?.()
    await Promise.allSettled(running.map((r) => r.result))
  }
}
