/** The store of a location's scheme. */
import { FloeError } from '../core/errors.ts'
import type { Runtime } from '../core/runtime.ts'
import { LocalStore } from './local.ts'
import { schemeOf } from './location.ts'
import { MemoryStore } from './memory.ts'
import type { S3Options } from './s3/options.ts'
import type { Durability, ObjectStore } from './store.ts'

/** @throws UNSUPPORTED_STORE for a scheme without a store, BAD_ARGUMENT for options that do not fit it. */
export async function openStore(
  location: string,
  options: {
    readonly runtime: Runtime
    readonly durability: Durability
    readonly s3?: S3Options | undefined
  },
): Promise<ObjectStore> {
  const scheme = schemeOf(location)
  if (options.s3 !== undefined && scheme !== 's3') {
    throw new FloeError('BAD_ARGUMENT', `The option s3 is for s3: locations, not ${scheme}:`, {
      context: { scheme },
    })
  }
  switch (scheme) {
    case 'file':
      return new LocalStore(options)
    case 'memory':
      return new MemoryStore(options.runtime)
    case 's3': {
      const { S3Store } = await import('./s3/s3-store.ts')
      return new S3Store(options.s3, options.runtime)
    }
    default:
      throw new FloeError(
        'UNSUPPORTED_STORE',
        `There is no store for ${scheme}: locations. Use a local path or s3://, or pass a store of your own as the option store`,
        { context: { scheme } },
      )
  }
}
