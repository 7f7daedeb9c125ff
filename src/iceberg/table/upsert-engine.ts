/**
 * Upserts as the table offers them. Their engine, with the index of keys, is a layer above (`src/merge`) and is handed
 * in when a lake is opened.
 */
import { asObject, asSafeLong, parseJson, stringifyJson } from '../../core/json.ts'
import type { Expression } from '../spec/expressions/expression.ts'
import type { Where } from '../spec/expressions/where.ts'
import type { RowChangeMode } from '../spec/properties.ts'
import { COMMIT_ID_KEY } from './commit.ts'
import type { RowChangePlanner } from './operations/row-change.ts'
import type { TableState } from './table-state.ts'
import type { AppendInput } from './write/input.ts'

/** Decides about an incoming row as the caller gave it. */
export type RowPredicate = (row: Readonly<Record<string, unknown>>) => boolean

/** merge.md §Public API. */
export interface UpsertOptions {
  /** Key columns; nested ones as `a.b`. Default: the identifier fields of the table's schema. */
  readonly key?: readonly string[] | undefined
  /**
   * Columns that say which of two rows of a key is the newer one, the first deciding. Without them rows are in the
   * order in which they are given (MG-15, MG-16).
   */
  readonly sequenceBy?: readonly string[] | undefined
  /** Who wins at equal sequence: the incoming row (default), or the one in the table (MG-16). */
  readonly ties?: 'incoming' | 'existing' | undefined
  /** Incoming rows for which it is true delete their key: a predicate over columns, or a function of row objects. */
  readonly deleteWhen?: Expression | Where | RowPredicate | undefined
  /** Columns of the input that the table does not have and that are passed over, such as the `op` of a change. */
  readonly ignoreColumns?: readonly string[] | undefined
  /**
   * What to do with several rows of one key: `latest` or `first` by sequence and then by order, or `error`. Default
   * `latest` with `sequenceBy`, else `error` (MG-15).
   */
  readonly onDuplicate?: 'latest' | 'first' | 'error' | undefined
  /** Keys that have several rows in the table: refuse (default), keep one, or change all of them (MG-24). */
  readonly onTargetDuplicates?: 'error' | 'repair' | 'updateAll' | undefined
  /** Rows with null in a key column: refuse (default), pass over, or let null equal null (MG-2). */
  readonly onNullKey?: 'error' | 'drop' | 'nullSafe' | undefined
  /** Leave rows alone that are in the table as they are given. Default true (MG-20). */
  readonly skipUnchanged?: boolean | undefined
  /** Compare the values of rows whose hashes are equal, too. Default false. */
  readonly verifyUnchanged?: boolean | undefined
  /** Nulls keep what the table has: in all columns, or in these (MG-22). */
  readonly ignoreNullUpdates?: boolean | readonly string[] | undefined
  /** Columns that rows change, beside those of `sequenceBy`; all others keep what the table has. Default: all columns. */
  readonly update?: readonly string[] | undefined
  /** Columns whose incoming value is added to the stored one. */
  readonly increment?: readonly string[] | undefined
  /** Write changed files anew, or deletes beside them. Default: property `write.merge.mode`, else what is cheaper. */
  readonly mode?: RowChangeMode | 'auto' | undefined
  /** Properties for the snapshot's summary. With them a snapshot is made even if nothing changes (MG-21). */
  readonly snapshotProperties?: Readonly<Record<string, string>> | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: UpsertProgress) => void) | undefined
}

export interface UpsertProgress {
  /** Reading keys of the table into the index, or rows to upsert. */
  readonly phase: 'index' | 'rows'
  readonly rows: number
  /** Undefined where it is not known. */
  readonly totalRows: number | undefined
}

/** Rows by what became of them. */
export interface UpsertCounts {
  /** Incoming rows. */
  readonly source: number
  /** Keys that the table had. */
  readonly matched: number
  readonly updated: number
  readonly inserted: number
  readonly deleted: number
  /** Matched rows that are in the table as they were given. */
  readonly unchanged: number
  /** Incoming rows that lost against another row of their key, incoming or stored. */
  readonly staleDropped: number
  /** Incoming rows with a null key that were passed over. */
  readonly nullKeysDropped: number
  /** Rows that were written again only because their file was written anew. */
  readonly copied: number
}

export interface UpsertFiles {
  readonly dataAdded: number
  readonly dataRemoved: number
  /** Data files that got deletes beside them. */
  readonly dataWithDeletes: number
}

/** What a plan comes to. */
export interface UpsertOutcome {
  readonly rows: UpsertCounts
  readonly files: UpsertFiles
  /** `copy-on-write` if any file was written anew. */
  readonly mode: RowChangeMode
}

export interface UpsertPlanner extends RowChangePlanner {
  readonly outcome: UpsertOutcome
}

export interface UpsertEngine {
  /** Reads the input and checks it. @throws see `Table.upsert` */
  planner(
    state: TableState,
    input: AppendInput,
    options: UpsertOptions & {
      /** Record what the upsert does in its snapshot, for a repetition by commit id. */
      readonly recordsOutcome: boolean
    },
  ): Promise<UpsertPlanner>
  /** Frees the indexes. */
  close(): void
}

/** Key in snapshot summaries that carries what an upsert did, so that it can be told again (MG-35). */
export const UPSERT_RESULT_KEY = 'floe.upsert-result'

export function encodeOutcome(outcome: UpsertOutcome): string {
  return stringifyJson({
    mode: outcome.mode,
    rows: { ...outcome.rows },
    files: { ...outcome.files },
  })
}

/** What the snapshot of a commit says that its upsert did; undefined if it says nothing. */
export function recordedOutcome(state: TableState, commitId: string): UpsertOutcome | undefined {
  const snapshot = state.metadata.snapshots.findLast((s) => s.summary[COMMIT_ID_KEY] === commitId)
  const text = snapshot?.summary[UPSERT_RESULT_KEY]
  if (text === undefined) return undefined
  const recorded = asObject(parseJson(text, UPSERT_RESULT_KEY), UPSERT_RESULT_KEY)
  const count = (part: string, name: string): number =>
    asSafeLong(asObject(recorded[part], part)[name] ?? 0, name)
  return {
    mode: recorded['mode'] === 'copy-on-write' ? 'copy-on-write' : 'merge-on-read',
    rows: {
      source: count('rows', 'source'),
      matched: count('rows', 'matched'),
      updated: count('rows', 'updated'),
      inserted: count('rows', 'inserted'),
      deleted: count('rows', 'deleted'),
      unchanged: count('rows', 'unchanged'),
      staleDropped: count('rows', 'staleDropped'),
      nullKeysDropped: count('rows', 'nullKeysDropped'),
      copied: count('rows', 'copied'),
    },
    files: {
      dataAdded: count('files', 'dataAdded'),
      dataRemoved: count('files', 'dataRemoved'),
      dataWithDeletes: count('files', 'dataWithDeletes'),
    },
  }
}
