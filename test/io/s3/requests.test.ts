/** What a lake on S3 costs in requests: a round trip is tens of milliseconds there, so they are counted. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Lake, type LakeOptions, openLake, schema, t } from '../../../src/index.ts'
import { expectSound } from '../../support/lakes.ts'
import { type FakeRequest, FakeS3 } from './fake-s3.ts'

let fake: FakeS3
beforeAll(async () => {
  fake = await FakeS3.start()
})
afterAll(() => fake.stop())
beforeEach(() => fake.reset())

/** Answers take long enough for requests that are made together to overlap, on a busy machine too. */
async function slowly(change: () => Promise<unknown>): Promise<void> {
  fake.requests.length = 0
  fake.latencyMs = 150
  await change()
  fake.latencyMs = 0
}

function open(options: LakeOptions = {}): Promise<Lake> {
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' }
  return openLake('s3://bucket/lake', {
    workers: 1,
    s3: { endpoint: fake.endpoint, credentials },
    ...options,
  })
}

/** Requests of the longest chain in which each began after the one before had ended. */
function sequential(requests: readonly FakeRequest[]): number {
  const depths: number[] = []
  for (const [i, request] of requests.entries()) {
    const before = requests
      .slice(0, i)
      .map((r, j) => (r.endedMs <= request.startedMs ? depths[j] : 0))
    depths[i] = 1 + Math.max(0, ...(before as number[]))
  }
  return Math.max(0, ...depths)
}

describe('requests', () => {
  it('of an append of one row are six in a row at most', async () => {
    const lake = await open()
    const table = await lake.createTable('db.t', schema({ id: t.long() }))
    const counts: Record<string, number> = {}
    for (const what of ['first append', 'second append', 'append of another handle']) {
      const handle = what.includes('another') ? await lake.table('db.t') : table
      await slowly(() => handle.append([{ id: 1n }]))
      counts[what] = sequential(fake.requests)
      expect(fake.requests.length, fake.lines.join('\n')).toBeLessThanOrEqual(6)
    }
    console.log('sequential requests:', counts)
    for (const count of Object.values(counts)) expect(count).toBeLessThanOrEqual(6)
    // The data file; manifest, manifest list and metadata together; the step at the catalog.
    expect(counts['second append'], fake.lines.join('\n')).toBe(3)
    await expectSound(await lake.table('db.t'))
    await lake.close()
  })

  it('of upserts and deletes of one row are six in a row at most', async () => {
    for (const formatVersion of [2, 3] as const) {
      const lake = await open()
      const name = `db.changes${formatVersion}`
      const columns = schema({ id: t.long(), v: t.long() }, { key: ['id'] })
      const table = await lake.createTable(name, columns, { formatVersion })
      await table.append(Array.from({ length: 100 }, (_, i) => ({ id: BigInt(i), v: 0n })))
      const counts: Record<string, number> = {}
      const count = async (what: string, change: () => Promise<unknown>): Promise<void> => {
        await slowly(change)
        counts[what] = sequential(fake.requests)
        expect(counts[what], `${what}\n${fake.lines.join('\n')}`).toBeLessThanOrEqual(6)
      }
      // The first one reads the keys.
      await table.upsert([{ id: 0n, v: 1n }], { mode: 'merge-on-read' })
      for (const [i, mode] of (['merge-on-read', 'copy-on-write'] as const).entries()) {
        await count(`upsert, ${mode}`, () =>
          table.upsert([{ id: 1n, v: BigInt(10 + i) }], { mode }),
        )
        await count(`insert, ${mode}`, () =>
          table.upsert([{ id: BigInt(1000 + i), v: 1n }], { mode }),
        )
        await count(`delete, ${mode}`, () => table.deleteWhere({ id: BigInt(20 + i) }, { mode }))
      }
      console.log(`sequential requests, format version ${formatVersion}:`, counts)
      expect(counts['upsert, merge-on-read']).toBe(formatVersion === 3 ? 3 : 4)
      await expectSound(await lake.table(name))
      await lake.close()
    }
  })

  it('of an append after another writer committed are counted too', async () => {
    const [lake, other] = [await open(), await open()]
    await lake.createTable('db.t', schema({ id: t.long() }))
    const [table, rival] = [await lake.table('db.t'), await other.table('db.t')]
    await table.append([{ id: 1n }])
    await rival.append([{ id: 2n }])
    await slowly(() => table.append([{ id: 3n }]))
    console.log(`after a rival's commit: ${sequential(fake.requests)} sequential requests`)
    expect(sequential(fake.requests), fake.lines.join('\n')).toBeLessThanOrEqual(15)
    await expectSound(await lake.table('db.t'))
    await lake.close()
    await other.close()
  })

  it('of opening a lake are few, whatever its history', async () => {
    const lake = await open()
    await lake.createTable('db.t', schema({ id: t.long() }))
    await lake.close()
    fake.requests.length = 0
    const reader = await open({ readOnly: true })
    expect(fake.requests).toHaveLength(3)
    await reader.close()
    fake.requests.length = 0
    const writer = await open()
    // Hint, list, latest version; and that a put on an existing key is refused.
    expect(fake.requests).toHaveLength(4)
    await writer.close()
  })
})
