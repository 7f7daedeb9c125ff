/**
 * Child: builds the key index of a table, then catches up with a foreign commit that deletes 1,000 rows, and prints
 * seconds and memory. Arguments: `make lake rows files hashes`, which writes the table, or `index lake rows files hashes`.
 */
import { openLake, schema, t } from 'floe'
import { DEFAULT_LIMITS } from '../src/core/limits.ts'
import { systemRuntime } from '../src/core/runtime.ts'
import { VersionedObjectCatalog } from '../src/iceberg/catalog/versioned-object.ts'
import { arrow, loadArrow } from '../src/iceberg/columns/arrow.ts'
import { openParquetPool } from '../src/iceberg/parquet/worker-pool.ts'
import { PositionBitmap } from '../src/iceberg/puffin/position-bitmap.ts'
import { commitChanges } from '../src/iceberg/table/commit.ts'
import { type Environment, newCaches } from '../src/iceberg/table/environment.ts'
import { deletesKey, LiveFiles } from '../src/iceberg/table/live-files.ts'
import { RowDeltaOperation } from '../src/iceberg/table/operations/row-delta.ts'
import { readTableState, type TableState } from '../src/iceberg/table/table-state.ts'
import { openStore } from '../src/io/open-store.ts'
import { PrimaryKeyIndex } from '../src/merge/index/primary-key-index.ts'
import { peakRssMiB, rssMiB } from './measure.js'

const [mode, folder, rowsText, filesText, hashes] = process.argv.slice(2) as [
  'make' | 'index',
  string,
  string,
  string,
  'none' | 'hashes',
]
const rows = Number(rowsText)
const files = Number(filesText)
const location = `file://${folder}`
const DELETES = 1000

/** Different numbers for different arguments, in no order that means anything. */
function noise(i: number): number {
  let h = Math.imul(i ^ 0x5bd1e995, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

async function make(): Promise<void> {
  const lake = await openLake(location, { durability: 'os' })
  const columns = schema({ k: t.long(), v: t.long() })
  const table = await lake.createTable('bench.keyed', columns, { formatVersion: 3 })
  const { Int64, makeData, RecordBatch } = arrow()
  for (let file = 0; file < files; file++) {
    const length = rows / files
    const words = new Uint32Array(length * 2)
    for (let i = 0; i < length; i++) {
      words[2 * i] = noise(file * length + i)
      words[2 * i + 1] = i & 0xff
    }
    const k = makeData({ type: new Int64(), length, data: new BigInt64Array(words.buffer) })
    await table.append([new RecordBatch({ k, v: k }) as never])
  }
  await lake.close()
  console.log('null')
}

async function open(): Promise<{ env: Environment; catalog: VersionedObjectCatalog }> {
  const runtime = systemRuntime
  const limits = DEFAULT_LIMITS
  const store = await openStore(location, { runtime, durability: 'os' })
  const env: Environment = {
    store,
    runtime,
    limits,
    pool: openParquetPool({ limits, runtime }),
    ...newCaches(),
    canonicalPath: (path) => path,
    checkPath: () => undefined,
  }
  const options = { store, location, runtime, limits, readOnly: false }
  return { env, catalog: await VersionedObjectCatalog.open(options) }
}

const IDENTIFIER = { namespace: ['bench'], name: 'keyed' }

function loadLive(env: Environment, { metadata }: TableState): Promise<LiveFiles> {
  const snapshot = metadata.snapshots.find((s) => s.snapshotId === metadata.currentSnapshotId)
  return LiveFiles.load(env, metadata, snapshot, undefined)
}

/** A commit as another process would make it. */
async function deleteRows(
  env: Environment,
  catalog: VersionedObjectCatalog,
  state: TableState,
): Promise<TableState> {
  const live = await loadLive(env, state)
  const each = Math.ceil(DELETES / files)
  // Other rows in each run: those of earlier ones are deleted.
  const offset = Math.random()
  const positions = new Map<string, PositionBitmap>()
  const seen = new Map<string, string>()
  for (const [path, file] of live.data) {
    const step = Math.floor(file.entry.file.recordCount / each)
    positions.set(
      path,
      PositionBitmap.of(Array.from({ length: each }, (_, i) => Math.floor((i + offset) * step))),
    )
    seen.set(path, deletesKey(live.deletesOf(file)))
  }
  const operation = new RowDeltaOperation(env, {
    planned: state,
    live,
    change: { added: [], positions, removed: new Map(), seen },
    appended: [],
    snapshotProperties: {},
    allowEmpty: false,
  })
  const { states } = await commitChanges(env, catalog, [
    {
      identifier: IDENTIFIER,
      staged: state,
      plan: async (base, attempt) => ({
        updates: await operation.updates(base as TableState, attempt),
      }),
    },
  ])
  return states[0] as TableState
}

async function index(): Promise<void> {
  const { env, catalog } = await open()
  await env.pool.prewarm()
  const [pointer] = await catalog.loadPointers([IDENTIFIER])
  const state = await readTableState(env, IDENTIFIER, pointer as string)
  const before = rssMiB()
  const keyed = new PrimaryKeyIndex({
    env,
    name: 'bench.keyed',
    fields: [{ name: 'k', type: { kind: 'long' }, idPath: [1] }],
    nullSafe: false,
    hashedIds: hashes === 'hashes' ? [2] : undefined,
  })
  const started = performance.now()
  const built = await keyed.catchUp(state, await loadLive(env, state))
  const buildSeconds = (performance.now() - started) / 1000
  const [after, peak] = [rssMiB(), peakRssMiB()]
  const next = await deleteRows(env, catalog, state)
  const live = await loadLive(env, next)
  const caughtUp = await keyed.catchUp(next, live)
  console.log(
    JSON.stringify({
      rows: built.rowsRead,
      buildSeconds,
      grownMiB: after - before,
      peakMiB: peak - before,
      indexMiB: Math.round(keyed.bytes / 2 ** 20),
      catchUpMs: caughtUp.durationMs,
      removed: built.rowsRead - keyed.table.size,
    }),
  )
  await env.pool.close()
  await env.store.close()
}

await loadArrow()
await (mode === 'make' ? make() : index())
