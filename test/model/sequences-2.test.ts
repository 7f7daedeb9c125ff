/** The second half of the sequences. */
import { vi } from 'vitest'
import { testSequences } from './sequences.ts'

vi.mock('../../src/iceberg/parquet/worker-pool.ts', async (original) => ({
  ...(await original<object>()),
  openParquetPool: (await import('../faults/in-process-pool.ts')).inProcessPool,
}))

testSequences(1)
