/** Key indexes of tables that other engines wrote, held against scans: equality deletes, vectors, row lineage. */
import { expect, it } from 'vitest'
import { isFloeError } from '../../../src/core/errors.ts'
import { DEFAULT_LIMITS } from '../../../src/core/limits.ts'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { rowsOf } from '../../../src/iceberg/columns/to-rows.ts'
import { type Environment, newCaches } from '../../../src/iceberg/table/environment.ts'
import { LiveFiles } from '../../../src/iceberg/table/live-files.ts'
import { TableScan } from '../../../src/iceberg/table/scan/table-scan.ts'
import {
  currentSchema,
  readTableState,
  type TableState,
} from '../../../src/iceberg/table/table-state.ts'
import { openStore } from '../../../src/io/open-store.ts'
import { RootedStore } from '../../../src/io/rooted-store.ts'
import { PrimaryKeyIndex } from '../../../src/merge/index/primary-key-index.ts'
import { inProcessPool } from '../../faults/in-process-pool.ts'
import { corpusIndex, corpusPath, describeCorpus } from '../../support/corpus.ts'

/** Tables with deletes or lineage, and all their snapshots of which the corpus has the files. */
const TABLES: readonly string[] = [
  'dremio-products-eq-deletes',
  'duck-eq-delete-cross-partition',
  'duck-eq-deletes',
  'duck-legacy-bare-dv',
  'icebird-java-bunnies',
  'impala-spark-dangling-delete',
  'impala-v2-equality-delete',
  'impala-v2-equality-multi-ids',
  'impala-v2-equality-nulls',
  'impala-v2-equality-partition-evolution',
  'impala-v2-pos-delete-all',
  'impala-v2-pos-not-all-files',
  'impala-v3-deletion-vectors',
  'impala-v3-row-lineage',
]

interface Entry {
  readonly path: string
  readonly metadata: string
  readonly path_prefixes?: Readonly<Record<string, string>> | null
}

async function open(id: string): Promise<{ env: Environment; state: TableState }> {
  const entry = corpusIndex().find((e) => e.id === id) as unknown as Entry
  const root = corpusPath(entry.path)
  const pathMapping = Object.fromEntries(
    Object.entries(entry.path_prefixes ?? {}).map(([prefix, folder]) => {
      const target = folder === '' || folder === '.' ? root : `${root}/${folder}`
      const slash = prefix.endsWith('/') && !target.endsWith('/') ? '/' : ''
      return [prefix, `file://${target}${slash}`]
    }),
  )
  const [limits, runtime] = [DEFAULT_LIMITS, systemRuntime]
  const local = await openStore(`file://${root}`, { runtime, durability: 'os' })
  const roots = [`file://${root}`, ...Object.values(pathMapping)]
  const store = new RootedStore(local, { roots, pathMapping })
  const env: Environment = {
    store,
    runtime,
    limits,
    pool: inProcessPool({ limits, runtime }),
    ...newCaches(),
    canonicalPath: (path) => store.canonicalPath(path),
    checkPath: () => undefined,
  }
  const identifier = { namespace: [], name: id }
  return {
    env,
    state: await readTableState(env, identifier, `file://${root}/${entry.metadata}`),
  }
}

/** Every row of the scan is in the index, at its place and with its row id, and nothing else is. */
async function expectTrue(env: Environment, state: TableState, index: PrimaryKeyIndex, k: string) {
  const { metadata } = state
  const lineage = metadata.formatVersion >= 3 ? ['_row_id'] : []
  const scan = new TableScan(env, state, { select: [k, '_file', '_pos', ...lineage] })
  const snapshot = metadata.snapshots.find((s) => s.snapshotId === metadata.currentSnapshotId)
  const { data } = await LiveFiles.load(env, metadata, snapshot, undefined)
  let rows = 0
  let duplicates = 0
  for await (const batch of scan.batches()) {
    const slots = index.table.probe(index.codec.encode(batch))
    expect(slots.includes(-1)).toBe(false)
    const { fileIds, positions } = index.table.locations(slots)
    for (const [i, row] of [...rowsOf(batch, scan.columns)].entries()) {
      rows++
      const places = [
        { fileId: fileIds[i] as number, position: positions[i] as number },
        ...index.duplicatesOf(slots[i] as number),
      ]
      const path = row['_file'] as string
      const fileId = index.fileByPath(path)?.fileId as number
      const position = Number(row['_pos'])
      const at = places.findIndex((p) => p.fileId === fileId && p.position === position)
      expect(at, `${path}:${position}`).toBeGreaterThanOrEqual(0)
      if (at > 0) duplicates++
      if (lineage.length === 0) continue
      const [stored] = index.explicitRowIds(Uint32Array.of(fileId), Uint32Array.of(position))
      const first = data.get(path)?.entry.file.firstRowId
      const inherited = first === undefined ? null : first + BigInt(position)
      expect(stored === -1n ? inherited : stored).toBe(row['_row_id'])
    }
  }
  expect(index.table.size + duplicates).toBe(rows)
}

describeCorpus('the key index of a table that another engine wrote', () => {
  for (const id of TABLES) {
    it(id, async () => {
      const { env, state } = await open(id)
      const { metadata } = state
      const columns = currentSchema(metadata).fields.filter(
        ({ type }) => type.kind === 'int' || type.kind === 'long' || type.kind === 'string',
      )
      let checked = 0
      for (const { id: fieldId, name, type } of columns) {
        const index = new PrimaryKeyIndex({
          env,
          name: id,
          fields: [{ name, type, idPath: [fieldId] }],
          nullSafe: true,
          hashedIds: undefined,
        })
        // There and back: states are compared, whichever of them came first.
        const { snapshots } = metadata
        for (const snapshot of [...snapshots, ...[...snapshots].reverse()]) {
          const at = { ...state, metadata: { ...metadata, currentSnapshotId: snapshot.snapshotId } }
          try {
            await index.catchUp(at, await LiveFiles.load(env, metadata, snapshot, undefined))
          } catch (error) {
            // Of some older snapshots the corpus has no files.
            if (!isFloeError(error, 'FILE_NOT_FOUND')) throw error
            continue
          }
          expect(index.snapshotId).toBe(snapshot.snapshotId)
          await expectTrue(env, at, index, name)
          checked++
        }
      }
      expect(checked).toBeGreaterThan(1)
    })
  }
})
