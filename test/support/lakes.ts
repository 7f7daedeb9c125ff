/** Lakes for tests: in a temporary folder or in memory, closed and removed at the end, checked by fsck after commits. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect } from 'vitest'
import { systemRuntime } from '../../src/core/runtime.ts'
import { type Lake, type LakeOptions, openLake, type Table } from '../../src/index.ts'
import { MemoryStore } from '../../src/io/memory.ts'

const cleanups: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'floe-test-'))
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A lake in a folder of its own. */
export async function localLake(options: LakeOptions = {}): Promise<Lake> {
  const lake = await openLake(`${temporaryFolder()}/lake`, {
    durability: 'os',
    workers: 1,
    ...options,
  })
  cleanups.push(() => lake.close())
  return lake
}

/** A lake in memory; give a store to share it between lakes or to watch it. */
export async function memoryLake(options: LakeOptions = {}): Promise<Lake> {
  const store = options.store ?? new MemoryStore(systemRuntime)
  const lake = await openLake('memory://lake', { workers: 1, ...options, store })
  cleanups.push(() => lake.close())
  return lake
}

/** Every invariant holds, data included. */
export async function expectSound(table: Pick<Table, 'fsck'>): Promise<void> {
  const report = await table.fsck({ data: 'all' })
  expect(report.problems).toEqual([])
}
