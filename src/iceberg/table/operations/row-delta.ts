/**
 * Row delta: a snapshot that deletes rows by position, removes whole data files and adds data files, all at once.
 *
 * Deletes are relative to the base that they were planned on. When another base has to be used, what happened in
 * between is looked at by its result: a file that is gone, rows that others deleted first, deletes by equality or new
 * files that matter are a conflict, and the change is planned anew if it can be; rows that others deleted beside ours
 * are not, and both deletes are united. iceberg-writer.md items 48, 80, 85, 92, 93, 95, 109, 120.
 */
import { FloeError } from '../../../core/errors.ts'
import type { ContentFile, ManifestEntry, ManifestFile } from '../../manifest/entry.ts'
import { SnapshotSummaryBuilder } from '../../manifest/snapshot-summary.ts'
import type { PositionBitmap } from '../../puffin/position-bitmap.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import { manifestMergePolicy } from '../../spec/properties.ts'
import { isAncestorOf } from '../../spec/refs.ts'
import type { Operation } from '../../spec/snapshot.ts'
import type { MetadataUpdate } from '../../spec/updates.ts'
import { type CommitAttempt, deleteQuietly } from '../commit.ts'
import { type FileDeletes, referencedPath } from '../deletes/delete-index.ts'
import type { Environment } from '../environment.ts'
import { deletesKey, type LiveFile, LiveFiles, rememberDeletes } from '../live-files.ts'
import { ManifestMerger } from '../manifest-merge.ts'
import type { TableState } from '../table-state.ts'
import { type DeletedRows, writePositionDeletes, writeVectors } from '../write/delete-writer.ts'
import { AddedManifests } from './append.ts'
import {
  addedEntry,
  deletedEntry,
  existingEntry,
  manifestLine,
  writeManifests,
} from './manifest-set.ts'
import { isEmptyChange, type RowChange, type RowChangePlanner } from './row-change.ts'
import { hasLiveFiles, type SnapshotBase, SnapshotProducer } from './snapshot-producer.ts'

export interface RowDeltaOptions {
  /** The state that the change was planned on. */
  readonly planned: TableState
  /** The live files of that state. */
  readonly live: LiveFiles
  readonly change: RowChange
  /** Plans the change on another state. Without it, a conflict is an error. */
  readonly planner?: RowChangePlanner | undefined
  /** Data files that are added for another reason, by the same transaction. */
  readonly appended: readonly ContentFile[]
  readonly snapshotProperties: Readonly<Record<string, string>>
  /** Make a snapshot even if nothing changes, for its properties. */
  readonly allowEmpty: boolean
}

/** Small delete manifests beside the one that is written; more are folded into it. */
const MAX_SMALL_DELETE_MANIFESTS = 8

/** One row delta in all attempts of its commit. */
export class RowDeltaOperation {
  readonly #env: Environment
  readonly #options: RowDeltaOptions
  readonly #producer: SnapshotProducer
  readonly #added: AddedManifests
  readonly #merger: ManifestMerger
  #planned: TableState
  #live: LiveFiles
  #change: RowChange
  #files: readonly ContentFile[]
  #attempts = 0

  constructor(env: Environment, options: RowDeltaOptions) {
    this.#env = env
    this.#options = options
    this.#planned = options.planned
    this.#live = options.live
    this.#change = options.change
    this.#files = [...options.appended, ...options.change.added]
    this.#producer = new SnapshotProducer(env)
    this.#added = new AddedManifests(env, this.#producer)
    this.#merger = new ManifestMerger(env, this.#producer.runId)
  }

  get snapshotId(): bigint {
    return this.#producer.snapshotId
  }

  /** The change as it was planned last: the one that a successful commit made. */
  get change(): RowChange {
    return this.#change
  }

