/** Runs the invariant checks over a table. Reads only; memory grows with the entries of one snapshot. */
import { parallelMap } from '../../../core/concurrency.ts'
import { isFloeError, throwIfAborted } from '../../../core/errors.ts'
import { LruCache } from '../../../core/lru.ts'
import type { ContentFile, ManifestEntry, ManifestFile } from '../../manifest/entry.ts'
import { isVector } from '../deletes/delete-index.ts'
import type { Environment } from '../environment.ts'
import { loadManifest, loadManifestList } from '../manifest-files.ts'
import { currentSchema, readTableState, type TableState } from '../table-state.ts'
import { checkDeletes } from './check-deletes.ts'
import { checkBounds, checkExists } from './check-files.ts'
import { checkMetadata } from './check-metadata.ts'
import { checkPositionFile } from './check-position-file.ts'
import { checkPuffin, type VectorOfFile } from './check-puffin.ts'
import { checkRowIdsOfRows } from './check-row-ids.ts'
import { checkSnapshot, checkSpecIds, type LoadedManifest } from './check-snapshot.ts'
import {
  FSCK_CHECKS,
  type FsckCheck,
  FsckFindings,
  type FsckOptions,
  type FsckReport,
} from './report.ts'

/** Every how many-th data file is read when data is sampled. */
const SAMPLE_FILES = 8

/** @param subject reread: the state may be from memory; false for one that was read from its file, which may lie where nothing else is read. */
export async function runFsck(
  shared: Environment,
  subject: { readonly state: TableState; readonly reread: boolean },
  options: FsckOptions,
): Promise<FsckReport> {
  // What is checked is what the store has, not what a writer of this process believes to have written.
  const env = {
    ...shared,
    tables: new LruCache(0),
    manifestLists: new LruCache(0),
    manifests: new LruCache(0),
    deletes: new LruCache(0),
  } as Environment
  const started = env.runtime.monotonicMs()
  const { signal } = options
  const findings = new FsckFindings()
  const state = subject.reread
    ? await storedState(env, subject.state, findings, signal)
    : subject.state
  const { metadata } = state
  checkMetadata(metadata, findings)
  const snapshots =
    options.allSnapshots === false
      ? metadata.snapshots.filter((s) => s.snapshotId === metadata.currentSnapshotId)
      : metadata.snapshots
  const known = new Map<string, LoadedManifest>()
  const files = new Map<string, number | undefined>()
  const dataFiles = new Map<string, ContentFile>()
  const deleteFiles = new Map<string, ContentFile>()
  for (const snapshot of snapshots) {
    throwIfAborted(signal, 'fsck')
    if (snapshot.manifestList !== undefined) files.set(snapshot.manifestList, undefined)
    let lines: readonly ManifestFile[]
    try {
      lines = await loadManifestList(env, snapshot, signal)
    } catch (error) {
      report(error, snapshot.snapshotId, findings)
      continue
    }
    const readable = checkSpecIds(metadata, snapshot, lines, findings)
    const loaded = await parallelMap(readable, env.limits.concurrentRequests, async (manifest) => {
      // The same manifest in another snapshot has the same entries; its line may differ, so it is checked again.
      files.set(manifest.manifestPath, manifest.manifestLength)
      const cached = known.get(manifest.manifestPath)
      if (cached !== undefined) return { ...cached, manifest }
      try {
        const read = { metrics: 'all' as const, signal }
        const result: LoadedManifest = {
          manifest,
          raw: await loadManifest(env, metadata, manifest, { ...read, inherit: false }),
          entries: await loadManifest(env, metadata, manifest, read),
        }
        known.set(manifest.manifestPath, result)
        return result
      } catch (error) {
        report(error, snapshot.snapshotId, findings, manifest.manifestPath)
        return undefined
      }
    })
    const whole = loaded.filter((m) => m !== undefined)
    checkSnapshot(metadata, snapshot, whole, findings)
    const data = new Map<string, ManifestEntry>()
    const deletes: ManifestEntry[] = []
    for (const { entries } of whole) {
      for (const entry of entries) {
        const { status, file } = entry
        if (status === 'deleted') continue
        files.set(file.filePath, file.fileSizeBytes)
        if (file.content === 'data') {
          data.set(env.canonicalPath(file.filePath), entry)
          dataFiles.set(env.canonicalPath(file.filePath), file)
        } else {
          deletes.push(entry)
          deleteFiles.set(`${file.filePath}@${file.contentOffset ?? ''}`, file)
        }
      }
    }
    const { canonicalPath } = env
    checkDeletes({ metadata, snapshot, data, deletes, canonicalPath }, findings)
  }
  for (const { metadataFile } of metadata.metadataLog.slice(-1)) files.set(metadataFile, undefined)
  await checkExists(env, files, findings, signal)
  await checkDeleteFiles(env, [...deleteFiles.values()], dataFiles, options, findings)
  await checkData(env, state, [...dataFiles.values()], options, findings)
  return {
    ok: findings.problems.length === 0,
    problems: findings.problems,
    warnings: findings.warnings,
    checks: Object.keys(FSCK_CHECKS) as FsckCheck[],
    snapshots: snapshots.length,
    manifests: known.size,
    files: dataFiles.size,
    durationMs: env.runtime.monotonicMs() - started,
  }
}

