/** Segment files of a partition: `<base offset>.log`. Each goes on where the one before it ends. */
import { type FileHandle, readdir, stat, unlink, writeFile } from 'node:fs/promises'
import type { FloeError } from '../../../core/errors.ts'
import { errorCode } from '../../../io/file-system.ts'
import { beginsGroup, frameAt, HEAD_BYTES } from './frame.ts'
import { corruptRecords } from './log-errors.ts'
import { syncedBytes } from './synced-mark.ts'

export interface PartitionName {
  readonly topic: string
  readonly partition: number
}

const SEGMENT = /^(\d{20})\.log$/
const BLOCK_BYTES = 1024 * 1024
/** Segments are read from places that are known, at most so far apart. */
const INDEX_STEP_BYTES = 128 * 1024

export function segmentPath(folder: string, base: number): string {
  return `${folder}/${String(base).padStart(20, '0')}.log`
}

/** Base offsets of the segments there are, ascending. */
export async function segmentBases(folder: string): Promise<number[]> {
  return basesIn(await readdir(folder))
}

function basesIn(names: readonly string[]): number[] {
  const bases = names.flatMap((name) => {
    const match = SEGMENT.exec(name)
    return match === null ? [] : [Number(match[1])]
  })
  return bases.sort((a, b) => a - b)
}

/**
 * Where a segment ended that retention has removed; undefined if that is not known, as when the one after it has gone,
 * too. Readers that have it open read on to there, and no further: a former owner may have written more to it.
 */
export async function endOfGone(folder: string, base: number): Promise<number | undefined> {
  return goneIn(await readdir(folder)).find(([each]) => each === base)?.[1]
}

/** An empty file, whose name says what was removed. */
const GONE = /^(\d{20})-(\d{20})\.gone$/

function goneIn(names: readonly string[]): [base: number, next: number][] {
  return names.flatMap((name): [number, number][] => {
    const match = GONE.exec(name)
    return match === null ? [] : [[Number(match[1]), Number(match[2])]]
  })
}

function gonePath(folder: string, base: number, next: number): string {
  const digits = (offset: number): string => String(offset).padStart(20, '0')
  return `${folder}/${digits(base)}-${digits(next)}.gone`
}

/** Base offset of the segment that is appended to. @throws CORRUPT_RECORDS */
export async function lastSegment(
  where: PartitionName & { readonly folder: string },
): Promise<number> {
  const base = (await segmentBases(where.folder)).at(-1)
  // A topic is made with a first segment: without one records are lost, and offsets must not begin anew.
  if (base === undefined) throw corruptRecords(where, 0, where.folder, 0)
  return base
}

/** Of offsets and where their frames begin in the segment, some; found while reading. */
export class SegmentIndex {
  readonly #offsets: number[] = [0]
  readonly #positions: number[] = [0]

