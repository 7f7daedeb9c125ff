/** Errors that every store raises in the same words. */
import { FloeError } from '../core/errors.ts'
import { redactUrl } from '../core/secret.ts'

export function fileNotFound(path: string, cause?: unknown): FloeError {
  const file = redactUrl(path)
  return new FloeError('FILE_NOT_FOUND', `There is no file ${file}`, { cause, context: { file } })
}

export function tooLarge(path: string, sizeBytes: number, maxBytes: number): FloeError {
  const file = redactUrl(path)
  return new FloeError(
    'LIMIT_EXCEEDED',
    `The file ${file} has ${sizeBytes} bytes, more than the ${maxBytes} allowed for its kind. Raise the limit in openLake if this is expected`,
    { context: { file, sizeBytes, maxBytes } },
  )
}
