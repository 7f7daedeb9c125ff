/** Invariant (f) for the rows themselves: ids that files store beside those that rows inherit, deleted rows left out. */
import type { Data } from 'apache-arrow'
import { parallelMap } from '../../../core/concurrency.ts'
import { throwIfAborted } from '../../../core/errors.ts'
import { ALWAYS_TRUE } from '../../spec/expressions/expression.ts'
import { LAST_UPDATED_COLUMN, ROW_ID_COLUMN } from '../deletes/reserved-fields.ts'
import type { Environment } from '../environment.ts'
import { type FileScanTask, planScan } from '../scan/plan.ts'
import { readTasks } from '../scan/read.ts'
import { currentSchema, type TableState } from '../table-state.ts'
import type { FsckFindings } from './report.ts'

/** Rows whose ids are held against each other, at eight bytes each. */
const MAX_ROWS = 16_000_000

/**
 * Checks the row ids of the current snapshot.
 * @throws what planning and reading fail with.
 */
export async function checkRowIdsOfRows(
  env: Environment,
  state: TableState,
  signal: AbortSignal | undefined,
  findings: FsckFindings,
): Promise<void> {
  const { metadata } = state
  const snapshot = metadata.snapshots.find((s) => s.snapshotId === metadata.currentSnapshotId)
  if (metadata.formatVersion < 3 || snapshot === undefined) return
  const { tasks, report } = await planScan(env, {
    metadata,
    snapshot,
    schema: currentSchema(metadata),
    filter: ALWAYS_TRUE,
    signal,
  })
  if (report.rows > MAX_ROWS) {
    findings.warn(
      'row-ids',
      `the ids of ${report.rows} rows were not held against each other, which is done for ${MAX_ROWS} at most`,
    )
    return
  }
  const withIds = tasks.filter((task) => task.file.firstRowId !== undefined)
  const ids = await parallelMap(withIds, env.pool.size, (task) => {
    throwIfAborted(signal, 'fsck')
    return idsOf(env, state, task, signal, findings)
  })
  const all = new BigInt64Array(ids.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of ids) {
    all.set(part, at)
    at += part.length
  }
  all.sort()
  const twice = all.find((id, i) => i > 0 && all[i - 1] === id)
  if (twice === undefined) return
  const files = withIds.filter((_, i) => ids[i]?.includes(twice)).map((t) => t.file.filePath)
  findings.add('row-ids', `the row id ${twice} is that of two rows, in ${files.join(' and ')}`, {
    file: files[0] as string,
    snapshotId: snapshot.snapshotId,
  })
}

async function idsOf(
  env: Environment,
  { metadata }: TableState,
  task: FileScanTask,
  signal: AbortSignal | undefined,
  findings: FsckFindings,
): Promise<BigInt64Array> {
  const ids = new BigInt64Array(task.file.recordCount)
  let count = 0
  let outside: bigint | undefined
  let future: bigint | undefined
  const batches = readTasks(env, [task], {
    metadata,
    schema: currentSchema(metadata),
    columns: [ROW_ID_COLUMN, LAST_UPDATED_COLUMN],
    batchRows: undefined,
    signal,
  })
  for await (const batch of batches) {
    const [rowIds, updated] = (batch.data as unknown as Data).children as [Data, Data]
    for (const id of rowIds.values.subarray(0, batch.numRows) as BigInt64Array) {
      if (id < 0n || id >= metadata.nextRowId) outside = id
      ids[count++] = id
    }
    for (const number of updated.values.subarray(0, batch.numRows) as BigInt64Array) {
      if (number > BigInt(task.sequenceNumber)) future = number
    }
  }
  const where = { file: task.file.filePath }
  if (outside !== undefined) {
    findings.add(
      'row-ids',
      `a row has the id ${outside}, next-row-id is ${metadata.nextRowId}`,
      where,
    )
  }
  if (future !== undefined) {
    findings.add(
      'row-ids',
      `a row was last updated by the commit ${future}, its file is of ${task.sequenceNumber}`,
      where,
    )
  }
  return ids.subarray(0, count)
}