  /** Manifests that were written for all attempts. */
  get manifests(): readonly string[] {
    return [...this.#added.paths, ...this.#merger.paths]
  }

  /** What was written for all attempts; it may be deleted once it is certain that the commit failed. */
  get paths(): readonly string[] {
    return [...this.manifests, ...this.#files.map((file) => file.filePath)]
  }

  /**
   * The updates that make the snapshot on the given base; none if nothing is left to do.
   * @throws VALIDATION_CONFLICT and what planning fails with
   */
  async updates(state: TableState, attempt: CommitAttempt): Promise<readonly MetadataUpdate[]> {
    const base = await this.#producer.begin(state.metadata, attempt)
    const live = await this.#liveFiles(state, base, attempt)
    if (hasMoved(this.#planned.metadata, state.metadata)) await this.#rebase(state, live, attempt)
    this.#planned = state
    this.#live = live
    const nothing = isEmptyChange(this.#change) && this.#files.length === 0
    if (nothing && !this.#options.allowEmpty) return []
    const number = ++this.#attempts
    const deletes = await this.#resolveDeletes(live, base.formatVersion, attempt)
    const summary = new SnapshotSummaryBuilder()
    for (const file of this.#files) summary.addedFile(file)
    const added = this.#added
      .write(base, this.#files, attempt)
      .map((m) => manifestLine(m, base.sequenceNumber))
    const name = `${this.#producer.runId}-${number}`
    const data = this.#dataManifests(base, live, deletes.removed, `${name}-r`, attempt)
    const deleteManifests = await this.#deleteManifests(base, live, deletes, `${name}-d`, attempt)
    const merged = await this.#merger.merge(state.metadata, [...added, ...data.kept], {
      added: new Set(added.map((m) => m.manifestPath)),
      policy: manifestMergePolicy(state.metadata.properties),
      snapshotId: this.#producer.snapshotId,
      sequenceNumber: base.sequenceNumber,
      attempt,
    })
    for (const { entry } of deletes.removed) summary.removedFile(entry.file)
    for (const { entry } of deletes.superseded) summary.removedFile(entry.file)
    for (const file of deleteManifests.added) summary.addedFile(file)
    return this.#producer.finish(
      base,
      {
        operation: this.#operation(deletes, deleteManifests.added),
        manifests: [...data.written, ...deleteManifests.manifests, ...merged.manifests],
        entriesProcessed: merged.entriesProcessed + data.entries + deleteManifests.entries,
        summary,
      },
      attempt,
      { ...this.#options.snapshotProperties, ...this.#change.properties },
    )
  }

  #liveFiles(state: TableState, base: SnapshotBase, attempt: CommitAttempt): Promise<LiveFiles> {
    if (state.metadata === this.#planned.metadata) return Promise.resolve(this.#live)
    return LiveFiles.load(this.#env, state.metadata, base.parent, attempt.signal)
  }

  /** Uses the change on another state than it was planned on, planning it anew where it has to be. */
  async #rebase(state: TableState, live: LiveFiles, attempt: CommitAttempt): Promise<void> {
    const { planner } = this.#options
    if (planner?.followsEveryCommit !== true) {
      const conflict = await this.#conflict(state, live, attempt)
      if (conflict === undefined) return
      if (planner === undefined) throw validationConflict(conflict)
    }
    const abandoned = this.#change.added.map((file) => file.filePath)
    this.#change = await (planner as RowChangePlanner).plan(state, live, { signal: attempt.signal })
    this.#files = [...this.#options.appended, ...this.#change.added]
    // The attempts that used them were refused for certain, or there would be no other attempt.
    const kept = new Set(this.#files.map((file) => file.filePath))
    await deleteQuietly(
      this.#env,
      abandoned.filter((path) => !kept.has(path)),
    )
  }

  async #conflict(
    state: TableState,
    live: LiveFiles,
    attempt: CommitAttempt,
  ): Promise<Conflict | undefined> {
    const { metadata } = state
    const before = this.#planned.metadata
    if (this.#options.planner !== undefined && !writesAlike(before, metadata)) {
      return { why: 'the schema, the partitioning or the format version of the table has changed' }
    }
    const from = before.currentSnapshotId
    const to = metadata.currentSnapshotId
    if (from !== undefined && (to === undefined || !isAncestorOf(metadata, to, from))) {
      return { why: 'the table was set back to an older snapshot, or its history has expired' }
    }
    const { positions, removed, seen } = this.#change
    for (const path of [...positions.keys(), ...removed.keys()]) {
      const file = live.data.get(path)
      if (file === undefined)
        return { why: `the data file ${path} was removed by another commit`, file: path }
      if (removed.get(path) === 'rows') continue
      const now = live.deletesOf(file)
      if (deletesKey(now) === seen.get(path)) continue
      const ours = positions.get(path)
      const sawEquality = new Set(seen.get(path)?.split('\n'))
      const newEquality =
        now?.equality.some((e) => !sawEquality.has(`${e.file.filePath}@`)) ?? false
      if (ours === undefined || newEquality) {
        return { why: `rows of the data file ${path} were deleted by another commit`, file: path }
      }
      if (ours.intersects(await live.deletedPositions(file, attempt.signal))) {
        return { why: `another commit deleted or changed the same rows of ${path}`, file: path }
      }
    }
    const { planner } = this.#options
    if (planner?.conflictsWith === undefined) return undefined
    for (const file of live.data.values()) {
      const { entry } = file
      const addedAt = entry.fileSequenceNumber ?? entry.sequenceNumber ?? 0
      if (addedAt <= before.lastSequenceNumber || !planner.conflictsWith(file, metadata)) continue
      const path = entry.file.filePath
      return { why: `another commit added rows that the change is about, in ${path}`, file: path }
    }
    return undefined
  }

  /** What has to be written for the deletes on this base: vectors in place of old ones, whole files removed. */
  async #resolveDeletes(
    live: LiveFiles,
    formatVersion: 2 | 3,
    attempt: CommitAttempt,
  ): Promise<ResolvedDeletes> {
    const removed: LiveFile[] = []
    const rows: { file: LiveFile; all: PositionBitmap; ours: PositionBitmap }[] = []
    for (const path of this.#change.removed.keys()) removed.push(liveFile(live, path))
    for (const [path, ours] of this.#change.positions) {
      const file = liveFile(live, path)
      const all = ours.union(await live.deletedPositions(file, attempt.signal))
      // A file without rows left is removed; that it has none is true of this very base (MG-28).
      if (all.cardinality >= file.entry.file.recordCount) removed.push(file)
      else rows.push({ file, all, ours })
    }
    const touched = new Set(
      [...removed, ...rows.map((r) => r.file)].map((f) =>
        this.#env.canonicalPath(f.entry.file.filePath),
      ),
    )
    // A vector, and position deletes of one file alone, are replaced or go with their file. Others name more files.
    const superseded = live.deletes.filter(({ entry }) => {
      const path =
        entry.file.content === 'position-deletes' ? referencedPath(entry.file) : undefined
      return path !== undefined && touched.has(this.#env.canonicalPath(path))
    })
    if (formatVersion === 3) return { removed, rows, superseded }
    const kept = new Set(rows.flatMap((r) => keptPositionDeletes(live.deletesOf(r.file), r.ours)))
    return { removed, rows, superseded: superseded.filter(({ entry }) => !kept.has(entry)) }
  }

  #dataManifests(
    base: SnapshotBase,
    live: LiveFiles,
    removed: readonly LiveFile[],
    name: string,
    attempt: CommitAttempt,
  ): { kept: ManifestFile[]; written: ManifestFile[]; entries: number } {
    const manifests = base.inherited.filter((m) => m.content === 'data' && hasLiveFiles(m))
    const touched = new Set(removed.map((f) => f.manifest.manifestPath))
    if (touched.size === 0) return { kept: manifests, written: [], entries: 0 }
    const gone = new Set(removed.map((f) => f.entry.file.filePath))
    const entries: ManifestEntry[] = []
    for (const { entry, manifest } of live.data.values()) {
      if (!touched.has(manifest.manifestPath)) continue
      entries.push(
        gone.has(entry.file.filePath)
          ? deletedEntry(entry, this.#producer.snapshotId)
          : existingEntry(entry),
      )
    }
    const written = this.#write(base, 'data', entries, name, attempt)
    return {
      kept: manifests.filter((m) => !touched.has(m.manifestPath)),
      written,
      entries: entries.length,
    }
  }

  async #deleteManifests(
    base: SnapshotBase,
    live: LiveFiles,
    deletes: ResolvedDeletes,
    name: string,
    attempt: CommitAttempt,
  ): Promise<{ added: readonly ContentFile[]; manifests: ManifestFile[]; entries: number }> {
    const inherited = base.inherited.filter((m) => m.content === 'deletes' && hasLiveFiles(m))
    const added = await this.#writeDeletes(base, live, deletes, attempt)
    const touched = new Set(deletes.superseded.map((f) => f.manifest.manifestPath))
    const others = inherited.filter((m) => !touched.has(m.manifestPath))
    const { targetSizeBytes, enabled } = manifestMergePolicy(base.metadata.properties)
    const small = others.filter((m) => m.manifestLength < targetSizeBytes)
    if (enabled && added.length > 0 && small.length > MAX_SMALL_DELETE_MANIFESTS) {
      for (const manifest of small) touched.add(manifest.manifestPath)
    }
    const superseded = new Set(deletes.superseded)
    const entries = added.map((file) => addedEntry(file, this.#producer.snapshotId))
    for (const file of live.deletes) {
      if (!touched.has(file.manifest.manifestPath)) continue
      entries.push(
        superseded.has(file)
          ? deletedEntry(file.entry, this.#producer.snapshotId)
          : existingEntry(file.entry),
      )
    }
    const written = this.#write(base, 'deletes', entries, name, attempt)
    return {
      added,
      manifests: [...written, ...inherited.filter((m) => !touched.has(m.manifestPath))],
      entries: entries.length,
    }
  }

  async #writeDeletes(
    base: SnapshotBase,
    live: LiveFiles,
    { rows, superseded }: ResolvedDeletes,
    attempt: CommitAttempt,
  ): Promise<readonly ContentFile[]> {
    const options = {
      metadata: base.metadata,
      signal: attempt.signal,
      wrote: (path: string) => attempt.wrote(path),
      writing: (put: Promise<unknown>) => attempt.writing(put),
    }
    if (base.formatVersion === 3) {
      const deleted = rows.map(({ file, all }) => ({ file: file.entry.file, positions: all }))
      return writeVectors(this.#env, deleted, options)
    }
    // Position deletes of several files stay, so what they delete is not written again (MG-27).
    const replaced = new Set(superseded.map((f) => f.entry))
    const deleted: DeletedRows[] = []
    for (const { file, ours } of rows) {
      const old = live.deletesOf(file)?.positions.filter((entry) => replaced.has(entry)) ?? []
      const kept = { vector: undefined, positions: old, equality: [] }
      const positions =
        old.length === 0 ? ours : ours.union(await live.positionsOf(file, kept, attempt.signal))
      deleted.push({ file: file.entry.file, positions })
    }
    return writePositionDeletes(this.#env, deleted, options)
  }

  #write(
    base: SnapshotBase,
    content: 'data' | 'deletes',
    entries: readonly ManifestEntry[],
    name: string,
    attempt: CommitAttempt,
  ): ManifestFile[] {
    if (entries.length === 0) return []
    const stored = writeManifests(this.#env, {
      metadata: base.metadata,
      formatVersion: base.formatVersion,
      snapshotId: this.#producer.snapshotId,
      content,
      entries,
      name,
      signal: attempt.signal,
      wrote: (path) => attempt.wrote(path),
      writing: (put) => attempt.writing(put),
    })
    return stored.map((m) => {
      const line = manifestLine(m, base.sequenceNumber)
      if (content === 'deletes') rememberDeletes(this.#env, line, m.entries)
      return line
    })
  }

  #operation(deletes: ResolvedDeletes, addedDeletes: readonly ContentFile[]): Operation {
    const removes = deletes.removed.length > 0 || addedDeletes.length > 0
    if (this.#change.sameRows === true && this.#options.appended.length === 0) return 'replace'
    if (this.#files.length === 0) return removes ? 'delete' : 'append'
    return removes ? 'overwrite' : 'append'
  }
}

function hasMoved(from: TableMetadata, to: TableMetadata): boolean {
  return from.currentSnapshotId !== to.currentSnapshotId || !writesAlike(from, to)
}

/** True if what was written for one state is what would be written for the other. */
function writesAlike(a: TableMetadata, b: TableMetadata): boolean {
  return (
    a.currentSchemaId === b.currentSchemaId &&
    a.defaultSpecId === b.defaultSpecId &&
    a.formatVersion === b.formatVersion
  )
}

interface Conflict {
  readonly why: string
  readonly file?: string
}

function validationConflict({ why, file }: Conflict): FloeError {
  return new FloeError(
    'VALIDATION_CONFLICT',
    `Cannot apply the change: ${why}. Nothing was committed. Read the rows anew and repeat the change`,
    { context: file === undefined ? {} : { file }, retryable: true },
  )
}

interface ResolvedDeletes {
  readonly removed: readonly LiveFile[]
  /** Files with rows to delete: ours, and all that are deleted then. */
  readonly rows: readonly {
    readonly file: LiveFile
    readonly all: PositionBitmap
    readonly ours: PositionBitmap
  }[]
  /** Delete files that the new ones replace, or whose data file is removed. */
  readonly superseded: readonly LiveFile[]
}

/**
 * Position delete files of a data file that stay beside new deletes: those that are much larger than what is merged. So
 * every delete is written again a few times at most, however many commits there are, and a data file has few delete
 * files: each is more than twice as large as the next.
 */
function keptPositionDeletes(
  deletes: FileDeletes | undefined,
  ours: PositionBitmap,
): readonly ManifestEntry[] {
  const own = (deletes?.positions ?? [])
    .filter(({ file }) => referencedPath(file) !== undefined)
    .sort((a, b) => a.file.recordCount - b.file.recordCount)
  let merged = ours.cardinality
  let count = 0
  for (const { file } of own) {
    if (file.recordCount > 2 * merged) break
    merged += file.recordCount
    count++
  }
  return own.slice(count)
}

function liveFile(live: LiveFiles, path: string): LiveFile {
  const file = live.data.get(path)
  if (file !== undefined) return file
  throw new FloeError(
    'VALIDATION_CONFLICT',
    `Cannot delete from ${path}: it is no data file of the current snapshot. Read the rows anew and repeat the change`,
    { context: { file: path } },
  )
}
