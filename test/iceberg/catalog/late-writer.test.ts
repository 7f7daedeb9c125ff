/**
 * A writer that sleeps while others commit and old catalog versions are pruned must be rejected and rebase: its put
 * succeeds on a number that nobody has any more, and may not count (docs/architecture.md, decision 3).
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { type Runtime, systemRuntime } from '../../../src/core/runtime.ts'
import { parseIdentifier } from '../../../src/iceberg/catalog/identifier.ts'
import { VersionedObjectCatalog } from '../../../src/iceberg/catalog/versioned-object.ts'
import { LocalStore } from '../../../src/io/local.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import type { PutIfAbsentResult } from '../../../src/io/store.ts'
import { temporaryFolder } from '../../support/lakes.ts'

const WRITER = fileURLToPath(new URL('../../fixtures/late-writer.js', import.meta.url))
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

/** A store whose answer to one put that was done is held until it is let go. */
class AnsweringLate extends MemoryStore {
  hold: Promise<void> | undefined
  held = 0
  override async putIfAbsent(path: string, bytes: Uint8Array): Promise<PutIfAbsentResult> {
    const { hold } = this
    const result = await super.putIfAbsent(path, bytes)
    if (hold !== undefined && /\d{20}\.json$/.test(path)) {
      this.hold = undefined
      this.held++
      await hold
    }
    return result
  }
}

describe('a late writer', () => {
  it('stopped with SIGSTOP across a pruning ends in rejected, and its rebased commit counts', async () => {
    const folder = temporaryFolder()
    const store = new LocalStore({ runtime: systemRuntime, durability: 'os' })
    const open = () =>
      VersionedObjectCatalog.open({
        store,
        location: `file://${folder}`,
        runtime: systemRuntime,
        limits: DEFAULT_LIMITS,
        tuning: { pruneAfterMs: 50, pruneKeep: 3, maintainEvery: 1 },
      })
    const others = await open()
    const change = (expected: string | null, next: string) => [
      { identifier: parseIdentifier('ns.busy'), expected, next },
    ]
    await others.commit(change(null, 'b0'), { commitId: 'start' })
    const child = spawn(process.execPath, [WRITER, `file://${folder}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const lines: string[] = []
      const ended = new Promise((resolve) => child.on('close', resolve))
      const holding = new Promise<void>((resolve) => {
        createInterface({ input: child.stdout }).on('line', (line) => {
          lines.push(line)
          if (line === 'holding') resolve()
        })
      })
      await holding
      child.kill('SIGSTOP')
      for (let i = 1; i <= 12; i++) {
        await new Promise((resolve) => setTimeout(resolve, 60))
        await others.commit(change(`b${i - 1}`, `b${i}`), { commitId: `c${i}` })
      }
      // The number that the stopped writer is about to take is free again.
      expect(await store.stat(`file://${folder}/catalog/00000000000000000003.json`)).toBeNull()
      child.kill('SIGCONT')
      await ended
      expect(lines).toEqual(['holding', '{"status":"rejected"}', '{"status":"committed"}'])
      const fresh = await open()
      expect(
        await fresh.loadPointers([parseIdentifier('ns.late'), parseIdentifier('ns.busy')]),
      ).toEqual(['l1', 'b12'])
    } finally {
      if (child.exitCode === null) child.kill('SIGKILL')
    }
  })

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

  it('is not told that it was rejected if its own version may have been pruned', async () => {
    let nowMs = 1_800_000_000_000
    const runtime: Runtime = { ...systemRuntime, now: () => nowMs, sleep: async () => undefined }
    const store = new AnsweringLate(runtime)
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
    expect(await store.stat(`${location}/catalog/00000000000000000003.json`)).toBeNull()
    wake()
    // It was committed: nothing that it refers to may be cleaned up.
    expect(await (await open()).loadPointers([parseIdentifier('ns.late')])).toEqual(['l1'])
    expect(await late).toMatchObject({ status: 'unknown' })
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
