/**
 * Messages between the pool and its workers. Requests hold their bytes in shared memory: nothing is copied on the
 * way, and a request whose worker died can be sent again.
 */
import type { ErrorCode, ErrorContext } from '../../core/errors.ts'
import type { AnalysisRequest, RowGroupAnalysis } from './analyze-row-group.ts'
import type { ColumnLayout } from './column-layout.ts'
import type { EncodeOptions } from './encode-row-group.ts'
import type { ExportedBatch } from './export-columns.ts'
import type { PlacedChunk } from './row-group-file.ts'

/** The first message to a worker. */
export interface WorkerSetup {
  readonly module: WebAssembly.Module
  /** Ceiling of the memory of one instance. */
  readonly maxMemoryBytes: number
}

/** Encodes Arrow batches as a Parquet file of one row group. */
export interface EncodeRequest {
  readonly kind: 'encode'
  /** Pieces of one Arrow IPC stream, in order. */
  readonly ipc: readonly Uint8Array[]
  readonly options: Omit<EncodeOptions, 'plainColumns'>
  /** What the caller knows of the rows already, or how the worker is to find out. */
  readonly analysis: RowGroupAnalysis | AnalysisRequest
}

export interface EncodeResult {
  /** The file. */
  readonly file: Uint8Array
  readonly analysis: RowGroupAnalysis
}

/** Decodes rows of a Parquet file of one row group. */
export interface DecodeRequest {
  readonly kind: 'decode'
  readonly file: Uint8Array
  readonly chunks: readonly PlacedChunk[]
  readonly columns: readonly ColumnLayout[]
  /** Most bytes that the chunks may decompress to. */
  readonly maxBytes: number
  readonly batchRows: number
  readonly offsetRows: number
  readonly limitRows: number
  /** Name of the data file, for errors. */
  readonly path: string
}

export interface DecodeResult {
  readonly batches: readonly ExportedBatch[]
}

export type WorkerRequest = EncodeRequest | DecodeRequest
export type WorkerResult<R extends WorkerRequest> = R extends EncodeRequest
  ? EncodeResult
  : DecodeResult

/** The answer to the one request that a worker has under way. */
export type WorkerReply =
  | { readonly ok: true; readonly result: object; readonly memoryBytes: number }
  | {
      readonly ok: false
      readonly failure: WorkerFailure
      readonly memoryBytes: number
    }

/**
 * What went wrong inside a worker. `codec`: the encoder or decoder refused its input. `trap`: the WASM instance is
 * unusable and the worker has to go; it may have run into the ceiling of its memory.
 */
export type WorkerFailure =
  | {
      readonly kind: 'floe'
      readonly code: ErrorCode
      readonly message: string
      readonly context: ErrorContext
    }
  | { readonly kind: 'codec'; readonly message: string }
  | { readonly kind: 'trap'; readonly message: string; readonly mayLackMemory: boolean }
