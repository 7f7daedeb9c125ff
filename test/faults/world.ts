/**
 * A small lake in memory that can be copied, so that every case starts from the same bytes, and what may be said about
 * it: its content as text, and whether it is sound.
 */
import { expect } from 'vitest'
import {
  isFloeError,
  type Lake,
  MemoryStore,
  type ObjectStore,
  openLake,
  type Runtime,
  schema,
  type Table,
  t,
} from '../../src/index.ts'
import { FaultyStore } from '../../src/testing/index.ts'

export const LOCATION = 'memory://lake'
export const TABLES = ['x.a', 'x.b'] as const

/** Id of the row that whoever comes after all this appends. */
export const NEXT_ID = 1_000_000

export const COLUMNS = schema({ id: t.long(), by: t.string() })

/** The objects of a lake, and what is known of its tables. */
export interface Base {
  readonly objects: ReadonlyMap<string, Uint8Array>
  /** Content of the tables by metadata location. As nothing is ever overwritten it holds in each copy. */
  readonly known: ReadonlyMap<string, TableContent>
}

/** A lake with the tables x.a (v2) and x.b (v3): rows 1 to 3 in one file, 4 and 5 in another. */
export async function makeBase(
  runtime: Runtime,
  properties: Readonly<Record<string, string>> = {},
): Promise<Base> {
  const store = new MemoryStore(runtime)
  const lake = await openLake(LOCATION, { store, runtime })
  const known = new Map<string, TableContent>()
  for (const [i, name] of TABLES.entries()) {
    const table = await lake.createTable(name, COLUMNS, {
      formatVersion: i === 0 ? 2 : 3,
      properties,
    })
    await table.append([1, 2, 3].map((id) => ({ id, by: 'base' })))
    await table.append([4, 5].map((id) => ({ id, by: 'base' })))
    await expectSoundTable(table)
    known.set(table.metadataLocation, await readTable(table))
  }
  await lake.close()
  const objects = new Map<string, Uint8Array>()
  for await (const { path } of store.list(LOCATION)) objects.set(path, await store.get(path))
  return { objects, known }
}

/** A store of its own with the objects. */
export async function copyOf({ objects }: Base, runtime: Runtime): Promise<FaultyStore> {
  const inner = new MemoryStore(runtime)
  for (const [path, bytes] of objects) await inner.put(path, bytes)
  return new FaultyStore(inner, { name: 'setup', runtime })
}

/** Opens the lake as a process of its own. */
export function openAs(store: ObjectStore, runtime: Runtime): Promise<Lake> {
  return openLake(LOCATION, { store, runtime })
}

interface TableContent {
  readonly text: string
  readonly nextRows: number
}

export interface Content {
  /** Rows and properties of all tables as text, but for rows of {@link NEXT_ID}. */
  readonly text: string
  /** How many rows of that id there are. */
  readonly nextRows: number
}

/** Reads all tables that are not as they were in the base. */
export async function contentOf(lake: Lake, base: Base): Promise<Content> {
  const texts: string[] = []
  let nextRows = 0
  for (const name of await lake.listTables()) {
    const table = await lake.table(name)
    const content = base.known.get(table.metadataLocation) ?? (await readTable(table))
    texts.push(`${name} ${content.text}`)
    nextRows += content.nextRows
  }
  return { text: texts.join('\n'), nextRows }
}

async function readTable(table: Table): Promise<TableContent> {
  const rows = await table.scan().toArray()
  const texts = rows
    .filter((r) => Number(r['id']) !== NEXT_ID)
    .map((r) => `${String(r['id'])}:${String(r['by'])}`)
    .sort()
  return {
    text: `${texts.join(' ')} ${JSON.stringify(table.properties)}`,
    nextRows: rows.length - texts.length,
  }
}

/** Every invariant of every table holds, data included, and what the base holds is there byte for byte. */
export async function expectSoundLake(lake: Lake, base: Base, store: ObjectStore): Promise<void> {
  for (const name of await lake.listTables()) {
    const table = await lake.table(name)
    if (!base.known.has(table.metadataLocation)) await expectSoundTable(table)
  }
  const changed: string[] = []
  for (const [path, bytes] of base.objects) {
    const now = await store.get(path).catch(() => undefined)
    if (now === undefined || Buffer.compare(now, bytes) !== 0) changed.push(path)
  }
  expect(changed, 'files of the base that were deleted or overwritten').toEqual([])
}

async function expectSoundTable(table: Table): Promise<void> {
  const report = await table.fsck({ data: 'all' })
  expect(report.problems, table.name).toEqual([])
}

/** The code of an error that a caller can act on; anything else is thrown. */
export function typedCode(error: unknown): string {
  if (!isFloeError(error) || error.kind === 'internal') throw error
  return error.code
}
