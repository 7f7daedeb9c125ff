/** The server around the protocol: pages, refusals, limits, who is answered, starting and closing. */
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { FloeError } from '../../src/core/errors.ts'
import { type Lake, schema, t } from '../../src/index.ts'
import { serveCatalog } from '../../src/serve/index.ts'
import { isServedHostHeader } from '../../src/serve/rest-catalog/host-guard.ts'
import type { ServedLake } from '../../src/serve/rest-catalog/options.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { memoryLake } from '../support/lakes.ts'
import { ask, clinging, raw, refusal, served } from './served.ts'

const ORDERS = schema({ id: t.long(), item: t.optional(t.string()) })
const LOAD = '/v1/namespaces/shop/tables/orders'

async function shop(): Promise<Lake> {
  const lake = await memoryLake()
  await lake.createTable('shop.orders', ORDERS)
  return lake
}

/** A lake of which some functions are others. */
function changed(lake: Lake, changes: Partial<ServedLake>): ServedLake {
  return {
    location: lake.location,
    listNamespaces: () => lake.listNamespaces(),
    listTables: (namespace) => lake.listTables(namespace),
    metadataLocation: (name) => lake.metadataLocation(name),
    table: (name) => lake.table(name) as never,
    ...changes,
  }
}

describe('pages', () => {
  it('give each name once and end with null', async () => {
    const lake = await memoryLake()
    for (const name of ['b', 'd', 'a', 'c', 'e']) await lake.createTable(`n.${name}`, ORDERS)
    const server = await served({ lake })
    const names: unknown[][] = []
    let token = ''
    for (;;) {
      const query = `pageSize=2&pageToken=${encodeURIComponent(token)}`
      const { json } = await ask(server, `/v1/namespaces/n/tables?${query}`)
      names.push((json['identifiers'] as { name: string }[]).map((id) => id.name))
      const next = json['next-page-token']
      if (next === null) break
      token = next as string
    }
    expect(names).toEqual([['a', 'b'], ['c', 'd'], ['e']])
    // "must return all results in a single response … if the query parameter pageToken is not set"
    const all = await ask(server, '/v1/namespaces/n/tables?pageSize=2')
    expect(all.json['identifiers']).toHaveLength(5)
    expect(all.json['next-page-token']).toBeNull()
  })

  it('go on after the last name, though tables came and went', async () => {
    const lake = await memoryLake()
    for (const name of ['b', 'd', 'f']) await lake.createTable(`${name}.t`, ORDERS)
    const server = await served({ lake })
    const first = await ask(server, '/v1/namespaces?pageSize=2&pageToken=')
    expect(first.json['namespaces']).toEqual([['b'], ['d']])
    await lake.dropTable('d.t')
    await lake.dropNamespace('d')
    await lake.createTable('a.t', ORDERS)
    await lake.createTable('e.t', ORDERS)
    const token = first.json['next-page-token'] as string
    const second = await ask(server, `/v1/namespaces?pageSize=9&pageToken=${token}`)
    expect(second.json['namespaces']).toEqual([['e'], ['f']])
  })

  it('refuse sizes and tokens that are none', async () => {
    const lake = await memoryLake()
    for (const name of ['a', 'b']) {
      await lake.createTable(`n.${name}`, ORDERS)
      await lake.createTable(`m.${name}`, ORDERS)
    }
    const server = await served({ lake })
    const { json } = await ask(server, '/v1/namespaces/n/tables?pageSize=1&pageToken=')
    const queries = ['pageSize=0', 'pageSize=-1', 'pageSize=x', 'pageSize=1e3', 'pageSize=']
    queries.push('pageToken=nonsense', `pageToken=${json['next-page-token'] as string}`)
    for (const query of queries) {
      const reply = await ask(server, `/v1/namespaces/m/tables?${query}`)
      expect(refusal(reply), query).toEqual([400, 'BadRequestException'])
    }
  })
})

