/** Holds package.json to its promises: exact pins, few runtime packages, no install scripts, types first. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

interface PackageJson {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly type: string
  readonly sideEffects: boolean
  readonly engines: { readonly node: string }
  readonly exports: Record<string, string | Record<string, string>>
  readonly files: string[]
  readonly scripts: Record<string, string>
  readonly dependencies: Record<string, string>
  readonly devDependencies: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
}

const pkg = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as PackageJson

interface LockPackage {
  readonly dev?: boolean
  readonly optional?: boolean
  readonly hasInstallScript?: boolean
  readonly resolved?: string
  readonly version?: string
}
const lock = JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8')) as {
  readonly packages: Record<string, LockPackage>
}

describe('package.json', () => {
  it('is an ES module library under Apache-2.0 without side effects', () => {
    expect(pkg).toMatchObject({
      name: 'floe',
      license: 'Apache-2.0',
      type: 'module',
      sideEffects: false,
    })
    expect(pkg.engines.node).toBe('>=20.19')
    expect(readFileSync(`${ROOT}LICENSE`, 'utf8')).toContain('Apache License')
  })

  it('pins every dependency exactly', () => {
    const all = Object.entries({ ...pkg.dependencies, ...pkg.devDependencies })
    expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
  })

  it('installs at most nine runtime packages, none of them with an install script', () => {
    const runtime = Object.entries(lock.packages).filter(
      ([path, p]) => path !== '' && !p.dev && !p.optional,
    )
    expect(runtime.length).toBeLessThanOrEqual(9)
    expect(runtime.filter(([, p]) => p.hasInstallScript).map(([path]) => path)).toEqual([])
  })

  it('names types first in every export and every target is built', () => {
    for (const [subpath, target] of Object.entries(pkg.exports)) {
      if (typeof target === 'string') {
        expect(existsSync(ROOT + target), subpath).toBe(true)
        continue
      }
      expect(Object.keys(target)[0], subpath).toBe('types')
      for (const file of Object.values(target)) expect(existsSync(ROOT + file), file).toBe(true)
    }
  })

  it('is built with the names of the source', () => {
    // Where the compiler has to rename a class, it renames properties of the same name as well.
    const renamed = readdirSync(`${ROOT}dist/src`, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.js'))
      .filter((file) => /^var _[a-z]\b/m.test(readFileSync(`${ROOT}dist/src/${file}`, 'utf8')))
    expect(renamed).toEqual([])
  })

  it('names no registry host in the lock file', () => {
    const hosts = Object.values(lock.packages).flatMap((p) => p.resolved ?? [])
    expect(hosts.filter((url) => !url.startsWith('https://registry.npmjs.org/'))).toEqual([])
  })

  it('passes publint', async () => {
    const { messages } = await publint({ pkgDir: ROOT, level: 'suggestion', pack: false })
    expect(messages).toEqual([])
  })
})
