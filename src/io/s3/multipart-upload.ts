/**
 * One multipart upload: parts under numbers, made an object by one request or dropped. Each part goes with its
 * CRC32, and the store keeps that of the whole object, so that later reads can be checked.
 */
import { crc32 } from 'node:zlib'
import type { S3Connection, SendOptions } from './connection.ts'
import { readFailure } from './s3-failure.ts'
import { parseS3Path } from './s3-path.ts'
import type { Sdk, SdkClient } from './sdk.ts'

interface Part {
  readonly PartNumber: number
  readonly ETag: string
  readonly ChecksumCRC32: string
}

export class MultipartUpload {
  readonly #connection: S3Connection
  readonly #path: string
  readonly #id: string
  readonly #parts: Part[] = []
  #sizeBytes = 0

  private constructor(connection: S3Connection, path: string, id: string) {
    this.#connection = connection
    this.#path = path
    this.#id = id
  }

  static async start(
    connection: S3Connection,
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<MultipartUpload> {
    const { bucket, key } = parseS3Path(path)
    const subject = { doing: 'Writing', path, signal }
    const id = await connection.repeatable(subject, async (client, sdk, send) => {
      const answer = await client.send(
        new sdk.CreateMultipartUploadCommand({
          Bucket: bucket,
          Key: key,
          ChecksumAlgorithm: 'CRC32',
          ChecksumType: 'FULL_OBJECT',
        }),
        send,
      )
      if (answer.UploadId === undefined) throw new Error('the answer has no upload id')
      return answer.UploadId
    })
    return new MultipartUpload(connection, path, id)
  }

  /** Uploads a part; the same number again replaces it. @throws FloeError */
  async put(number: number, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const { bucket, key } = parseS3Path(this.#path)
    const subject = { doing: 'Writing', path: this.#path, signal }
    const checksum = crc32Base64(bytes)
    const part = await this.#connection.repeatable(subject, async (client, sdk, send) => {
      const answer = await client.send(
        new sdk.UploadPartCommand({
          Bucket: bucket,
          Key: key,
          UploadId: this.#id,
          PartNumber: number,
          Body: bytes,
          ContentLength: bytes.length,
          ChecksumCRC32: checksum,
        }),
        send,
      )
      if (answer.ETag === undefined) throw new Error('the answer has no etag')
      return {
        PartNumber: number,
        ETag: answer.ETag,
        // Ours, not the answer's: not every server repeats it.
        ChecksumCRC32: checksum,
      }
    })
    this.#parts.push(part)
    this.#sizeBytes += bytes.length
  }

  /** Makes the object, whatever was there before. @throws FloeError */
  async complete(signal: AbortSignal | undefined): Promise<void> {
    const subject = { doing: 'Writing', path: this.#path, signal }
    let unclear = false
    await this.#connection.repeatable(subject, async (client, sdk, send) => {
      try {
        await client.send(new sdk.CompleteMultipartUploadCommand(this.#completion({})), send)
      } catch (error) {
        const { kind } = readFailure(error)
        // An earlier try may have made the object although its answer was lost: then the upload is gone.
        if (kind === 'no-upload' && unclear && (await this.#isStored(client, sdk, send))) return
        unclear ||= kind === 'transient'
        throw error
      }
    })
  }

  /** Makes the object if there is none, with one request. The error is the SDK's. */
  async completeIfAbsent(signal: AbortSignal | undefined): Promise<void> {
    const subject = { doing: 'Writing', path: this.#path, signal }
    await this.#connection.once(subject, (client, sdk, send) =>
      client.send(
        new sdk.CompleteMultipartUploadCommand(this.#completion({ IfNoneMatch: '*' })),
        send,
      ),
    )
  }

  /** Drops the parts. Never throws: what stays is removed by the bucket's lifecycle rule (docs/s3.md). */
  async abort(): Promise<void> {
    const { bucket, key } = parseS3Path(this.#path)
    try {
      await this.#connection.repeatable(
        { doing: 'Dropping the upload of', path: this.#path },
        (client, sdk, send) =>
          client.send(
            new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: this.#id }),
            send,
          ),
      )
    } catch {
      // Parts are no object and nobody sees them.
    }
  }

  #completion<T extends object>(condition: T) {
    const { bucket, key } = parseS3Path(this.#path)
    return {
      Bucket: bucket,
      Key: key,
      UploadId: this.#id,
      ChecksumType: 'FULL_OBJECT' as const,
      MultipartUpload: { Parts: this.#parts.toSorted((a, b) => a.PartNumber - b.PartNumber) },
      ...condition,
    }
  }

  async #isStored(client: SdkClient, sdk: Sdk, send: SendOptions): Promise<boolean> {
    const { bucket, key } = parseS3Path(this.#path)
    const answer = await client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }), send)
    return answer.ContentLength === this.#sizeBytes
  }
}

/** As S3 writes it: big-endian bytes in base 64. */
function crc32Base64(bytes: Uint8Array): string {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(bytes))
  return sum.toString('base64')
}
