/**
 * Merging small manifests on commit, so that their number stays bounded however many commits there are
 * (`commit.manifest.*`, item 25). Manifests of one spec and content are packed, newest first, into bins of the target
 * size; a bin is merged when it is full or holds enough manifests. Items 33, 47, 60.
 */
import { parallelMap } from '../../core/concurrency.ts'
import { joinLocation } from '../../io/location.ts'
import type { ManifestEntry, ManifestFile } from '../manifest/entry.ts'
import { type ManifestSummary, toManifestFile, writeManifest } from '../manifest/manifest-writer.ts'
import type { TableMetadata } from '../spec/metadata.ts'
import type { ManifestMergePolicy } from '../spec/properties.ts'
import type { CommitAttempt } from './commit.ts'
import { type Environment, requestOptions } from './environment.ts'
import { metadataFolder } from './locations.ts'
import { loadManifest, schemasNewestFirst } from './manifest-files.ts'
import { currentSchema, specById } from './table-state.ts'

export interface MergeOptions {
  /** Paths of manifests that this commit writes itself. */
  readonly added: ReadonlySet<string>
  readonly policy: ManifestMergePolicy
  readonly snapshotId: bigint
  readonly sequenceNumber: number
  readonly attempt: CommitAttempt
}

export interface MergeResult {
  readonly manifests: readonly ManifestFile[]
  readonly entriesProcessed: number
}

/** Merges in all attempts of one commit; a merge of the same manifests is not done twice. */
export class ManifestMerger {
  readonly #env: Environment
  readonly #runId: string
  readonly #done = new Map<
    string,
    { readonly path: string; readonly length: number; readonly summary: ManifestSummary }
  >()
  #count = 0

  constructor(env: Environment, runId: string) {
    this.#env = env
    this.#runId = runId
  }

  /** Merged manifests that were written. */
  get paths(): readonly string[] {
    return [...this.#done.values()].map((m) => m.path)
  }

  /** Data manifests only: delete manifests are merged by operations that know their deletes. */
  async merge(
    base: TableMetadata,
    manifests: readonly ManifestFile[],
    options: MergeOptions,
  ): Promise<MergeResult> {
    const { policy } = options
    if (!policy.enabled || manifests.length < policy.minCountToMerge) {
      return { manifests, entriesProcessed: 0 }
    }
    const groups = new Map<number, ManifestFile[]>()
    const result: ManifestFile[] = []
    for (const manifest of manifests) {
      if (manifest.content !== 'data') result.push(manifest)
      else {
        const group = groups.get(manifest.partitionSpecId)
        if (group === undefined) groups.set(manifest.partitionSpecId, [manifest])
        else group.push(manifest)
      }
    }
    let entriesProcessed = 0
    const data: ManifestFile[] = []
    for (const group of groups.values()) {
      for (const bin of pack(group, policy.targetSizeBytes)) {
        const newest = bin.some((m) => options.added.has(m.manifestPath))
        // The newest bin waits until merging it is worth the while; older ones are full.
        if (bin.length === 1 || (newest && bin.length < policy.minCountToMerge)) data.push(...bin)
        else {
          const merged = await this.#mergeBin(base, bin, options)
          data.push(merged.manifest)
          entriesProcessed += merged.entries
        }
      }
    }
    return { manifests: [...data, ...result], entriesProcessed }
  }

  async #mergeBin(
    base: TableMetadata,
    bin: readonly ManifestFile[],
    options: MergeOptions,
  ): Promise<{ manifest: ManifestFile; entries: number }> {
    const env = this.#env
    const key = `${base.formatVersion}:${bin.map((m) => `${m.manifestPath}@${m.firstRowId}`).join('\n')}`
    const known = this.#done.get(key)
    if (known !== undefined) {
      return { manifest: this.#line(known, options), entries: 0 }
    }
    const { attempt } = options
    // Those of this very commit are read, too.
    await attempt.written()
    const loaded = await parallelMap(bin, env.limits.concurrentRequests, (manifest) =>
      loadManifest(env, base, manifest, { liveOnly: true, signal: attempt.signal }),
    )
    const entries = bin.flatMap((manifest, i) =>
      (loaded[i] as ManifestEntry[]).map((entry) =>
        // What this very commit adds stays ADDED and inherits; all else becomes EXISTING with explicit numbers.
        options.added.has(manifest.manifestPath)
          ? { ...entry, status: 'added' as const, sequenceNumber: null, fileSequenceNumber: null }
          : { ...entry, status: 'existing' as const },
      ),
    )
    const spec = specById(base, (bin[0] as ManifestFile).partitionSpecId)
    const written = writeManifest({
      formatVersion: base.formatVersion === 3 ? 3 : 2,
      schema: currentSchema(base),
      olderSchemas: schemasNewestFirst(base).slice(1),
      spec,
      content: 'data',
      snapshotId: options.snapshotId,
      runtime: env.runtime,
      entries,
    })
    const path = joinLocation(metadataFolder(base), `${this.#runId}-merged-m${this.#count++}.avro`)
    attempt.writing(env.store.put(path, written.bytes, requestOptions(attempt.signal)))
    const done = { path, length: written.bytes.length, summary: written.summary }
    this.#done.set(key, done)
    return { manifest: this.#line(done, options), entries: entries.length }
  }

  #line(
    done: { readonly path: string; readonly length: number; readonly summary: ManifestSummary },
    options: MergeOptions,
  ): ManifestFile {
    return toManifestFile(
      { manifestLength: done.length, summary: done.summary },
      { manifestPath: done.path, sequenceNumber: options.sequenceNumber },
    )
  }
}

/** Bins of at most the target size, in order. */
function pack(manifests: readonly ManifestFile[], targetBytes: number): ManifestFile[][] {
  const bins: ManifestFile[][] = []
  let bin: ManifestFile[] = []
  let bytes = 0
  // From the oldest back to front, so that old bins stay as they are and only the newest one grows.
  for (const manifest of [...manifests].reverse()) {
    if (bin.length > 0 && bytes + manifest.manifestLength > targetBytes) {
      bins.push(bin)
      bin = []
      bytes = 0
    }
    bin.push(manifest)
    bytes += manifest.manifestLength
  }
  if (bin.length > 0) bins.push(bin)
  return bins.reverse().map((b) => b.reverse())
}
