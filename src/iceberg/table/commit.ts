/**
 * The commit loop: the only way in which a table changes.
 *
 * Each attempt builds new metadata on the tables' current state, writes it under a new name, and asks the catalog
 * for one atomic step. The step is committed, rejected or unknown:
 * - committed: done.
 * - rejected: somebody else was first. Read the new state, look whether our own commit id is already in it (an
 *   answer may have been lost on the way), build again on it, with a bounded number of retries.
 * - unknown: nobody can tell. Nothing is deleted, nothing is sent again; the caller gets COMMIT_STATE_UNKNOWN.
 * iceberg-writer.md items 112–119, reliability.md §1.
 */
import { parallelMap } from '../../core/concurrency.ts'
import { FloeError, throwIfAborted } from '../../core/errors.ts'
import { backoffMs, type RetryPolicy } from '../../core/retry.ts'
import { uuidV4, uuidV7 } from '../../core/runtime.ts'
import { joinLocation } from '../../io/location.ts'
import type { Catalog, TableIdentifier } from '../catalog/catalog.ts'
import { identifierText } from '../catalog/identifier.ts'
import { encodeMetadataFile, nextMetadataFileName } from '../metadata-file/metadata-file.ts'
import type { TableMetadata } from '../spec/metadata.ts'
import { applyUpdates } from '../spec/metadata-builder.ts'
import { boolean, commitRetryPolicy, metadataCodec, TableProperty } from '../spec/properties.ts'
import { ancestorsOf } from '../spec/refs.ts'
import { checkRequirements } from '../spec/requirements.ts'
import type { MetadataUpdate, TableRequirement } from '../spec/updates.ts'
import { type Environment, requestOptions } from './environment.ts'
import { metadataFolder } from './locations.ts'
import { keepTableState, noSuchTable, readTableState, type TableState } from './table-state.ts'

/** Key in snapshot summaries that carries the id of the commit, the same in every attempt (item 112). */
export const COMMIT_ID_KEY = 'floe.commit-id'

/** One attempt of a commit. */
export interface CommitAttempt {
  /** From 1 on. */
  readonly number: number
  readonly commitId: string
  /** Random for this run of the commit, for file names; never the commit id (item 53). */
  readonly runId: string
  readonly nowMs: number
  readonly signal: AbortSignal | undefined
  /** Notes a file that this attempt wrote and that no later attempt will use. */
  wrote(path: string): void
  /** Notes a file that is still being written. The step at the catalog waits for it, and fails if it does. */
  writing(put: Promise<unknown>): void
  /** Resolves when all that was noted is written. @throws what writing failed with */
  written(): Promise<void>
}

/** What a change wants done to its table, given the state of an attempt. */
export interface TableChangePlan {
  readonly updates: readonly MetadataUpdate[]
  readonly requirements?: readonly TableRequirement[]
}

/** A staged change of one table. */
export interface StagedChange {
  readonly identifier: TableIdentifier
  /** The state that the change was staged on; null for a table to be created. */
  readonly staged: TableState | null
  /** 'drop' removes the table from the catalog; its files stay. */
  plan(base: TableState | null, attempt: CommitAttempt): Promise<TableChangePlan | 'drop'>
}

