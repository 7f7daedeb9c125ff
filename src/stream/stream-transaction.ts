/**
 * What a batch function writes through: changes of several tables, which the runner commits as one, with the position.
 * Data files are written when a change is recorded; nothing is visible before the commit.
 */
import { FloeError } from '../core/errors.ts'
import type { TableMetadata } from '../iceberg/spec/metadata.ts'
import type { Lake } from '../iceberg/table/lake.ts'
import type { Table } from '../iceberg/table/table.ts'
import type { Transaction } from '../iceberg/table/transaction.ts'
import type { UpsertOptions } from '../iceberg/table/upsert-engine.ts'
import type { AppendInput } from '../iceberg/table/write/input.ts'
import { Awaitable } from './awaitable.ts'
import type { StreamTables, WriteGroup } from './stream-tables.ts'

type StreamUpsertOptions = Omit<UpsertOptions, 'snapshotProperties' | 'signal' | 'onProgress'>

/** @param snapshots those that the commit made, by table; undefined where its outcome had to be looked up. */
export type CommitListener = (snapshots?: ReadonlyMap<string, bigint>) => void

interface Change {
  readonly work: Promise<void>
  /** True once somebody looks at its failure, whose matter it is then. */
  isHandled: boolean
}

export class StreamTransaction {
  /** Aborted when the try of the batch is over without a commit. */
  readonly signal: AbortSignal
  readonly #failed = new AbortController()
  /** Changes that are not made yet, and those that have failed without anybody waiting for them. */
  readonly #open = new Set<Change>()
  readonly #lake: Lake
  readonly #transaction: Transaction
  readonly #tables: StreamTables
  readonly #group: WriteGroup | undefined
  #isClosed = false
  readonly #joined = new Set<string>()
  readonly #onCommit: CommitListener[] = []
  readonly #onAttempt = new Map<string, ((metadata: TableMetadata) => void)[]>()

  /** Made by the runner. @param parts group: tables that take the batch; undefined while they are not known. */
  constructor(parts: {
    readonly lake: Lake
    readonly transaction: Transaction
    readonly tables: StreamTables
    readonly group: WriteGroup | undefined
    readonly signal: AbortSignal
  }) {
    this.#lake = parts.lake
    this.#transaction = parts.transaction
    this.#tables = parts.tables
    this.#group = parts.group
    this.signal = AbortSignal.any([parts.signal, this.#failed.signal])
  }

  /**
   * False for a table that has the records of this batch already, because another table lags behind it: what is recorded
   * for it is passed over, and state that is built from the records must not count them again.
   */
  writes(table: string): boolean {
    return this.#group === undefined || !this.#tables.has(table) || this.#group.tables.has(table)
  }

  /** Records rows to append. @throws what `Table.append` refuses rows with; BAD_ARGUMENT for a table that is not of the stream */
  append(table: string, input: AppendInput): Promise<void> {
    return this.#watch(async () => {
      if (!(await this.#takes(table))) return
      await this.#transaction.append(table, input, { signal: this.signal })
    })
  }

  /** Records rows to upsert; one upsert for a table and batch. @throws see `Table.upsert` */
  upsert(table: string, input: AppendInput, options: StreamUpsertOptions = {}): Promise<void> {
    return this.#watch(async () => {
      if (!(await this.#takes(table))) return
      await this.#transaction.upsert(table, input, { ...options, signal: this.signal })
    })
  }

  /** A handle on the latest version of a table, for reading state. */
  table(name: string): Promise<Table> {
    return this.#lake.table(name)
  }

  /** Has a function called once the batch is committed. It must not throw. */
  onCommit(listener: CommitListener): void {
    this.#onCommit.push(listener)
  }

  /**
   * Has a function look at the table's state that an attempt to commit builds on. What it throws ends the attempt with
   * nothing committed; the batch is repeated after a COMMIT_CONFLICT.
   */
  onAttempt(table: string, check: (metadata: TableMetadata) => void): void {
    const checks = this.#onAttempt.get(table)
    if (checks === undefined) this.#onAttempt.set(table, [check])
    else checks.push(check)
  }

  /** @internal Tables to commit to. */
  get committing(): ReadonlySet<string> {
    return this.#group?.tables.size ? this.#group.tables : this.#joined
  }

  /** @internal */
  checkAttempt(table: string, metadata: TableMetadata): void {
    for (const check of this.#onAttempt.get(table) ?? []) check(metadata)
  }

  /** @internal */
  committed(snapshots?: ReadonlyMap<string, bigint>): void {
    for (const listener of this.#onCommit) listener(snapshots)
  }

  /** @internal The try has failed. Ends what it still has under way: the next one must not run beside it. */
  async abandon(): Promise<void> {
    this.#failed.abort()
    await Promise.allSettled([...this.#open].map(({ work }) => work))
  }

  /**
   * @internal The batch function is done. Waits for the changes that it has not waited for: without them the records of the
   * batch would count as taken in. Later ones are refused.
   * @throws what a change fails with whose failure nobody looks at
   */
  async settle(): Promise<void> {
    while (this.#open.size > 0) {
      const open = [...this.#open]
      await Promise.allSettled(open.map(({ work }) => work))
      for (const change of open) {
        // Throws, if it has failed.
        if (!change.isHandled) await change.work
        this.#open.delete(change)
      }
    }
    this.#isClosed = true
  }

  #watch(make: () => Promise<void>): Promise<void> {
    if (this.#isClosed) {
      const why = 'This batch is over: a change has to be recorded before its function ends'
      return Promise.reject(new FloeError('HANDLE_CLOSED', why))
    }
    const work = make()
    const change: Change = { work, isHandled: false }
    this.#open.add(change)
    work.then(
      () => this.#open.delete(change),
      () => change.isHandled && this.#open.delete(change),
    )
    return new Awaitable(work, () => {
      change.isHandled = true
    })
  }

  async #takes(table: string): Promise<boolean> {
    if (!this.#tables.has(table)) {
      await this.#tables.join(table)
      this.#joined.add(table)
    } else if (this.#group === undefined || this.#group.tables.size === 0) this.#joined.add(table)
    return this.writes(table)
  }
}
