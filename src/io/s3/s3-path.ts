/** `s3://bucket/key` taken apart. Other engines write `s3a` and `s3n` for the same place; those are read too. */
import { FloeError } from '../../core/errors.ts'
import { redactUrl } from '../../core/secret.ts'

export interface S3Path {
  readonly bucket: string
  /** Literal: nothing is decoded. */
  readonly key: string
  /** What stands before the key, so that listed paths have the form of the asked prefix. */
  readonly head: string
}

const PATH = /^(s3[an]?:\/\/([^/]+))(?:\/(.*))?$/is

/** @throws BAD_LOCATION for another scheme or no bucket. */
export function parseS3Path(path: string): S3Path {
  const match = PATH.exec(path)
  if (match === null) {
    throw new FloeError(
      'BAD_LOCATION',
      `The path ${JSON.stringify(redactUrl(path).slice(0, 200))} is not one of S3. Give s3://bucket/key`,
    )
  }
  return { bucket: match[2] as string, key: match[3] ?? '', head: `${match[1]}/` }
}
