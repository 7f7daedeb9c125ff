/** The decoder and encoder, by type: only worker threads load it. */
import type * as ParquetWasmModule from 'parquet-wasm/esm/parquet_wasm.js'

export type ParquetWasm = typeof ParquetWasmModule
