/** Reads rows of the table by file and position: only their row groups, and only the columns asked for. */
import type { RecordBatch } from 'apache-arrow'
import { assert } from '../../core/errors.ts'
import { PositionBitmap } from '../../iceberg/puffin/position-bitmap.ts'
import type { TableMetadata } from '../../iceberg/spec/metadata.ts'
import type { NestedField } from '../../iceberg/spec/types.ts'
import type { Environment } from '../../iceberg/table/environment.ts'
import type { LiveFile, LiveFiles } from '../../iceberg/table/live-files.ts'
import { rowsTask } from '../../iceberg/table/operations/copy-rows.ts'
import { readTasks } from '../../iceberg/table/scan/read.ts'
import { currentSchema } from '../../iceberg/table/table-state.ts'
import { joinBatches } from './upsert-input.ts'

/** Places of live rows, in any order; a place may be named once. */
export interface RowPlaces {
  readonly files: readonly LiveFile[]
  /** For each row the index of its file in `files`. */
  readonly fileOf: Int32Array
  readonly positions: Float64Array
}

export interface StoredRows {
  readonly batch: RecordBatch
  /** For each place the row of the batch. */
  readonly rowOf: Int32Array
}

/** @throws what reading data files and deletes fails with */
export async function readStoredRows(
  env: Environment,
  metadata: TableMetadata,
  live: LiveFiles,
  places: RowPlaces,
  options: { readonly columns: readonly NestedField[]; readonly signal: AbortSignal | undefined },
): Promise<StoredRows> {
  const { files, fileOf, positions } = places
  const count = positions.length
  const order = Int32Array.from({ length: count }, (_, i) => i).sort(
    (a, b) =>
      (fileOf[a] as number) - (fileOf[b] as number) ||
      (positions[a] as number) - (positions[b] as number),
  )
  const byFile = new Map<number, number[]>()
  for (const i of order) {
    const list = byFile.get(fileOf[i] as number)
    if (list === undefined) byFile.set(fileOf[i] as number, [positions[i] as number])
    else list.push(positions[i] as number)
  }
  const tasks = [...byFile].map(([file, list]) =>
    rowsTask(metadata, live, { file: files[file] as LiveFile, only: PositionBitmap.of(list) }),
  )
  const { columns, signal } = options
  const batches: RecordBatch[] = []
  const read = readTasks(env, tasks, {
    metadata,
    schema: currentSchema(metadata),
    columns,
    batchRows: undefined,
    signal,
  })
  for await (const batch of read) batches.push(batch)
  const batch = joinBatches(batches, columns, env.limits)
  assert(batch.numRows === count, 'the rows that the key index names are live', {
    wanted: count,
    found: batch.numRows,
  })
  const rowOf = new Int32Array(count)
  for (let k = 0; k < count; k++) rowOf[order[k] as number] = k
  return { batch, rowOf }
}
