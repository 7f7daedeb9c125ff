/** What all code over local files shares: errors of the system as floe's, and folders that are synced. */
import { open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
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
    case 'ENOTDIR':
      return notAFolder(path, error)
    default:
      return new FloeError(
        options.code ?? 'STORE_UNAVAILABLE',
        `The file system failed at ${path} (${errno})`,
        details,
      )
  }
}

function notAFolder(path: string, cause?: unknown, file?: string): FloeError {
  const where = file === undefined ? 'there or above it is a file' : `${file} is a file`
  return new FloeError(
    'BAD_LOCATION',
    `A folder is wanted at ${path}, but ${where}. Name another place, or move the file away`,
    { cause, context: { file: file ?? path } },
  )
}

/**
 * For a place where a folder is, or will be made.
 * @throws BAD_LOCATION where a file is there, or above it. Other failures are left to what is done there next.
 */
export async function refuseFile(path: string): Promise<void> {
  for (let at = path; ; at = dirname(at)) {
    try {
      if ((await stat(at)).isDirectory()) return
    } catch {
      // Nothing there, or below a file.
      if (at === dirname(at)) return
      continue
    }
    throw notAFolder(path, undefined, at)
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
