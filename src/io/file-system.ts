/** What all code over local files shares: errors of the system as floe's, and folders that are synced. */
import { open } from 'node:fs/promises'
import { FloeError } from '../core/errors.ts'

export function errorCode(error: unknown): string {
  return (error as { code?: string }).code ?? 'unknown'
}

/**
 * The error for a failure of the file system at a path that is there.
 * @param options code: what stands for a failure that may pass. whenFull: what to do where no space is left.
 */
export function fileSystemError(
  path: string,
  error: unknown,
  options: {
    readonly code?: 'STORE_UNAVAILABLE' | 'SOURCE_UNAVAILABLE'
    readonly whenFull?: string
  } = {},
): FloeError {
  const errno = errorCode(error)
  const details = { cause: error, context: { file: path, errno } }
  switch (errno) {
    case 'ENOSPC':
    case 'EDQUOT': {
      const message = `No space is left to write ${path}${options.whenFull ?? ''}`
      return new FloeError('STORE_FULL', message, { ...details, retryable: false })
    }
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new FloeError(
        'PERMISSION_DENIED',
        `The system refuses access to ${path} (${errno})`,
        details,
      )
    default:
      return new FloeError(
        options.code ?? 'STORE_UNAVAILABLE',
        `The file system failed at ${path} (${errno})`,
        details,
      )
  }
}

/** After it, names that were given or taken in the folder survive a crash of the machine. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Some file systems cannot sync a folder and need not.
    if (errorCode(error) !== 'EINVAL' && errorCode(error) !== 'ENOTSUP') throw error
  } finally {
    await handle.close()
  }
}
