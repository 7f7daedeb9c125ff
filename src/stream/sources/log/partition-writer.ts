/** Appends to one partition. What it writes can be read only once {@link PartitionWriter.publish} says that it is whole. */
import { type FileHandle, open } from 'node:fs/promises'
import { syncFolder } from '../../../io/file-system.ts'
import { FrameWriter, type LogRecord } from './frame.ts'
import { newSegment } from './new-segment.ts'
import { type OwnFiles, removeCut, setCut } from './segment-cut.ts'
import {
  lastSegment,
  removeOldSegments,
  SegmentIndex,
  scanSegment,
  segmentPath,
} from './segments.ts'
import { syncAnew } from './sync-anew.ts'
import { removeSyncedMark, SyncedMark, unsyncedFrom } from './synced-mark.ts'
import { partitionFolder, type Topic } from './topic-folder.ts'

export interface WriterOptions extends OwnFiles {
  readonly log: string
  readonly topic: Topic
  readonly partition: number
  readonly sync: boolean
  /** Rejects if the log is not this process's any more. */
  readonly confirm: () => Promise<void>
  /** Called where a segment was begun and old ones could not be removed. */
  readonly onRetentionFailure: () => void
}

/** Frames are given to the system in pieces of about this size. */
const PIECE_BYTES = 4 * 1024 * 1024

export class PartitionWriter {
  readonly #options: WriterOptions
  readonly #folder: string
  readonly #frames = new FrameWriter()
  /** Undefined in a log that does not sync. */
  readonly #mark: SyncedMark | undefined
  #file: FileHandle
  #base: number
  #position: number
  #next: number
  #end: number
  #staged: LogRecord[] = []
  #stagedMs: number[] = []

  private constructor(
    options: WriterOptions,
    at: {
      file: FileHandle
      base: number
      position: number
      next: number
      mark: SyncedMark | undefined
    },
  ) {
    this.#options = options
    this.#folder = partitionFolder(options.log, options.topic.name, options.partition)
    this.#mark = at.mark
    this.#file = at.file
    this.#base = at.base
    this.#position = at.position
    this.#next = at.next
    this.#end = at.next
  }

  /**
   * Opens a partition at its end. What a crash left of writes that were not synced is cut off where the first of it is
   * no whole record, and what is whole is synced. No other process may write to its last segment: see
   * {@link fencePartition}.
   * @throws CORRUPT_RECORDS for damage in the last segment that {@link scanSegment} does not take for such a write
   */
  static async open(options: WriterOptions): Promise<PartitionWriter> {
    const { topic, partition, sync } = options
    const folder = partitionFolder(options.log, topic.name, partition)
    const base = await lastSegment({ topic: topic.name, partition, folder })
    const unsynced = await unsyncedFrom(folder, base)
    const file = await open(segmentPath(folder, base), 'r+')
    try {
      const where = { topic: topic.name, partition, folder, base }
      const end = await scanSegment(
        file,
        where,
        new SegmentIndex(),
        Number.POSITIVE_INFINITY,
        'all',
      )
      // Another process may have taken over and write to the file, if it was not opened before that.
      await options.confirm()
      if (end.rest > 0) await file.truncate(end.position)
      let mark: SyncedMark | undefined
      if (sync) {
        await syncAnew(file, Math.min(unsynced, end.position), end.position)
        mark = await SyncedMark.create(folder, base, end.position)
        await syncFolder(folder)
      } else if (await removeSyncedMark(folder)) {
        // What is appended from now on is acknowledged without a sync: no mark may say that it never was.
        await syncFolder(folder)
      }
      await removeCut(folder, options)
      const { position, offset: next } = end
      return new PartitionWriter(options, { file, base, position, next, mark })
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** The offset after the last record that can be read. */
  get end(): number {
    return this.#end
  }

  /** Base offset of the segment that is appended to. */
  get base(): number {
    return this.#base
  }

  /** Takes a record for the next {@link write}; gives its offset. */
  stage(record: LogRecord, timestampMs: number): number {
    this.#staged.push(record)
    this.#stagedMs.push(timestampMs)
    return this.#next++
  }

  /** Gives what is staged to the system. A segment that is full is synced before the next one is begun. */
  async write(): Promise<void> {
    const frames = this.#frames
    let offset = this.#next - this.#staged.length
    for (const [i, record] of this.#staged.entries()) {
      if (this.#position + frames.length >= this.#options.topic.segmentBytes) {
        await this.#flush()
        await this.#roll(offset)
      } else if (frames.length >= PIECE_BYTES) await this.#flush()
      frames.append(record, offset - this.#base, this.#stagedMs[i] as number, i === 0)
      offset++
    }
    this.#staged = []
    this.#stagedMs = []
    await this.#flush()
  }

  /** Resolves when all that was written survives a crash of the machine. */
  async sync(): Promise<void> {
    await this.#file.datasync()
  }

  /** What was written can be read from now on. */
  publish(): void {
    this.#end = this.#next
  }

  /** Notes that all that was written is synced: after {@link sync}, which needs not wait for it. */
  async markSynced(): Promise<void> {
    await this.#mark?.move(this.#base, this.#position)
  }

  /**
   * After a failed write or sync of a log that syncs: readers are told to give nothing of what was not published. The
   * system may take it for synced though it is not, until it is written anew by {@link PartitionWriter.open}.
   */
  async disown(): Promise<void> {
    if (!this.#options.sync) return
    await setCut(this.#folder, { base: this.#base, offset: this.#end }, this.#options)
  }

  async close(): Promise<void> {
    await this.#mark?.close()
    await this.#file.close()
  }

  async #flush(): Promise<void> {
    const { bytes } = this.#frames
    let done = 0
    while (done < bytes.length) {
      const left = bytes.length - done
      const { bytesWritten } = await this.#file.write(bytes, done, left, this.#position + done)
      done += bytesWritten
    }
    this.#position += done
    this.#frames.clear()
  }

  async #roll(base: number): Promise<void> {
    const { sync, topic, runtime } = this.#options
    if (sync) await this.#file.datasync()
    const file = await newSegment(this.#folder, base, 'added', this.#options)
    await this.#file.close()
    this.#file = file
    this.#base = base
    this.#position = 0
    try {
      await removeOldSegments(this.#folder, topic, runtime.now())
    } catch {
      // No record is worse for it: the next segment tries again, and a call of enforceRetention() tells what is wrong.
      this.#options.onRetentionFailure()
    }
  }
}
