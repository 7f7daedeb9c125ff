/** A segment without records appears in one step that fails once another process has the log. */
import { type FileHandle, link, open, rename, unlink } from 'node:fs/promises'
import { uuidV4 } from '../../../core/runtime.ts'
import { syncFolder } from '../../../io/file-system.ts'
import type { OwnFiles } from './segment-cut.ts'
import { segmentPath } from './segments.ts'

/** @param how `replaced`: in the place of one of the same base, which has no records. */
export async function newSegment(
  folder: string,
  base: number,
  how: 'added' | 'replaced',
  { files, runtime, sync }: OwnFiles & { readonly sync: boolean },
): Promise<FileHandle> {
  const made = `${files}/${uuidV4(runtime)}`
  const path = segmentPath(folder, base)
  const file = await open(made, 'wx')
  try {
    if (how === 'replaced') await rename(made, path)
    else {
      await link(made, path)
      await unlink(made)
    }
    if (sync) await syncFolder(folder)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}
