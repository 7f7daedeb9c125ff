/** Rows that wait for more of their partition keep the memory of their own batch's other rows no longer than it is written. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Binary, Field, Int32, makeData, RecordBatch, Schema, Struct } from 'apache-arrow'
import { expect, it } from 'vitest'
import { systemRuntime } from '../../../src/core/runtime.ts'
import { schema, t } from '../../../src/index.ts'
import { localLake } from '../../support/lakes.ts'

const ROWS = 64
const ROW_BYTES = 64 * 1024
const BATCHES = 60

/** 4 MiB of one partition, and one short row of another. */
function batch(): RecordBatch {
  const partitions = new Int32Array(ROWS + 1)
  partitions[ROWS] = 1
  const offsets = Int32Array.from({ length: ROWS + 2 }, (_, i) => Math.min(i, ROWS) * ROW_BYTES)
  offsets[ROWS + 1] = ROWS * ROW_BYTES + 10
  const bytes = new Uint8Array(ROWS * ROW_BYTES + 10)
  const rows = { length: ROWS + 1, nullCount: 0 }
  const children = [
    makeData({ ...rows, type: new Int32(), data: partitions }),
    makeData({ ...rows, type: new Binary(), valueOffsets: offsets, data: bytes }),
  ]
  const fields = [new Field('p', new Int32(), false), new Field('body', new Binary(), false)]
  const data = makeData({ ...rows, type: new Struct(fields), children } as never)
  return new RecordBatch(new Schema(fields), data as never)
}

it('a late row in each batch does not keep all batches in memory', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const lake = await localLake()
  const columns = schema({ p: t.int(), body: t.binary() })
  const table = await lake.createTable('a.b', columns, { partitionBy: ['p'] })
  const held: number[] = []
  async function* batches() {
    for (let i = 0; i < BATCHES; i++) {
      yield batch()
      if (i % 20 !== 19) continue
      // What a worker has answered is let go in a later turn.
      for (let turn = 0; turn < 3; turn++) {
        collect()
        await systemRuntime.sleep(20)
      }
      held.push(process.memoryUsage().arrayBuffers / 2 ** 20)
    }
  }
  await table.append(batches() as never)
  // 80 MiB of batches lie between two of them.
  expect((held.at(-1) as number) - (held[0] as number)).toBeLessThan(40)
  expect(await table.scan().count()).toBe(BATCHES * (ROWS + 1))
})
