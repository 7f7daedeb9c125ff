/** Sizes of record batches by their values, whatever the buffers behind them hold beside these. */
import type { Data, RecordBatch } from 'apache-arrow'

/** Bytes of the rows of a batch in Arrow form. */
export function batchBytes(batch: RecordBatch): number {
  return batch.data.children.reduce((sum, column) => sum + dataBytes(column), 0)
}

function dataBytes(data: Data): number {
  const { length } = data
  const validity = data.nullCount > 0 ? length / 8 : 0
  const offsets = data.valueOffsets as Int32Array | undefined
  if (offsets !== undefined && offsets.length > length) {
    const start = offsets[0] as number
    const count = (offsets[length] as number) - start
    const [child] = data.children
    const below = child === undefined ? count : dataBytes(child.slice(start, count))
    return validity + 4 * length + below
  }
  if (data.children.length > 0) {
    return validity + data.children.reduce((sum, child) => sum + dataBytes(child), 0)
  }
  const values = data.values as (ArrayBufferView & { BYTES_PER_ELEMENT: number }) | undefined
  if (values === undefined) return validity
  // Booleans take a bit each; their buffer is shared between slices.
  if (values.byteLength < length) return validity + length / 8
  return validity + length * data.stride * values.BYTES_PER_ELEMENT
}
