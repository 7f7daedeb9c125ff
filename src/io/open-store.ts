/** The store of a location's scheme. */
import { FloeError } from '../core/errors.ts'
import type { Runtime } from '../core/runtime.ts'
import { LocalStore } from './local.ts'
import { schemeOf } from './location.ts'
import { MemoryStore } from './memory.ts'
import type { Durability, ObjectStore } from './store.ts'

/** @throws UNSUPPORTED_STORE for a scheme without a store. */
export function openStore(
  location: string,
  options: { readonly runtime: Runtime; readonly durability: Durability },
): ObjectStore {
  const scheme = schemeOf(location)
  switch (scheme) {
    case 'file':
      return new LocalStore(options)
    case 'memory':
      return new MemoryStore(options.runtime)
    default:
      throw new FloeError(
        'UNSUPPORTED_STORE',
        `There is no store for ${scheme}: locations. Use a local path, or pass a store of your own as the option store`,
        { context: { scheme } },
      )
  }
}
