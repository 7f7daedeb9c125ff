/** Holds docs/errors.md and the codes in the source against each other, both ways. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/core/errors.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const doc = readFileSync(`${ROOT}docs/errors.md`, 'utf8')

const documented = new Map<string, string>()
let kind = ''
for (const line of doc.split('\n')) {
  const heading = /^## ([a-z-]+)$/.exec(line)
  if (heading?.[1] !== undefined) kind = heading[1]
  const code = /^### ([A-Z_]+)$/.exec(line)
  if (code?.[1] !== undefined) documented.set(code[1], kind)
}

describe('docs/errors.md', () => {
  it('documents every code under its kind, and nothing else', () => {
    expect(Object.fromEntries([...documented].sort())).toEqual(
      Object.fromEntries(Object.entries(ERROR_CODES).sort()),
    )
  })

  it('documents only codes that the source throws', () => {
    const source = readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' })
      .filter((f) => f.endsWith('.ts') && !f.endsWith('core/errors.ts'))
      .map((f) => readFileSync(`${ROOT}src/${f}`, 'utf8'))
      .join('\n')
    const core = readFileSync(`${ROOT}src/core/errors.ts`, 'utf8')
    const unused = Object.keys(ERROR_CODES).filter(
      (code) => !source.includes(`'${code}'`) && core.split(`'${code}'`).length < 2,
    )
    expect(unused).toEqual([])
  })
})
