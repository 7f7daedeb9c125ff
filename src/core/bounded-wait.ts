/** Waits that end, whatever the work does that they are for: it may heed no signal, and have no time-out. */
import { abortedError } from './errors.ts'
import type { Runtime } from './runtime.ts'

/** @throws ABORTED as soon as the signal aborts. The work is left alone, and how it ends then does no harm. */
export async function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal,
  what: string,
): Promise<T> {
  const over = new AbortController()
  const aborted = new Promise<never>((_, reject) => {
    const end = (): void => reject(abortedError(signal, what))
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true, signal: over.signal })
  })
  work.catch(() => undefined)
  try {
    return await Promise.race([work, aborted])
  } finally {
    over.abort()
  }
}

/** What {@link within} gives where the time was over first. */
export const LATE: unique symbol = Symbol('late')

/** What the work gives, or {@link LATE} after so many milliseconds; earlier if the signal aborts. The work is left alone then. */
export async function within<T>(
  runtime: Runtime,
  ms: number,
  work: Promise<T>,
  signal?: AbortSignal,
): Promise<T | typeof LATE> {
  const over = new AbortController()
  const end = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal])
  const late = runtime.sleep(ms, end).then(
    (): typeof LATE => LATE,
    (): typeof LATE => LATE,
  )
  work.catch(() => undefined)
  try {
    return await Promise.race([work, late])
  } finally {
    over.abort()
  }
}
