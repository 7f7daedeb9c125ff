/** Worker side of reading: checks a one-row-group file page by page, decodes rows of it, copies them out. */
import { checkLimit, DEFAULT_LIMITS } from '../../core/limits.ts'
import { exportBatch } from './export-columns.ts'
import { scanPages } from './page-headers.ts'
import type { ParquetWasm } from './parquet-wasm.ts'
import type { DecodeRequest, DecodeResult } from './worker-protocol.ts'

/**
 * Decodes the rows that the request names.
 * @throws CORRUPT_PARQUET, CHECKSUM_MISMATCH, LIMIT_EXCEEDED before decoding; the decoder's own errors.
 */
export function decodeRowGroup(wasm: ParquetWasm, request: DecodeRequest): DecodeResult {
  if (request.offsetRows === 0) checkPages(request)
  const table = wasm.readParquet(request.file, {
    batchSize: request.batchRows,
    offset: request.offsetRows,
    limit: request.limitRows,
  })
  const stream = table.intoFFI()
  try {
    const memory = wasm.wasmMemory().buffer
    const schema = stream.schemaAddr()
    const batches = Array.from({ length: stream.numArrays() }, (_, i) =>
      exportBatch(memory, stream.arrayAddr(i), schema, request.columns),
    )
    return { batches }
  } finally {
    stream.drop()
  }
}

/**
 * True if the file's dictionaries may stand for more than `bytes`: then a decoder that gave up may have run out of
 * memory rather than into damage.
 */
export function mayExpandBeyond(request: DecodeRequest, bytes: number): boolean {
  let worst = 0
  for (const chunk of request.chunks) {
    const pages = scanPages(chunkBytes(request, chunk), chunk.numValues, {
      file: request.path,
      column: chunk.column,
    })
    worst += pages.uncompressedBytes + pages.dictionaryBytes * chunk.numValues
  }
  return worst > bytes
}

/** What the pages really decompress to: the footer may have lied. */
function checkPages(request: DecodeRequest): void {
  let bytes = 0
  for (const chunk of request.chunks) {
    const where = { file: request.path, column: chunk.column }
    bytes += scanPages(chunkBytes(request, chunk), chunk.numValues, where).uncompressedBytes
  }
  const limits = { ...DEFAULT_LIMITS, rowGroupBytes: request.maxBytes }
  checkLimit(limits, 'rowGroupBytes', bytes, `A row group of ${request.path}`)
}

function chunkBytes(request: DecodeRequest, chunk: DecodeRequest['chunks'][number]): Uint8Array {
  return request.file.subarray(chunk.offset, chunk.offset + chunk.length)
}
