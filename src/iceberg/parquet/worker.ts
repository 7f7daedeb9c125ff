/**
 * A worker thread: the only place where parquet-wasm runs. Takes one request at a time, answers it, waits for the
 * next. An instance that has trapped is not used again: the pool ends the thread.
 */
import { parentPort } from 'node:worker_threads'
import * as wasm from 'parquet-wasm/esm/parquet_wasm.js'
import { assert, type ErrorContext, isFloeError } from '../../core/errors.ts'
import { loadArrow } from '../columns/arrow.ts'
import { analyzeBatch, emptyAnalysis, type RowGroupAnalysis } from './analyze-row-group.ts'
import { decodeRowGroup, mayExpandBeyond } from './decode-row-group.ts'
import { encodeRowGroup } from './encode-row-group.ts'
import { WasmIpc } from './wasm-ipc.ts'
import type {
  DecodeResult,
  EncodeRequest,
  EncodeResult,
  WorkerFailure,
  WorkerReply,
  WorkerRequest,
  WorkerSetup,
} from './worker-protocol.ts'

const port = parentPort
assert(port !== null, 'the Parquet worker runs in a worker thread')
let maxMemoryBytes = 0
let exports: wasm.InitOutput | undefined

port.once('message', (setup: WorkerSetup) => {
  maxMemoryBytes = setup.maxMemoryBytes
  exports = wasm.initSync({ module: setup.module })
  port.on('message', onRequest)
})

function onRequest(request: WorkerRequest): void {
  handle(request).then(
    ({ result, transfer }) => {
      const reply: WorkerReply = { ok: true, result, memoryBytes: memoryBytes() }
      port?.postMessage(reply, transfer)
    },
    (error: unknown) => {
      const reply: WorkerReply = {
        ok: false,
        failure: failureOf(error, request),
        memoryBytes: memoryBytes(),
      }
      port?.postMessage(reply)
    },
  )
}

interface Handled {
  readonly result: object
  readonly transfer: ArrayBuffer[]
}

async function handle(request: WorkerRequest): Promise<Handled> {
  switch (request.kind) {
    case 'encode': {
      const result = await encode(request)
      return { result, transfer: [result.file.buffer as ArrayBuffer] }
    }
    case 'decode': {
      const result: DecodeResult = decodeRowGroup(wasm, request)
      const buffers = result.batches.flatMap((b) => [b.bytes.buffer, b.arrays.buffer])
      return { result, transfer: buffers as ArrayBuffer[] }
    }
  }
}

async function encode(request: EncodeRequest): Promise<EncodeResult> {
  assert(exports !== undefined, 'the worker was set up')
  const ipc = new WasmIpc(exports, request.ipc)
  let analysis: RowGroupAnalysis
  try {
    analysis = await analyze(ipc, request)
  } catch (error) {
    ipc.free()
    throw error
  }
  const options = { ...request.options, plainColumns: analysis.plainColumns }
  return { file: encodeRowGroup(wasm, ipc.intoTable(wasm), options), analysis }
}

async function analyze(ipc: WasmIpc, request: EncodeRequest): Promise<RowGroupAnalysis> {
  if (request.analysis.kind === 'analysis') return request.analysis
  const { RecordBatchReader } = await loadArrow()
  let analysis = emptyAnalysis()
  for (const batch of RecordBatchReader.from(ipc.bytes)) {
    analysis = analyzeBatch(analysis, batch, request.analysis.modes)
  }
  return analysis
}

function memoryBytes(): number {
  return wasm.wasmMemory().buffer.byteLength
}

function failureOf(error: unknown, request: WorkerRequest): WorkerFailure {
  if (isFloeError(error)) {
    const { code, context } = error
    // The receiving side appends the code again.
    const message = error.message.replace(` [${code}]`, '')
    return { kind: 'floe', code, message, context: context as ErrorContext }
  }
  const message = error instanceof Error ? error.message : String(error)
  // A stack overflow inside WASM is a RangeError; it leaves the instance in the middle of something.
  const isTrap = error instanceof WebAssembly.RuntimeError || error instanceof RangeError
  if (!isTrap) return { kind: 'codec', message }
  const mayLackMemory = request.kind === 'decode' && mayExpandBeyond(request, maxMemoryBytes)
  return { kind: 'trap', message, mayLackMemory }
}