/** The state as the store has it; if its file cannot be read, what else there is to check is told by the one in memory. */
async function storedState(
  env: Environment,
  state: TableState,
  findings: FsckFindings,
  signal: AbortSignal | undefined,
): Promise<TableState> {
  const { identifier, metadataLocation } = state
  try {
    return await readTableState(env, identifier, metadataLocation, { signal })
  } catch (error) {
    report(error, undefined, findings, metadataLocation)
    return state
  }
}

/** Puffin footers always, since they are small; what delete files hold as far as data is to be read. */
async function checkDeleteFiles(
  env: Environment,
  files: readonly ContentFile[],
  data: ReadonlyMap<string, ContentFile>,
  options: FsckOptions,
  findings: FsckFindings,
): Promise<void> {
  const { signal } = options
  const mode = options.data ?? 'none'
  const puffins = new Map<string, VectorOfFile[]>()
  for (const vector of files.filter(isVector)) {
    const target = vector.referencedDataFile
    const of = target === undefined ? undefined : data.get(env.canonicalPath(target))
    const list = puffins.get(vector.filePath) ?? []
    list.push({ vector, data: of })
    puffins.set(vector.filePath, list)
  }
  const sampled = new Set(sampleOf([...puffins.keys()], mode))
  await parallelMap([...puffins], env.limits.concurrentRequests, async ([file, vectors]) => {
    throwIfAborted(signal, 'fsck')
    try {
      await checkPuffin(env, file, vectors, { contents: sampled.has(file), signal }, findings)
    } catch (error) {
      report(error, undefined, findings, file, 'deletion-vectors')
    }
  })
  const positions = files.filter((f) => f.content === 'position-deletes' && !isVector(f))
  await parallelMap(sampleOf(positions, mode), env.pool.size, async (file) => {
    throwIfAborted(signal, 'fsck')
    try {
      await checkPositionFile(env, file, data, signal, findings)
    } catch (error) {
      report(error, undefined, findings, file.filePath, 'delete-files')
    }
  })
}

async function checkData(
  env: Environment,
  state: TableState,
  files: readonly ContentFile[],
  options: FsckOptions,
  findings: FsckFindings,
): Promise<void> {
  const mode = options.data ?? 'none'
  const schema = currentSchema(state.metadata)
  await parallelMap(sampleOf(files, mode), env.pool.size, async (file) => {
    throwIfAborted(options.signal, 'fsck')
    try {
      await checkBounds(env, file, schema, findings, options.signal)
    } catch (error) {
      report(error, undefined, findings, file.filePath)
    }
  })
  if (mode !== 'all') return
  try {
    await checkRowIdsOfRows(env, state, options.signal, findings)
  } catch (error) {
    // A table that cannot be read has been reported by the check that knows why.
    if (!isFloeError(error) || findings.problems.length === 0) report(error, undefined, findings)
  }
}

/** Which of the files to read. */
function sampleOf<T>(files: readonly T[], mode: 'none' | 'sample' | 'all'): readonly T[] {
  if (mode === 'none') return []
  const step = mode === 'all' ? 1 : Math.max(1, Math.floor(files.length / SAMPLE_FILES))
  return files.filter((_, i) => i % step === 0)
}

/** A file that cannot be read is a finding, not the end of the check. */
function report(
  error: unknown,
  snapshotId: bigint | undefined,
  findings: FsckFindings,
  file?: string,
  check: FsckCheck = 'files-exist',
): void {
  if (!isFloeError(error) || error.kind === 'aborted' || error.kind === 'closed') throw error
  // That a file is not there is (e), whoever needs it.
  findings.add(error.code === 'FILE_NOT_FOUND' ? 'files-exist' : check, error.message, {
    ...(file === undefined ? {} : { file }),
    ...(snapshotId === undefined ? {} : { snapshotId }),
  })
}
