/**
 * Engines attach to `floe serve` with the very settings that it prints, and read live tables while they are written:
 * whole commits only, never an older one than before, never an older one than was committed when they began to ask.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Lake, openLake, schema, type Table, t } from '../../src/index.ts'
import { type CanonicalRow, compareRows, rowsFromFloe } from './canonical.ts'
import { ENGINES, type EngineName, post, sparkSql, trino, WORK } from './client.ts'
import { HAS_S3, newBucket, s3Options, s3Url } from './s3/servers.ts'
import { S3_KEYS } from './s3/start.js'

const CLI = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))

const BATCH = 100
const ACCOUNTS = 200
/** How often each engine asks each table at least, and commits that it sees at least. */
const ROUNDS = 5
const COMMITS = 5
const WRITE_EVERY_MS = 300

interface Place {
  readonly name: string
  /** What engines call the catalog: they keep what they know of one by its name. */
  readonly catalog: string
  readonly s3: boolean
  /** Keys come from the catalog to engines that are printed without their own. */
  readonly vended: boolean
}

const PLACES: readonly Place[] = [
  { name: 'local files', catalog: 'lake_files', s3: false, vended: false },
  { name: 'versitygw, engines with their own keys', catalog: 'lake_keys', s3: true, vended: false },
  { name: 'versitygw, keys from the catalog', catalog: 'lake_vended', s3: true, vended: true },
]

/** Keys that other tests left in DuckDB would do where those of the catalog are looked for. */
const DROP_SECRETS = ['DROP SECRET IF EXISTS s3', 'DROP SECRET IF EXISTS __default_s3']

/** A program that was started, and all that it has printed so far. */
interface Served {
  readonly child: ChildProcess
  readonly text: string
}

/** Starts `floe serve` and waits for what it prints. */
function startServe(args: readonly string[]): Promise<Served> {
  const child = spawn(process.execPath, [CLI, 'serve', ...args, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
    },
  })
  return new Promise((resolve, reject) => {
    let text = ''
    let errors = ''
    child.stdout.on('data', (piece: Buffer) => {
      text += piece.toString()
      // DuckDB's are the last lines.
      if (/ATTACH .*;\n/.test(text)) resolve({ child, text })
    })
    child.stderr.on('data', (piece: Buffer) => {
      errors += piece.toString()
      console.error(piece.toString())
    })
    child.on('close', () => reject(new Error(`floe serve ended: ${text}${errors}`)))
  })
}

