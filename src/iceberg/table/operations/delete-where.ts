/**
 * Deleting rows by a predicate. Files whose rows match as a whole, by partition or bounds, are removed without being
 * read; of the others the matching rows are found by a scan, and deleted beside their files or by writing the files
 * anew. iceberg-writer.md items 80, 95, 109, 120.
 */
import type { Data } from 'apache-arrow'
import { parallelMap } from '../../../core/concurrency.ts'
import { throwIfAborted } from '../../../core/errors.ts'
import { asObject, asSafeLong, parseJson, stringifyJson } from '../../../core/json.ts'
import type { ContentFile } from '../../manifest/entry.ts'
import { PositionBitmap } from '../../puffin/position-bitmap.ts'
import { bindExpression } from '../../spec/expressions/bind.ts'
import type { BoundExpression, Expression } from '../../spec/expressions/expression.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import { isolationLevel, type RowChangeMode, rowChangeMode } from '../../spec/properties.ts'
import { COMMIT_ID_KEY } from '../commit.ts'
import { POS_COLUMN } from '../deletes/reserved-fields.ts'
import type { Environment } from '../environment.ts'
import { deletesKey, type LiveFile, type LiveFiles } from '../live-files.ts'
import { type FileScanTask, fileMightMatch, planScan } from '../scan/plan.ts'
import { readTasks } from '../scan/read.ts'
import { currentSchema, currentSnapshot, type TableState } from '../table-state.ts'
import { DataWriter } from '../write/data-writer.ts'
import { copiedRows } from './copy-rows.ts'
import { filesToRewrite } from './rewrite-choice.ts'
import { NO_CHANGE, type RowChange, type RowChangePlanner } from './row-change.ts'

/** What the plan that was made last deletes. */
export interface DeleteOutcome {
  readonly rowsDeleted: number
  /** Data files that lost all their rows. */
  readonly filesRemoved: number
  /** Data files that were written anew without the rows. */
  readonly filesRewritten: number
  /** Data files with deletes beside them. */
  readonly filesWithDeletes: number
  /** Data files that had to be read to find the rows. */
  readonly filesRead: number
}

const NOTHING: DeleteOutcome = {
  rowsDeleted: 0,
  filesRemoved: 0,
  filesRewritten: 0,
  filesWithDeletes: 0,
  filesRead: 0,
}

/** Key in snapshot summaries that carries what a deletion did, so that it can be told again (MG-35). */
export const DELETE_RESULT_KEY = 'floe.delete-result'

/** What the snapshot of a commit says that its deletion did; undefined if it says nothing. */
export function recordedDeletion(state: TableState, commitId: string): DeleteOutcome | undefined {
  const snapshot = state.metadata.snapshots.findLast((s) => s.summary[COMMIT_ID_KEY] === commitId)
  const text = snapshot?.summary[DELETE_RESULT_KEY]
  if (text === undefined) return undefined
  const recorded = asObject(parseJson(text, DELETE_RESULT_KEY), DELETE_RESULT_KEY)
  const count = (name: keyof DeleteOutcome): number => asSafeLong(recorded[name] ?? 0, name)
  return {
    rowsDeleted: count('rowsDeleted'),
    filesRemoved: count('filesRemoved'),
    filesRewritten: count('filesRewritten'),
    filesWithDeletes: count('filesWithDeletes'),
    filesRead: count('filesRead'),
  }
}

export class DeleteWherePlanner implements RowChangePlanner {
  readonly #env: Environment
  readonly #where: Expression
  readonly #mode: RowChangeMode | undefined
  readonly #recordsOutcome: boolean
  #outcome = NOTHING

  constructor(
    env: Environment,
    where: Expression,
    options: {
      readonly mode: RowChangeMode | undefined
      /** Record what is deleted in the snapshot, so that a repetition can tell. */
      readonly recordsOutcome: boolean
    },
  ) {
    this.#env = env
    this.#where = where
    this.#mode = options.mode
    this.#recordsOutcome = options.recordsOutcome
  }

  get outcome(): DeleteOutcome {
    return this.#outcome
  }

  /** @throws NO_SUCH_COLUMN, BAD_EXPRESSION, TYPE_MISMATCH and what reading and writing files fail with */
  async plan(
    state: TableState,
    live: LiveFiles,
    options: { readonly signal: AbortSignal | undefined },
  ): Promise<RowChange> {
    const { metadata } = state
    const { signal } = options
    this.#outcome = NOTHING
    const schema = currentSchema(metadata)
    const filter = this.#filter(metadata)
    const snapshot = currentSnapshot(metadata)
    const { tasks } = await planScan(this.#env, { metadata, snapshot, schema, filter, signal })
    const matches = await parallelMap(tasks, this.#env.pool.size + 1, (task) => {
      throwIfAborted(signal, 'Deleting rows')
      return this.#match(task, state, live, signal)
    })
    const touched = matches.filter((m) => m !== undefined)
    if (touched.length === 0) return NO_CHANGE
    return this.#change(state, live, touched, signal)
  }

