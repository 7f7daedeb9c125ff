import { abortedError } from '../../../core/errors.ts'

/**
 * Waits for work that heeds no signal, as none of kafkajs does. What is left behind fails when the sockets are cut off.
 * @throws ABORTED as soon as the signal aborts
 */
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
