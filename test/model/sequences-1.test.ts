/** The first half of the sequences, and the replay of one. */
import { vi } from 'vitest'
import { testRepetition, testReplay, testSequences } from './sequences.ts'

vi.mock('../../src/iceberg/parquet/worker-pool.ts', async (original) => ({
  ...(await original<object>()),
  openParquetPool: (await import('../faults/in-process-pool.ts')).inProcessPool,
}))

testSequences(0)
testRepetition()
testReplay()
