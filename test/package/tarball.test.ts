/** Packs the package, installs the tarball into an empty folder and uses it there as a stranger would. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
let dir: string
let packed: { filename: string; files: { path: string }[]; size: number }

/** The npm of the machine, run by the node that runs the tests. */
function npm(args: string[], cwd: string): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'floe-pack-'))
  // The build has run before the tests; scripts are off so that packing does not build again.
  const out = npm(['pack', '--json', '--ignore-scripts', '--pack-destination', dir], ROOT)
  packed = (JSON.parse(out) as (typeof packed)[])[0] as typeof packed
  writeFileSync(join(dir, 'package.json'), '{"name":"user","private":true,"type":"module"}')
  npm(
    [
      'install',
      '--prefer-offline',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      join(dir, packed.filename),
    ],
    dir,
  )
}, 120_000)

afterAll(() => {
  rmSync(dir, { recursive: true, force: true })
})

describe('the packed package', () => {
  it('holds the build, the licence and the documentation of use, nothing else', () => {
    const paths = packed.files.map((f) => f.path)
    expect(paths).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']))
    const other = paths.filter(
      (p) =>
        !/^dist\/src\/.*\.(js|d\.ts|js\.map)$/.test(p) &&
        !/^(LICENSE|README\.md|CHANGELOG\.md|package\.json)$/.test(p),
    )
    expect(other).toEqual([])
  })

  it('creates, appends, scans from plain JavaScript in an empty folder', () => {
    const readme = readFileSync(`${ROOT}README.md`, 'utf8')
    const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(
      (match) => match[1] as string,
    )
    expect(examples.length).toBeGreaterThanOrEqual(2)
    let out = ''
    for (const example of examples) {
      writeFileSync(join(dir, 'example.js'), example)
      out += execFileSync(process.execPath, ['example.js'], { cwd: dir, encoding: 'utf8' })
    }
    expect(out).toContain("item: 'tea'")
    expect(out).toContain("item: 'coffee'")
    expect(out.trim().endsWith('true'), out).toBe(true)
  }, 60_000)

  it('imports without loading arrow, parquet-wasm or any client', () => {
    const hook = `import { writeSync } from 'node:fs'
      export async function resolve(specifier, context, next) {
        const result = await next(specifier, context)
        writeSync(1, result.url + '\\n')
        return result
      }`
    writeFileSync(
      join(dir, 'import.js'),
      `import { register } from 'node:module'
       register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}))
       await import('floe')`,
    )
    const out = execFileSync(process.execPath, ['import.js'], { cwd: dir, encoding: 'utf8' })
    expect(out).toMatch(/floe\/dist\/src\/index\.js/)
    expect(out).not.toMatch(/apache-arrow|parquet-wasm|aws-sdk|kafkajs/)
  })

  it('brings the program floe, which serves a lake that was written beside it', async () => {
    writeFileSync(
      join(dir, 'write.js'),
      `import { openLake, schema, t } from 'floe'
       import { serveCatalog } from 'floe/serve'
       const lake = await openLake('./served')
       await lake.createTable('shop.orders', schema({ id: t.long() }), { ifNotExists: true })
       const server = await serveCatalog({ lake })
       console.log((await fetch(server.url + '/v1/namespaces')).status)
       await server.close()
       await lake.close()`,
    )
    const written = execFileSync(process.execPath, ['write.js'], { cwd: dir, encoding: 'utf8' })
    expect(written).toBe('200\n')
    const child = spawn(
      join(dir, 'node_modules', '.bin', 'floe'),
      ['serve', 'served', '--port=0'],
      {
        cwd: dir,
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    let out = ''
    child.stdout.on('data', (piece: Buffer) => {
      out += piece.toString()
      if (out.includes('ATTACH')) child.kill('SIGTERM')
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect(code).toBe(0)
    expect(out).toMatch(/^Serving file:.*\/served for reading at http:\/\/127\.0\.0\.1:\d+\n/)
  }, 60_000)

  it('says what to install for S3, whose SDK a stranger does not have', () => {
    writeFileSync(
      join(dir, 's3.js'),
      `import { openLake } from 'floe'
       import { S3Store } from 'floe/s3'
       const store = new S3Store({ region: 'eu-central-1' })
       for (const options of [{ s3: { region: 'eu-central-1' } }, { store }]) {
         await openLake('s3://bucket/lake', options).catch((e) => console.log(e.code, e.message))
       }`,
    )
    const out = execFileSync(process.execPath, ['s3.js'], { cwd: dir, encoding: 'utf8' })
    expect(out.match(/^UNSUPPORTED_STORE .*npm install @aws-sdk\/client-s3/gm)).toHaveLength(2)
  })
})
