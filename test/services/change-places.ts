/** Where the tables of floe's changes lie, and how engines get at them: one entry for each kind of store. */
import { type LakeOptions, openLake } from '../../src/index.ts'
import type { CanonicalRow } from './canonical.ts'
import { type EngineName, type ReadRequest, read, WORK } from './client.ts'
import { HAS_S3, newBucket, s3Options, s3Url } from './s3/servers.ts'
import { S3_KEYS } from './s3/start.js'

export interface ChangePlace {
  readonly name: string
  /** Of docs/compatibility.md. */
  readonly section: string
  /** Makes the location of a lake for the suite. */
  readonly prepare: () => Promise<string>
  readonly options: () => LakeOptions
  readonly read: (engine: EngineName, request: ReadRequest) => Promise<CanonicalRow[]>
  /** Some of the cases are enough where the store alone is another. */
  readonly cases: RegExp
}

const LOCAL: ChangePlace = {
  name: 'local files',
  section: 'Rows changed by floe',
  prepare: () => Promise.resolve(`${WORK}/floe changes`),
  options: () => ({ durability: 'os' }),
  read,
  cases: /./,
}

/** Every engine on the S3 server, with its own client. */
const S3: ChangePlace = {
  name: 'S3',
  section: 'Rows changed by floe, on S3',
  prepare: async () => `s3://${await newBucket(s3Url('versitygw'))}/lake`,
  options: () => ({ s3: s3Options(s3Url('versitygw')) }),
  read: (engine, request) =>
    read(engine, { ...request, s3: { endpoint: s3Url('versitygw'), ...S3_KEYS } }),
  cases: /^rows (deleted|upserted) beside|^partitions deleted|^upserts that move .* anew$/,
}

export const CHANGE_PLACES: readonly ChangePlace[] = HAS_S3 ? [LOCAL, S3] : [LOCAL]

export const openPlace = async (
  place: ChangePlace,
): Promise<Awaited<ReturnType<typeof openLake>>> => openLake(await place.prepare(), place.options())
