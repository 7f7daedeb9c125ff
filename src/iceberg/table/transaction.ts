/**
 * Staged changes to one or several tables, committed as one.
 *
 * Data files are written when a change is staged; they become visible, all together, with `commit()`. A transaction
 * that is not committed leaves nothing behind once `rollback()` has run.
 */
import { FloeError, isFloeError } from '../../core/errors.ts'
import type { RetryPolicy } from '../../core/retry.ts'
import type { Catalog, TableIdentifier } from '../catalog/catalog.ts'
import { identifierText, parseIdentifier } from '../catalog/identifier.ts'
import type { ContentFile } from '../manifest/entry.ts'
import type { Expression } from '../spec/expressions/expression.ts'
import { toExpression, type Where } from '../spec/expressions/where.ts'
import type { RowChangeMode } from '../spec/properties.ts'
import {
  COMMIT_ID_KEY,
  type CommitResult,
  commitChanges,
  deleteQuietly,
  hasCommit,
} from './commit.ts'
import type { Environment } from './environment.ts'
import { LiveFiles } from './live-files.ts'
import { DeleteWherePlanner } from './operations/delete-where.ts'
import { explicitChange, type RowDeletes } from './operations/explicit-delta.ts'
import { NO_CHANGE, type RowChangePlanner } from './operations/row-change.ts'
import { type AttemptHook, TableStage } from './table-stage.ts'
import { currentSnapshot, noSuchTable, readTableState, type TableState } from './table-state.ts'
import type { UpsertOptions, UpsertPlanner } from './upsert-engine.ts'
import { DataWriter } from './write/data-writer.ts'
import { type AppendInput, inputBatches } from './write/input.ts'
import { checkWriteProperties } from './write/write-properties.ts'

export interface TransactionOptions {
  /**
   * Idempotency token, kept as `floe.commit-id` in each snapshot: what has it is not done again. It stands for one set
   * of changes: found in the history of one of the tables, it is taken for done in all of them. Default: a UUIDv7.
   */
  readonly commitId?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface StageAppendOptions {
  /** Properties for the snapshot's summary, beside floe's own. */
  readonly snapshotProperties?: Readonly<Record<string, string>> | undefined
  readonly signal?: AbortSignal | undefined
  /** Called after each batch with the rows taken so far. */
  readonly onProgress?: ((progress: AppendProgress) => void) | undefined
}

export interface AppendProgress {
  readonly rows: number
}

export interface TransactionTableResult {
  readonly table: string
  /** Null if the change made no snapshot. */
  readonly snapshotId: bigint | null
  readonly sequenceNumber: number | null
  readonly metadataLocation: string
  readonly rowsAdded: number
  readonly filesAdded: number
  readonly bytesAdded: number
}

export interface TransactionResult {
  readonly commitId: string
  /** Attempts needed; 0 if the same commit id was found committed already. */
  readonly attempts: number
  readonly tables: readonly TransactionTableResult[]
}

/** Rows to add and to delete, by where they are. */
export interface StageRowDeltaOptions {
  /** Rows to add. With `lineage` they may carry `_row_id` of the rows that they replace (format version 3). */
  readonly rows?: AppendInput | undefined
  /** Rows to delete, as scans of the table's handle name them in `_file` and `_pos`. */
  readonly deletes?: Iterable<RowDeletes> | undefined
  /**
   * Rows have the columns `_row_id` and, for rows that only move, `_last_updated_sequence_number`; null in them means
   * a new row, and a changed one (item 80).
   */
  readonly lineage?: boolean | undefined
  readonly snapshotProperties?: Readonly<Record<string, string>> | undefined
  readonly signal?: AbortSignal | undefined
}

export interface StageDeleteOptions {
  /** Write changed files anew, or deletes beside them. Default: property `write.delete.mode`, else what is cheaper. */
  readonly mode?: RowChangeMode | 'auto' | undefined
  readonly snapshotProperties?: Readonly<Record<string, string>> | undefined
  readonly signal?: AbortSignal | undefined
}

/** A table of a transaction: by name, in its latest version, or a handle, in the version that it has. */
export type TableReference = string | TableState | { readonly state: TableState }

export class Transaction {
  readonly #env: Environment
  readonly #catalog: Catalog
  readonly #options: TransactionOptions
  readonly #stages = new Map<string, TableStage>()
  #retry: RetryPolicy | undefined
  readonly #onCommitted: (states: readonly TableState[]) => void
  #state: 'open' | 'committing' | 'committed' | 'rolled-back' | 'unknown' = 'open'

