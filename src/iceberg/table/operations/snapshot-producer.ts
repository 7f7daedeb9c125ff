/**
 * Making a snapshot on a base: manifest list, snapshot, the updates that put it on the branch. What the snapshot
 * holds is the operation's; this is what all operations have in common.
 * iceberg-writer.md items 12, 13, 28, 33–36, 74, 75, 109–112.
 */
import { FloeError } from '../../../core/errors.ts'
import { randomId63, uuidV4 } from '../../../core/runtime.ts'
import { joinLocation } from '../../../io/location.ts'
import type { ManifestFile } from '../../manifest/entry.ts'
import { assignFirstRowIds } from '../../manifest/first-row-ids.ts'
import { writeManifestList } from '../../manifest/manifest-list-writer.ts'
import type { SnapshotSummaryBuilder } from '../../manifest/snapshot-summary.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import { findSnapshot } from '../../spec/refs.ts'
import { MAIN_BRANCH, type Operation, type Snapshot } from '../../spec/snapshot.ts'
import type { MetadataUpdate } from '../../spec/updates.ts'
import { COMMIT_ID_KEY, type CommitAttempt } from '../commit.ts'
import { ENGINE_NAME, ENGINE_VERSION, type Environment, requestOptions } from '../environment.ts'
import { metadataFolder } from '../locations.ts'
import { loadManifestList } from '../manifest-files.ts'

/** What an attempt builds on. */
export interface SnapshotBase {
  readonly metadata: TableMetadata
  readonly formatVersion: 2 | 3
  readonly parent: Snapshot | undefined
  /** The parent's manifests. */
  readonly inherited: readonly ManifestFile[]
  readonly sequenceNumber: number
}

/** What the snapshot holds and did. */
export interface SnapshotContent {
  readonly operation: Operation
  /** New manifests first, then those kept (item 36). */
  readonly manifests: readonly ManifestFile[]
  readonly entriesProcessed: number
  /** Knows the files that were added and removed. */
  readonly summary: SnapshotSummaryBuilder
}

/** Makes one snapshot in all attempts of its commit. */
export class SnapshotProducer {
  readonly #env: Environment
  /** For names of files: random for each run (item 53). */
  readonly runId: string
  #snapshotId: bigint

  constructor(env: Environment) {
    this.#env = env
    this.runId = uuidV4(env.runtime)
    this.#snapshotId = randomId63(env.runtime)
  }

  /** The id that the snapshot has in every attempt (item 12). */
  get snapshotId(): bigint {
    return this.#snapshotId
  }

  /** @throws FORMAT_VERSION for a table of version 1 */
  async begin(metadata: TableMetadata, attempt: CommitAttempt): Promise<SnapshotBase> {
    if (metadata.formatVersion === 1) {
      throw new FloeError(
        'FORMAT_VERSION',
        'Cannot write to a table of format version 1. Upgrade it to version 2 first',
      )
    }
    // 63 random bits: a known one is another table's luck or our own commit, which the loop has looked up before.
    if (findSnapshot(metadata, this.#snapshotId) !== undefined) {
      this.#snapshotId = randomId63(this.#env.runtime)
    }
    const parentId = metadata.refs.get(MAIN_BRANCH)?.snapshotId
    const parent = parentId === undefined ? undefined : findSnapshot(metadata, parentId)
    return {
      metadata,
      formatVersion: metadata.formatVersion,
      parent,
      inherited:
        parent === undefined ? [] : await loadManifestList(this.#env, parent, attempt.signal),
      sequenceNumber: metadata.lastSequenceNumber + 1,
    }
  }

  /** Has the manifest list written and gives the updates. */
  finish(
    base: SnapshotBase,
    content: SnapshotContent,
    attempt: CommitAttempt,
    properties: Readonly<Record<string, string>>,
  ): readonly MetadataUpdate[] {
    const env = this.#env
    const { metadata, formatVersion, parent, sequenceNumber } = base
    const rows =
      formatVersion === 3 ? assignFirstRowIds(content.manifests, metadata.nextRowId) : undefined
    const manifests = rows?.manifests ?? content.manifests
    const listPath = joinLocation(
      metadataFolder(metadata),
      `snap-${this.#snapshotId}-${attempt.number}-${this.runId}.avro`,
    )
    attempt.wrote(listPath)
    const list = writeManifestList({
      formatVersion,
      snapshotId: this.#snapshotId,
      parentSnapshotId: parent?.snapshotId,
      sequenceNumber,
      firstRowId: rows === undefined ? undefined : metadata.nextRowId,
      manifests,
      runtime: env.runtime,
    })
    attempt.writing(env.store.put(listPath, list, requestOptions(attempt.signal)))
    env.manifestLists.set(listPath, manifests, list.length * 4)
    const snapshot: Snapshot = {
      snapshotId: this.#snapshotId,
      ...(parent === undefined ? {} : { parentSnapshotId: parent.snapshotId }),
      sequenceNumber,
      timestampMs: Math.max(attempt.nowMs, metadata.lastUpdatedMs + 1),
      manifestList: listPath,
      summary: this.#summary(base, content, attempt, properties),
      schemaId: metadata.currentSchemaId,
      ...(rows === undefined ? {} : { firstRowId: metadata.nextRowId, addedRows: rows.addedRows }),
    }
    const mainRef = metadata.refs.get(MAIN_BRANCH)
    return [
      { action: 'add-snapshot', snapshot },
      {
        action: 'set-snapshot-ref',
        refName: MAIN_BRANCH,
        ref: { ...(mainRef ?? { type: 'branch' }), snapshotId: this.#snapshotId },
      },
    ]
  }

  #summary(
    base: SnapshotBase,
    content: SnapshotContent,
    attempt: CommitAttempt,
    properties: Readonly<Record<string, string>>,
  ): Readonly<Record<string, string>> {
    const { summary, manifests, operation, entriesProcessed } = content
    const inherited = new Set(base.inherited.map((m) => m.manifestPath))
    const kept = manifests.filter((m) => inherited.has(m.manifestPath)).length
    summary.manifests({
      created: manifests.length - kept,
      kept,
      replaced: inherited.size - kept,
      entriesProcessed,
    })
    for (const [key, value] of Object.entries(properties)) summary.set(key, value)
    summary.set('engine-name', ENGINE_NAME)
    summary.set('engine-version', ENGINE_VERSION)
    summary.set(COMMIT_ID_KEY, attempt.commitId)
    return summary.build(operation, base.parent?.summary ?? null)
  }
}

/** Manifests that only say what was deleted have done their duty in their own snapshot (item 35). */
export function hasLiveFiles(manifest: ManifestFile): boolean {
  const { addedFilesCount, existingFilesCount } = manifest
  return addedFilesCount === undefined || existingFilesCount === undefined
    ? true
    : addedFilesCount + existingFilesCount > 0
}