/** The lines of one engine, with the names and keys of this test. */
function section(text: string, title: string, place: Place): string[] {
  const lines = text
    .replaceAll('…', 'KEY')
    .replace(
      /((?<!secret-)access-key=|access-key-id=|access-key-id': '|KEY_ID ')KEY/g,
      `$1${S3_KEYS.accessKeyId}`,
    )
    .replace(
      /(secret-key=|secret-access-key=|secret-access-key': '|SECRET ')KEY/g,
      `$1${S3_KEYS.secretAccessKey}`,
    )
    .split('\n')
  const from = lines.findIndex((line) => line.startsWith(title)) + 1
  const to = lines.indexOf('', from)
  return lines
    .slice(from, to < 0 ? undefined : to)
    .map((line) => line.trim().replace(/(catalog\.|AS )lake\b/, `$1${place.catalog}`))
}

/** Tables and how an engine asks them. */
type Ask = (select: string, table: string) => Promise<CanonicalRow[]>

/** Attaches an engine as the printed text says. */
async function attach(engine: EngineName, text: string, place: Place): Promise<Ask> {
  const sql = (select: string, table: string): string =>
    `SELECT ${select} FROM ${place.catalog}.live.${table}`
  switch (engine) {
    case 'trino': {
      const properties = section(text, 'Trino', place)
        .filter((line) => !line.startsWith('connector.name='))
        .map((line) => line.split('=') as [string, string])
        .map(([key, value]) => `"${key}" = '${value}'`)
      await trino(`CREATE CATALOG ${place.catalog} USING iceberg WITH (${properties.join(', ')})`)
      return (select, table) => trino(sql(select, table))
    }
    case 'spark': {
      const conf = Object.fromEntries(
        section(text, 'Spark', place).map((line) => line.split('=') as [string, string]),
      )
      return (select, table) => sparkSql(sql(select, table), conf)
    }
    case 'duckdb': {
      // The extensions are loaded by path here, without a network.
      const lines = section(text, 'DuckDB', place).filter((line) => !line.startsWith('INSTALL'))
      const before = [...DROP_SECRETS, ...lines]
      await post('duckdb', { op: 'sql', sql: 'SELECT 1', before })
      return (select, table) =>
        post('duckdb', { op: 'sql', sql: sql(select, table) }) as Promise<CanonicalRow[]>
    }
    case 'pyiceberg': {
      const lines = section(text, 'PyIceberg', place).join('\n')
      return (select, table) =>
        post('pyiceberg', {
          op: 'run',
          // The aggregates of this test, in words of arrow.
          code: `
${lines}
rows = lake.load_table('live.${table}').scan().to_arrow()
if ${JSON.stringify(select)} == '*':
    result = [{k: None if v is None else str(v) if isinstance(v, int) else v for k, v in row.items()} for row in rows.to_pylist()]
else:
    result = [{'n': str(len(rows)), 'latest': str(pc.max(rows['latest']).as_py()), 'total': str(pc.sum(rows['total']).as_py())}]
`,
        }) as Promise<CanonicalRow[]>
    }
  }
}

/** Writes both tables every few hundred milliseconds until it is told to stop. */
class Writer {
  /** Batches of each table that are committed. */
  committed = 0
  #stopping = false
  #events: Table
  #accounts: Table
  #done: Promise<void> | undefined

  constructor(events: Table, accounts: Table) {
    this.#events = events
    this.#accounts = accounts
  }

  start(): void {
    this.#done = (async () => {
      while (!this.#stopping) {
        await this.write()
        await new Promise((resolve) => setTimeout(resolve, WRITE_EVERY_MS))
      }
    })()
  }

  async write(): Promise<void> {
    const latest = this.committed + 1
    const rows = Array.from({ length: BATCH }, (_, i) => ({
      id: BigInt(latest * BATCH + i),
      latest,
      total: 1n,
    }))
    await (await this.#events.refresh()).append(rows)
    // Half of the accounts give what the other half get: of whole commits, the sum is 0.
    const changed = Array.from({ length: 20 }, (_, i) => ({
      id: BigInt((latest * 7 + i * 10) % ACCOUNTS),
      latest,
      total: i % 2 === 0 ? BigInt(latest) : -BigInt(latest),
    }))
    await (await this.#accounts.refresh()).upsert(changed, { key: ['id'], increment: ['total'] })
    this.committed = latest
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#done
  }
}

const COLUMNS = schema({ id: t.long(), latest: t.int(), total: t.long() })

for (const place of PLACES.filter((p) => HAS_S3 || !p.s3)) {
  describe.runIf(ENGINES.length > 0)(`floe serve on ${place.name}`, () => {
    let lake: Lake
    let served: Served
    let writer: Writer
    const asks = new Map<EngineName, Ask>()

    beforeAll(async () => {
      const endpoint = place.s3 ? s3Url('versitygw') : undefined
      const location =
        endpoint === undefined
          ? `file://${WORK}/${place.catalog}`
          : `s3://${await newBucket(endpoint)}/lake`
      lake = await openLake(location, {
        durability: 'os',
        ...(endpoint === undefined ? {} : { s3: s3Options(endpoint) }),
      })
      const events = await lake.createTable('live.events', COLUMNS)
      const accounts = await lake.createTable('live.accounts', COLUMNS, { formatVersion: 3 })
      await accounts.append(
        Array.from({ length: ACCOUNTS }, (_, i) => ({ id: BigInt(i), latest: 0, total: 0n })),
      )
      writer = new Writer(events, accounts)
      await writer.write()
      const s3Arguments = endpoint === undefined ? [] : ['--s3-endpoint', endpoint]
      if (place.vended) s3Arguments.push('--vend-credentials')
      served = await startServe([location, ...s3Arguments])
      for (const engine of ENGINES) asks.set(engine, await attach(engine, served.text, place))
    })

    afterAll(async () => {
      await writer?.stop()
      if (ENGINES.includes('trino')) await trino(`DROP CATALOG IF EXISTS ${place.catalog}`)
      if (ENGINES.includes('duckdb')) {
        const before = [`DETACH DATABASE IF EXISTS ${place.catalog}`, ...DROP_SECRETS]
        await post('duckdb', { op: 'sql', sql: 'SELECT 1', before })
      }
      served?.child.kill('SIGTERM')
      await lake?.close()
    })

    it('shows every engine whole commits, the latest, and none older than before', async () => {
      writer.start()
      const select = 'count(*) AS n, max(latest) AS latest, sum(total) AS total'
      const watch = async (engine: EngineName, ask: Ask): Promise<void> => {
        const seen = { events: 0, accounts: 0 }
        const first = writer.committed
        for (let round = 0; round < ROUNDS || writer.committed < first + COMMITS; round++) {
          for (const table of ['events', 'accounts'] as const) {
            const before = writer.committed
            const [row] = await ask(select, table)
            const where = `${engine} ${table} round ${round}`
            const n = Number(row?.['n'])
            const latest = Number(row?.['latest'])
            const total = Number(row?.['total'])
            if (table === 'events') expect([n, total], where).toEqual([latest * BATCH, n])
            else expect([n, total], where).toEqual([ACCOUNTS, 0])
            expect(latest, `${where}: older than what was committed`).toBeGreaterThanOrEqual(before)
            expect(latest, `${where}: older than before`).toBeGreaterThanOrEqual(seen[table])
            seen[table] = latest
          }
        }
      }
      const outcomes = await Promise.allSettled([...asks].map(([name, ask]) => watch(name, ask)))
      await writer.stop()
      const failed = outcomes.flatMap((o, i) =>
        o.status === 'rejected' ? [`${ENGINES[i]}: ${String(o.reason)}`] : [],
      )
      expect(failed).toEqual([])
      console.log(`rest-serve: ${place.name}: ${writer.committed} commits of each table`)
    }, 240_000)

    for (const name of ['events', 'accounts']) {
      it(`gives every engine the rows of ${name} that floe reads`, async () => {
        await writer.stop()
        const table = await lake.table(`live.${name}`)
        const rows = await table.scan().toArray({ form: 'json' })
        const expected = rowsFromFloe(rows, table.schema.fields)
        expect(expected.length).toBeGreaterThanOrEqual(ACCOUNTS)
        for (const [engine, ask] of asks) {
          expect(compareRows(expected, await ask('*', name)), engine).toBeNull()
        }
        expect((await table.fsck({ data: 'all' })).problems).toEqual([])
      })
    }

    it.runIf(place.vended && ENGINES.includes('duckdb'))(
      'gives DuckDB its keys, if it asks for them',
      async () => {
        await writer.stop()
        const attach = section(served.text, 'DuckDB', place).find((line) => /^ATTACH/.test(line))
        const [mode, own] = [", ACCESS_DELEGATION_MODE 'none'", `${place.catalog}_asked`]
        expect(attach).toContain(mode)
        const asking = attach?.replace(mode, '').replace(`AS ${place.catalog}`, `AS ${own}`)
        // What DuckDB has read it keeps; of this table it knows nothing yet.
        const table = await lake.createTable('live.unread', COLUMNS)
        await table.append([{ id: 1n, latest: 0, total: 0n }])
        const count = (catalog: string): Promise<unknown> =>
          post('duckdb', { op: 'sql', sql: `SELECT count(*) AS n FROM ${catalog}.live.unread` })
        // It has no others.
        await post('duckdb', { op: 'sql', sql: 'SELECT 1', before: DROP_SECRETS })
        await expect(count(place.catalog)).rejects.toThrow(/HTTP|amazonaws/)
        await post('duckdb', { op: 'sql', sql: 'SELECT 1', before: [asking] })
        try {
          expect(await count(own)).toEqual([{ n: '1' }])
        } finally {
          const detach = [`DETACH DATABASE IF EXISTS ${own}`]
          await post('duckdb', { op: 'sql', sql: 'SELECT 1', before: detach })
        }
      },
    )

    it('ends by SIGTERM, cleanly', async () => {
      const ended = new Promise((resolve) => served.child.on('close', resolve))
      served.child.kill('SIGTERM')
      expect(await ended).toBe(0)
    })
  })
}
