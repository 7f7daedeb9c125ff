/**
 * The file `cut` beside the segments of a partition: what its last segment has from an offset on is not to be given, as
 * of now. It is there while that segment is being ended ({@link fencePartition}), and after a sync that failed. Text: base
 * offset of the segment, a space, the offset. It needs no sync: after a power loss nobody has a write under way.
 */
import { readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { type Runtime, uuidV4 } from '../../../core/runtime.ts'
import { errorCode } from '../../../io/file-system.ts'

export interface SegmentCut {
  readonly base: number
  readonly offset: number
}

/** What belongs to an owner of the log alone: see {@link LogLock.files}. */
export interface OwnFiles {
  readonly files: string
  readonly runtime: Runtime
}

const CUT = /^(\d{1,16}) (\d{1,16})$/

/** From where on the segment is cut; infinity if it is not. */
export async function cutOf(folder: string, segment: number): Promise<number> {
  let text: string
  try {
    text = await readFile(cutPath(folder), 'latin1')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return Number.POSITIVE_INFINITY
    throw error
  }
  const [, base, offset] = CUT.exec(text) ?? []
  return Number(base) === segment ? Number(offset) : Number.POSITIVE_INFINITY
}

/** In one step that fails once another process has the log. */
export async function setCut(
  folder: string,
  { base, offset }: SegmentCut,
  { files, runtime }: OwnFiles,
): Promise<void> {
  const made = `${files}/${uuidV4(runtime)}`
  await writeFile(made, `${base} ${offset}`, { flag: 'wx' })
  await rename(made, cutPath(folder))
}

/** Does nothing if there is none, or once another process has the log, whose it may be. */
export async function removeCut(folder: string, { files, runtime }: OwnFiles): Promise<void> {
  const gone = `${files}/${uuidV4(runtime)}`
  try {
    await rename(cutPath(folder), gone)
    await unlink(gone)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

function cutPath(folder: string): string {
  return `${folder}/cut`
}
