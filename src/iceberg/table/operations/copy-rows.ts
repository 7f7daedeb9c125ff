/** Rows of data files on their way into other files: as batches for writing, with the lineage that rows keep. */
import type { RecordBatch } from 'apache-arrow'
import { ArrowInput } from '../../columns/arrow-input.ts'
import type { PositionBitmap } from '../../puffin/position-bitmap.ts'
import { ALWAYS_TRUE } from '../../spec/expressions/expression.ts'
import type { TableMetadata } from '../../spec/metadata.ts'
import type { Schema } from '../../spec/schema.ts'
import type { Environment } from '../environment.ts'
import type { LiveFile, LiveFiles } from '../live-files.ts'
import type { FileScanTask } from '../scan/plan.ts'
import { readTasks } from '../scan/read.ts'
import { currentSchema, specById } from '../table-state.ts'

/** A data file and which of its rows to take. */
export interface RowsOfFile {
  readonly file: LiveFile
  readonly without?: PositionBitmap | undefined
  readonly only?: PositionBitmap | undefined
}

/** The task that reads live rows of a data file. */
export function rowsTask(
  metadata: TableMetadata,
  live: LiveFiles,
  { file, without, only }: RowsOfFile,
): FileScanTask {
  const { entry } = file
  return {
    file: entry.file,
    spec: specById(metadata, entry.file.specId),
    sequenceNumber: entry.sequenceNumber ?? 0,
    residual: ALWAYS_TRUE,
    deletes: live.deletesOf(file),
    without,
    only,
  }
}

/**
 * The live rows of some files as batches for a writer of the given schema: the table's, or the table's with lineage
 * (`withLineage`), whose columns then say where each row comes from (item 80).
 */
export async function* copiedRows(
  env: Environment,
  metadata: TableMetadata,
  live: LiveFiles,
  files: readonly RowsOfFile[],
  options: { readonly schema: Schema; readonly signal: AbortSignal | undefined },
): AsyncGenerator<RecordBatch, void, undefined> {
  const { schema, signal } = options
  const tasks = files.map((file) => rowsTask(metadata, live, file))
  const batches = readTasks(env, tasks, {
    metadata,
    schema: currentSchema(metadata),
    columns: schema.fields,
    batchRows: undefined,
    signal,
  })
  let input: ArrowInput | undefined
  for await (const batch of batches) {
    input ??= new ArrowInput(schema, { table: metadata.location, limits: env.limits })
    yield* input.batches(batch)
  }
}
