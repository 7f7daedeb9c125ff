/** Calls `onError`, which is somebody else's code: nothing that it does harms the server. */
import type { ServeCatalogOptions } from './options.ts'

export function tellOperator(
  { onError }: Pick<ServeCatalogOptions, 'onError'>,
  error: unknown,
  request: string,
): void {
  // An async one is as good as another to the compiler, and its rejection would end the process.
  const told = (async () => onError?.(error, request))()
  // There is nobody left to tell, and the client still waits for its answer.
  told.catch(() => undefined)
}
