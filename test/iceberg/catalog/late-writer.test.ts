/**
 * A writer that sleeps while others commit and old catalog versions are pruned must be rejected and rebase: its put
 * succeeds on a number that nobody has any more, and may not count (docs/architecture.md, decision 3).
 */
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { type Runtime, systemRuntime } from '../../../src/core/runtime.ts'
import { parseIdentifier } from '../../../src/iceberg/catalog/identifier.ts'
import { VersionedObjectCatalog } from '../../../src/iceberg/catalog/versioned-object.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import type { PutIfAbsentResult } from '../../../src/io/store.ts'

const location = 'memory://lake'
const HOUR = 3_600_000

/** A store that holds one put until it is let go. */
class HoldingStore extends MemoryStore {
  hold: Promise<void> | undefined
  held = 0
  override async putIfAbsent(path: string, bytes: Uint8Array): Promise<PutIfAbsentResult> {
    const { hold } = this
    if (hold !== undefined && /\d{20}\.json$/.test(path)) {
      this.hold = undefined
      this.held++
      await hold
    }
    return super.putIfAbsent(path, bytes)
  }
}

describe('a late writer', () => {
  it('is rejected after a pruning and its rebased commit counts', async () => {
    let nowMs = 1_800_000_000_000
    const runtime: Runtime = { ...systemRuntime, now: () => nowMs, sleep: async () => undefined }
    const store = new HoldingStore(runtime)
    const open = () =>
      VersionedObjectCatalog.open({
        store,
        location,
        runtime,
        limits: DEFAULT_LIMITS,
        tuning: { pruneKeep: 4, maintainEvery: 1 },
      })
    const sleeper = await open()
    const others = await open()
    const change = (name: string, expected: string | null, next: string) => [
      { identifier: parseIdentifier(`ns.${name}`), expected, next },
    ]
    await others.commit(change('busy', null, 'b0'), { commitId: 'start' })
    await sleeper.loadPointers([parseIdentifier('ns.late')])
    let wake: () => void = () => undefined
    store.hold = new Promise((resolve) => {
      wake = resolve
    })
    const late = sleeper.commit(change('late', null, 'l1'), { commitId: 'late' })
    while (store.held === 0) await new Promise((resolve) => setImmediate(resolve))
    for (let i = 1; i <= 40; i++) {
      nowMs += HOUR
      await others.commit(change('busy', `b${i - 1}`, `b${i}`), { commitId: `c${i}` })
    }
    const pruned = await store.stat(`${location}/catalog/00000000000000000003.json`)
    expect(pruned).toBeNull()
    wake()
    expect(await late).toMatchObject({ status: 'rejected' })
    expect(await (await open()).loadPointers([parseIdentifier('ns.late')])).toEqual([null])
    expect(await sleeper.commit(change('late', null, 'l1'), { commitId: 'late' })).toEqual({
      status: 'committed',
    })
    const fresh = await open()
    expect(
      await fresh.loadPointers([parseIdentifier('ns.late'), parseIdentifier('ns.busy')]),
    ).toEqual(['l1', 'b40'])
  })

  it('commits as ever when it was slow but nothing was pruned', async () => {
    let nowMs = 1_800_000_000_000
    const runtime: Runtime = { ...systemRuntime, now: () => nowMs, sleep: async () => undefined }
    const store = new MemoryStore(runtime)
    const catalog = await VersionedObjectCatalog.open({
      store,
      location,
      runtime,
      limits: DEFAULT_LIMITS,
    })
    for (let i = 0; i < 5; i++) {
      nowMs += 48 * HOUR
      const identifier = parseIdentifier('ns.t')
      const expected = i === 0 ? null : `m${i - 1}`
      expect(
        await catalog.commit([{ identifier, expected, next: `m${i}` }], { commitId: `${i}` }),
      ).toEqual({ status: 'committed' })
    }
  })
})
