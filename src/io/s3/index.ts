/**
 * Lakes on S3: `floe/s3`. Needs the package @aws-sdk/client-s3, which is loaded when the store is first used.
 *
 * @module
 */
export type { S3Credentials, S3Options } from './options.ts'
export { S3Store } from './s3-store.ts'
