/** What is done to a lake while its store fails, and what a rival does to the same table at the same time. */
import { isFloeError, type Lake, type Table, type Where } from '../../src/index.ts'
import { COLUMNS } from './world.ts'

/** What an operation has to work with: a lake opened before, and the means to open another. */
export interface Actor {
  readonly lake: Lake
  readonly open: () => Promise<Lake>
  readonly signal?: AbortSignal | undefined
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
  append: on('x.a', async ({ lake, signal }) =>
    (await lake.table('x.a')).append(ROWS, { ...COMMIT, signal }),
  ),
  'append-v3': on('x.b', async ({ lake, signal }) =>
    (await lake.table('x.b')).append(ROWS, { ...COMMIT, signal }),
  ),
  'open-and-append': on('x.a', async ({ open, signal }) =>
    (await (await open()).table('x.a')).append(ROWS, { ...COMMIT, signal }),
  ),
  'multi-table': on('x.a', (actor) => commitToBoth(actor)),
  'create-table': on('x.a', ({ lake, signal }) =>
    lake.createTable('x.c', COLUMNS, { ifNotExists: true, signal }),
  ),
  'set-properties': on('x.a', async ({ lake }) =>
    (await lake.table('x.a')).setProperties({ mine: '1' }),
  ),
  // Both rows of the second file: the file goes without being read.
  'delete-file': deletion('x.a', { id: { gte: 4 } }, 'auto'),
  'delete-merge-on-read': deletion('x.a', { id: 2 }, 'merge-on-read'),
  'delete-merge-on-read-v3': deletion('x.b', { id: 2 }, 'merge-on-read'),
  'delete-copy-on-write': deletion('x.a', { id: 2 }, 'copy-on-write'),
  'delete-copy-on-write-v3': deletion('x.b', { id: { in: [2, 4] } }, 'copy-on-write'),
  'row-delta': on('x.a', (actor) => replaceRow(actor, 'x.a')),
  'row-delta-v3': on('x.b', (actor) => replaceRow(actor, 'x.b')),
  'multi-table-delete': on('x.b', (actor) => deleteAndAppend(actor)),
}

/** What a rival does once. */
export const RIVALS: Readonly<Record<string, (lake: Lake, table: string) => Promise<unknown>>> = {
  append: async (lake, table) => (await lake.table(table)).append([{ id: 21, by: 'rival' }]),
  'same-rows': async (lake, table) =>
    (await lake.table(table)).deleteWhere({ id: { in: [2, 4] } }, { mode: 'merge-on-read' }),
  'removes-files': async (lake, table) =>
    (await lake.table(table)).deleteWhere({ id: { in: [1, 4] } }, { mode: 'copy-on-write' }),
}

async function commitToBoth({ lake, signal }: Actor): Promise<void> {
  const transaction = lake.transaction({ ...COMMIT, signal })
  try {
    await transaction.append('x.a', ROWS)
    await transaction.append('x.b', ROWS)
    await transaction.setProperties('x.b', { mine: '1' })
    await transaction.commit()
  } finally {
    await transaction.rollback()
  }
}

/** Replaces row 2, wherever it is, and reads it anew if somebody else was there first. */
async function replaceRow(actor: Actor, name: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await tryToReplaceRow(actor, await actor.lake.table(name))
    } catch (error) {
      if (attempt === 3 || !isFloeError(error, 'VALIDATION_CONFLICT')) throw error
    }
  }
}

async function tryToReplaceRow({ lake, signal }: Actor, table: Table): Promise<void> {
  const transaction = lake.transaction({ ...COMMIT, signal })
  try {
    const found = await table
      .scan({ where: { id: 2 }, select: ['_file', '_pos'], signal })
      .toArray()
    await transaction.rowDelta(table, {
      rows: [{ id: 2, by: 'op' }],
      deletes: found.map((r) => ({ file: String(r['_file']), positions: [Number(r['_pos'])] })),
    })
    await transaction.commit()
  } finally {
    await transaction.rollback()
  }
}

async function deleteAndAppend({ lake, signal }: Actor): Promise<void> {
  const transaction = lake.transaction({ ...COMMIT, signal })
  try {
    await transaction.append('x.a', ROWS)
    await transaction.append('x.b', ROWS)
    await transaction.deleteWhere('x.b', { id: 2 })
    await transaction.commit()
  } finally {
    await transaction.rollback()
  }
}

function deletion(
  table: Operation['table'],
  where: Where,
  mode: 'auto' | 'copy-on-write' | 'merge-on-read',
): Operation {
  return on(table, async ({ lake, signal }) =>
    (await lake.table(table)).deleteWhere(where, { mode, ...COMMIT, signal }),
  )
}

function on(table: Operation['table'], run: Operation['run']): Operation {
  return { table, run }
}
