/** The built store, which is what users load, puts and reads an object of several parts. */
import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import type { S3Store } from '../../../src/io/s3/index.ts'
import { FakeS3 } from './fake-s3.ts'

const BUILT = new URL('../../../dist/src/io/s3/index.js', import.meta.url).href
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

it('puts parts and reads them back', async () => {
  const built = (await import(/* @vite-ignore */ BUILT)) as { S3Store: typeof S3Store }
  const fake = await FakeS3.start()
  const store = new built.S3Store({
    endpoint: fake.endpoint,
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    partSizeBytes: 5 * 1024 * 1024,
  })
  try {
    const content = Uint8Array.from({ length: 12_000_000 }, (_, i) => (i * 7919) >> 5)
    for (const path of ['s3://bucket/put', 's3://bucket/if absent']) {
      if (path.endsWith('put')) await store.put(path, content)
      else expect(await store.putIfAbsent(path, content)).toBe('created')
      expect(sha256(await store.get(path))).toBe(sha256(content))
    }
    expect(fake.requests.filter((r) => r.query.has('partNumber'))).toHaveLength(6)
  } finally {
    await store.close()
    await fake.stop()
  }
})
