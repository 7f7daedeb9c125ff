/** Time, randomness and ids (iceberg-writer.md item 12). */
import { describe, expect, it } from 'vitest'
import { randomId63, systemRuntime, uuidV4, uuidV7 } from '../../src/core/runtime.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { fakeRuntime } from '../support/fake-runtime.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-([89ab])[0-9a-f]{3}-[0-9a-f]{12}$/

describe('systemRuntime', () => {
  it('has clocks, randomness and bytes of the length asked for', () => {
    expect(systemRuntime.now()).toBeGreaterThan(1_700_000_000_000)
    expect(systemRuntime.monotonicMs()).toBeGreaterThan(0)
    const random = systemRuntime.random()
    expect(random >= 0 && random < 1).toBe(true)
    expect(systemRuntime.randomBytes(16)).toHaveLength(16)
    expect(systemRuntime.randomBytes(16)).not.toEqual(systemRuntime.randomBytes(16))
    expect(Object.isFrozen(systemRuntime)).toBe(true)
  })

  it('sleeps, and wakes up at once when aborted', async () => {
    await expect(systemRuntime.sleep(1)).resolves.toBeUndefined()
    const controller = new AbortController()
    const wait = systemRuntime.sleep(3_600_000, controller.signal)
    controller.abort(new Error('enough'))
    await rejectionOf('ABORTED', wait)
    await rejectionOf('ABORTED', systemRuntime.sleep(3_600_000, AbortSignal.abort()))
  })

  it('leaves no listener on a signal that outlives a wait', async () => {
    const signal = new AbortController().signal
    let listeners = 0
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = ((...args: Parameters<typeof add>) => {
      listeners++
      add(...args)
    }) as typeof signal.addEventListener
    signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
      listeners--
      remove(...args)
    }) as typeof signal.removeEventListener
    await systemRuntime.sleep(1, signal)
    expect(listeners).toBe(0)
  })
})

describe('ids', () => {
  it('uuidV4 and uuidV7 have version and variant, and differ', () => {
    const runtime = fakeRuntime()
    const four = new Set(Array.from({ length: 500 }, () => uuidV4(runtime)))
    const seven = new Set(Array.from({ length: 500 }, () => uuidV7(runtime)))
    expect(four.size + seven.size).toBe(1000)
    for (const uuid of four) expect(UUID.exec(uuid)?.[1]).toBe('4')
    for (const uuid of seven) expect(UUID.exec(uuid)?.[1]).toBe('7')
  })

  it('uuidV7 orders by time and holds its milliseconds', () => {
    const runtime = fakeRuntime({ nowMs: 1_645_557_742_000 })
    const first = uuidV7(runtime)
    // The timestamp of RFC 9562 appendix A.6.
    expect(first.slice(0, 13)).toBe('017f22e2-79b0')
    runtime.advance(1)
    expect(uuidV7(runtime) > first).toBe(true)
  })

  it('randomId63 is positive and below 2^63 (item 12)', () => {
    const runtime = fakeRuntime()
    for (let i = 0; i < 1000; i++) {
      const id = randomId63(runtime)
      expect(id > 0n && id < 2n ** 63n).toBe(true)
    }
    expect(randomId63({ ...runtime, randomBytes: () => new Uint8Array(8) })).toBe(1n)
    expect(randomId63({ ...runtime, randomBytes: () => new Uint8Array(8).fill(255) })).toBe(
      2n ** 63n - 1n,
    )
  })
})
