/**
 * An object in pieces: a single put if it stays small, else parts of a multipart upload as they fill up. At most
 * `uploadConcurrency` parts are under way while one more is being filled, and that bounds the memory.
 */
import { FloeError, throwIfAborted } from '../../core/errors.ts'
import type { ObjectStat, ObjectWriter } from '../store.ts'
import type { S3Connection } from './connection.ts'
import { MultipartUpload } from './multipart-upload.ts'
import { putWhole } from './put-object.ts'

/** S3 takes 10 000 parts; from this many on they grow, so that no object is too large. */
const EVEN_PARTS = 1_000

export class S3Writer implements ObjectWriter {
  readonly #connection: S3Connection
  readonly #path: string
  readonly #signal: AbortSignal | undefined
  /** Ends the uploads of parts when the writer is aborted. */
  readonly #ended = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #buffer: Uint8Array[] = []
  #buffered = 0
  #size = 0
  #partNumber = 0
  #upload: Promise<MultipartUpload> | undefined
  #state: 'open' | 'closed' | 'aborted' = 'open'
  #failure: { readonly error: unknown } | undefined

  constructor(connection: S3Connection, path: string, signal: AbortSignal | undefined) {
    this.#connection = connection
    this.#path = path
    this.#signal =
      signal === undefined ? this.#ended.signal : AbortSignal.any([signal, this.#ended.signal])
  }

  get sizeBytes(): number {
    return this.#size
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#checkOpen()
    this.#size += chunk.length
    for (let offset = 0; offset < chunk.length; ) {
      const room = this.#partBytes() - this.#buffered
      // A full buffer is sent only when more comes: one part's worth of bytes is a small object.
      if (room === 0) {
        await this.#sendPart()
        continue
      }
      const piece = chunk.subarray(offset, offset + room)
      this.#buffer.push(piece)
      this.#buffered += piece.length
      offset += piece.length
    }
    this.#throwFailure()
  }

  async close(): Promise<ObjectStat> {
    this.#checkOpen()
    this.#state = 'closed'
    try {
      if (this.#upload === undefined) {
        const subject = { doing: 'Writing', path: this.#path, signal: this.#signal }
        await putWhole(this.#connection, subject, joined(this.#buffer, this.#buffered))
      } else {
        await this.#sendPart()
        await Promise.all(this.#running)
        this.#throwFailure()
        await (await this.#upload).complete(this.#signal)
      }
    } catch (error) {
      await this.#drop()
      throw error
    }
    this.#buffer = []
    return {
      path: this.#path,
      sizeBytes: this.#size,
      lastModifiedMs: this.#connection.clock.read() ?? this.#connection.runtime.now(),
    }
  }

  async abort(): Promise<void> {
    if (this.#state !== 'open') return
    this.#state = 'aborted'
    await this.#drop()
  }

  async #drop(): Promise<void> {
    this.#buffer = []
    this.#ended.abort()
    // A part that arrives after the upload was dropped would stay, so wait for those on their way.
    await Promise.all(this.#running)
    const upload = await this.#upload?.catch(() => undefined)
    await upload?.abort()
  }

  /** Starts the upload of what is buffered; resolves when another part may be filled. */
  async #sendPart(): Promise<void> {
    if (this.#buffered === 0) return
    const bytes = joined(this.#buffer, this.#buffered)
    const number = ++this.#partNumber
    this.#buffer = []
    this.#buffered = 0
    this.#upload ??= MultipartUpload.start(this.#connection, this.#path, this.#signal)
    const sent: Promise<void> = this.#upload
      .then((upload) => upload.put(number, bytes, this.#signal))
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#running.delete(sent))
    this.#running.add(sent)
    while (this.#running.size >= this.#connection.options.uploadConcurrency) {
      await Promise.race(this.#running)
    }
    this.#throwFailure()
  }

  #partBytes(): number {
    return this.#connection.options.partSizeBytes * (1 + Math.floor(this.#partNumber / EVEN_PARTS))
  }

  #checkOpen(): void {
    if (this.#state !== 'open') throw new FloeError('HANDLE_CLOSED', 'This object writer is closed')
    throwIfAborted(this.#signal, `Writing ${this.#path}`)
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  if (chunks.length === 1) return chunks[0] as Uint8Array
  const bytes = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
}
