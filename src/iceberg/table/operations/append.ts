/**
 * Append: a snapshot that adds data files and nothing else. Needs no validation, so a conflict is always rebased:
 * the manifests of the added files are written once and used in every attempt; the manifest list is new in each.
 * iceberg-writer.md items 60, 117.
 */
import { assert } from '../../../core/errors.ts'
import type { ContentFile } from '../../manifest/entry.ts'
import { SnapshotSummaryBuilder } from '../../manifest/snapshot-summary.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import { manifestMergePolicy } from '../../spec/properties.ts'
import type { MetadataUpdate } from '../../spec/updates.ts'
import type { CommitAttempt } from '../commit.ts'
import type { Environment } from '../environment.ts'
import { ManifestMerger } from '../manifest-merge.ts'
import { addedEntry, manifestLine, type StoredManifest, writeManifests } from './manifest-set.ts'
import { hasLiveFiles, type SnapshotBase, SnapshotProducer } from './snapshot-producer.ts'

export interface AppendOptions {
  /** Files to add; none makes an empty snapshot. */
  readonly files: readonly ContentFile[]
  /** Further properties of the snapshot's summary. */
  readonly snapshotProperties: Readonly<Record<string, string>>
}

/** One append in all attempts of its commit. */
export class AppendOperation {
  readonly #options: AppendOptions
  readonly #producer: SnapshotProducer
  readonly #added: AddedManifests
  readonly #merger: ManifestMerger

  constructor(env: Environment, options: AppendOptions) {
    assert(
      options.files.every((file) => file.content === 'data'),
      'an append adds data files only',
    )
    this.#options = options
    this.#producer = new SnapshotProducer(env)
    this.#added = new AddedManifests(env, this.#producer)
    this.#merger = new ManifestMerger(env, this.#producer.runId)
  }

  get snapshotId(): bigint {
    return this.#producer.snapshotId
  }

  /** Manifests that were written for this append, in whatever attempt. */
  get manifests(): readonly string[] {
    return [...this.#added.paths, ...this.#merger.paths]
  }

  /** What was written; it may be deleted once it is certain that the commit failed. */
  get paths(): readonly string[] {
    return this.manifests
  }

  /** The updates that make the snapshot on the given base. */
  async updates(
    metadata: TableMetadata,
    attempt: CommitAttempt,
  ): Promise<readonly MetadataUpdate[]> {
    const base = await this.#producer.begin(metadata, attempt)
    const added = (await this.#added.write(base, this.#options.files)).map((m) =>
      manifestLine(m, base.sequenceNumber),
    )
    const merged = await this.#merger.merge(
      metadata,
      [...added, ...base.inherited.filter(hasLiveFiles)],
      {
        added: new Set(added.map((m) => m.manifestPath)),
        policy: manifestMergePolicy(metadata.properties),
        snapshotId: this.#producer.snapshotId,
        sequenceNumber: base.sequenceNumber,
        signal: attempt.signal,
      },
    )
    const summary = new SnapshotSummaryBuilder()
    for (const file of this.#options.files) summary.addedFile(file)
    const content = { operation: 'append' as const, summary, ...merged }
    return this.#producer.finish(base, content, attempt, this.#options.snapshotProperties)
  }
}

/** The manifests of data files that a commit adds: written once, used in every attempt (item 60). */
export class AddedManifests {
  readonly #env: Environment
  readonly #producer: SnapshotProducer
  readonly #paths: string[] = []
  #written: readonly StoredManifest[] = []
  #of: { files: readonly ContentFile[]; formatVersion: number; snapshotId: bigint } | undefined
  #count = 0

  constructor(env: Environment, producer: SnapshotProducer) {
    this.#env = env
    this.#producer = producer
  }

  /** All that were ever written. */
  get paths(): readonly string[] {
    return this.#paths
  }

  async write(
    base: SnapshotBase,
    files: readonly ContentFile[],
  ): Promise<readonly StoredManifest[]> {
    const { formatVersion } = base
    const { snapshotId, runId } = this.#producer
    const of = this.#of
    const same =
      of?.files === files && of.formatVersion === formatVersion && of.snapshotId === snapshotId
    if (same) return this.#written
    this.#written = await writeManifests(this.#env, {
      metadata: base.metadata,
      formatVersion,
      snapshotId,
      content: 'data',
      entries: files.map((file) => addedEntry(file, snapshotId)),
      // A manifest of another attempt, of other content or format version, must not be overwritten.
      name: this.#count === 0 ? runId : `${runId}-${this.#count}`,
      signal: undefined,
      wrote: (path) => this.#paths.push(path),
    })
    this.#count++
    this.#of = { files, formatVersion, snapshotId }
    return this.#written
  }
}
