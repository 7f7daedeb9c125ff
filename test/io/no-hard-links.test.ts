/** File systems without hard links: put-if-absent falls back to exclusive creation, with the same promises. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { systemRuntime } from '../../src/core/runtime.ts'
import { LocalStore } from '../../src/io/local.ts'
import { storeConformance } from './store-conformance.ts'

const links = vi.hoisted(() => ({ tried: 0 }))

vi.mock('node:fs/promises', async (original) => ({
  ...(await original<typeof import('node:fs/promises')>()),
  link: () => {
    links.tried++
    return Promise.reject(Object.assign(new Error('no links here'), { code: 'EPERM' }))
  },
}))

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

describe('local files without hard links', () => {
  storeConformance(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'floe-nolink-'))
    folders.push(folder)
    return {
      store: new LocalStore({ runtime: systemRuntime, durability: 'os' }),
      root: `file://${folder}`,
    }
  })

  it('were really tried without', () => {
    expect(links.tried).toBeGreaterThan(0)
  })
})
