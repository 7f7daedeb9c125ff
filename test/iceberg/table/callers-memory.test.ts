/** What a table keeps of appended rows is its own: the caller may change the memory of a batch once its append has resolved. */
import {
  Binary,
  Field,
  FixedSizeBinary,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Utf8,
} from 'apache-arrow'
import { describe, expect, it } from 'vitest'
import { eq, schema, t } from '../../../src/index.ts'
import { localLake } from '../../support/lakes.ts'

/** Rows `a`, `b` … in columns of text, bytes and fixed bytes that lie in the memory given. */
function batchIn(memory: readonly Uint8Array[], rows: number): RecordBatch {
  const types = [new Utf8(), new Binary(), new FixedSizeBinary(1)]
  const offsets = Int32Array.from({ length: rows + 1 }, (_, i) => i)
  const children = types.map((type, c) => {
    const data = memory[c] as Uint8Array
    for (let row = 0; row < rows; row++) data[row] = 0x61 + row
    const valueOffsets = c < 2 ? { valueOffsets: offsets } : {}
    return makeData({ type, length: rows, nullCount: 0, data, ...valueOffsets } as never)
  })
  const fields = ['text', 'bytes', 'fixed'].map(
    (name, c) => new Field(name, types[c] as never, false),
  )
  const type = new Struct(fields)
  const data = makeData({ type, length: rows, nullCount: 0, children } as never)
  return new RecordBatch(new Schema(fields), data as never)
}

describe.each(['Uint8Array', 'Buffer'] as const)('memory that is a %s', (kind) => {
  it.each([[[]], [['text']], [['bytes']], [['fixed']]])(
    'may change between append and commit, partitioned by %j',
    async (partitionBy) => {
      const rows = 3
      const lake = await localLake()
      const columns = schema({ text: t.string(), bytes: t.binary(), fixed: t.fixed(1) })
      await lake.createTable('a.b', columns, { partitionBy })
      const memory = [0, 1, 2].map(() =>
        kind === 'Buffer' ? Buffer.alloc(rows) : new Uint8Array(rows),
      )
      const tx = lake.transaction()
      await tx.append('a.b', batchIn(memory, rows))
      for (const bytes of memory) bytes.fill(0x7a)
      await tx.commit()
      const table = await lake.table('a.b')
      // Bounds and partitions decide which files are opened.
      for (const value of ['a', 'b', 'c']) {
        const one = Buffer.from(value)
        expect(await table.scan({ where: eq('text', value) }).count()).toBe(1)
        expect(await table.scan({ where: eq('bytes', one) }).count()).toBe(1)
        expect(await table.scan({ where: eq('fixed', one) }).count()).toBe(1)
      }
      expect((await table.fsck()).problems).toEqual([])
    },
  )
})
