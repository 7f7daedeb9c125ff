/**
 * Staged changes to one or several tables, committed as one.
 *
 * Data files are written when a change is staged; they become visible, all together, with `commit()`. A transaction
 * that is not committed leaves nothing behind once `rollback()` has run.
 */
import { FloeError, isFloeError } from '../../core/errors.ts'
import type { Catalog, TableIdentifier } from '../catalog/catalog.ts'
import { identifierText, parseIdentifier } from '../catalog/identifier.ts'
import type { ContentFile } from '../manifest/entry.ts'
import type { MetadataUpdate } from '../spec/updates.ts'
import {
  type CommitAttempt,
  type CommitResult,
  commitChanges,
  deleteQuietly,
  type StagedChange,
  type TableChangePlan,
} from './commit.ts'
import type { Environment } from './environment.ts'
import { AppendOperation } from './operations/append.ts'
import { noSuchTable, readTableState, type TableState } from './table-state.ts'
import { DataWriter } from './write/data-writer.ts'
import { type AppendInput, inputBatches } from './write/input.ts'

export interface TransactionOptions {
  /** Idempotency token, kept as `floe.commit-id` in each snapshot. Default: a UUIDv7. */
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

/** What a transaction does to one table. */
class TableStage implements StagedChange {
  readonly identifier: TableIdentifier
  readonly staged: TableState
  readonly files: ContentFile[] = []
  readonly snapshotProperties: Record<string, string> = {}
  readonly propertyUpdates: Record<string, string> = {}
  readonly propertyRemovals = new Set<string>()
  hasAppend = false
  readonly #env: Environment
  #operation: AppendOperation | undefined

  constructor(env: Environment, state: TableState) {
    this.#env = env
    this.identifier = state.identifier
    this.staged = state
  }

  get operation(): AppendOperation | undefined {
    return this.#operation
  }

  async plan(base: TableState | null, attempt: CommitAttempt): Promise<TableChangePlan> {
    const updates: MetadataUpdate[] = []
    if (Object.keys(this.propertyUpdates).length > 0) {
      updates.push({ action: 'set-properties', updates: this.propertyUpdates })
    }
    if (this.propertyRemovals.size > 0) {
      updates.push({ action: 'remove-properties', removals: [...this.propertyRemovals] })
    }
    if (this.hasAppend) {
      this.#operation ??= new AppendOperation(this.#env, {
        files: this.files,
        snapshotProperties: this.snapshotProperties,
      })
      updates.push(...(await this.#operation.updates((base as TableState).metadata, attempt)))
    }
    return { updates }
  }

  /** Everything that was written and that only this change refers to. */
  get paths(): readonly string[] {
    return [...(this.#operation?.paths ?? []), ...this.files.map((f) => f.filePath)]
  }
}

export class Transaction {
  readonly #env: Environment
  readonly #catalog: Catalog
  readonly #options: TransactionOptions
  readonly #stages = new Map<string, TableStage>()
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
    table: string | TableState,
    input: AppendInput,
    options: StageAppendOptions = {},
  ): Promise<{ readonly rows: number; readonly files: number }> {
    const stage = await this.#stage(table)
    const signal = options.signal ?? this.#options.signal
    const writer = new DataWriter(this.#env, stage.staged.metadata, signal)
    let files: readonly ContentFile[]
    try {
      const batches = inputBatches(input, writer.schema, {
        table: identifierText(stage.identifier),
        limits: this.#env.limits,
        runtime: this.#env.runtime,
        signal,
      })
      for await (const batch of batches) {
        await writer.write(batch)
        options.onProgress?.({ rows: writer.rowCount })
      }
      files = await writer.close()
    } catch (error) {
      await writer.abort()
      throw error
    }
    stage.files.push(...files)
    Object.assign(stage.snapshotProperties, options.snapshotProperties)
    if (files.length > 0 || options.snapshotProperties !== undefined) stage.hasAppend = true
    return { rows: writer.rowCount, files: files.length }
  }

  /** Stages table properties to set. @throws NO_SUCH_TABLE, BAD_ARGUMENT for `format-version` */
  async setProperties(
    table: string | TableState,
    updates: Readonly<Record<string, string>>,
  ): Promise<void> {
    if (Object.hasOwn(updates, 'format-version')) {
      throw new FloeError('BAD_ARGUMENT', 'format-version is not a property that can be set')
    }
    const stage = await this.#stage(table)
    for (const [key, value] of Object.entries(updates)) {
      stage.propertyUpdates[key] = String(value)
      stage.propertyRemovals.delete(key)
    }
  }

  /** Stages table properties to remove. @throws NO_SUCH_TABLE */
  async removeProperties(table: string | TableState, keys: readonly string[]): Promise<void> {
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
          : await commitChanges(this.#env, this.#catalog, stages, this.#options)
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
    // Found committed by an earlier run: what this run staged is not part of it.
    if (result.attempts === 0) await this.#discard(stages)
    this.#onCommitted(result.states as readonly TableState[])
    return {
      commitId: result.commitId,
      attempts: result.attempts,
      tables: stages.map((stage, i) => tableResult(stage, result.states[i] as TableState)),
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

  async #stage(table: string | TableState): Promise<TableStage> {
    this.#checkOpen()
    const identifier = typeof table === 'string' ? parseIdentifier(table) : table.identifier
    const name = identifierText(identifier)
    const known = this.#stages.get(name)
    if (known !== undefined) return known
    const state = typeof table === 'string' ? await this.#load(identifier) : table
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

  #checkOpen(): void {
    if (this.#state !== 'open') {
      throw new FloeError('HANDLE_CLOSED', `This transaction is ${this.#state}. Begin a new one`)
    }
  }
}

function tableResult(stage: TableStage, state: TableState): TransactionTableResult {
  const snapshotId = stage.operation?.snapshotId ?? null
  const snapshot = state.metadata.snapshots.findLast((s) => s.snapshotId === snapshotId)
  return {
    table: identifierText(stage.identifier),
    snapshotId: snapshot?.snapshotId ?? null,
    sequenceNumber: snapshot?.sequenceNumber ?? null,
    metadataLocation: state.metadataLocation,
    rowsAdded: stage.files.reduce((sum, f) => sum + f.recordCount, 0),
    filesAdded: stage.files.length,
    bytesAdded: stage.files.reduce((sum, f) => sum + f.fileSizeBytes, 0),
  }
}
