/** Errors of the log that more than one of its modules gives. */
import { FloeError, isFloeError } from '../../../core/errors.ts'
import { fileSystemError } from '../../../io/file-system.ts'

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
    `The record at offset ${offset} of ${topic}:${partition} is damaged: byte ${position} of ${file} begins no record whose checksum fits. Nothing is skipped: restore the file, or have moveStream pass over it, up to the first offset of a later file`,
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
    `Cannot read ${topic}:${partition} from offset ${offset}: ${why}. Nothing is skipped. Once it is decided what to do with the records that are missing, moveStream has the stream go on from a later offset`,
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
  const whenFull = '. Free some, and open the producer again'
  return fileSystemError(path, error, { code, whenFull })
}
