/** Errors of the log that more than one of its modules gives. */
import { FloeError, isFloeError } from '../../../core/errors.ts'

export function noSuchTopic(folder: string, topic: string): FloeError {
  return new FloeError(
    'NO_SUCH_TOPIC',
    `The log ${folder} has no topic ${JSON.stringify(topic)}. Create it with createTopic, or correct the name`,
    { context: { log: folder, topic } },
  )
}

export function corruptRecords(
  where: { readonly topic: string; readonly partition: number },
  offset: number,
  file: string,
  position: number,
): FloeError {
  const { topic, partition } = where
  return new FloeError(
    'CORRUPT_RECORDS',
    `The record at offset ${offset} of ${topic}:${partition} is damaged: byte ${position} of ${file} begins no record whose checksum fits. Nothing is skipped: restore the file, or go on from a later offset`,
    { context: { topic, partition, offset, file, position } },
  )
}

export function offsetOutOfRange(
  where: { readonly topic: string; readonly partition: number },
  offset: number,
  why: string,
): FloeError {
  const { topic, partition } = where
  return new FloeError(
    'OFFSET_OUT_OF_RANGE',
    `Cannot read ${topic}:${partition} from offset ${offset}: ${why}. Decide what to do with the records that are missing before the stream goes on`,
    { context: { topic, partition, offset } },
  )
}

/** @param code what stands for a failure of the file system that may pass. */
export function translate(
  path: string,
  error: unknown,
  code: 'STORE_UNAVAILABLE' | 'SOURCE_UNAVAILABLE',
): FloeError {
  if (isFloeError(error)) return error
  const errno = errorCode(error)
  const context = { file: path, errno }
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    const message = `No space is left to write ${path}. Free some, and open the producer again`
    return new FloeError('STORE_FULL', message, { cause: error, context, retryable: false })
  }
  if (errno === 'EACCES' || errno === 'EPERM' || errno === 'EROFS') {
    const message = `The system refuses access to ${path} (${errno})`
    return new FloeError('PERMISSION_DENIED', message, { cause: error, context })
  }
  const message = `The file system failed at ${path} (${errno})`
  return new FloeError(code, message, { cause: error, context })
}

export function errorCode(error: unknown): string {
  return (error as { code?: string }).code ?? 'unknown'
}
