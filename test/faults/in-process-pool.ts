/**
 * Parquet on the calling thread, in place of worker threads: what runs under a seed must not wait for another thread's
 * clock. Use it with `vi.mock` in place of `openParquetPool`.
 */
import * as wasm from 'parquet-wasm/esm/parquet_wasm.js'
import { loadArrow } from '../../src/iceberg/columns/arrow.ts'
import { analyzeBatch, emptyAnalysis } from '../../src/iceberg/parquet/analyze-row-group.ts'
import { decodeRowGroup } from '../../src/iceberg/parquet/decode-row-group.ts'
import { encodeRowGroup } from '../../src/iceberg/parquet/encode-row-group.ts'
import { compileParquetWasm } from '../../src/iceberg/parquet/wasm-module.ts'
import type { ParquetPool, ParquetPoolOptions } from '../../src/iceberg/parquet/worker-pool.ts'
import type {
  EncodeRequest,
  EncodeResult,
  WorkerRequest,
  WorkerResult,
} from '../../src/iceberg/parquet/worker-protocol.ts'

const { RecordBatchReader } = await loadArrow()
wasm.initSync({ module: await compileParquetWasm(512 * 1024 * 1024) })

/** What is asked before each request, with its number; may throw what a pool would. */
export const poolHook: { before: ((index: number) => void) | undefined; requests: number } = {
  before: undefined,
  requests: 0,
}

/** A pool that is ready at once and has nothing to close. */
export function inProcessPool({ limits, runtime }: ParquetPoolOptions): ParquetPool {
  return {
    size: 1,
    limits,
    runtime,
    run: async <R extends WorkerRequest>(request: R): Promise<WorkerResult<R>> => {
      poolHook.before?.(poolHook.requests++)
      const result = request.kind === 'encode' ? encode(request) : decodeRowGroup(wasm, request)
      return result as WorkerResult<R>
    },
    prewarm: async () => undefined,
    close: async () => undefined,
  }
}

function encode(request: EncodeRequest): EncodeResult {
  const ipc = Buffer.concat(request.ipc)
  let analysis = request.analysis.kind === 'analysis' ? request.analysis : emptyAnalysis()
  if (request.analysis.kind !== 'analysis') {
    for (const batch of RecordBatchReader.from(ipc)) {
      analysis = analyzeBatch(analysis, batch, request.analysis.modes)
    }
  }
  const options = { ...request.options, plainColumns: analysis.plainColumns }
  return { file: encodeRowGroup(wasm, wasm.Table.fromIPCStream(ipc), options), analysis }
}