describe('refusals', () => {
  it('of writes say that the server does not support them', async () => {
    const lake = await shop()
    const server = await served({ lake })
    const writes: [string, string][] = [
      ['POST', '/v1/namespaces'],
      ['DELETE', '/v1/namespaces/shop'],
      ['POST', '/v1/namespaces/shop/tables'],
      ['POST', LOAD],
      ['DELETE', LOAD],
      ['POST', '/v1/transactions/commit'],
      ['POST', '/v1/tables/rename'],
    ]
    for (const [method, path] of writes) {
      const headers = { 'Content-Length': '2' }
      const reply = await ask(server, path, { method, headers, body: '{}' })
      expect(refusal(reply), path).toEqual([406, 'UnsupportedOperationException'])
    }
    expect(await lake.listTables()).toEqual(['shop.orders'])
  })

  it('of methods say which there are', async () => {
    const server = await served({ lake: await shop() })
    for (const [method, path, allow] of [
      ['PUT', '/v1/namespaces', 'GET, HEAD'],
      ['PATCH', LOAD, 'GET, HEAD'],
      ['OPTIONS', `${LOAD}/metrics`, 'POST'],
      ['GET', `${LOAD}/metrics`, 'POST'],
      ['POST', '/v1/config', 'GET, HEAD'],
    ] as const) {
      const reply = await ask(server, path, { method })
      expect(refusal(reply), path).toEqual([405, 'BadRequestException'])
      expect(reply.headers.allow, path).toBe(allow)
    }
  })

  it('of paths that are none', async () => {
    const server = await served({ lake: await shop() })
    for (const path of [
      '/',
      '/v1',
      '/v1/',
      '/v2/config',
      '/v1/prefix/namespaces',
      '/v1/namespaces/',
      `${LOAD}/`,
      '/v1//config',
      '*',
    ]) {
      expect(refusal(await ask(server, path)), path).toEqual([404, 'NotFoundException'])
    }
    for (const path of [
      '/v1/config',
      'http://localhost/v1/config',
      'HTTP://127.0.0.1:1/v1/config?',
    ]) {
      expect((await ask(server, path)).status, path).toBe(200)
    }
    for (const path of ['/v1/namespaces/%zz', '/v1/namespaces/%ff', '/v1/namespaces/%']) {
      expect(refusal(await ask(server, path)), path).toEqual([400, 'BadRequestException'])
    }
  })

  it('answers HEAD as GET without its content where the specification has none', async () => {
    const server = await served({ lake: await shop() })
    for (const path of ['/v1/config', '/v1/namespaces', '/v1/namespaces/shop/tables']) {
      const get = await ask(server, path)
      const head = await ask(server, path, { method: 'HEAD' })
      expect([head.status, head.text], path).toEqual([200, ''])
      expect(head.headers['content-length'], path).toBe(String(get.text.length))
    }
  })

  it('of failures inside tell the code and nothing else; the operator is told all', async () => {
    const lake = await shop()
    const told: [string, string][] = []
    let failure: Error = new Error('password of /secret/place')
    const server = await served({
      lake: changed(lake, {
        metadataLocation: () => Promise.reject(failure),
      }),
      onError: (error, request) => told.push([(error as Error).message, request]),
    })
    const reply = await ask(server, LOAD)
    expect(refusal(reply)).toEqual([500, 'InternalServerError'])
    expect(reply.text).not.toMatch(/secret|\bat \//)
    expect(told).toEqual([['password of /secret/place', `GET ${LOAD}`]])
    failure = new FloeError('CORRUPT_CATALOG', 'Cannot read /secret/place')
    const corrupt = await ask(server, LOAD)
    expect(refusal(corrupt)).toEqual([500, 'InternalServerError'])
    expect(corrupt.text).toContain('[CORRUPT_CATALOG]')
    expect(corrupt.text).not.toContain('secret')
    failure = new FloeError('STORE_UNAVAILABLE', 'No answer from /secret/place')
    const away = await ask(server, LOAD)
    expect(refusal(away)).toEqual([503, 'ServiceUnavailableException'])
    expect(away.headers['retry-after']).toBe('1')
    expect(told).toHaveLength(3)
  })

  it('at the deadline are told to the operator, and so is how it ends in the store then', async () => {
    const lake = await shop()
    const told: [string, string][] = []
    let fail: (error: Error) => void = () => undefined
    const server = await served({
      lake: changed(lake, {
        metadataLocation: () => new Promise((_, reject) => (fail = reject)),
      }),
      requestTimeoutMs: 50,
      onError: (error, request) => told.push([String(error), request]),
    })
    const reply = await ask(server, LOAD)
    expect(refusal(reply)).toEqual([503, 'ServiceUnavailableException'])
    expect(reply.headers['retry-after']).toBe('1')
    const atDeadline = [expect.stringContaining('no answer within 50 ms'), `GET ${LOAD}`]
    expect(told).toEqual([atDeadline])
    fail(new Error('connection reset by store'))
    await new Promise(setImmediate)
    expect(told).toEqual([atDeadline, ['Error: connection reset by store', `GET ${LOAD}`]])
    // What only tells the client something is no failure.
    expect((await ask(server, LOAD)).status).toBe(503)
    fail(new FloeError('NO_SUCH_TABLE', 'gone'))
    await new Promise(setImmediate)
    expect(told).toHaveLength(3)
  })

  it('are answered though the operator cannot be told', async () => {
    const lake = await shop()
    const server = await served({
      lake: changed(lake, { metadataLocation: () => Promise.reject(new Error('inside')) }),
      onError: () => {
        throw new Error('no log')
      },
    })
    expect(refusal(await ask(server, LOAD))).toEqual([500, 'InternalServerError'])
    // The compiler lets async functions pass; a rejection that nobody takes ends the process, and this test.
    const later = await served({
      lake: changed(lake, { metadataLocation: () => Promise.reject(new Error('inside')) }),
      onError: (async () => {
        throw new Error('no log')
      }) as () => void,
    })
    expect(refusal(await ask(later, LOAD))).toEqual([500, 'InternalServerError'])
  })
})

describe('reports', () => {
  const scan = {
    'report-type': 'scan-report',
    'table-name': 't',
    'snapshot-id': 1,
    filter: true,
    'schema-id': 0,
    'projected-field-ids': [1],
    'projected-field-names': ['id'],
    metrics: { n: { unit: 'count', value: 1 } },
  }
  const post = (body: string, type = 'application/json') => ({
    method: 'POST',
    headers: { 'Content-Type': type },
    body,
  })

  it('of other shapes are refused with the field', async () => {
    const server = await served({ lake: await shop() })
    const path = `${LOAD}/metrics`
    expect((await ask(server, path, post(JSON.stringify(scan)))).status).toBe(204)
    const wrong: [object, string][] = [
      [{ 'report-type': 'other' }, 'report-type'],
      [{ 'snapshot-id': '1' }, 'snapshot-id'],
      [{ 'projected-field-ids': [1.5] }, 'projected-field-ids'],
      [{ filter: 1 }, 'filter'],
      [{ metrics: { n: { unit: 'count' } } }, 'metrics.n.value'],
      [{ metrics: { n: { 'time-unit': 'ns', count: 1 } } }, 'metrics.n.total-duration'],
      [{ metrics: null }, 'metrics'],
      [{ metadata: { a: 1 } }, 'metadata.a'],
    ]
    for (const [change, field] of wrong) {
      const reply = await ask(server, path, post(JSON.stringify({ ...scan, ...change })))
      expect(refusal(reply), field).toEqual([400, 'BadRequestException'])
      expect(reply.text).toContain(field)
    }
    for (const body of ['', '[]', '{', '[['.repeat(1000)]) {
      expect(refusal(await ask(server, path, post(body)))).toEqual([400, 'BadRequestException'])
    }
    const typed = await ask(server, path, post(JSON.stringify(scan), 'text/plain'))
    expect(refusal(typed)).toEqual([400, 'BadRequestException'])
    const lost = await ask(
      server,
      '/v1/namespaces/shop/tables/x/metrics',
      post(JSON.stringify(scan)),
    )
    expect(refusal(lost)).toEqual([404, 'NoSuchTableException'])
  })

  it('are taken though their reader fails', async () => {
    for (const onReport of [
      () => {
        throw new Error('reader')
      },
      async () => {
        throw new Error('reader')
      },
    ]) {
      const told: string[] = []
      const server = await served({
        lake: await shop(),
        onReport: onReport as () => void,
        onError: (error, request) => {
          told.push(`${request}: ${String(error)}`)
          throw error
        },
      })
      expect((await ask(server, `${LOAD}/metrics`, post(JSON.stringify(scan)))).status).toBe(204)
      expect(told).toEqual(['onReport of shop.orders: Error: reader'])
    }
  })
})

describe('limits', () => {
  it('bound the body, whether its length is told or not', async () => {
    const server = await served({ lake: await shop(), maxBodyBytes: 1000 })
    const head = `POST ${LOAD}/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
    const told = await raw(server, `${head}Content-Length: 1001\r\n\r\n`)
    expect(told).toMatch(/^HTTP\/1\.1 413 .*"code":413/s)
    const chunk = `200\r\n${'x'.repeat(512)}\r\n`
    const chunked = await raw(server, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`)
    expect(chunked).toMatch(/^HTTP\/1\.1 413 .*"code":413/s)
    // A body that nobody reads is not waited for either.
    const unread = await raw(
      server,
      `POST /v1/namespaces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n`,
    )
    expect(unread).toMatch(/^HTTP\/1\.1 406 /)
  })

  it('bound the headers', async () => {
    const server = await served({ lake: await shop(), maxHeaderBytes: 2000 })
    const out = await raw(
      server,
      `GET /v1/config HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(3000)}\r\n\r\n`,
    )
    expect(out).toMatch(/^HTTP\/1\.1 431 .*"code":431/s)
    expect(await raw(server, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*"code":400/s)
  })

  it('bound the time that a request takes to come', async () => {
    const server = await served({ lake: await shop(), requestTimeoutMs: 200 })
    expect(await raw(server, 'GET /v1/config HTTP/1.1\r\nHost: loc')).toMatch(/^HTTP\/1\.1 408 /)
    const half = `POST ${LOAD}/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`
    expect(await raw(server, half)).toMatch(/^HTTP\/1\.1 408 .*"code":408/s)
  })

  it('do not count the time that a body takes to come as the time of its answer', async () => {
    const lake = await shop()
    const server = await served({
      lake: changed(lake, {
        metadataLocation: async (name) => {
          await new Promise((resolve) => setTimeout(resolve, 1000))
          return lake.metadataLocation(name)
        },
      }),
      requestTimeoutMs: 1800,
    })
    const head = `POST ${LOAD}/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n`
    const out = raw(server, `${head}Content-Length: 2\r\n\r\n{`, [1000, '}'])
    expect(await out).toMatch(/^HTTP\/1\.1 400 .*Not a metrics report/s)
  })

  it('end connections that do not close, by whatever they were refused', async () => {
    const server = await served({
      lake: await shop(),
      requestTimeoutMs: 200,
      maxHeaderBytes: 2000,
      maxBodyBytes: 1000,
    })
    const post = `POST ${LOAD}/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
    for (const [text, status] of [
      ['GET /v1/config HTTP/1.1\r\nX: ', 408],
      [`${post}Content-Length: 1000\r\n\r\n`, 408],
      [`${post}Content-Length: 1001\r\n\r\n`, 413],
      [`GET /v1/config HTTP/1.1\r\nX: ${'x'.repeat(3000)}`, 431],
      ['nonsense\r\n\r\n', 400],
      // A refusal that leaves the rest of the body to be read and thrown away.
      ['POST /v1/namespaces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n', 406],
      ['GET /v1/config HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n', 200],
    ] as const) {
      expect(await clinging(server, text), text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    }
  })

  it('bound the time that a client takes to read its answer', async () => {
    const names = Array.from({ length: 100_000 }, (_, i) => `n.${'x'.repeat(100)}${i}`)
    const server = await served({
      lake: changed(await shop(), {
        listNamespaces: async () => ['n'],
        listTables: async () => names,
      }),
      requestTimeoutMs: 100,
    })
    const get = 'GET /v1/namespaces/n/tables HTTP/1.1\r\nHost: localhost\r\n\r\n'
    await clinging(server, get, { byte: '\r\n', reading: false })
    // One that reads gets it whole.
    const reply = await ask(server, '/v1/namespaces/n/tables')
    expect(reply.text.length).toBe(Number(reply.headers['content-length']))
  })

  it('bound the requests that a connection sends without waiting for answers', async () => {
    let calls = 0
    const server = await served({
      lake: changed(await shop(), {
        listNamespaces: () => {
          calls += 1
          return new Promise(() => undefined)
        },
      }),
      closeTimeoutMs: 50,
    })
    const get = 'GET /v1/namespaces HTTP/1.1\r\nHost: localhost\r\n\r\n'
    expect(await clinging(server, get.repeat(200))).toBe('')
    expect(calls).toBe(16)
    // As many in turn are fine.
    const config = 'GET /v1/config HTTP/1.1\r\nHost: localhost\r\n'
    const all = `${`${config}\r\n`.repeat(15)}${config}Connection: close\r\n\r\n`
    expect((await raw(server, all)).match(/HTTP\/1\.1 200/g)).toHaveLength(16)
  })

  it('bound the time that an answer takes', async () => {
    const lake = await shop()
    const server = await served({
      lake: changed(lake, { metadataLocation: () => new Promise(() => undefined) }),
      requestTimeoutMs: 50,
      onError: () => undefined,
    })
    expect(refusal(await ask(server, LOAD))).toEqual([503, 'ServiceUnavailableException'])
  })

  it('bound the connections', async () => {
    const server = await served({ lake: await shop(), maxConnections: 1, requestTimeoutMs: 500 })
    const slow = raw(server, 'GET /v1/config HTTP/1.1\r\nHost: loc')
    await expect(ask(server, '/v1/config')).rejects.toThrow()
    await slow
    expect((await ask(server, '/v1/config')).status).toBe(200)
  })
})

describe('who is answered', () => {
  it('on the loopback interface: requests that name it, not a name that was made to point there', async () => {
    const server = await served({ lake: await shop() })
    expect(server.host).toBe('127.0.0.1')
    const status = async (host: string): Promise<number> =>
      (await ask(server, '/v1/config', { headers: { Host: host } })).status
    for (const host of [
      'localhost',
      'LOCALHOST:80',
      'lake.localhost',
      '127.0.0.1',
      '127.1.2.3:99',
      '[::1]',
      '[::1]:80',
    ]) {
      expect(await status(host), host).toBe(200)
    }
    for (const host of [
      'example.com',
      'example.com:80',
      'localhost.example.com',
      '127.0.0.1.example.com',
      '10.0.0.1',
      '[::2]',
      'localhost@example.com',
      '127.0.0.1:80:90',
    ]) {
      const reply = await ask(server, LOAD, { headers: { Host: host } })
      expect(refusal(reply), host).toEqual([403, 'ForbiddenException'])
    }
    expect(await raw(server, 'GET /v1/config HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 403 /)
  })

  it('on the loopback interface by a name: that name too', async () => {
    const server = await served({ lake: await shop(), host: 'localhost' })
    expect(server.host).toMatch(/^(127\.0\.0\.1|::1)$/)
    const reply = await ask(server, LOAD, { headers: { Host: 'example.com' } })
    expect(refusal(reply)).toEqual([403, 'ForbiddenException'])
    expect((await ask(server, LOAD, { headers: { Host: 'localhost' } })).status).toBe(200)
    expect(isServedHostHeader('MyMachine:8181', 'mymachine')).toBe(true)
    expect(isServedHostHeader('other:8181', 'mymachine')).toBe(false)
  })

  it('elsewhere, by explicit host: everybody', async () => {
    const server = await served({ lake: await shop(), host: '0.0.0.0' })
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`)
    const reply = await ask(server, '/v1/config', { headers: { Host: 'lake.example.com' } })
    expect(reply.status).toBe(200)
  })
})

