/** Runs the invariant checks over a table. Reads only; memory grows with the entries of one snapshot. */
import { parallelMap } from '../../../core/concurrency.ts'
import { isFloeError, throwIfAborted } from '../../../core/errors.ts'
import type { ContentFile, ManifestFile } from '../../manifest/entry.ts'
import type { Environment } from '../environment.ts'
import { loadManifest, loadManifestList } from '../manifest-files.ts'
import { currentSchema, type TableState } from '../table-state.ts'
import { checkBounds, checkExists } from './check-files.ts'
import { checkMetadata } from './check-metadata.ts'
import { checkSnapshot, type LoadedManifest } from './check-snapshot.ts'
import {
  FSCK_CHECKS,
  type FsckCheck,
  FsckFindings,
  type FsckOptions,
  type FsckReport,
} from './report.ts'

/** Every how many-th data file is read when data is sampled. */
const SAMPLE_FILES = 8

export async function runFsck(
  env: Environment,
  state: TableState,
  options: FsckOptions,
): Promise<FsckReport> {
  const started = env.runtime.monotonicMs()
  const { metadata } = state
  const { signal } = options
  const findings = new FsckFindings()
  checkMetadata(metadata, findings)
  const snapshots =
    options.allSnapshots === false
      ? metadata.snapshots.filter((s) => s.snapshotId === metadata.currentSnapshotId)
      : metadata.snapshots
  const known = new Map<string, LoadedManifest>()
  const files = new Map<string, number | undefined>()
  const dataFiles = new Map<string, ContentFile>()
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
    const loaded = await parallelMap(lines, env.limits.concurrentRequests, async (manifest) => {
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
    for (const { entries } of whole) {
      for (const { status, file } of entries) {
        if (status === 'deleted') continue
        files.set(file.filePath, file.fileSizeBytes)
        if (file.content === 'data') dataFiles.set(file.filePath, file)
      }
    }
  }
  for (const { metadataFile } of metadata.metadataLog.slice(-1)) files.set(metadataFile, undefined)
  await checkExists(env, files, findings, signal)
  await checkData(env, state, [...dataFiles.values()], options, findings)
  return {
    ok: findings.problems.length === 0,
    problems: findings.problems,
    checks: Object.keys(FSCK_CHECKS) as FsckCheck[],
    snapshots: snapshots.length,
    manifests: known.size,
    files: dataFiles.size,
    durationMs: env.runtime.monotonicMs() - started,
  }
}

async function checkData(
  env: Environment,
  state: TableState,
  files: readonly ContentFile[],
  options: FsckOptions,
  findings: FsckFindings,
): Promise<void> {
  const mode = options.data ?? 'none'
  if (mode === 'none') return
  const step = mode === 'all' ? 1 : Math.max(1, Math.floor(files.length / SAMPLE_FILES))
  const chosen = files.filter((_, i) => i % step === 0)
  const { metadata } = state
  const schema = currentSchema(metadata)
  await parallelMap(chosen, env.pool.size, async (file) => {
    throwIfAborted(options.signal, 'fsck')
    try {
      await checkBounds(env, file, schema, findings, options.signal)
    } catch (error) {
      report(error, undefined, findings, file.filePath)
    }
  })
}

/** A file that cannot be read is a finding, not the end of the check. */
function report(
  error: unknown,
  snapshotId: bigint | undefined,
  findings: FsckFindings,
  file?: string,
): void {
  if (!isFloeError(error) || error.kind === 'aborted' || error.kind === 'closed') throw error
  findings.add('files-exist', error.message, {
    ...(file === undefined ? {} : { file }),
    ...(snapshotId === undefined ? {} : { snapshotId }),
  })
}
