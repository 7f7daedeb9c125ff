/**
 * A table whose data files, deletes and history are made piece by piece, with a model of what each snapshot has: what
 * the key index of the table is held against.
 */
import { DEFAULT_LIMITS, type Limits } from '../../../src/core/limits.ts'
import type { TableIdentifier } from '../../../src/iceberg/catalog/catalog.ts'
import { VersionedObjectCatalog } from '../../../src/iceberg/catalog/versioned-object.ts'
import { loadArrow } from '../../../src/iceberg/columns/arrow.ts'
import { resolveMetricsModes } from '../../../src/iceberg/columns/metrics-mode.ts'
import { RowBatchBuilder } from '../../../src/iceberg/columns/row-builder.ts'
import type { ContentFile } from '../../../src/iceberg/manifest/entry.ts'
import { openParquetWriter } from '../../../src/iceberg/parquet/writer.ts'
import { PositionBitmap } from '../../../src/iceberg/puffin/position-bitmap.ts'
import { newTableUpdates } from '../../../src/iceberg/spec/new-table.ts'
import { Schema } from '../../../src/iceberg/spec/schema.ts'
import type { NestedField } from '../../../src/iceberg/spec/types.ts'
import type { MetadataUpdate } from '../../../src/iceberg/spec/updates.ts'
import { commitChanges } from '../../../src/iceberg/table/commit.ts'
import { ROW_ID_COLUMN } from '../../../src/iceberg/table/deletes/reserved-fields.ts'
import { type Environment, newCaches } from '../../../src/iceberg/table/environment.ts'
import { deletesKey, LiveFiles } from '../../../src/iceberg/table/live-files.ts'
import { RowDeltaOperation } from '../../../src/iceberg/table/operations/row-delta.ts'
import { defaultSortOrder, type TableState } from '../../../src/iceberg/table/table-state.ts'
import { MemoryStore } from '../../../src/io/memory.ts'
import type { ObjectStore } from '../../../src/io/store.ts'
import { inProcessPool } from '../../faults/in-process-pool.ts'
import { fakeRuntime } from '../../support/fake-runtime.ts'

export const COLUMNS: readonly NestedField[] = [
  { id: 1, name: 'k', required: false, type: { kind: 'long' } },
  { id: 2, name: 'v', required: false, type: { kind: 'string' } },
]

export interface WorldRow {
  readonly k: bigint | null
  readonly v: string
  /** The row id that the file stores. */
  readonly id?: bigint | undefined
}

export interface ModelFile {
  readonly rows: readonly WorldRow[]
  readonly deleted: ReadonlySet<number>
}

/** Live files by path. */
export type Model = ReadonlyMap<string, ModelFile>

/** What a commit does: rows to delete by path, files to remove, files to add. */
export interface Delta {
  readonly added?: readonly ContentFile[]
  readonly deleted?: ReadonlyMap<string, readonly number[]>
  readonly removed?: readonly string[]
}

const IDENTIFIER: TableIdentifier = { namespace: ['x'], name: 't' }

export class World {
  readonly env: Environment
  readonly #catalog: VersionedObjectCatalog
  state: TableState
  /** Rows of all files that were ever written. */
  readonly #rows = new Map<string, readonly WorldRow[]>()
  readonly #models = new Map<bigint | null, Model>([[null, new Map()]])
  #files = 0

  private constructor(env: Environment, catalog: VersionedObjectCatalog, state: TableState) {
    this.env = env
    this.#catalog = catalog
    this.state = state
  }

  static async create(options: {
    readonly formatVersion: 2 | 3
    readonly seed?: number
    readonly limits?: Partial<Limits>
    readonly wrap?: (store: ObjectStore) => ObjectStore
  }): Promise<World> {
    await loadArrow()
    const runtime = fakeRuntime({ seed: options.seed ?? 1 })
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const memory = new MemoryStore(runtime)
    const env: Environment = {
      store: options.wrap?.(memory) ?? memory,
      runtime,
      limits,
      pool: inProcessPool({ limits, runtime }),
      ...newCaches(),
      canonicalPath: (path) => path,
      checkPath: () => undefined,
    }
    const location = 'memory://lake'
    const catalog = await VersionedObjectCatalog.open({
      store: env.store,
      location,
      runtime,
      limits,
      readOnly: false,
    })
    const updates = newTableUpdates({
      uuid: '00000000-0000-4000-8000-000000000001',
      formatVersion: options.formatVersion,
      location: `${location}/x/t`,
      schema: new Schema({ schemaId: 0, fields: [...COLUMNS] }),
    })
    const change = { identifier: IDENTIFIER, staged: null, plan: async () => ({ updates }) }
    const { states } = await commitChanges(env, catalog, [change])
    return new World(env, catalog, states[0] as TableState)
  }

  get snapshotId(): bigint | null {
    return this.state.metadata.currentSnapshotId ?? null
  }

  /** What the current snapshot has. */
  get model(): Model {
    return this.#models.get(this.snapshotId) as Model
  }

