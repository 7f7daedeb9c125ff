/**
 * Plans an upsert on a state of the table: brings the index there, looks the keys up, decides about each row, writes
 * what has to be written, and stages what the index will be. merge.md MG-15 to MG-37, algorithms.md §3.
 */
import { PositionBitmap } from '../../iceberg/puffin/position-bitmap.ts'
import { rowChangeMode } from '../../iceberg/spec/properties.ts'
import { deleteQuietly } from '../../iceberg/table/commit.ts'
import type { FileDeletes } from '../../iceberg/table/deletes/delete-index.ts'
import type { Environment } from '../../iceberg/table/environment.ts'
import { deletesKey, type LiveFile, type LiveFiles } from '../../iceberg/table/live-files.ts'
import { filesToRewrite } from '../../iceberg/table/operations/rewrite-choice.ts'
import { NO_CHANGE, type RowChange } from '../../iceberg/table/operations/row-change.ts'
import type { TableState } from '../../iceberg/table/table-state.ts'
import {
  encodeOutcome,
  UPSERT_RESULT_KEY,
  type UpsertOutcome,
  type UpsertPlanner,
  type UpsertProgress,
} from '../../iceberg/table/upsert-engine.ts'
import type { IndexStage } from '../index/index-stage.ts'
import type { PrimaryKeyIndex } from '../index/primary-key-index.ts'
import { rowHashes } from '../row-hash.ts'
import { comparedIds, type Decision, decideWhole } from './decision.ts'
import { decideFolded } from './fold-rows.ts'
import { stageIndex } from './stage-index.ts'
import { readStoredRows, type StoredRows } from './stored-rows.ts'
import { findTargets, type Targets } from './targets.ts'
import type { UpsertRows } from './upsert-input.ts'
import type { UpsertSettings } from './upsert-settings.ts'
import { schemaChanged, type WrittenRows, writeRows } from './write-rows.ts'

export interface UpsertPlannerParts {
  readonly env: Environment
  readonly index: PrimaryKeyIndex
  readonly settings: UpsertSettings
  readonly rows: UpsertRows
  /** Record what the upsert did in the snapshot, so that a repetition can tell. */
  readonly recordsOutcome: boolean
  readonly onProgress: ((progress: UpsertProgress) => void) | undefined
}

type PlanOptions = { readonly signal: AbortSignal | undefined }

export class KeyedUpsertPlanner implements UpsertPlanner {
  /** Keys may be in any file, so every commit in between matters (MG-33). */
  readonly followsEveryCommit = true
  readonly #parts: UpsertPlannerParts
  #outcome: UpsertOutcome
  #stage: IndexStage | undefined
  #plannedOn: bigint | null = null
  #hashes: Uint32Array | undefined
  /** What the last plan wrote, to be used again if the next plan would write the same. */
  #written:
    | (WrittenRows & {
        readonly decision: Decision
        readonly rowIds: BigInt64Array
        readonly state: TableState
      })
    | undefined

  constructor(parts: UpsertPlannerParts) {
    this.#parts = parts
    this.#outcome = this.#outcomeOf(undefined, undefined)
  }

  get outcome(): UpsertOutcome {
    return this.#outcome
  }