  /** Use `lake.transaction()`. */
  constructor(
    env: Environment,
    catalog: Catalog,
    options: TransactionOptions,
    onCommitted: (states: readonly TableState[]) => void = () => undefined,
  ) {
    this.#env = env
    this.#catalog = catalog
    this.#options = options
    this.#onCommitted = onCommitted
  }

  /**
   * Writes the rows as data files and stages them. Several appends to one table become one snapshot. An append of no
   * rows stages nothing, unless it has snapshot properties, which then make an empty snapshot.
   * @throws NO_SUCH_TABLE; what a row is refused with (TYPE_MISMATCH, NULL_IN_REQUIRED, VALUE_OUT_OF_RANGE,
   *   UNKNOWN_COLUMN): nothing of this append is staged.
   */
  async append(
    table: TableReference,
    input: AppendInput,
    options: StageAppendOptions = {},
  ): Promise<{ readonly rows: number; readonly files: number }> {
    const stage = await this.#stage(table)
    const signal = options.signal ?? this.#options.signal
    const { files, rows } = await this.#write(stage.staged, input, { ...options, signal })
    await this.#keep(files, () => {
      stage.files.push(...files)
      this.#addProperties(stage, options.snapshotProperties)
      if (files.length > 0) stage.hasAppend = true
    })
    return { rows, files: files.length }
  }

  /**
   * Stages rows to add and rows to delete by file and position. Rows of other commits in between are no conflict
   * unless they delete the same rows, or remove the files. A table takes one change of rows in a transaction, beside
   * appends; each sees the table as it was before the transaction.
   * @throws VALUE_OUT_OF_RANGE for a position that the file does not have; VALIDATION_CONFLICT for a file that is not
   *   in the table, or a row that is deleted already; what rows are refused with. Nothing is staged then.
   */
  async rowDelta(table: TableReference, options: StageRowDeltaOptions): Promise<void> {
    const stage = await this.#stage(table)
    stage.checkNoRowChange()
    const planned = isReference(table) ? stateOf(table) : stage.staged
    const signal = options.signal ?? this.#options.signal
    const live = await this.#liveFiles(planned, signal)
    const name = identifierText(stage.identifier)
    const deletes = await explicitChange(live, options.deletes ?? [], { table: name, signal })
    const added =
      options.rows === undefined
        ? []
        : (await this.#write(planned, options.rows, { signal, lineage: options.lineage })).files
    await this.#keep(added, () => {
      const change = { ...deletes, added }
      stage.changeRows({ planned, live, change, planner: undefined })
      this.#addProperties(stage, options.snapshotProperties)
    })
  }

  /**
   * Stages the deletion of all rows that match. If another commit comes first, its rows are looked at, too.
   * @throws NO_SUCH_TABLE, NO_SUCH_COLUMN, BAD_EXPRESSION, TYPE_MISMATCH: nothing is staged.
   */
  async deleteWhere(
    table: TableReference,
    where: Where | Expression,
    options: StageDeleteOptions = {},
  ): Promise<DeleteWherePlanner> {
    const mode = checkMode(options.mode)
    const planner = new DeleteWherePlanner(this.#env, toExpression(where), {
      mode,
      recordsOutcome: this.#options.commitId !== undefined,
    })
    await this.#planRows(table, planner, options)
    return planner
  }

  /**
   * Stages rows to insert, or to replace those of the same key. If another commit comes first, the keys are looked
   * up again.
   * @throws see `Table.upsert`; nothing is staged then.
   */
  async upsert(
    table: TableReference,
    input: AppendInput,
    options: UpsertOptions = {},
  ): Promise<UpsertPlanner> {
    const stage = await this.#stage(table)
    stage.checkNoRowChange()
    const signal = options.signal ?? this.#options.signal
    checkMode(options.mode)
    const engine = await this.#env.upserts?.engine()
    if (engine === undefined) throw noUpserts()
    const state = isReference(table) ? stateOf(table) : stage.staged
    const planner = await engine.planner(state, input, {
      ...options,
      signal,
      recordsOutcome: this.#options.commitId !== undefined,
    })
    this.#retry = UPSERT_RETRY
    await this.#planRows(table, planner, options)
    return planner
  }

  /**
   * Has a hook asked in each attempt to commit the table's snapshot; one for a table. For what rests on the table's
   * state, such as the position of a stream. The table gets a snapshot even if nothing else is staged for it.
   * @throws NO_SUCH_TABLE
   */
  async atEachAttempt(table: TableReference, hook: AttemptHook): Promise<void> {
    const stage = await this.#stage(table)
    stage.attemptHook = hook
    stage.hasAppend = true
  }

  /**
   * Stages table properties to set.
   * @throws NO_SUCH_TABLE; BAD_ARGUMENT for `format-version` and for values that cannot be honoured; UNSUPPORTED_CODEC;
   *   PATH_OUTSIDE_ROOT for a place that the lake may not write to
   */
  async setProperties(
    table: TableReference,
    updates: Readonly<Record<string, string>>,
  ): Promise<void> {
    if (Object.hasOwn(updates, 'format-version')) {
      throw new FloeError('BAD_ARGUMENT', 'format-version is not a property that can be set')
    }
    const texts = Object.fromEntries(Object.entries(updates).map(([k, v]) => [k, String(v)]))
    checkWriteProperties(this.#env, texts)
    const stage = await this.#stage(table)
    for (const [key, value] of Object.entries(texts)) {
      stage.propertyUpdates[key] = value
      stage.propertyRemovals.delete(key)
    }
  }

  /** Stages table properties to remove. @throws NO_SUCH_TABLE */
  async removeProperties(table: TableReference, keys: readonly string[]): Promise<void> {
    const stage = await this.#stage(table)
    for (const key of keys) {
      delete stage.propertyUpdates[key]
      stage.propertyRemovals.add(key)
    }
  }

  /**
   * Commits everything as one step. Tables without a staged change are left as they are.
   * @throws COMMIT_CONFLICT, REQUIREMENT_FAILED, NO_SUCH_TABLE, ABORTED: nothing was committed and what was staged is
   *   deleted. COMMIT_STATE_UNKNOWN: it may have been committed, nothing is deleted.
   */
  async commit(): Promise<TransactionResult> {
    this.#checkOpen()
    this.#state = 'committing'
    const stages = [...this.#stages.values()]
    let result: CommitResult
    try {
      result =
        stages.length === 0
          ? { commitId: this.#options.commitId ?? '', attempts: 0, states: [] }
          : await commitChanges(this.#env, this.#catalog, stages, {
              ...this.#options,
              retry: this.#retry,
            })
    } catch (error) {
      if (isFloeError(error, 'COMMIT_STATE_UNKNOWN')) {
        this.#state = 'unknown'
        throw error
      }
      this.#state = 'rolled-back'
      await this.#discard(stages)
      throw error
    }
    // From here on the commit is made: nothing may be deleted that it refers to.
    this.#state = 'committed'
    // Another run with this commit id may have come first between two attempts: what is in the tables is its work.
    if (!isOwn(stages, result)) result = { ...result, attempts: 0 }
    // Found committed by another run: what this run staged is not part of it.
    if (result.attempts === 0) await this.#discard(stages)
    else {
      for (const stage of stages) tellPlanner(stage, result)
      const unused = stages.flatMap((stage) => this.#unusedManifests(stage, result))
      await deleteQuietly(this.#env, unused)
    }
    this.#onCommitted(result.states as readonly TableState[])
    return {
      commitId: result.commitId,
      attempts: result.attempts,
      tables: stages.map((stage, i) => tableResult(stage, result, result.states[i] as TableState)),
    }
  }

  /** Drops what was staged and deletes its files. Does nothing after a commit. */
  async rollback(): Promise<void> {
    if (this.#state !== 'open') return
    this.#state = 'rolled-back'
    await this.#discard([...this.#stages.values()])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.rollback()
  }

  /** Stages a change of rows that can be planned again. */
  async #planRows(
    table: TableReference,
    planner: RowChangePlanner,
    options: {
      readonly snapshotProperties?: Readonly<Record<string, string>> | undefined
      readonly signal?: AbortSignal | undefined
    },
  ): Promise<void> {
    const stage = await this.#stage(table)
    stage.checkNoRowChange()
    const planned = isReference(table) ? stateOf(table) : stage.staged
    const signal = options.signal ?? this.#options.signal
    const { commitId } = this.#options
    // Done by an earlier run: commit() will find that out, so there is nothing to plan.
    const isDone = commitId !== undefined && hasCommit(planned.metadata, commitId)
    const live = await this.#liveFiles(planned, signal)
    const change = isDone ? NO_CHANGE : await planner.plan(planned, live, { signal })
    await this.#keep(change.added, () => {
      stage.changeRows({ planned, live, change, planner })
      this.#addProperties(stage, options.snapshotProperties)
    })
  }

  /**
   * Stages what was written, all at once. If the transaction has ended meanwhile, or has another change of the same
   * rows, the files are nobody's.
   */
  async #keep(files: readonly ContentFile[], stage: () => void): Promise<void> {
    try {
      this.#checkOpen()
      stage()
    } catch (error) {
      await deleteQuietly(
        this.#env,
        files.map((file) => file.filePath),
      )
      throw error
    }
  }

  #addProperties(
    stage: TableStage,
    properties: Readonly<Record<string, string>> | undefined,
  ): void {
    if (properties === undefined) return
    Object.assign(stage.snapshotProperties, properties)
    // They are worth a snapshot of their own, such as the offsets of a stream (item 122).
    stage.hasAppend = true
  }

  #liveFiles(state: TableState, signal: AbortSignal | undefined): Promise<LiveFiles> {
    const { metadata } = state
    return LiveFiles.load(this.#env, metadata, currentSnapshot(metadata), signal)
  }

  /** Writes rows as data files; if that fails, none is left. */
  async #write(
    state: TableState,
    input: AppendInput,
    options: {
      readonly signal: AbortSignal | undefined
      readonly lineage?: boolean | undefined
      readonly onProgress?: ((progress: AppendProgress) => void) | undefined
    },
  ): Promise<{ readonly files: readonly ContentFile[]; readonly rows: number }> {
    const { signal, lineage } = options
    if (lineage === true && state.metadata.formatVersion !== 3) {
      throw new FloeError(
        'FORMAT_VERSION',
        `Rows keep their lineage in tables of format version 3; ${identifierText(state.identifier)} has ${state.metadata.formatVersion}. Leave lineage out`,
      )
    }
    const writer = new DataWriter(this.#env, state.metadata, { signal, lineage })
    try {
      const batches = inputBatches(input, writer.schema, {
        table: identifierText(state.identifier),
        limits: this.#env.limits,
        runtime: this.#env.runtime,
        signal,
      })
      for await (const batch of batches) {
        await writer.write(batch)
        options.onProgress?.({ rows: writer.rowCount })
      }
      const written = await writer.close()
      return { files: written.map(({ file }) => file), rows: writer.rowCount }
    } catch (error) {
      await writer.abort()
      throw error
    }
  }

  async #stage(table: TableReference): Promise<TableStage> {
    this.#checkOpen()
    const given = isReference(table) ? stateOf(table) : undefined
    const identifier = given?.identifier ?? parseIdentifier(table as string)
    const name = identifierText(identifier)
    const known = this.#stages.get(name)
    if (known !== undefined) return known
    const state = given ?? (await this.#load(identifier))
    this.#checkOpen()
    const stage = this.#stages.get(name) ?? new TableStage(this.#env, state)
    this.#stages.set(name, stage)
    return stage
  }

  async #load(identifier: TableIdentifier): Promise<TableState> {
    const [location] = await this.#catalog.loadPointers([identifier])
    if (location === undefined || location === null) throw noSuchTable(identifier)
    return readTableState(this.#env, identifier, location, { signal: this.#options.signal })
  }

  async #discard(stages: readonly TableStage[]): Promise<void> {
    await deleteQuietly(
      this.#env,
      stages.flatMap((stage) => stage.paths),
    )
  }

  /** Manifests that were merged into others, or belong to an attempt whose plan was given up. */
  #unusedManifests(stage: TableStage, result: CommitResult): readonly string[] {
    if (stage.manifests.length === 0) return []
    const snapshotId = snapshotOf(stage, result)
    if (snapshotId === undefined) return stage.manifests
    const snapshot = stateAfter(stage, result)?.metadata.snapshots.find(
      (s) => s.snapshotId === snapshotId,
    )
    // The list was written by this very process. Should it be gone from memory, orphan removal will find them.
    const listed = this.#env.manifestLists.get(snapshot?.manifestList ?? '')
    if (listed === undefined) return []
    const used = new Set(listed.map((m) => m.manifestPath))
    return stage.manifests.filter((path) => !used.has(path))
  }

  #checkOpen(): void {
    if (this.#state !== 'open') {
      throw new FloeError('HANDLE_CLOSED', `This transaction is ${this.#state}. Begin a new one`)
    }
  }
}