  /** Snapshots that the table can be set back to. */
  get snapshots(): readonly bigint[] {
    return this.state.metadata.snapshots.map((s) => s.snapshotId)
  }

  /** Rows that are not deleted, with their places. */
  *liveRows(): Generator<WorldRow & { readonly path: string; readonly position: number }> {
    for (const [path, { rows, deleted }] of this.model) {
      for (const [position, row] of rows.entries()) {
        if (!deleted.has(position)) yield { ...row, path, position }
      }
    }
  }

  live(): Promise<LiveFiles> {
    const { metadata } = this.state
    const snapshot = metadata.snapshots.find((s) => s.snapshotId === metadata.currentSnapshotId)
    return LiveFiles.load(this.env, metadata, snapshot, undefined)
  }

  /** Writes a data file, with a column of row ids if some row has one, in row groups of so many rows. */
  async write(rows: readonly WorldRow[], groupRows = 7): Promise<ContentFile> {
    const { metadata } = this.state
    const stored = rows.some((row) => row.id !== undefined)
    const fields = stored ? [...COLUMNS, ROW_ID_COLUMN] : [...COLUMNS]
    const schema = new Schema({ schemaId: 0, fields })
    const path = `${metadata.location}/data/f${this.#files++}.parquet`
    const writer = await openParquetWriter({
      writer: await this.env.store.openWriter(path),
      schema,
      pool: this.env.pool,
      modes: resolveMetricsModes(schema, {}, defaultSortOrder(metadata)),
      properties: { 'write.parquet.compression-codec': 'uncompressed' },
    })
    for (let from = 0; from < rows.length; from += groupRows) {
      const builder = new RowBatchBuilder(schema, { limits: this.env.limits })
      for (const { k, v, id } of rows.slice(from, from + groupRows)) {
        builder.append(stored ? { k, v, _row_id: id ?? null } : { k, v })
      }
      await writer.write(builder.finish())
      await writer.flush()
    }
    const result = await writer.close()
    this.#rows.set(path, rows)
    return {
      content: 'data',
      filePath: path,
      fileFormat: 'PARQUET',
      specId: 0,
      partition: [],
      recordCount: result.recordCount,
      fileSizeBytes: result.sizeBytes,
      columnSizes: result.columnSizes,
      ...result.metrics,
      splitOffsets: result.splitOffsets,
    }
  }

  /** Commits a delta to the current state. */
  async commit(delta: Delta): Promise<bigint> {
    const { added = [], deleted = new Map<string, readonly number[]>(), removed = [] } = delta
    const live = await this.live()
    const positions = new Map([...deleted].map(([path, list]) => [path, PositionBitmap.of(list)]))
    const seen = new Map<string, string>()
    for (const path of [...positions.keys(), ...removed]) {
      const file = live.data.get(path)
      if (file === undefined) throw new Error(`${path} is not live`)
      seen.set(path, deletesKey(live.deletesOf(file)))
    }
    const operation = new RowDeltaOperation(this.env, {
      planned: this.state,
      live,
      change: {
        added,
        positions,
        removed: new Map(removed.map((path) => [path, 'rewritten' as const])),
        seen,
      },
      appended: [],
      snapshotProperties: {},
      allowEmpty: false,
    })
    await this.#commit((base, attempt) => operation.updates(base, attempt))
    const before = this.#models.get(
      this.state.metadata.snapshots.find((s) => s.snapshotId === operation.snapshotId)
        ?.parentSnapshotId ?? null,
    ) as Model
    const model = new Map(before)
    for (const path of removed) model.delete(path)
    for (const [path, list] of deleted) {
      const file = model.get(path) as ModelFile
      const all = new Set([...file.deleted, ...list])
      // A file of which no row is left is removed.
      if (all.size === file.rows.length) model.delete(path)
      else model.set(path, { rows: file.rows, deleted: all })
    }
    for (const { filePath } of added) {
      const rows = this.#rows.get(filePath) as readonly WorldRow[]
      model.set(filePath, { rows, deleted: new Set() })
    }
    this.#models.set(operation.snapshotId, model)
    return operation.snapshotId
  }

  /** Sets the table back, or to a snapshot that is no ancestor any more. */
  async setTo(snapshotId: bigint): Promise<void> {
    await this.#commit(async () => [
      { action: 'set-snapshot-ref', refName: 'main', ref: { type: 'branch', snapshotId } },
    ])
  }

  async #commit(
    updates: (
      base: TableState,
      attempt: Parameters<RowDeltaOperation['updates']>[1],
    ) => Promise<readonly MetadataUpdate[]>,
  ): Promise<void> {
    const { states } = await commitChanges(this.env, this.#catalog, [
      {
        identifier: IDENTIFIER,
        staged: this.state,
        plan: async (base, attempt) => ({ updates: await updates(base as TableState, attempt) }),
      },
    ])
    this.state = states[0] as TableState
  }
}
