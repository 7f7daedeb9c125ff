/** A `Runtime` for tests: a clock that stands until it is moved or slept on, and randomness from a seed. */
import { throwIfAborted } from '../../src/core/errors.ts'
import type { Runtime } from '../../src/core/runtime.ts'

export interface FakeRuntime extends Runtime {
  /** Moves both clocks; a negative step moves the wall clock alone, as a correction would. */
  advance(ms: number): void
  /** Every wait that was asked for, in milliseconds. */
  readonly sleeps: readonly number[]
}

export function fakeRuntime(options: { nowMs?: number; seed?: number } = {}): FakeRuntime {
  let nowMs = options.nowMs ?? 1_700_000_000_000
  let monotonicMs = 0
  let state = (options.seed ?? 1) >>> 0
  const sleeps: number[] = []
  // Mulberry32: small, and good enough for ids and jitter in tests.
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 15), z | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return (z ^ (z >>> 14)) >>> 0
  }
  return {
    sleeps,
    now: () => nowMs,
    monotonicMs: () => monotonicMs,
    random: () => next() / 2 ** 32,
    randomBytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
    sleep: async (ms, signal) => {
      throwIfAborted(signal, 'A wait')
      sleeps.push(ms)
      nowMs += ms
      monotonicMs += ms
    },
    advance: (ms) => {
      nowMs += ms
      if (ms > 0) monotonicMs += ms
    },
  }
}
