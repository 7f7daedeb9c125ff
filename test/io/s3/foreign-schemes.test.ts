/** Metadata of other engines names files as s3a: or s3n:; those are the files that floe calls s3:. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openLake, openTable, schema, t } from '../../../src/index.ts'
import { FakeS3 } from './fake-s3.ts'

let fake: FakeS3
beforeAll(async () => {
  fake = await FakeS3.start()
})
afterAll(() => fake.stop())

it.each(['s3a', 's3n'])('a table whose metadata says %s is read', async (scheme) => {
  fake.reset()
  const s3 = {
    endpoint: fake.endpoint,
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
  }
  const lake = await openLake(`${scheme}://bucket/lake`, { workers: 1, s3 })
  expect(lake.location).toBe('s3://bucket/lake')
  const written = await lake.createTable('db.t', schema({ id: t.long() }))
  await written.append([{ id: 7n }])
  await lake.close()
  const key = written.metadataLocation.replace('s3:/', '')
  const stored = fake.objects.get(key)?.body.toString() ?? ''
  expect(stored).toContain('s3://bucket/lake/db/t')
  expect([...fake.objects.values()].some(({ body }) => body.includes(`${scheme}:`))).toBe(false)
  const foreign = stored.replaceAll('s3://', `${scheme}://`)
  fake.objects.set(key, { body: Buffer.from(foreign), modified: new Date() })
  for (const location of [written.metadataLocation, `${scheme}:/${key}`]) {
    const table = await openTable(location, { workers: 1, s3 })
    expect(table.location).toBe(`${scheme}://bucket/lake/db/t`)
    expect(await table.scan().toArray()).toEqual([{ id: 7n }])
    expect((await table.fsck({ data: 'all' })).problems).toEqual([])
    await table.close()
  }
})
