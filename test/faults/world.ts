/**
 * A small lake in memory that can be copied, so that every case starts from the same bytes, and what may be said about
 * it: its content as text, and whether it is sound.
 */
import { expect } from 'vitest'
import {
  isFloeError,
  type Lake,
  MemoryStore,
  openLake,
  type Runtime,
  schema,
  t,
} from '../../src/index.ts'
import { FaultyStore } from '../../src/testing/index.ts'

export const LOCATION = 'memory://lake'
export const TABLES = ['x.a', 'x.b'] as const

/** A row of the tables. Rows of rivals and of next writers have ids from {@link OTHERS} on. */
export interface FaultRow {
  readonly id: number
  readonly by: string
}
export const OTHERS = 1_000_000

const rows = schema({ id: t.long(), by: t.string() })

/** The objects of a lake with the tables x.a (v2) and x.b (v3), some rows in each. */
export async function makeBase(
  runtime: Runtime,
  properties: Readonly<Record<string, string>> = {},
): Promise<ReadonlyMap<string, Uint8Array>> {
  const store = new MemoryStore(runtime)
  const lake = await openLake(LOCATION, { store, runtime })
  for (const [i, name] of TABLES.entries()) {
    const table = await lake.createTable(name, rows, {
      formatVersion: i === 0 ? 2 : 3,
      properties,
    })
    await table.append([1, 2, 3].map((id) => ({ id, by: 'base' })))
    await table.append([4, 5].map((id) => ({ id, by: 'base' })))
  }
  await lake.close()
  const objects = new Map<string, Uint8Array>()
  for await (const { path } of store.list(LOCATION)) objects.set(path, await store.get(path))
  return objects
}

/** A store of its own with the objects. */
export async function copyOf(
  base: ReadonlyMap<string, Uint8Array>,
  runtime: Runtime,
): Promise<FaultyStore> {
  const inner = new MemoryStore(runtime)
  for (const [path, bytes] of base) await inner.put(path, bytes)
  return new FaultyStore(inner, { name: 'setup', runtime })
}

/** Opens the lake as a process of its own. */
export function openAs(store: FaultyStore, runtime: Runtime): Promise<Lake> {
  return openLake(LOCATION, { store, runtime })
}

/** What others wrote is told apart from what the operation under test did. */
export interface Content {
  /** Rows and properties of all tables, but for rows of others, as text. */
  readonly own: string
  /** Ids of rows of others, as often as they are there. */
  readonly others: readonly number[]
}

/** Reads all tables. */
export async function contentOf(lake: Lake): Promise<Content> {
  const others: number[] = []
  const own: string[] = []
  for (const name of await lake.listTables()) {
    const table = await lake.table(name)
    const found = (await table.scan().toArray()).map((r) => [Number(r['id']), r['by']] as const)
    found.sort((a, b) => a[0] - b[0])
    others.push(...found.filter(([id]) => id >= OTHERS).map(([id]) => id))
    const mine = found.filter(([id]) => id < OTHERS)
    own.push(`${name} ${JSON.stringify(mine)} ${JSON.stringify(table.properties)}`)
  }
  return { own: own.join('\n'), others: others.sort((a, b) => a - b) }
}

/** Every invariant of every table holds, data included, and each row that others wrote is there once. */
export async function expectSoundLake(lake: Lake): Promise<void> {
  for (const name of await lake.listTables()) {
    const report = await (await lake.table(name)).fsck({ data: 'all' })
    expect(report.problems, name).toEqual([])
  }
}

/** An error that a caller can act on; anything else is thrown. */
export function typedCode(error: unknown): string {
  if (!isFloeError(error) || error.kind === 'internal') throw error
  return error.code
}