/** True unless a snapshot with the commit's id is another than the one that was made here. */
function isOwn(stages: readonly TableStage[], result: CommitResult): boolean {
  return stages.every((stage) => {
    const found = snapshotOf(stage, result)
    return found === undefined || found === stage.snapshotId
  })
}

/** A commit must not be reported as failed because of what is kept of it in memory. */
function tellPlanner(stage: TableStage, result: CommitResult): void {
  // The planner knows nothing of rows that were appended beside its change, so the snapshot is not what it planned.
  if (stage.files.length > 0) return
  const snapshotId = snapshotOf(stage, result)
  if (snapshotId !== undefined) stage.planner?.committed?.(snapshotId)
}

/** The snapshot that the commit made, if it made one for the table. */
function snapshotOf(stage: TableStage, result: CommitResult): bigint | undefined {
  const { snapshots } = stateAfter(stage, result)?.metadata ?? { snapshots: [] }
  return snapshots.findLast((s) => s.summary[COMMIT_ID_KEY] === result.commitId)?.snapshotId
}

function stateAfter(stage: TableStage, { states }: CommitResult): TableState | undefined {
  const name = identifierText(stage.identifier)
  return states.find((s) => s !== null && identifierText(s.identifier) === name) ?? undefined
}

function tableResult(
  stage: TableStage,
  result: CommitResult,
  state: TableState,
): TransactionTableResult {
  const snapshotId = snapshotOf(stage, result)
  const snapshot = state.metadata.snapshots.findLast((s) => s.snapshotId === snapshotId)
  const files = result.attempts === 0 ? [] : stage.addedFiles
  return {
    table: identifierText(stage.identifier),
    snapshotId: snapshot?.snapshotId ?? null,
    sequenceNumber: snapshot?.sequenceNumber ?? null,
    metadataLocation: state.metadataLocation,
    rowsAdded: files.reduce((sum, f) => sum + f.recordCount, 0),
    filesAdded: files.length,
    bytesAdded: files.reduce((sum, f) => sum + f.fileSizeBytes, 0),
  }
}

function noUpserts(): FloeError {
  return new FloeError(
    'UNSUPPORTED_OPERATION',
    'This table was opened without an engine for upserts. Open its lake with openLake',
  )
}

function isReference(table: TableReference): table is Exclude<TableReference, string> {
  return typeof table !== 'string'
}

function stateOf(table: Exclude<TableReference, string>): TableState {
  return 'state' in table ? table.state : table
}

/** @throws BAD_ARGUMENT */
function checkMode(mode: RowChangeMode | 'auto' | undefined): RowChangeMode | undefined {
  if (mode === undefined || mode === 'auto') return undefined
  if (mode === 'copy-on-write' || mode === 'merge-on-read') return mode
  throw new FloeError(
    'BAD_ARGUMENT',
    `mode must be auto, copy-on-write or merge-on-read, not ${String(mode)}`,
  )
}

/** Upserts are small and many: ten attempts within half a minute (MG-33), where the table says nothing. */
const UPSERT_RETRY: RetryPolicy = {
  numRetries: 9,
  minWaitMs: 50,
  maxWaitMs: 5_000,
  totalTimeoutMs: 30_000,
}