export interface CommitOptions {
  /** Idempotency token: a commit whose id is found in the table's history is not done again. */
  readonly commitId?: string | undefined
  /** How conflicts are retried where the table's properties do not say. Default: Iceberg's. */
  readonly retry?: RetryPolicy | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CommitResult {
  readonly commitId: string
  /** Attempts needed; 0 if the commit was found done already. */
  readonly attempts: number
  /** The state of each changed table, in the order of the changes; null for a dropped one. */
  readonly states: readonly (TableState | null)[]
}

/**
 * Commits changes of different tables as one.
 * @throws COMMIT_CONFLICT (retries ran out), REQUIREMENT_FAILED, TABLE_EXISTS, NO_SUCH_TABLE, ABORTED: nothing was committed. COMMIT_STATE_UNKNOWN: it may have been.
 */
export async function commitChanges(
  env: Environment,
  catalog: Catalog,
  changes: readonly StagedChange[],
  options: CommitOptions = {},
): Promise<CommitResult> {
  const commitId = options.commitId ?? uuidV7(env.runtime)
  const runId = uuidV4(env.runtime)
  const policy = commitRetryPolicy(changes[0]?.staged?.metadata.properties ?? {}, options.retry)
  const startedMs = env.runtime.monotonicMs()
  let known = new Map(changes.map((c) => [identifierText(c.identifier), c.staged]))
  // A given id may be that of a commit made earlier, by another process too: that must be looked up first.
  let mayBeDone = options.commitId !== undefined
  // The first attempt builds on what this process remembers; if that is old, its commit is rejected.
  let cached = true
  for (let number = 1; ; number++) {
    throwIfAborted(options.signal, 'A commit')
    const bases = await currentStates(env, catalog, changes, known, cached, options.signal)
    known = new Map(changes.map((c, i) => [identifierText(c.identifier), bases[i] ?? null]))
    if (mayBeDone && bases.some((base) => base !== null && hasCommit(base.metadata, commitId))) {
      return { commitId, attempts: number - 1, states: bases }
    }
    const files: string[] = []
    const writes = new PendingWrites()
    const attempt: CommitAttempt = {
      number,
      commitId,
      runId,
      nowMs: env.runtime.now(),
      signal: options.signal,
      wrote: (path) => files.push(path),
      writing: (put) => writes.add(put),
      written: () => writes.done(),
    }
    let next: readonly (TableState | null)[]
    let outcome: Awaited<ReturnType<Catalog['commit']>>
    try {
      // Waits for all of them, also when one fails: what is still being written cannot be cleaned up.
      next = await parallelMap(changes, changes.length, (c, i) =>
        buildNext(env, c, bases[i] ?? null, attempt),
      )
      await writes.done()
      if (next.every((state, i) => state === bases[i])) {
        if (!cached) return { commitId, attempts: number, states: next }
        // No commit will tell whether it is old, so that nothing is to do may be said of the latest state alone.
        await deleteQuietly(env, files)
        cached = false
        number--
        continue
      }
      cached = false
      outcome = await catalog.commit(
        changes.map((c, i) => ({
          identifier: c.identifier,
          expected: bases[i]?.metadataLocation ?? null,
          next: next[i]?.metadataLocation ?? null,
        })),
        { commitId, ...(options.signal === undefined ? {} : { signal: options.signal }) },
      )
    } catch (error) {
      // Nothing of this attempt can be visible: it failed before the step, or the step was refused for certain. What
      // is still being written could not be deleted.
      await writes.done().catch(() => undefined)
      await deleteQuietly(env, files)
      throw error
    }
    if (outcome.status === 'committed') {
      // Not earlier: a location whose commit was lost, or may have been, is not to be found by anybody.
      for (const state of next) if (state !== null) keepTableState(env, state)
      await deleteOldMetadata(env, bases, next)
      return { commitId, attempts: number, states: next }
    }
    if (outcome.status === 'unknown') throw outcome.error
    await deleteQuietly(env, files)
    mayBeDone = true
    const wait = backoffMs(env.runtime, policy, number)
    const elapsed = env.runtime.monotonicMs() - startedMs
    if (number > policy.numRetries || elapsed + wait > policy.totalTimeoutMs) {
      const tables = changes.map((c) => identifierText(c.identifier)).join(', ')
      throw new FloeError(
        'COMMIT_CONFLICT',
        `Cannot commit to ${tables}: other writers were first in each of ${number} attempts (${outcome.why}). Nothing was committed. Try again, or raise ${TableProperty.RETRY_NUM} (now ${policy.numRetries})`,
        { context: { table: tables, attempts: number, commitId }, retryable: true },
      )
    }
    await env.runtime.sleep(wait, options.signal)
  }
}

/**
 * Files on their way to the store. Their names and sizes are known before they are written, so that those of one
 * attempt can travel together: only the step at the catalog has to come after all of them.
 */
class PendingWrites {
  readonly #puts: Promise<unknown>[] = []

  add(put: Promise<unknown>): void {
    // Its failure is reported when it is waited for.
    put.catch(() => undefined)
    this.#puts.push(put)
  }

