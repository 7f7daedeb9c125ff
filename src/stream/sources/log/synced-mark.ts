/**
 * How far a partition is known to be synced: the file `synced` beside its segments, overwritten in place after each
 * sync of records. It is not synced itself, so after a power loss it may be behind; it is never ahead. Of what lies behind
 * it, all before a frame that begins a group was synced, too. The rest is a write that no sync had ended: nothing that
 * was acknowledged. A partition without a mark was written by a log that does not sync, or by one of a floe before it
 * had them.
 *
 * ```
 *  0  uint32   CRC-32C of all that follows, little-endian as all numbers
 *  4  uint32   bytes of the segment that are synced
 *  8  float64  base offset of the segment; the segments before it are synced whole
 * ```
 */
import { constants, type FileHandle, open, readFile, stat, unlink } from 'node:fs/promises'
import { crc32c } from '../../../core/crc32c.ts'
import { errorCode } from '../../../io/file-system.ts'

const MARK_BYTES = 16

export class SyncedMark {
  readonly #file: FileHandle
  readonly #bytes = Buffer.alloc(MARK_BYTES)

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /** Sets the mark of a partition, for good once the folder is synced. */
  static async create(folder: string, base: number, position: number): Promise<SyncedMark> {
    const file = await open(markPath(folder), constants.O_RDWR | constants.O_CREAT)
    try {
      const mark = new SyncedMark(file)
      await mark.move(base, position)
      await file.sync()
      return mark
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async move(base: number, position: number): Promise<void> {
    const bytes = this.#bytes
    bytes.writeUInt32LE(position, 4)
    bytes.writeDoubleLE(base, 8)
    bytes.writeUInt32LE(crc32c(bytes, 4, MARK_BYTES), 0)
    await this.#file.write(bytes, 0, MARK_BYTES, 0)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** Bytes of a segment that are known to be synced; undefined if nothing tells. */
export async function syncedBytes(folder: string, base: number): Promise<number | undefined> {
  let bytes: Buffer
  try {
    bytes = await readFile(markPath(folder))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  // Without a mark that is sound all damage is reported.
  if (bytes.length !== MARK_BYTES || crc32c(bytes, 4, MARK_BYTES) !== bytes.readUInt32LE(0)) {
    return undefined
  }
  const marked = bytes.readDoubleLE(8)
  if (base < marked) return undefined
  return base === marked ? bytes.readUInt32LE(4) : 0
}

/**
 * From where on a segment has to be written anew before it counts as synced: what no sync has ended may be one that failed.
 * Infinity without a mark, where no owner has synced anything.
 */
export async function unsyncedFrom(folder: string, base: number): Promise<number> {
  try {
    await stat(markPath(folder))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return Number.POSITIVE_INFINITY
    throw error
  }
  return (await syncedBytes(folder, base)) ?? 0
}

/** Gives whether there was one. */
export async function removeSyncedMark(folder: string): Promise<boolean> {
  try {
    await unlink(markPath(folder))
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}

function markPath(folder: string): string {
  return `${folder}/synced`
}
