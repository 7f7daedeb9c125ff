/** Reads one partition from its segment files on, block by block, into chunks. */
import type { FileHandle } from 'node:fs/promises'
import { copyBytes } from '../../../core/copy-bytes.ts'
import { crc32c } from '../../../core/crc32c.ts'
import { FloeError } from '../../../core/errors.ts'
import { errorCode } from '../../../io/file-system.ts'
import { HEADER_BYTES, type RecordChunk, type RecordHeader } from '../../record-chunk.ts'
import { checkTopicIds } from '../../topic-ids.ts'
import { HEAD_BYTES, headerCount, headersAt } from './frame.ts'
import { corruptRecords, noSuchTopic, offsetOutOfRange } from './log-errors.ts'
import type { LogView } from './log-view.ts'
import { cutOf } from './segment-cut.ts'
import { isOther, newFile, openIfThere, scanNamed } from './segment-file.ts'
import {
  endOfGone,
  hasFrameAfter,
  readFully,
  SegmentIndex,
  segmentBases,
  segmentPath,
} from './segments.ts'
import { syncedBytes } from './synced-mark.ts'
import { partitionFolder, readTopic, type Topic } from './topic-folder.ts'

export interface Take {
  /** Shared by the readers of a source, which read one after the other. */
  readonly block: Buffer
  readonly maxRecordBytes: number
  /** Bytes that may still be taken. */
  readonly budget: number
  /** A first record is taken even if it is larger than the budget. */
  readonly first: boolean
}

/** Why parsing stopped: at the limit or the budget, at bytes that are not all of a frame, at a large record, at damage. */
type Stop = 'limit' | 'budget' | 'part' | 'large' | 'damage'

const LEAST_READ_BYTES = 64 * 1024
const NO_HEADERS: readonly RecordHeader[] = []

export class PartitionReader {
  readonly topic: string
  readonly partition: number
  readonly #view: LogView
  readonly #uuid: string
  readonly #folder: string
  readonly #indexes = new Map<number, SegmentIndex>()
  #file: FileHandle
  #path: string
  #base: number
  /** Where the next segment begins, once that is known. What may stand in this one from there on is none of the log's. */
  #until: number
  /** Bytes of the file that are known to be synced, by a producer that had the log: they are in it, for good. */
  #covered = 0
  /** Of the sync of the file: one that is tried again would not tell. */
  #syncFailure: unknown
  #position: number
  #offset: number
  /** Where frames of the records to give begin in the block. */
  #starts = new Int32Array(1024)

  private constructor(
    view: LogView,
    topic: Topic,
    partition: number,
    at: {
      file: FileHandle
      path: string
      base: number
      until: number
      position: number
      offset: number
    },
    indexes: Map<number, SegmentIndex>,
  ) {
    this.topic = topic.name
    this.partition = partition
    this.#view = view
    this.#uuid = topic.uuid
    this.#folder = partitionFolder(view.folder, topic.name, partition)
    this.#file = at.file
    this.#path = at.path
    this.#base = at.base
    this.#until = at.until
    this.#position = at.position
    this.#offset = at.offset
    this.#indexes = indexes
  }

  /**
   * @param offset what is read next; the first that there is, if undefined.
   * @throws OFFSET_OUT_OF_RANGE, NO_SUCH_TOPIC, CORRUPT_RECORDS
   */
  static async open(
    view: LogView,
    topic: Topic,
    partition: number,
    offset: number | undefined,
  ): Promise<PartitionReader> {
    const folder = partitionFolder(view.folder, topic.name, partition)
    const where = { topic: topic.name, partition }
    for (;;) {
      const bases = await basesOf(view.folder, topic.name, folder)
      const earliest = bases[0] as number
      const wanted = offset ?? earliest
      if (wanted < earliest) {
        throw removedBefore(where, wanted, earliest)
      }
      const base = bases.findLast((each) => each <= wanted) as number
      const path = segmentPath(folder, base)
      const file = await openIfThere(path)
      // Removed since the folder was listed.
      if (file === undefined) continue
      try {
        const index = new SegmentIndex()
        const place = await scanNamed(file, { ...where, folder, base }, index, wanted, 'none')
        if (place === undefined) {
          await file.close()
          continue
        }
        const end = Math.min(
          place.offset,
          view.limit(topic.name, topic.uuid, partition) ?? place.offset,
        )
        if (end < wanted) {
          if (base !== bases.at(-1)) throw corruptRecords(where, place.offset, path, place.position)
          throw beyondEnd(where, wanted, end)
        }
        const until = bases.find((each) => each > base) ?? Number.POSITIVE_INFINITY
        const at = { file, path, base, until, position: place.position, offset: wanted }
        return new PartitionReader(view, topic, partition, at, new Map([[base, index]]))
      } catch (error) {
        await file.close()
        throw error
      }
    }
  }

