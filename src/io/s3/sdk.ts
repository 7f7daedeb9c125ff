/** The one place that loads the AWS SDK: an optional package, and slow to load, so on first use. */
import type * as AwsSdk from '@aws-sdk/client-s3'
import { FloeError } from '../../core/errors.ts'

export type Sdk = typeof AwsSdk
export type SdkClient = AwsSdk.S3Client

/** @throws UNSUPPORTED_STORE saying what to install. */
export async function loadSdk(
  load: () => Promise<Sdk> = () => import('@aws-sdk/client-s3'),
): Promise<Sdk> {
  try {
    return await load()
  } catch (cause) {
    throw new FloeError(
      'UNSUPPORTED_STORE',
      'Locations that begin with s3:// need the package @aws-sdk/client-s3, which cannot be loaded. Install it beside floe: npm install @aws-sdk/client-s3',
      { cause, context: { package: '@aws-sdk/client-s3' } },
    )
  }
}
