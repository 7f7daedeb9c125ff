/** Puts of whole objects: plain ones, which may be repeated, and conditional ones, which are sent once. */
import type { PutObjectCommandInput } from '@aws-sdk/client-s3'
import { FloeError, isFloeError } from '../../core/errors.ts'
import { backoffMs } from '../../core/retry.ts'
import type { PutIfAbsentResult } from '../store.ts'
import type { RequestSubject, S3Connection } from './connection.ts'
import { PartsUpload } from './parts-upload.ts'
import { failureError, readFailure } from './s3-failure.ts'
import { parseS3Object } from './s3-path.ts'

/** Tries of a conditional put while S3 says that another one is in progress. */
const CONFLICT_TRIES = 8
const CONFLICT_WAIT = {
  numRetries: CONFLICT_TRIES,
  minWaitMs: 20,
  maxWaitMs: 1_000,
  totalTimeoutMs: 30_000,
}

/** Replaces what is there. @throws FloeError */
export async function putWhole(
  connection: S3Connection,
  subject: RequestSubject,
  bytes: Uint8Array,
): Promise<void> {
  await connection.repeatable(subject, (client, sdk, send) =>
    client.send(new sdk.PutObjectCommand(wholeObject(subject.path, bytes)), send),
  )
}

/** A put of all bytes at once. */
function wholeObject(path: string, bytes: Uint8Array): PutObjectCommandInput {
  const { bucket, key } = parseS3Object(path)
  return {
    Bucket: bucket,
    Key: key,
    Body: bytes,
    ContentLength: bytes.length,
    ChecksumAlgorithm: 'CRC32',
  }
}

/**
 * Creates the object unless there is one. The deciding request is sent once: were it repeated after a lost answer,
 * its own object would refuse it. 409 decides nothing, so that one alone is tried again.
 * @throws STORE_UNAVAILABLE if the outcome is not known; other codes if nothing was stored.
 */
export async function putIfAbsent(
  connection: S3Connection,
  subject: RequestSubject,
  bytes: Uint8Array,
): Promise<PutIfAbsentResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (bytes.length <= connection.options.partSizeBytes) {
        await putWholeIfAbsent(connection, subject, bytes)
      } else await putPartsIfAbsent(connection, subject, bytes)
      return 'created'
    } catch (error) {
      if (isFloeError(error)) throw error
      const { kind } = readFailure(error)
      if (kind === 'exists') return 'exists'
      if (kind !== 'conflict' || attempt >= CONFLICT_TRIES) throw refusal(error, subject)
      await connection.runtime.sleep(
        backoffMs(connection.runtime, CONFLICT_WAIT, attempt),
        subject.signal,
      )
    }
  }
}

async function putWholeIfAbsent(
  connection: S3Connection,
  subject: RequestSubject,
  bytes: Uint8Array,
): Promise<void> {
  const input = { ...wholeObject(subject.path, bytes), IfNoneMatch: '*' }
  await connection.once(subject, (client, sdk, send) =>
    client.send(new sdk.PutObjectCommand(input), send),
  )
}

async function putPartsIfAbsent(
  connection: S3Connection,
  subject: RequestSubject,
  bytes: Uint8Array,
): Promise<void> {
  const { partSizeBytes } = connection.options
  const upload = await PartsUpload.start(connection, subject.path, subject.signal)
  try {
    for (let offset = 0, number = 1; offset < bytes.length; offset += partSizeBytes, number++) {
      const part = bytes.subarray(offset, offset + partSizeBytes)
      await upload.put(number, part, subject.signal)
    }
    await upload.completeIfAbsent(subject.signal)
  } catch (error) {
    // Not on an unclear answer: the request may still be on its way, and the upload is its matter.
    if (isFloeError(error) || DECIDED.has(readFailure(error).kind)) await upload.abort()
    throw error
  }
}

const DECIDED: ReadonlySet<string> = new Set(['exists', 'conflict', 'denied'])

/** Refusals for certain keep their code; everything else leaves the outcome open. */
function refusal(error: unknown, subject: RequestSubject): FloeError {
  const failure = failureError(error, subject.doing, subject.path)
  if (CERTAIN.has(failure.code)) return failure
  return new FloeError(
    'STORE_UNAVAILABLE',
    `${failure.message.replace(/ \[[A-Z_]+\]$/, '')}. Whether the object was created is not known`,
    { cause: failure.cause, context: failure.context },
  )
}

const CERTAIN: ReadonlySet<string> = new Set([
  'PERMISSION_DENIED',
  'NO_SUCH_BUCKET',
  'BAD_ARGUMENT',
  'UNSUPPORTED_STORE',
  'STORE_FULL',
])
