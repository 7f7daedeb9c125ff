/** One row for each key of a batch: which of several rows wins (merge.md MG-15, MG-16). */
import { assert } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import { getBit } from '../iceberg/columns/bitmap.ts'
import type { EncodedKeys } from './index/key-codec.ts'
import { KeyTable } from './index/key-table.ts'
import type { RowOrder, Sequences } from './sequence.ts'

export interface DedupeOptions {
  /** `latest`: the greatest sequence wins, then the later row. `first`: the smallest, then the earlier row. */
  readonly keep: 'latest' | 'first'
  /** Without it, rows are in sequence as they stand in the batch. */
  readonly sequence?: Sequences
  /** 1 for rows that delete their key. At equal sequence they win over rows that do not (MG-16). */
  readonly isDelete?: Uint8Array
  readonly limits: Limits
  /** Names the table in errors. */
  readonly name: string
}

/** Every row of the batch is in one of the four groups. Rows are numbers within the batch, ascending. */
export interface Deduped {
  /** One row for each key. */
  readonly winners: Int32Array
  /** How many rows lost against another of their key. */
  readonly dropped: number
  /** Rows with a null key: they are no one's duplicate. */
  readonly nullKeys: Int32Array
  /** Rows with a key but without a sequence: nobody can say whether they would win (MG-17). */
  readonly nullSequences: Int32Array
  /** Some rows whose keys earlier rows have, with the first of these: for messages. */
  readonly samples: readonly { readonly row: number; readonly first: number }[]
}

/**
 * Finds the winning rows. `onDuplicate: 'error'` is `dropped > 0`, with the rows to name in `samples`.
 * @throws LIMIT_EXCEEDED if the batch has more keys than `indexMemoryBytes` can hold.
 */
export function dedupe(keys: EncodedKeys, options: DedupeOptions): Deduped {
  const { sequence, isDelete } = options
  const { rows } = keys
  assert(sequence === undefined || sequence.rows === rows, 'each row has a sequence')
  const state = new Uint8Array(rows)
  if (keys.nulls !== undefined) {
    for (let row = 0; row < rows; row++) if (getBit(keys.nulls, row)) state[row] = NULL_KEY
  }
  for (const row of sequence?.nullRows() ?? []) if (state[row] === WINS) state[row] = NULL_SEQUENCE
  const candidates = rowsIn(state, WINS)
  const table = new KeyTable({
    codec: keys.codec,
    limits: options.limits,
    name: `a batch for ${options.name}`,
    expectedKeys: candidates.length,
  })
  const positions = Uint32Array.from(candidates)
  const duplicates = table.insert(keys, { fileId: 0, positions }, { rows: candidates })
  // For the first row of each key, the row that holds the key so far, plus one; 0 is the first row itself.
  const holders = new Int32Array(duplicates.rows.length === 0 ? 0 : rows)
  const wins = contest(options.keep, sequence?.against(sequence), isDelete)
  for (let i = 0; i < duplicates.rows.length; i++) {
    const row = duplicates.rows[i] as number
    const first = duplicates.positions[i] as number
    const holder = holders[first] === 0 ? first : (holders[first] as number) - 1
    if (wins(row, holder)) {
      holders[first] = row + 1
      state[holder] = LOST
    } else state[row] = LOST
  }
  return {
    winners: rowsIn(state, WINS),
    dropped: duplicates.rows.length,
    nullKeys: rowsIn(state, NULL_KEY),
    nullSequences: rowsIn(state, NULL_SEQUENCE),
    samples: Array.from(duplicates.rows.subarray(0, SAMPLES), (row, i) => ({
      row,
      first: duplicates.positions[i] as number,
    })),
  }
}

const WINS = 0
const LOST = 1
const NULL_KEY = 2
const NULL_SEQUENCE = 3
/** Duplicates that a message may name (MG-13). */
const SAMPLES = 10

/** Whether a later row wins over the one that holds the key so far. */
function contest(
  keep: 'latest' | 'first',
  order: RowOrder | undefined,
  isDelete: Uint8Array | undefined,
): (row: number, holder: number) => boolean {
  const latest = keep === 'latest'
  if (order === undefined) return () => latest
  return (row, holder) => {
    const result = order(row, holder)
    if (result !== 0) return latest === result > 0
    const difference =
      isDelete === undefined ? 0 : (isDelete[row] as number) - (isDelete[holder] as number)
    return difference === 0 ? latest : difference > 0
  }
}

function rowsIn(state: Uint8Array, group: number): Int32Array {
  let count = 0
  for (let row = 0; row < state.length; row++) if (state[row] === group) count++
  const rows = new Int32Array(count)
  for (let row = 0, to = 0; to < count; row++) if (state[row] === group) rows[to++] = row
  return rows
}
