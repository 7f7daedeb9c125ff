/**
 * That nothing is to do is said of the latest version of a table, not of the one that a handle happens to have: a
 * commit on an old version would be rejected and done again, and a change that makes no commit must not see less.
 */
import { expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { MemoryStore, schema, t } from '../../../src/index.ts'
import { memoryLake } from '../../support/lakes.ts'

const COLUMNS = schema({ id: t.long() })

it('deletes rows that another process has added since the handle was opened', async () => {
  const store = new MemoryStore(systemRuntime)
  const mine = await memoryLake({ store })
  const old = await mine.createTable('x.t', COLUMNS)
  const theirs = await (await memoryLake({ store })).table('x.t')
  await theirs.append([{ id: 7 }])
  const { rowsDeleted } = await old.deleteWhere({ id: 7 })
  expect(rowsDeleted).toBe(1)
  expect(await (await mine.table('x.t')).scan().count()).toBe(0)
})

it('sets a property back that another process has changed', async () => {
  const store = new MemoryStore(systemRuntime)
  const mine = await memoryLake({ store })
  const old = await mine.createTable('x.t', COLUMNS, { properties: { color: 'red' } })
  const theirs = await (await memoryLake({ store })).table('x.t')
  await theirs.setProperties({ color: 'blue' })
  await old.setProperties({ color: 'red' })
  expect((await mine.table('x.t')).properties['color']).toBe('red')
})

it('makes no commit if there is nothing to do, and says so in one attempt', async () => {
  const lake = await memoryLake()
  const table = await lake.createTable('x.t', COLUMNS)
  const before = table.metadataLocation
  const { attempts, snapshotId } = await table.deleteWhere({ id: 7 })
  expect({ attempts, snapshotId }).toEqual({ attempts: 1, snapshotId: null })
  expect((await lake.table('x.t')).metadataLocation).toBe(before)
})
