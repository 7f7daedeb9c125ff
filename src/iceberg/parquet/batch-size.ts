/** How large a record batch is by its values, whatever the buffers behind them hold beside these. */
import type { RecordBatch } from 'apache-arrow'
import { rangeBytes } from '../columns/batch-bytes.ts'

/** Bytes of the rows of a batch in Arrow form, about. */
export function batchBytes(batch: RecordBatch): number {
  return batch.data.children.reduce((sum, column) => sum + rangeBytes(column, 0, batch.numRows), 0)
}
