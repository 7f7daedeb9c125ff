/** Rows of Avro data and delete files, resolved by field id. Iceberg spec §Appendix A: Avro. */
import type { Limits } from '../../core/limits.ts'
import type { NestedField } from '../spec/types.ts'
import type { StructValue } from '../spec/value.ts'
import { AvroContainer } from './container.ts'
import { compileStructReader } from './value-reader.ts'

export interface AvroRowsOptions {
  /** The columns to read, in this order; others are passed over. */
  readonly fields: readonly NestedField[]
  /** Names the file in errors. */
  readonly file: string
  readonly limits: Limits
  /** Most rows of a batch. Default 1024. */
  readonly batchRows?: number
  /** Field ids for a file that has none: a name mapping, by the names from the root. */
  readonly idOfName?: (path: readonly string[]) => number | undefined
}

export interface AvroRowBatch {
  /** Position in the file of the first row, as position deletes count. */
  readonly firstPosition: number
  readonly rows: readonly StructValue[]
}

/**
 * Reads rows batch by batch; one decompressed block and one batch are in memory at a time.
 * @throws CORRUPT_AVRO, CHECKSUM_MISMATCH, UNSUPPORTED_CODEC, UNSUPPORTED_TYPE, LIMIT_EXCEEDED
 */
export function* readAvroRows(
  bytes: Uint8Array,
  options: AvroRowsOptions,
): Generator<AvroRowBatch, void, undefined> {
  const container = new AvroContainer(bytes, options.file, options.limits)
  const { schema, budget } = container
  if (schema.kind !== 'record') throw budget.corruptFile('its rows are not records')
  const context = { file: options.file, idOfName: options.idOfName, skips: new Map() }
  const readRow = compileStructReader(schema, options.fields, context, [])
  const batchRows = options.batchRows ?? 1024
  let firstPosition = 0
  for (const { count, cursor } of container.blocks()) {
    for (let done = 0; done < count; ) {
      const rows: StructValue[] = []
      const size = Math.min(batchRows, count - done)
      // A batch may end early, so that rows with long lists do not pile up.
      while (rows.length < size && !budget.halfSpent()) rows.push(readRow(cursor))
      yield { firstPosition, rows }
      budget.releaseItems()
      firstPosition += rows.length
      done += rows.length
    }
    cursor.expectEnd()
  }
}