  /** @throws DUPLICATE_TARGET_KEY, NULL_IN_REQUIRED, VALUE_OUT_OF_RANGE, LIMIT_EXCEEDED, VALIDATION_CONFLICT, ABORTED */
  async plan(state: TableState, live: LiveFiles, options: PlanOptions): Promise<RowChange> {
    const { env, index, settings, rows } = this.#parts
    const { metadata } = state
    this.#stage = undefined
    if (metadata.currentSchemaId !== settings.schema.schemaId) throw schemaChanged(settings.table)
    const snapshotId = metadata.currentSnapshotId ?? null
    this.#plannedOn = snapshotId
    const onProgress = this.#parts.onProgress
    // Another upsert of this process may take the index elsewhere before this one goes on.
    do {
      await index.catchUp(state, live, {
        signal: options.signal,
        onProgress: onProgress && ((p) => onProgress({ phase: 'index', ...p })),
      })
    } while (index.snapshotId !== snapshotId)
    const targets = findTargets(index, live, rows, settings)
    const stage = index.duplicateKeys === 0 ? index.stage() : undefined
    const stored = await this.#stored(state, live, targets, options)
    const decision = this.#decide(targets, stored)
    if (decision.removed.length === 0 && decision.batch.numRows === 0) {
      this.#outcome = this.#outcomeOf(targets, decision)
      // What was written before is given up, and deleted.
      this.#written = undefined
      return this.#recorded(NO_CHANGE)
    }
    const touched = await touchedFiles(live, targets, decision.removed, options)
    const mode = settings.mode ?? rowChangeMode(metadata.properties, 'merge')
    const rewritten = filesToRewrite(
      touched.map((t) => ({ ...t, file: t.file.entry.file })),
      live,
      mode,
    )
    const rowIds = keptRowIds(targets, decision)
    const copied = touched.filter((t) => rewritten.has(pathOf(t.file)))
    const written = await this.#write(state, live, { decision, rowIds, copied }, options)
    const change = rowChange(touched, rewritten, written)
    try {
      this.#stage = stageIndex(stage, {
        change,
        decision,
        targets,
        written,
        rows,
        rowIds,
        hashes: this.#writtenHashes(decision),
      })
    } catch (error) {
      this.#written = undefined
      await deleteQuietly(
        env,
        written.files.map((w) => w.file.filePath),
      )
      throw error
    }
    this.#outcome = {
      ...this.#outcomeOf(targets, decision, written.copiedRows),
      files: {
        dataAdded: change.added.length,
        dataRemoved: change.removed.size,
        dataWithDeletes: change.positions.size,
      },
      mode: rewritten.size > 0 ? 'copy-on-write' : 'merge-on-read',
    }
    return this.#recorded(change)
  }

  committed(snapshotId: bigint): void {
    this.#stage?.apply(snapshotId, this.#plannedOn)
    this.#stage = undefined
  }

  #outcomeOf(
    targets: Targets | undefined,
    decision: Decision | undefined,
    copied = 0,
  ): UpsertOutcome {
    const { rows, settings } = this.#parts
    // Where rows of a key count one after the other, none of them loses against another.
    const isFolded = settings.rules !== undefined && settings.onDuplicate === 'latest'
    return {
      rows: {
        source: rows.batch.numRows,
        matched: targets?.matchedKeys ?? 0,
        updated: decision?.updated ?? 0,
        inserted: decision?.inserted ?? 0,
        deleted: decision?.deleted ?? 0,
        unchanged: decision?.unchanged ?? 0,
        staleDropped: (isFolded ? 0 : rows.losers) + (decision?.stale ?? 0),
        nullKeysDropped: rows.nullKeysDropped,
        copied,
      },
      files: { dataAdded: 0, dataRemoved: 0, dataWithDeletes: 0 },
      mode: 'merge-on-read',
    }
  }

  #recorded(change: RowChange): RowChange {
    if (!this.#parts.recordsOutcome) return change
    return { ...change, properties: { [UPSERT_RESULT_KEY]: encodeOutcome(this.#outcome) } }
  }

  #decide(targets: Targets, stored: StoredRows | undefined): Decision {
    const { settings, rows, env } = this.#parts
    const input = {
      settings,
      rows,
      targets,
      stored,
      storedSequences: stored === undefined ? undefined : settings.sequence?.of(stored.batch),
      hashes: this.#inputHashes(),
    }
    if (settings.rules === undefined || stored === undefined) return decideWhole(input)
    return decideFolded({ ...input, stored }, env.limits)
  }

  /** Stored values of the targets, where something asks for them. */
  async #stored(
    { metadata }: TableState,
    live: LiveFiles,
    targets: Targets,
    { signal }: PlanOptions,
  ): Promise<StoredRows | undefined> {
    const { env, settings } = this.#parts
    const needsAll =
      settings.rules !== undefined || (settings.skipUnchanged && settings.verifyUnchanged)
    const ids = new Set(settings.sequenceFields.map((field) => field.idPath[0]))
    const columns = settings.schema.fields.filter(
      (field) => field.type.kind !== 'unknown' && (needsAll || ids.has(field.id)),
    )
    if (columns.length === 0 || (targets.count === 0 && settings.rules === undefined))
      return undefined
    return readStoredRows(env, metadata, live, targets, { columns, signal })
  }

  /** Hashes of the incoming rows, where the index has some to compare with. */
  #inputHashes(): Uint32Array | undefined {
    const { index, rows, settings } = this.#parts
    if (index.table.sideColumns === 0 || settings.rules !== undefined) return undefined
    this.#hashes ??= rowHashes(rows.batch, comparedIds(settings), index.seed)
    return this.#hashes
  }

  /** For each row to write its hash, where the index keeps them. */
  #writtenHashes({ batch, inputRows }: Decision): Uint32Array | undefined {
    const { index, settings } = this.#parts
    if (index.table.sideColumns === 0) return undefined
    const hashes = this.#hashes
    if (hashes === undefined) return rowHashes(batch, comparedIds(settings), index.seed)
    const own = new Uint32Array(inputRows.length * 2)
    for (let i = 0; i < inputRows.length; i++) {
      own[2 * i] = hashes[2 * (inputRows[i] as number)] as number
      own[2 * i + 1] = hashes[2 * (inputRows[i] as number) + 1] as number
    }
    return own
  }

  async #write(
    state: TableState,
    live: LiveFiles,
    {
      decision,
      rowIds,
      copied,
    }: {
      readonly decision: Decision
      readonly rowIds: BigInt64Array
      readonly copied: readonly TouchedFile[]
    },
    { signal }: PlanOptions,
  ): Promise<WrittenRows> {
    const { env, settings, rows } = this.#parts
    const last = this.#written
    this.#written = undefined
    if (decision.batch.numRows === 0 && copied.length === 0) return NOTHING_WRITTEN
    if (
      last !== undefined &&
      copied.length === 0 &&
      last.copied.length === 0 &&
      settings.rules === undefined
    ) {
      // The same rows with the same ids: another commit moved what they replace, no more.
      const same =
        writesAlike(last.state, state) &&
        equal(last.decision.inputRows, decision.inputRows) &&
        equal(last.rowIds, rowIds)
      if (same) {
        this.#written = last
        return last
      }
    }
    const written = await writeRows(
      env,
      state,
      live,
      {
        batch: decision.batch,
        rowIds,
        inputRows: decision.inputRows,
        copied: copied.map(({ file, positions }) => ({ file, without: positions })),
      },
      { table: settings.table, codec: rows.keys.codec, signal },
    )
    this.#written = { ...written, decision, rowIds, state }
    return this.#written
  }
}

