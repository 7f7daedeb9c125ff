/** The lakes that sequences start from: two tables, of each format version, partitioned or not. */
import { MemoryStore, openLake, schema, t } from '../../src/index.ts'
import { FaultyStore } from '../../src/testing/index.ts'
import { type FakeRuntime, fakeRuntime } from '../support/fake-runtime.ts'
import type { Values } from './row-model.ts'

export const LOCATION = 'memory://lake'
export const TABLES = ['x.t', 'x.u'] as const
export type TableName = (typeof TABLES)[number]

export const PARTS = ['a', 'b', null] as const

export interface Shape {
  readonly formatVersion: 2 | 3
  readonly partitioned: boolean
}

/** The rows of each table: two files, or more where partitions are. */
export const FIRST_ROWS: readonly Values[] = [0, 1, 2, 3, 4, 5, 6].map((id) => ({
  id,
  part: PARTS[id % PARTS.length] ?? null,
  n: id,
}))

const made = new Map<string, Promise<ReadonlyMap<string, Uint8Array>>>()

/** A store of its own with a lake of the shape. */
export async function lakeOf(shape: Shape, runtime: FakeRuntime): Promise<FaultyStore> {
  const key = JSON.stringify(shape)
  const objects = await (made.get(key) ?? made.set(key, make(shape)).get(key))
  const inner = new MemoryStore(runtime)
  for (const [path, bytes] of objects ?? []) await inner.put(path, bytes)
  return new FaultyStore(inner, { name: 'setup', runtime })
}

async function make(shape: Shape): Promise<ReadonlyMap<string, Uint8Array>> {
  const runtime = fakeRuntime({ seed: 1 })
  const store = new MemoryStore(runtime)
  const lake = await openLake(LOCATION, { store, runtime })
  const columns = schema({ id: t.long(), part: t.optional(t.string()), n: t.long() })
  for (const name of TABLES) {
    const table = await lake.createTable(name, columns, {
      formatVersion: shape.formatVersion,
      partitionBy: shape.partitioned ? ['part'] : [],
      properties: {
        'commit.retry.num-retries': '50',
        'commit.retry.min-wait-ms': '1',
        // Small, so that sequences merge manifests.
        'commit.manifest.min-count-to-merge': '4',
      },
    })
    await table.append(FIRST_ROWS.slice(0, 4))
    await table.append(FIRST_ROWS.slice(4))
  }
  await lake.close()
  const objects = new Map<string, Uint8Array>()
  for await (const { path } of store.list(LOCATION)) objects.set(path, await store.get(path))
  return objects
}
