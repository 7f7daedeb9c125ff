/**
 * Shared memory that is used again. A shared buffer is freed only when every thread that has seen it collects its
 * garbage, and threads with small heaps do that seldom: row after row group would pile up.
 */

/** Bytes of one buffer: what a piece of a row group usually fits into. */
export const PIECE_BUFFER_BYTES: number = 4 * 1024 * 1024
/** Buffers kept for the next use; those of two workers' row groups and the one being collected. */
const KEPT_BUFFERS = 18

const free: SharedArrayBuffer[] = []

/** A buffer of at least so many bytes; larger than usual ones are not kept. */
export function takeSharedBuffer(bytes: number): SharedArrayBuffer {
  if (bytes > PIECE_BUFFER_BYTES) return new SharedArrayBuffer(bytes)
  return free.pop() ?? new SharedArrayBuffer(PIECE_BUFFER_BYTES)
}

/** Gives a buffer back. Nobody may read it any more. */
export function giveSharedBuffer(buffer: SharedArrayBuffer): void {
  if (buffer.byteLength === PIECE_BUFFER_BYTES && free.length < KEPT_BUFFERS) free.push(buffer)
}