const NOTHING_WRITTEN: WrittenRows = { files: [], copied: [], copiedRows: 0 }

/** Rows of a data file that the upsert takes away. */
interface TouchedFile {
  readonly file: LiveFile
  readonly deletes: FileDeletes | undefined
  readonly positions: PositionBitmap
  readonly changedRows: number
  readonly liveRows: number
}

async function touchedFiles(
  live: LiveFiles,
  targets: Targets,
  removed: Int32Array,
  { signal }: PlanOptions,
): Promise<readonly TouchedFile[]> {
  const byFile = new Map<number, number[]>()
  for (const target of removed) {
    const number = targets.fileOf[target] as number
    const list = byFile.get(number)
    if (list === undefined) byFile.set(number, [targets.positions[target] as number])
    else list.push(targets.positions[target] as number)
  }
  const touched: TouchedFile[] = []
  for (const [number, list] of byFile) {
    const file = targets.files[number] as LiveFile
    const deletes = live.deletesOf(file)
    const deleted =
      deletes === undefined ? PositionBitmap.EMPTY : await live.positionsOf(file, deletes, signal)
    touched.push({
      file,
      deletes,
      positions: PositionBitmap.of(list),
      changedRows: list.length,
      liveRows: file.entry.file.recordCount - deleted.cardinality,
    })
  }
  return touched
}

function rowChange(
  touched: readonly TouchedFile[],
  rewritten: ReadonlySet<string>,
  written: WrittenRows,
): RowChange {
  const positions = new Map<string, PositionBitmap>()
  const removed = new Map<string, 'rows' | 'rewritten'>()
  const seen = new Map<string, string>()
  for (const { file, deletes, changedRows, liveRows, positions: own } of touched) {
    const path = pathOf(file)
    seen.set(path, deletesKey(deletes))
    if (changedRows >= liveRows) removed.set(path, 'rows')
    else if (rewritten.has(path)) removed.set(path, 'rewritten')
    else positions.set(path, own)
  }
  return { added: written.files.map((w) => w.file), positions, removed, seen }
}

/** Row ids of the rows to write: those of the rows that they replace (MG-29). */
function keptRowIds(targets: Targets, { replaces }: Decision): BigInt64Array {
  const rowIds = new BigInt64Array(replaces.length)
  for (let i = 0; i < replaces.length; i++) {
    const target = replaces[i] as number
    rowIds[i] = target < 0 ? -1n : (targets.rowIds[target] as bigint)
  }
  return rowIds
}

function pathOf(file: LiveFile): string {
  return file.entry.file.filePath
}

function writesAlike({ metadata: a }: TableState, { metadata: b }: TableState): boolean {
  return a.defaultSpecId === b.defaultSpecId && a.formatVersion === b.formatVersion
}

function equal(a: Int32Array | BigInt64Array, b: Int32Array | BigInt64Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
