/**
 * A handle on one version of a table. Scans read that version, whatever others commit meanwhile. A commit made
 * through the handle moves it to the version that it made; `refresh()` gives a new handle on the latest.
 */
import { checkOptions, type OptionNames } from '../../core/check-options.ts'
import { FloeError } from '../../core/errors.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { identifierText } from '../catalog/identifier.ts'
import type { Row } from '../columns/to-rows.ts'
import type { Expression } from '../spec/expressions/expression.ts'
import type { Where } from '../spec/expressions/where.ts'
import type { TableMetadata } from '../spec/metadata.ts'
import type { PartitionSpec } from '../spec/partition-spec.ts'
import type { Schema } from '../spec/schema.ts'
import type { Snapshot, SnapshotRef } from '../spec/snapshot.ts'
import type { Environment } from './environment.ts'
import { runFsck } from './fsck/fsck.ts'
import type { FsckOptions, FsckReport } from './fsck/report.ts'
import { type DeleteOutcome, recordedDeletion } from './operations/delete-where.ts'
import { type ScanOptions, TableScan } from './scan/table-scan.ts'
import {
  currentSchema,
  noSuchTable,
  readTableState,
  specById,
  type TableState,
} from './table-state.ts'
import { type AppendProgress, type StageDeleteOptions, Transaction } from './transaction.ts'
import { recordedOutcome, type UpsertOptions, type UpsertOutcome } from './upsert-engine.ts'
import type { AppendInput } from './write/input.ts'

const SCAN_OPTIONS: OptionNames<ScanOptions> = {
  select: true,
  where: true,
  limit: true,
  batchRows: true,
  signal: true,
  snapshotId: true,
  ref: true,
  asOf: true,
}

export interface AppendOptions {
  /** Properties for the snapshot's summary, beside floe's own. */
  readonly snapshotProperties?: Readonly<Record<string, string>> | undefined
  /** Idempotency token: an append whose id is in the table's history is not done again. */
  readonly commitId?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: AppendProgress) => void) | undefined
}

export interface AppendResult {
  /** Null if there was nothing to append: no snapshot was made. */
  readonly snapshotId: bigint | null
  readonly rows: number
  readonly files: number
  readonly bytes: number
  /** Attempts that the commit needed; 0 if the commit id was found done already, or nothing was to do. */
  readonly attempts: number
  readonly commitId: string
}

export interface DeleteWhereOptions extends StageDeleteOptions {
  /** Idempotency token: a deletion whose id is in the table's history is not done again. */
  readonly commitId?: string | undefined
}

export interface DeleteWhereResult extends DeleteOutcome {
  /** Null if no row matched: no snapshot was made. */
  readonly snapshotId: bigint | null
  /** Attempts that the commit needed; 0 if the commit id was found done already. */
  readonly attempts: number
  readonly commitId: string
}

export interface TableUpsertOptions extends UpsertOptions {
  /** Idempotency token: an upsert whose id is in the table's history is not done again (MG-35). */
  readonly commitId?: string | undefined
}

export interface UpsertResult extends UpsertOutcome {
  /** Null if nothing was to be done: no snapshot was made (MG-21). */
  readonly snapshotId: bigint | null
  /** Attempts that the commit needed; 0 if the commit id was found done already. */
  readonly attempts: number
  readonly commitId: string
}

export interface TableParts {
  readonly env: Environment
  /** Null for a table that was opened by its metadata location alone. */
  readonly catalog: Catalog | null
  readonly state: TableState
  readonly close?: (() => Promise<void>) | undefined
}

export class Table<R = Row, I = Record<string, unknown>> {
  readonly #env: Environment
  readonly #catalog: Catalog | null
  readonly #close: (() => Promise<void>) | undefined
  #state: TableState

  /** Use `lake.table()`, `lake.createTable()` or `openTable()`. */
  constructor(parts: TableParts) {
    this.#env = parts.env
    this.#catalog = parts.catalog
    this.#state = parts.state
    this.#close = parts.close
  }

