/**
 * State by key that lives in a table and is held in memory: what a fold needs of the row before. It follows the commits
 * of the stream alone: values that a batch sets are kept when the batch is committed, and dropped otherwise.
 */
import { FloeError } from '../core/errors.ts'
import type { Row } from '../iceberg/columns/to-rows.ts'
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

/** The state in one batch. */
export interface StateView<V> {
  get(key: string): V | undefined
  set(key: string, value: V): void
  /** What was set, in the order in which keys were first set. */
  changed(): Iterable<readonly [key: string, value: V]>
}

/** Give each stream its own, and change values by setting new ones: what a dropped batch changed in place would stay. */
export class KeyedState<V> {
  readonly #options: KeyedStateOptions<V>
  #values: Map<string, V> | undefined

  constructor(options: KeyedStateOptions<V>) {
    this.#options = options
  }

  /**
   * The state before a batch. Reads the table the first time.
   * @throws LIMIT_EXCEEDED for more than maxKeys keys, NO_SUCH_TABLE, NO_SUCH_COLUMN and what scanning fails with
   */
  async open(tx: StreamTransaction): Promise<StateView<V>> {
    this.#values ??= await this.#load(tx)
    const values = this.#values
    const changed = new Map<string, V>()
    tx.onCommit(() => {
      if (!tx.writes(this.#options.table)) return
      for (const [key, value] of changed) values.set(key, value)
    })
    return {
      get: (key) => changed.get(key) ?? values.get(key),
      set: (key, value) => {
        if (!values.has(key)) this.#checkKeys(values.size + changed.size + 1)
        changed.set(key, value)
      },
      changed: () => changed,
    }
  }

  async #load(tx: StreamTransaction): Promise<Map<string, V>> {
    const { table, key, select, decode } = this.#options
    const values = new Map<string, V>()
    const columns = select === undefined ? undefined : [...new Set([key, ...select])]
    const scan = (await tx.table(table)).scan(columns === undefined ? {} : { select: columns })
    for await (const row of scan.rows()) {
      values.set(String(row[key]), decode(row))
      this.#checkKeys(values.size)
    }
    return values
  }

  #checkKeys(count: number): void {
    const { table, maxKeys = 2_000_000 } = this.#options
    if (count <= maxKeys) return
    throw new FloeError(
      'LIMIT_EXCEEDED',
      `The state of ${table} has more than ${maxKeys} keys. Raise maxKeys of its KeyedState, if there is memory for them`,
      { context: { table, limit: 'maxKeys', max: maxKeys } },
    )
  }
}
