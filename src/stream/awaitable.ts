/** A promise that tells when somebody looks at its failure: of a plain one that cannot be seen. */
export class Awaitable<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = 'Promise'
  readonly #promise: Promise<T>
  readonly #onHandled: () => void

  /** Whoever makes it looks after failures that nobody else does. */
  constructor(promise: Promise<T>, onHandled: () => void) {
    this.#promise = promise
    this.#onHandled = onHandled
    promise.catch(() => undefined)
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise.
  then<A = T, B = never>(
    onDone?: ((value: T) => A | PromiseLike<A>) | null,
    onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    // `await` and `Promise.all` have both functions.
    if (typeof onFailed === 'function') this.#onHandled()
    return this.#promise.then(onDone, onFailed)
  }

  catch<B = never>(onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, onFailed)
  }

  finally(onEnd?: (() => void) | null): Promise<T> {
    return this.#promise.finally(onEnd)
  }
}
