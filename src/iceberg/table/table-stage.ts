/** What a transaction does to one table: all of it becomes one snapshot. */
import { FloeError } from '../../core/errors.ts'
import type { TableIdentifier } from '../catalog/catalog.ts'
import { identifierText } from '../catalog/identifier.ts'
import type { ContentFile } from '../manifest/entry.ts'
import type { MetadataUpdate } from '../spec/updates.ts'
import type { CommitAttempt, StagedChange, TableChangePlan } from './commit.ts'
import type { Environment } from './environment.ts'
import type { LiveFiles } from './live-files.ts'
import { AppendOperation } from './operations/append.ts'
import type { RowChange, RowChangePlanner } from './operations/row-change.ts'
import { RowDeltaOperation } from './operations/row-delta.ts'
import type { TableState } from './table-state.ts'

/** A change of rows with the state that it was planned on. */
export interface StagedRowChange {
  readonly planned: TableState
  /** The live files of that state. */
  readonly live: LiveFiles
  readonly change: RowChange
  readonly planner: RowChangePlanner | undefined
}

/** What a commit adds to its snapshot and to the table in one attempt. */
export interface AttemptAdditions {
  /** Properties for the snapshot's summary. */
  readonly summary?: Readonly<Record<string, string>> | undefined
  readonly updates?: readonly MetadataUpdate[] | undefined
}

/**
 * Asked in each attempt, with the state that the attempt builds on: what it gives is true of that very state, because
 * the commit is refused if another one comes first. What it throws ends the commit with nothing committed.
 */
export type AttemptHook = (base: TableState, snapshotId: bigint) => AttemptAdditions

export class TableStage implements StagedChange {
  readonly identifier: TableIdentifier
  readonly staged: TableState
  readonly files: ContentFile[] = []
  readonly snapshotProperties: Record<string, string> = {}
  readonly propertyUpdates: Record<string, string> = {}
  readonly propertyRemovals: Set<string> = new Set()
  hasAppend = false
  attemptHook: AttemptHook | undefined
  readonly #env: Environment
  #rowChange: StagedRowChange | undefined
  #operation: AppendOperation | RowDeltaOperation | undefined

  constructor(env: Environment, state: TableState) {
    this.#env = env
    this.identifier = state.identifier
    this.staged = state
  }

  /** The snapshot's id in all attempts; undefined before the first. */
  get snapshotId(): bigint | undefined {
    return this.#operation?.snapshotId
  }

  get planner(): RowChangePlanner | undefined {
    return this.#rowChange?.planner
  }

  /** Data files that the last attempt adds. */
  get addedFiles(): readonly ContentFile[] {
    const change = this.#currentChange()
    return change === undefined ? this.files : [...this.files, ...change.added]
  }

  /** Manifests that were written in all attempts; the snapshot need not list each of them. */
  get manifests(): readonly string[] {
    return this.#operation?.manifests ?? []
  }

  /** Everything that was written and that only this change refers to. */
  get paths(): readonly string[] {
    return [...(this.#operation?.paths ?? []), ...this.addedFiles.map((file) => file.filePath)]
  }

  /** @throws BAD_ARGUMENT for a second one: it could not see what the first does. */
  checkNoRowChange(): void {
    if (this.#rowChange === undefined) return
    const table = identifierText(this.identifier)
    throw new FloeError(
      'BAD_ARGUMENT',
      `This transaction changes rows of ${table} already: a second change would not see what the first does. Commit it, then begin another transaction`,
      { context: { table } },
    )
  }

  changeRows(change: StagedRowChange): void {
    this.checkNoRowChange()
    this.#rowChange = change
  }

  async plan(base: TableState | null, attempt: CommitAttempt): Promise<TableChangePlan> {
    const updates: MetadataUpdate[] = []
    if (Object.keys(this.propertyUpdates).length > 0) {
      updates.push({ action: 'set-properties', updates: this.propertyUpdates })
    }
    if (this.propertyRemovals.size > 0) {
      updates.push({ action: 'remove-properties', removals: [...this.propertyRemovals] })
    }
    const operation = this.#makeOperation()
    if (operation === undefined) return { updates }
    const additions = this.attemptHook?.(base as TableState, operation.snapshotId)
    Object.assign(this.snapshotProperties, additions?.summary)
    updates.push(
      ...(operation instanceof RowDeltaOperation
        ? await operation.updates(base as TableState, attempt)
        : await operation.updates((base as TableState).metadata, attempt)),
      ...(additions?.updates ?? []),
    )
    return { updates }
  }

  #makeOperation(): AppendOperation | RowDeltaOperation | undefined {
    const { files, snapshotProperties, hasAppend } = this
    if (this.#rowChange !== undefined) {
      this.#operation ??= new RowDeltaOperation(this.#env, {
        ...this.#rowChange,
        appended: files,
        snapshotProperties,
        allowEmpty: hasAppend,
      })
    } else if (hasAppend) {
      this.#operation ??= new AppendOperation(this.#env, { files, snapshotProperties })
    }
    return this.#operation
  }

  #currentChange(): RowChange | undefined {
    return this.#operation instanceof RowDeltaOperation
      ? this.#operation.change
      : this.#rowChange?.change
  }
}
