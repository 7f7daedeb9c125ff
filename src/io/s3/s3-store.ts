/**
 * S3 and servers that speak its protocol. What makes an object exist is one request: PutObject, or the completion of
 * a multipart upload; `If-None-Match: *` on either creates it only if it is not there. See docs/s3.md.
 */
import { throwIfAborted } from '../../core/errors.ts'
import { type Runtime, systemRuntime } from '../../core/runtime.ts'
import type {
  ObjectStat,
  ObjectStore,
  ObjectWriter,
  PutIfAbsentResult,
  RequestOptions,
} from '../store.ts'
import { S3Connection } from './connection.ts'
import { deleteObjects } from './delete-objects.ts'
import { listObjects } from './list-objects.ts'
import { resolveS3Options, type S3Options } from './options.ts'
import { putIfAbsent, putWhole } from './put-object.ts'
import { readRange, readWhole } from './read-object.ts'
import { failureError, readFailure } from './s3-failure.ts'
import { parseS3Path } from './s3-path.ts'
import { S3Writer } from './s3-writer.ts'

export class S3Store implements ObjectStore {
  readonly scheme = 's3'
  readonly #connection: S3Connection
  /** Where to ask for the time, should nothing have been asked lately. */
  #bucket: string | undefined

  /**
   * Connects when first used.
   * @throws BAD_ARGUMENT
   */
  constructor(options: S3Options = {}, runtime: Runtime = systemRuntime) {
    this.#connection = new S3Connection(resolveS3Options(options), runtime)
  }

  async get(
    path: string,
    options: RequestOptions & {
      readonly range?: { readonly offset: number; readonly length: number }
      readonly maxBytes?: number
    } = {},
  ): Promise<Uint8Array> {
    const subject = this.#subject('Reading', path, options)
    return options.range === undefined
      ? readWhole(this.#connection, subject, options.maxBytes)
      : readRange(this.#connection, subject, options.range)
  }

  async stat(path: string, options: RequestOptions = {}): Promise<ObjectStat | null> {
    const { bucket, key } = parseS3Path(path)
    const subject = this.#subject('Looking at', path, options)
    return this.#connection.repeatable(subject, async (client, sdk, send) => {
      try {
        const answer = await client.send(
          new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }),
          send,
        )
        return {
          path,
          sizeBytes: answer.ContentLength ?? 0,
          lastModifiedMs: answer.LastModified?.getTime() ?? 0,
        }
      } catch (error) {
        if (readFailure(error).kind === 'no-key') return null
        throw error
      }
    })
  }

  async put(path: string, bytes: Uint8Array, options: RequestOptions = {}): Promise<void> {
    const subject = this.#subject('Writing', path, options)
    if (bytes.length <= this.#connection.options.partSizeBytes) {
      return putWhole(this.#connection, subject, bytes)
    }
    const writer = new S3Writer(this.#connection, path, options.signal)
    try {
      await writer.write(bytes)
      await writer.close()
    } catch (error) {
      await writer.abort()
      throw error
    }
  }

  async openWriter(path: string, options: RequestOptions = {}): Promise<ObjectWriter> {
    this.#subject('Writing', path, options)
    return new S3Writer(this.#connection, path, options.signal)
  }

  async putIfAbsent(
    path: string,
    bytes: Uint8Array,
    options: RequestOptions = {},
  ): Promise<PutIfAbsentResult> {
    return putIfAbsent(this.#connection, this.#subject('Writing', path, options), bytes)
  }

  async *list(
    prefix: string,
    options: RequestOptions & { readonly startAfter?: string } = {},
  ): AsyncGenerator<ObjectStat, void, undefined> {
    this.#subject('Listing', prefix, options)
    yield* listObjects(this.#connection, prefix, options)
  }

  async delete(paths: readonly string[], options: RequestOptions = {}): Promise<void> {
    const [first] = paths
    if (first === undefined) return
    this.#subject('Deleting', first, options)
    await deleteObjects(this.#connection, paths, options.signal)
  }

  /** From the last answer's Date, whole seconds; a request only if there was none for 15 minutes. */
  async now(options: RequestOptions = {}): Promise<number> {
    const known = this.#connection.clock.read()
    if (known !== undefined) return known
    const bucket = this.#bucket
    const path = `s3://${bucket ?? ''}`
    const subject = { doing: 'Asking the time of', path, signal: options.signal }
    return this.#connection.repeatable(subject, async (client, sdk, send) => {
      try {
        if (bucket === undefined) await client.send(new sdk.ListBucketsCommand({}), send)
        else await client.send(new sdk.HeadBucketCommand({ Bucket: bucket }), send)
      } catch (error) {
        // A refusal has a date as well, and that is all that is wanted.
        if (this.#connection.clock.read() === undefined) throw error
      }
      const now = this.#connection.clock.read()
      if (now === undefined) throw failureError(new Error('no Date'), subject.doing, path)
      return now
    })
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  #subject(
    doing: string,
    path: string,
    options: RequestOptions,
  ): { doing: string; path: string; signal: AbortSignal | undefined } {
    this.#bucket = parseS3Path(path).bucket
    throwIfAborted(options.signal, `${doing} ${path}`)
    return { doing, path, signal: options.signal }
  }
}