  add(relativeOffset: number, position: number): void {
    if (position < (this.#positions.at(-1) as number) + INDEX_STEP_BYTES) return
    this.#offsets.push(relativeOffset)
    this.#positions.push(position)
  }

  /** The last known place at or before a relative offset. */
  before(relativeOffset: number): { relativeOffset: number; position: number } {
    let low = 0
    let high = this.#offsets.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if ((this.#offsets[middle] as number) <= relativeOffset) low = middle
      else high = middle
    }
    return {
      relativeOffset: this.#offsets[low] as number,
      position: this.#positions[low] as number,
    }
  }
}

export interface SegmentPlace {
  /** The offset that has its frame at the position, or will have. */
  readonly offset: number
  readonly position: number
  /** Bytes that are there after the position and are no whole frame. */
  readonly rest: number
}

/**
 * Goes through a segment from a known place to an offset, or to the end of its whole frames. What follows them is a
 * write that was not ended, if it lies behind what is known to be synced: by the mark, or because a later group was begun.
 * @param verify which checksums are compared: of a damaged record whose is not, only the length has to be sound. What lies
 *   before the offset to read is not the reader's matter, and what is synced it compares when it reads it.
 * @throws CORRUPT_RECORDS for damage of what was synced; without a mark, for damage that whole frames follow.
 */
export async function scanSegment(
  file: FileHandle,
  where: PartitionName & { readonly folder: string; readonly base: number },
  index: SegmentIndex,
  until: number,
  verify: 'all' | 'beyond-synced' | 'none',
): Promise<SegmentPlace> {
  // Before it is read what must be whole: a producer goes on meanwhile.
  const synced = await syncedBytes(where.folder, where.base)
  const verifiedFrom = { all: 0, 'beyond-synced': synced ?? 0, none: Number.POSITIVE_INFINITY }[
    verify
  ]
  const from = index.before(until - where.base)
  let { relativeOffset, position } = from
  let block = Buffer.allocUnsafe(BLOCK_BYTES)
  let suspected = -1
  for (;;) {
    if (where.base + relativeOffset >= until) {
      return { offset: where.base + relativeOffset, position, rest: 0 }
    }
    const bytes = await readFully(file, block, position)
    let at = 0
    let length = 1
    while (where.base + relativeOffset < until) {
      length = frameAt(block, at, bytes, relativeOffset, position + at >= verifiedFrom)
      if (length <= 0) break
      at += length
      relativeOffset++
      index.add(relativeOffset, position + at)
    }
    position += at
    if (length > 0 || (at > 0 && bytes === block.length)) continue
    const offset = where.base + relativeOffset
    if (length === 0 && bytes === block.length) {
      // A frame that is larger than the block, or damage that looks so.
      const wanted = block.readUInt32LE(4)
      const { size } = await file.stat()
      if (position + wanted <= size) {
        block = Buffer.allocUnsafe(wanted)
        continue
      }
    }
    const { size } = await file.stat()
    const rest = Math.max(0, size - position)
    const corrupt = (): FloeError =>
      corruptRecords(where, offset, segmentPath(where.folder, where.base), position)
    if (synced !== undefined && position < synced) throw corrupt()
    const kind = synced === undefined ? 'frame' : 'group'
    if (rest > 0 && (await hasFrameAfter(file, position, relativeOffset, kind))) {
      if (suspected === position) throw corrupt()
      // Another process may have ended the record meanwhile, and have written the next one.
      suspected = position
      continue
    }
    return { offset, position, rest }
  }
}

/**
 * Whether a whole frame of a later offset begins anywhere behind a place.
 * @param kind `group`: one that begins a group, so that what lies before it was synced.
 */
export async function hasFrameAfter(
  file: FileHandle,
  position: number,
  relativeOffset: number,
  kind: 'frame' | 'group',
): Promise<boolean> {
  const { size } = await file.stat()
  const most = relativeOffset + Math.ceil((size - position) / HEAD_BYTES)
  const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, Math.max(0, size - position)))
  for (let from = position + 1; from + HEAD_BYTES <= size; ) {
    const bytes = await readFully(file, block, from)
    if (bytes < HEAD_BYTES) return false
    const last = bytes - HEAD_BYTES
    for (let at = 0; at <= last; at++) {
      const offset = block.readUInt32LE(at + 8)
      if (offset <= relativeOffset || offset > most) continue
      const length = block.readUInt32LE(at + 4)
      if (length < HEAD_BYTES || from + at + length > size) continue
      if (kind === 'group' && !beginsGroup(block, at)) continue
      if (frameAt(block, at, bytes, offset, true) > 0) return true
      if (at + length <= bytes) continue
      const whole = Buffer.allocUnsafe(length)
      const read = await readFully(file, whole, from + at)
      if (frameAt(whole, 0, read, offset, true) > 0) return true
    }
    from += last + 1
  }
  return false
}

/** Fills the block as far as the file reaches. */
export async function readFully(
  file: FileHandle,
  block: Buffer,
  position: number,
  length: number = block.length,
): Promise<number> {
  let done = 0
  while (done < length) {
    const { bytesRead } = await file.read(block, done, length - done, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

export interface Retention {
  readonly retentionBytes: number | undefined
  readonly retentionMs: number | undefined
}

/**
 * Removes oldest segments of a partition, as long as `retentionBytes` are left without them; never the one that is
 * appended to. Gives how many. Passes may meet, of other processes too: what one finds gone another has removed.
 */
export async function removeOldSegments(
  folder: string,
  { retentionBytes, retentionMs }: Retention,
  nowMs: number,
): Promise<number> {
  if (retentionBytes === undefined && retentionMs === undefined) return 0
  const names = (await unlessGone(readdir(folder))) ?? []
  const bases = basesIn(names)
  const gone = goneIn(names)
  const files = await Promise.all(bases.map((base) => unlessGone(stat(segmentPath(folder, base)))))
  let bytes = files.reduce((sum, file) => sum + (file?.size ?? 0), 0)
  let removed = 0
  for (const [i, base] of bases.slice(0, -1).entries()) {
    const file = files[i]
    if (file === undefined) continue
    const { size, mtimeMs } = file
    const tooMany = retentionBytes !== undefined && bytes - size >= retentionBytes
    const tooOld = retentionMs !== undefined && mtimeMs < nowMs - retentionMs
    if (!tooMany && !tooOld) break
    const next = bases[i + 1] as number
    await unlessGone(writeFile(gonePath(folder, base, next), ''))
    gone.push([base, next])
    const mine = await unlessGone(unlink(segmentPath(folder, base)).then(() => true))
    bytes -= size
    if (mine === true) removed++
    // Who reads on where this one was has lost records: it need not know where the one before ended.
    for (const [before, end] of gone) {
      if (end <= base) await unlessGone(unlink(gonePath(folder, before, end)))
    }
  }
  return removed
}

async function unlessGone<T>(task: Promise<T>): Promise<T | undefined> {
  try {
    return await task
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}
