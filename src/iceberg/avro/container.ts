/**
 * Reads Avro object containers. Avro spec §Object Container Files: the magic "Obj" 01, a map of metadata, a sync
 * marker of 16 bytes, then blocks of: count of records, size in bytes, the records, the sync marker.
 *
 * The bytes are untrusted: what blocks decompress to is bound each (`limits.avroBlockBytes`) and together (to a
 * multiple of the file's size). One block at a time is in memory. It knows nothing of what the records mean.
 */
import { FloeError } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import type { AvroType } from './avro-schema.ts'
import { AvroBudget } from './budget.ts'
import { checkCodec, decompressBlock } from './codec.ts'
import { AvroCursor } from './cursor.ts'
import { minimumBytes } from './minimum-bytes.ts'
import { avroSchemaOf } from './schema-cache.ts'

/** A block of records, decompressed; read exactly `count` of them, then call `cursor.expectEnd()`. */
export interface AvroBlock {
  readonly count: number
  readonly cursor: AvroCursor
}

export class AvroContainer {
  /** The schema that the records were written with. */
  readonly schema: AvroType
  /** All header entries; values are bytes and need not be text. */
  readonly metadata: ReadonlyMap<string, Uint8Array>
  readonly codec: string
  /** Shared by the cursors of all blocks. */
  readonly budget: AvroBudget
  private readonly bytes: Uint8Array
  private readonly file: string
  private readonly limits: Limits
  private readonly sync: Uint8Array
  private readonly start: number

  /**
   * Reads the header.
   * @param file names the file in errors.
   * @throws CORRUPT_AVRO, UNSUPPORTED_CODEC, ENCRYPTED_FILE, UNSUPPORTED_FILE_FORMAT (Avro before 1.3)
   */
  constructor(bytes: Uint8Array, file: string, limits: Limits) {
    checkMagic(bytes, file)
    this.bytes = bytes
    this.file = file
    this.limits = limits
    this.budget = new AvroBudget(file, limits)
    const cursor = new AvroCursor(bytes, this.budget, { start: MAGIC_BYTES })
    this.metadata = readMetadata(cursor)
    this.budget.releaseItems()
    this.sync = cursor.readFixed(SYNC_BYTES)
    this.start = cursor.pos
    this.codec = this.text('avro.codec') ?? 'null'
    checkCodec(this.codec, file)
    const schema = this.metadata.get('avro.schema')
    if (schema === undefined) throw cursor.corrupt('the header has no avro.schema')
    this.schema = avroSchemaOf(schema, file, limits)
  }

  /** A header entry as text; undefined if it is absent or not UTF-8. */
  text(key: string): string | undefined {
    const value = this.metadata.get(key)
    if (value === undefined) return undefined
    try {
      return UTF8.decode(value)
    } catch {
      return undefined
    }
  }

  /**
   * The blocks in order. Each is checked as it is reached, so an error may follow good blocks.
   * @throws CORRUPT_AVRO, CHECKSUM_MISMATCH, LIMIT_EXCEEDED
   */
  *blocks(): Generator<AvroBlock, void, undefined> {
    const cursor = new AvroCursor(this.bytes, this.budget, { start: this.start })
    const recordBytes = minimumBytes(this.schema)
    let budget = Math.max(this.limits.avroBlockBytes, MAX_RATIO * this.bytes.byteLength)
    let sizeHint: number | undefined
    while (cursor.remaining > 0) {
      const offset = cursor.pos
      const count = cursor.readLong()
      if (count < 0) throw cursor.corrupt(`a block of ${count} records`)
      const size = cursor.readLength()
      const start = cursor.take(size)
      if (!this.syncAt(cursor.take(SYNC_BYTES))) {
        throw cursor.corrupt('the sync marker of a block does not match that of the header')
      }
      const data = decompressBlock(this.codec, this.bytes.subarray(start, start + size), {
        maxBytes: Math.max(1, Math.min(this.limits.avroBlockBytes, budget)),
        sizeHint: sizeHint ?? Math.min(64 * 1024, USUAL_RATIO * size),
        file: this.file,
        offset,
      })
      budget -= data.byteLength
      sizeHint = data.byteLength
      if (recordBytes === 0) this.budget.takeEmptyItems(count)
      else if (count * recordBytes > data.byteLength) {
        throw cursor.corrupt(`a block of ${count} records has only ${data.byteLength} bytes`)
      }
      const compressed = this.codec !== 'null'
      yield {
        count,
        cursor: new AvroCursor(data, this.budget, {
          baseOffset: compressed ? offset : start,
          ...(compressed ? { place: `the decompressed block at offset ${offset}` } : {}),
        }),
      }
    }
  }

  private syncAt(offset: number): boolean {
    for (let i = 0; i < SYNC_BYTES; i++) {
      if (this.bytes[offset + i] !== this.sync[i]) return false
    }
    return true
  }
}

export const AVRO_MAGIC: Uint8Array = Uint8Array.of(0x4f, 0x62, 0x6a, 1)
export const SYNC_BYTES = 16
const MAGIC_BYTES = 4
/** Real manifests compress up to about this; the room for a first block is made by it. */
const USUAL_RATIO = 32
/** More than this over a whole file is a bomb. */
const MAX_RATIO = 256
const UTF8 = new TextDecoder('utf-8', { fatal: true })

function checkMagic(bytes: Uint8Array, file: string): void {
  if (AVRO_MAGIC.every((byte, i) => bytes[i] === byte)) return
  const context = { file }
  const start = String.fromCharCode(...bytes.subarray(0, MAGIC_BYTES))
  if (start === 'AGS1') {
    throw new FloeError(
      'ENCRYPTED_FILE',
      `Cannot read ${file}: it is encrypted (AES-GCM stream). Encrypted tables are not supported`,
      { context },
    )
  }
  if (start === 'Obj\0') {
    throw new FloeError(
      'UNSUPPORTED_FILE_FORMAT',
      `Cannot read ${file}: it is an Avro container of version 1.2 or before. Write it again with ` +
        'a current Avro',
      { context },
    )
  }
  throw new FloeError(
    'CORRUPT_AVRO',
    `Cannot read ${file}: it does not start as an Avro container does. The file is damaged or of ` +
      'another format',
    { context: { file, offset: 0 } },
  )
}

function readMetadata(cursor: AvroCursor): Map<string, Uint8Array> {
  const metadata = new Map<string, Uint8Array>()
  for (;;) {
    // A key and a value take at least their length prefixes.
    const count = cursor.readCount(2)
    if (count === 0) return metadata
    cursor.budget.takeItems(count)
    for (let i = 0; i < count; i++) {
      const key = cursor.readString()
      metadata.set(key, cursor.readBytes())
    }
  }
}