  /** Waits for all, also when one fails. */
  async done(): Promise<void> {
    for (const result of await Promise.allSettled(this.#puts)) {
      if (result.status === 'rejected') throw result.reason
    }
  }
}

/** The tables' states to build on: those staged on for the first attempt, what the catalog says now later. */
async function currentStates(
  env: Environment,
  catalog: Catalog,
  changes: readonly StagedChange[],
  known: ReadonlyMap<string, TableState | null>,
  cached: boolean,
  signal: AbortSignal | undefined,
): Promise<readonly (TableState | null)[]> {
  const pointers = await catalog.loadPointers(
    changes.map((c) => c.identifier),
    { cached, ...(signal === undefined ? {} : { signal }) },
  )
  return Promise.all(
    changes.map(async (change, i) => {
      const location = pointers[i] ?? null
      if (location === null) return null
      const state = known.get(identifierText(change.identifier))
      if (state?.metadataLocation === location) return state
      return readTableState(env, change.identifier, location, { signal })
    }),
  )
}

async function buildNext(
  env: Environment,
  change: StagedChange,
  base: TableState | null,
  attempt: CommitAttempt,
): Promise<TableState | null> {
  const { identifier, staged } = change
  const name = identifierText(identifier)
  if (staged !== null && base === null) throw noSuchTable(identifier)
  if (staged === null && base !== null) {
    throw new FloeError(
      'TABLE_EXISTS',
      `Cannot create ${name}: it exists. Open it with lake.table("${name}")`,
      { context: { table: name } },
    )
  }
  if (staged !== null && base?.metadata.tableUuid !== staged.metadata.tableUuid) {
    throw new FloeError(
      'REQUIREMENT_FAILED',
      `The table ${name} was dropped and created anew since it was opened. Open it again`,
      { context: { table: name } },
    )
  }
  const plan = await change.plan(base, attempt)
  if (plan === 'drop') return null
  checkRequirements(base?.metadata ?? null, plan.requirements ?? [])
  if (plan.updates.length === 0) return base
  const metadata = applyUpdates(base?.metadata ?? null, plan.updates, {
    nowMs: attempt.nowMs,
    ...(base === null ? {} : { previousMetadataLocation: base.metadataLocation }),
  })
  if (metadata === base?.metadata) return base
  const fileName = nextMetadataFileName(
    env.runtime,
    base?.metadataLocation ?? null,
    metadataCodec(metadata.properties),
  )
  const metadataLocation = joinLocation(metadataFolder(metadata), fileName)
  attempt.wrote(metadataLocation)
  attempt.writing(
    env.store.put(metadataLocation, encodeMetadataFile(metadata), requestOptions(attempt.signal)),
  )
  return { identifier, metadataLocation, metadata }
}

/** True if a retained snapshot in main's ancestry was made by the commit. */
export function hasCommit(metadata: TableMetadata, commitId: string): boolean {
  for (const snapshot of ancestorsOf(metadata, metadata.currentSnapshotId)) {
    if (snapshot.summary[COMMIT_ID_KEY] === commitId) return true
  }
  return false
}

/**
 * Metadata files that fell out of the log, where the table asks for that (item 10). Never throws: the commit has
 * been made, and an error now would pass for its failure.
 */
async function deleteOldMetadata(
  env: Environment,
  bases: readonly (TableState | null)[],
  next: readonly (TableState | null)[],
): Promise<void> {
  for (const [i, state] of next.entries()) {
    const base = bases[i] ?? null
    if (state === null || base === null || state === base) continue
    if (!wantsDeletion(state.metadata)) continue
    const kept = new Set(state.metadata.metadataLog.map((entry) => entry.metadataFile))
    const dropped = base.metadata.metadataLog
      .map((entry) => entry.metadataFile)
      .filter((file) => !kept.has(file))
    await deleteQuietly(env, dropped)
  }
}

function wantsDeletion(metadata: TableMetadata): boolean {
  try {
    return boolean(metadata.properties, TableProperty.METADATA_DELETE_AFTER_COMMIT, false)
  } catch {
    // A value that is neither true nor false does not ask for anything to be deleted.
    return false
  }
}

/** Deletes files that are certainly not referenced; what cannot be deleted is left for orphan removal. Never throws. */
export async function deleteQuietly(env: Environment, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return
  try {
    await env.store.delete(paths)
  } catch {
    // Nothing refers to these files, so nobody is harmed by their staying.
  }
}
