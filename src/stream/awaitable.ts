/** A promise that tells when somebody waits for it: whether a plain one is awaited cannot be seen. */
export class Awaitable<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = 'Promise'
  readonly #promise: Promise<T>
  readonly #onWait: () => void

  /** Whoever makes it looks after failures that nobody waits for. */
  constructor(promise: Promise<T>, onWait: () => void) {
    this.#promise = promise
    this.#onWait = onWait
    promise.catch(() => undefined)
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise.
  then<A = T, B = never>(
    onDone?: ((value: T) => A | PromiseLike<A>) | null,
    onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#onWait()
    return this.#promise.then(onDone, onFailed)
  }

  catch<B = never>(onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, onFailed)
  }

  finally(onEnd?: (() => void) | null): Promise<T> {
    this.#onWait()
    return this.#promise.finally(onEnd)
  }
}