  get offset(): number {
    return this.#offset
  }

  /**
   * Records that are there now; undefined if none is; 'full' if the next one does not fit into the budget.
   * @throws RECORD_TOO_LARGE, CORRUPT_RECORDS, OFFSET_OUT_OF_RANGE, NO_SUCH_TOPIC for the record to read next
   */
  async take(take: Take): Promise<RecordChunk | 'full' | undefined> {
    if (this.#offset >= (this.#limit ?? Number.POSITIVE_INFINITY)) return undefined
    let { block } = take
    // Damage is looked at twice: another process may have ended the record meanwhile, and have written the next one.
    let again = false
    for (;;) {
      const synced = this.#limit
      const isCovered = synced === undefined && (await this.#hasMore()) && (await this.#isCovered())
      const asked = Math.min(
        block.length,
        Math.max(Math.ceil(take.budget * 1.25), LEAST_READ_BYTES),
      )
      const most = isCovered ? this.#covered - this.#position : Number.POSITIVE_INFINITY
      const length = Math.min(block === take.block ? asked : block.length, most)
      const bytes = await readFully(this.#file, block, this.#position, length)
      const limit = bytes === 0 ? this.#until : await this.#limitOfRead(isCovered)
      // After all else: see fencePartition.
      if (this.#position === 0 && bytes > 0 && (await this.#isReplaced())) continue
      // What was known to be whole before it was read has to be.
      const mustBeWhole = isCovered || (synced !== undefined && this.#offset < synced)
      const { chunk, stop } = this.#parse(block, bytes, limit, take)
      if (chunk !== undefined) return chunk
      const ended = this.#offset === this.#until
      if (stop === 'limit' && !ended) return undefined
      if (stop === 'budget') return 'full'
      if (stop === 'large' && (await this.#isSound())) {
        throw this.#tooLarge(block, take.maxRecordBytes)
      }
      if (stop === 'part' || ended) {
        const whole = ended ? undefined : await this.#wholeFrame(block, bytes)
        if (whole !== undefined) {
          block = whole
          continue
        }
        if (bytes === 0 || ended || !mustBeWhole) {
          const next = await this.#nextSegment(ended ? 0 : bytes)
          if (next === 'opened') {
            again = false
            continue
          }
          if (next === 'end' && (bytes === 0 || !(await this.#isDamage()))) return undefined
        }
      } else if (!mustBeWhole && !(await this.#isDamage())) return undefined
      if (again) {
        // The files of another topic of the name say nothing of this one.
        await this.checkTopic()
        throw this.#corrupt()
      }
      again = true
    }
  }

  /** The offset after the last record, as of now. Leaves what is read next alone. */
  async end(): Promise<number> {
    for (;;) {
      const limit = this.#limit
      if (limit !== undefined) return limit
      const bases = await basesOf(this.#view.folder, this.topic, this.#folder)
      const base = bases.at(-1) as number
      const path = segmentPath(this.#folder, base)
      const file = await openIfThere(path)
      if (file === undefined) continue
      try {
        let index = this.#indexes.get(base)
        if (index === undefined) {
          this.#indexes.clear()
          this.#indexes.set(base, (index = new SegmentIndex()))
        }
        const { topic, partition } = this
        const where = { topic, partition, folder: this.#folder, base }
        const all = Number.POSITIVE_INFINITY
        const place = await scanNamed(file, where, index, all, 'beyond-synced')
        // As for what is read: see fencePartition.
        const cut = await cutOf(this.#folder, base)
        const last = (await basesOf(this.#view.folder, this.topic, this.#folder)).at(-1)
        if (place === undefined || last !== base || (await isOther(path, file))) {
          this.#indexes.clear()
          continue
        }
        return Math.max(this.#offset, Math.min(place.offset, cut))
      } finally {
        await file.close()
      }
    }
  }

  /**
   * Whether the topic is still the one that was opened.
   * @throws NO_SUCH_TOPIC; OFFSET_OUT_OF_RANGE for another one of the name
   */
  async checkTopic(): Promise<void> {
    const { uuid } = await readTopic(this.#view.folder, this.topic)
    const { topic } = this
    const source = `log ${this.#view.folder}`
    checkTopicIds(source, new Map([[topic, this.#uuid]]), new Map([[topic, uuid]]))
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  get #limit(): number | undefined {
    return this.#view.limit(this.topic, this.#uuid, this.partition)
  }

  /** Whether there is anything to read of the file: where nothing has come, no mark needs be looked at. */
  async #hasMore(): Promise<boolean> {
    return (await this.#file.stat()).size > this.#position
  }

  /** Whether the next bytes lie before the mark of the producer. */
  async #isCovered(): Promise<boolean> {
    if (this.#until !== Number.POSITIVE_INFINITY) return false
    if (this.#covered <= this.#position) {
      this.#covered = (await syncedBytes(this.#folder, this.#base)) ?? 0
    }
    return this.#covered > this.#position
  }

  /**
   * Where what was read of the file by now ends to be the log's. What lies before that survives a power failure.
   * @throws OFFSET_OUT_OF_RANGE, NO_SUCH_TOPIC
   */
  async #limitOfRead(isCovered: boolean): Promise<number> {
    const { topic, partition } = this
    const limit = this.#limit
    if (limit !== undefined) {
      const isLast = this.#view.lastSegment(topic, this.#uuid, partition) === this.#base
      if (!isLast) await this.#findUntil()
      return Math.min(limit, this.#until)
    }
    if (isCovered) return this.#until
    // Another process may not have synced it yet: what a reader has taken must not be gone after a power failure.
    await this.#sync()
    if (this.#until !== Number.POSITIVE_INFINITY) return this.#until
    const cut = await cutOf(this.#folder, this.#base)
    await this.#findUntil()
    return Math.min(cut, this.#until)
  }

  async #sync(): Promise<void> {
    if (this.#syncFailure !== undefined) throw this.#syncFailure
    try {
      await this.#file.datasync()
    } catch (error) {
      this.#syncFailure = error
      throw error
    }
  }

  /** Looks for the next segment, if none is known. */
  async #findUntil(): Promise<void> {
    if (this.#until !== Number.POSITIVE_INFINITY) return
    const bases = await basesOf(this.#view.folder, this.topic, this.#folder)
    const first = bases.find((base) => base > this.#base)
    if (first === undefined) return
    // Where the segment has gone, the first one after it need not be the next.
    const isThere = bases.includes(this.#base) || first <= this.#offset
    const next = isThere ? first : await endOfGone(this.#folder, this.#base)
    if (next === undefined || next < this.#offset) {
      await this.checkTopic()
      if (next !== undefined) throw beyondEnd(this, this.#offset, next)
      throw removedBefore(this, this.#offset, first)
    }
    this.#until = next
  }

  #parse(
    block: Buffer,
    bytes: number,
    limit: number,
    { maxRecordBytes, budget, first }: Take,
  ): { chunk: RecordChunk | undefined; stop: Stop } {
    const view = new DataView(block.buffer, block.byteOffset, block.length)
    const relative = this.#offset - this.#base
    let starts = this.#starts
    let [at, count, memory, keyBytes] = [0, 0, 0, 0]
    let [nullKeys, nullValues, withHeaders] = [false, false, false]
    let stop: Stop
    for (;;) {
      if (this.#offset + count >= limit) {
        stop = 'limit'
        break
      }
      if (bytes - at < HEAD_BYTES) {
        stop = 'part'
        break
      }
      const length = view.getUint32(at + 4, true)
      const key = view.getInt32(at + 20, true)
      const value = view.getInt32(at + 24, true)
      const size = (key > 0 ? key : 0) + (value > 0 ? value : 0)
      const headers = headerCount(view.getUint32(at + 28, true))
      if (view.getUint32(at + 8, true) !== relative + count || length < HEAD_BYTES + size) {
        stop = 'damage'
        break
      }
      if (key > maxRecordBytes || value > maxRecordBytes) {
        stop = 'large'
        break
      }
      if (length > bytes - at) {
        stop = 'part'
        break
      }
      // What a frame has before its key is about what columns keep of a record beside it.
      const kept = length + headers * HEADER_BYTES
      if (memory + kept > budget && (count > 0 || !first)) {
        stop = 'budget'
        break
      }
      if (crc32c(view, at + 4, at + length) !== view.getUint32(at, true)) {
        stop = 'damage'
        break
      }
      if (count === starts.length) {
        const grown = new Int32Array(count * 2)
        grown.set(starts)
        this.#starts = starts = grown
      }
      starts[count++] = at
      memory += kept
      if (key < 0) nullKeys = true
      else keyBytes += key
      if (value < 0) nullValues = true
      if (headers > 0) withHeaders = true
      at += length
    }
    if (count === 0) return { chunk: undefined, stop }
    const chunk = this.#chunk(block, view, {
      count,
      keyBytes,
      nullKeys,
      nullValues,
      withHeaders,
    })
    this.#offset += count
    this.#position += at
    return { chunk, stop }
  }

  /** Into columns of just the size they need: frames were counted and measured before. */
  #chunk(
    block: Buffer,
    view: DataView,
    sizes: {
      readonly count: number
      readonly keyBytes: number
      readonly nullKeys: boolean
      readonly nullValues: boolean
      readonly withHeaders: boolean
    },
  ): RecordChunk {
    const { count } = sizes
    const offsets = new Float64Array(count)
    const timestampsMs = new Float64Array(count)
    const keys = new Uint8Array(sizes.keyBytes)
    const keyOffsets = new Int32Array(count + 1)
    const valueOffsets = new Int32Array(count + 1)
    const keyNulls = sizes.nullKeys ? new Uint8Array(count) : undefined
    const valueNulls = sizes.nullValues ? new Uint8Array(count) : undefined
    const headers: (readonly RecordHeader[])[] | undefined = sizes.withHeaders ? [] : undefined
    let [keyEnd, valueEnd, headerBytes] = [0, 0, 0]
    for (let row = 0; row < count; row++) {
      const at = this.#starts[row] as number
      offsets[row] = this.#offset + row
      timestampsMs[row] = view.getFloat64(at + 12, true)
      const key = view.getInt32(at + 20, true)
      const value = view.getInt32(at + 24, true)
      if (headers !== undefined) {
        const hasNone = headerCount(view.getUint32(at + 28, true)) === 0
        const list = hasNone ? NO_HEADERS : headersAt(block, at)
        headers.push(list)
        for (const header of list) headerBytes += header.key.length + (header.value?.length ?? 0)
      }
      let from = at + HEAD_BYTES
      if (key < 0) (keyNulls as Uint8Array)[row] = 1
      else {
        copyBytes(block, from, from + key, keys, keyEnd)
        keyEnd += key
        from += key
      }
      if (value < 0) (valueNulls as Uint8Array)[row] = 1
      else {
        // They gather at the start of the block, over what was read of it: a view for each would be garbage.
        block.copyWithin(valueEnd, from, from + value)
        valueEnd += value
      }
      keyOffsets[row + 1] = keyEnd
      valueOffsets[row + 1] = valueEnd
    }
    const values = new Uint8Array(valueEnd)
    values.set(new Uint8Array(block.buffer, block.byteOffset, valueEnd))
    return {
      topic: this.topic,
      partition: this.partition,
      start: this.#offset,
      end: this.#offset + count,
      count,
      offsets,
      timestampsMs,
      keys: { bytes: keys, offsets: keyOffsets, nulls: keyNulls },
      values: { bytes: values, offsets: valueOffsets, nulls: valueNulls },
      headers,
      byteLength: keyEnd + valueEnd + headerBytes,
    }
  }

  /** Memory for the frame to read next, if the file has all of it and the block does not. */
  async #wholeFrame(block: Buffer, bytes: number): Promise<Buffer | undefined> {
    if (bytes < HEAD_BYTES) return undefined
    const length = block.readUInt32LE(4)
    if (length <= bytes) return undefined
    const { size } = await this.#file.stat()
    return this.#position + length <= size ? Buffer.allocUnsafe(length) : undefined
  }

  /** At the end of what a segment has: goes on to the next one. */
  async #nextSegment(rest: number): Promise<'end' | 'opened' | 'missing'> {
    const bases = await basesOf(this.#view.folder, this.topic, this.#folder)
    const nextAt = bases.findIndex((base) => base > this.#base)
    const next = bases[nextAt]
    if (this.#position === 0 && rest === 0 && (await this.#isReplaced())) return 'opened'
    if (next === undefined) return 'end'
    if (next !== this.#offset || rest > 0) {
      await this.checkTopic()
      if (next > this.#offset && bases[0] === next) {
        // It may have got more before the next one was begun, and retention have taken it away since.
        const end = await endOfGone(this.#folder, this.#base)
        if (end !== undefined && end > this.#offset && this.#until !== end) {
          this.#until = end
          return 'opened'
        }
        throw removedBefore(this, this.#offset, next)
      }
      // The segment may have got more before the next one was begun.
      return 'missing'
    }
    const path = segmentPath(this.#folder, next)
    const file = await openIfThere(path)
    // Removed since the folder was listed.
    if (file === undefined) return this.#nextSegment(rest)
    try {
      await this.checkTopic()
    } catch (error) {
      await file.close()
      throw error
    }
    await this.#swap(file)
    this.#path = path
    this.#base = next
    this.#until = bases[nextAt + 1] ?? Number.POSITIVE_INFINITY
    this.#position = 0
    return 'opened'
  }

  /** A segment without records may have been replaced by a producer: then that one is read. */
  async #isReplaced(): Promise<boolean> {
    const file = await newFile(this.#path, this.#file)
    if (file === undefined) return false
    try {
      await this.checkTopic()
    } catch (error) {
      await file.close()
      throw error
    }
    await this.#swap(file)
    return true
  }

  async #swap(file: FileHandle): Promise<void> {
    await this.#file.close()
    this.#file = file
    this.#covered = 0
    this.#syncFailure = undefined
  }

  /** Whether the checksum of the frame to read next fits, however large it is. */
  async #isSound(): Promise<boolean> {
    const block = Buffer.allocUnsafe(256 * 1024)
    let bytes = await readFully(this.#file, block, this.#position)
    const wanted = block.readUInt32LE(0)
    const length = block.readUInt32LE(4)
    const { size } = await this.#file.stat()
    if (this.#position + length > size) return false
    let crc = crc32c(block, 4, Math.min(bytes, length))
    for (let done = bytes; done < length; done += bytes) {
      bytes = await readFully(this.#file, block, this.#position + done)
      if (bytes === 0) return false
      crc = crc32c(block, 0, Math.min(bytes, length - done), crc)
    }
    return crc === wanted
  }

  /** Whether what is no whole record will never be one: it was synced, as {@link scanSegment} finds out. */
  async #isDamage(): Promise<boolean> {
    const synced = await syncedBytes(this.#folder, this.#base)
    if (synced !== undefined && this.#position < synced) return true
    const relative = this.#offset - this.#base
    const kind = synced === undefined ? 'frame' : 'group'
    if (await hasFrameAfter(this.#file, this.#position, relative, kind)) return true
    const bases = await basesOf(this.#view.folder, this.topic, this.#folder)
    return bases.some((base) => base > this.#base)
  }

  #corrupt(): FloeError {
    return corruptRecords(this, this.#offset, this.#path, this.#position)
  }

  #tooLarge(block: Buffer, maxRecordBytes: number): FloeError {
    const bytes = Math.max(block.readInt32LE(20), block.readInt32LE(24))
    const { topic, partition } = this
    return new FloeError(
      'RECORD_TOO_LARGE',
      `The record at offset ${this.#offset} of ${topic}:${partition} has ${bytes} bytes, more than maxRecordBytes (${maxRecordBytes}). Raise maxRecordBytes, or keep such records out of the topic`,
      { context: { topic, partition, offset: this.#offset, bytes } },
    )
  }
}

/** One at least. */
async function basesOf(log: string, topic: string, folder: string): Promise<number[]> {
  try {
    const bases = await segmentBases(folder)
    // A topic that is being deleted; one that is there has a segment always.
    if (bases.length === 0) throw noSuchTopic(log, topic)
    return bases
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw noSuchTopic(log, topic)
    throw error
  }
}

function removedBefore(
  where: { readonly topic: string; readonly partition: number },
  offset: number,
  first: number,
): FloeError {
  const why = `its first record is at ${first}, retention removed those before`
  return offsetOutOfRange(where, offset, why)
}

function beyondEnd(
  where: { readonly topic: string; readonly partition: number },
  offset: number,
  end: number,
): FloeError {
  return offsetOutOfRange(
    where,
    offset,
    `it ends at ${end}. The topic may have been deleted and made anew`,
  )
}
