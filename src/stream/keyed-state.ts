/**
 * State by key that lives in a table and is held in memory: what a fold needs of the row before. It follows the commits
 * of the stream alone: values that a batch sets are kept when the batch is committed, and dropped otherwise.
 */
import { FloeError } from '../core/errors.ts'
import type { Row } from '../iceberg/columns/to-rows.ts'
import type { TableMetadata } from '../iceberg/spec/metadata.ts'
import { ancestorsOf } from '../iceberg/spec/refs.ts'
import type { Table } from '../iceberg/table/table.ts'
import type { StreamTransaction } from './stream-transaction.ts'

export interface KeyedStateOptions<V> {
  readonly table: string
  /** A column of strings or whole numbers that tells rows apart. */
  readonly key: string
  /** Columns to read; default all. */
  readonly select?: readonly string[] | undefined
  /** The state of a row. */
  readonly decode: (row: Row) => V
  /** Most keys to hold. Default 2,000,000. */
  readonly maxKeys?: number | undefined
}

export const DEFAULT_MAX_KEYS = 2_000_000

/** The state in one batch. */
export interface StateView<V> {
  /** What the batch has set last, whatever that is, else what the table has. */
  get(key: string): V | undefined
  set(key: string, value: V): void
  /** What was set, in the order in which keys were first set. */
  changed(): Iterable<readonly [key: string, value: V]>
}

/** What the values are true of. */
interface Loaded<V> {
  readonly values: Map<string, V>
  /** The table's snapshot with these values; undefined while there is none. */
  snapshotId: bigint | undefined
}

/**
 * Give each stream its own, and change values by setting new ones: what a dropped batch changed in place would stay.
 *
 * Other writers may change the table too: the values are read anew after each commit that is not the stream's own and
 * changes rows, and a batch that was folded before it is repeated.
 */
export class KeyedState<V> {
  readonly #options: KeyedStateOptions<V>
  #loaded: Promise<Loaded<V>> | undefined
  /** Several calls in a batch give one view. */
  readonly #views = new WeakMap<StreamTransaction, Promise<StateView<V>>>()

  constructor(options: KeyedStateOptions<V>) {
    this.#options = options
  }

  /**
   * The state before a batch. Reads the table the first time, and after commits of others.
   * @throws LIMIT_EXCEEDED for more than maxKeys keys, NULL_KEY for a row without one, NO_SUCH_TABLE, NO_SUCH_COLUMN and
   *   what scanning fails with
   */
  open(tx: StreamTransaction): Promise<StateView<V>> {
    let view = this.#views.get(tx)
    if (view === undefined) this.#views.set(tx, (view = this.#open(tx)))
    return view
  }

  async #open(tx: StreamTransaction): Promise<StateView<V>> {
    const { table: name } = this.#options
    const table = await tx.table(name)
    let state = await this.#loaded
    if (state === undefined || !hasSameRows(table.metadata, state.snapshotId)) {
      this.#loaded = this.#load(table)
      this.#loaded.catch(() => {
        this.#loaded = undefined
      })
      state = await this.#loaded
    }
    const { values, snapshotId } = state
    const changed = new Map<string, V>()
    let added = 0
    tx.onAttempt(name, (metadata) => {
      if (hasSameRows(metadata, snapshotId)) return
      throw new FloeError(
        'COMMIT_CONFLICT',
        `Another program has changed rows of ${name} since the state of this batch was read. Nothing was committed; the batch is repeated`,
        { context: { table: name }, retryable: true },
      )
    })
    tx.onCommit((snapshots) => {
      // Not known where the outcome had to be looked up: it is read again.
      if (snapshots === undefined) this.#loaded = undefined
      const own = snapshots?.get(name)
      // A table that the batch did not go to has the rows that it had.
      if (own === undefined) return
      for (const [key, value] of changed) values.set(key, value)
      state.snapshotId = own
    })
    return {
      // Also where null or undefined is what was set.
      get: (key) => (changed.has(key) ? changed.get(key) : values.get(key)),
      set: (key, value) => {
        if (!values.has(key) && !changed.has(key)) this.#checkKeys(values.size + ++added)
        changed.set(key, value)
      },
      changed: () => changed,
    }
  }

  async #load(table: Table): Promise<Loaded<V>> {
    const { key, select, decode } = this.#options
    const values = new Map<string, V>()
    // Rows have no value of a column that there is not, and all of them would be one.
    table.schema.requireByName(key)
    const columns = select === undefined ? undefined : [...new Set([key, ...select])]
    const scan = table.scan(columns === undefined ? {} : { select: columns })
    for await (const row of scan.rows()) {
      values.set(this.#keyOf(row), decode(row))
      this.#checkKeys(values.size)
    }
    return { values, snapshotId: table.metadata.currentSnapshotId }
  }

  #keyOf(row: Row): string {
    const { table, key } = this.#options
    // null, or undefined in what is no column by itself.
    if ((row[key] ?? null) !== null) return String(row[key])
    throw new FloeError(
      'NULL_KEY',
      `The state of ${table} has a row with null in its key column "${key}": its value would pass for that of the key "null". Give the row a key, or delete it`,
      { context: { table, column: key } },
    )
  }

  #checkKeys(count: number): void {
    const { table, maxKeys = DEFAULT_MAX_KEYS } = this.#options
    if (count <= maxKeys) return
    throw new FloeError(
      'LIMIT_EXCEEDED',
      `The state of ${table} has more than ${maxKeys} keys. Raise maxKeys of its KeyedState, if there is memory for them`,
      { context: { table, limit: 'maxKeys', max: maxKeys } },
    )
  }
}

/** True if the current snapshot has the rows that the given one has: only rewrites came in between. */
function hasSameRows(metadata: TableMetadata, snapshotId: bigint | undefined): boolean {
  for (const snapshot of ancestorsOf(metadata, metadata.currentSnapshotId)) {
    if (snapshot.snapshotId === snapshotId) return true
    if (snapshot.summary['operation'] !== 'replace') return false
  }
  return metadata.currentSnapshotId === snapshotId
}
