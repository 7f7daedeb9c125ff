/** Deletes in batches. Each key has its own outcome, and a batch that was answered may still hold failures. */
import { parallelMap } from '../../core/concurrency.ts'
import { FloeError } from '../../core/errors.ts'
import { redactUrl } from '../../core/secret.ts'
import type { S3Connection } from './connection.ts'
import { readFailure } from './s3-failure.ts'
import { parseS3Path } from './s3-path.ts'

/** What one request takes. */
const BATCH = 1_000
const CONCURRENCY = 4
/** How many failed keys an error names. */
const NAMED = 3

interface Failed {
  readonly path: string
  readonly code: string
}

/** Missing objects are no error. @throws FloeError after all batches were tried, if any key could not be deleted. */
export async function deleteObjects(
  connection: S3Connection,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (paths.length === 1) return deleteOne(connection, paths[0] as string, signal)
  const failed = (
    await parallelMap(batches(paths), CONCURRENCY, (batch) =>
      deleteBatch(connection, batch.bucket, batch.paths, signal),
    )
  ).flat()
  if (failed.length > 0) throw notDeleted(failed, paths.length)
}

/** Some S3-compatible stores have no batch request; a single file is deleted on them too. */
async function deleteOne(
  connection: S3Connection,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { bucket, key } = parseS3Path(path)
  await connection.repeatable({ doing: 'Deleting', path, signal }, async (client, sdk, send) => {
    try {
      await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key }), send)
    } catch (error) {
      if (readFailure(error).kind !== 'no-key') throw error
    }
  })
}

function batches(paths: readonly string[]): { bucket: string; paths: string[] }[] {
  const byBucket = new Map<string, string[]>()
  for (const path of new Set(paths)) {
    const { bucket } = parseS3Path(path)
    const list = byBucket.get(bucket)
    if (list === undefined) byBucket.set(bucket, [path])
    else list.push(path)
  }
  const result: { bucket: string; paths: string[] }[] = []
  for (const [bucket, list] of byBucket) {
    for (let i = 0; i < list.length; i += BATCH) {
      result.push({ bucket, paths: list.slice(i, i + BATCH) })
    }
  }
  return result
}

/** The keys that could not be deleted, after those that may pass were tried again. */
async function deleteBatch(
  connection: S3Connection,
  bucket: string,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly Failed[]> {
  const first = paths[0] as string
  let left = new Map(paths.map((path) => [parseS3Path(path).key, path]))
  const refused: Failed[] = []
  await connection.repeatable(
    { doing: `Deleting ${paths.length} files such as`, path: first, signal },
    async (client, sdk, send) => {
      const answer = await client.send(
        new sdk.DeleteObjectsCommand({
          Bucket: bucket,
          Delete: { Objects: [...left.keys()].map((Key) => ({ Key })), Quiet: true },
          ChecksumAlgorithm: 'CRC32',
        }),
        send,
      )
      const passing = new Map<string, string>()
      for (const { Key: key, Code: code = 'Unknown' } of answer.Errors ?? []) {
        const path = key === undefined ? undefined : left.get(key)
        if (key === undefined || path === undefined || code === 'NoSuchKey') continue
        if (PASSING.has(code)) passing.set(key, path)
        else refused.push({ path, code })
      }
      left = passing
      if (left.size > 0) {
        throw Object.assign(new Error('some keys were not deleted'), { name: 'SlowDown' })
      }
    },
  )
  return refused
}

const PASSING: ReadonlySet<string> = new Set(['InternalError', 'SlowDown', 'ServiceUnavailable'])

function notDeleted(failed: readonly Failed[], of: number): FloeError {
  const names = failed.slice(0, NAMED).map(({ path }) => redactUrl(path))
  const more = failed.length > NAMED ? ` and ${failed.length - NAMED} more` : ''
  const code = /^[A-Za-z]{1,64}$/.exec(failed[0]?.code ?? '')?.[0] ?? 'Unknown'
  const denied = failed.some((f) => f.code === 'AccessDenied')
  return new FloeError(
    denied ? 'PERMISSION_DENIED' : 'STORE_UNAVAILABLE',
    `${failed.length} of ${of} files could not be deleted (${code}): ${names.join(', ')}${more}${denied ? '. The right s3:DeleteObject is needed' : ''}`,
    { context: { failed: failed.length, s3: code, file: names[0] as string } },
  )
}
