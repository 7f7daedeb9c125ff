/**
 * Time, randomness, ids and sleeping: the only module that may touch the clock, the random source and
 * timers, so that a simulator can run the real code under a seed. A lint forbids them elsewhere.
 */
import { randomFillSync } from 'node:crypto'
import { abortedError, throwIfAborted } from './errors.ts'

/** What the engine needs from the outside world besides stores. Injected everywhere. */
export interface Runtime {
  /** Wall clock, in milliseconds since the epoch. May go back. */
  now(): number
  /** Monotonic clock, in milliseconds from any origin. */
  monotonicMs(): number
  /** A number in [0, 1), for jitter. */
  random(): number
  /** Fills with unpredictable bytes. */
  randomBytes(length: number): Uint8Array
  /**
   * Resolves after the delay. Zero gives the event loop one turn and takes no longer than that.
   * @throws ABORTED as soon as the signal aborts.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The real world. */
export const systemRuntime: Runtime = Object.freeze({
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  random: () => Math.random(),
  randomBytes: (length: number) => randomFillSync(new Uint8Array(length)),
  sleep: (ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      try {
        throwIfAborted(signal, 'A wait')
      } catch (error) {
        reject(error)
        return
      }
      if (ms <= 0) {
        // The shortest timer takes a millisecond, which adds up where long work takes breaks.
        setImmediate(resolve)
        return
      }
      const onAbort = (): void => {
        clearTimeout(timer)
        reject(abortedError(signal as AbortSignal, 'A wait'))
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, ms)
      signal?.addEventListener('abort', onAbort, { once: true })
    }),
})

/** Runs a task again and again by the clock of the system, which keeps no process from ending. Call the result to stop. */
export function repeatedly(ms: number, task: () => void): () => void {
  const timer = setInterval(task, ms)
  timer.unref()
  return () => clearInterval(timer)
}

/** A version-4 (random) UUID in canonical lower-case form. RFC 9562 §5.4. */
export function uuidV4(runtime: Runtime): string {
  const b = runtime.randomBytes(16)
  b[6] = ((b[6] as number) & 0x0f) | 0x40
  b[8] = ((b[8] as number) & 0x3f) | 0x80
  return formatUuid(b)
}

/** A version-7 (time-ordered) UUID in canonical lower-case form. RFC 9562 §5.7. */
export function uuidV7(runtime: Runtime): string {
  const b = runtime.randomBytes(16)
  const ms = runtime.now()
  const high = Math.floor(ms / 2 ** 32)
  const low = ms >>> 0
  b[0] = (high >>> 8) & 0xff
  b[1] = high & 0xff
  b[2] = low >>> 24
  b[3] = (low >>> 16) & 0xff
  b[4] = (low >>> 8) & 0xff
  b[5] = low & 0xff
  b[6] = ((b[6] as number) & 0x0f) | 0x70
  b[8] = ((b[8] as number) & 0x3f) | 0x80
  return formatUuid(b)
}

/** A positive random 63-bit id, as Iceberg uses for snapshots (iceberg-writer.md item 12). */
export function randomId63(runtime: Runtime): bigint {
  const b = runtime.randomBytes(8)
  let id = 0n
  for (const byte of b) id = (id << 8n) | BigInt(byte)
  id &= 0x7fff_ffff_ffff_ffffn
  return id === 0n ? 1n : id
}

function formatUuid(b: Uint8Array): string {
  let hex = ''
  for (const byte of b) hex += byte.toString(16).padStart(2, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
