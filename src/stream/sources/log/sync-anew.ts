import type { FileHandle } from 'node:fs/promises'
import { readFully } from './segments.ts'

const BLOCK_BYTES = 1024 * 1024

/**
 * Syncs bytes of a file that may be on no disk though the system has them: where it has failed to write some it reports that
 * once, then takes them for written, and a sync that is called later succeeds. So they are written once more before.
 */
export async function syncAnew(file: FileHandle, from: number, to: number): Promise<void> {
  const block = Buffer.allocUnsafe(Math.max(0, Math.min(BLOCK_BYTES, to - from)))
  for (let at = from; at < to; ) {
    const bytes = await readFully(file, block, at, Math.min(block.length, to - at))
    if (bytes === 0) break
    for (let done = 0; done < bytes; ) {
      done += (await file.write(block, done, bytes - done, at + done)).bytesWritten
    }
    at += bytes
  }
  await file.sync()
}
