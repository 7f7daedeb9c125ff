/** Reads data files into a key index, batch by batch. */
import { FloeError, throwIfAborted } from '../../core/errors.ts'
import { getBit } from '../../iceberg/columns/bitmap.ts'
import { ownValidity } from '../../iceberg/columns/validity.ts'
import { ALWAYS_TRUE } from '../../iceberg/spec/expressions/expression.ts'
import type { TableMetadata } from '../../iceberg/spec/metadata.ts'
import { ROW_ID_COLUMN } from '../../iceberg/table/deletes/reserved-fields.ts'
import type { Environment } from '../../iceberg/table/environment.ts'
import type { FileScanTask } from '../../iceberg/table/scan/plan.ts'
import { type FileRows, readFileRows } from '../../iceberg/table/scan/read.ts'
import { currentSchema, specById } from '../../iceberg/table/table-state.ts'
import { topColumn } from '../find-column.ts'
import { rowHashes } from '../row-hash.ts'
import type { SeenFile } from './file-differences.ts'
import type { IndexColumns } from './index-columns.ts'
import type { IndexContents } from './index-contents.ts'
import type { KnownFile } from './indexed-files.ts'
import type { Placement } from './key-table.ts'

export interface ReadFilesOptions {
  readonly metadata: TableMetadata
  readonly columns: IndexColumns
  readonly hashedIds: readonly number[] | undefined
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((progress: IndexProgress) => void) | undefined
}

export interface IndexProgress {
  /** Live rows read so far. */
  readonly rows: number
  /** At most so many are to be read. */
  readonly totalRows: number
}

/**
 * Adds files and enters their live rows. Memory beside the index is that of a scan: limits.scanBufferBytes.
 * @returns how many rows were read.
 * @throws LIMIT_EXCEEDED, ABORTED, CORRUPT_MANIFEST and what a scan fails with, with part of the rows entered.
 */
export async function readFiles(
  env: Environment,
  contents: IndexContents,
  files: readonly SeenFile[],
  options: ReadFilesOptions,
): Promise<number> {
  const { metadata, columns, hashedIds, signal, onProgress } = options
  const { codec } = contents.table
  const known = new Map<FileScanTask, KnownFile>()
  for (const { live, deletes, contents: seen } of files) {
    const { file, sequenceNumber } = live.entry
    const spec = specById(metadata, file.specId)
    const task: FileScanTask = {
      file,
      spec,
      sequenceNumber: sequenceNumber ?? 0,
      residual: ALWAYS_TRUE,
      deletes,
    }
    known.set(task, contents.files.add(file.filePath, file.recordCount, seen))
  }
  const totalRows = liveRows(files)
  const batches = readFileRows(env, [...known.keys()], {
    metadata,
    schema: currentSchema(metadata),
    columns: columns.fields,
    batchRows: undefined,
    signal,
  })
  let rows = 0
  for await (const read of batches) {
    throwIfAborted(signal, 'Building a key index')
    const file = known.get(read.task) as KnownFile
    const { batch } = read
    checkPositions(file, read)
    const side = hashedIds === undefined ? [] : [rowHashes(batch, hashedIds, codec.seed)]
    contents.insert(file, codec.encode(batch), placementOf(file, read), side)
    // Files without a first row id have no row ids, whatever is stored in them (Iceberg spec §Row Lineage).
    if (read.task.file.firstRowId !== undefined) keepRowIds(contents, file, read)
    rows += batch.numRows
    onProgress?.({ rows, totalRows })
  }
  return rows
}

/** Rows that files have, but for those deleted by position. */
export function liveRows(files: readonly SeenFile[]): number {
  return files.reduce(
    (sum, { live, contents }) => sum + live.entry.file.recordCount - contents.deleted.cardinality,
    0,
  )
}

/** Whether rows are left of a file is decided by its record count, so a wrong one must not go unnoticed (MG-28). */
function checkPositions(file: KnownFile, { batch, firstRowPosition, rows }: FileRows): void {
  const last = firstRowPosition + (rows === 'all' ? batch.numRows - 1 : (rows.at(-1) ?? -1))
  if (last < file.recordCount) return
  throw new FloeError(
    'CORRUPT_MANIFEST',
    `Cannot index ${file.path}: it has a row ${last}, its manifest says that it has ${file.recordCount} rows. ` +
      'Rewrite the file with the engine that wrote it',
    { context: { file: file.path, recordCount: file.recordCount } },
  )
}

function placementOf({ fileId }: KnownFile, { firstRowPosition, rows }: FileRows): Placement {
  if (rows === 'all') return { fileId, start: firstRowPosition }
  const positions = new Uint32Array(rows.length)
  for (let i = 0; i < rows.length; i++) positions[i] = firstRowPosition + (rows[i] as number)
  return { fileId, positions }
}

/** Takes down the row ids that the file itself stores: updated rows have the id of the row they replace (MG-29). */
function keepRowIds(
  contents: IndexContents,
  file: KnownFile,
  { batch, firstRowPosition, rows }: FileRows,
): void {
  const data = topColumn(batch, ROW_ID_COLUMN.id)?.data
  if (data === undefined || data.nullCount === data.length) return
  let { rowIds } = file
  if (rowIds === undefined) {
    contents.checkRoom(0, 8 * file.recordCount)
    rowIds = new BigInt64Array(file.recordCount).fill(-1n)
    contents.files.setRowIds(file, rowIds)
  }
  const values = data.values as BigInt64Array
  const valid = ownValidity(data)
  for (let i = 0; i < batch.numRows; i++) {
    if (valid !== undefined && !getBit(valid.bits, valid.offset + i)) continue
    rowIds[firstRowPosition + (rows === 'all' ? i : (rows[i] as number))] = values[i] as bigint
  }
}
