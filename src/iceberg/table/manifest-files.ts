/** Manifest lists and manifests in the store: reading with a cache, writing under new names. */
import { parallelMap } from '../../core/concurrency.ts'
import { joinLocation } from '../../io/location.ts'
import type { ManifestEntry, ManifestFile } from '../manifest/entry.ts'
import { inlineManifest } from '../manifest/inline-manifest.ts'
import { readManifestList } from '../manifest/manifest-list-reader.ts'
import { type ReadManifestOptions, readManifest } from '../manifest/manifest-reader.ts'
import { partitionFields } from '../manifest/partition-fields.ts'
import type { TableMetadata } from '../spec/metadata.ts'
import type { Snapshot } from '../spec/snapshot.ts'
import { type Environment, requestOptions } from './environment.ts'
import { currentSchema, specById } from './table-state.ts'

/**
 * The manifests of a snapshot, in list order. A v1 snapshot without a manifest list names its manifests itself;
 * their lines are made from the files.
 * @throws FILE_NOT_FOUND, CORRUPT_AVRO, CORRUPT_MANIFEST
 */
export async function loadManifestList(
  env: Environment,
  snapshot: Snapshot,
  signal?: AbortSignal,
): Promise<readonly ManifestFile[]> {
  const path = snapshot.manifestList
  if (path === undefined) return inlineManifests(env, snapshot, signal)
  const cached = env.manifestLists.get(path)
  if (cached !== undefined) return cached
  const bytes = await env.store.get(path, {
    maxBytes: env.limits.manifestBytes,
    ...requestOptions(signal),
  })
  const list = readManifestList(bytes, { file: path, limits: env.limits })
  env.manifestLists.set(path, list, bytes.length * 4)
  return list
}

export type LoadManifestOptions = Omit<ReadManifestOptions, 'manifest' | 'partition' | 'limits'> & {
  readonly signal?: AbortSignal | undefined
  /** The manifest's bytes, if they are known. */
  readonly bytes?: Uint8Array | undefined
}

/** The entries of a manifest in an array, with what they inherit filled in. */
export async function loadManifest(
  env: Environment,
  metadata: TableMetadata,
  manifest: ManifestFile,
  options: LoadManifestOptions = {},
): Promise<ManifestEntry[]> {
  return [...(await openManifest(env, metadata, manifest, options))]
}

/** The entries of a manifest one by one: whoever keeps few of many never has them all in memory. */
export async function openManifest(
  env: Environment,
  metadata: TableMetadata,
  manifest: ManifestFile,
  options: LoadManifestOptions = {},
): Promise<Iterable<ManifestEntry>> {
  const { signal, bytes: known, ...read } = options
  const spec = specById(metadata, manifest.partitionSpecId)
  const bytes =
    known ??
    (await env.store.get(manifest.manifestPath, {
      maxBytes: env.limits.manifestBytes,
      ...requestOptions(signal),
    }))
  return readManifest(bytes, {
    manifest,
    partition: partitionFields(spec, schemasNewestFirst(metadata)),
    limits: env.limits,
    ...read,
  })
}

/** The current schema, then the others from the newest back: where sources of old specs are looked up. */
export function schemasNewestFirst(metadata: TableMetadata): TableMetadata['schemas'] {
  const current = currentSchema(metadata)
  return [current, ...metadata.schemas.filter((s) => s !== current).reverse()]
}

/** The name of a manifest: random for each run of a commit (item 53). */
export function manifestPath(folder: string, runId: string, index: number): string {
  return joinLocation(folder, `${runId}-m${index}.avro`)
}

async function inlineManifests(
  env: Environment,
  snapshot: Snapshot,
  signal: AbortSignal | undefined,
): Promise<readonly ManifestFile[]> {
  const paths = snapshot.manifests ?? []
  return parallelMap(paths, env.limits.concurrentRequests, async (path) => {
    const bytes = await env.store.get(path, {
      maxBytes: env.limits.manifestBytes,
      ...requestOptions(signal),
    })
    const { limits } = env
    return inlineManifest(bytes, { manifestPath: path, snapshotId: snapshot.snapshotId, limits })
  })
}
