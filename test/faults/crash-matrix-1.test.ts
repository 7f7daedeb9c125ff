/** The matrix for one half of the operations, and the replay of one case. */
import { vi } from 'vitest'
import { testMatrix, testReplay } from './crash-matrix.ts'

vi.mock('../../src/iceberg/parquet/worker-pool.ts', async (original) => ({
  ...(await original<object>()),
  openParquetPool: (await import('./in-process-pool.ts')).inProcessPool,
}))

testMatrix(0)
testReplay()
