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

/** As {@link parseS3Path}, for one object. @throws BAD_LOCATION also if there is no key. */
export function parseS3Object(path: string): S3Path {
  const parsed = parseS3Path(path)
  if (parsed.key === '') throw bad(path, 'names a bucket and no object')
  return parsed
}

const PATH = /^(s3[an]?:\/\/([^/]+))(?:\/(.*))?$/is

/** @throws BAD_LOCATION for another scheme or no bucket. */
export function parseS3Path(path: string): S3Path {
  const match = PATH.exec(path)
  if (match === null) {
    throw bad(path, 'is not one of S3')
  }
  return { bucket: match[2] as string, key: match[3] ?? '', head: `${match[1]}/` }
}

function bad(path: string, why: string): FloeError {
  return new FloeError(
    'BAD_LOCATION',
    `The path ${JSON.stringify(redactUrl(path).slice(0, 200))} ${why}. Give s3://bucket/key`,
  )
}
