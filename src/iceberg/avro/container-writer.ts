/** Writes Avro object containers. Avro spec §Object Container Files; layout: `container.ts`. */
import { assert } from '../../core/errors.ts'
import type { Runtime } from '../../core/runtime.ts'
import { type AvroWriteCodec, compressBlock } from './codec.ts'
import { AVRO_MAGIC, SYNC_BYTES } from './container.ts'
import { AvroSink } from './sink.ts'

export interface ContainerWriterOptions {
  /** JSON text of the schema of the records. */
  readonly schemaJson: string
  /** Further header entries; `avro.schema` and `avro.codec` are set by the writer. */
  readonly metadata: ReadonlyMap<string, string>
  readonly codec: AvroWriteCodec
  readonly runtime: Runtime
  /** A block is closed when it holds this many bytes before compression. Default 64 KiB (item 51). */
  readonly blockBytes?: number
}

/** Write each record into `sink`, then call `endRecord`; `finish` returns the whole file. */
export class AvroContainerWriter {
  readonly sink: AvroSink = new AvroSink(16 * 1024)
  readonly #codec: AvroWriteCodec
  readonly #blockBytes: number
  readonly #sync: Uint8Array
  readonly #parts: Uint8Array[] = []
  #partBytes = 0
  #records = 0
  #finished = false

  constructor(options: ContainerWriterOptions) {
    this.#codec = options.codec
    this.#blockBytes = options.blockBytes ?? 64 * 1024
    this.#sync = options.runtime.randomBytes(SYNC_BYTES)
    assert(this.#sync.byteLength === SYNC_BYTES, 'a sync marker has 16 bytes')
    this.#push(this.#header(options))
  }

  /** Bytes of the file so far: what is compressed, and what is not yet at its size before compression. */
  get lengthBytes(): number {
    return this.#partBytes + this.sink.length
  }

  /** Ends a record; the block is closed when it is full. */
  endRecord(): void {
    assert(!this.#finished, 'a finished Avro file takes no record')
    this.#records++
    if (this.sink.length >= this.#blockBytes) this.#flush()
  }

  finish(): Uint8Array {
    this.#flush()
    this.#finished = true
    const file = new Uint8Array(this.#partBytes)
    let offset = 0
    for (const part of this.#parts) {
      file.set(part, offset)
      offset += part.byteLength
    }
    return file
  }

  #header(options: ContainerWriterOptions): Uint8Array {
    const header = new AvroSink()
    header.writeFixed(AVRO_MAGIC)
    const entries = new Map(options.metadata)
    entries.set('avro.schema', options.schemaJson)
    entries.set('avro.codec', options.codec)
    header.writeLong(entries.size)
    for (const [key, value] of entries) {
      header.writeString(key)
      header.writeString(value)
    }
    header.writeLong(0)
    header.writeFixed(this.#sync)
    return header.toBytes()
  }

  #flush(): void {
    assert(this.#records > 0 || this.sink.length === 0, 'bytes of an Avro block belong to a record')
    if (this.#records === 0) return
    const body = compressBlock(this.#codec, this.sink.view())
    const frame = new AvroSink(body.byteLength + 64)
    frame.writeLong(this.#records)
    frame.writeBytes(body)
    frame.writeFixed(this.#sync)
    this.#push(frame.toBytes())
    this.sink.clear()
    this.#records = 0
  }

  #push(part: Uint8Array): void {
    this.#parts.push(part)
    this.#partBytes += part.byteLength
  }
}
