/** Pages of a listing as one sequence, in the order that floe builds on. */
import { FloeError } from '../../core/errors.ts'
import { byteOrder } from '../memory.ts'
import type { ObjectStat } from '../store.ts'
import type { S3Connection } from './connection.ts'
import { parseS3Path } from './s3-path.ts'

/** How the names of S3's directory buckets end, which list in no order. */
const DIRECTORY_BUCKET = '--x-s3'

/** @throws UNSUPPORTED_STORE if the store lists in another order than that of UTF-8 bytes. */
export async function* listObjects(
  connection: S3Connection,
  prefix: string,
  options: { readonly startAfter?: string; readonly signal?: AbortSignal },
): AsyncGenerator<ObjectStat, void, undefined> {
  const { bucket, key, head } = parseS3Path(prefix)
  if (bucket.endsWith(DIRECTORY_BUCKET)) throw unordered(prefix)
  const startAfter =
    options.startAfter === undefined ? undefined : parseS3Path(options.startAfter).key
  const subject = { doing: 'Listing', path: prefix, signal: options.signal }
  let token: string | undefined
  let previous: string | undefined
  do {
    const from = token
    const page = await connection.repeatable(subject, async (client, sdk, send) => {
      const answer = await client.send(
        new sdk.ListObjectsV2Command({
          Bucket: bucket,
          Prefix: key,
          ...(startAfter === undefined ? {} : { StartAfter: startAfter }),
          ...(from === undefined ? {} : { ContinuationToken: from }),
        }),
        send,
      )
      // The rest of the names would be missing, and nobody would know.
      if (answer.IsTruncated === true && answer.NextContinuationToken === undefined) {
        throw new Error('the answer says that there is more, but not how to ask for it')
      }
      return answer
    })
    for (const object of page.Contents ?? []) {
      const name = object.Key as string
      if (previous !== undefined && byteOrder(previous, name) >= 0) throw unordered(prefix)
      previous = name
      yield {
        path: head + name,
        sizeBytes: object.Size ?? 0,
        lastModifiedMs: object.LastModified?.getTime() ?? 0,
      }
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined
  } while (token !== undefined)
}

function unordered(prefix: string): FloeError {
  return new FloeError(
    'UNSUPPORTED_STORE',
    `Listing ${prefix} does not give names in the order of their bytes, as directory buckets do not. The catalog finds its latest version by that order. Use a general purpose bucket`,
  )
}
