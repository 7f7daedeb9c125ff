/** Segments that others remove and replace while a reader has them open. */
import { type FileHandle, open } from 'node:fs/promises'
import { errorCode } from '../../../io/file-system.ts'
import { type SegmentPlace, scanSegment, segmentPath } from './segments.ts'

export async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** What has the name now, if it is another file. */
export async function newFile(path: string, file: FileHandle): Promise<FileHandle | undefined> {
  const other = await openIfThere(path)
  if (other === undefined) return undefined
  if ((await other.stat()).ino !== (await file.stat()).ino) return other
  await other.close()
  return undefined
}

export async function isOther(path: string, file: FileHandle): Promise<boolean> {
  const other = await newFile(path, file)
  await other?.close()
  return other !== undefined
}

/** Undefined if the file was replaced by one that the mark may speak of. */
export async function scanNamed(
  ...[file, where, ...how]: Parameters<typeof scanSegment>
): Promise<SegmentPlace | undefined> {
  try {
    return await scanSegment(file, where, ...how)
  } catch (error) {
    if (await isOther(segmentPath(where.folder, where.base), file)) return undefined
    throw error
  }
}
