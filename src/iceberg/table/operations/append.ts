/**
 * Append: a snapshot that adds data files and nothing else. Needs no validation, so a conflict is always rebased:
 * the manifests of the added files are written once and used in every attempt; the manifest list is new in each.
 * iceberg-writer.md items 12, 13, 28, 33–36, 60, 74, 75, 109–112, 117.
 */
import { assert, FloeError } from '../../../core/errors.ts'
import { randomId63, uuidV4 } from '../../../core/runtime.ts'
import { joinLocation } from '../../../io/location.ts'
import type { ContentFile, ManifestEntry, ManifestFile } from '../../manifest/entry.ts'
import { assignFirstRowIds } from '../../manifest/first-row-ids.ts'
import { writeManifestList } from '../../manifest/manifest-list-writer.ts'
import {
  type ManifestSummary,
  ManifestWriter,
  toManifestFile,
} from '../../manifest/manifest-writer.ts'
import { SnapshotSummaryBuilder } from '../../manifest/snapshot-summary.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import { manifestMergePolicy } from '../../spec/properties.ts'
import { findSnapshot } from '../../spec/refs.ts'
import { MAIN_BRANCH, type Snapshot } from '../../spec/snapshot.ts'
import type { MetadataUpdate } from '../../spec/updates.ts'
import { COMMIT_ID_KEY, type CommitAttempt } from '../commit.ts'
import { ENGINE_NAME, ENGINE_VERSION, type Environment, requestOptions } from '../environment.ts'
import { metadataFolder } from '../locations.ts'
import { loadManifestList, manifestPath, schemasNewestFirst } from '../manifest-files.ts'
import { ManifestMerger } from '../manifest-merge.ts'
import { currentSchema, specById } from '../table-state.ts'

export interface AppendOptions {
  /** Files to add; none makes an empty snapshot. */
  readonly files: readonly ContentFile[]
  /** Further properties of the snapshot's summary. */
  readonly snapshotProperties: Readonly<Record<string, string>>
}

interface WrittenManifestFile {
  readonly path: string
  readonly length: number
  readonly summary: ManifestSummary
}

/** One append in all attempts of its commit. */
export class AppendOperation {
  readonly #env: Environment
  readonly #options: AppendOptions
  readonly #runId: string
  readonly #merger: ManifestMerger
  #snapshotId: bigint
  #added: readonly WrittenManifestFile[] | undefined
  #addedVersion: 2 | 3 | undefined

  constructor(env: Environment, options: AppendOptions) {
    this.#env = env
    this.#options = options
    this.#runId = uuidV4(env.runtime)
    this.#snapshotId = randomId63(env.runtime)
    this.#merger = new ManifestMerger(env, this.#runId)
  }

  /** The id that the snapshot has in every attempt (item 12). */
  get snapshotId(): bigint {
    return this.#snapshotId
  }