describe('starting and closing', () => {
  it('says that a port is in use or an address is not of this machine', async () => {
    const lake = await shop()
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    const taken = await rejectionOf('LISTEN_FAILED', serveCatalog({ lake, port }))
    expect(taken.message).toContain(`127.0.0.1 port ${port}: another process listens there`)
    expect(taken.context).toEqual({ host: '127.0.0.1', port })
    await new Promise((resolve) => other.close(resolve))
    await rejectionOf('LISTEN_FAILED', serveCatalog({ lake, host: '192.0.2.1' }))
  })

  it('refuses options that are none', async () => {
    const lake = await shop()
    const s3Lake = changed(lake, { location: 's3://bucket/lake' })
    const keys = { accessKeyId: 'id', secretAccessKey: 'the secret' }
    const wrong: object[] = [
      { port: -1 },
      { port: 1.5 },
      { host: '' },
      { hots: 'x' },
      { lake: {} },
      { maxConnections: 0 },
      { requestTimeoutMs: -1 },
      // Timers take no longer ones: they would fire at once.
      { requestTimeoutMs: 2 ** 31 },
      { closeTimeoutMs: 24 * 3_600_000 + 1 },
      { s3: { region: 'x' } },
      { vendedCredentials: keys },
      { lake: s3Lake, s3: { regoin: 'x' } },
      { lake: s3Lake, s3: { region: '' } },
      { lake: s3Lake, vendedCredentials: { accessKeyId: '' } },
      { lake: s3Lake, vendedCredentials: keys, host: '0.0.0.0' },
    ]
    for (const options of wrong) {
      const error = await rejectionOf('BAD_ARGUMENT', serveCatalog({ lake, ...options }))
      expect(error.message).not.toContain('the secret')
    }
  })

  it('ends requests under way before it closes, and those that take too long then', async () => {
    const lake = await shop()
    let go: (() => void) | undefined
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    const reached: (() => void)[] = []
    const entered = new Promise<void>((resolve) => reached.push(resolve))
    const waiting = changed(lake, {
      metadataLocation: async (name) => {
        reached[0]?.()
        await gate
        return lake.metadataLocation(name)
      },
    })
    const server = await served({ lake: waiting })
    const asked = ask(server, LOAD)
    await entered
    const closed = server.close()
    expect(server.close()).toBe(closed)
    await expect(ask(server, '/v1/config')).rejects.toThrow(/ECONNREFUSED/)
    go?.()
    expect((await asked).status).toBe(200)
    await closed
    expect(await lake.listTables()).toEqual(['shop.orders'])

    const stuck = await served({
      lake: changed(lake, { metadataLocation: () => new Promise(() => undefined) }),
      closeTimeoutMs: 50,
    })
    const lost = ask(stuck, LOAD).catch((error: NodeJS.ErrnoException) => error.code)
    await new Promise((resolve) => setTimeout(resolve, 50))
    await stuck.close()
    expect(await lost).toBe('ECONNRESET')
  })

  it('closes by its signal, and does not start with one that is aborted', async () => {
    const lake = await shop()
    const stop = new AbortController()
    const server = await served({ lake, signal: stop.signal })
    expect((await ask(server, '/v1/config')).status).toBe(200)
    stop.abort()
    await server.close()
    await expect(ask(server, '/v1/config')).rejects.toThrow(/ECONNREFUSED/)
    await rejectionOf('ABORTED', serveCatalog({ lake, signal: stop.signal }))
  })

  it('closes connections that wait for a next request', async () => {
    const server = await served({ lake: await shop() })
    const idle = raw(server, 'GET /v1/config HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await new Promise((resolve) => setTimeout(resolve, 100))
    await server.close()
    expect(await idle).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('answers many requests at once, each with one version', async () => {
    const lake = await shop()
    const server = await served({ lake })
    const table = await lake.table('shop.orders')
    const writing = (async () => {
      for (let i = 0; i < 10; i++) {
        await (await table.refresh()).append([{ id: BigInt(i), item: null }])
      }
    })()
    const replies = await Promise.all(Array.from({ length: 50 }, () => ask(server, LOAD)))
    await writing
    for (const { json } of replies) {
      const metadata = json['metadata'] as { snapshots?: unknown[]; 'snapshot-log': unknown[] }
      expect(metadata['snapshot-log'].length).toBe(metadata.snapshots?.length ?? 0)
    }
  })
})
