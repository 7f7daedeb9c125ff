/** Position delete files as other writers might make them: any rows in any order, also such as must not be. */
import { DEFAULT_LIMITS } from '../../src/core/limits.ts'
import { systemRuntime } from '../../src/core/runtime.ts'
import { loadArrow } from '../../src/iceberg/columns/arrow.ts'
import { RowBatchBuilder } from '../../src/iceberg/columns/row-builder.ts'
import { openParquetPool } from '../../src/iceberg/parquet/worker-pool.ts'
import { openParquetWriter } from '../../src/iceberg/parquet/writer.ts'
import { Schema } from '../../src/iceberg/spec/schema.ts'
import { DELETE_FILE_PATH, DELETE_POS } from '../../src/iceberg/table/deletes/reserved-fields.ts'
import type { ObjectStore } from '../../src/io/store.ts'

/** Gives the size of the file. */
export async function writePositionDeleteFile(
  store: ObjectStore,
  path: string,
  rows: readonly (readonly [path: string | null, position: number])[],
): Promise<number> {
  await loadArrow()
  const fields = [DELETE_FILE_PATH, DELETE_POS].map((field) => ({ ...field, required: false }))
  const schema = new Schema({ schemaId: 0, fields })
  const pool = openParquetPool({ limits: DEFAULT_LIMITS, runtime: systemRuntime, workers: 1 })
  try {
    const builder = new RowBatchBuilder(schema, { limits: DEFAULT_LIMITS })
    for (const [file, pos] of rows) builder.append({ file_path: file, pos })
    const writer = await openParquetWriter({
      writer: await store.openWriter(path),
      schema,
      pool,
      modes: new Map(),
    })
    await writer.write(builder.finish())
    return (await writer.close()).sizeBytes
  } finally {
    await pool.close()
  }
}
