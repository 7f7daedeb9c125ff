/** The program `floe`: arguments, help, exit codes, and `floe serve` from start to signal. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { attachText } from '../../src/cli/attach-text.ts'
import type { CommandContext } from '../../src/cli/command.ts'
import { exitCodeOf } from '../../src/cli/exit-code.ts'
import { run } from '../../src/cli/run.ts'
import { ERROR_CODES, type ErrorCode, FloeError } from '../../src/core/errors.ts'
import { schema, t } from '../../src/index.ts'
import { localLake, temporaryFolder } from '../support/lakes.ts'

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command to its end; `onOut` sees what is printed, and may abort. */
async function floe(
  args: readonly string[],
  options: { env?: CommandContext['env']; onOut?: (out: string, stop: () => void) => void } = {},
): Promise<Ran> {
  const stop = new AbortController()
  let out = ''
  let err = ''
  const code = await run(args, {
    out: (text) => {
      out += text
      options.onOut?.(out, () => stop.abort())
    },
    err: (text) => {
      err += text
    },
    env: options.env ?? {},
    signal: stop.signal,
  })
  return { code, out, err }
}

/** Where a program says that it serves, once it has printed all. */
function printedUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let out = ''
    child.stdout?.on('data', (piece: Buffer) => {
      out += piece.toString()
      if (out.includes('ATTACH')) resolve(/at (http:\S+)/.exec(out)?.[1] as string)
    })
  })
}

describe('floe', () => {
  it('shows help and version', async () => {
    for (const args of [['--help'], ['-h'], ['help']]) {
      const { code, out, err } = await floe(args)
      expect([code, err]).toEqual([0, ''])
      expect(out).toContain('serve')
    }
    expect((await floe(['--version'])).out).toBe('0.1.0\n')
    const help = await floe(['serve', '--help'])
    expect(help.code).toBe(0)
    expect(help.out).toContain('There is no authentication')
    for (const option of [
      'host',
      'port',
      's3-endpoint',
      's3-region',
      's3-virtual-hosted',
      'vend-credentials',
    ]) {
      expect(help.out).toContain(`--${option}`)
    }
  })

  it('tells wrong arguments with exit code 2', async () => {
    for (const args of [
      [],
      ['srve'],
      ['serve'],
      ['serve', 'a', 'b'],
      ['serve', '/a', '--port', 'x'],
      ['serve', '/a', '--port', '65536'],
      ['serve', '/a', '--port'],
      ['serve', '/a', '--prot', '1'],
      ['serve', '/a', '--s3-region', 'x'],
      ['serve', '/a', '--vend-credentials'],
      ['serve', 'file:///a/../b'],
      ['serve', 's3://bucket/lake', '--s3-endpoint', 'ftp://x'],
    ]) {
      const { code, out, err } = await floe(args)
      expect([code, out], args.join(' ')).toEqual([2, ''])
      expect(err, args.join(' ')).toMatch(/^floe/)
    }
  })

  it('has an exit code for each kind of error', () => {
    const codes = (kind: string): ErrorCode[] =>
      (Object.keys(ERROR_CODES) as ErrorCode[]).filter((code) => ERROR_CODES[code] === kind)
    const all = (kind: string): Set<number> =>
      new Set(codes(kind).map((code) => exitCodeOf(new FloeError(code, 'x'))))
    expect([...all('invalid-argument')]).toEqual([2])
    expect([...all('not-found')]).toEqual([3])
    expect([...all('conflict')]).toEqual([4])
    expect([...all('unknown-outcome')]).toEqual([5])
    expect([...all('invalid-data')]).toEqual([6])
    expect([...all('unavailable')]).toEqual([1])
    expect(exitCodeOf(new Error('x'))).toBe(1)
  })
})

