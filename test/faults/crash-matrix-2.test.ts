/** The matrix for the other half of the operations. */
import { vi } from 'vitest'
import { testMatrix } from './crash-matrix.ts'

vi.mock('../../src/iceberg/parquet/worker-pool.ts', async (original) => ({
  ...(await original<object>()),
  openParquetPool: (await import('./in-process-pool.ts')).inProcessPool,
}))

testMatrix(1)
