/** The store suite on real servers, and what those servers must do for it to mean anything. */
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLake } from '../../../src/index.ts'
import { S3Store } from '../../../src/io/s3/index.ts'
import { storeConformance } from '../../io/store-conformance.ts'
import {
  HAS_S3,
  newBucket,
  S3_SERVERS,
  type S3ServerName,
  s3Options,
  s3Url,
  sdkClient,
} from './servers.ts'

/** Failures of servers, by test and reason. docs/s3.md repeats them. */
const EXPECTED: Readonly<Record<S3ServerName, Readonly<Record<string, string>>>> = {
  versitygw: {},
  minio: {},
  moto: {
    'puts large objects if absent, once, also when some race':
      'moto looks and then completes the upload',
  },
  s3mock: {
    'puts if absent, once, also when many race': 'S3Mock looks and then writes',
    'puts large objects if absent, once, also when some race': 'S3Mock looks and then writes',
    'refuses to put large objects where one exists':
      'S3Mock refuses the upload and loses the object',
    'lists by bytes, not by folders': 'S3Mock sorts by UTF-16 code units',
  },
}

const FACTS: Readonly<Record<S3ServerName, Readonly<Record<string, string>>>> = {
  versitygw: {},
  minio: {},
  moto: {
    'refuses bytes whose checksum is wrong': 'moto stores them',
    'refuses to complete an upload over another etag': 'moto ignores If-Match there',
  },
  s3mock: {},
}

describe.runIf(HAS_S3)('S3 servers', () => {
  for (const name of S3_SERVERS) {
    describe(name, () => {
      const stores: S3Store[] = []
      let bucket = ''
      let roots = 0
      beforeAll(async () => {
        bucket = await newBucket(s3Url(name))
      })
      afterAll(() => Promise.all(stores.map((store) => store.close())))

      storeConformance(
        async () => {
          const store = new S3Store(s3Options(s3Url(name), { partSizeBytes: 5 * 1024 * 1024 }))
          stores.push(store)
          return { store, root: `s3://${bucket}/root-${roots++}` }
        },
        { expectedFailures: EXPECTED[name] },
      )

      serverFacts(name, () => bucket)
    })
  }

  it('S3Mock is refused at creation in 100 of 100 tries', async () => {
    const endpoint = s3Url('s3mock')
    const bucket = await newBucket(endpoint)
    const rounds = new Map<string, number>()
    for (let i = 0; i < 100; i++) {
      const opened = openLake(`s3://${bucket}/lake-${i}`, { s3: s3Options(endpoint) })
      const error: unknown = await opened.then(
        (lake) => lake.close(),
        (reason: unknown) => reason,
      )
      expect(error, `try ${i + 1} was accepted`).toMatchObject({ code: 'UNSUPPORTED_STORE' })
      const round = /in round (\d+)/.exec((error as Error).message)?.[1] ?? 'none'
      rounds.set(round, (rounds.get(round) ?? 0) + 1)
    }
    console.log('S3Mock was caught in round:', Object.fromEntries(rounds))
    expect(rounds.get('none')).toBeUndefined()
  })

  it('a lake cannot be made where there is no bucket or with a wrong secret', async () => {
    const endpoint = s3Url('versitygw')
    await expect(
      openLake('s3://no-such-bucket-here/lake', { s3: s3Options(endpoint) }),
    ).rejects.toMatchObject({ code: 'NO_SUCH_BUCKET' })
    const bucket = await newBucket(endpoint)
    const credentials = { accessKeyId: 'floe', secretAccessKey: 'CANARY-wrong-secret' }
    await expect(
      openLake(`s3://${bucket}/lake`, { s3: { endpoint, credentials } }),
    ).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  })
})

/** What the servers do, asked with the SDK alone. */
function serverFacts(name: S3ServerName, bucket: () => string): void {
  const fact = (what: string, run: (client: S3Client) => Promise<void>): void => {
    const reason = FACTS[name][what]
    const test = async (): Promise<void> => {
      const client = sdkClient(s3Url(name))
      try {
        await run(client)
      } finally {
        client.destroy()
      }
    }
    if (reason === undefined) it(what, test)
    else it.fails(`${what} (expected to fail: ${reason})`, test)
  }
  const put = (client: S3Client, key: string, more: object = {}) =>
    client.send(new PutObjectCommand({ Bucket: bucket(), Key: key, Body: 'content', ...more }))
  const status = (task: Promise<unknown>): Promise<number | undefined> =>
    task.then(
      () => 200,
      (error: { $metadata?: { httpStatusCode?: number } }) => error.$metadata?.httpStatusCode,
    )
  const complete = async (client: S3Client, key: string, condition: object) => {
    const at = { Bucket: bucket(), Key: key }
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(at))
    const part = { ...at, UploadId, PartNumber: 1 }
    const { ETag } = await client.send(new UploadPartCommand({ ...part, Body: 'part' }))
    const MultipartUpload = { Parts: [{ ETag, PartNumber: 1 }] }
    return client.send(
      new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload, ...condition }),
    )
  }

  fact('refuses a put on an existing key with 412', async (client) => {
    expect(await status(put(client, 'k412', { IfNoneMatch: '*' }))).toBe(200)
    expect(await status(put(client, 'k412', { IfNoneMatch: '*' }))).toBe(412)
  })

  fact('refuses to complete an upload on an existing key with 412', async (client) => {
    await put(client, 'm412')
    expect(await status(complete(client, 'm412', { IfNoneMatch: '*' }))).toBe(412)
  })

  fact('refuses to complete an upload over another etag', async (client) => {
    await put(client, 'match')
    const IfMatch = '"00000000000000000000000000000000"'
    expect(await status(complete(client, 'match', { IfMatch }))).toBe(412)
  })

  fact('refuses bytes whose checksum is wrong', async (client) => {
    expect(await status(put(client, 'crc', { ChecksumCRC32: 'AAAAAA==' }))).toBe(400)
  })
}
