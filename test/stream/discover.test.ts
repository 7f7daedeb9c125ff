/** Which tables of a lake are a stream's, where nobody names them: those that have its position. */
import { describe, expect, it } from 'vitest'
import { FloeError } from '../../src/core/errors.ts'
import { systemRuntime } from '../../src/core/runtime.ts'
import type { Lake } from '../../src/index.ts'
import { MemoryStore } from '../../src/io/memory.ts'
import { moveStream, stream } from '../../src/stream/index.ts'
import { rejectionOf } from '../support/expect-error.ts'
import { memoryLake } from '../support/lakes.ts'
import { expectExact, fill, job, options, RAW, raw, TOTALS, tables } from './job.ts'
import { MemorySource } from './memory-source.ts'

const OTHER = 'a.other'

/** A lake with the tables of a stream and one that is none of its, which comes first. */
async function setup(store = new MemoryStore(systemRuntime)) {
  const lake = await memoryLake({ store })
  await tables(lake)
  await lake.createTable(OTHER, raw)
  const source = new MemorySource(3)
  fill(source, 0, 10)
  await stream(options(lake, source)).done
  fill(source, 10, 20)
  return { lake, source }
}

function found(lake: Lake, source: MemorySource) {
  const { tables: _, ...rest } = options(lake, source, { foreachBatch: job() })
  return stream(rest).done
}

const move = (lake: Lake) =>
  moveStream({ lake, id: 'test', to: [{ topic: 'events', partition: 0, offset: 20 }] })

describe('the tables of a stream that nobody names', () => {
  it('are found although others are dropped meanwhile', async () => {
    const { lake, source } = await setup()
    const listed = await lake.listTables()
    expect(listed[0]).toBe(OTHER)
    await lake.dropTable(OTHER)
    const late = new Proxy(lake, {
      get(target, name) {
        if (name === 'listTables') return () => Promise.resolve(listed)
        const value = Reflect.get(target, name) as unknown
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    expect(await found(late, source)).toMatchObject({ rows: 10 })
    await expectExact(lake, source)
    const moved = await move(late)
    expect(moved.tables.map(({ table }) => table).sort()).toEqual([RAW, TOTALS])
  })

  it('cannot be told where one is damaged, and the error says what to do', async () => {
    const store = new MemoryStore(systemRuntime)
    const { source } = await setup(store)
    const broken = await memoryLake({ store })
    const location = await broken.metadataLocation(OTHER)
    await store.delete([location])
    for (const failing of [found(broken, source), move(broken)]) {
      const error = await rejectionOf('FILE_NOT_FOUND', failing)
      expect(error.message).toContain(OTHER)
      expect(error.message).toContain('option tables')
      expect(error.message.match(/\[FILE_NOT_FOUND\]/g)).toHaveLength(1)
      expect(error.cause).toBeInstanceOf(FloeError)
    }
    // As it says.
    expect(await stream(options(broken, source)).done).toMatchObject({ rows: 10 })
  })
})