  /** `namespace.table`; for a table opened by metadata location, its location. */
  get name(): string {
    const { identifier, metadata } = this.#state
    return identifier.namespace.length === 0 ? metadata.location : identifierText(identifier)
  }

  /** What this handle stands on: for transactions that change rows that were read through it. */
  get state(): TableState {
    return this.#state
  }

  get metadata(): TableMetadata {
    return this.#state.metadata
  }

  get metadataLocation(): string {
    return this.#state.metadataLocation
  }

  get location(): string {
    return this.#state.metadata.location
  }

  get schema(): Schema {
    return currentSchema(this.#state.metadata)
  }

  get spec(): PartitionSpec {
    return specById(this.#state.metadata, this.#state.metadata.defaultSpecId)
  }

  get properties(): Readonly<Record<string, string>> {
    return this.#state.metadata.properties
  }

  /** The current snapshot, or undefined for a table without one. */
  get currentSnapshot(): Snapshot | undefined {
    const { metadata } = this.#state
    return metadata.snapshots.findLast((s) => s.snapshotId === metadata.currentSnapshotId)
  }

  /** All retained snapshots, oldest first. */
  snapshots(): readonly Snapshot[] {
    return this.#state.metadata.snapshots
  }

  /** Branches and tags by name. */
  refs(): ReadonlyMap<string, SnapshotRef> {
    return this.#state.metadata.refs
  }

  /** A scan of this version, or of an older snapshot. @throws see {@link TableScan} */
  scan(options: ScanOptions = {}): TableScan<R> {
    checkOptions('scan', options, SCAN_OPTIONS)
    return new TableScan<R>(this.#env, this.#state, options)
  }

  /**
   * Appends rows, Arrow batches or tables, from arrays, iterables or async iterables, as one snapshot. Memory is
   * bounded by limits.writeBufferBytes whatever the input's size; files roll at `write.target-file-size-bytes`.
   * @throws TYPE_MISMATCH, NULL_IN_REQUIRED, VALUE_OUT_OF_RANGE, UNKNOWN_COLUMN (row and column named), READ_ONLY,
   *   COMMIT_CONFLICT, ABORTED: nothing was appended. COMMIT_STATE_UNKNOWN: it may have been.
   */
  async append(input: AppendInput<I>, options: AppendOptions = {}): Promise<AppendResult> {
    const transaction = this.#transaction(options)
    try {
      const staged = await transaction.append(this.#state, input as AppendInput, options)
      const result = await transaction.commit()
      const table = result.tables[0]
      return {
        snapshotId: table?.snapshotId ?? null,
        rows: staged.rows,
        files: table?.filesAdded ?? 0,
        bytes: table?.bytesAdded ?? 0,
        attempts: result.attempts,
        commitId: result.commitId,
      }
    } finally {
      await transaction.rollback()
    }
  }

  /**
   * Deletes all rows that match, as one snapshot. Files whose rows match as a whole are removed without being read;
   * in the others rows are deleted beside the file or by writing it anew, as `mode` or `write.delete.mode` say, else
   * as is cheaper. With `write.delete.isolation-level` serializable (default) rows that other commits add meanwhile
   * are deleted too, if they match.
   * @throws NO_SUCH_COLUMN, BAD_EXPRESSION, TYPE_MISMATCH, READ_ONLY, COMMIT_CONFLICT, ABORTED: nothing was deleted.
   *   COMMIT_STATE_UNKNOWN: it may have been.
   */
  async deleteWhere(
    where: Where | Expression,
    options: DeleteWhereOptions = {},
  ): Promise<DeleteWhereResult> {
    const transaction = this.#transaction(options)
    try {
      const planner = await transaction.deleteWhere(this.#state, where, options)
      const { attempts, commitId, tables } = await transaction.commit()
      const recorded = attempts === 0 ? recordedDeletion(this.#state, commitId) : undefined
      const outcome = recorded ?? planner.outcome
      return { ...outcome, snapshotId: tables[0]?.snapshotId ?? null, attempts, commitId }
    } finally {
      await transaction.rollback()
    }
  }

  /**
   * Inserts rows, or replaces those of the same key, as one snapshot. Keys are found through an index in memory, which
   * the first upsert of a handle's lake builds from the key columns and which follows all commits.
   *
   * Takes what `append` takes, but as a whole: memory grows with the rows given.
   * @throws NULL_KEY, DUPLICATE_SOURCE_KEY, NULL_SEQUENCE, DUPLICATE_TARGET_KEY (rows named); what `append` refuses
   *   rows with; BAD_ARGUMENT, NO_SUCH_COLUMN for options; LIMIT_EXCEEDED if the index would take more than
   *   limits.indexMemoryBytes; READ_ONLY, COMMIT_CONFLICT, ABORTED: nothing was written. COMMIT_STATE_UNKNOWN: it may
   *   have been.
   */
  async upsert(input: AppendInput<I>, options: TableUpsertOptions = {}): Promise<UpsertResult> {
    const transaction = this.#transaction(options)
    try {
      const planner = await transaction.upsert(this.#state, input as AppendInput, options)
      const { attempts, commitId, tables } = await transaction.commit()
      const recorded = attempts === 0 ? recordedOutcome(this.#state, commitId) : undefined
      const outcome = recorded ?? planner.outcome
      return { ...outcome, snapshotId: tables[0]?.snapshotId ?? null, attempts, commitId }
    } finally {
      await transaction.rollback()
    }
  }

  /** Sets table properties. @throws READ_ONLY, BAD_ARGUMENT, UNSUPPORTED_CODEC, COMMIT_CONFLICT, COMMIT_STATE_UNKNOWN */
  async setProperties(updates: Readonly<Record<string, string>>): Promise<void> {
    const transaction = this.#transaction({})
    await transaction.setProperties(this.#state, updates)
    await transaction.commit()
  }

  /** Removes table properties. @throws READ_ONLY, COMMIT_CONFLICT, COMMIT_STATE_UNKNOWN */
  async removeProperties(keys: readonly string[]): Promise<void> {
    const transaction = this.#transaction({})
    await transaction.removeProperties(this.#state, keys)
    await transaction.commit()
  }

  /** A new handle on the latest version. @throws NO_SUCH_TABLE; READ_ONLY for a table without a catalog */
  async refresh(options: { readonly signal?: AbortSignal } = {}): Promise<Table<R, I>> {
    if (this.#catalog === null) throw this.#readOnly('be refreshed')
    const { identifier } = this.#state
    const [location] = await this.#catalog.loadPointers([identifier], options)
    if (location === undefined || location === null) throw noSuchTable(identifier)
    const state =
      location === this.#state.metadataLocation
        ? this.#state
        : await readTableState(this.#env, identifier, location, options)
    return new Table<R, I>({ env: this.#env, catalog: this.#catalog, state })
  }

  /**
   * Checks the table's invariants by reading its metadata, and its data where asked. Never changes anything.
   * @see docs/fsck.md
   */
  fsck(options: FsckOptions = {}): Promise<FsckReport> {
    return runFsck(this.#env, { state: this.#state, reread: this.#catalog !== null }, options)
  }

  /** Frees what was opened for this handle alone. Handles of a lake share the lake's. Idempotent. */
  async close(): Promise<void> {
    await this.#close?.()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #transaction(options: {
    readonly commitId?: string | undefined
    readonly signal?: AbortSignal | undefined
  }): Transaction {
    if (this.#catalog === null) throw this.#readOnly('be written')
    return new Transaction(
      this.#env,
      this.#catalog,
      { commitId: options.commitId, signal: options.signal },
      ([state]) => {
        if (state !== undefined) this.#state = state
      },
    )
  }

  #readOnly(what: string): FloeError {
    return new FloeError(
      'READ_ONLY',
      `The table at ${this.location} was opened by its metadata location and cannot ${what}. Open it through its catalog`,
      { context: { table: this.name } },
    )
  }
}