  /** Files with rows that would match have to be looked at, unless snapshot isolation is enough. */
  conflictsWith(file: LiveFile, metadata: TableMetadata): boolean {
    if (isolationLevel(metadata.properties, 'delete') === 'snapshot') return false
    const schema = currentSchema(metadata)
    return fileMightMatch({ metadata, schema, filter: this.#filter(metadata) }, file)
  }

  #filter(metadata: TableMetadata): BoundExpression {
    return bindExpression(currentSchema(metadata), this.#where)
  }

  async #match(
    task: FileScanTask,
    state: TableState,
    live: LiveFiles,
    signal: AbortSignal | undefined,
  ): Promise<Match | undefined> {
    const file = live.data.get(task.file.filePath) as LiveFile
    const deleted = await live.deletedPositions(file, signal)
    // What equality deletes take away shows only when the rows are read.
    const isDecided = task.residual.kind === 'true' && (task.deletes?.equality.length ?? 0) === 0
    const liveRows = task.file.recordCount - deleted.cardinality
    if (isDecided)
      return { file, changedRows: liveRows, liveRows, positions: undefined, read: false }
    const positions = await this.#positions(task, state, signal)
    if (positions.isEmpty) return undefined
    return { file, changedRows: positions.cardinality, liveRows, positions, read: true }
  }

  async #positions(
    task: FileScanTask,
    { metadata }: TableState,
    signal: AbortSignal | undefined,
  ): Promise<PositionBitmap> {
    const batches = readTasks(this.#env, [task], {
      metadata,
      schema: currentSchema(metadata),
      columns: [POS_COLUMN],
      batchRows: undefined,
      signal,
    })
    const parts: Float64Array[] = []
    for await (const batch of batches) {
      const [column] = (batch.data as unknown as Data).children as [Data]
      parts.push(Float64Array.from(column.values as BigInt64Array, Number))
    }
    let all = PositionBitmap.EMPTY
    for (const part of parts) all = all.union(PositionBitmap.of(part))
    return all
  }

  async #change(
    state: TableState,
    live: LiveFiles,
    matches: readonly Match[],
    signal: AbortSignal | undefined,
  ): Promise<RowChange> {
    const { metadata } = state
    const mode = this.#mode ?? rowChangeMode(metadata.properties, 'delete')
    const rewritten = filesToRewrite(
      matches.map((m) => ({ ...m, file: m.file.entry.file })),
      live,
      mode,
    )
    const positions = new Map<string, PositionBitmap>()
    const removed = new Map<string, 'rows' | 'rewritten'>()
    const seen = new Map<string, string>()
    for (const match of matches) {
      const path = match.file.entry.file.filePath
      seen.set(path, deletesKey(live.deletesOf(match.file)))
      if (match.changedRows >= match.liveRows) removed.set(path, 'rows')
      else if (rewritten.has(path)) removed.set(path, 'rewritten')
      else positions.set(path, match.positions as PositionBitmap)
    }
    const files = matches.filter((m) => rewritten.has(m.file.entry.file.filePath))
    const added = files.length === 0 ? [] : await this.#rewrite(state, live, files, signal)
    this.#outcome = {
      rowsDeleted: matches.reduce((sum, m) => sum + m.changedRows, 0),
      filesRemoved: removed.size - rewritten.size,
      filesRewritten: rewritten.size,
      filesWithDeletes: positions.size,
      filesRead: matches.filter((m) => m.read).length,
    }
    const properties = this.#recordsOutcome
      ? { [DELETE_RESULT_KEY]: stringifyJson({ ...this.#outcome }) }
      : undefined
    return { added, positions, removed, seen, properties }
  }

  async #rewrite(
    { metadata }: TableState,
    live: LiveFiles,
    matches: readonly Match[],
    signal: AbortSignal | undefined,
  ): Promise<readonly ContentFile[]> {
    const lineage = metadata.formatVersion === 3
    const writer = new DataWriter(this.#env, metadata, { signal, lineage })
    try {
      const rows = matches.map(({ file, positions }) => ({ file, without: positions }))
      const options = { schema: writer.schema, signal }
      for await (const batch of copiedRows(this.#env, metadata, live, rows, options)) {
        await writer.write(batch)
      }
      return (await writer.close()).map((written) => written.file)
    } catch (error) {
      await writer.abort()
      throw error
    }
  }
}

/** Rows of one file that match. */
interface Match {
  readonly file: LiveFile
  readonly changedRows: number
  readonly liveRows: number
  /** Undefined for all rows of the file. */
  readonly positions: PositionBitmap | undefined
  /** True if the file had to be read. */
  readonly read: boolean
}
