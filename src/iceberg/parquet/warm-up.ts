/** A round trip of one row through a worker: threads start and code is compiled on first use, here and there. */
import { loadArrow } from '../columns/arrow.ts'
import { emptyAnalysis } from './analyze-row-group.ts'
import { IpcStream } from './ipc-stream.ts'
import type { ParquetPool } from './worker-pool.ts'

export async function warmUp(pool: ParquetPool): Promise<void> {
  const { Field, Int32, makeData, RecordBatch, Schema, Struct } = await loadArrow()
  const type = new Int32()
  const schema = new Schema([new Field('x', type, false)])
  const column = makeData({ type, length: 1, nullCount: 0, data: Int32Array.of(1) })
  const rows = { length: 1, nullCount: 0, children: [column] }
  const ipc = new IpcStream(schema)
  ipc.add(new RecordBatch(schema, makeData({ type: new Struct(schema.fields), ...rows })))
  const { file } = await pool.run({
    kind: 'encode',
    ipc: ipc.finish(),
    options: { codec: 'zstd', pageBytes: 1024, dictionaryBytes: 1024, withoutStatistics: [] },
    analysis: emptyAnalysis(),
  })
  await pool.run({
    kind: 'decode',
    file,
    chunks: [],
    columns: [{ kind: 'fixed', format: 'i', bytes: 4, children: [] }],
    maxBytes: 1024,
    batchRows: 1,
    offsetRows: 0,
    limitRows: 1,
    path: 'warm-up',
  })
}
