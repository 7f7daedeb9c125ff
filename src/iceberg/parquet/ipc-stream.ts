/**
 * Record batches as pieces of an Arrow IPC stream in shared memory, the form in which workers take them: the one
 * copy of the data between the caller's buffers and the encoder's, and one that a second worker can read again.
 */
import type { RecordBatch, RecordBatchStreamWriter, Schema } from 'apache-arrow'
import { arrow } from '../columns/arrow.ts'
import { giveSharedBuffer, takeSharedBuffer } from './shared-buffers.ts'

export class IpcStream {
  readonly #writer: RecordBatchStreamWriter
  #pieces: Uint8Array[] = []
  #buffers: SharedArrayBuffer[] = []
  /** Bytes taken of the last buffer. */
  #used = 0
  #chunks: Uint8Array[] = []
  #chunkBytes = 0
  #bytes = 0

  /** Starts with the schema, which all batches have to share. */
  constructor(schema: Schema) {
    const { AsyncByteQueue, RecordBatchStreamWriter: StreamWriter } = arrow()
    const sink = new AsyncByteQueue<Uint8Array>()
    // What the writer hands over are views of the caller's buffers: take them as they come.
    sink.write = (chunk) => {
      const bytes = chunk as Uint8Array
      if (bytes.byteLength === 0) return
      this.#chunks.push(bytes)
      this.#chunkBytes += bytes.byteLength
    }
    this.#writer = new StreamWriter({ autoDestroy: false })
    this.#writer.reset(sink, schema)
    this.#collect()
  }

  /** Bytes in all pieces. */
  get bytes(): number {
    return this.#bytes
  }

  /** Copies a batch; its buffers may change afterwards. */
  add(batch: RecordBatch): void {
    this.#writer.write(batch)
    this.#collect()
  }

  /** Ends the stream and gives its pieces, in order. */
  finish(): readonly Uint8Array[] {
    this.#pieces.push(END_OF_STREAM)
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  /** Gives the memory of the finished stream back; its pieces must not be read any more. */
  release(): void {
    for (const buffer of this.#buffers) giveSharedBuffer(buffer)
    this.#buffers = []
  }

  #collect(): void {
    const length = this.#chunkBytes
    let buffer = this.#buffers.at(-1)
    if (buffer === undefined || this.#used + length > buffer.byteLength) {
      buffer = takeSharedBuffer(length)
      this.#buffers.push(buffer)
      this.#used = 0
    }
    const piece = Buffer.from(buffer, this.#used, length)
    let at = 0
    for (const chunk of this.#chunks) {
      // `set` goes byte by byte into shared memory from a place that is not aligned as the target is.
      piece.fill(chunk, at, at + chunk.byteLength)
      at += chunk.byteLength
    }
    this.#used += length
    this.#chunks = []
    this.#chunkBytes = 0
    this.#pieces.push(piece)
    this.#bytes += length
  }
}

const END_OF_STREAM = Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0)
