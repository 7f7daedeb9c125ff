/** What is done to a lake while its store fails, and what a rival does to the same table at the same time. */
import type { Lake } from '../../src/index.ts'
import { COLUMNS } from './world.ts'

/** What an operation has to work with: a lake opened before, and the means to open another. */
export interface Actor {
  readonly lake: Lake
  readonly open: () => Promise<Lake>
}

export interface Operation {
  /** The table that rivals change. */
  readonly table: 'x.a' | 'x.b'
  /** May be done again after any outcome, and is done once in all. */
  readonly run: (actor: Actor) => Promise<unknown>
}

const COMMIT = { commitId: 'op' }
const ROWS = [11, 12, 13].map((id) => ({ id, by: 'op' }))

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  append: on('x.a', async ({ lake }) => (await lake.table('x.a')).append(ROWS, COMMIT)),
  'append-v3': on('x.b', async ({ lake }) => (await lake.table('x.b')).append(ROWS, COMMIT)),
  'open-and-append': on('x.a', async ({ open }) =>
    (await (await open()).table('x.a')).append(ROWS, COMMIT),
  ),
  'multi-table': on('x.a', ({ lake }) => commitToBoth(lake)),
  'create-table': on('x.a', ({ lake }) => lake.createTable('x.c', COLUMNS, { ifNotExists: true })),
  'set-properties': on('x.a', async ({ lake }) =>
    (await lake.table('x.a')).setProperties({ mine: '1' }),
  ),
}

/** What a rival does once. */
export const RIVALS: Readonly<Record<string, (lake: Lake, table: string) => Promise<unknown>>> = {
  append: async (lake, table) => (await lake.table(table)).append([{ id: 21, by: 'rival' }]),
}

async function commitToBoth(lake: Lake): Promise<void> {
  const transaction = lake.transaction(COMMIT)
  try {
    await transaction.append('x.a', ROWS)
    await transaction.append('x.b', ROWS)
    await transaction.setProperties('x.b', { mine: '1' })
    await transaction.commit()
  } finally {
    await transaction.rollback()
  }
}

function on(table: Operation['table'], run: Operation['run']): Operation {
  return { table, run }
}