describe('floe serve', () => {
  it('serves until it is told to stop, and leaves the lake alone', async () => {
    const lake = await localLake()
    await lake.createTable('shop.orders', schema({ id: t.long() }))
    const names: Promise<unknown>[] = []
    const { code, out, err } = await floe(['serve', lake.location, '--port', '0'], {
      onOut: (text, stop) => {
        const url = /at (http:\S+)/.exec(text)?.[1]
        if (url === undefined || !text.includes('DuckDB')) return
        names.push(
          fetch(`${url}/v1/namespaces/shop/tables`)
            .then((response) => response.json())
            .finally(stop),
        )
      },
    })
    expect([code, err]).toEqual([0, ''])
    expect(await names[0]).toMatchObject({ identifiers: [{ namespace: ['shop'], name: 'orders' }] })
    expect(out).toContain(`Serving ${lake.location} for reading at http://127.0.0.1:`)
    await lake.createTable('shop.more', schema({ id: t.long() }))
  })

  it('does not make a lake where there is none: exit code 3', async () => {
    const folder = `${temporaryFolder()}/none`
    for (let i = 0; i < 2; i++) {
      const { code, err } = await floe(['serve', folder, '--port', '0'])
      const message = `floe serve: There is no lake at ${folder}. floe serve serves lakes that a program has made with openLake [NO_SUCH_LAKE]\n`
      expect([code, err]).toEqual([3, message])
    }
  })

  it('names the lake in a folder that is none', async () => {
    const { location } = await localLake()
    const folder = location.slice('file://'.length, -'lake'.length)
    for (const given of [folder, folder.slice(0, -1), `file://${folder}`]) {
      const { code, err } = await floe(['serve', given, '--port', '0'])
      const path = given.startsWith('file:') ? given : given.replace(/\/$/, '')
      const below = `${path.replace(/\/$/, '')}/lake`
      const message = `There is no lake at ${path}. There is one in it: floe serve ${below} [`
      expect([code, err]).toEqual([3, expect.stringContaining(message)])
    }
  })

  it('takes a location as shells do, from where it runs', async () => {
    const { location } = await localLake()
    const folder = location.slice('file://'.length)
    const from = relative(process.cwd(), folder)
    for (const path of [from, `./${from}/`, `${folder}/../lake`, `${folder}/.`]) {
      const { code, out } = await floe(['serve', path, '--port', '0'], {
        onOut: (_, stop) => stop(),
      })
      expect([code, out]).toEqual([0, expect.stringContaining(`Serving ${location} for`)])
    }
  })

  it('says that a file is no folder', async () => {
    const file = `${temporaryFolder()}/table.parquet`
    writeFileSync(file, '')
    for (const path of [file, `file://${file}`, `${file}/lake`]) {
      const { code, err } = await floe(['serve', path, '--port', '0'])
      const message = `floe serve: ${file} is a file, and a lake is a folder [NO_SUCH_LAKE]\n`
      expect([code, err]).toEqual([3, message])
    }
  })

  it('says what other machines write, if it serves them', async () => {
    const lake = await localLake()
    for (const [host, url] of [
      ['0.0.0.0', '127.0.0.1'],
      ['::', '[::1]'],
      ['127.0.0.1', undefined],
    ] as const) {
      const { code, out, err } = await floe(
        ['serve', lake.location, '--port', '0', '--host', host],
        {
          onOut: (text, stop) => {
            if (text.includes('ATTACH')) stop()
          },
        },
      )
      // A machine without IPv6 cannot listen there.
      if (host === '::' && err.includes('[LISTEN_FAILED]')) continue
      expect([code, err]).toEqual([0, ''])
      const note = 'On other machines write the name or address of this one in place of '
      if (url === undefined) expect(out).not.toContain(note)
      else expect(out).toContain(`${note}${url}.\n`)
    }
  })

  it('says that the port is in use: exit code 1', async () => {
    const lake = await localLake()
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    const { code, err } = await floe(['serve', lake.location, '--port', String(port)])
    expect([code, err]).toEqual([1, expect.stringContaining('[LISTEN_FAILED]')])
    await new Promise((resolve) => other.close(resolve))
  })

  it('as a program: prints where it serves, closes at a signal', async () => {
    const lake = await localLake()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const child = spawn(process.execPath, [MAIN, 'serve', lake.location, '--port', '0'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let out = ''
      child.stdout.on('data', (piece: Buffer) => {
        out += piece.toString()
        if (out.includes('ATTACH')) child.kill(signal)
      })
      const ended = await new Promise((resolve) => child.on('close', (...end) => resolve(end)))
      expect(ended, out).toEqual([0, null])
    }
  })

  it('as a program: shows what another process has just committed', async () => {
    const lake = await localLake()
    const table = await lake.createTable('shop.orders', schema({ id: t.long() }))
    const child = spawn(process.execPath, [MAIN, 'serve', lake.location, '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const url = await printedUrl(child)
    for (let i = 0; i < 10; i++) {
      await (await table.refresh()).append([{ id: BigInt(i) }])
      const { metadataLocation } = await table.refresh()
      const reply = await fetch(`${url}/v1/namespaces/shop/tables/orders`)
      const loaded = (await reply.json()) as Record<string, unknown>
      expect(loaded['metadata-location']).toBe(metadataLocation)
    }
    const ended = new Promise((resolve) => child.on('close', resolve))
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })

  it('as a program: goes on when the readers of its output have gone', async () => {
    const lake = await localLake()
    await lake.createTable('shop.orders', schema({ id: t.long() }))
    const location = await lake.metadataLocation('shop.orders')
    const child = spawn(process.execPath, [MAIN, 'serve', lake.location, '--port', '0'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = new Promise((resolve) => child.on('close', (...end) => resolve(end)))
    const url = await printedUrl(child)
    child.stdout.destroy()
    child.stderr.destroy()
    writeFileSync(fileURLToPath(location), '{')
    // Each failure is told on stderr.
    for (let i = 0; i < 3; i++) {
      expect((await fetch(`${url}/v1/namespaces/shop/tables/orders`)).status).toBe(500)
    }
    expect((await fetch(`${url}/v1/config`)).status).toBe(200)
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })

  it('told to end while it starts, ends as at any other time', async () => {
    const { location } = await localLake()
    let err = ''
    const code = await run(['serve', location, '--port', '0'], {
      out: () => undefined,
      err: (text) => {
        err += text
      },
      env: {},
      signal: AbortSignal.abort(),
    })
    expect([code, err]).toEqual([0, ''])
  })

  it('at a second Ctrl-C ends without waiting', async () => {
    const lake = await localLake()
    const child = spawn(process.execPath, [MAIN, 'serve', lake.location, '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const url = await printedUrl(child)
    // A request that does not end holds the first one up.
    const { port } = new URL(url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write('GET /v1/config HTTP/1.1\r\nHost: loc')
    await new Promise((resolve) => setTimeout(resolve, 200))
    child.kill('SIGINT')
    await new Promise((resolve) => setTimeout(resolve, 200))
    child.kill('SIGINT')
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect(code).toBe(130)
  })
})

describe('what engines are told', () => {
  it('is what docs/serve.md has', () => {
    const page = readFileSync(new URL('../../docs/serve.md', import.meta.url), 'utf8')
    const printed = attachText({ url: 'http://127.0.0.1:8181' })
      .split('\n')
      .filter((line) => line.startsWith('  '))
      .map((line) => line.trim())
    expect(printed.filter((line) => !page.includes(`\n${line}\n`))).toEqual([])
    expect(printed).toContain('INSTALL iceberg; LOAD iceberg; INSTALL httpfs; LOAD httpfs;')
  })

  it('has no keys, and a place for them where engines need their own', () => {
    const s3 = { endpoint: 'https://s3.example.com:9000', region: 'eu', pathStyleAccess: true }
    const own = attachText({ url: 'http://127.0.0.1:1', s3: { ...s3, vended: false } })
    expect(own).toContain('s3.aws-access-key=…')
    expect(own).toContain(
      "CREATE SECRET (TYPE s3, KEY_ID '…', SECRET '…', REGION 'eu', ENDPOINT 's3.example.com:9000', USE_SSL true, URL_STYLE 'path');",
    )
    const vended = attachText({ url: 'http://127.0.0.1:1', s3: { ...s3, vended: true } })
    // Trino and DuckDB have their own.
    expect(vended.match(/…/g)).toHaveLength(4)
    expect(vended).toContain('vended-credentials')
  })

  it('is not told without the keys that are to be handed out', async () => {
    const { code, err } = await floe(['serve', 's3://bucket/lake', '--vend-credentials'], {
      env: { AWS_ACCESS_KEY_ID: 'id' },
    })
    expect([code, err]).toEqual([2, expect.stringContaining('AWS_SECRET_ACCESS_KEY')])
  })
})
