/** Reads of whole objects and ranges, checked: by checksum where the store keeps one, else by length. */
import { tooLarge } from '../store-errors.ts'
import type { RequestSubject, S3Connection } from './connection.ts'
import { readFailure } from './s3-failure.ts'
import { parseS3Path } from './s3-path.ts'

/** The body of an answer as Node gives it. */
interface Body extends AsyncIterable<Uint8Array> {
  destroy(): void
}

/** @throws FILE_NOT_FOUND, LIMIT_EXCEEDED before more than `maxBytes` is read, CHECKSUM_MISMATCH */
export async function readWhole(
  connection: S3Connection,
  subject: RequestSubject,
  maxBytes: number | undefined,
): Promise<Uint8Array> {
  const { bucket, key } = parseS3Path(subject.path)
  return connection.repeatable(subject, async (client, sdk, send) => {
    const answer = await client.send(
      new sdk.GetObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }),
      send,
    )
    const body = answer.Body as unknown as Body
    const size = answer.ContentLength
    if (maxBytes !== undefined && size !== undefined && size > maxBytes) {
      body.destroy()
      throw tooLarge(subject.path, size, maxBytes)
    }
    return collect(body, size, maxBytes, subject.path)
  })
}

/**
 * Bytes from `offset` on, at most `length`; none if the object ends before.
 * @throws FILE_NOT_FOUND
 */
export async function readRange(
  connection: S3Connection,
  subject: RequestSubject,
  range: { readonly offset: number; readonly length: number },
): Promise<Uint8Array> {
  const { bucket, key } = parseS3Path(subject.path)
  const { offset, length } = range
  return connection.repeatable(subject, async (client, sdk, send) => {
    if (length === 0) {
      // HTTP has no empty range; that the object exists must be known all the same.
      await client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }), send)
      return new Uint8Array(0)
    }
    let answer: Awaited<ReturnType<typeof get>>
    const get = () =>
      client.send(
        new sdk.GetObjectCommand({
          Bucket: bucket,
          Key: key,
          Range: `bytes=${offset}-${offset + length - 1}`,
        }),
        send,
      )
    try {
      answer = await get()
    } catch (error) {
      if (readFailure(error).kind === 'range') return new Uint8Array(0)
      throw error
    }
    const body = answer.Body as unknown as Body
    const part = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(answer.ContentRange ?? '')
    if (part === null) {
      // A server may answer a range with the whole object.
      const whole = await collect(body, answer.ContentLength, undefined, subject.path)
      return whole.slice(offset, offset + length)
    }
    const [first, last] = [Number(part[1]), Number(part[2])]
    if (first !== offset || last - first + 1 > length) {
      body.destroy()
      throw new Error('the answer holds another range than the one asked for')
    }
    return collect(body, last - first + 1, undefined, subject.path)
  })
}

async function collect(
  body: Body,
  size: number | undefined,
  maxBytes: number | undefined,
  path: string,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let total = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    total += chunk.length
    // Leaving the loop destroys the body.
    if (maxBytes !== undefined && total > maxBytes) throw tooLarge(path, total, maxBytes)
  }
  if (size !== undefined && total !== size) {
    throw Object.assign(new Error('the answer was cut off'), { name: 'TruncatedAnswer' })
  }
  const only = chunks[0]
  // A view on a larger buffer would keep that alive.
  if (chunks.length === 1 && only !== undefined && only.byteLength === only.buffer.byteLength) {
    return new Uint8Array(only.buffer, 0, only.length)
  }
  const bytes = new Uint8Array(total)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
}
