/** Secrets that cannot leak by printing: no toString, JSON or inspect shows the value. */

/** Holds a secret; only {@link Secret.reveal} gives the value, at the one place that needs it. */
export class Secret<T = string> {
  readonly #value: T

  constructor(value: T) {
    this.#value = value
  }

  /** The value. Never put it into an error, a log or a file. */
  reveal(): T {
    return this.#value
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  static {
    // util.inspect and console.log ask for this symbol before they walk an object.
    Object.defineProperty(Secret.prototype, Symbol.for('nodejs.util.inspect.custom'), {
      value: () => '[secret]',
    })
  }
}

/** A URL for messages: without user info and without the query, which may hold a signature. */
export function redactUrl(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1').replace(/[?#].*$/s, '')
}
