/** Holds the reference pages against the source: limits with their defaults, properties that are read, links. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { DEFAULT_MAX_KEYS } from '../../src/stream/keyed-state.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const page = (name: string): string => readFileSync(`${ROOT}docs/${name}.md`, 'utf8')

describe('docs/limits.md', () => {
  it('names every limit with its default', () => {
    const listed = [...page('limits').matchAll(/^\| `(\w+)` \| (\d+)( MiB)? \|/gm)].map(
      ([, name, value, mib]) => [name, Number(value) * (mib === undefined ? 1 : 2 ** 20)],
    )
    const own = { maxKeys: DEFAULT_MAX_KEYS }
    expect(Object.fromEntries(listed)).toEqual({ ...DEFAULT_LIMITS, ...own })
  })
})

describe('docs/properties.md', () => {
  it('names the properties that the source reads', () => {
    const source = readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' })
      .filter((f) => f.endsWith('.ts'))
      .map((f) => readFileSync(`${ROOT}src/${f}`, 'utf8'))
      .join('\n')
    const read = new Set(
      [...source.matchAll(/'((?:write|commit|schema|history|gc)\.[a-z][a-z0-9.-]+[a-z])'/g)].map(
        (m) => m[1] as string,
      ),
    )
    const text = page('properties')
    const missing = [...read].filter(
      (name) => !text.includes(name) && !text.includes(`.${name.split('.').at(-1)}`),
    )
    expect(missing).toEqual([])
    expect(read.size).toBeGreaterThan(10)
  })
})

describe('links', () => {
  it('of the README and the pages lead somewhere', () => {
    const pages = [
      'README.md',
      'CONTRIBUTING.md',
      ...readdirSync(`${ROOT}docs`).map((f) => `docs/${f}`),
    ]
    const broken: string[] = []
    for (const file of pages) {
      const folder = file.includes('/') ? 'docs/' : ''
      for (const [, target] of readFileSync(ROOT + file, 'utf8').matchAll(/\]\(([^)#\s]+)/g)) {
        if (target === undefined || /^https?:/.test(target)) continue
        if (!existsSync(ROOT + folder + target)) broken.push(`${file} -> ${target}`)
      }
    }
    expect(broken).toEqual([])
  })

  it('in the guarantees table name tests that exist', () => {
    const readme = readFileSync(`${ROOT}README.md`, 'utf8')
    const paths = [...readme.matchAll(/`(test\/[\w./-]+)`/g)].map((m) => m[1] as string)
    expect(paths.length).toBeGreaterThan(5)
    expect(paths.filter((path) => !existsSync(ROOT + path))).toEqual([])
  })
})
