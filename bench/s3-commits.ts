/**
 * Child: commits of one row to a lake on an S3 server, appended, and upserted in two ways. Prints the time of each in milliseconds,
 * the requests of each as seen by a proxy, and the time of plain puts. Arguments: endpoint bucket commits.
 */
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { type Lake, openLake, schema, t } from 'floe'
import { type SeenRequest, sequentialGroups, startCountingProxy } from './counting-proxy.js'

const [endpoint, bucket, commitsText] = process.argv.slice(2) as [string, string, string]
const commits = Number(commitsText)
const credentials = {
  accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '',
  secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
}
/** Commits before the measured ones: connections, workers and the key index are there then, as in a running service. */
const WARM_UP = 10
/** Enough that the work which the catalog does every 32 commits is among them. */
const COUNTED = 40
/** `upsert` is how floe changes small tables: the file is written anew. `delta` is how it changes others. */
const KINDS = ['append', 'upsert', 'delta'] as const
type Kind = (typeof KINDS)[number]

const columns = schema({ id: t.long(), note: t.string() }, { key: ['id'] })

/** One function that commits a row, for a table of its own with some rows. */
async function committer(lake: Lake, kind: Kind): Promise<(i: number) => Promise<void>> {
  const table = await lake.createTable(`bench.${kind}s`, columns, { formatVersion: 3 })
  await table.append(Array.from({ length: 1000 }, (_, id) => ({ id, note: 'first' })))
  return async (i) => {
    if (kind === 'append') {
      await table.append([{ id: 1000 + i, note: 'appended' }])
      return
    }
    const { rows, mode } = await table.upsert(
      [{ id: (i * 389) % 1000, note: `changed ${i}` }],
      kind === 'delta' ? { mode: 'merge-on-read' } : {},
    )
    const expected = kind === 'delta' ? 'merge-on-read' : 'copy-on-write'
    if (rows.updated !== 1 || mode !== expected) throw new Error(`${rows.updated} rows, ${mode}`)
  }
}

async function openedLake(at: string, name: string): Promise<Lake> {
  return openLake(`s3://${bucket}/${name}`, { s3: { endpoint: at, credentials } })
}

async function times(kind: Kind): Promise<number[]> {
  const lake = await openedLake(endpoint, `timed-${kind}`)
  const commit = await committer(lake, kind)
  for (let i = 0; i < WARM_UP; i++) await commit(i)
  const ms: number[] = []
  for (let i = 0; i < commits; i++) {
    const started = performance.now()
    await commit(WARM_UP + i)
    ms.push(performance.now() - started)
  }
  await lake.close()
  return ms
}

/** What each of some commits asked for, in groups that follow each other. */
async function requests(kind: Kind): Promise<string[][]> {
  const proxy = await startCountingProxy(endpoint)
  const lake = await openedLake(proxy.endpoint, `counted-${kind}`)
  const commit = await committer(lake, kind)
  for (let i = 0; i < WARM_UP; i++) await commit(i)
  const seen: string[][] = []
  for (let i = 0; i < COUNTED; i++) {
    const before = proxy.requests.length
    await commit(WARM_UP + i)
    const own = proxy.requests.slice(before)
    seen.push(sequentialGroups(own).map((group) => group.map(requestText).join(' with ')))
  }
  await lake.close()
  await proxy.stop()
  return seen
}

/** The verb and the kind of object. */
function requestText({ verb, url }: SeenRequest): string {
  const [path, query] = url.split('?') as [string, string | undefined]
  if (query?.includes('list-type') === true) return 'LIST'
  const file = path.slice(path.lastIndexOf('/') + 1)
  if (file === 'hint') return `${verb} catalog hint`
  if (path.includes('/catalog/')) return `${verb} catalog version`
  if (file.endsWith('.metadata.json')) return `${verb} metadata`
  if (file.startsWith('snap-')) return `${verb} manifest list`
  if (file.endsWith('.avro')) return `${verb} manifest`
  if (file.endsWith('.puffin')) return `${verb} deletion vectors`
  if (file.endsWith('.parquet')) return `${verb} data`
  return `${verb} ${file}`
}

async function puts(client: S3Client): Promise<number[]> {
  const ms: number[] = []
  for (let i = 0; i < WARM_UP + commits; i++) {
    const started = performance.now()
    await client.send(
      new PutObjectCommand({ Bucket: bucket, Key: `plain/${i}`, Body: Buffer.alloc(1024) }),
    )
    if (i >= WARM_UP) ms.push(performance.now() - started)
  }
  return ms
}

const client = new S3Client({ endpoint, region: 'us-east-1', credentials, forcePathStyle: true })
await client.send(new CreateBucketCommand({ Bucket: bucket }))
const results: Record<string, unknown> = { putMs: await puts(client) }
client.destroy()
for (const kind of KINDS) results[kind] = { ms: await times(kind), requests: await requests(kind) }
console.log(JSON.stringify(results))
