/** What the catalog server answers, held against the REST specification's own document where it is at hand. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type JsonObject, parseJson } from '../../src/core/json.ts'
import { systemRuntime } from '../../src/core/runtime.ts'
import { metadataFromJson } from '../../src/iceberg/spec/metadata-json.ts'
import { type Lake, openLake, schema, t } from '../../src/index.ts'
import { MemoryStore } from '../../src/io/memory.ts'
import { corpusPath, describeCorpus } from '../support/corpus.ts'
import { localLake, memoryLake } from '../support/lakes.ts'
import { openApiValidator, parseYaml } from '../support/openapi.ts'
import { ask, refusal, served } from './served.ts'

const ORDERS = schema({ id: t.long(), item: t.optional(t.string()) })

async function lakeWithTables(): Promise<Lake> {
  const lake = await memoryLake()
  for (const name of ['shop.orders', 'shop.items', 'shop.eu.orders', 'a.b.c.deep']) {
    await lake.createTable(name, ORDERS)
  }
  await lake.createNamespace('empty')
  return lake
}

describe('GET /v1/config', () => {
  it('lists exactly what is served and names the lake', async () => {
    const lake = await lakeWithTables()
    const server = await served({ lake })
    const reply = await ask(server, '/v1/config')
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toBe('application/json')
    expect(reply.json).toEqual({
      defaults: {},
      overrides: { warehouse: 'memory://lake' },
      endpoints: [
        'GET /v1/{prefix}/namespaces',
        'GET /v1/{prefix}/namespaces/{namespace}',
        'HEAD /v1/{prefix}/namespaces/{namespace}',
        'GET /v1/{prefix}/namespaces/{namespace}/tables',
        'GET /v1/{prefix}/namespaces/{namespace}/tables/{table}',
        'HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}',
        'POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/metrics',
      ],
    })
  })

  it('takes the warehouse of the lake, in any spelling, and no other', async () => {
    const lake = await localLake()
    const server = await served({ lake })
    const path = lake.location.slice('file://'.length)
    for (const warehouse of ['', lake.location, path, `file:${path}/`]) {
      const reply = await ask(server, `/v1/config?warehouse=${encodeURIComponent(warehouse)}`)
      expect(reply.status, warehouse).toBe(200)
    }
    for (const warehouse of ['other', '/other', `${path}/below`, 's3://bucket/lake']) {
      const reply = await ask(server, `/v1/config?warehouse=${encodeURIComponent(warehouse)}`)
      expect(refusal(reply), warehouse).toEqual([404, 'NoSuchWarehouseException'])
    }
  })
})

describe('namespaces', () => {
  it('are listed level by level, with those that only hold others', async () => {
    const server = await served({ lake: await lakeWithTables() })
    const list = async (parent: string): Promise<unknown> =>
      (await ask(server, `/v1/namespaces${parent}`)).json['namespaces']
    expect(await list('')).toEqual([['a'], ['empty'], ['shop']])
    // "For backward compatibility, empty string is treated as absent"
    expect(await list('?parent=')).toEqual([['a'], ['empty'], ['shop']])
    expect(await list('?parent=a')).toEqual([['a', 'b']])
    expect(await list('?parent=a%1Fb')).toEqual([['a', 'b', 'c']])
    expect(await list('?parent=a%1Fb%1Fc')).toEqual([])
    expect(await list('?parent=empty')).toEqual([])
    for (const parent of ['none', 'a%1Fc', 'a.b', 'sho']) {
      const reply = await ask(server, `/v1/namespaces?parent=${parent}`)
      expect(refusal(reply), parent).toEqual([404, 'NoSuchNamespaceException'])
    }
  })

  it('are found, with properties null, as lakes keep none', async () => {
    const server = await served({ lake: await lakeWithTables() })
    const reply = await ask(server, '/v1/namespaces/a%1Fb')
    expect(reply.json).toEqual({ namespace: ['a', 'b'], properties: null })
    const head = await ask(server, '/v1/namespaces/a%1Fb', { method: 'HEAD' })
    expect([head.status, head.text]).toEqual([204, ''])
    for (const name of ['none', 'a%1Fx', 'a.b', 'a%1F', '%1F', 'a%2Fb', 'a%1Fb%1Fc%1Fdeep']) {
      const path = `/v1/namespaces/${name}`
      expect(refusal(await ask(server, path)), name).toEqual([404, 'NoSuchNamespaceException'])
      const missing = await ask(server, path, { method: 'HEAD' })
      expect([missing.status, missing.text], name).toEqual([404, ''])
    }
  })
})

describe('tables', () => {
  it('are listed for one namespace, not for those below', async () => {
    const server = await served({ lake: await lakeWithTables() })
    const reply = await ask(server, '/v1/namespaces/shop/tables')
    expect(reply.json).toEqual({
      identifiers: [
        { namespace: ['shop'], name: 'items' },
        { namespace: ['shop'], name: 'orders' },
      ],
      'next-page-token': null,
    })
    const nested = await ask(server, '/v1/namespaces/shop%1Feu/tables')
    expect(nested.json['identifiers']).toEqual([{ namespace: ['shop', 'eu'], name: 'orders' }])
    expect((await ask(server, '/v1/namespaces/empty/tables')).json['identifiers']).toEqual([])
    expect((await ask(server, '/v1/namespaces/a/tables')).json['identifiers']).toEqual([])
    expect(refusal(await ask(server, '/v1/namespaces/none/tables'))).toEqual([
      404,
      'NoSuchNamespaceException',
    ])
  })

  it('exist or not by HEAD', async () => {
    const server = await served({ lake: await lakeWithTables() })
    const head = async (path: string): Promise<number> =>
      (await ask(server, path, { method: 'HEAD' })).status
    expect(await head('/v1/namespaces/shop/tables/orders')).toBe(204)
    expect(await head('/v1/namespaces/shop%1Feu/tables/orders')).toBe(204)
    expect(await head('/v1/namespaces/shop/tables/eu')).toBe(404)
    expect(await head('/v1/namespaces/none/tables/orders')).toBe(404)
  })

  it('with names that need escapes are found by what clients send', async () => {
    const lake = await memoryLake()
    await lake.createTable('größe 1.a+b %25', ORDERS)
    const server = await served({ lake })
    // Percent escapes throughout, and a plus for a space as Iceberg's Java client writes it.
    for (const path of [
      'gr%C3%B6%C3%9Fe%201/tables/a%2Bb%20%2525',
      'gr%C3%B6%C3%9Fe+1/tables/a%2Bb+%2525',
    ]) {
      expect((await ask(server, `/v1/namespaces/${path}`)).status, path).toBe(200)
    }
    expect((await ask(server, '/v1/namespaces')).json['namespaces']).toEqual([['größe 1']])
  })

  it('are not found by names that would mean others in the lake', async () => {
    const server = await served({ lake: await lakeWithTables() })
    // In the lake a dot divides levels: "eu.orders" of shop is not "orders" of shop.eu.
    for (const path of [
      'shop/tables/eu.orders',
      'shop.eu/tables/orders',
      'shop/tables/orders%00',
      'shop/tables/a%2Fb',
    ]) {
      expect(refusal(await ask(server, `/v1/namespaces/${path}`)), path).toEqual([
        404,
        'NoSuchTableException',
      ])
    }
    // What Spark asks for before it looks for a metadata table.
    expect(refusal(await ask(server, '/v1/namespaces/shop%1Forders/tables/snapshots'))).toEqual([
      404,
      'NoSuchTableException',
    ])
  })
})

describe('loading a table', () => {
  it('gives the metadata file of the current version, byte for byte', async () => {
    const store = new MemoryStore(systemRuntime)
    const lake = await memoryLake({ store })
    const table = await lake.createTable('shop.orders', ORDERS, {
      formatVersion: 3,
      partitionBy: ['bucket(4, id)'],
      sortBy: ['item desc'],
      properties: { owner: 'größe "x"' },
    })
    const { snapshotId } = await table.append([{ id: 1n, item: 'tea' }])
    const { metadataLocation } = await table.refresh()
    const server = await served({ lake })
    const { text, json, status } = await ask(server, '/v1/namespaces/shop/tables/orders')
    expect(status).toBe(200)
    const file = Buffer.from(await store.get(metadataLocation)).toString()
    expect(text).toBe(
      `{"metadata-location":${JSON.stringify(metadataLocation)},"metadata":${file},"config":{}}`,
    )
    // Ids of snapshots are beyond 2^53 and have lost nothing.
    const metadata = metadataFromJson(json['metadata'] as JsonObject, 'reply')
    expect(metadata.currentSnapshotId).toBe(snapshotId)
  })

  it('with snapshots=refs leaves out what no branch or tag names', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('shop.orders', ORDERS)
    for (let i = 0; i < 3; i++)
      await (await table.refresh()).append([{ id: BigInt(i), item: null }])
    const current = (await table.refresh()).currentSnapshot?.snapshotId
    const server = await served({ lake })
    const load = (query: string) => ask(server, `/v1/namespaces/shop/tables/orders${query}`)
    const ids = (json: JsonObject): bigint[] =>
      metadataFromJson(json['metadata'] as JsonObject, 'reply').snapshots.map((s) => s.snapshotId)
    const all = await load('?snapshots=all')
    const refs = await load('?snapshots=refs')
    expect(ids(all.json)).toHaveLength(3)
    expect(all.text).toBe((await load('')).text)
    expect(ids(refs.json)).toEqual([current])
    expect((refs.json['metadata'] as JsonObject)['snapshot-log']).toHaveLength(3)
    // "should have distinct ETags"
    expect(all.headers.etag).not.toBe(refs.headers.etag)
    expect(refusal(await load('?snapshots=some'))).toEqual([400, 'BadRequestException'])
  })

  it('answers 304 to who has the version, and only to them', async () => {
    const lake = await memoryLake()
    const table = await lake.createTable('shop.orders', ORDERS)
    const server = await served({ lake })
    const path = '/v1/namespaces/shop/tables/orders'
    const etag = (await ask(server, path)).headers.etag as string
    expect(etag).toMatch(/^"[0-9a-f]{32}"$/)
    for (const header of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const reply = await ask(server, path, { headers: { 'If-None-Match': header } })
      expect([reply.status, reply.text, reply.headers.etag], header).toEqual([304, '', etag])
    }
    const refs = await ask(server, `${path}?snapshots=refs`, { headers: { 'If-None-Match': etag } })
    expect(refs.status).toBe(200)
    await table.append([{ id: 1n, item: null }])
    const after = await ask(server, path, { headers: { 'If-None-Match': etag } })
    expect(after.status).toBe(200)
    expect(after.headers.etag).not.toBe(etag)
    // Kept by clients under their own keys: the same after the server was started again.
    const again = await served({ lake })
    expect((await ask(again, path)).headers.etag).toBe(after.headers.etag)
  })

  it('is of the latest version, whoever committed it', async () => {
    const store = new MemoryStore(systemRuntime)
    const writer = await memoryLake({ store })
    const table = await writer.createTable('shop.orders', ORDERS)
    const reader = await openLake('memory://lake', { store, readOnly: true })
    const server = await served({ lake: reader })
    for (let i = 0; i < 20; i++) {
      const { snapshotId } = await (await table.refresh()).append([{ id: BigInt(i), item: null }])
      const reply = await ask(server, '/v1/namespaces/shop/tables/orders')
      const metadata = metadataFromJson(reply.json['metadata'] as JsonObject, 'reply')
      expect(metadata.currentSnapshotId).toBe(snapshotId)
    }
    await writer.dropTable('shop.orders')
    expect((await ask(server, '/v1/namespaces/shop/tables/orders')).status).toBe(404)
    await reader.close()
  })

  it('says so when the table goes between two looks at the catalog', async () => {
    const lake = await memoryLake()
    await lake.createTable('shop.orders', ORDERS)
    const server = await served({
      lake: {
        location: lake.location,
        listNamespaces: () => lake.listNamespaces(),
        listTables: (namespace) => lake.listTables(namespace),
        metadataLocation: (name) => lake.metadataLocation(name),
        table: async (name) => {
          await lake.dropTable(name)
          return lake.table(name)
        },
      },
    })
    expect(refusal(await ask(server, '/v1/namespaces/shop/tables/orders'))).toEqual([
      404,
      'NoSuchTableException',
    ])
  })
})

describe('settings for S3', () => {
  const s3Lake = (lake: Lake) => ({
    location: 's3://bucket/lake',
    listNamespaces: () => lake.listNamespaces(),
    listTables: (namespace?: string) => lake.listTables(namespace),
    metadataLocation: (name: string) => lake.metadataLocation(name),
    table: (name: string) => lake.table(name) as never,
  })

  it('come with the table, without keys unless they are given for that and asked for', async () => {
    const lake = await memoryLake()
    await lake.createTable('shop.orders', ORDERS)
    const path = '/v1/namespaces/shop/tables/orders'
    const asking = {
      headers: { 'X-Iceberg-Access-Delegation': 'remote-signing, vended-credentials' },
    }
    const s3 = { endpoint: 'http://127.0.0.1:9000', region: 'eu-central-1' }
    const settings = {
      's3.endpoint': 'http://127.0.0.1:9000',
      'client.region': 'eu-central-1',
      's3.region': 'eu-central-1',
      's3.path-style-access': 'true',
      's3.force-virtual-addressing': 'false',
    }
    const plain = await served({ lake: s3Lake(lake), s3 })
    expect((await ask(plain, path, asking)).json['config']).toEqual(settings)
    const vending = await served({
      lake: s3Lake(lake),
      s3,
      vendedCredentials: { accessKeyId: 'id', secretAccessKey: 'secret', sessionToken: 'token' },
    })
    const without = await ask(vending, path)
    expect(without.json['config']).toEqual(settings)
    const withKeys = await ask(vending, path, asking)
    expect(withKeys.json['config']).toEqual({
      ...settings,
      's3.access-key-id': 'id',
      's3.secret-access-key': 'secret',
      's3.session-token': 'token',
    })
    expect(withKeys.headers['vary']).toBe('X-Iceberg-Access-Delegation')
    expect(withKeys.headers['cache-control']).toBe('private, no-cache')
    expect(withKeys.headers.etag).not.toBe(without.headers.etag)
  })
})

describeCorpus('the document of the REST specification', () => {
  const yaml = readFileSync(corpusPath('rest/rest-catalog-open-api.yaml'), 'utf8')
  const validate = openApiValidator(yaml)

  it('has the shapes that are answered', async () => {
    const lake = await lakeWithTables()
    await (await lake.table('shop.orders')).append([{ id: 1n, item: 'tea' }])
    const server = await served({ lake })
    const shapes: [string, string][] = [
      ['/v1/config', 'CatalogConfig'],
      ['/v1/namespaces', 'ListNamespacesResponse'],
      ['/v1/namespaces?pageToken=&pageSize=1', 'ListNamespacesResponse'],
      ['/v1/namespaces/shop', 'GetNamespaceResponse'],
      ['/v1/namespaces/shop/tables', 'ListTablesResponse'],
      ['/v1/namespaces/shop/tables/orders', 'LoadTableResult'],
      ['/v1/namespaces/none', 'IcebergErrorResponse'],
      ['/none', 'IcebergErrorResponse'],
    ]
    for (const [path, shape] of shapes) {
      const { json } = await ask(server, path)
      expect(validate(shape, json), path).toEqual([])
    }
    expect(validate('CatalogConfig', parseJson('{"defaults":1}', 'x'))).not.toEqual([])
  })

  it('has no path and method that is neither served nor refused with 406', async () => {
    const lake = await lakeWithTables()
    const server = await served({ lake })
    const document = parseYaml(yaml) as unknown as {
      paths: Record<string, Record<string, unknown>>
    }
    const config = (await ask(server, '/v1/config')).json
    const listed = new Set(config['endpoints'] as string[])
    const served406: string[] = []
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const method of ['get', 'put', 'post', 'delete', 'head', 'patch']) {
        if (methods[method] === undefined) continue
        const real = path
          .replace('/{prefix}', '')
          .replace('{namespace}', 'shop')
          .replace('{table}', 'orders')
          .replace(/\{[\w-]+\}/g, 'x')
        const reply = await ask(server, real, { method: method.toUpperCase() })
        const name = `${method.toUpperCase()} ${path}`
        if (listed.has(name) || path === '/v1/config') {
          // The report is missing: it was looked at, at least.
          expect(reply.status, name).toBeLessThan(name.includes('metrics') ? 401 : 300)
        } else {
          expect(reply.status, name).toBe(406)
          if (method !== 'head') {
            expect(refusal(reply), name).toEqual([406, 'UnsupportedOperationException'])
          }
          served406.push(name)
        }
      }
    }
    expect(served406.length).toBeGreaterThan(20)
    expect(listed.size + 1 + served406.length).toBeGreaterThan(34)
  })

  it('takes the reports of its samples', async () => {
    const lake = await lakeWithTables()
    const reports: unknown[] = []
    const server = await served({ lake, onReport: (report) => reports.push(report) })
    for (const kind of ['scan', 'commit']) {
      const body = readFileSync(corpusPath(`rest/${kind}_report.json`), 'utf8')
      const reply = await ask(server, '/v1/namespaces/shop/tables/orders/metrics', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body,
      })
      expect([reply.status, reply.text]).toEqual([204, ''])
      expect(reports.pop()).toEqual({
        table: 'shop.orders',
        type: `${kind}-report`,
        report: parseJson(body, kind),
      })
    }
  })
})
