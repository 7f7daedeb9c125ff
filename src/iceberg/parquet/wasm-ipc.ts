/**
 * The pieces of an Arrow IPC stream in the memory of the encoder, with one copy. parquet-wasm takes a stream in one piece
 * of ordinary memory: joined first, each row group would be there once more.
 */
import type { InitOutput, Table } from 'parquet-wasm/esm/parquet_wasm.js'
import type { ParquetWasm } from './parquet-wasm.ts'

/** What the generated code of parquet-wasm has beside its declared classes. */
interface TableClass {
  __wrap(pointer: number): Table
}

export class WasmIpc {
  readonly #exports: InitOutput
  readonly #pointer: number
  readonly #length: number

  constructor(exports: InitOutput, pieces: readonly Uint8Array[]) {
    this.#exports = exports
    this.#length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    this.#pointer = exports.__wbindgen_malloc(this.#length, 1) >>> 0
    let at = 0
    const { bytes } = this
    for (const piece of pieces) {
      bytes.set(piece, at)
      at += piece.length
    }
  }

  /** The stream; valid until the encoder does something. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#exports.memory.buffer, this.#pointer, this.#length)
  }

  /** The table that it has; takes the memory, also when it fails. @throws what the decoder of the stream refuses. */
  intoTable(wasm: ParquetWasm): Table {
    const exports = this.#exports
    const [table, error, failed] = exports.table_fromIPCStream(this.#pointer, this.#length)
    if (failed === 0) return (wasm.Table as unknown as TableClass).__wrap(table)
    const reason: unknown = exports.__wbindgen_externrefs.get(error)
    exports.__externref_table_dealloc(error)
    throw reason
  }

  free(): void {
    this.#exports.__wbindgen_free(this.#pointer, this.#length, 1)
  }
}