  /** Manifests that were written for this append; they may be deleted once it is certain that it failed. */
  get manifestPaths(): readonly string[] {
    return [...(this.#added ?? []).map((m) => m.path), ...this.#merger.paths]
  }

  /** The updates that make the snapshot on the given base. */
  async updates(base: TableMetadata, attempt: CommitAttempt): Promise<readonly MetadataUpdate[]> {
    const env = this.#env
    if (base.formatVersion === 1) {
      throw new FloeError(
        'FORMAT_VERSION',
        'Cannot write to a table of format version 1. Upgrade it to version 2 first',
      )
    }
    const formatVersion = base.formatVersion
    if (findSnapshot(base, this.#snapshotId) !== undefined) {
      // 63 random bits: this is another table's luck or our own commit, which the loop has looked up before.
      this.#snapshotId = randomId63(env.runtime)
      this.#added = undefined
    }
    const parentId = base.refs.get(MAIN_BRANCH)?.snapshotId
    const parent = parentId === undefined ? undefined : findSnapshot(base, parentId)
    const sequenceNumber = base.lastSequenceNumber + 1
    const added = (await this.#addedManifests(base, formatVersion)).map((m) =>
      toManifestFile(
        { manifestLength: m.length, summary: m.summary },
        { manifestPath: m.path, sequenceNumber },
      ),
    )
    const inherited =
      parent === undefined ? [] : await loadManifestList(env, parent, attempt.signal)
    const kept = inherited.filter(hasLiveFiles)
    const merged = await this.#merger.merge(base, [...added, ...kept], {
      added: new Set(added.map((m) => m.manifestPath)),
      policy: manifestMergePolicy(base.properties),
      snapshotId: this.#snapshotId,
      sequenceNumber,
      signal: attempt.signal,
    })
    const rows =
      formatVersion === 3 ? assignFirstRowIds(merged.manifests, base.nextRowId) : undefined
    const manifests = rows?.manifests ?? merged.manifests
    const listPath = joinLocation(
      metadataFolder(base),
      `snap-${this.#snapshotId}-${attempt.number}-${this.#runId}.avro`,
    )
    attempt.wrote(listPath)
    const list = writeManifestList({
      formatVersion,
      snapshotId: this.#snapshotId,
      parentSnapshotId: parent?.snapshotId,
      sequenceNumber,
      firstRowId: rows === undefined ? undefined : base.nextRowId,
      manifests,
      runtime: env.runtime,
    })
    await env.store.put(listPath, list, requestOptions(attempt.signal))
    env.manifestLists.set(listPath, manifests, list.length * 4)
    const keptPaths = new Set(inherited.map((m) => m.manifestPath))
    const keptCount = manifests.filter((m) => keptPaths.has(m.manifestPath)).length
    const snapshot: Snapshot = {
      snapshotId: this.#snapshotId,
      ...(parent === undefined ? {} : { parentSnapshotId: parent.snapshotId }),
      sequenceNumber,
      timestampMs: Math.max(attempt.nowMs, base.lastUpdatedMs + 1),
      manifestList: listPath,
      summary: this.#summary(parent, attempt, {
        created: manifests.length - keptCount,
        kept: keptCount,
        replaced: inherited.length - keptCount,
        entriesProcessed: merged.entriesProcessed,
      }),
      schemaId: base.currentSchemaId,
      ...(rows === undefined ? {} : { firstRowId: base.nextRowId, addedRows: rows.addedRows }),
    }
    const mainRef = base.refs.get(MAIN_BRANCH)
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
    parent: Snapshot | undefined,
    attempt: CommitAttempt,
    activity: { created: number; kept: number; replaced: number; entriesProcessed: number },
  ): Readonly<Record<string, string>> {
    const summary = new SnapshotSummaryBuilder()
    for (const file of this.#options.files) summary.addedFile(file)
    summary.manifests(activity)
    for (const [key, value] of Object.entries(this.#options.snapshotProperties)) {
      summary.set(key, value)
    }
    summary.set('engine-name', ENGINE_NAME)
    summary.set('engine-version', ENGINE_VERSION)
    summary.set(COMMIT_ID_KEY, attempt.commitId)
    return summary.build('append', parent?.summary ?? null)
  }

  /** Manifests of the added files, one or more for each spec; written in the first attempt (item 60). */
  async #addedManifests(
    base: TableMetadata,
    formatVersion: 2 | 3,
  ): Promise<readonly WrittenManifestFile[]> {
    if (this.#added !== undefined && this.#addedVersion === formatVersion) return this.#added
    const env = this.#env
    const folder = metadataFolder(base)
    const [schema, ...olderSchemas] = schemasNewestFirst(base)
    assert(schema !== undefined, 'a table has a current schema')
    const target = manifestMergePolicy(base.properties).targetSizeBytes
    const bySpec = new Map<number, ContentFile[]>()
    for (const file of this.#options.files) {
      assert(file.content === 'data', 'an append adds data files only')
      const list = bySpec.get(file.specId)
      if (list === undefined) bySpec.set(file.specId, [file])
      else list.push(file)
    }
    const written: WrittenManifestFile[] = []
    const puts: Promise<void>[] = []
    const flush = (writer: ManifestWriter): void => {
      const { bytes, summary } = writer.finish()
      // A manifest of another attempt at another format version must not be overwritten.
      const path = manifestPath(folder, `${this.#runId}-v${formatVersion}`, written.length)
      written.push({ path, length: bytes.length, summary })
      puts.push(env.store.put(path, bytes))
    }
    for (const [specId, files] of bySpec) {
      const spec = specById(base, specId)
      const open = (): ManifestWriter =>
        new ManifestWriter({
          formatVersion,
          schema: currentSchema(base),
          olderSchemas,
          spec,
          content: 'data',
          snapshotId: this.#snapshotId,
          runtime: env.runtime,
        })
      let writer = open()
      for (const file of files) {
        if (writer.entryCount > 0 && writer.lengthBytes >= target) {
          flush(writer)
          writer = open()
        }
        writer.add(addedEntry(file, this.#snapshotId))
      }
      if (writer.entryCount > 0) flush(writer)
    }
    this.#added = written
    this.#addedVersion = formatVersion
    await Promise.all(puts)
    return written
  }
}

function addedEntry(file: ContentFile, snapshotId: bigint): ManifestEntry {
  return { status: 'added', snapshotId, sequenceNumber: null, fileSequenceNumber: null, file }
}

/** Manifests that only say what was deleted have done their duty in their own snapshot (item 35). */
function hasLiveFiles(manifest: ManifestFile): boolean {
  const { addedFilesCount, existingFilesCount } = manifest
  return addedFilesCount === undefined || existingFilesCount === undefined
    ? true
    : addedFilesCount + existingFilesCount > 0
}
