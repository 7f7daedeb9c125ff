/** The S3 servers that run.js started, and lakes and buckets on them. */
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { S3Options } from '../../../src/io/s3/index.ts'
import { S3_KEYS } from './start.js'

export type S3ServerName = 'versitygw' | 'minio' | 'moto' | 's3mock'

export const S3_SERVERS: readonly S3ServerName[] = ['versitygw', 'minio', 'moto', 's3mock']

const urls = JSON.parse(process.env['FLOE_S3'] ?? '{}') as Partial<Record<S3ServerName, string>>

/** True if the suite `s3` is wanted, with all of its servers. */
export const HAS_S3: boolean = process.env['FLOE_S3'] !== undefined

export function s3Url(name: S3ServerName): string {
  const url = urls[name]
  if (url === undefined) throw new Error(`the server ${name} was not started: see run.js`)
  return url
}

/** Options for a server, or for a proxy in front of it. */
export function s3Options(endpoint: string, more: S3Options = {}): S3Options {
  return { endpoint, credentials: S3_KEYS, ...more }
}

/** A plain client of the SDK, for what floe does not do. */
export function sdkClient(endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    credentials: S3_KEYS,
    forcePathStyle: true,
    maxAttempts: 1,
  })
}

let buckets = 0

/** A new bucket; the server forgets it when the run ends. */
export async function newBucket(endpoint: string): Promise<string> {
  const name = `floe-${process.pid}-${Date.now().toString(36)}-${buckets++}`
  const client = sdkClient(endpoint)
  await client.send(new CreateBucketCommand({ Bucket: name }))
  client.destroy()
  return name
}
