/**
 * The samples of the README and of docs/streaming.md: they compile as TypeScript under `strict`, and the program that
 * docs/streaming.md begins with runs, again and again.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../support/lakes.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** The fences of a page in JavaScript and TypeScript. */
function fences(page: string): { readonly language: string; readonly text: string }[] {
  const text = readFileSync(ROOT + page, 'utf8')
  return [...text.matchAll(/^```(js|ts)\n(.*?)^```$/gms)].map((match) => ({
    language: match[1] as string,
    text: match[2] as string,
  }))
}

/** What a page has as programs: a fence that does not begin with an import goes on with the one before. */
function programs(page: string): string[] {
  const found: string[] = []
  for (const { text } of fences(page)) {
    if (text.startsWith('import ') || found.length === 0) found.push(text)
    else found[found.length - 1] += text
  }
  return found
}

/** The one complete program of docs/streaming.md. */
function ownStream(): string {
  const [program, ...more] = fences('docs/streaming.md').filter(({ language }) => language === 'js')
  expect(more).toEqual([])
  return program?.text as string
}

/** A folder in which floe is installed. */
function userFolder(): string {
  const folder = temporaryFolder()
  mkdirSync(`${folder}/node_modules/@types`, { recursive: true })
  symlinkSync(ROOT, `${folder}/node_modules/floe`)
  symlinkSync(`${ROOT}node_modules/@types/node`, `${folder}/node_modules/@types/node`)
  return folder
}

describe('samples', () => {
  it('compile as TypeScript under strict', async () => {
    const folder = userFolder()
    for (const page of ['README.md', 'docs/streaming.md']) {
      const found = programs(page)
      expect(found.length).toBeGreaterThan(2)
      const name = page.replaceAll(/\W/g, '-')
      for (const [i, text] of found.entries()) writeFileSync(`${folder}/${name}-${i + 1}.mts`, text)
    }
    const compilerOptions = {
      target: 'es2023',
      module: 'nodenext',
      types: ['node'],
      strict: true,
      // What tsc --init sets besides.
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      verbatimModuleSyntax: true,
      isolatedModules: true,
      skipLibCheck: true,
      noEmit: true,
    }
    writeFileSync(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions }))
    const { out } = await run(`${ROOT}node_modules/.bin/tsc`, ['-p', folder], { cwd: folder }).then(
      () => ({ out: '' }),
      (error: { stdout: string }) => ({ out: error.stdout }),
    )
    expect(out).toBe('')
  })
})

describe('the program of docs/streaming.md', () => {
  it('prints what the page says, and runs again', async () => {
    const folder = userFolder()
    writeFileSync(`${folder}/clicks.mjs`, ownStream())
    const page = readFileSync(`${ROOT}docs/streaming.md`, 'utf8')
    const printed = /^The first run prints\n\n```text\n(.*?)^```$/ms.exec(page)?.[1]
    const first = await run(process.execPath, ['clicks.mjs'], { cwd: folder })
    expect(first).toEqual({ stdout: printed, stderr: '' })
    const { stdout, stderr } = await run(process.execPath, ['clicks.mjs'], { cwd: folder })
    expect(stderr).toBe('')
    const lines = stdout.split('\n')
    expect(lines[0]).toBe('6 records in 1 batches')
    expect(lines.slice(1, 3).sort()).toEqual(['help: 2 clicks', 'home: 6 clicks'])
    expect(lines.filter((line) => line.endsWith(': no JSON'))).toHaveLength(2)
    expect(lines.filter((line) => line.endsWith(': no value'))).toHaveLength(2)
  })

  it('ends well at SIGTERM when it follows', async () => {
    const folder = userFolder()
    // Said once the stream has begun.
    const program = ownStream().replace(
      /^const \{ rows, batches \}/m,
      "setTimeout(() => console.log('follows'), 200)\n$&",
    )
    writeFileSync(`${folder}/clicks.mjs`, program)
    const child = spawn(process.execPath, ['clicks.mjs', '--follow'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let out = ''
    child.stdout.on('data', (piece: Buffer) => {
      if (out === '') child.kill('SIGTERM')
      out += piece.toString()
    })
    const [code] = await once(child, 'close')
    expect(code, out).toBe(0)
    expect(out).toMatch(/^follows\n\d records in \d batches\n/)
  })
})
